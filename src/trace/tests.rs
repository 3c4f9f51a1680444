use insta::assert_snapshot;

use super::*;
use crate::firewall::trace::{Host, State, Tracer, Verdict};
use crate::firewall::{Family, Ruleset};
use crate::report::Look;

const RULES: &str = "*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 22
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:known - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m limit --limit 3/min -j LOG --log-prefix \"in: \"
-A INPUT -m comment --comment \"a chain of its own, with a long comment that will not fit into one line\" -j known
-A known -p tcp -m tcp --dport 22 -m conntrack --ctorigdstport 2222 -j ACCEPT
-A known -m set --match-set friends src -p tcp -m tcp --dport 80 -j ACCEPT
COMMIT
";

const HOST: &str =
    r#""host":{"addrs":{"lo":["127.0.0.1/8"],"eth0":["192.0.2.1/24","192.0.2.9/24"]},"default_iface":"eth0"}"#;

fn asked(line: &str) -> String {
    let rules = Ruleset::parse(RULES).unwrap();
    let host = Host::default();
    match Question::read(line, Family::V4) {
        Ok(asked) => answer(&Tracer::new(&rules, &host).trace_on(&asked.host, &asked.packet)),
        Err(fault) => no_answer(&fault),
    }
}

#[test]
fn answers_are_lines_of_json() {
    let line = |fields: &str| {
        format!(
            r#"{{"proto":"tcp","family":4,"src":"203.0.113.9","dst":"192.0.2.9","sport":40000,{fields},"in_iface":"eth0",{HOST}}}"#
        )
    };
    assert_snapshot!(asked(&line(r#""dport":2222"#)), @r#"{"verdict":"accept","dst":"192.0.2.1","dport":22,"path":["nat PREROUTING: -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 22","filter INPUT: -m limit --limit 3/min -j LOG --log-prefix \"in: \"","filter INPUT: -m comment --comment \"a chain of its own, with a long comment that will not fit into one line\" -j known","filter known: -p tcp -m tcp --dport 22 -m conntrack --ctorigdstport 2222 -j ACCEPT"],"reason":null}"#);
    assert_snapshot!(asked(&line(r#""dport":22"#)), @r#"{"verdict":"drop","dst":null,"dport":null,"path":["filter INPUT: -m limit --limit 3/min -j LOG --log-prefix \"in: \"","filter INPUT: -m comment --comment \"a chain of its own, with a long comment that will not fit into one line\" -j known","filter INPUT: policy DROP"],"reason":null}"#);
    let unknown = asked(&line(r#""dport":80"#));
    let unknown: serde_json::Value = serde_json::from_str(&unknown).unwrap();
    assert_eq!(unknown["verdict"], "unknown");
    assert!(unknown["reason"].as_str().unwrap().contains("friends"), "{unknown}");
}

#[test]
fn what_a_line_leaves_out_is_not_known_and_what_it_says_beyond_is_nothing() {
    let read = |line: &str| Question::read(line, Family::V6).unwrap();
    let bare = read(r#"{"proto":6}"#);
    assert_eq!(bare.packet.family, Family::V6);
    assert_eq!((bare.packet.protocol.as_str(), bare.packet.state), ("6", State::New));
    assert_eq!(
        (bare.packet.source, bare.packet.in_interface, bare.host),
        (None, None, Host::default())
    );
    let shown = read(r#"{"proto":"UDP","dst":"192.0.2.1","state":"established","src":null,"note":[1],"in_iface":""}"#);
    assert_eq!(
        (shown.packet.family, shown.packet.protocol.as_str()),
        (Family::V4, "udp")
    );
    assert_eq!(
        (shown.packet.state, shown.packet.in_interface),
        (State::Established, None)
    );
    let host = read(
        r#"{"proto":"tcp","host":{"addrs":{"b":["10.0.0.1/8","10.0.0.2"],"a":[]},"sets":{"s":["10.0.0.0/8",80]}}}"#,
    )
    .host;
    let names: Vec<_> = host
        .interfaces
        .iter()
        .map(|(name, nets)| (name.as_str(), nets.len()))
        .collect();
    assert_eq!(names, [("a", 0), ("b", 2)]);
    assert_eq!(host.sets["s"], ["10.0.0.0/8", "80"]);
}

#[test]
fn what_is_no_packet_is_answered_with_what_is_wrong() {
    for (line, wrong) in [
        ("", "EOF"),
        ("{", "EOF"),
        ("[]", "invalid"),
        (r#"{"dport":22}"#, "proto is missing"),
        (r#"{"proto":"tcp","dport":70000}"#, "70000"),
        (r#"{"proto":"tcp","src":"here"}"#, "src \"here\""),
        (r#"{"proto":"tcp","family":5}"#, "family 5"),
        (r#"{"proto":"tcp","family":6,"dst":"192.0.2.1"}"#, "dst 192.0.2.1"),
        (r#"{"proto":"tcp","state":"OLD"}"#, "state \"OLD\""),
        (
            r#"{"proto":"tcp","host":{"addrs":{"eth0":["192.0.2.1/99"]}}}"#,
            "192.0.2.1/99",
        ),
    ] {
        let answered: serde_json::Value = serde_json::from_str(&asked(line)).unwrap();
        assert_eq!(answered["verdict"], "unknown", "{line}");
        assert!(
            answered["reason"].as_str().unwrap().contains(wrong),
            "{line}: {answered}"
        );
    }
}

fn drawn(fields: &str) -> String {
    let rules = Ruleset::parse(RULES).unwrap();
    let asked = Question::read(&format!(r#"{{"proto":"tcp",{fields},{HOST}}}"#), Family::V4).unwrap();
    let trace = Tracer::new(&rules, &asked.host).trace(&asked.packet);
    let look = Look {
        width: None,
        rows: None,
        color: false,
    };
    text(&asked.packet, &trace, look)
}

#[test]
fn text_shows_the_way_a_rule_a_line() {
    assert_snapshot!(drawn(r#""src":"203.0.113.9","dst":"192.0.2.9","dport":2222"#));
    assert_snapshot!(drawn(r#""dst":"192.0.2.9","dport":80"#));
    assert_snapshot!(drawn(r#""src":"127.0.0.1","dst":"192.0.2.9","dport":80"#));
}

#[test]
fn text_stays_within_its_width_and_out_of_the_terminal() {
    let shown = drawn(r#""src":"203.0.113.9","dst":"192.0.2.9","dport":2222"#);
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let rules =
        Ruleset::parse("*filter\n:INPUT DROP [0:0]\n-A INPUT -m comment --comment \"a\u{202e}b\" -j ACCEPT\nCOMMIT\n")
            .unwrap();
    let asked = Question::read(r#"{"proto":"tcp"}"#, Family::V4).unwrap();
    let trace = Tracer::new(&rules, &asked.host).trace(&asked.packet);
    assert_eq!(trace.verdict, Verdict::Accept);
    let look = Look {
        width: Some(80),
        rows: None,
        color: false,
    };
    assert!(!text(&asked.packet, &trace, look).contains('\u{202e}'));
}
