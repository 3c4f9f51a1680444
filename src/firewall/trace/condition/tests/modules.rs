//! Modules of iptables-extensions(8) beside the common ones.

use super::*;

/// With two networks of each family, and two addresses in one of them.
fn host() -> Host {
    let nets = |list: &[&str]| list.iter().filter_map(|net| net.parse().ok()).collect();
    Host {
        interfaces: vec![
            ("lo".to_owned(), nets(&["127.0.0.1/8", "::1/128"])),
            (
                "eth0".to_owned(),
                nets(&["198.51.100.5/24", "198.51.100.9/24", "2001:db8:1::5/64"]),
            ),
            ("eth1".to_owned(), nets(&["10.0.0.1/8", "fd00:1::1/64"])),
        ],
        default_interface: Some("eth0".to_owned()),
        ..Host::default()
    }
}

fn to(destination: &str) -> Facts {
    let destination: Option<IpAddr> = destination.parse().ok();
    let family = if destination.is_some_and(|one| one.is_ipv6()) {
        Family::V6
    } else {
        Family::V4
    };
    Facts {
        destination,
        original_destination: destination,
        ..facts(family)
    }
}

fn from(source: &str) -> Facts {
    let source: Option<IpAddr> = source.parse().ok();
    let family = if source.is_some_and(|one| one.is_ipv6()) {
        Family::V6
    } else {
        Family::V4
    };
    Facts {
        source,
        ..facts(family)
    }
}

#[test]
fn kinds_of_addresses() {
    let local = "-m addrtype --dst-type LOCAL => yes
        -m addrtype ! --dst-type LOCAL => no
        -m addrtype --dst-type UNICAST => no
        -m addrtype --dst-type LOCAL,BROADCAST => yes
        -m addrtype --src-type UNICAST => yes
        -m addrtype --src-type LOCAL => no
        -m addrtype --src-type UNICAST --dst-type LOCAL => yes
        -m addrtype --dst-type NONSENSE => unknown";
    v4(local);
    table(&to("198.51.100.9"), &host(), local);
    table(&to("127.0.0.1"), &host(), local);
    table(
        &to("203.0.113.1"),
        &host(),
        "-m addrtype --dst-type LOCAL => no
         -m addrtype --dst-type UNICAST => yes
         -m addrtype ! --dst-type LOCAL => yes
         -m addrtype --dst-type UNREACHABLE,PROHIBIT => no",
    );
    for broadcast in ["198.51.100.255", "10.255.255.255", "255.255.255.255", "0.0.0.0"] {
        table(
            &to(broadcast),
            &host(),
            "-m addrtype --dst-type BROADCAST => yes\n-m addrtype --dst-type LOCAL,UNICAST => no",
        );
    }
    table(&to("224.0.0.1"), &host(), "-m addrtype --dst-type MULTICAST => yes");
}

#[test]
fn kinds_of_addresses_of_one_interface() {
    table(
        &to("198.51.100.5"),
        &host(),
        "-m addrtype --dst-type LOCAL --limit-iface-in => yes
         -m addrtype ! --dst-type LOCAL --limit-iface-in => no",
    );
    table(
        &to("10.0.0.1"),
        &host(),
        "-m addrtype --dst-type LOCAL => yes
         -m addrtype --dst-type LOCAL --limit-iface-in => no
         -m addrtype --dst-type UNICAST --limit-iface-in => yes
         -m addrtype ! --dst-type LOCAL --limit-iface-in => yes",
    );
    let unknown = Facts {
        in_interface: None,
        ..to("10.0.0.1")
    };
    table(
        &unknown,
        &host(),
        "-m addrtype --dst-type LOCAL --limit-iface-in => maybe",
    );
}

#[test]
fn kinds_of_addresses_that_are_not_told() {
    let rewritten = Facts {
        destination: "10.0.0.7".parse().ok(),
        ..facts(Family::V4)
    };
    table(
        &rewritten,
        &Host::default(),
        "-m addrtype --dst-type LOCAL => maybe
         -m addrtype ! --dst-type LOCAL => maybe
         -m addrtype --dst-type MULTICAST => no",
    );
    let ours = Facts {
        to_us: Some(true),
        ..rewritten.clone()
    };
    table(&ours, &Host::default(), "-m addrtype --dst-type LOCAL => yes");
    let elsewhere = Facts {
        to_us: Some(false),
        ..rewritten
    };
    table(&elsewhere, &Host::default(), "-m addrtype --dst-type LOCAL => no");
    table(
        &blank(),
        &Host::default(),
        "-m addrtype --dst-type LOCAL => yes\n-m addrtype --src-type UNICAST => yes",
    );
    let looped = Facts {
        in_interface: Some("lo".to_owned()),
        ..facts(Family::V4)
    };
    table(&looped, &Host::default(), "-m addrtype --src-type LOCAL => yes");
}

/// Over IPv6 a local address is a unicast one as well, and each class asked for must hold.
#[test]
fn kinds_of_ipv6_addresses() {
    table(
        &to("2001:db8:1::5"),
        &host(),
        "-m addrtype --dst-type LOCAL => yes
         -m addrtype --dst-type UNICAST => yes
         -m addrtype --dst-type LOCAL,MULTICAST => no
         -m addrtype --dst-type MULTICAST => no
         -m addrtype --dst-type UNSPEC => no
         -m addrtype --dst-type LOCAL --limit-iface-in => yes",
    );
    table(
        &to("2001:db8:9::1"),
        &host(),
        "-m addrtype --dst-type LOCAL => no
         -m addrtype --dst-type UNICAST => yes
         -m addrtype --dst-type UNREACHABLE => maybe
         -m addrtype ! --dst-type LOCAL => yes",
    );
    table(&to("ff02::1"), &host(), "-m addrtype --dst-type MULTICAST => yes");
}

#[test]
fn ranges_of_addresses() {
    v4("-m iprange --src-range 192.0.2.1-192.0.2.20 => yes
        -m iprange ! --src-range 192.0.2.1-192.0.2.20 => no
        -m iprange --src-range 192.0.2.1-192.0.2.20 --dst-range 10.0.0.1-10.0.0.2 => no
        -m iprange ! --dst-range 10.0.0.1-10.0.0.2 => yes
        -m iprange --src-range a-b => unknown");
    table(
        &facts(Family::V6),
        &Host::default(),
        "-m iprange --src-range 2001:db8::-2001:db8::ff => yes\n-m iprange ! --dst-range 2001:db8::-2001:db8::ff => yes",
    );
}

#[test]
fn echoes() {
    let echo = |family| Facts {
        protocol: protocol::of_packet("icmp", family),
        source_port: None,
        destination_port: None,
        original_source_port: None,
        original_destination_port: None,
        ..facts(family)
    };
    table(
        &echo(Family::V4),
        &Host::default(),
        "-p icmp --icmp-type 8 => yes
         -p icmp --icmp-type 8/0 => yes
         -p icmp --icmp-type 8/1 => no
         -p icmp --icmp-type any => yes
         -p icmp --icmp-type 255 => yes
         -p icmp --icmp-type echo-request => yes
         -p icmp --icmp-type ping => yes
         -p icmp --icmp-type echo-req => yes
         -p icmp ! --icmp-type echo-request => no
         -p icmp --icmp-type echo-reply => no
         -p icmp ! --icmp-type 0 => yes
         -p icmp --icmp-type fragmentation-needed => no
         -p icmp --icmp-type time-exceeded => no
         -p icmp --icmp-type nonsense => unknown
         -p icmp -m conntrack --ctorigdstport 2048 => yes
         -p icmp -m conntrack --ctorigsrcport 5 => maybe
         -p ipv6-icmp => no
         -p tcp --dport 22 => no",
    );
    table(
        &echo(Family::V6),
        &Host::default(),
        "-p ipv6-icmp --icmpv6-type 128 => yes
         -p icmpv6 -m icmp6 --icmpv6-type echo-request => yes
         -p ipv6-icmp ! --icmpv6-type 135 => yes
         -p ipv6-icmp --icmpv6-type neighbour-solicitation => no
         -p ipv6-icmp --icmpv6-type packet-too-big => no
         -p icmp => no",
    );
}

#[test]
fn what_packets_are_like() {
    v4("-m length --length 0:65535 => yes
        -m length --length 0:39 => no
        -m length ! --length 0:39 => yes
        -m length --length 100: => no
        -m length --length 40:60 => maybe
        -m length --length 70:50 => no
        -m ttl --ttl-gt 10 => maybe
        -m tos --tos 0x10 => maybe
        -m dscp --dscp 0x2e => maybe
        -m string --string \"GET /admin\" --algo bm => no
        -m string ! --string \"GET /admin\" --algo bm => yes
        -m string --hex-string \"|414141414141|BB\" --algo bm => no
        -m string --hex-string \"|0a0b|\" --algo bm => maybe
        -m string --string abc --algo bm => maybe
        -m string --string abc --algo bm --from 100 => no
        -m string --algo bm => unknown
        -f => no
        ! -f => yes
        -m pkttype --pkt-type unicast => yes
        -m pkttype --pkt-type multicast => no
        -m pkttype ! --pkt-type broadcast => yes
        -p ah -m ah --ahspi 1 => no
        -p esp -m esp --espspi 1 => no
        -m policy --dir in --pol none => yes
        -m policy --dir in --pol ipsec => no
        -m policy --dir in --pol ipsec --proto esp => no
        -m u32 --u32 \"0=0\" => maybe");
    table(
        &facts(Family::V6),
        &Host::default(),
        "-m frag --fragmore => no
         -m rt --rt-type 0 => no
         -m rt ! --rt-type 0 => no
         -m hbh => no
         -m dst --dst-len 4 => no
         -m ah => no
         -m ipv6header --header prot => yes
         -m ipv6header ! --header prot => no
         -m ipv6header --header frag,prot => no
         -m ipv6header --header frag,prot --soft => no
         -m ipv6header --header none => no
         -m eui64 => maybe
         -m hl --hl-eq 255 => maybe",
    );
    let datagram = Facts {
        protocol: Some(protocol::UDP),
        ..facts(Family::V4)
    };
    table(
        &datagram,
        &Host::default(),
        "-m length --length 0:27 => no\n-m length --length 28: => yes\n-m string --string \"GET /admin\" --algo bm => maybe",
    );
    table(
        &to("224.0.0.251"),
        &host(),
        "-m pkttype --pkt-type multicast => yes\n-m pkttype --pkt-type unicast => no",
    );
    table(&to("198.51.100.255"), &host(), "-m pkttype --pkt-type broadcast => yes");
}

#[test]
fn where_packets_come_from() {
    v4("-m mac --mac-source 00:11:22:33:44:55 => maybe
        -m mac ! --mac-source 00:11:22:33:44:55 => maybe
        -m owner --uid-owner 0 => no
        -m owner ! --uid-owner 0 => yes
        -m owner --socket-exists => no
        -m owner ! --uid-owner 0 --gid-owner 0 => no
        -m cgroup ! --cgroup 1 => no
        -m physdev --physdev-in eth0 => no
        -m physdev ! --physdev-in eth0 => yes
        -m physdev --physdev-is-bridged => no
        -m physdev ! --physdev-is-bridged => yes
        -m helper --helper ftp => no
        -m helper ! --helper ftp => yes
        -m socket --transparent => maybe");
    let looped = Facts {
        in_interface: Some("lo".to_owned()),
        ..facts(Family::V4)
    };
    table(
        &looped,
        &Host::default(),
        "-m mac --mac-source 00:11:22:33:44:55 => no\n-m mac ! --mac-source 00:11:22:33:44:55 => no\n-m rpfilter => yes",
    );
    let bridged = Facts {
        in_interface: Some("br0".to_owned()),
        ..facts(Family::V4)
    };
    table(
        &bridged,
        &Host::default(),
        "-m physdev --physdev-in eth0 => maybe\n-m physdev --physdev-is-bridged => no\n-m physdev --physdev-out eth0 => no",
    );
}

#[test]
fn ways_back() {
    let strict = "-m rpfilter => yes\n-m rpfilter --invert => no\n-m rpfilter --loose => yes";
    let wrong = "-m rpfilter => no\n-m rpfilter --invert => yes\n-m rpfilter --loose => yes";
    table(&from("198.51.100.77"), &host(), strict);
    table(&from("192.0.2.10"), &host(), strict);
    table(&from("10.1.2.3"), &host(), wrong);
    table(&from("2001:db8:1::77"), &host(), strict);
    table(&from("fd00:1::77"), &host(), wrong);
    table(
        &from("198.51.100.9"),
        &host(),
        "-m rpfilter => no\n-m rpfilter --accept-local => yes\n-m rpfilter --loose => no",
    );
    v4("-m rpfilter => maybe\n-m rpfilter --validmark --invert => maybe");
}

#[test]
fn what_is_left_to_chance() {
    v4("-m limit --limit 1/s => maybe
        -m hashlimit --hashlimit-above 1/s --hashlimit-name x => maybe
        -m recent --set --name x --rsource => yes
        -m recent ! --set --name x => no
        -m recent --update --seconds 60 --hitcount 4 --name x => maybe
        -m recent ! --rcheck --name x => maybe
        -m recent --remove --name x => maybe
        -m statistic --mode random --probability 0.5 => maybe
        -m statistic --mode random --probability 1.0 => yes
        -m statistic --mode random ! --probability 1.0 => no
        -m statistic --mode random --probability 0 => no
        -m statistic --mode nth --every 1 --packet 0 => yes
        -m statistic --mode nth --every 3 --packet 0 => maybe
        -m connlimit --connlimit-above 10 => maybe
        -m connlimit --connlimit-above 4294967295 => no
        -m quota --quota 100 => maybe
        -m time => yes
        -m time --timestart 01:00 => maybe
        -m nfacct --nfacct-name x => yes
        -m cpu --cpu 0 => maybe
        -m geoip --source-country A => maybe");
}
