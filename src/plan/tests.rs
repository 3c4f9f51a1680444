use super::*;
use crate::problem::Source;

const NFT: &str = "iptables v1.8.9 (nf_tables)";
const RULES: &str = "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";

pub(super) fn sections(more: &[(&str, &str)]) -> Sections {
    let rules = format!("rules 4 iptables {NFT}");
    let facts = "uid 0\nssh 192.0.2.9 40000 192.0.2.1 22\nuptime 99\n";
    let base = [("facts", facts), (rules.as_str(), "")];
    base.iter()
        .chain(more)
        .map(|(title, text)| ((*title).to_owned(), (*text).to_owned()))
        .collect()
}

fn set(text: &str) -> MappingSet {
    let source = Source::new("test", text);
    MappingSet::parse(&crate::yaml::read(&source).unwrap().root).unwrap()
}

fn stop(more: &[(&str, &str)]) -> Stop {
    Observed::read(&sections(more))
        .and_then(Observed::in_one_backend)
        .unwrap_err()
}

#[test]
fn reads_a_host_without_rules_and_plans_its_first_generation() {
    let observed = Observed::read(&sections(&[])).unwrap();
    assert_eq!(observed.here, "192.0.2.9".parse().ok());
    assert_eq!(observed.warnings, ["IPv6 is off on this host: only IPv4 is managed"]);
    let Plan::Change(change) = observed.plan(&set("['2222:22']"), |_| Mark::default()) else {
        panic!("nothing to do")
    };
    assert_eq!((change.generation, change.tool(Family::V6)), (Generation(1), "-"));
    assert!(change.files().iter().any(|(name, _)| name == "4.filter.want"));
}

#[test]
fn a_host_without_our_rules_and_without_mappings_is_left_alone() {
    let observed = Observed::read(&sections(&[])).unwrap();
    assert!(matches!(
        observed.plan(&MappingSet::default(), |_| Mark::default()),
        Plan::Unchanged(None)
    ));
}

#[test]
fn rules_that_would_come_back_at_the_next_boot_are_a_difference() {
    let facts = "uid 0\nssh 192.0.2.9 40000 192.0.2.1 22\nuptime 99\ncurrent 5\nboot yes\n";
    let observed = Observed::read(&sections(&[("facts", facts)])).unwrap();
    let Plan::Change(change) = observed.plan(&MappingSet::default(), |_| Mark::default()) else {
        panic!("generation 5 would be loaded at the next boot")
    };
    assert_eq!(change.generation, Generation(6));
}

#[test]
fn needs_root_and_a_recent_iptables() {
    assert!(stop(&[("facts", "uid 1000\n")]).reason.contains("without root"));
    let missing: Sections = [("facts".to_owned(), "uid 0\n".to_owned())].into();
    assert_eq!(
        Observed::read(&missing).unwrap_err().reason,
        "iptables is not installed on the host"
    );
    let old: Sections = [
        ("facts".to_owned(), "uid 0\n".to_owned()),
        ("rules 4 iptables iptables v1.6.1".to_owned(), String::new()),
    ]
    .into();
    assert!(Observed::read(&old).unwrap_err().reason.contains("1.8 or newer"));
}

#[test]
fn rules_in_both_backends_are_refused_and_empty_tables_are_none() {
    let legacy = "rules 4 iptables-legacy iptables v1.8.9 (legacy)";
    let nft = format!("rules 4 iptables {NFT}");
    let both = stop(&[(&nft, RULES), (legacy, RULES)]);
    assert!(both.refused && both.reason.contains("both"), "{both:?}");
    let empty = RULES.replace("DROP", "ACCEPT");
    let observed = Observed::read(&sections(&[(&nft, &empty), (legacy, RULES)])).unwrap();
    assert_eq!(observed.families[0].tool, "iptables-legacy");
}

#[test]
fn text_that_is_no_rule_stops_before_anything_is_touched() {
    let nft = format!("rules 4 iptables {NFT}");
    let error = stop(&[(&nft, "*filter\nexit status 1\n")]);
    assert!(!error.refused && error.reason.contains("exit status 1"), "{error:?}");
}

#[test]
fn ipv6_that_cannot_be_managed_is_said() {
    let facts = "uid 0\nipv6 yes\n";
    let addresses =
        "20010db8000000000000000000000001 02 40 00 80 eth0\nfe800000000000000000000000000001 02 40 20 80 eth0\n";
    let open = Observed::read(&sections(&[("facts", facts), ("addresses6", addresses)])).unwrap();
    assert_eq!(open.addresses, ["2001:db8::1".parse::<std::net::IpAddr>().unwrap()]);
    assert!(open.warnings[0].contains("stay as open as they are"));
    let without = Observed::read(&sections(&[("facts", facts)])).unwrap();
    assert!(without.warnings[0].contains("only IPv4 is managed"));
}

#[test]
fn the_ways_in_are_those_of_before_and_after() {
    let mappings = set("['2222:22', '80:8080']");
    assert_eq!(ways_in(22, &mappings, []), [22, 2222]);
    assert_eq!(ways_in(2222, &mappings, [2022]), [2222, 22, 2022]);
    assert_eq!(way_after(22, &mappings, None), 2222);
    assert_eq!(way_after(2222, &mappings, None), 2222);
    assert_eq!(way_after(2022, &mappings, None), 2022);
    let spared = set("[{port: 2222, to_port: 22, direct_source: 192.0.2.0/24}]");
    assert_eq!(way_after(22, &spared, "192.0.2.9".parse().ok()), 22);
    assert_eq!(way_after(22, &spared, "198.51.100.1".parse().ok()), 2222);
    let partly = set("[{port: 2300, to_port: 22, source: [192.0.2.0/24]}, '2222:22']");
    assert_eq!(way_after(22, &partly, "198.51.100.1".parse().ok()), 2222);
    assert_eq!(way_after(22, &partly, "192.0.2.9".parse().ok()), 2300);
}

#[test]
fn a_change_that_takes_the_port_away_by_which_one_came_in_is_seen() {
    let (ours, here) = (set("['2222:22']"), "192.0.2.9".parse().ok());
    let before = |port, mapped| Before {
        port,
        mapped,
        sshd: Some(22),
    };
    let takes = |before, set: &MappingSet| takes_away(before, set, here);
    // Closed, also to who is sent there by a router, or a mapping that goes.
    assert!(takes(before(22, false), &ours));
    assert!(takes(before(10022, false), &ours));
    assert!(takes(before(2200, true), &ours));
    assert!(takes(before(2222, true), &MappingSet::default()));
    assert!(takes(before(2222, true), &set("['2222:8080']")));
    assert!(takes(before(22, false), &set("['22:8080']")));
    // The mapping stays, or nothing closes the port.
    assert!(!takes(before(2222, true), &ours));
    assert!(!takes(before(22, false), &set("['80:8080']")));
    assert!(!takes(before(10022, false), &set("['80:8080']")));
    assert!(!takes(before(22, false), &MappingSet::default()));
    let spared = set("[{port: 2222, to_port: 22, direct_source: 192.0.2.0/24}]");
    assert!(!takes(before(22, false), &spared));
}

#[test]
fn what_is_worth_remembering_is_what_leads_to_sshd() {
    let mappings = set("['2222:22', '2200:22', '80:8080']");
    assert_eq!(ways_now(2222, Some(22), &mappings), [2222, 2200, 22]);
    assert_eq!(ways_now(2222, None, &mappings), [2222]);
    assert_eq!(ways_now(22, Some(22), &MappingSet::default()), [22]);
}

fn kept(current: &str, generations: &[(u32, &str)], ledger: &str) -> Kept {
    let base = [
        ("current".to_owned(), current.to_owned()),
        ("ledger".to_owned(), ledger.to_owned()),
    ];
    let kept = generations
        .iter()
        .map(|(number, text)| (format!("generation {number:06}"), set(text).to_text()));
    Kept::read(&base.into_iter().chain(kept).collect())
}

#[test]
fn the_ledger_tells_who_made_what_is_kept_and_when() {
    let ledger = "\
        2026-01-01T00:00:00Z confirmed t0 000003\n\
        2026-01-02T00:00:00Z begin t1 000004 run1 by ann@desk\n\
        2026-01-02T00:00:05Z confirmed t1 000004\n\
        2026-01-03T00:00:00Z begin t2 000005 run2 by bob@desk\n\
        2026-01-03T00:00:30Z undone t2 000005 by timer emptied\n\
        garbage\n\x1b[31m\n2026-99-03T00:00:30Z undone\n\
        2026-01-04T00:00:00Z begin t3 000005 run3 by cid@desk\n";
    let kept = kept("000005\n", &[(5, "['2200:22']"), (4, "['2222:22']"), (6, "[]")], ledger);
    assert_eq!((kept.current, kept.names().as_str()), (Some(5), "4 and 5 (in force)"));
    assert_eq!(
        kept.previous().map(|kept| (kept.number, &kept.mappings)),
        Some((4, &set("['2222:22']")))
    );
    let of = |number| {
        kept.made(number)
            .map(|made| (made.run.as_str(), made.operator.as_str()))
    };
    assert_eq!(
        [of(3), of(4), of(5)],
        [None, Some(("run1", "ann@desk")), Some(("run3", "cid@desk"))]
    );
    let (_, outcome) = kept.last_of("run2").unwrap().ended.unwrap();
    assert_eq!(outcome, Outcome::Undone(crate::report::RolledBackBy::Timer));
    assert_eq!(kept.changes.len(), 3);
}

#[test]
fn an_unknown_target_is_refused_with_those_that_there_are() {
    let kept = kept("5", &[(4, "[]"), (5, "[]")], "");
    assert_eq!(kept.target(Some(4)).unwrap().number, 4);
    let stop = kept.target(Some(2)).unwrap_err();
    assert!(
        stop.refused && stop.hint.unwrap().contains("4 and 5 (in force)"),
        "{}",
        stop.reason
    );
    let first = self::kept("1", &[(1, "[]")], "").target(None).unwrap_err();
    assert!(first.refused && first.hint.unwrap().contains("remove"));
    assert!(
        self::kept("", &[], "")
            .target(None)
            .unwrap_err()
            .reason
            .contains("nothing")
    );
}

#[test]
fn who_made_the_current_generation_and_who_holds_the_host_are_told() {
    let facts = "uid 0\nuptime 99\ncurrent 000005\nmade t5 run5 ann@desk 2026-01-02T00:00:00Z 000004\n\
                 lock t6 000006 run6 bob@desk 2026-01-03T00:00:00Z 140 4711\n";
    let observed = Observed::read(&sections(&[("facts", facts)])).unwrap();
    let made = observed.made.unwrap();
    assert_eq!(
        (made.run.as_str(), made.operator.as_str(), made.before),
        ("run5", "ann@desk", Some(4))
    );
    let held = observed.held.unwrap();
    assert_eq!(
        held.sentence(),
        "bob@desk is changing this host since 2026-01-03T00:00:00Z (run run6), for 41 s more at most"
    );
    for short in ["made", "made t5 run5", "lock t6", "lock "] {
        let observed = Observed::read(&sections(&[("facts", &format!("uid 0\n{short}\n"))])).unwrap();
        assert_eq!((observed.made, observed.held), (None, None), "{short}");
    }
}
