use super::*;
use crate::firewall::Counter;
use crate::problem::Source;

const HERE: &str = "192.0.2.9";
const HOST: &str = "192.0.2.1";

fn set(text: &str) -> MappingSet {
    let source = Source::new("test", text);
    MappingSet::parse(&crate::yaml::read(&source).unwrap().root).unwrap()
}

fn vantage() -> Vantage {
    Vantage {
        family: Family::V4,
        host: Place::Address(HOST.parse().unwrap()),
        here: HERE.parse().ok(),
        nat: true,
        named: true,
        blind: None,
    }
}

/// Checks of the end of a change, `side` of the first mapping, judged with these counters moved.
fn judged(text: &str, side: Side, outcome: Option<&Outcome>, moved: &[Counter]) -> Option<Verdict> {
    judged_from(&vantage(), text, side, outcome, moved)
}

fn judged_from(
    vantage: &Vantage,
    text: &str,
    side: Side,
    outcome: Option<&Outcome>,
    moved: &[Counter],
) -> Option<Verdict> {
    let set = set(text);
    let checks = checks(&set, std::slice::from_ref(vantage), None, Phase::Tightened);
    let check = checks.iter().find(|check| check.side == side).unwrap();
    check.judge(&set, vantage.here, outcome, &|counter| moved.contains(&counter))
}

fn port(port: u16) -> PortRange {
    PortRange::new(port, port).unwrap()
}

fn redirected() -> Counter {
    let (protocol, port) = (Protocol::Tcp, port(80));
    Counter::Redirected { protocol, port }
}

fn seen(protocol: Protocol) -> Counter {
    let (port, to_port) = (port(80), 8080);
    Counter::Seen {
        protocol,
        port,
        to_port,
    }
}

const GUARDED: Counter = Counter::Guarded {
    protocol: Protocol::Tcp,
    to_port: 8080,
};

#[test]
fn an_answer_counts_only_with_our_redirects_counter() {
    let open = judged("['80:8080']", Side::Mapped, Some(&Outcome::Connected), &[redirected()]).unwrap();
    assert_eq!((open.mapped, open.broken), (Some(Mapped::Open), false));
    let foreign = judged("['80:8080']", Side::Mapped, Some(&Outcome::Connected), &[]).unwrap();
    assert_eq!((foreign.mapped, foreign.broken), (Some(Mapped::Filtered), true));
}

#[test]
fn a_reset_is_the_hosts_own_only_when_the_probe_was_delivered() {
    let delivered = [redirected(), seen(Protocol::Tcp)];
    let own = judged("['80:8080']", Side::Mapped, Some(&Outcome::Refused), &delivered).unwrap();
    assert_eq!((own.mapped, own.broken), (Some(Mapped::Refused), false));
    for moved in [&[][..], &[redirected()]] {
        let foreign = judged("['80:8080']", Side::Mapped, Some(&Outcome::Refused), moved).unwrap();
        assert_eq!((foreign.mapped, foreign.broken), (Some(Mapped::Filtered), true));
    }
}

#[test]
fn silence_of_a_mapped_port_breaks_it_but_for_udp_that_was_delivered() {
    for moved in [&[][..], &[redirected()], &[redirected(), seen(Protocol::Tcp)]] {
        let silent = judged("['80:8080']", Side::Mapped, Some(&Outcome::Silent), moved).unwrap();
        assert_eq!((silent.mapped, silent.broken), (Some(Mapped::Filtered), true));
    }
    let udp = judged(
        "['80:8080/udp']",
        Side::Mapped,
        Some(&Outcome::Silent),
        &[seen(Protocol::Udp)],
    );
    assert_eq!(udp.unwrap().mapped, Some(Mapped::Open));
}

#[test]
fn an_address_only_the_host_told_of_proves_nothing_by_silence() {
    let vantage = Vantage {
        named: false,
        ..vantage()
    };
    let silent = judged_from(&vantage, "['80:8080']", Side::Mapped, Some(&Outcome::Silent), &[]).unwrap();
    assert_eq!((silent.mapped, silent.broken), (Some(Mapped::Unverified), false));
    for side in [Side::Mapped, Side::Direct] {
        let other = judged_from(&vantage, "['80:8080']", side, Some(&Outcome::Connected), &[]).unwrap();
        assert!(!other.broken && other.reason.unwrap().contains("another machine"));
    }
}

#[test]
fn a_family_without_nat_has_no_mapping_to_prove() {
    let vantage = Vantage {
        nat: false,
        ..vantage()
    };
    let verdict = judged_from(&vantage, "['80:8080']", Side::Mapped, None, &[]).unwrap();
    assert_eq!((verdict.mapped, verdict.broken), (Some(Mapped::Unverified), false));
}

#[test]
fn closed_is_what_the_guard_counted_never_mere_silence() {
    let closed = judged("['80:8080']", Side::Direct, None, &[GUARDED]).unwrap();
    assert_eq!((closed.direct, closed.broken), (Some(DirectAccess::Closed), false));
    assert_eq!(judged("['80:8080']", Side::Direct, None, &[]), None);
    for outcome in [
        Outcome::Silent,
        Outcome::Refused,
        Outcome::NoPath("no route".to_owned()),
    ] {
        let unknown = judged("['80:8080']", Side::Direct, Some(&outcome), &[]).unwrap();
        assert_eq!(
            (unknown.direct, unknown.broken),
            (Some(DirectAccess::Unverified), false)
        );
        assert!(unknown.reason.is_some());
    }
}

#[test]
fn direct_access_breaks_the_promise_unless_it_is_allowed() {
    let open = |text| judged(text, Side::Direct, Some(&Outcome::Connected), &[]).unwrap();
    assert!(open("['80:8080']").broken);
    assert!(!open("[{port: 80, to_port: 8080, direct: allow}]").broken);
    assert!(!open("[{port: 80, to_port: 8080, direct_source: 192.0.2.0/24}]").broken);
    assert!(open("[{port: 80, to_port: 8080, direct_source: 198.51.100.0/24}]").broken);
}

#[test]
fn a_source_that_leaves_us_out_is_unverified_without_a_probe() {
    let verdict = judged(
        "[{port: 80, to_port: 8080, source: 203.0.113.0/24}]",
        Side::Mapped,
        None,
        &[],
    )
    .unwrap();
    assert_eq!((verdict.mapped, verdict.broken), (Some(Mapped::Unverified), false));
    assert_eq!(
        verdict.reason.unwrap(),
        "source does not include this machine (192.0.2.9)"
    );
}

#[test]
fn sshd_sees_one_bare_connection_before_the_login_and_none_after() {
    let set = set("['2222:22', '80:8080']");
    let login = Some(Management {
        family: Family::V4,
        port: 2222,
    });
    let probed = |phase| {
        let checks = checks(&set, &[vantage()], login, phase);
        let bare = checks.iter().filter(|check| check.known.is_none());
        bare.map(|check| check.at).collect::<Vec<_>>()
    };
    assert_eq!(probed(Phase::Loosened), [2222, 80]);
    assert_eq!(probed(Phase::Tightened), [22, 80, 8080]);
}

#[test]
fn the_ends_of_a_range_stand_for_it_and_the_worse_one_counts() {
    let set = set("['9000-9003:7000-7003']");
    let checks = checks(&set, &[vantage()], None, Phase::Tightened);
    let ports: Vec<_> = checks.iter().map(|check| check.at).collect();
    assert_eq!(ports, [9000, 7000, 9003, 7003]);
    let verdicts = [
        Verdict::mapped(Mapped::Open),
        Verdict::direct(DirectAccess::Closed),
        Verdict::mapped(Mapped::Filtered).because("why"),
        Verdict::direct(DirectAccess::Unverified),
    ];
    let (proofs, broken) = summary(&set, &checks.into_iter().zip(verdicts).collect::<Vec<_>>());
    assert_eq!(
        (proofs[0].mapped, proofs[0].direct),
        (Mapped::Filtered, DirectAccess::Unverified)
    );
    assert_eq!(broken.unwrap(), "IPv4 9000-9003/tcp: why");
}

/// A host behind a proxy, by whose address alone our probes are known.
fn behind() -> Vantage {
    Vantage {
        host: Place::Behind("web.internal".to_owned()),
        ..vantage()
    }
}

#[test]
fn what_a_proxy_does_not_tell_is_neither_open_nor_closed() {
    let untold = Some(&Outcome::Untold("why".to_owned()));
    for moved in [&[][..], &[redirected()], &[redirected(), seen(Protocol::Tcp)]] {
        let mapped = judged_from(&behind(), "['80:8080']", Side::Mapped, untold, moved).unwrap();
        assert_eq!((mapped.mapped, mapped.broken), (Some(Mapped::Unverified), false));
    }
    let direct = judged_from(&behind(), "['80:8080']", Side::Direct, untold, &[]).unwrap();
    assert_eq!(direct.direct, Some(DirectAccess::Unverified));
    let guarded = judged_from(&behind(), "['80:8080']", Side::Direct, untold, &[GUARDED]).unwrap();
    assert_eq!(guarded.direct, Some(DirectAccess::Closed));
    let open = judged_from(
        &behind(),
        "['80:8080']",
        Side::Direct,
        Some(&Outcome::Connected),
        &[GUARDED],
    )
    .unwrap();
    assert_eq!((open.direct, open.broken), (Some(DirectAccess::Open), true));
}

#[test]
fn the_way_of_the_new_login_must_be_there_while_the_old_one_is() {
    let set = set("['2222:22', '80:8080']");
    let login = Some(Management {
        family: Family::V4,
        port: 2222,
    });
    let checks = checks(&set, &[behind()], login, Phase::Loosened);
    let broken = |outcome: &Outcome| {
        let judged = checks
            .iter()
            .map(|check| check.judge(&set, None, Some(outcome), &|_| false).unwrap());
        judged.map(|verdict| verdict.broken).collect::<Vec<_>>()
    };
    let why = || "why".to_owned();
    assert_eq!(broken(&Outcome::NoPath(why())), [true, false]);
    assert_eq!(broken(&Outcome::Untold(why())), [true, false]);
    assert_eq!(broken(&Outcome::Silent), [true, true]);
}

#[test]
fn what_no_proxy_carries_is_unverified_without_a_probe() {
    let udp = judged_from(&behind(), "['80:8080/udp']", Side::Direct, None, &[]).unwrap();
    assert_eq!(udp.direct, Some(DirectAccess::Unverified));
    assert_eq!(udp.reason.as_deref(), Some("no datagrams go through a proxy"));
    let blind = Vantage {
        blind: Some("the proxy connects over IPv6".to_owned()),
        ..behind()
    };
    for side in [Side::Mapped, Side::Direct] {
        let verdict = judged_from(&blind, "['80:8080']", side, None, &[GUARDED, redirected()]).unwrap();
        assert!(!verdict.broken && verdict.mapped != Some(Mapped::Open));
        assert!(verdict.direct != Some(DirectAccess::Closed) && verdict.reason.is_some());
    }
}
