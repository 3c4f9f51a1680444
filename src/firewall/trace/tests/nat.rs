//! Rewriting of destinations.

use super::super::{State, Verdict};
use super::{Case, nat};
use Verdict::{Accept, Drop};

const SSH: &str = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT";

/// eth0 has two addresses of each family, docker0 one.
fn on_host(case: Case) -> Case {
    case.interface("lo 127.0.0.1/8 ::1/128")
        .interface("eth0 192.0.2.1/24 192.0.2.2/24 2001:db8::1/64 2001:db8::2/64 fe80::1/64")
        .interface("docker0 172.17.0.1/16")
        .interface("bare")
}

#[test]
fn redirecting_takes_the_first_address_of_the_interface() {
    let case = || {
        on_host(nat(
            "-A PREROUTING -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 22",
            SSH,
        ))
    };
    case().to("192.0.2.1", 2222).is(Accept).at("192.0.2.1", 22);
    case().to("192.0.2.2", 2222).is(Accept).at("192.0.2.1", 22);
    case().to("192.0.2.2", 22).is(Accept).at("192.0.2.2", 22);
    case().to("198.51.100.7", 2222).is(Accept).at("192.0.2.1", 22);
    case()
        .to("192.0.2.1", 2222)
        .by("docker0")
        .is(Accept)
        .at("172.17.0.1", 22);
    case().to("192.0.2.1", 2222).by("bare").is(Drop).by("nat PREROUTING 1");
}

#[test]
fn redirecting_of_ipv6_takes_the_widest_address_that_was_added_last() {
    let case = || {
        on_host(nat(
            "-A PREROUTING -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 22",
            SSH,
        ))
        .six()
    };
    case().port(2222).is(Accept).at("2001:db8::2", 22);
    case().to("fe80::1", 2222).is(Accept).at("fe80::1", 22);
    case().port(2222).by("docker0").is(Drop).by("nat PREROUTING 1");
}

#[test]
fn where_the_host_is_not_told_the_address_is_not_known() {
    let seen = nat(
        "-A PREROUTING -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 22",
        SSH,
    )
    .port(2222)
    .is(Accept);
    assert_eq!((seen.to, seen.port, seen.local), (None, Some(22), Some(true)));
}

#[test]
fn a_port_that_is_among_those_to_redirect_to_is_kept() {
    let case = |port| {
        on_host(nat(
            "-A PREROUTING -p tcp -j REDIRECT --to-ports 20-30",
            "-A INPUT -j ACCEPT",
        ))
        .port(port)
    };
    case(25).is(Accept).at("192.0.2.1", 25);
    case(30).is(Accept).at("192.0.2.1", 30);
    case(31).is(Accept).at("192.0.2.1", 20);
    let seen = on_host(nat(
        "-A PREROUTING -p tcp -j REDIRECT --to-ports 20-30 --random",
        "-A INPUT -j ACCEPT",
    ))
    .is(Accept);
    assert_eq!(seen.port, None);
}

#[test]
fn destinations_are_rewritten_to_addresses_and_ports() {
    let case = |to: &str| {
        on_host(nat(
            &format!("-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination {to}"),
            "-A INPUT -j ACCEPT\n-A FORWARD -d 172.17.0.0/16 -o docker0 -j ACCEPT",
        ))
        .port(80)
    };
    let seen = case("172.17.0.2:8080")
        .is(Accept)
        .at("172.17.0.2", 8080)
        .by("filter FORWARD 1");
    assert_eq!(seen.local, Some(false));
    case("172.17.0.2").is(Accept).at("172.17.0.2", 80);
    case("172.17.0.2:80-90").is(Accept).at("172.17.0.2", 80);
    case("172.17.0.2:90-99").is(Accept).at("172.17.0.2", 90);
    case("192.0.2.2:8080")
        .is(Accept)
        .at("192.0.2.2", 8080)
        .by("filter INPUT 1");
    case(":8080").is(Accept).at("192.0.2.1", 8080);
    case("10.0.0.1").is(Drop).by("filter FORWARD 0");
    case("127.0.0.1:8080").is(Drop);
}

#[test]
fn of_a_host_of_which_nothing_is_told_the_destination_is_its_own_and_no_other() {
    let case = |to: &str| {
        nat(
            &format!("-A PREROUTING -j DNAT --to-destination {to}"),
            "-A FORWARD -j ACCEPT",
        )
    };
    let seen = case("10.0.0.1").is(Accept).at("10.0.0.1", 22);
    assert_eq!(seen.local, Some(false));
    case("192.0.2.1").is(Drop);
}

#[test]
fn the_first_rule_that_decides_ends_the_nat_table() {
    let case = |rules: &str| on_host(nat(rules, "-A INPUT -j ACCEPT")).port(80).is(Accept);
    case("-A PREROUTING -p tcp -j ACCEPT\n-A PREROUTING -p tcp -j REDIRECT --to-ports 81").at("192.0.2.1", 80);
    case("-A PREROUTING -p tcp -j REDIRECT --to-ports 81\n-A PREROUTING -p tcp -j REDIRECT --to-ports 82")
        .at("192.0.2.1", 81);
    case("-A PREROUTING -p tcp -j REDIRECT --to-ports 81\n-A PREROUTING -p tcp -m tcp --dport 81 -j REDIRECT --to-ports 82").at("192.0.2.1", 81);
    case("-A PREROUTING -j a\n-A PREROUTING -p tcp -j REDIRECT --to-ports 82\n-A a -p tcp -j RETURN\n-A a -p tcp -j REDIRECT --to-ports 81").at("192.0.2.1", 82);
}

#[test]
fn only_the_first_packet_of_a_connection_asks_the_nat_table() {
    let case = || {
        on_host(nat(
            "-A PREROUTING -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 22",
            "-A INPUT -j ACCEPT",
        ))
        .port(2222)
    };
    case().state(State::Related).is(Accept).at("192.0.2.1", 22);
    for state in [State::Established, State::Invalid, State::Untracked] {
        case().state(state).is(Accept).at("192.0.2.1", 2222);
    }
    case().by("lo").is(Accept).at("192.0.2.1", 2222);
}

#[test]
fn what_the_host_sends_to_itself_is_redirected_on_its_way_out() {
    let rules = "-A OUTPUT -o lo -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 22";
    let case = || on_host(nat(rules, SSH)).by("lo").from("127.0.0.1");
    case().to("127.0.0.1", 2222).is(Accept).at("127.0.0.1", 22);
    case().to("192.0.2.1", 2222).is(Accept).at("127.0.0.1", 22);
    case().to("192.0.2.1", 2222).by("eth0").from("203.0.113.9").is(Drop);
}

#[test]
fn mangle_sees_the_port_before_and_input_the_one_after() {
    let case = |hook: &str, port: u16| {
        super::rules(&format!(
            "*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n-A {hook} -p tcp -m tcp --dport {port} -j DROP\nCOMMIT\n\
             *nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 22\nCOMMIT"
        ))
        .port(2222)
    };
    case("PREROUTING", 2222).is(Drop);
    case("PREROUTING", 22).is(Accept);
    case("INPUT", 2222).is(Accept);
    case("INPUT", 22).is(Drop);
}

#[test]
fn the_guard_tells_redirected_packets_from_direct_ones() {
    let case = |accept: &str, port| {
        let rules = nat(
            "-A PREROUTING -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 22",
            accept,
        );
        on_host(rules).port(port).trace().verdict
    };
    let right = "-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctorigdstport 2222 -j ACCEPT";
    assert_eq!([case(right, 2222), case(right, 22)], [Accept, Drop]);
    let neither = "-A INPUT -p tcp -m tcp --dport 2222 -j ACCEPT";
    assert_eq!([case(neither, 2222), case(neither, 22)], [Drop, Drop]);
    assert_eq!([case(SSH, 2222), case(SSH, 22)], [Accept, Accept]);
    let rewritten = "-A INPUT -m conntrack --ctstate DNAT -j ACCEPT";
    assert_eq!([case(rewritten, 2222), case(rewritten, 22)], [Accept, Drop]);
    let original = "-A INPUT -m conntrack --ctorigdst 192.0.2.2 -j ACCEPT";
    let by_address = nat("-A PREROUTING -p tcp -j REDIRECT --to-ports 22", original);
    on_host(by_address).to("192.0.2.2", 22).is(Accept).at("192.0.2.1", 22);
}

#[test]
fn rewriting_that_changes_nothing_is_none() {
    let case = |port| {
        on_host(nat(
            "-A PREROUTING -p tcp -j REDIRECT --to-ports 22",
            "-A INPUT -m conntrack --ctstate DNAT -j ACCEPT",
        ))
        .to("192.0.2.1", port)
    };
    case(22).is(Drop);
    case(23).is(Accept);
    on_host(nat(
        "-A PREROUTING -p tcp -j REDIRECT",
        "-A INPUT -m conntrack --ctstate DNAT -j ACCEPT",
    ))
    .to("192.0.2.2", 22)
    .is(Accept);
}

#[test]
fn nat_input_and_postrouting_have_the_last_word() {
    on_host(nat("-A INPUT -p tcp -j DROP", "-A INPUT -j ACCEPT"))
        .is(Drop)
        .by("nat INPUT 1");
    on_host(nat("-A POSTROUTING -j MASQUERADE", "-A FORWARD -j ACCEPT"))
        .to("198.51.100.7", 80)
        .is(Accept)
        .at("198.51.100.7", 80)
        .by("filter FORWARD 1");
    on_host(nat("-A POSTROUTING -p tcp -j DROP", "-A FORWARD -j ACCEPT"))
        .to("198.51.100.7", 80)
        .is(Drop);
}
