use jiff::tz::TimeZone;

use super::*;
use crate::firewall::tests::{settled, view};
use crate::mapping::MappingSet;
use crate::plan::{Kept, Observed};
use crate::problem::Source;
use crate::report::{Look, exposition, junit};
use std::collections::BTreeMap;

const RUN: &str = "20261123T031500Z-0123abcd";

fn set(text: &str) -> MappingSet {
    MappingSet::parse(&crate::yaml::read(&Source::new("test", text)).unwrap().root).unwrap()
}

/// The rules of a host on which this generation of these mappings has been confirmed.
fn rules(number: u32, mappings: &MappingSet) -> String {
    settled(&view("", ""), mappings, number).ruleset.to_string()
}

/// A host that keeps generation 3, of `80:8080`, and what its ledger says besides.
struct Host {
    facts: String,
    rules: String,
    ledger: String,
    mappings: Option<&'static str>,
}

impl Host {
    fn settled() -> Self {
        Self {
            facts: "current 3\nboot yes\nfiles yes\n".to_owned(),
            rules: rules(3, &set("['80:8080']")),
            ledger: format!(
                "2026-11-23T03:15:01Z begin t0003 3 {RUN} by ann@laptop\n2026-11-23T03:15:02Z confirmed t0003 3\n"
            ),
            mappings: Some("['80:8080']"),
        }
    }

    fn bare() -> Self {
        Self {
            facts: String::new(),
            rules: String::new(),
            ledger: String::new(),
            mappings: None,
        }
    }

    fn stands(&self, desired: &str) -> Status {
        let facts = format!("uid 0\nssh 192.0.2.9 40000 192.0.2.1 22\nuptime 1000\n{}", self.facts);
        let observed: BTreeMap<String, String> = [
            ("facts".to_owned(), facts),
            (
                "rules 4 iptables iptables v1.8.9 (nf_tables)".to_owned(),
                self.rules.clone(),
            ),
        ]
        .into();
        let mut kept: BTreeMap<String, String> = [
            ("current".to_owned(), "3\n".to_owned()),
            ("ledger".to_owned(), self.ledger.clone()),
        ]
        .into();
        if let Some(mappings) = self.mappings {
            kept.insert("generation 000003".to_owned(), set(mappings).to_text());
        }
        let observed = Observed::read(&observed).unwrap();
        let status = Status::of(&observed, &Kept::read(&kept), &set(desired));
        Status {
            warnings: vec![],
            ..status
        }
    }
}

#[track_caller]
fn expect(status: &Status, state: State, says: &str) {
    let all = [status.reasons.join("; "), status.differences.join("; ")].join(" | ");
    assert!(status.state == state && all.contains(says), "{status:#?}");
}

#[test]
fn what_the_inventory_asks_for_is_in_sync() {
    let status = Host::settled().stands("['80:8080']");
    expect(&status, State::InSync, "");
    assert_eq!(status.generation, Some(3));
    assert_eq!(status.made.since, "2026-11-23T03:15:02Z".parse().ok());
    assert_eq!(
        (status.made.operator.as_deref(), status.made.run_id.as_deref()),
        (Some("ann@laptop"), Some(RUN))
    );
    // A name is for people alone.
    expect(
        &Host::settled().stands("[{name: web, port: 80, to_port: 8080}]"),
        State::InSync,
        "",
    );
    expect(&Host::bare().stands("[]"), State::InSync, "");
}

#[test]
fn nothing_there_was_never_deployed() {
    expect(
        &Host::bare().stands("['80:8080']"),
        State::NeverDeployed,
        "nothing of portmap-deploy",
    );
    // The ledger of a first deploy that was undone.
    let mut undone = Host::bare();
    undone.facts = "files yes\n".to_owned();
    expect(&undone.stands("['80:8080']"), State::NeverDeployed, "");
}

#[test]
fn an_inventory_that_asks_for_something_else_makes_it_outdated() {
    let host = Host::settled();
    for (desired, says) in [
        ("['80:8081']", "~ tcp 80 → 8081 (was 8080)"),
        ("['80:8080', '443:8443']", "+ tcp 443 → 8443"),
        ("[]", "- tcp 80 → 8080"),
        ("['80:8080/udp']", "- tcp 80 → 8080; + udp 80 → 8080"),
        (
            "[{port: 80, to_port: 8080, direct: reject, source: [192.0.2.0/24]}]",
            "~ tcp 80 → 8080 (another source, another direct)",
        ),
    ] {
        expect(&host.stands(desired), State::Outdated, says);
    }
    assert_eq!(
        changes(&set("['80:8080', '81:8081']"), &set("['81:8081', '80:8080']")),
        ["the same mappings in another order"]
    );
}

#[test]
fn rules_that_are_not_the_hosts_own_are_drift() {
    let drifted = |change: &dyn Fn(&mut Host), desired: &str, says: &str, by: &str| {
        let mut host = Host::settled();
        change(&mut host);
        let status = host.stands(desired);
        expect(&status, State::Drifted, says);
        let blame = status.blame.unwrap_or_default();
        assert!(blame.contains(by), "{says}: {blame}");
    };
    let nobody = "not by portmap-deploy";
    let without = |word: &'static str| {
        move |host: &mut Host| {
            let kept = host.rules.lines().filter(|line| !line.contains(word));
            host.rules = kept.flat_map(|line| [line, "\n"]).collect();
        }
    };
    let same = "['80:8080']";
    drifted(&without("-j PORTMAP-GUARD"), same, "no jump to PORTMAP-GUARD", nobody);
    drifted(
        &without("REDIRECT"),
        same,
        "PORTMAP-PREROUTING-000003 (nat) differs",
        nobody,
    );
    drifted(&|host| host.rules.clear(), same, "none of our rules are there", nobody);
    // Both are told: what is wrong on the host, and what the inventory asks for since.
    drifted(&without("REDIRECT"), "['443:8443']", "+ tcp 443 → 8443", nobody);
    drifted(
        &|host| host.facts = "current 3\nboot missing\n".to_owned(),
        same,
        "when the host boots",
        "",
    );
    drifted(
        &|host| {
            host.rules.clear();
            host.facts.push_str("firewalld yes\n");
        },
        same,
        "none of our rules",
        "firewalld runs there",
    );
    let other = |host: &mut Host| {
        host.rules = rules(4, &set("['80:8080']"));
        host.ledger.push_str(
            "2026-11-23T04:00:00Z begin t0004 4 run-4 by bob@desk\n2026-11-23T04:00:30Z undone t0004 4 by timer\n",
        );
    };
    drifted(
        &other,
        same,
        "the rules of generation 4 are in force, and the host's own are those of 3",
        "bob@desk (run run-4), whose generation 4 was undone",
    );
    let restored = |host: &mut Host| {
        host.rules = rules(2, &set("['80:8080']"));
        host.facts.push_str("saved /etc/iptables/rules.v4\n");
    };
    drifted(
        &restored,
        same,
        "generation 2",
        "another tool had saved: /etc/iptables/rules.v4",
    );
    drifted(
        &|host| host.mappings = None,
        "['443:8443']",
        "does not keep the mappings",
        "",
    );
    drifted(&|host| host.facts.clear(), same, "keeps no generation of its own", "");
}

#[test]
fn a_change_that_is_under_way_is_pending() {
    let mut host = Host::settled();
    host.facts
        .push_str("lock t0004 4 run-4 bob@desk 2026-11-23T04:00:00Z 1075 99\nattended yes\nleft 17\n");
    let status = host.stands("['80:8080']");
    expect(&status, State::Pending, "its run is under way");
    let pending = status.pending.unwrap();
    assert_eq!((pending.transaction.as_str(), status.generation), ("t0004", Some(4)));
    assert_eq!(pending.made.operator.as_deref(), Some("bob@desk"));
    assert_eq!(pending.left, Duration::from_secs(17));
}

#[test]
fn rules_in_both_backends_are_drift_where_some_are_ours() {
    let stop = |refused| crate::plan::Stop {
        refused,
        reason: "rules are in both".to_owned(),
        hint: None,
    };
    assert_eq!(Status::stopped(stop(true), Some(3)).state, State::Drifted);
    assert_eq!(Status::stopped(stop(true), None).state, State::Failed);
    assert_eq!(Status::stopped(stop(false), Some(3)).state, State::Failed);
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn overview() -> Overview {
    let made = Made {
        since: Some(at("2026-11-23T03:15:02Z")),
        operator: Some("ann@laptop".to_owned()),
        run_id: Some(RUN.to_owned()),
    };
    let well = Status {
        generation: Some(17),
        made: made.clone(),
        elapsed: Duration::from_millis(210),
        ..Status::new(State::InSync)
    };
    let drifted = Status {
        blame: Some("not by portmap-deploy".to_owned()),
        state: State::Drifted,
        ..well.clone()
    }
    .because("IPv4: the nat table was flushed: no rule of ours is left in it")
    .advising("deploy puts its rules back, with the rollback timer armed".to_owned());
    let outdated = Status {
        state: State::Outdated,
        differences: vec!["+ tcp 443 → 8443".to_owned()],
        ..well.clone()
    }
    .advising("deploy brings it to what the inventory asks for".to_owned());
    let pending = Status {
        generation: Some(18),
        pending: Some(Pending {
            transaction: "t0123".to_owned(),
            made,
            left: Duration::from_secs(17),
            until: Some(at("2026-11-23T04:00:17Z")),
        }),
        ..Status::new(State::Pending)
    };
    let gone = Status::new(State::Unreachable).because("no way in (192.0.2.5:22: no answer)");
    Overview {
        hosts: vec![
            ("web1".to_owned(), well),
            ("web2".to_owned(), drifted.clone()),
            ("web3".to_owned(), outdated),
            ("a-host-with-a-longer-name".to_owned(), drifted),
            ("web5".to_owned(), pending),
            ("web\"6\\".to_owned(), gone),
        ],
        elapsed: Duration::from_millis(812),
        interrupted: false,
    }
}

fn showing(width: Option<u16>, height: Option<u16>, all: bool) -> Showing {
    Showing {
        look: Look {
            width,
            rows: height,
            color: false,
        },
        all,
        zone: TimeZone::UTC,
    }
}

#[test]
fn people_see_a_table_and_what_is_off() {
    insta::assert_snapshot!(table(&overview(), &showing(Some(80), Some(24), false)), @r#"
    HOST                       STATE        GENERATION  SINCE             BY
    web1                       in sync              17  2026-11-23 03:15  ann@laptop
    web2                       drifted              17  2026-11-23 03:15  ann@laptop
    web3                       outdated             17  2026-11-23 03:15  ann@laptop
    a-host-with-a-longer-name  drifted              17  2026-11-23 03:15  ann@laptop
    web5                       pending              18  2026-11-23 03:15  ann@laptop
    web"6\                     unreachable

    1 in sync, 1 outdated, 1 pending, 2 drifted, 1 unreachable; 6 hosts in 0.81 s

    web2, a-host-with-a-longer-name: drifted
      IPv4: the nat table was flushed: no rule of ours is left in it
      by: not by portmap-deploy
    web3: outdated
      inventory: + tcp 443 → 8443
    web5: pending
      until 04:00:17 (17 s left): ann@laptop, run 20261123T031500Z-0123abcd
    web"6\: unreachable
      no way in (192.0.2.5:22: no answer)
    web2, a-host-with-a-longer-name: hint: deploy puts its rules back, with the rollback timer armed
    web3: hint: deploy brings it to what the inventory asks for
    "#);
}

#[test]
fn more_hosts_than_a_screen_has_rows_are_shown_where_they_are_off() {
    let mut many = overview();
    let well = many.hosts[0].1.clone();
    many.hosts
        .splice(0..1, (1..100).map(|number| (format!("db{number}"), well.clone())));
    let text = table(&many, &showing(Some(80), Some(24), false));
    assert!(!text.contains("db7") && text.contains("99 in sync, "), "{text}");
    for all in [showing(Some(80), Some(24), true), showing(None, None, false)] {
        assert!(table(&many, &all).contains("\ndb99 "));
    }
}

#[test]
fn a_frame_has_the_worst_first_and_fits() {
    let overview = overview();
    let news = [(
        at("2026-11-23T04:00:00Z"),
        "web2: in sync → drifted: IPv4: gone".to_owned(),
    )];
    let shown = |height| {
        let now = at("2026-11-23T04:00:02Z");
        let frame_of = Frame {
            overview: &overview,
            news: &news,
            now,
            next: Some(at("2026-11-23T04:00:05Z")),
        };
        frame(frame_of, &showing(Some(80), Some(height), false))
    };
    insta::assert_snapshot!(shown(10).join("\n"), @r#"
    04:00:02, next look in 3 s, Ctrl-C ends
    1 in sync, 1 outdated, 1 pending, 2 drifted, 1 unreachable; 6 hosts in 0.81 s
    HOST                       STATE        GENERATION  REASON
    web"6\                     unreachable              no way in (192.0.2.5:22: no…
    web2                       drifted              17  IPv4: the nat table was flu…
    a-host-with-a-longer-name  drifted              17  IPv4: the nat table was flu…
    … 3 more, 1 in sync

    04:00:00 web2: in sync → drifted: IPv4: gone
    "#);
    for height in 0..30 {
        let lines = shown(height);
        assert!(lines.len() <= height.into(), "{height}: {lines:#?}");
        assert!(lines.iter().all(|line| console::measure_text_width(line) <= 80));
    }
}

#[test]
fn news_are_what_has_changed() {
    let before = overview();
    assert_eq!(news(&before, &before), Vec::<String>::new());
    let mut after = before.clone();
    after.hosts[1].1 = before.hosts[0].1.clone();
    after.hosts[0].1 = before.hosts[1].1.clone();
    // Time goes by, and nothing else.
    after.hosts[4].1.pending.as_mut().unwrap().left = Duration::from_secs(3);
    after.hosts[5].1.reasons = vec!["no way in (192.0.2.5:22: refused)".to_owned()];
    assert_eq!(
        news(&before, &after),
        [
            "web1: in sync → drifted: IPv4: the nat table was flushed: no rule of ours is left in it",
            "web2: drifted → in sync, generation 17",
        ]
    );
}

#[test]
fn machines_read_what_people_do() {
    let overview = overview();
    insta::assert_snapshot!(host_line("web5", &overview.hosts[4].1), @r#"{"event":"host","host":"web5","state":"pending","generation":18,"since":null,"operator":null,"run_id":null,"reasons":[],"differences":[],"pending":{"transaction":"t0123","since":"2026-11-23T03:15:02Z","operator":"ann@laptop","run_id":"20261123T031500Z-0123abcd","until":"2026-11-23T04:00:17Z","seconds_left":17},"seconds":0.0}"#);
    insta::assert_snapshot!(totals_line(&overview), @r#"{"event":"finished","exit_code":2,"totals":{"in_sync":1,"outdated":1,"pending":1,"never_deployed":0,"drifted":2,"failed":0,"unreachable":1},"seconds":0.812}"#);
    let document: serde_json::Value = serde_json::from_str(&document(&overview)).unwrap();
    assert_eq!(document["hosts"]["web2"]["blame"], "not by portmap-deploy");
    assert_eq!(
        (&document["exit_code"], &document["totals"]["drifted"]),
        (&2.into(), &2.into())
    );
    let xml = junit("portmap-deploy status", &findings(&overview)[4..], overview.elapsed);
    insta::assert_snapshot!(xml, @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="portmap-deploy" tests="2" skipped="0" failures="1" errors="1" time="0.812">
        <testsuite name="portmap-deploy status" tests="2" skipped="0" errors="1" failures="1" time="0.812">
            <testcase name="web5" classname="status" time="0.000">
                <properties>
                    <property name="generation" value="18"/>
                </properties>
                <failure message="ann@laptop is changing it, for 17 s more" type="pending"/>
            </testcase>
            <testcase name="web&quot;6\" classname="status" time="0.000">
                <error message="no way in (192.0.2.5:22: no answer)" type="unreachable">no way in (192.0.2.5:22: no answer)</error>
            </testcase>
        </testsuite>
    </testsuites>
    "#);
    let few = Overview {
        hosts: overview.hosts[4..].to_vec(),
        ..overview
    };
    insta::assert_snapshot!(exposition(&gauges(&few, at("2026-11-23T04:00:00Z"))), @r#"
    # HELP portmap_host_generation The generation that the host has, or that is pending on it.
    # TYPE portmap_host_generation gauge
    portmap_host_generation{host="web5"} 18
    # HELP portmap_host_pending_seconds How long the host still waits for a change to be confirmed; 0 without one.
    # TYPE portmap_host_pending_seconds gauge
    portmap_host_pending_seconds{host="web\"6\\"} 0
    portmap_host_pending_seconds{host="web5"} 17
    # HELP portmap_host_state 1 for the state that the host is in, 0 for all others.
    # TYPE portmap_host_state gauge
    portmap_host_state{host="web\"6\\",state="drifted"} 0
    portmap_host_state{host="web\"6\\",state="failed"} 0
    portmap_host_state{host="web\"6\\",state="in_sync"} 0
    portmap_host_state{host="web\"6\\",state="never_deployed"} 0
    portmap_host_state{host="web\"6\\",state="outdated"} 0
    portmap_host_state{host="web\"6\\",state="pending"} 0
    portmap_host_state{host="web\"6\\",state="unreachable"} 1
    portmap_host_state{host="web5",state="drifted"} 0
    portmap_host_state{host="web5",state="failed"} 0
    portmap_host_state{host="web5",state="in_sync"} 0
    portmap_host_state{host="web5",state="never_deployed"} 0
    portmap_host_state{host="web5",state="outdated"} 0
    portmap_host_state{host="web5",state="pending"} 1
    portmap_host_state{host="web5",state="unreachable"} 0
    # HELP portmap_host_status_seconds How long it took to look at the host.
    # TYPE portmap_host_status_seconds gauge
    portmap_host_status_seconds{host="web\"6\\"} 0
    portmap_host_status_seconds{host="web5"} 0
    # HELP portmap_status_duration_seconds How long this look took.
    # TYPE portmap_status_duration_seconds gauge
    portmap_status_duration_seconds 0.812
    # HELP portmap_status_timestamp_seconds When this look ended.
    # TYPE portmap_status_timestamp_seconds gauge
    portmap_status_timestamp_seconds 1795406400
    "#);
}

#[test]
fn anything_that_is_off_is_exit_code_two() {
    let code = |states: &[State], interrupted| {
        let hosts = states.iter().map(|state| (String::new(), Status::new(*state)));
        let overview = Overview {
            hosts: hosts.collect(),
            interrupted,
            ..Overview::default()
        };
        overview.exit_code().number()
    };
    assert_eq!((code(&[], false), code(&[State::InSync], false)), (0, 0));
    for state in State::ALL.into_iter().filter(|state| state.is_off()) {
        assert_eq!(code(&[State::InSync, state], false), 2, "{state}");
    }
    assert_eq!(code(&[State::Drifted], true), 99);
}
