//! A host in a network namespace of its own: interfaces that packets are written into, rules, and what becomes of each
//! packet.
//!
//! The truth comes from an nftables table of the harness: it logs what has gone through all of INPUT and of POSTROUTING
//! (its chains come after everybody else's), and whatever the host itself sends before anybody's OUTPUT (there they come
//! first, and let nothing out). A packet that was logged in INPUT was delivered, in POSTROUTING forwarded; an ICMP error or
//! a reset that quotes a packet that was not is its rejection; of others nothing is heard. A device handles a packet before
//! the write of it returns, so nothing is waited for.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::AsFd as _;
use std::panic::resume_unwind;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use portmap_deploy::firewall::Family;
use portmap_deploy::firewall::trace::{Host, State};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tun_rs::{DeviceBuilder, SyncDevice};

use super::dumps;
use super::netlink::{GROUP, Netlink};
use super::wire::{Seen, Wire};

/// The code point of packets that conntrack is not to look at.
const UNTRACKED: u8 = 5;

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It got through all of INPUT, with this destination and port.
    Delivered(IpAddr, Option<u16>),
    /// It got through all of POSTROUTING.
    Forwarded(IpAddr, Option<u16>),
    /// Its sender was told that it was not.
    Refused,
    /// None of that.
    Gone,
}

/// A host.
pub struct World {
    backend: &'static str,
    devices: BTreeMap<String, SyncDevice>,
    ends: Netlink,
    connections: Netlink,
}

impl World {
    /// Builds a host with these interfaces, works with it on a thread of its own, and takes it down.
    pub fn with<T: Send>(backend: &'static str, host: &Host, work: impl FnOnce(&Self) -> T + Send) -> T {
        let mut keeper = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo; exec cat >/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let said = keeper.stdout.take().unwrap();
        BufReader::new(said).read_line(&mut ready).unwrap();
        assert_eq!(ready, "\n", "this test needs root");
        let namespace = File::open(format!("/proc/{}/ns/net", keeper.id())).unwrap();
        let inside = || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work(&Self::build(backend, host))
        };
        let done = std::thread::scope(|scope| scope.spawn(inside).join());
        drop(keeper.stdin.take());
        let _ = keeper.wait();
        done.unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn build(backend: &'static str, host: &Host) -> Self {
        for (name, value) in SETTINGS {
            // Kernels differ in which of them they have.
            let _ = fs::write(format!("/proc/sys/net/{name}"), value);
        }
        let mut devices = BTreeMap::new();
        let mut lines = "link set lo up\n".to_owned();
        for (name, addresses) in host.interfaces.iter().filter(|(name, _)| name != "lo") {
            let device = DeviceBuilder::new()
                .name(name)
                .mtu(1500)
                .enable(false)
                .build_sync()
                .unwrap();
            devices.insert(name.clone(), device);
            let _ = writeln!(lines, "link set {name} addrgenmode none\nlink set {name} up");
            for address in addresses {
                let fast = if address.addr().is_ipv4() { "" } else { "nodad" };
                let _ = writeln!(lines, "addr add {address} dev {name} {fast}");
            }
        }
        if let Some(name) = &host.default_interface {
            let _ = writeln!(lines, "route add default dev {name}\nroute add ::/0 dev {name}");
        }
        let complaint = feed("ip", &["-batch", "-"], &lines);
        assert!(complaint.is_empty(), "{complaint}\n{lines}");
        assert!(feed("nft", &["-f", "-"], &truth()).is_empty());
        let nets = host.interfaces.iter().flat_map(|(_, nets)| nets);
        await_local(nets.filter_map(|net| match net.addr() {
            IpAddr::V6(address) => Some(address),
            IpAddr::V4(_) => None,
        }));
        Self {
            backend,
            devices,
            ends: Netlink::listening(),
            connections: Netlink::new(),
        }
    }

    /// `nft` or `legacy`.
    pub fn backend(&self) -> &'static str {
        self.backend
    }

    /// Replaces the tables that the text has, or says why not.
    pub fn load(&self, family: Family, text: &str) -> Result<(), String> {
        let complaint = feed(&self.tool(family, "restore"), &["-w", "30"], text);
        if complaint.is_empty() { Ok(()) } else { Err(complaint) }
    }

    /// Makes the sets that a text's rules ask, without members, where `ipset` is there.
    #[expect(clippy::unused_self, reason = "only within a world")]
    pub fn make_sets(&self, family: Family, text: &str) {
        let family = if family == Family::V4 { "inet" } else { "inet6" };
        let mut lines = String::new();
        for (name, fields) in dumps::sets(text) {
            let kind = ["hash:net", "hash:ip,port", "hash:ip,port,net"][fields.clamp(1, 3) - 1];
            let _ = writeln!(lines, "create {name} {kind} family {family}");
        }
        if !lines.is_empty() {
            let complaint = feed("ipset", &["restore"], &lines);
            assert!(complaint.is_empty(), "{complaint}");
        }
    }

    fn tool(&self, family: Family, what: &str) -> String {
        let number = if family == Family::V4 { "" } else { "6" };
        format!("ip{number}tables-{}-{what}", self.backend)
    }

    /// What becomes of each of these packets, which come in by that interface, and are to conntrack what the state says.
    /// Whatever connections there were are forgotten.
    pub fn send(&self, packets: &[(&str, State, Wire)]) -> Vec<Outcome> {
        self.connections.flush_connections();
        let _ = self.ends.logged();
        let mut found: HashMap<u32, Outcome> = HashMap::new();
        for (number, (interface, state, wire)) in packets.iter().enumerate() {
            self.prepare(*state, wire);
            let mut wire = wire.clone();
            wire.right_checksum = *state != State::Invalid;
            wire.dscp = if *state == State::Untracked { UNTRACKED } else { 0 };
            self.devices[*interface].send(&wire.bytes()).unwrap();
            if number % 100 == 99 {
                self.collect(&mut found);
            }
        }
        self.collect(&mut found);
        let outcome = |wire: &Wire| found.get(&wire.id).copied().unwrap_or(Outcome::Gone);
        packets.iter().map(|(_, _, wire)| outcome(wire)).collect()
    }

    fn prepare(&self, state: State, wire: &Wire) {
        let number = u16::try_from(wire.id).unwrap();
        let made = match state {
            State::Established => self.connections.add_connection(wire.protocol, wire.from, wire.to),
            State::Related => self
                .connections
                .expect_connection(number, wire.protocol, wire.from, wire.to),
            _ => true,
        };
        assert!(made, "no connection for {wire:?}");
    }

    /// Notes what was logged since.
    fn collect(&self, found: &mut HashMap<u32, Outcome>) {
        for logged in self.ends.logged() {
            let Some((seen, id)) = Seen::read(&logged.packet).and_then(|seen| Some((seen.clone(), seen.id?))) else {
                continue;
            };
            match logged.hook {
                1 => {
                    found.insert(id, Outcome::Delivered(seen.destination, seen.port));
                }
                4 => {
                    found.insert(id, Outcome::Forwarded(seen.destination, seen.port));
                }
                _ if seen.refusal => {
                    found.entry(id).or_insert(Outcome::Refused);
                }
                _ => {}
            }
        }
    }
}

/// Waits until the kernel takes packets to these for its own: a moment after the address is there.
fn await_local(addresses: impl Iterator<Item = Ipv6Addr>) {
    let lines: Vec<_> = addresses
        .map(|address| format!("{:032x} 80 ", address.to_bits()))
        .collect();
    let deadline = Instant::now() + Duration::from_secs(10);
    let are_there = || {
        let routes = fs::read_to_string("/proc/thread-self/net/ipv6_route").unwrap();
        lines.iter().all(|line| routes.contains(line))
    };
    while !are_there() {
        assert!(Instant::now() < deadline, "an IPv6 address never came up");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The harness's own rules.
fn truth() -> String {
    format!(
        "table inet truth {{
            chain first {{
                type filter hook prerouting priority -1000
                ip dscp {UNTRACKED} notrack
                ip6 dscp {UNTRACKED} notrack
            }}
            chain delivered {{ type filter hook input priority 1000; log group {GROUP}; }}
            chain forwarded {{ type filter hook postrouting priority 1000; log group {GROUP}; }}
            chain sent {{ type filter hook output priority -1000; log group {GROUP} drop; }}
        }}"
    )
}

/// The namespace's `/proc/sys/net`.
const SETTINGS: [(&str, &str); 22] = [
    ("ipv4/ip_forward", "1"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv6/conf/default/forwarding", "1"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("ipv4/conf/all/log_martians", "0"),
    // An answer to every packet that deserves one.
    ("ipv4/icmp_ratelimit", "0"),
    ("ipv4/icmp_msgs_per_sec", "100000000"),
    ("ipv4/icmp_msgs_burst", "100000000"),
    ("ipv6/icmp/ratelimit", "0"),
    ("ipv6/icmp/ratemask", ""),
    ("ipv4/icmp_echo_ignore_broadcasts", "0"),
    // Nothing speaks unasked.
    ("ipv6/conf/all/accept_ra", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/all/router_solicitations", "0"),
    ("ipv6/conf/default/router_solicitations", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/all/accept_dad", "0"),
    // A wrong checksum makes a packet INVALID.
    ("netfilter/nf_conntrack_checksum", "1"),
    ("netfilter/nf_conntrack_tcp_be_liberal", "1"),
];

/// Runs a program with this on its stdin; what it complained about, if it failed.
fn feed(program: &str, arguments: &[&str], text: &str) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that ends early says why.
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        return String::new();
    }
    format!(
        "{program}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    )
}
