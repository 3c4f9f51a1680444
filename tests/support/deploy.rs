//! A small language for tests of whole deploys: what is deployed, what the program says of it, and what the kernel and
//! connections from outside say, asked without the program.

#![allow(dead_code, reason = "each test crate uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::must_use_candidate,
    reason = "a test that cannot go on fails"
)]

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;
use socket2::{Domain, Protocol, Socket, Type};

use super::lab::Lab;

/// How long a connection that should not come about is waited for. One that should takes milliseconds.
const SILENCE: Duration = Duration::from_millis(900);

/// Makes of `fn name(backend: &str)` a test on each backend.
#[macro_export]
macro_rules! on_both_backends {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn nft() {
                super::$name("nft");
            }
            #[test]
            fn legacy() {
                super::$name("legacy");
            }
        }
    )+};
}

/// What a run of the program came to.
#[derive(Debug)]
pub struct Run {
    /// The exit code; `None`: killed by a signal.
    pub code: Option<i32>,
    /// The document of `--output json`; null when there is none.
    pub json: Value,
    /// What it wrote to stdout.
    pub stdout: String,
    /// Progress, warnings and errors.
    pub stderr: String,
    /// Wall time.
    pub elapsed: Duration,
}

impl Run {
    /// Reads what a run of `--output json` left.
    pub fn read(output: &Output, elapsed: Duration) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let json = serde_json::from_slice(&output.stdout).unwrap_or_default();
        Self {
            code: output.status.code(),
            json,
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            elapsed,
        }
    }

    /// Everything it said, for messages of failed asserts.
    pub fn said(&self) -> String {
        format!("exit code {:?}\n{}\n{}", self.code, self.stdout, self.stderr)
    }

    /// What the document says of a host.
    pub fn host(&self, host: &str) -> &Value {
        let found = &self.json["hosts"][host];
        assert!(found.is_object(), "nothing about {host}: {}", self.said());
        found
    }

    /// The end state of a host: `confirmed`, `unchanged`, ...
    pub fn state(&self, host: &str) -> &str {
        self.host(host)["state"].as_str().unwrap()
    }

    /// The one sentence that says why a host ended so; empty when there is none.
    pub fn reason(&self, host: &str) -> &str {
        self.host(host)["reason"].as_str().unwrap_or_default()
    }

    /// All warnings of a host, a line each.
    pub fn warnings(&self, host: &str) -> String {
        let warnings = self.host(host)["warnings"].as_array().cloned().unwrap_or_default();
        warnings.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
    }

    /// Asserts the end state and the exit code that goes with it.
    #[track_caller]
    pub fn expect(&self, host: &str, state: &str) -> &Self {
        let code = match state {
            "confirmed" | "unchanged" => 0,
            "unreachable" | "unknown" => 4,
            _ => 2,
        };
        assert_eq!(
            (self.state(host), self.code),
            (state, Some(code)),
            "{host}: {}",
            self.said()
        );
        self
    }

    /// Asserts how many logins the program counted.
    #[track_caller]
    pub fn expect_logins(&self, host: &str, logins: u64) -> &Self {
        assert_eq!(self.host(host)["connections"], logins, "{}", self.said());
        self
    }

    /// Asserts what was proven of a mapping, by its `port` as in the inventory (`2222`, `8000-8010`), in a family (4, 6).
    #[track_caller]
    pub fn expect_mapping(&self, host: &str, family: u8, port: &str, mapped: &str, direct: &str) -> &Self {
        let proof = self.mapping(host, family, port);
        let found = (proof["mapped"].as_str().unwrap(), proof["direct"].as_str().unwrap());
        assert_eq!(found, (mapped, direct), "IPv{family} {port}: {}", self.said());
        self
    }

    /// [`expect_mapping`](Self::expect_mapping) in both families.
    #[track_caller]
    pub fn expect_mappings(&self, host: &str, port: &str, mapped: &str, direct: &str) -> &Self {
        self.expect_mapping(host, 4, port, mapped, direct)
            .expect_mapping(host, 6, port, mapped, direct)
    }

    /// Why a mapping was not found as promised, or could not be looked at.
    #[track_caller]
    pub fn mapping_reason(&self, host: &str, family: u8, port: &str) -> &str {
        self.mapping(host, family, port)["reason"].as_str().unwrap_or_default()
    }

    #[track_caller]
    fn mapping(&self, host: &str, family: u8, port: &str) -> &Value {
        let is_it = |proof: &&Value| {
            let found = &proof["port"];
            let text = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
            proof["family"] == format!("ipv{family}") && text == port
        };
        let found = self.host(host)["mappings"].as_array().unwrap().iter().find(is_it);
        found.unwrap_or_else(|| panic!("no proof of {port} over IPv{family}: {}", self.said()))
    }

    /// Asserts that a host has no proofs in a family.
    #[track_caller]
    pub fn expect_no_proof(&self, host: &str, family: u8) -> &Self {
        let of_family = |proof: &&Value| proof["family"] == format!("ipv{family}");
        assert_eq!(
            self.host(host)["mappings"].as_array().unwrap().iter().find(of_family),
            None,
            "{}",
            self.said()
        );
        self
    }
}

/// What a connection attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Connected (TCP) or answered (UDP).
    Open,
    /// A reset, or an ICMP error.
    Refused,
    /// Nothing came back.
    Silent,
}

impl Lab {
    /// Runs `portmap-deploy` with these arguments and `--output json`.
    pub fn deploy(&self, args: &[&str]) -> Run {
        let began = Instant::now();
        let output = self.controller(args).args(["--output", "json"]).output().unwrap();
        Run::read(&output, began.elapsed())
    }

    /// An inventory of these hosts alone: how to log in to them comes from the lab, `variables` (YAML in flow style,
    /// without the braces) from the test and win.
    pub fn inventory_of(&self, hosts: &[(&str, &str)]) -> PathBuf {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let login = |host: &str| {
            let options = format!(
                "-o UserKnownHostsFile={} -o GlobalKnownHostsFile=/dev/null -o IdentitiesOnly=yes \
                 -o KexAlgorithms=curve25519-sha256",
                self.known_hosts().display()
            );
            format!(
                "ansible_host: {}, ansible_user: root, ansible_port: 22, ansible_ssh_private_key_file: {}, \
                 ansible_ssh_common_args: \"{options}\"",
                self.address(host, 4),
                self.key().display()
            )
        };
        let mut text = String::from("all:\n  children:\n    tested:\n      hosts:\n");
        let mut logins = String::from("all:\n  hosts:\n");
        for (host, variables) in hosts {
            writeln!(text, "        {host}: {{{variables}}}").unwrap();
            writeln!(logins, "    {host}: {{{}}}", login(host)).unwrap();
        }
        let folder = self
            .home()
            .join(format!("inventory{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("login.yaml"), logins).unwrap();
        std::fs::write(folder.join("hosts.yaml"), text).unwrap();
        folder
    }

    /// Deploys to these hosts, see [`inventory_of`](Self::inventory_of).
    pub fn deploy_to(&self, hosts: &[(&str, &str)], args: &[&str]) -> Run {
        let folder = self.inventory_of(hosts);
        let path = |name: &str| folder.join(name).display().to_string();
        self.deploy(&[&["-i", &path("login.yaml"), "-i", &path("hosts.yaml")], args].concat())
    }

    /// Deploys to `host1`: `lab.deploys("portmap: ['2222:22']")`.
    pub fn deploys(&self, variables: &str) -> Run {
        self.deploy_to(&[("host1", variables)], &[])
    }

    /// All rules of a host in a family: no counters, comments or empty tables, and what is the same reads the same.
    pub fn rules(&self, host: &str, family: u8) -> String {
        let tool = if family == 4 { "iptables-save" } else { "ip6tables-save" };
        canonical(&self.run(host, tool))
    }

    /// [`rules`](Self::rules) of both families that are not ours: what must never change.
    pub fn foreign_rules(&self, host: &str) -> String {
        let ours = |line: &&str| line.contains("PORTMAP-");
        let foreign = |family| {
            let saved = self.run(host, if family == 4 { "iptables-save" } else { "ip6tables-save" });
            canonical(
                &saved
                    .lines()
                    .filter(|line| !ours(line))
                    .flat_map(|line| [line, "\n"])
                    .collect::<String>(),
            )
        };
        format!("IPv4\n{}IPv6\n{}", foreign(4), foreign(6))
    }

    /// Lines of ours in a host's live rules, both families.
    pub fn our_rules(&self, host: &str) -> String {
        let all = self.rules(host, 4) + &self.rules(host, 6);
        all.lines()
            .filter(|line| line.contains("PORTMAP-"))
            .flat_map(|line| [line, "\n"])
            .collect()
    }

    /// Loads rules into a host, as `iptables-restore` takes them, adding to what is there.
    pub fn load_rules(&self, host: &str, family: u8, rules: &str) {
        let tool = if family == 4 {
            "iptables-restore"
        } else {
            "ip6tables-restore"
        };
        self.run(host, &format!("{tool} --noflush <<'RULES'\n{rules}\nRULES\n"));
    }

    /// [`load_rules`](Self::load_rules) in both families.
    pub fn load_rules_of_both(&self, host: &str, rules: &str) {
        self.load_rules(host, 4, rules);
        self.load_rules(host, 6, rules);
    }

    /// Every file of ours on a host with its inode, size and times.
    pub fn files(&self, host: &str) -> String {
        self.run(
            host,
            "find /run/portmap-deploy /var/lib/portmap-deploy -printf '%p %i %s %T@ %C@\\n' 2>/dev/null | sort; \
             find /etc/systemd /lib/systemd -name 'portmap*' -printf '%p %i %T@\\n' 2>/dev/null | sort",
        )
    }

    /// A new TCP connection from the controller.
    pub fn connects(&self, host: &str, family: u8, port: u16) -> Seen {
        self.connects_to(SocketAddr::new(self.address(host, family), port))
    }

    /// A new TCP connection from the controller to anywhere.
    pub fn connects_to(&self, to: SocketAddr) -> Seen {
        self.within(|| tcp(to, None).0)
    }

    /// A new TCP connection from this address of the controller.
    pub fn connects_from(&self, from: IpAddr, host: &str, port: u16) -> Seen {
        let family = if from.is_ipv4() { 4 } else { 6 };
        let to = SocketAddr::new(self.address(host, family), port);
        self.within(|| tcp(to, Some(from)).0)
    }

    /// Asserts what a new TCP connection from the controller comes to, over IPv4 and IPv6.
    #[track_caller]
    pub fn expect_tcp(&self, host: &str, port: u16, expected: Seen) {
        self.expect_tcp_ports(host, &[port], expected);
    }

    /// [`expect_tcp`](Self::expect_tcp) for many ports at once: silence takes its time.
    #[track_caller]
    pub fn expect_tcp_ports(&self, host: &str, ports: &[u16], expected: Seen) {
        let found = std::thread::scope(|scope| {
            let connect = |family, port| scope.spawn(move || (family, port, self.connects(host, family, port)));
            let all: Vec<_> = ports
                .iter()
                .flat_map(|&port| [4, 6].map(|family| connect(family, port)))
                .collect();
            all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
        });
        for (family, port, seen) in found {
            assert_eq!(seen, expected, "{host}, IPv{family}, port {port}");
        }
    }

    /// Asserts that the server of that name answers there over IPv4 and IPv6.
    #[track_caller]
    pub fn expect_server(&self, host: &str, port: u16, name: &str) {
        for family in [4, 6] {
            assert_eq!(
                self.first_line(host, family, port),
                name,
                "{host}, IPv{family}, port {port}"
            );
        }
    }

    /// The first line that whoever listens there says over a new TCP connection; empty: nobody does.
    pub fn first_line(&self, host: &str, family: u8, port: u16) -> String {
        let to = SocketAddr::new(self.address(host, family), port);
        self.within(|| tcp(to, None).1)
    }

    /// Asserts that sshd answers there over IPv4 and IPv6.
    #[track_caller]
    pub fn expect_sshd(&self, host: &str, port: u16) {
        for family in [4, 6] {
            let line = self.first_line(host, family, port);
            assert!(
                line.starts_with("SSH-2.0-"),
                "{host}, IPv{family}, port {port}: {line:?}"
            );
        }
    }

    /// A datagram from the controller: what came back.
    pub fn datagram(&self, host: &str, family: u8, port: u16) -> Seen {
        let to = SocketAddr::new(self.address(host, family), port);
        self.within(|| udp(to))
    }

    /// Gives the controller one more address, which hosts answer.
    pub fn second_address(&self, family: u8) -> IpAddr {
        let to = self.address(self.hosts()[0], family);
        let first = self.within(|| {
            let any = if family == 4 { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any).unwrap();
            socket.connect((to, 9)).unwrap();
            socket.local_addr().unwrap().ip()
        });
        let second: IpAddr = match first {
            IpAddr::V4(ip) => (u32::from(ip) + 76).to_be_bytes().into(),
            IpAddr::V6(ip) => (u128::from(ip) + 76).to_be_bytes().into(),
        };
        let found = super::lab::said(self.command("ip").args(["-o", "address", "show"]));
        let link = found.lines().find(|line| line.contains(&format!(" {first}/"))).unwrap();
        let device = link.split_whitespace().nth(1).unwrap();
        let length = if family == 4 { 24 } else { 64 };
        let mut add = self.command("ip");
        // Deprecated: nothing leaves with it unless asked to.
        add.args(["address", "add", &format!("{second}/{length}"), "dev", device]);
        if family == 6 {
            add.args(["nodad", "preferred_lft", "0"]);
        }
        super::lab::said(&mut add);
        second
    }

    /// Runs `work` on a thread in a host's network namespace: its sockets are there.
    pub fn inside<T: Send>(&self, host: &str, work: impl FnOnce() -> T + Send) -> T {
        let pid = self.state().host(host).unwrap().member.init.pid();
        in_namespace(Path::new(&format!("/proc/{pid}/ns/net")), work)
    }

    /// Where a host's files are, seen from the machine.
    pub fn root_of(&self, host: &str) -> PathBuf {
        PathBuf::from(format!(
            "/proc/{}/root",
            self.state().host(host).unwrap().member.init.pid()
        ))
    }

    /// A server on this port of all addresses of a host, both families. It says `name` and a line's end, then sends
    /// back what it gets.
    pub fn serve(&self, host: &str, port: u16, name: &str) -> Server {
        self.inside(host, || Server::tcp(port, name))
    }

    /// The same for datagrams: sends back what it gets.
    pub fn serve_udp(&self, host: &str, port: u16) -> Server {
        self.inside(host, || Server::udp(port))
    }
}

/// Runs `work` on a thread in this network namespace.
pub fn in_namespace<T: Send>(namespace: &Path, work: impl FnOnce() -> T + Send) -> T {
    let namespace = File::open(namespace).unwrap();
    let inside = || {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        work()
    };
    std::thread::scope(|scope| scope.spawn(inside).join()).unwrap_or_else(|panic| resume_unwind(panic))
}

/// A TCP connection from this thread's namespace, and the first line that comes over it.
pub fn tcp(to: SocketAddr, from: Option<IpAddr>) -> (Seen, String) {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP)).unwrap();
    if let Some(from) = from {
        socket.bind(&SocketAddr::new(from, 0).into()).unwrap();
    }
    if let Err(error) = socket.connect_timeout(&to.into(), SILENCE) {
        return (seen(&error), String::new());
    }
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut line = String::new();
    let _ = BufReader::new(&stream).read_line(&mut line);
    (Seen::Open, line.trim_end().to_owned())
}

/// A datagram from this thread's namespace.
pub fn udp(to: SocketAddr) -> Seen {
    let socket = UdpSocket::bind(if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).unwrap();
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    let answer = socket
        .connect(to)
        .and_then(|()| socket.send(b"hello"))
        .and_then(|_| socket.recv(&mut [0; 16]));
    answer.map_or_else(|error| seen(&error), |_| Seen::Open)
}

fn seen(error: &std::io::Error) -> Seen {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Seen::Silent,
        _ => Seen::Refused,
    }
}

/// Save text without what may differ between two looks at the same rules.
fn canonical(saved: &str) -> String {
    let mut text = String::new();
    let mut table = Vec::new();
    for line in saved.lines().filter(|line| !line.starts_with('#')) {
        let line = if line.starts_with(':') {
            line.split(" [").next().unwrap_or(line)
        } else {
            line
        };
        table.push(line);
        if line == "COMMIT" {
            let empty = |line: &&str| {
                line.starts_with('*') || line.ends_with(" ACCEPT") && line.starts_with(':') || **line == *"COMMIT"
            };
            if !table.iter().all(empty) {
                text.extend(table.iter().flat_map(|line| [line, "\n"]));
            }
            table.clear();
        }
    }
    assert!(table.is_empty(), "a table without COMMIT:\n{saved}");
    text
}

/// A server that answers until it is dropped.
pub struct Server {
    stop: Arc<AtomicBool>,
    listener: Option<TcpListener>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens in this thread's namespace, on all addresses of both families.
    pub fn tcp(port: u16, name: &str) -> Self {
        let listener = TcpListener::bind(("::", port)).unwrap();
        let (accepting, name) = (listener.try_clone().unwrap(), format!("{name}\n"));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while let Ok((stream, _)) = accepting.accept() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let name = name.clone();
                std::thread::spawn(move || echo(stream, &name));
            }
        });
        Self {
            stop,
            listener: Some(listener),
            thread: Some(thread),
        }
    }

    /// The same for datagrams.
    pub fn udp(port: u16) -> Self {
        let socket = UdpSocket::bind(("::", port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut data = [0; 2048];
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut data) {
                    let _ = socket.send_to(&data[..length], from);
                }
            }
        });
        Self {
            stop,
            listener: None,
            thread: Some(thread),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(listener) = &self.listener {
            // Wakes who waits in accept.
            let _ = rustix::net::shutdown(listener, rustix::net::Shutdown::Both);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn echo(mut stream: TcpStream, name: &str) {
    let _ = stream.write_all(name.as_bytes());
    let mut data = [0; 1024];
    while let Ok(length) = stream.read(&mut data) {
        if length == 0 || stream.write_all(&data[..length]).is_err() {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}
