//! A lab for one test: with a controller in network and mount namespaces of its own, so that tests neither touch the
//! machine nor each other, and gone when the test ends, however it ends.

#![allow(dead_code, reason = "each test crate uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::must_use_candidate,
    reason = "a test that cannot go on fails"
)]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use portmap_deploy::lab;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_portmap-deploy");

/// Root's home becomes `$1`, for `ssh` (which asks the account's entry, not `$HOME`) as well. The end of stdin, also
/// by the death of the test, takes the lab down.
const CONTROLLER: &str = r#"
set -e
sed "s|^\(root:[^:]*:[^:]*:[^:]*:[^:]*\):[^:]*|\1:$1|" /etc/passwd >"$1/.passwd"
mount --bind "$1/.passwd" /etc/passwd
ip link set lo up
echo ready
cat >/dev/null
exec "$2" lab --lab "$3" down >/dev/null 2>&1
"#;

/// A network namespace with a controller's home, without a lab.
pub struct Controller {
    name: String,
    process: Child,
    home: TempDir,
}

impl Controller {
    /// A fresh one. The lab that is brought up from here must be called [`name`](Self::name).
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("t{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let home = tempfile::Builder::new().prefix("portmap-test").tempdir().unwrap();
        let mut process = Command::new("setsid")
            .args([
                "unshare",
                "--net",
                "--mount",
                "--",
                "sh",
                "-c",
                CONTROLLER,
                "controller",
            ])
            .args([home.path().as_os_str(), PROGRAM.as_ref(), name.as_ref()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut ready)
            .unwrap();
        assert_eq!(ready, "ready\n", "tests of labs need root: sudo make test");
        Self { name, process, home }
    }

    /// The name of the lab.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The private home of root here; `.ssh/config` is what `ssh` reads.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A program in the controller's namespaces. The process is that program's (its pid may be killed), and its
    /// environment holds nothing but `HOME`, `PATH` and a locale.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.process.id()))
            .args(["--net", "--mount", "--", program])
            .env_clear()
            .env("HOME", self.home.path())
            .env("LC_ALL", "C.UTF-8")
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null());
        command
    }

    /// Runs `work` on a thread in the controller's network namespace: its sockets are there.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/proc/{}/ns/net", self.process.id())).unwrap();
        let enter = || move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        let inside = || {
            enter();
            work()
        };
        std::thread::scope(|scope| scope.spawn(inside).join()).unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// `portmap-deploy lab --lab NAME ...`.
    pub fn lab(&self, args: &[&str]) -> Command {
        let mut command = self.command(PROGRAM);
        command.args(["lab", "--lab", &self.name]).args(args);
        command
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// A lab that is up.
pub struct Lab {
    controller: Controller,
    state: lab::Lab,
}

impl Lab {
    /// Hosts `host1`, `host2`, ...; `backend` is `nft`, `legacy` or `mixed`.
    pub fn up(hosts: usize, backend: &str) -> Self {
        Self::up_with(&["--hosts", &hosts.to_string(), "--backend", backend])
    }

    /// With these arguments of `lab up`.
    pub fn up_with(args: &[&str]) -> Self {
        let controller = Controller::new();
        said(&mut controller.lab(&[&["up"], args].concat()));
        let state = lab::load(controller.name()).unwrap();
        Self { controller, state }
    }

    /// Reads anew what the program knows of the lab: a reboot has changed it.
    pub fn look_again(&mut self) {
        self.state = lab::load(self.name()).unwrap();
    }

    /// What the program knows of the lab: hosts, processes.
    pub fn state(&self) -> &lab::Lab {
        &self.state
    }

    /// The lab's name.
    pub fn name(&self) -> &str {
        self.controller.name()
    }

    /// The hosts' names.
    pub fn hosts(&self) -> Vec<&str> {
        self.state.hosts.iter().map(|host| host.name.as_str()).collect()
    }

    /// An inventory of all hosts, with nothing but how to log in as root.
    pub fn inventory(&self) -> PathBuf {
        self.folder().join("inventory.yaml")
    }

    /// The private key that may log in as root, `deploy` (with sudo) and `plain` (without).
    pub fn key(&self) -> PathBuf {
        self.folder().join("key")
    }

    /// The host keys of all hosts, for any port.
    pub fn known_hosts(&self) -> PathBuf {
        self.folder().join("known_hosts")
    }

    fn folder(&self) -> PathBuf {
        Path::new("/run/portmap-deploy-lab").join(self.name()).join("ssh")
    }

    /// The controller's private home.
    pub fn home(&self) -> &Path {
        self.controller.home()
    }

    /// A host's address; `family` is 4 or 6.
    pub fn address(&self, host: &str, family: u8) -> IpAddr {
        let host = self.state.host(host).unwrap();
        if family == 4 {
            host.ipv4.into()
        } else {
            host.ipv6.unwrap().into()
        }
    }

    /// Any program in the controller's namespaces, see [`Controller::command`].
    pub fn command(&self, program: &str) -> Command {
        self.controller.command(program)
    }

    /// Runs `work` on a thread in the controller's network namespace, see [`Controller::within`].
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.controller.within(work)
    }

    /// `portmap-deploy` with these arguments in the controller's namespaces.
    pub fn controller(&self, args: &[&str]) -> Command {
        let mut command = self.command(PROGRAM);
        command.args(args);
        command
    }

    /// `portmap-deploy lab --lab NAME ...`.
    pub fn lab(&self, args: &[&str]) -> Command {
        self.controller.lab(args)
    }

    /// `ssh user@address` from the controller; a cheap key exchange, no known host but the lab's.
    pub fn ssh(&self, user: &str, address: IpAddr) -> Command {
        let mut command = self.command("ssh");
        command
            .arg("-i")
            .arg(self.key())
            .args(["-o", &format!("UserKnownHostsFile={}", self.known_hosts().display())])
            .args([
                "-o",
                "BatchMode=yes",
                "-o",
                "ConnectTimeout=5",
                "-o",
                "KexAlgorithms=curve25519-sha256",
            ])
            .arg(format!("{user}@{address}"));
        command
    }

    /// A line of sh as root on a host, not over SSH.
    pub fn exec(&self, host: &str, line: &str) -> Output {
        self.lab(&["exec", host, "sh", "-c", line]).output().unwrap()
    }

    /// The same, which must succeed; what it said on stdout.
    pub fn run(&self, host: &str, line: &str) -> String {
        said(&mut self.lab(&["exec", host, "sh", "-c", line]))
    }

    /// A line of sh as root on the router between controller and hosts: `nft add table inet cloud; ...` in hook
    /// forward plays a security group.
    pub fn upstream(&self, line: &str) -> Output {
        self.lab(&["upstream", "sh", "-c", line]).output().unwrap()
    }

    /// Drops what is sent to this TCP or UDP port of any host, until [`unblock`](Self::unblock).
    pub fn block(&self, protocol: &str, port: u16) {
        let line = format!(
            "nft add table inet cloud; \
             nft add chain inet cloud forward '{{ type filter hook forward priority 0; }}'; \
             nft add rule inet cloud forward iifname uplink {protocol} dport {port} drop"
        );
        said(&mut self.lab(&["upstream", "sh", "-c", &line]));
    }

    /// Undoes all [`block`](Self::block)s.
    pub fn unblock(&self) {
        said(&mut self.lab(&["upstream", "nft", "delete", "table", "inet", "cloud"]));
    }

    /// Loses all packets from and to a host.
    pub fn cut(&self, host: &str) {
        said(&mut self.lab(&["cut", host]));
    }

    /// Undoes a cut.
    pub fn heal(&self, host: &str) {
        said(&mut self.lab(&["heal", host]));
    }

    /// Whether a new connection from the controller to a host's port 22 succeeds within a second.
    pub fn answers(&self, host: &str, family: u8) -> bool {
        let address = SocketAddr::new(self.address(host, family), 22);
        self.within(|| TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok())
    }

    /// SSH logins that a host has accepted so far.
    pub fn logins(&self, host: &str) -> usize {
        self.run(host, "grep -c '^Accepted publickey for ' /var/log/sshd.log || :")
            .trim()
            .parse()
            .unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let down = self.lab(&["down"]).output();
        // A second panic would abort all tests.
        if !std::thread::panicking() {
            let down = down.unwrap();
            assert!(
                down.status.success(),
                "lab down: {}",
                String::from_utf8_lossy(&down.stderr)
            );
        }
    }
}

/// Runs a command that must succeed; what it said on stdout.
pub fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Waits for a condition, at most ten seconds.
pub fn await_true(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
