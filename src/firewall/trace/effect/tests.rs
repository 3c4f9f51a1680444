//! Each target, in each of its forms.

use super::*;
use crate::firewall::Rule;

fn effect(spec: &str, family: Family) -> Effect {
    let rule = Rule::from_spec(spec).unwrap_or_else(|| panic!("cannot be read: {spec}"));
    Effect::read(&rule.target, family, "mangle")
}

#[track_caller]
fn v4(spec: &str, expected: &Effect) {
    assert_eq!(&effect(spec, Family::V4), expected, "{spec}");
}

fn span(first: u16, last: u16) -> Option<PortSpan> {
    (first <= last).then_some(PortSpan { first, last })
}

fn one(address: &str) -> Option<(IpAddr, IpAddr)> {
    address.parse().ok().map(|address| (address, address))
}

#[test]
fn verdicts_and_chains() {
    v4("-p tcp", &Effect::Nothing);
    v4("-j ACCEPT", &Effect::Accept);
    v4("-j DROP", &Effect::Drop);
    v4("-j REJECT --reject-with tcp-reset", &Effect::Reject);
    v4("-j RETURN", &Effect::Return);
    v4("-j MINE", &Effect::Jump("MINE".to_owned()));
    v4("-g MINE", &Effect::Goto("MINE".to_owned()));
    v4("-j SET --add-set s src", &Effect::ChangeSet("s".to_owned()));
    v4("-j LOG --log-prefix \"-j DROP\"", &Effect::Nothing);
    v4(
        "-j NFQUEUE --queue-num 0",
        &Effect::Unknown("NFQUEUE --queue-num 0".to_owned()),
    );
}

#[test]
fn marks() {
    let mark = |value, mask| Effect::Mark { value, mask };
    v4("-j MARK --set-xmark 0x1/0xff", &mark(1, 0xff));
    v4("-j MARK --set-xmark 5", &mark(5, u32::MAX));
    v4("-j MARK --set-mark 0x10/0x1", &mark(0x10, 0x11));
    v4("-j MARK --and-mark 0xff", &mark(0, 0xffff_ff00));
    v4("-j MARK --or-mark 0x4", &mark(4, 4));
    v4("-j MARK --xor-mark 0x4", &mark(4, 0));
    v4(
        "-j CONNMARK --set-mark 7",
        &Effect::Connmark {
            value: 7,
            mask: u32::MAX,
        },
    );
    v4(
        "-j CONNMARK --save-mark --nfmask 0xff --ctmask 0xf",
        &Effect::SaveMark {
            ctmask: 0xf,
            nfmask: 0xff,
        },
    );
    v4(
        "-j CONNMARK --restore-mark --mask 0xf0",
        &Effect::RestoreMark {
            ctmask: 0xf0,
            nfmask: 0xf0,
        },
    );
    v4("-j HMARK --hmark-mod 2 --hmark-rnd 1", &Effect::SomeMark);
}

#[test]
fn nat() {
    v4(
        "-p tcp -j REDIRECT --to-ports 22",
        &Effect::Redirect {
            ports: span(22, 22),
            random: false,
        },
    );
    v4(
        "-p tcp -j REDIRECT --to-ports 22-23 --random",
        &Effect::Redirect {
            ports: span(22, 23),
            random: true,
        },
    );
    let dnat = |addresses, ports, base| Effect::Dnat {
        addresses,
        ports,
        base,
        random: false,
    };
    v4("-j DNAT --to-destination 10.0.0.2", &dnat(one("10.0.0.2"), None, None));
    v4(
        "-p tcp -j DNAT --to-destination 10.0.0.2:80",
        &dnat(one("10.0.0.2"), span(80, 80), None),
    );
    v4(
        "-p tcp -j DNAT --to-destination :80-90",
        &dnat(None, span(80, 90), None),
    );
    v4(
        "-p tcp -j DNAT --to-destination 10.0.0.2:80-90/1080",
        &dnat(one("10.0.0.2"), span(80, 90), Some(1080)),
    );
    assert_eq!(
        effect("-p tcp -j DNAT --to-destination [2001:db8::2]:80", Family::V6),
        dnat(one("2001:db8::2"), span(80, 80), None)
    );
    assert_eq!(
        effect("-j DNAT --to-destination 2001:db8::2", Family::V6),
        dnat(one("2001:db8::2"), None, None)
    );
    v4(
        "-j SNAT --to-source 192.0.2.1",
        &Effect::Snat {
            addresses: one("192.0.2.1"),
            ports: None,
        },
    );
    v4("-j MASQUERADE --random", &Effect::Masquerade);
    let net = "10.1.0.0/16".parse().map_or(Effect::Drop, Effect::Netmap);
    v4("-j NETMAP --to 10.1.0.0/16", &net);
    v4("-j NETMAP --to 10.1.2.3/255.255.0.0", &net);
    v4(
        "-j DNAT --to-destination host.example",
        &Effect::Unknown("DNAT --to-destination host.example".to_owned()),
    );
    v4(
        "-j DNAT --to-destination 10.0.0.2 --to-destination 10.0.0.9",
        &Effect::Unknown("DNAT --to-destination 10.0.0.2 --to-destination 10.0.0.9".to_owned()),
    );
}

#[test]
fn what_conntrack_and_sockets_see() {
    v4("-j CT --notrack", &Effect::Notrack);
    v4("-j NOTRACK", &Effect::Notrack);
    v4("-j CT --zone 1", &Effect::Nothing);
    v4("-j CT --helper ftp", &Effect::Nothing);
    v4(
        "-p tcp -j TPROXY --on-port 3128 --on-ip 0.0.0.0 --tproxy-mark 0x1/0x1",
        &Effect::Tproxy {
            port: 3128,
            address: None,
            mark: Some((1, 1)),
        },
    );
    v4("-j TTL --ttl-set 64", &Effect::Nothing);
    v4("-j TTL --ttl-set 1", &Effect::Unknown("TTL --ttl-set 1".to_owned()));
}
