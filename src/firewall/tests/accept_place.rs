//! Where the accept must stand.

use super::super::place::{Place, place};
use super::super::walk::Wish;
use super::*;
use crate::mapping::Protocol;

/// Place of the accept for 22/tcp: the least and the intended number of rules above.
#[track_caller]
fn at(chains: &str, rules: &str, expected: (usize, usize)) -> Place {
    by(None, chains, rules, expected)
}

/// The same for what comes in by an interface.
#[track_caller]
fn by(interface: Option<&str>, chains: &str, rules: &str, expected: (usize, usize)) -> Place {
    let wish = Wish {
        protocol: Protocol::Tcp,
        port: 22,
        interface,
    };
    let place = place(&view(chains, rules).ruleset, wish);
    assert_eq!((place.from, place.to), expected, "{place:?}");
    place
}

#[test]
fn nothing_decides_so_it_is_the_end() {
    at("", "", (0, 0));
    at(
        "",
        "-A INPUT -s 10.0.0.0/8 -j DROP\n-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT",
        (1, 2),
    );
    at("", "-A INPUT -p udp -j DROP", (0, 1));
}

#[test]
fn conditions_that_every_new_packet_meets() {
    for condition in [
        "",
        "-p tcp",
        "-p tcp -m tcp --dport 22",
        "-p tcp -m tcp --dport 20:30",
        "-p tcp -m tcp ! --dport 23",
        "! -p udp",
        "-p tcp -m multiport --dports 80,22",
        "-p tcp -m multiport --ports 80,22",
        "-m conntrack --ctstate NEW",
        "-m state --state NEW,ESTABLISHED",
        "-m conntrack ! --ctstate RELATED,ESTABLISHED",
        "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN",
        "-p tcp -m tcp --tcp-flags SYN SYN",
        "-p tcp -m tcp ! --tcp-flags ACK ACK",
        "! -i lo",
        "-m addrtype --dst-type LOCAL",
        "-m comment --comment \"-s 1.2.3.4\"",
        "-s 0.0.0.0/0",
        "-p tcp -m tcp --sport 0:65535",
    ] {
        for target in ["ACCEPT", "DROP", "REJECT --reject-with tcp-reset"] {
            at(
                "",
                &format!("-A INPUT -p icmp -j ACCEPT\n-A INPUT {condition} -j {target}\n-A INPUT -j LOG"),
                (0, 1),
            );
        }
    }
}

#[test]
fn conditions_of_some_stay_above() {
    for condition in [
        "-s 10.0.0.0/8",
        "! -s 10.0.0.0/8",
        "-d 10.0.0.1/32",
        "-p tcp -m tcp --sport 1024:65535",
        "-p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG SYN",
        "-m limit --limit 1/sec",
        "! -p tcp -m unheard --of",
        "-m set --match-set bans src",
        "-m conntrack --ctorigdstport 2222",
        "-m conntrack --ctstate DNAT",
        "-m socket",
        "-m addrtype --src-type LOCAL",
        "-p tcp -m multiport --ports 80",
    ] {
        let never = condition.starts_with("! -p tcp");
        let expected = if never { (0, 1) } else { (1, 1) };
        at(
            "",
            &format!("-A INPUT {condition} -j DROP\n-A INPUT -j ACCEPT"),
            expected,
        );
    }
}

#[test]
fn conditions_that_no_new_packet_meets_do_not_matter() {
    for condition in [
        "-i lo",
        "-p udp",
        "-p tcp -m tcp --dport 23",
        "-m conntrack --ctstate RELATED,ESTABLISHED",
        "-m conntrack --ctstate INVALID",
        "-p tcp -m tcp --tcp-flags RST RST",
        "-p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE",
        "-s 10.0.0.1/32 -p icmp",
    ] {
        at("", &format!("-A INPUT {condition} -j DROP\n-A INPUT -j ACCEPT"), (0, 1));
    }
}

#[test]
fn targets_that_let_a_packet_go_on_do_not_decide() {
    at(
        "",
        "-A INPUT -j LOG\n-A INPUT -j NFQUEUE\n-A INPUT\n-A INPUT -j DROP",
        (2, 3),
    );
}

#[test]
fn chains_are_followed() {
    at("C", "-A INPUT -j C\n-A C -s 1.2.3.4/32 -j DROP\n-A C -j REJECT", (0, 0));
    at(
        "C",
        "-A INPUT -j C\n-A INPUT -j DROP\n-A C -j RETURN\n-A C -j ACCEPT",
        (1, 1),
    );
    at(
        "C",
        "-A INPUT -j C\n-A INPUT -j DROP\n-A C -s 1.2.3.4/32 -j RETURN\n-A C -j ACCEPT",
        (1, 1),
    );
    at(
        "C",
        "-A INPUT -j C\n-A INPUT -j DROP\n-A C -p udp -j RETURN\n-A C -j DROP",
        (0, 0),
    );
    at(
        "C",
        "-A INPUT -s 10.0.0.0/8 -j C\n-A INPUT -j DROP\n-A C -j ACCEPT",
        (1, 1),
    );
    at("C D", "-A INPUT -j C\n-A C -j D\n-A D -p tcp -j REJECT", (0, 0));
    at(
        "C D",
        "-A INPUT -j C\n-A INPUT -j DROP\n-A C -j D\n-A C -p udp -j DROP\n-A D -j LOG",
        (1, 1),
    );
    at("C", "-A INPUT -j C\n-A INPUT -j DROP", (1, 1));
}

#[test]
fn gotos_are_followed() {
    // A goto that does not decide returns to our caller, which passes what follows it.
    at(
        "C D",
        "-A INPUT -j C\n-A INPUT -j DROP\n-A C -g D\n-A C -j ACCEPT\n-A D -s 1.2.3.4/32 -j DROP",
        (1, 1),
    );
    at("C D", "-A INPUT -j C\n-A C -g D\n-A D -j DROP", (0, 0));
    at(
        "C D",
        "-A INPUT -j C\n-A C -i eth0 -g D\n-A C -g D\n-A D -j DROP",
        (0, 0),
    );
    by(
        Some("eth0"),
        "C D",
        "-A INPUT -j C\n-A INPUT -j DROP\n-A C -i eth0 -g D\n-A C -j DROP\n-A D -j LOG",
        (1, 1),
    );
}

#[test]
fn a_chain_that_bans_some_and_accepts_the_rest_goes_on_banning() {
    let place = at(
        "C",
        "-A INPUT -j C\n-A INPUT -j DROP\n-A C -s 1.2.3.4/32 -j DROP\n-A C -j ACCEPT",
        (1, 1),
    );
    assert!(place.superfluous && place.bans.is_empty(), "{place:?}");
}

/// Synology: trusted networks return, everybody else is dropped.
#[test]
fn trusted_sources_that_return_make_no_exception() {
    let place = at(
        "C",
        "-A INPUT -j C\n-A INPUT -s 10.6.6.6/32 -j DROP\n-A C -s 10.0.0.0/8 -j RETURN\n-A C -j DROP",
        (0, 0),
    );
    assert_eq!(place.bans, ["-A INPUT -s 10.6.6.6/32 -j DROP"]);
    // What returns here is everybody, as long as they are slow.
    at(
        "C",
        "-A INPUT -j C\n-A C -m limit --limit 5/sec -j RETURN\n-A C -j DROP",
        (1, 1),
    );
    at(
        "C",
        "-A INPUT -j C\n-A C -s 10.0.0.0/8 -m limit --limit 5/sec -j RETURN\n-A C -j DROP",
        (1, 1),
    );
    at(
        "C",
        "-A INPUT -j C\n-A C ! -s 10.0.0.0/8 -j DROP\n-A C -j RETURN",
        (1, 1),
    );
}

#[test]
fn each_interface_has_its_place() {
    let zones = "-A INPUT -p icmp -j ACCEPT\n-A INPUT -i eth0 -j NET\n-A INPUT -i ppp+ -j NET\n-A INPUT -i tun0 -j ACCEPT\n\
                 -A INPUT -j REJECT\n-A NET -s 1.2.3.4/32 -j DROP\n-A NET -j DROP";
    at("NET", zones, (0, 4));
    assert_eq!(
        by(Some("eth0"), "NET", zones, (0, 1)).bans,
        ["-A NET -s 1.2.3.4/32 -j DROP"]
    );
    by(Some("ppp+"), "NET", zones, (0, 2));
    by(Some("ppp0"), "NET", zones, (0, 2));
    assert!(by(Some("tun0"), "NET", zones, (0, 3)).superfluous);
    let view = settled(&view("NET", zones), &mappings("['2222:22', '80:8080']"), 1);
    let accept = "-m comment --comment portmap-deploy-000001 -j PORTMAP-ACCEPT";
    let expected = [
        "-m comment --comment portmap-deploy-000001 -j PORTMAP-GUARD".to_owned(),
        "-p icmp -j ACCEPT".to_owned(),
        format!("-i eth0 {accept}"),
        "-i eth0 -j NET".to_owned(),
        format!("-i ppp+ {accept}"),
        "-i ppp+ -j NET".to_owned(),
        "-i tun0 -j ACCEPT".to_owned(),
        accept.to_owned(),
        "-j REJECT".to_owned(),
    ];
    assert_eq!(specs(&view, "filter", "INPUT"), expected);
}

#[test]
fn ports_may_have_their_places_on_one_interface_alone() {
    let rules = "-A INPUT -i eth0 -p tcp -m tcp --dport 8080 -j DROP\n-A INPUT -j LOG";
    let view = settled(&view("", rules), &mappings("['2222:22', '80:8080']"), 1);
    let accept = "-m comment --comment portmap-deploy-000001 -j PORTMAP-ACCEPT";
    let specs = specs(&view, "filter", "INPUT");
    assert_eq!(specs[1], format!("-i eth0 -p tcp -m tcp --dport 8080 {accept}"));
    assert_eq!(specs[4], accept);
}

#[test]
fn leaving_input_for_the_policy_decides() {
    at("C", "-A INPUT -g C\n-A INPUT -j DROP\n-A C -j LOG", (0, 0));
    at("", "-A INPUT -s 1.2.3.4/32 -j DROP\n-A INPUT -j RETURN", (1, 1));
}

#[test]
fn circles_and_deep_chains_end() {
    at("C D", "-A INPUT -j C\n-A C -j D\n-A D -j C\n-A INPUT -j DROP", (1, 1));
    let names: Vec<_> = (0..5000).map(|number| format!("C{number}")).collect();
    let links = names
        .windows(2)
        .map(|pair| format!("-A {} -j {}", pair[0], pair[1]))
        .collect::<Vec<_>>()
        .join("\n");
    at(
        &names.join(" "),
        &format!("-A INPUT -j C0\n{links}\n-A C4999 -j DROP"),
        (1, 1),
    );
}

#[test]
fn bans_inside_a_deciding_chain_are_named() {
    let shape = "-A INPUT -j C\n-A C -p icmp -j DROP\n-A C -s 1.2.3.4/32 -j DROP\n-A C -p tcp -j B\n\
                 -A C -p tcp -m tcp --dport 22 -j REJECT\n-A C -s 5.6.7.8/32 -j DROP\n-A B -s 9.9.9.9/32 -j REJECT";
    let place = at("C B", shape, (0, 0));
    assert_eq!(
        place.bans,
        ["-A C -s 1.2.3.4/32 -j DROP", "-A B -s 9.9.9.9/32 -j REJECT"]
    );
    let change = change(
        &view("C B", shape),
        &mappings("['2222:22']"),
        Generation(1),
        &Mark::default(),
    );
    assert!(
        change.warnings.iter().any(|warning| warning.contains("1.2.3.4")),
        "{:?}",
        change.warnings
    );
}

#[test]
fn one_jump_where_the_places_agree_and_one_a_port_where_not() {
    let jumps = |rules: &str| {
        let settled = settled(&view("", rules), &mappings("['2222:22', '80:8080', '81:8080']"), 1);
        specs(&settled, "filter", "INPUT")
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let guard = "-m comment --comment portmap-deploy-000001 -j PORTMAP-GUARD";
    let accept = "-m comment --comment portmap-deploy-000001 -j PORTMAP-ACCEPT";
    assert_eq!(
        jumps("-A INPUT -p icmp -j ACCEPT\n-A INPUT -j DROP"),
        [guard, "-p icmp -j ACCEPT", accept, "-j DROP"]
    );
    let (ssh, web) = (
        format!("-p tcp -m tcp --dport 22 {accept}"),
        format!("-p tcp -m tcp --dport 8080 {accept}"),
    );
    let rules = [
        "-p tcp -m tcp --dport 22 -j ACCEPT",
        "-s 1.2.3.4/32 -j DROP",
        "-p tcp -j REJECT --reject-with tcp-reset",
    ];
    let text = rules.map(|rule| format!("-A INPUT {rule}")).join("\n");
    assert_eq!(jumps(&text), [guard, &ssh, rules[0], rules[1], &web, rules[2]]);
}
