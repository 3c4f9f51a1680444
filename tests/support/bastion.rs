//! Hosts that are reached through other hosts alone.

#![allow(dead_code, reason = "each test crate uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::deploy::{Seen, tcp};
use super::lab::{Lab, said};

impl Lab {
    /// Nothing from the controller arrives at hosts other than these any more, and nothing is answered either.
    pub fn hide_all_but(&self, bastions: &[&str]) {
        let mut rules = String::from(
            "nft add table inet hidden; nft add chain inet hidden forward '{ type filter hook forward priority 1; }'; ",
        );
        for host in self.hosts().into_iter().filter(|host| !bastions.contains(host)) {
            for (family, word) in [(4, "ip"), (6, "ip6")] {
                let address = self.address(host, family);
                write!(
                    rules,
                    "nft add rule inet hidden forward iifname uplink {word} daddr {address} drop; "
                )
                .unwrap();
            }
        }
        said(&mut self.lab(&["upstream", "sh", "-ec", &rules]));
    }

    /// Options of ssh for every host of the lab, as lines of `ssh_config`.
    pub fn ssh_options(&self) -> String {
        format!(
            "  User root\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile /dev/null\n  KexAlgorithms curve25519-sha256\n",
            self.key().display(),
            self.known_hosts().display()
        )
    }

    /// Writes root's `~/.ssh/config` at the controller: `bastion` is this host, and what else there is to say before
    /// what is true of all hosts.
    pub fn ssh_config(&self, bastion: &str, more: &str) -> PathBuf {
        let folder = self.home().join(".ssh");
        let _ = std::fs::create_dir(&folder);
        let text = format!(
            "{more}Host bastion\n  HostName {}\nHost *\n{}",
            self.address(bastion, 4),
            self.ssh_options()
        );
        let path = folder.join("config");
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Adds one more name of a host to `known_hosts`.
    pub fn known_as(&self, host: &str, name: &str) {
        let known = std::fs::read_to_string(self.known_hosts()).unwrap();
        let address = format!("{},", self.address(host, 4));
        let line = known.lines().find(|line| line.starts_with(&address)).unwrap();
        let key = line.split_once(' ').unwrap().1;
        std::fs::write(self.known_hosts(), format!("{known}{name} {key}\n")).unwrap();
    }

    /// What comes back of a new TCP connection from one host to another.
    pub fn connects_between(&self, from: &str, to: &str, family: u8, port: u16) -> Seen {
        let to = SocketAddr::new(self.address(to, family), port);
        self.inside(from, || tcp(to, None).0)
    }

    /// Seen from that host, the mapping of 2222 to 22 is in force, over both families.
    #[track_caller]
    pub fn expect_mapped_from(&self, from: &str, host: &str) {
        for family in [4, 6] {
            let to = SocketAddr::new(self.address(host, family), 2222);
            let line = self.inside(from, || tcp(to, None).1);
            assert!(line.starts_with("SSH-2.0-"), "{host}, IPv{family}: {line:?}");
            assert_eq!(
                self.connects_between(from, host, family, 22),
                Seen::Silent,
                "IPv{family}"
            );
        }
    }

    /// Sends `sshd` of a host a line of configuration, before all others, and has it read them.
    pub fn sshd_says(&self, host: &str, line: &str) {
        let script =
            format!("set -e; sed -i '1i {line}' /etc/ssh/sshd_config; kill -HUP \"$(cat /run/sshd.pid)\"; sleep 0.2");
        self.run(host, &script);
    }

    /// Masters of ssh that the controller's programs have left running.
    pub fn masters(&self) -> String {
        let mut grep = self.command("pgrep");
        let found = grep
            .args(["-a", "-f", &self.key().display().to_string()])
            .output()
            .unwrap();
        String::from_utf8_lossy(&found.stdout).into_owned()
    }
}
