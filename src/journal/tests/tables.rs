//! What people see of runs.

use super::*;

/// A run of that time of day, and how it went on.
fn past(run: &str, lines: &[&str]) -> Past {
    let head = serde_json::to_string(&record::Record::Run(head(run))).unwrap();
    let first = format!(
        "{{\"time\":\"2026-11-23T03:20:00Z\",{}",
        head.strip_prefix('{').unwrap()
    );
    let text = [&[first.as_str()], lines].concat().join("\n");
    Past::read(run, false, text.as_bytes()).unwrap()
}

const STARTED: &str =
    r#"{"time":"2026-11-23T03:20:01Z","event":"started","run_id":"x","batches":[["web1"],["web2","web3"]]}"#;
const FIRST: &str = r#"{"time":"2026-11-23T03:20:03Z","event":"host_finished","host":"web1","state":"confirmed","generation":7,"batch":1,"reason":null,"rolled_back_by":null,"connections":2,"seconds":1.25,"mappings":[{"family":"ipv4","protocol":"tcp","port":2222,"to_port":22,"mapped":"open","direct":"closed"}]}"#;
const SECOND: &str = r#"{"time":"2026-11-23T03:20:06Z","event":"host_finished","host":"web2","state":"rolled_back","generation":4,"batch":2,"reason":"port 2222 is filtered","rolled_back_by":"controller","connections":2,"seconds":2.5,"mappings":[]}"#;

fn pasts() -> Vec<Past> {
    let stops = r#"{"time":"2026-11-23T03:20:06Z","event":"stopping","why":"1 of 2 failed in batch 2, budget 0"}"#;
    let skipped = r#"{"time":"2026-11-23T03:20:06Z","event":"host_finished","host":"web3","state":"skipped","generation":null,"batch":2,"reason":"not started","rolled_back_by":null,"connections":0,"seconds":0.0,"mappings":[]}"#;
    let reverts = r#"{"time":"2026-11-23T03:20:07Z","event":"revert_started","hosts":["web1"],"why":"1 of 2 failed in batch 2, budget 0"}"#;
    let reverted = FIRST
        .replace("host_finished", "host_reverted")
        .replace("confirmed", "rolled_back")
        .replace("03:20:03", "03:20:09");
    let failed = r#"{"time":"2026-11-23T03:20:09Z","event":"finished","run_id":"x","exit_code":2,"totals":{}}"#;
    let resumed =
        r#"{"time":"2026-11-23T05:00:00Z","event":"resumed","operator":"bob@desk","machine":"desk","pid":815}"#;
    let again = SECOND
        .replace("rolled_back\"", "confirmed\"")
        .replace("03:20:06", "05:00:04")
        .replace("\"port 2222 is filtered\"", "null");
    let done = failed
        .replace("\"exit_code\":2", "\"exit_code\":0")
        .replace("03:20:09", "05:00:05");
    vec![
        past(
            "20261123T032000Z-00400000",
            &[STARTED, FIRST, SECOND, resumed, STARTED, &again, &done],
        ),
        past(
            "20261123T032000Z-00300000",
            &[STARTED, FIRST, SECOND, stops, skipped, reverts, &reverted, failed],
        ),
        past("20261123T032000Z-00200000", &[STARTED, FIRST]),
        past("20261123T032000Z-00100000", &["garbage"]),
    ]
}

#[test]
fn the_table_of_runs() {
    insta::assert_snapshot!(runs(&pasts(), &style(false)));
    let colored = runs(&pasts(), &style(true));
    assert_eq!(console::strip_ansi_codes(&colored), runs(&pasts(), &style(false)));
}

#[test]
fn the_table_of_a_host() {
    let of_host = |past: Past| past.host_report("web2").map(|report| (past, report));
    let runs: Vec<_> = pasts().into_iter().filter_map(of_host).collect();
    insta::assert_snapshot!(runs_of_host(&runs, &style(false)));
    let documents: Vec<_> = runs
        .into_iter()
        .take(1)
        .map(|(past, host)| (past, Some(host)))
        .collect();
    insta::assert_snapshot!(document(&documents));
}

#[test]
fn a_run_is_shown_from_its_call_to_its_hosts() {
    let all: Vec<String> = pasts().iter().map(|past| shown(past, &style(false), PLAIN)).collect();
    insta::assert_snapshot!(all.join("\n----\n\n"));
}
