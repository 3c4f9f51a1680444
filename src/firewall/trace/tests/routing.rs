//! To this host, on to another, or nowhere.

use super::super::Verdict;
use super::{Case, input, rules};
use Verdict::{Accept, Drop, Reject, Unknown};

fn router() -> Case {
    rules("*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n-A FORWARD -o eth1 -j ACCEPT\nCOMMIT")
        .interface("eth0 192.0.2.1/24 2001:db8::1/64")
        .interface("eth1 10.0.0.1/8 2001:db8:1::1/64")
}

#[test]
fn addresses_of_any_interface_are_this_hosts_own() {
    let open = || {
        input("-A INPUT -j ACCEPT")
            .interface("eth0 192.0.2.1/24")
            .interface("eth1 10.0.0.1/8")
    };
    for address in ["192.0.2.1", "10.0.0.1", "192.0.2.255", "255.255.255.255", "224.0.0.1"] {
        let seen = open().to(address, 22).is(Accept);
        assert_eq!(seen.local, Some(true), "{address}");
    }
    let seen = open().to("192.0.2.9", 22).is(Accept);
    assert_eq!(seen.local, Some(false));
}

#[test]
fn others_go_out_by_the_interface_whose_network_holds_them() {
    router().to("10.1.2.3", 80).is(Accept).by("filter FORWARD 1");
    router().to("192.0.2.9", 80).by("eth1").is(Drop).by("filter FORWARD 0");
    router().six().to("2001:db8:1::9", 80).is(Accept);
    router().to("198.51.100.7", 80).is(Unknown);
    let mut case = router().to("198.51.100.7", 80);
    case.host.default_interface = Some("eth0".to_owned());
    case.is(Drop);
    case.host.default_interface = Some("eth1".to_owned());
    case.is(Accept);
}

#[test]
fn what_no_host_takes_is_lost_without_a_rule() {
    let open = |source: &str, address: &str| {
        let case = rules("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\nCOMMIT")
            .interface("eth0 192.0.2.1/24 2001:db8::1/64");
        let case = if source.contains(':') { case.six() } else { case };
        let seen = case.from(source).to(address, 22).trace();
        (seen.verdict, seen.reason.is_some())
    };
    for (source, address) in [
        ("127.0.0.1", "192.0.2.1"),
        ("203.0.113.9", "127.0.0.1"),
        ("224.0.0.5", "192.0.2.1"),
        ("0.0.0.0", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("203.0.113.9", "0.0.0.0"),
        ("::1", "2001:db8::1"),
        ("2001:db8:9::9", "::1"),
        ("ff02::1", "2001:db8::1"),
        ("192.0.2.1", "255.255.255.255"),
    ] {
        assert_eq!(open(source, address), (Drop, true), "{source} {address}");
    }
    assert_eq!(open("fe80::9", "2001:db8:7::1"), (Reject, true), "its sender is told");
    assert_eq!(open("0.0.0.0", "255.255.255.255"), (Accept, false));
    assert_eq!(open("0.0.0.0", "0.0.0.0"), (Accept, false));
    assert_eq!(
        open("203.0.113.9", "0.1.2.3"),
        (Accept, false),
        "all but one of 0.0.0.0/8 are addresses"
    );
    assert_eq!(open("fe80::9", "2001:db8::1"), (Accept, false));
}

#[test]
fn groups_may_be_joined_or_not() {
    let open = rules("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT")
        .interface("eth0 192.0.2.1/24")
        .to("239.1.2.3", 5000);
    assert!(open.is(Unknown).reason.unwrap().contains("group"));
    input("").interface("eth0 192.0.2.1/24").to("239.1.2.3", 5000).is(Drop);
}

#[test]
fn a_packet_to_loopback_comes_in_by_lo() {
    input("-A INPUT -i lo -j ACCEPT")
        .to("127.0.0.1", 22)
        .from("127.0.0.1")
        .by("")
        .is(Accept);
    input("-A INPUT -i lo -j ACCEPT").by("").is(Drop);
    input("-A INPUT -i eth0 -j ACCEPT")
        .interface("lo 127.0.0.1/8")
        .interface("eth0 192.0.2.1/24")
        .by("")
        .is(Accept);
}
