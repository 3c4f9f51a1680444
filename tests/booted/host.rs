//! Booted hosts for tests, from systems that all tests share.

use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::support::lab::{Lab, PROGRAM};

/// Other tools that write rules. Debian keeps ufw and iptables-persistent from being on one system.
pub const NEIGHBOURS: &str = "ufw,fail2ban,firewalld,nftables,python3-systemd";
pub const PERSISTENT: &str = "iptables-persistent";
/// Other inits, in place of systemd.
pub const OPENRC: &str = "openrc,sysvinit-core";
pub const SYSV: &str = "sysv-rc,sysvinit-core";

/// Debian's archive: where it cannot be reached, a system cannot be made.
const ARCHIVE: (&str, u16) = ("deb.debian.org", 80);

/// Makes the systems, once for all tests. `None`: they cannot be had.
fn systems() -> Option<()> {
    static MADE: OnceLock<Option<()>> = OnceLock::new();
    *MADE.get_or_init(|| {
        for packages in [PERSISTENT, NEIGHBOURS, OPENRC, SYSV] {
            let made = make(packages);
            if made.status.success() {
                continue;
            }
            let why = String::from_utf8_lossy(&made.stderr).into_owned();
            assert!(TcpStream::connect(ARCHIVE).is_err(), "{why}");
            // Not by eprintln, which the test harness captures.
            let _ = writeln!(
                std::io::stderr(),
                "\nSKIPPED: ALL TESTS ON BOOTED HOSTS. Their system cannot be made without {}:\n{why}",
                ARCHIVE.0
            );
            return None;
        }
        Some(())
    })
}

fn make(packages: &str) -> Output {
    // Where the labs of tests look for it, which have an environment of their own.
    let mut command = Command::new(PROGRAM);
    command
        .env_remove("XDG_CACHE_HOME")
        .args(["lab", "image", "--packages", packages]);
    command.output().unwrap()
}

/// So many booted hosts with these packages installed and not enabled; `None`: skipped.
pub fn booted(hosts: usize, packages: &str) -> Option<Lab> {
    systems()?;
    Some(Lab::up_with(&[
        "--boot",
        "--hosts",
        &hosts.to_string(),
        "--packages",
        packages,
    ]))
}

impl Lab {
    /// Shuts a booted host down and starts it again.
    pub fn reboot(&mut self, host: &str) {
        crate::support::lab::said(&mut self.lab(&["reboot", host]));
        self.look_again();
    }

    /// The same without shutting down.
    pub fn pull_the_plug(&mut self, host: &str) {
        crate::support::lab::said(&mut self.lab(&["reboot", "--hard", host]));
        self.look_again();
    }
}
