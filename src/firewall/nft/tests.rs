use super::*;

const HOOK: &str = "type filter hook input priority filter + 10; policy accept;";

/// A table `inet t` with base chain `in` and chain `zones`, each rule a list of statements.
fn read(hook: &str, rules: &[(&str, &str)]) -> Nft {
    let rules = rules.iter().map(|(chain, statements)| {
        format!(r#", {{"rule": {{"family": "inet", "table": "t", "chain": "{chain}", "expr": [{statements}]}}}}"#)
    });
    let rules: String = rules.collect();
    Nft::read(&format!(
        "chain inet t in {hook}\ntable inet t {{\"nftables\": [{{\"metainfo\": {{}}}}, {{\"chain\": {{\"name\": \"zones\"}}}}, {{\"chain\": {{\"name\": \"in\"}}}}{rules}]}}\n"
    ))
}

fn arrival<'a>() -> Arrival<'a> {
    Arrival {
        family: Family::V4,
        protocol: Protocol::Tcp,
        source: "192.0.2.9".parse().ok(),
        interface: Some("eth0"),
        port: 2222,
        to_port: 22,
    }
}

fn passes_by(hook: &str, rules: &[(&str, &str)], arrival: &Arrival<'_>) -> Passes {
    let nft = read(hook, rules);
    nft.passes(nft.chains.first().unwrap(), arrival)
}

fn passes(rules: &[(&str, &str)]) -> Passes {
    passes_by(HOOK, rules, &arrival())
}

const DPORT_22: &str = r#"{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": {"set": [22, {"range": [80, 90]}]}}}"#;
const NEW: &str = r#"{"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": "new"}}"#;
const OLD: &str = r#"{"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}"#;
const ACCEPT: &str = r#"{"accept": null}"#;
const DROP: &str = r#"{"drop": null}"#;
const REJECT: &str = r#"{"reject": {"type": "icmpx", "expr": "admin-prohibited"}}"#;
const LIMIT: &str = r#"{"limit": {"rate": 5, "burst": 5, "per": "second"}}"#;
const ZONES: &str = r#"{"jump": {"target": "zones"}}"#;

fn from(address: &str) -> String {
    format!(
        r#"{{"match": {{"op": "==", "left": {{"payload": {{"protocol": "ip", "field": "saddr"}}}}, "right": {address}}}}}"#
    )
}

#[test]
fn base_chains_are_named_as_nft_does() {
    let nft = read(HOOK, &[("in", REJECT)]);
    let described: Vec<_> = nft.taking().map(BaseChain::describe).collect();
    assert_eq!(described, ["inet t in (hook input, priority filter + 10)"]);
}

#[test]
fn chains_that_only_accept_and_count_take_nothing() {
    for rules in [
        &[("in", r#"{"counter": {"packets": 1, "bytes": 60}}, {"accept": null}"#)][..],
        &[("in", ZONES), ("zones", ACCEPT)],
        &[("in", ZONES), ("zones", ZONES)],
        &[],
    ] {
        assert_eq!(read(HOOK, rules).taking().count(), 0, "{rules:?}");
    }
    for rules in [&[("in", ZONES), ("zones", DROP)][..], &[("in", r#"{"xt": null}"#)]] {
        assert_eq!(read(HOOK, rules).taking().count(), 1, "{rules:?}");
    }
    let drops = "type filter hook input priority 0; policy drop;";
    assert_eq!(read(drops, &[]).taking().count(), 1);
}

#[test]
fn what_is_not_shown_may_do_anything() {
    let unknown =
        Nft::read("chain inet t in type filter hook input priority 0; policy accept;\nnonsense\ntable inet t {\"x\n");
    assert_eq!(unknown.taking().count(), 1);
    assert_eq!(unknown.passes(&unknown.chains[0], &arrival()), Passes::Unknown);
    assert!(Nft::read("chain\nchain x\nchain x type y\n").chains.is_empty());
}

#[test]
fn the_first_verdict_that_surely_applies_counts() {
    let accepts = format!("{DPORT_22}, {NEW}, {ACCEPT}");
    let limited = format!("{LIMIT}, {ACCEPT}");
    let old = format!("{OLD}, {ACCEPT}");
    for (rules, expected) in [
        (&[("in", old.as_str()), ("in", REJECT)][..], Passes::Never),
        (&[("in", accepts.as_str()), ("in", REJECT)], Passes::Surely),
        (&[("in", limited.as_str()), ("in", REJECT)], Passes::Unknown),
        (
            &[("in", ZONES), ("in", DROP), ("zones", accepts.as_str())],
            Passes::Surely,
        ),
        (
            &[
                ("in", ZONES),
                ("in", DROP),
                ("zones", r#"{"return": null}"#),
                ("zones", ACCEPT),
            ],
            Passes::Never,
        ),
        (
            &[
                ("in", r#"{"goto": {"target": "zones"}}"#),
                ("in", DROP),
                ("zones", old.as_str()),
            ],
            Passes::Surely,
        ),
        (&[("in", r#"{"xt": null}"#)], Passes::Unknown),
        (&[("in", ZONES), ("zones", ZONES)], Passes::Unknown),
        (&[], Passes::Surely),
    ] {
        assert_eq!(passes(rules), expected, "{rules:?}");
    }
    let drops = "type filter hook input priority 0; policy drop;";
    assert_eq!(passes_by(drops, &[], &arrival()), Passes::Never);
    assert_eq!(passes_by(drops, &[("in", &accepts)], &arrival()), Passes::Surely);
}

#[test]
fn sources_interfaces_and_maps_are_looked_at() {
    let prefix = from(r#"{"prefix": {"addr": "192.0.2.0", "len": 24}}"#) + ", " + DROP;
    let other = from(r#""198.51.100.1""#) + ", " + DROP;
    let set = from(r#""@banned""#) + ", " + DROP;
    let lo = r#"{"match": {"op": "!=", "left": {"meta": {"key": "iifname"}}, "right": "lo"}}, {"drop": null}"#;
    let map = r#"{"vmap": {"key": {"meta": {"key": "iifname"}}, "data": {"set": [["eth1", {"drop": null}], ["eth0", {"accept": null}]]}}}, {"drop": null}"#;
    for (statements, expected) in [
        (prefix.as_str(), Passes::Never),
        (&other, Passes::Surely),
        (&set, Passes::Unknown),
        (lo, Passes::Never),
        (map, Passes::Surely),
    ] {
        assert_eq!(passes(&[("in", statements)]), expected, "{statements}");
    }
    let anybody = Arrival {
        source: None,
        ..arrival()
    };
    assert_eq!(passes_by(HOOK, &[("in", &prefix)], &anybody), Passes::Unknown);
    let v6 = Arrival {
        family: Family::V6,
        ..arrival()
    };
    assert_eq!(passes_by(HOOK, &[("in", &prefix)], &v6), Passes::Surely);
}

#[test]
fn before_nat_it_is_the_port_that_was_dialled() {
    let drops_2222 = DPORT_22.replace("22, {", "2222, {") + ", " + DROP;
    let at = |priority: &str| format!("type filter hook prerouting priority {priority}; policy accept;");
    assert_eq!(passes_by(&at("raw"), &[("in", &drops_2222)], &arrival()), Passes::Never);
    assert_eq!(
        passes_by(&at("dstnat"), &[("in", &drops_2222)], &arrival()),
        Passes::Unknown
    );
    assert_eq!(
        passes_by(&at("filter"), &[("in", &drops_2222)], &arrival()),
        Passes::Surely
    );
    assert_eq!(
        passes_by(&at("mangle + 10"), &[("in", &drops_2222)], &arrival()),
        Passes::Never
    );
    assert_eq!(passes(&[("in", &drops_2222)]), Passes::Surely);
}

#[test]
fn what_nat_has_sent_on_is_known_by_its_status() {
    let dnat = r#"{"match": {"op": "in", "left": {"ct": {"key": "status"}}, "right": "dnat"}}, {"accept": null}"#;
    assert_eq!(passes(&[("in", dnat), ("in", DROP)]), Passes::Surely);
    let direct = Arrival { port: 22, ..arrival() };
    assert_eq!(passes_by(HOOK, &[("in", dnat), ("in", DROP)], &direct), Passes::Never);
}

#[test]
fn flags_of_the_first_packet_are_known() {
    let flags = |mask: &str| {
        format!(
            r#"{{"match": {{"op": "==", "left": {{"&": [{{"payload": {{"protocol": "tcp", "field": "flags"}}}}, {mask}]}}, "right": "syn"}}}}, {DROP}"#
        )
    };
    assert_eq!(
        passes(&[("in", &flags(r#"["fin", "syn", "rst", "ack"]"#))]),
        Passes::Never
    );
    assert_eq!(passes(&[("in", &flags(r#""ack""#))]), Passes::Surely);
}
