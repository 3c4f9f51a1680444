//! The few addresses, ports and interfaces that random rules and packets are about, and the host that has them.

use std::net::IpAddr;

use fastrand::Rng;
use portmap_deploy::firewall::Family;
use portmap_deploy::firewall::trace::Host;

/// One of them.
pub fn choose<T: Copy>(rng: &mut Rng, all: &[T]) -> T {
    all[rng.usize(..all.len())]
}

/// A host with primary and secondary addresses, an interface without any, and one way out.
pub fn host() -> Host {
    let interface = |name: &str, nets: &[&str]| {
        let nets = nets.iter().map(|net| net.parse().unwrap()).collect();
        (name.to_owned(), nets)
    };
    Host {
        interfaces: vec![
            interface("lo", &["127.0.0.1/8", "::1/128"]),
            interface(
                "eth0",
                &[
                    "192.0.2.10/24",
                    "192.0.2.11/24",
                    "198.51.100.7/28",
                    "2001:db8:1::10/64",
                    "2001:db8:1::11/64",
                    "2001:db8:5::7/120",
                ],
            ),
            interface(
                "eth1",
                &["10.20.0.1/24", "10.20.0.2/24", "2001:db8:2::1/64", "2001:db8:2::2/64"],
            ),
            interface("eth2", &[]),
        ],
        default_interface: Some("eth0".to_owned()),
        ..Host::default()
    }
}

const LOCAL: [&[&str]; 2] = [
    &["192.0.2.10", "192.0.2.11", "198.51.100.7", "10.20.0.1", "10.20.0.2"],
    &[
        "2001:db8:1::10",
        "2001:db8:1::11",
        "2001:db8:5::7",
        "2001:db8:2::1",
        "2001:db8:2::2",
    ],
];

const ELSEWHERE: [&[&str]; 2] = [
    &["192.0.2.99", "10.20.0.99", "8.8.8.8", "203.0.113.200"],
    &["2001:db8:1::99", "2001:db8:2::99", "2001:db8:f::1", "2001:db8:9::c8"],
];

const TO_MANY: [&[&str]; 2] = [
    &[
        "192.0.2.255",
        "255.255.255.255",
        "224.0.0.1",
        "10.20.0.255",
        "192.0.2.0",
    ],
    &["ff02::1", "ff05::5"],
];

/// Nobody out there can be called by these.
const NOWHERE: [&[&str]; 2] = [
    &["127.0.0.1", "127.3.2.1", "0.0.0.0", "0.1.2.3", "240.0.0.1"],
    &["::1", "2001:db8:1::"],
];

/// Nobody out there is believed to be these: names of loops, of many, of nobody, of ourselves.
const UNBELIEVED: [&[&str]; 2] = [
    &[
        "127.0.0.1",
        "224.0.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "192.0.2.10",
        "10.20.0.2",
    ],
    &["::1", "ff02::1", "2001:db8:1::10", "::", "fe80::77"],
];

const NETS: [&[&str]; 2] = [
    &[
        "192.0.2.0/24",
        "203.0.113.0/24",
        "203.0.113.0/25",
        "10.0.0.0/8",
        "198.51.100.0/28",
        "8.0.0.0/7",
        "224.0.0.0/4",
    ],
    &[
        "2001:db8:1::/64",
        "2001:db8:9::/64",
        "2001:db8:9::/121",
        "2001:db8:2::/48",
        "2001:db8::/32",
        "ff00::/8",
    ],
];

fn of<'a>(pool: &[&'a [&'static str]; 2], family: Family) -> &'a [&'static str] {
    pool[usize::from(family == Family::V6)]
}

/// One of the host's own addresses.
pub fn local(rng: &mut Rng, family: Family) -> IpAddr {
    choose(rng, of(&LOCAL, family)).parse().unwrap()
}

/// Any address that one machine can have.
pub fn address(rng: &mut Rng, family: Family) -> IpAddr {
    match rng.u32(..3) {
        0 => local(rng, family),
        1 => sender(rng, family),
        _ => choose(rng, of(&ELSEWHERE, family)).parse().unwrap(),
    }
}

/// Whether one machine can have the address, and be believed when it sends from it.
pub fn is_plain(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => !matches!(ip.octets()[0], 0 | 127 | 224..),
        IpAddr::V6(ip) => {
            let first = ip.segments()[0];
            !ip.is_loopback() && !ip.is_unspecified() && first & 0xff00 != 0xff00 && first & 0xffc0 != 0xfe80
        }
    }
}

/// Every address that packets go to.
pub fn all_receivers(family: Family) -> Vec<IpAddr> {
    let pools = [&LOCAL, &ELSEWHERE, &TO_MANY, &NOWHERE].map(|pool| of(pool, family));
    pools.concat().iter().map(|address| address.parse().unwrap()).collect()
}

/// Where a packet goes.
pub fn receiver(rng: &mut Rng, family: Family) -> IpAddr {
    match rng.u32(..40) {
        0 | 1 => choose(rng, of(&TO_MANY, family)).parse().unwrap(),
        2 => choose(rng, of(&NOWHERE, family)).parse().unwrap(),
        3..=9 => choose(rng, of(&ELSEWHERE, family)).parse().unwrap(),
        _ => local(rng, family),
    }
}

/// Where a packet comes from that the host may not believe.
pub fn any_sender(rng: &mut Rng, family: Family) -> IpAddr {
    match rng.u32(..25) {
        0 => choose(rng, of(&UNBELIEVED, family)).parse().unwrap(),
        _ => sender(rng, family),
    }
}

/// Where a packet comes from, in earnest.
pub fn sender(rng: &mut Rng, family: Family) -> IpAddr {
    let last = rng.u8(20..250);
    match (family, rng.u32(..4)) {
        (Family::V4, 0) => [192, 0, 2, last].into(),
        (Family::V4, 1) => [10, 20, 0, last].into(),
        (Family::V4, _) => [203, 0, 113, last].into(),
        (Family::V6, 0) => [0x2001, 0xdb8, 1, 0, 0, 0, 0, u16::from(last)].into(),
        (Family::V6, 1) => [0x2001, 0xdb8, 2, 0, 0, 0, 0, u16::from(last)].into(),
        (Family::V6, _) => [0x2001, 0xdb8, 9, 0, 0, 0, 0, u16::from(last)].into(),
    }
}

/// A network, or one address.
pub fn net(rng: &mut Rng, family: Family) -> String {
    match rng.u32(..3) {
        0 => address(rng, family).to_string(),
        1 => local(rng, family).to_string(),
        _ => choose(rng, of(&NETS, family)).to_owned(),
    }
}

/// A port.
pub fn port(rng: &mut Rng) -> u16 {
    choose(rng, &[22, 22, 80, 2222, 2222, 8080, 53, 443, 9000, 9001, 9002])
}

/// A port or a range of ports.
pub fn port_words(rng: &mut Rng) -> String {
    match rng.u32(..6) {
        0 => choose(rng, &["1:1023", "9000:9003", "1024:65535", "0:80", "2222:8080"]).to_owned(),
        _ => port(rng).to_string(),
    }
}
