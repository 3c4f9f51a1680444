//! The targets of random rules that change packets or answer them.

use fastrand::Rng;

use super::pools::{address, choose, local, port};
use super::words::{Place, Target};
use portmap_deploy::firewall::Family;

/// REJECT, with one of its answers.
pub fn reject(rng: &mut Rng, place: Place) -> Target {
    let with: &[&str] = if place.family == Family::V4 {
        &[
            "",
            "",
            " --reject-with icmp-host-prohibited",
            " --reject-with icmp-admin-prohibited",
            " --reject-with tcp-reset",
        ]
    } else {
        &[
            "",
            "",
            " --reject-with icmp6-adm-prohibited",
            " --reject-with tcp-reset",
            " --reject-with icmp6-addr-unreachable",
        ]
    };
    let with = choose(rng, with);
    Target {
        needs: with.contains("tcp").then_some("tcp"),
        text: format!("-j REJECT{with}"),
    }
}

/// What changes a packet's marks or fields.
pub fn mangle(rng: &mut Rng, place: Place) -> Target {
    let hops = if place.family == Family::V4 {
        "TTL --ttl"
    } else {
        "HL --hl"
    };
    let mut words = vec![
        "MARK --set-mark 0x1".to_owned(),
        "MARK --set-xmark 0x2/0xf".to_owned(),
        "MARK --or-mark 0x1".to_owned(),
        "MARK --and-mark 0xfffffffe".to_owned(),
        "MARK --xor-mark 0x3".to_owned(),
        "CONNMARK --set-mark 0x1".to_owned(),
        "CONNMARK --set-xmark 0x12/0xff".to_owned(),
        "CONNMARK --save-mark".to_owned(),
        "CONNMARK --save-mark --nfmask 0x1 --ctmask 0x3".to_owned(),
        "CONNMARK --restore-mark".to_owned(),
        "CONNMARK --restore-mark --nfmask 0xf --ctmask 0x1".to_owned(),
    ];
    if place.table == "mangle" {
        words.push(format!("{hops}-set 60"));
        words.push(format!("{hops}-inc 1"));
        words.push("DSCP --set-dscp 0x0a".to_owned());
        words.push("TOS --set-tos 0x10".to_owned());
    }
    let at = rng.usize(..words.len());
    Target {
        needs: None,
        text: format!("-j {}", words.swap_remove(at)),
    }
}

/// What rewrites addresses.
pub fn nat(rng: &mut Rng, place: Place) -> Target {
    if place.hook == "PREROUTING" {
        destination(rng, place)
    } else {
        source(rng, place)
    }
}

fn destination(rng: &mut Rng, place: Place) -> Target {
    let ends = |ip: String| {
        if place.family == Family::V4 {
            ip
        } else {
            format!("[{ip}]")
        }
    };
    let to = match rng.u32(..4) {
        0 => address(rng, place.family),
        1 if rng.u32(..6) == 0 => {
            if place.family == Family::V4 {
                [127, 0, 0, 1].into()
            } else {
                "2001:db8:f::9".parse().unwrap()
            }
        }
        _ => local(rng, place.family),
    };
    let (ports, text) = match rng.u32(..10) {
        0..=2 => (true, format!("REDIRECT --to-ports {}", port(rng))),
        3 => (true, "REDIRECT --to-ports 9000-9003".to_owned()),
        4 => (false, "REDIRECT".to_owned()),
        5 => (
            true,
            format!("DNAT --to-destination {}:{}", ends(to.to_string()), port(rng)),
        ),
        6 => (
            true,
            format!("DNAT --to-destination {}:9000-9002", ends(to.to_string())),
        ),
        7 => (true, format!("DNAT --to-destination :{}", port(rng))),
        8 => (false, format!("DNAT --to-destination {to}")),
        _ => {
            let length = if place.family == Family::V4 { 24 } else { 64 };
            (false, format!("NETMAP --to {to}/{length}"))
        }
    };
    Target {
        needs: ports.then(|| choose(rng, &["tcp", "tcp", "udp"])),
        text: format!("-j {text}"),
    }
}

fn source(rng: &mut Rng, place: Place) -> Target {
    let to = address(rng, place.family);
    let text = match rng.u32(..3) {
        0 if place.hook == "POSTROUTING" => "MASQUERADE".to_owned(),
        1 if place.hook == "POSTROUTING" => "MASQUERADE --random".to_owned(),
        _ => format!("SNAT --to-source {to}"),
    };
    Target {
        needs: None,
        text: format!("-j {text}"),
    }
}
