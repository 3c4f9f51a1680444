use proptest::prelude::*;

use super::*;

/// A host's rules: nat PREROUTING, filter INPUT with its policy.
fn rules(nat: &[&str], policy: &str, input: &[&str]) -> String {
    let nat: String = nat.iter().flat_map(|rule| ["-A PREROUTING ", rule, "\n"]).collect();
    let input: String = input.iter().flat_map(|rule| ["-A INPUT ", rule, "\n"]).collect();
    format!("*nat\n{nat}COMMIT\n*filter\n:INPUT {policy} [0:0]\n{input}COMMIT\n")
}

const REDIRECT: &str = "-p tcp -m addrtype --dst-type LOCAL -m tcp --dport 2222 -j REDIRECT --to-ports 22";
const RIGHT: &str = "-p tcp -m tcp --dport 22 -m conntrack --ctorigdstport 2222 -j ACCEPT";
const MAPPED: &str = "-p tcp -m tcp --dport 2222 -j ACCEPT";
const DIRECT: &str = "-p tcp -m tcp --dport 22 -j ACCEPT";
const GUARD: &str =
    "-p tcp -m tcp --dport 22 --tcp-flags FIN,SYN,RST,ACK SYN -m conntrack ! --ctorigdstport 2222 -j DROP";

fn report_of(texts: &[(Family, &str)], host: &Host, operator: Option<&str>, outside: Option<&str>) -> Report {
    let rulesets: Vec<Ruleset> = texts
        .iter()
        .map(|(_, text)| Ruleset::parse_file(text).expect(text))
        .collect();
    let families: Vec<Rules<'_>> = texts
        .iter()
        .zip(&rulesets)
        .map(|((family, text), ruleset)| Rules {
            family: *family,
            ruleset,
            text: Some(text),
        })
        .collect();
    audit(&Subject {
        families: &families,
        host,
        operator: operator.map(|address| address.parse().unwrap()),
        outside,
    })
}

fn report(text: &str) -> Report {
    report_of(&[(Family::V4, text)], &Host::default(), None, None)
}

fn verdicts(report: &Report) -> Vec<(String, Verdict)> {
    let judged = report.redirects.iter();
    judged.map(|judged| (judged.title(), judged.verdict)).collect()
}

fn codes(report: &Report) -> Vec<(&str, Level)> {
    let findings = report.findings.iter();
    findings.map(|finding| (finding.kind.code(), finding.level)).collect()
}

#[track_caller]
fn only(report: &Report) -> &Judged {
    assert_eq!(report.redirects.len(), 1, "{report:#?}");
    &report.redirects[0]
}

#[test]
fn the_truth_table() {
    for (policy, input, verdict, found) in [
        ("DROP", RIGHT, Verdict::Right, &[][..]),
        ("DROP", MAPPED, Verdict::NeitherWorks, &[("PM002", Level::Error)]),
        ("DROP", DIRECT, Verdict::BothWork, &[("PM001", Level::Error)]),
        ("ACCEPT", RIGHT, Verdict::BothWork, &[("PM001", Level::Error)]),
        ("ACCEPT", GUARD, Verdict::Right, &[]),
    ] {
        let report = report(&rules(&[REDIRECT], policy, &[input]));
        assert_eq!(only(&report).verdict, verdict, "{policy} {input}");
        assert_eq!(codes(&report), found, "{policy} {input}");
        assert_eq!(report.is_clean(), verdict == Verdict::Right);
    }
}

#[test]
fn rules_are_named_with_their_lines() {
    let report = report(&rules(&[REDIRECT], "DROP", &["-i lo -j ACCEPT", DIRECT]));
    let finding = &report.findings[0];
    let places: Vec<_> = finding
        .rules
        .iter()
        .map(|(what, place)| (what.as_str(), place.table.as_str(), place.number, place.line))
        .collect();
    assert_eq!(
        places,
        [("accepts", "filter", 2, Some(7)), ("redirects", "nat", 1, Some(2))]
    );
    assert_eq!(finding.exposed.as_deref(), Some("22/tcp over IPv4 to anybody"));
    assert_eq!(finding.rules[0].1.rule, format!("-A INPUT {DIRECT}"));
}

#[test]
fn an_accept_of_a_port_that_input_never_sees_is_named() {
    let report = report(&rules(&[REDIRECT], "DROP", &[MAPPED]));
    let finding = &report.findings[0];
    assert!(finding.message.contains("INPUT sees port 22"), "{}", finding.message);
    assert!(finding.rules.iter().any(|(_, place)| place.rule.ends_with(MAPPED)));
}

#[test]
fn an_earlier_rule_of_nat_takes_the_packets() {
    for first in [
        "-p tcp -m tcp --dport 2222 -j DNAT --to-destination 172.17.0.2:22",
        "-p tcp -j ACCEPT",
        "-p tcp -m tcp --dport 2000:3000 -j REDIRECT --to-ports 8080",
    ] {
        let report = report(&rules(&[first, REDIRECT], "DROP", &[RIGHT]));
        let judged = report.redirects.last().unwrap();
        assert_eq!(judged.verdict, Verdict::Dead, "{first}");
        let dead = report
            .findings
            .iter()
            .find(|finding| finding.kind == Kind::Shadowed)
            .unwrap();
        assert_eq!(dead.level, Level::Error);
        assert!(dead.rules[0].1.rule.ends_with(first), "{dead:#?}");
    }
    let twice = report(&rules(&[REDIRECT, REDIRECT], "DROP", &[RIGHT]));
    assert_eq!(codes(&twice), [("PM005", Level::Note)]);
}

#[test]
fn without_conntrack_nothing_is_redirected() {
    for target in ["CT --notrack", "NOTRACK"] {
        let raw = format!("*raw\n-A PREROUTING -p tcp -m tcp --dport 2222 -j {target}\nCOMMIT\n");
        let report = report(&(raw + &rules(&[REDIRECT], "ACCEPT", &[GUARD])));
        assert_eq!(only(&report).verdict, Verdict::Dead);
        assert_eq!(codes(&report), [("PM006", Level::Error)]);
    }
}

#[test]
fn what_is_open_over_ipv6_alone_is_found() {
    let v4 = rules(&[REDIRECT], "DROP", &[RIGHT]);
    let both = |v6: &str| report_of(&[(Family::V4, &v4), (Family::V6, v6)], &Host::default(), None, None);
    assert_eq!(codes(&both("")), [("PM007", Level::Error)]);
    assert_eq!(
        codes(&both("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")),
        [("PM007", Level::Error)]
    );
    assert!(both("*filter\n:INPUT DROP [0:0]\nCOMMIT\n").findings.is_empty());
}

#[test]
fn packets_of_others_are_taken_where_no_destination_is_said() {
    let loose = "-p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 22";
    let text = rules(&[loose], "DROP", &[RIGHT]);
    assert_eq!(codes(&report(&text)), [("PM008", Level::Note)]);
    let routes = text.replace("*nat\n", "*nat\n-A POSTROUTING -o eth0 -j MASQUERADE\n");
    assert_eq!(codes(&report(&routes)), [("PM008", Level::Warning)]);
    assert!(report(&rules(&[REDIRECT], "DROP", &[RIGHT])).findings.is_empty());
}

#[test]
fn an_accept_above_a_guard_makes_it_void() {
    let report = report(&rules(&[REDIRECT], "DROP", &["-p tcp -j ACCEPT", GUARD]));
    assert_eq!(codes(&report), [("PM001", Level::Error), ("PM009", Level::Warning)]);
    let void = &report.findings[1];
    assert!(void.rules[0].1.rule.ends_with(GUARD) && void.rules[1].1.rule.ends_with("-p tcp -j ACCEPT"));
}

#[test]
fn an_accept_below_a_reject_is_too_late() {
    let report = report(&rules(&[REDIRECT], "ACCEPT", &["-j REJECT", RIGHT]));
    assert_eq!(codes(&report), [("PM002", Level::Error), ("PM010", Level::Warning)]);
    assert!(report.findings[1].rules[0].1.rule.ends_with(RIGHT));
}

#[test]
fn a_jail_on_the_mapped_port_bans_nobody() {
    let jail = |port: u16| {
        let jump = format!("-p tcp -m multiport --dports {port} -j f2b-sshd");
        let text = rules(&[REDIRECT], "DROP", &[&jump, RIGHT]);
        let text = text.replace(
            "*filter\n",
            "*filter\n:f2b-sshd - [0:0]\n-A f2b-sshd -s 198.51.100.9/32 -j REJECT\n",
        );
        report(&text)
    };
    assert_eq!(codes(&jail(2222)), [("PM011", Level::Warning)]);
    assert!(jail(22).findings.is_empty());
}

#[test]
fn who_gets_in_is_said_as_far_as_rules_tell() {
    let some = "-s 10.0.0.0/8 -p tcp -m tcp --dport 22 -m conntrack --ctorigdstport 2222 -j ACCEPT";
    let limited = report(&rules(&[REDIRECT], "DROP", &[some]));
    let judged = only(&limited);
    assert_eq!((judged.mapped, judged.direct), (Way::Some, Way::Closed));
    assert_eq!(judged.verdict, Verdict::Right);
    assert_eq!(judged.mapped_from, ["10.0.0.0/8".parse().unwrap()]);
    assert_eq!(codes(&limited), [("PM012", Level::Note)]);

    let at_redirect = format!("-s 10.0.0.0/8 {REDIRECT}");
    let limited = report(&rules(&[&at_redirect], "DROP", &[RIGHT]));
    assert_eq!(only(&limited).mapped_from, ["10.0.0.0/8".parse().unwrap()]);

    let admins = report(&rules(&[REDIRECT], "DROP", &["-s 192.0.2.0/28 -j ACCEPT", RIGHT]));
    let judged = only(&admins);
    assert_eq!(
        (judged.mapped, judged.direct, judged.verdict),
        (Way::Open, Way::Some, Verdict::Right)
    );
    assert_eq!(judged.direct_from, ["192.0.2.0/28".parse().unwrap()]);

    let trusted = report(&rules(&[REDIRECT], "DROP", &["-s 192.0.2.0/28 -j ACCEPT"]));
    assert_eq!(
        only(&trusted).verdict,
        Verdict::NeitherWorks,
        "who gets in anyway makes no mapping"
    );
}

#[test]
fn the_operators_own_packets_are_tried() {
    let text = rules(&[REDIRECT], "DROP", &["-s 192.0.2.0/28 -j ACCEPT", RIGHT]);
    let seen = |from: &str| {
        let report = report_of(&[(Family::V4, &text)], &Host::default(), Some(from), None);
        only(&report).operator
    };
    assert_eq!(seen("192.0.2.7"), Some((Way::Open, Way::Open)));
    assert_eq!(seen("192.0.2.77"), None);
}

#[test]
fn ports_that_rules_tell_apart_are_judged_apart() {
    let range = "-p tcp -m addrtype --dst-type LOCAL -m tcp --dport 8000:8010 -j REDIRECT --to-ports 80";
    let text = rules(
        &[range],
        "DROP",
        &["-p tcp -m tcp --dport 80 -m conntrack --ctorigdstport 8003:8005 -j ACCEPT"],
    );
    let report = report(&text);
    assert_eq!(
        verdicts(&report),
        [
            ("8000-8002 → 80/tcp".to_owned(), Verdict::NeitherWorks),
            ("8003-8005 → 80/tcp".to_owned(), Verdict::Right),
            ("8006-8010 → 80/tcp".to_owned(), Verdict::NeitherWorks),
        ]
    );
}

#[test]
fn every_spelling_of_ports_is_found() {
    let accept = "-p tcp -m tcp --dport 8080 -m conntrack --ctorigdstport 1:1023 -j ACCEPT";
    let multi = "-p tcp -m addrtype --dst-type LOCAL -m multiport --dports 80,90:91 -j REDIRECT --to-ports 8080";
    let report = report(&rules(&[multi], "DROP", &[accept]));
    assert_eq!(
        verdicts(&report),
        [
            ("80 → 8080/tcp".to_owned(), Verdict::Right),
            ("90-91 → 8080/tcp".to_owned(), Verdict::Right)
        ]
    );
    // A port that lies in the range of targets stays what it is.
    let kept = super::tests::report(&rules(
        &["-p tcp -m tcp --dport 80 -j REDIRECT --to-ports 80-90"],
        "DROP",
        &[],
    ));
    assert_eq!(only(&kept).verdict, Verdict::KeepsPort);
    let every = super::tests::report(&rules(&["-p tcp -j REDIRECT --to-ports 9040"], "DROP", &[]));
    assert_eq!(verdicts(&every), [("any → 9040/tcp".to_owned(), Verdict::NeitherWorks)]);
}

#[test]
fn ports_may_be_said_on_the_way() {
    let text = "*nat\n:WEB - [0:0]\n-A PREROUTING -i eth0 -p tcp -m tcp --dport 80 -j WEB\n\
        -A WEB -m addrtype --dst-type LOCAL -p tcp -j REDIRECT --to-ports 8080\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n\
        -A INPUT -p tcp -m tcp --dport 8080 -j ACCEPT\nCOMMIT\n";
    let report = report(text);
    assert_eq!(verdicts(&report), [("80 → 8080/tcp".to_owned(), Verdict::BothWork)]);
    let better = &report.findings[0].better;
    assert_eq!(
        better.mapping.as_deref(),
        Some("portmap: [{ port: \"80\", to_port: 8080, interface: eth0 }]")
    );
}

#[test]
fn interfaces_that_differ_are_told_apart() {
    let text = rules(&[REDIRECT], "DROP", &["-i eth1 -j ACCEPT", RIGHT]);
    let found: Vec<_> = report(&text)
        .redirects
        .into_iter()
        .map(|judged| (judged.by, judged.verdict))
        .collect();
    assert_eq!(
        found,
        [
            (vec!["eth1".to_owned()], Verdict::BothWork),
            (vec!["any other interface".to_owned()], Verdict::Right)
        ]
    );
    let outside = report_of(&[(Family::V4, &text)], &Host::default(), None, Some("eth0"));
    assert_eq!(only(&outside).verdict, Verdict::Right);
}

#[test]
fn rates_and_lists_are_settled_for_a_newcomer() {
    let text = rules(
        &[REDIRECT],
        "DROP",
        &[
            "-m set --match-set bans src -j DROP",
            "-p tcp -m tcp --dport 22 -m recent --update --seconds 30 --hitcount 6 --name x --rsource -j REJECT",
            "-p tcp -m tcp --dport 22 -m limit --limit 5/min -j ACCEPT",
        ],
    );
    let report = report(&text);
    let judged = only(&report);
    assert_eq!((judged.verdict, judged.within_rates), (Verdict::BothWork, true));
    assert!(
        report.findings[0]
            .exposed
            .as_deref()
            .unwrap()
            .contains("within the rate limits")
    );
}

#[test]
fn what_is_not_modelled_is_unknown_with_its_reason() {
    let text = rules(&[REDIRECT], "DROP", &["-m geoip --source-country DE -j ACCEPT", RIGHT]);
    let report = report(&text);
    let judged = only(&report);
    assert_eq!(
        (judged.mapped, judged.direct, judged.verdict),
        (Way::Open, Way::Unknown, Verdict::Unknown)
    );
    assert!(
        judged.reason.as_deref().is_some_and(|why| why.contains("geoip")),
        "{judged:?}"
    );
    assert_eq!(codes(&report), [("PM004", Level::Warning)]);
    // One that changes nothing is no hindrance.
    let behind = super::tests::report(&rules(
        &[REDIRECT],
        "DROP",
        &[RIGHT, "-m geoip --source-country DE -j DROP"],
    ));
    assert_eq!(only(&behind).verdict, Verdict::Right);
}

#[test]
fn dnat_to_an_address_of_the_host_is_a_redirect() {
    let host = Host {
        interfaces: vec![("eth0".to_owned(), vec!["192.0.2.10/24".parse().unwrap()])],
        default_interface: Some("eth0".to_owned()),
        ..Host::default()
    };
    let dnat = "-d 192.0.2.10/32 -p tcp -m tcp --dport 2222 -j DNAT --to-destination 192.0.2.10:22";
    let text = rules(&[dnat], "DROP", &[DIRECT]);
    let report = report_of(&[(Family::V4, &text)], &host, None, None);
    assert_eq!(only(&report).verdict, Verdict::BothWork);
    let away = text.replace("192.0.2.10:22", "192.0.2.11:22");
    assert!(
        report_of(&[(Family::V4, &away)], &host, None, None)
            .redirects
            .is_empty()
    );
}

#[test]
fn what_the_host_sends_itself_is_a_note() {
    let text = "*nat\n-A OUTPUT -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 22\nCOMMIT\n";
    let report = report(text);
    assert_eq!(only(&report).verdict, Verdict::OwnPackets);
    assert_eq!(codes(&report), [("PM013", Level::Note)]);
}

/// What the audit advises, done.
fn advised(text: &str, report: &Report) -> String {
    let commands = report
        .findings
        .iter()
        .take(1)
        .flat_map(|finding| &finding.better.commands);
    commands.fold(text.to_owned(), |text, command| {
        let rule = command.split_once(' ').unwrap().1;
        match rule.strip_prefix("-t nat ") {
            Some(rule) => text.replacen("COMMIT\n", &format!("{rule}\nCOMMIT\n"), 1),
            None => format!("{}{rule}\nCOMMIT\n", text.strip_suffix("COMMIT\n").unwrap()),
        }
    })
}

#[test]
fn what_is_advised_makes_it_right() {
    let taken = "-p tcp -m tcp --dport 2222 -j DNAT --to-destination 172.17.0.2:22";
    let udp = "-p udp -m addrtype --dst-type LOCAL -m udp --dport 5353 -j REDIRECT --to-ports 53";
    for (nat, policy, input) in [
        (vec![REDIRECT], "DROP", vec![DIRECT]),
        (vec![REDIRECT], "DROP", vec![MAPPED]),
        (vec![REDIRECT], "DROP", vec!["-i lo -j ACCEPT", "-j REJECT", RIGHT]),
        (vec![REDIRECT], "ACCEPT", vec![]),
        (vec![taken, REDIRECT], "DROP", vec![RIGHT]),
        (vec![udp], "ACCEPT", vec![]),
        (vec![udp], "DROP", vec![]),
    ] {
        let text = rules(&nat, policy, &input);
        let before = report(&text);
        assert!(!before.is_clean());
        let after = report(&advised(&text, &before));
        let right = after.redirects.iter().any(|judged| judged.verdict == Verdict::Right);
        assert!(
            right,
            "{nat:?} {policy} {input:?}: {:#?}\n{after:#?}",
            before.findings[0].better
        );
    }
}

#[test]
fn ours_are_right() {
    let set = |text: &str| {
        let source = crate::problem::Source::new("test", text);
        crate::mapping::MappingSet::parse(&crate::yaml::read(&source).unwrap().root).unwrap()
    };
    let set = set("['2222:22', '80:8080', {port: '9000-9002', to_port: 9100, protocol: udp}]");
    for policy in [
        crate::firewall::explain::Policy::Drop,
        crate::firewall::explain::Policy::Accept,
    ] {
        for family in [Family::V4, Family::V6] {
            let text = crate::firewall::explain::made(&set, family, policy).to_string();
            let report = report_of(&[(family, &text)], &Host::default(), None, None);
            assert!(report.findings.is_empty(), "{report:#?}");
            assert_eq!(report.redirects.len(), 3);
            assert!(report.redirects.iter().all(|judged| judged.verdict == Verdict::Right));
        }
    }
}

fn anything() -> impl Strategy<Value = String> {
    let one = prop_oneof![
        Just(REDIRECT),
        Just(RIGHT),
        Just(MAPPED),
        Just(DIRECT),
        Just(GUARD),
        Just("-s 10.0.0.0/8 -j ACCEPT"),
        Just("-i eth0 -j DROP"),
        Just("-p tcp -j X"),
        Just("-g X"),
        Just("-d 192.0.2.1/32 -j REJECT"),
        Just("-m limit --limit 1/s -j RETURN"),
        Just("-p tcp -m tcp --dport 0:65535 -j REDIRECT --to-ports 1-65535"),
        Just("-j DNAT --to-destination :0"),
        Just("-p udp -j REDIRECT"),
        Just("-m nonsense -j UNKNOWN"),
    ];
    let chain = prop::sample::select(vec!["PREROUTING", "INPUT", "X", "OUTPUT"]);
    let rule = (chain, one).prop_map(|(chain, rule)| format!("-A {chain} {rule}\n"));
    let rules = prop::collection::vec(rule, 0..8);
    (rules.clone(), rules).prop_map(|(nat, filter)| {
        let filter: String = filter
            .iter()
            .filter(|rule| !rule.contains("PREROUTING"))
            .cloned()
            .collect();
        format!(
            "*nat\n:X - [0:0]\n{}COMMIT\n*filter\n:X - [0:0]\n{filter}COMMIT\n",
            nat.concat()
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_makes_it_panic(v4 in anything(), v6 in anything()) {
        let texts = [(Family::V4, v4.as_str()), (Family::V6, v6.as_str())];
        if texts.iter().all(|(_, text)| Ruleset::parse_file(text).is_ok()) {
            let report = report_of(&texts, &Host::default(), Some("10.0.0.1"), None);
            for judged in &report.redirects {
                prop_assert!(judged.verdict != Verdict::Unknown || judged.reason.is_some());
            }
        }
    }
}
