//! Addresses of a lab, and the lines that make its links (`ip -batch`, ip(8)).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Error, Host};

/// Most hosts a lab may have: a /24 less the router and some for tests to add.
pub(super) const MOST_HOSTS: usize = 240;

/// The number of a lab on this machine, from which its addresses follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network(pub(super) u8);

/// First 48 bits of the labs' IPv6 addresses, random once for all (RFC 4193).
const PREFIX: [u16; 3] = [0xfd5a, 0x7c0e, 0x91b3];

/// The bridge's and the hosts' hardware addresses start with this, locally administered.
const HARDWARE: &str = "02:18:00:00:00";

impl Network {
    /// Hosts are in 198.18.N.0/24, this machine is in 198.19.N.0/24 (RFC 2544: benchmarks, routed nowhere).
    pub(super) fn host_ipv4(self, index: usize) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.0, member(index))
    }

    pub(super) fn host_ipv6(self, index: usize) -> Ipv6Addr {
        self.ipv6(0, member(index))
    }

    fn ipv6(self, half: u16, last: u8) -> Ipv6Addr {
        let [a, b, c] = PREFIX;
        Ipv6Addr::new(a, b, c, half << 8 | u16::from(self.0), 0, 0, 0, u16::from(last))
    }

    /// This machine's end of the link to the router.
    pub(super) fn uplink(self) -> String {
        format!("pmlab{}", self.0)
    }

    /// On the router: its bridge, the links to the hosts (with each host's PID 1) and to `machine`, where no
    /// relay stands in between.
    pub(super) fn router(self, hosts: &[Host], machine: Option<u32>) -> String {
        let n = self.0;
        let mut lines = vec![
            "link set lo up".to_owned(),
            format!("link add br0 address {HARDWARE}:01 type bridge forward_delay 0 mcast_snooping 0"),
            format!("addr add 198.18.{n}.1/24 dev br0"),
            "link set br0 up".to_owned(),
        ];
        if let Some(pid) = machine {
            lines.push(format!(
                "link add uplink type veth peer name {} netns {pid}",
                self.uplink()
            ));
        }
        lines.push(format!("addr add 198.19.{n}.2/24 dev uplink"));
        lines.push("link set uplink up".to_owned());
        if has_ipv6() {
            lines.push(format!("addr add {}/64 dev br0 nodad", self.ipv6(0, 1)));
            lines.push(format!("addr add {}/64 dev uplink nodad", self.ipv6(1, 2)));
        }
        lines.extend(hosts.iter().enumerate().flat_map(|(index, host)| link(index, host)));
        lines.join("\n")
    }

    /// In the namespace that `lab up` runs in.
    pub(super) fn machine(self) -> String {
        let (n, uplink) = (self.0, self.uplink());
        let mut lines = vec![
            format!("addr add 198.19.{n}.1/24 dev {uplink}"),
            format!("link set {uplink} up"),
            format!("route add 198.18.{n}.0/24 via 198.19.{n}.2"),
        ];
        if has_ipv6() {
            lines.push(format!("addr add {}/64 dev {uplink} nodad", self.ipv6(1, 1)));
            lines.push(format!("route add {}/64 via {}", self.ipv6(0, 0), self.ipv6(1, 2)));
        }
        lines.join("\n")
    }

    /// In a host, once its `eth0` is there.
    pub(super) fn host(self, index: usize) -> String {
        let mut lines = vec![
            "link set lo up".to_owned(),
            format!("addr add {}/24 dev eth0", self.host_ipv4(index)),
            "link set eth0 up".to_owned(),
            format!("route add default via 198.18.{}.1", self.0),
        ];
        if has_ipv6() {
            lines.push(format!("addr add {}/64 dev eth0 nodad", self.host_ipv6(index)));
            lines.push(format!("route add default via {}", self.ipv6(0, 1)));
        }
        lines.join("\n")
    }
}

/// A host's link, and its hardware address: known for ever, so that a cut link loses packets without a word
/// instead of having the router answer "no route to host".
pub(super) fn link(index: usize, host: &Host) -> Vec<String> {
    let (port, hardware) = (&host.port, format!("{HARDWARE}:{:02x}", member(index)));
    let mut lines = vec![
        format!(
            "link add {port} type veth peer name eth0 address {hardware} netns {}",
            host.member.init.pid()
        ),
        format!("link set {port} master br0 up"),
        format!("neigh replace {} lladdr {hardware} nud permanent dev br0", host.ipv4),
    ];
    lines.extend(
        host.ipv6
            .map(|ip| format!("neigh replace {ip} lladdr {hardware} nud permanent dev br0")),
    );
    lines
}

/// The router's rules: a host answers this machine and asks it nothing.
pub(super) const RULES: &str = "\
table inet lab {
    chain forward {
        type filter hook forward priority -1; policy accept;
        iifname br0 oifname uplink ct state new counter drop
    }
}";

/// The last byte of a host's addresses; never called with more than [`MOST_HOSTS`].
fn member(index: usize) -> u8 {
    u8::try_from(index + 10).unwrap_or(u8::MAX)
}

/// Whether this machine's kernel has IPv6.
pub(super) fn has_ipv6() -> bool {
    std::path::Path::new("/proc/net/if_inet6").exists()
}

/// The numbers of networks that do not collide with what this network namespace routes already.
pub(super) fn unrouted() -> Result<Vec<Network>, Error> {
    let table = std::fs::read_to_string("/proc/net/route").map_err(Error::io("read /proc/net/route"))?;
    let routes: Vec<_> = table.lines().skip(1).filter_map(route).collect();
    Ok((0..=u8::MAX)
        .filter(|&n| !routes.iter().any(|&route| covers(route, n)))
        .map(Network)
        .collect())
}

/// Destination and mask of a line of `/proc/net/route`, which holds both in the machine's byte order.
fn route(line: &str) -> Option<(u32, u32)> {
    let mut words = line.split_ascii_whitespace();
    let word = |text: Option<&str>| Some(u32::from_str_radix(text?, 16).ok()?.to_be());
    Some((word(words.nth(1))?, word(words.nth(5))?))
}

/// Whether a route other than the default concerns lab number `n`.
fn covers((destination, mask): (u32, u32), n: u8) -> bool {
    let meets = |second| {
        let ours = u32::from(Ipv4Addr::new(198, second, n, 0));
        let common = mask & 0xffff_ff00;
        mask != 0 && ours & common == destination & common
    };
    meets(18) || meets(19)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    #[test]
    fn routes_of_the_machine_are_avoided() {
        // 198.18.5.0/24, as the kernel of a little-endian machine writes it.
        let line = if cfg!(target_endian = "little") {
            "eth0\t000512C6\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0"
        } else {
            "eth0\tC6120500\t00000000\t0001\t0\t0\t0\tFFFFFF00\t0\t0\t0"
        };
        let route = route(line).unwrap();
        assert_eq!(route, (u32::from(Ipv4Addr::new(198, 18, 5, 0)), 0xffff_ff00));
        assert!(covers(route, 5) && !covers(route, 6));
    }

    #[test]
    fn a_wide_route_covers_all_and_the_default_route_none() {
        let tens = (u32::from(Ipv4Addr::new(198, 0, 0, 0)), 0xff00_0000);
        assert!(covers(tens, 0) && covers(tens, 255));
        assert!(!covers((0, 0), 0));
    }

    #[test]
    fn one_address_of_a_lab_is_enough_to_avoid_it() {
        let host = (u32::from(Ipv4Addr::new(198, 19, 7, 1)), u32::MAX);
        assert!(covers(host, 7) && !covers(host, 8));
    }
}
