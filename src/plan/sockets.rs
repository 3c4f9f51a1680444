//! What a host listens on, and the addresses of its interfaces: `/proc/net` and `ip addr` into typed values.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::Sections;
use crate::firewall::Family;
use crate::firewall::trace::Host;
use crate::mapping::Protocol;

/// A socket that waits for connections or datagrams (proc(5), `/proc/net/tcp`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Listener {
    /// Its protocol.
    pub protocol: Protocol,
    /// The address that it is bound to; unspecified: all of them.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
}

impl Listener {
    /// Whether it gets what is sent to this address. What is bound to all IPv6 addresses mostly gets IPv4 as well.
    #[must_use]
    pub fn hears(&self, address: IpAddr) -> bool {
        let of_all = match self.address {
            IpAddr::V4(bound) => bound.is_unspecified() && address.is_ipv4(),
            IpAddr::V6(bound) => bound.is_unspecified(),
        };
        of_all || self.address.to_canonical() == address.to_canonical()
    }

    /// Whether it hears anything of a family that comes from outside.
    #[must_use]
    pub fn is_reachable(&self, family: Family) -> bool {
        let address = self.address.to_canonical();
        let of_family = family.is_of(address) || self.address == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        of_family && !address.is_loopback()
    }
}

/// Reads `tcp 0100007F:0016` lines. `host` tells in which order this host writes the bytes of addresses.
pub(super) fn listeners(sections: &Sections, host: &Host) -> Vec<Listener> {
    let text = sections.get("listeners").map_or("", String::as_str);
    let mut found: Vec<_> = text.lines().filter_map(|line| listener(line, host)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn listener(line: &str, host: &Host) -> Option<Listener> {
    let (protocol, socket) = line.split_once(' ')?;
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    let (address, port) = socket.split_once(':')?;
    Some(Listener {
        protocol,
        address: address_of(address, host)?,
        port: u16::from_str_radix(port, 16).ok()?,
    })
}

/// The kernel prints each 32 bits of an address as a number of its own byte order.
fn address_of(text: &str, host: &Host) -> Option<IpAddr> {
    if ![8, 32].contains(&text.len()) {
        return None;
    }
    let words: Vec<u32> = text
        .as_bytes()
        .chunks(8)
        .map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok())
        .collect::<Option<_>>()?;
    let little = ip(&words, u32::swap_bytes)?;
    let big = ip(&words, |word| word)?;
    Some(if is_of(big, host) && !is_of(little, host) {
        big
    } else {
        little
    })
}

fn ip(words: &[u32], order: fn(u32) -> u32) -> Option<IpAddr> {
    match *words {
        [one] => Some(Ipv4Addr::from(order(one)).into()),
        [a, b, c, d] => {
            let high = u128::from(order(a)) << 96 | u128::from(order(b)) << 64;
            let low = u128::from(order(c)) << 32 | u128::from(order(d));
            Some(Ipv6Addr::from(high | low).into())
        }
        _ => None,
    }
}

fn is_of(address: IpAddr, host: &Host) -> bool {
    let address = address.to_canonical();
    let mut nets = host.interfaces.iter().flat_map(|(_, nets)| nets);
    address.is_loopback() || nets.any(|net| net.addr() == address)
}

/// The interfaces of a host, with their addresses in the order in which they were added; packets come in by the one that
/// has `ours`, where we came in. Without iproute2 nothing is known.
pub(super) fn interfaces(sections: &Sections, ours: Option<IpAddr>) -> Host {
    let text = sections.get("addresses").map_or("", String::as_str);
    let mut interfaces: Vec<(String, Vec<IpNet>)> = Vec::new();
    for (name, net) in text.lines().filter_map(address) {
        match interfaces.iter_mut().find(|(known, _)| known == name) {
            Some((_, nets)) => nets.push(net),
            None => interfaces.push((name.to_owned(), vec![net])),
        }
    }
    for (_, nets) in &mut interfaces {
        // The kernel has the newest address of IPv6 first, and the oldest of IPv4.
        let (v4, mut v6): (Vec<_>, Vec<_>) = nets.iter().copied().partition(|net| Family::V4.holds(net));
        v6.reverse();
        *nets = [v4, v6].concat();
    }
    let has = |nets: &[IpNet]| nets.iter().any(|net| Some(net.addr()) == ours);
    let way_in = interfaces.iter().find(|(_, nets)| has(nets));
    Host {
        default_interface: way_in.map(|(name, _)| name.clone()),
        interfaces,
        ..Host::default()
    }
}

/// `ip -o addr show`: `2: eth0    inet 192.0.2.1/24 brd … scope global eth0`; a peer's address comes after our own.
fn address(line: &str) -> Option<(&str, IpNet)> {
    let mut words = line.split_whitespace().skip(1);
    let (name, kind, address) = (words.next()?, words.next()?, words.next()?);
    // Nobody is sent there yet, or ever.
    let unusable = ["tentative", "dadfailed"];
    if !kind.starts_with("inet") || words.clone().any(|word| unusable.contains(&word)) {
        return None;
    }
    let net = match (address.parse(), words.next(), words.next()) {
        (Ok(net), ..) => net,
        (Err(_), Some("peer"), Some(_)) | (Err(_), ..) => IpNet::from(address.parse::<IpAddr>().ok()?),
    };
    Some((name.split('@').next().unwrap_or(name), net))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESSES: &str = "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever\n\
        2: eth0    inet 10.1.0.1/24 scope global eth0\\       valid_lft forever\n\
        2: eth0    inet 10.1.0.2/24 scope global secondary eth0\\       valid_lft forever\n\
        2: eth0    inet6 fd01::2/64 scope global nodad \\       valid_lft forever\n\
        2: eth0    inet6 fd01::1/64 scope global \\       valid_lft forever\n\
        2: eth0    inet6 fd01::9/64 scope global tentative \\       valid_lft forever\n\
        3: tun0    inet 10.8.0.1 peer 10.8.0.2/32 scope global tun0\\       valid_lft forever\n";

    fn sections(title: &str, text: &str) -> Sections {
        [(title.to_owned(), text.to_owned())].into()
    }

    fn host() -> Host {
        interfaces(&sections("addresses", ADDRESSES), "10.1.0.2".parse().ok())
    }

    #[test]
    fn addresses_come_in_the_order_in_which_they_were_added() {
        let host = host();
        let shown = |(name, nets): &(String, Vec<IpNet>)| {
            let nets: Vec<_> = nets.iter().map(ToString::to_string).collect();
            format!("{name}: {}", nets.join(" "))
        };
        assert_eq!(
            host.interfaces.iter().map(shown).collect::<Vec<_>>(),
            [
                "lo: 127.0.0.1/8",
                "eth0: 10.1.0.1/24 10.1.0.2/24 fd01::1/64 fd01::2/64",
                "tun0: 10.8.0.1/32"
            ]
        );
        assert_eq!(host.default_interface.as_deref(), Some("eth0"));
    }

    #[test]
    fn listeners_are_read_in_either_order_of_bytes() {
        let read = |text: &str| {
            let found = listeners(&sections("listeners", text), &host());
            found
                .iter()
                .map(|one| format!("{:?} {} {}", one.protocol, one.address, one.port))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            read(
                "tcp 0200010A:1F90\ntcp 00000000:0016\nudp 0100007F:0035\nudp 0100007F:0035\ntcp 000001FD000000000000000002000000:1F91\n"
            ),
            [
                "Tcp 0.0.0.0 22",
                "Tcp 10.1.0.2 8080",
                "Tcp fd01::2 8081",
                "Udp 127.0.0.1 53"
            ]
        );
        assert_eq!(read("tcp 0A010002:1F90\n"), ["Tcp 10.1.0.2 8080"]);
        assert!(read("tcp\ntcp x\ntcp 00:16\nsctp 00000000:0016\ntcp 0000000é:0016\n").is_empty());
    }

    #[test]
    fn who_listens_on_all_addresses_hears_all() {
        let at = |address: &str| Listener {
            protocol: Protocol::Tcp,
            address: address.parse().unwrap(),
            port: 22,
        };
        let (v4, v6) = ("10.1.0.2".parse().unwrap(), "fd01::2".parse().unwrap());
        assert!(at("0.0.0.0").hears(v4) && !at("0.0.0.0").hears(v6));
        assert!(at("::").hears(v4) && at("::").hears(v6));
        assert!(at("::ffff:10.1.0.2").hears(v4) && !at("10.1.0.1").hears(v4));
        assert!(at("::").is_reachable(Family::V4) && !at("127.0.0.1").is_reachable(Family::V4));
        assert!(!at("fd01::2").is_reachable(Family::V4) && at("fd01::2").is_reachable(Family::V6));
    }
}
