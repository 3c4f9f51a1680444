//! Runs outlive their controllers: one that was killed is resumed, and two at once lose nobody's change.

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::lab::{Lab, said};
use crate::support::run::{Ended, FOREIGN, Run, deploy, leftovers, on_all, rules, run, sshd_answers};
use serde_json::Value;

/// With rules of others on every host.
fn prepared(hosts: usize) -> Lab {
    let lab = Lab::up(hosts, "mixed");
    on_all(&lab, |host, _| lab.run(host, &format!("set -e; {FOREIGN}")));
    lab
}

/// Rules and policies of others: tables that only our chains made are there without them.
fn foreign(rules: &str) -> String {
    let is_theirs = |line: &&str| !line.contains("PORTMAP") && (line.starts_with("-A") || line.ends_with("DROP"));
    let lines = rules.lines().filter(is_theirs);
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn run_id(events: &[Value]) -> String {
    events[0]["run_id"].as_str().unwrap().to_owned()
}

/// The names of hosts with this event.
fn hosts_with(events: &[Value], kind: &str, state: Option<&str>) -> BTreeSet<String> {
    let is_it = |event: &&Value| event["event"] == kind && state.is_none_or(|state| event["state"] == state);
    let hosts = events.iter().filter(is_it).filter_map(|event| event["host"].as_str());
    hosts.map(str::to_owned).collect()
}

/// The ports that a host's redirects have, of both families; and that its rules are of one generation.
fn mapped_ports(rules: &str, host: &str) -> BTreeSet<u16> {
    let redirects = rules.lines().filter(|line| line.contains("-j REDIRECT"));
    let port = |line: &str| line.split("--dport ").nth(1)?.split(' ').next()?.parse().ok();
    let ports: Vec<u16> = redirects.filter_map(port).collect();
    let both: BTreeSet<u16> = ports.iter().copied().collect();
    assert_eq!(ports.len(), 2 * both.len(), "{host}: the families differ:\n{rules}");
    both
}

/// How often a run's changes of a host were confirmed, as the host itself wrote down.
fn confirmed_by(ledger: &str, run: &str) -> usize {
    let lines: Vec<Vec<&str>> = ledger.lines().map(|line| line.split(' ').collect()).collect();
    let begun = lines
        .iter()
        .filter(|words| words.get(1) == Some(&"begin") && words.get(4) == Some(&run));
    let of_run: BTreeSet<&str> = begun.map(|words| words[2]).collect();
    let confirmed = lines.iter().filter(|words| words.get(1) == Some(&"confirmed"));
    confirmed.filter(|words| of_run.contains(words[2])).count()
}

/// The host has this mapping to sshd, whole and confirmed once by the run, and nothing of a change is under way.
#[track_caller]
fn changed_once(lab: &Lab, host: &str, run: &str, port: u16, before: &str) {
    let rules = rules(lab, host);
    assert_eq!(mapped_ports(&rules, host), [port].into(), "{host}:\n{rules}");
    assert_eq!(foreign(&rules), before, "{host}: rules of others changed");
    assert_eq!(leftovers(lab, host), "", "{host}");
    let ledger = lab.run(host, "cat /var/lib/portmap-deploy/ledger");
    assert_eq!(confirmed_by(&ledger, run), 1, "{host}, run {run}:\n{ledger}");
    assert!(sshd_answers(lab, host, 4, port), "{host}: {port} is closed\n{rules}");
}

fn resume(lab: &Lab, args: &[&str]) -> Command {
    lab.controller(&[&["resume", "--output", "jsonl"], args].concat())
}

/// Reads so many events, then kills the controller.
fn killed_after(lab: &Lab, events: usize, port: u16) -> Ended {
    let mut run = start(lab, port);
    for _ in 0..events {
        run.next().unwrap();
    }
    let killed = run.kill();
    assert_eq!(killed.code, None, "killed");
    killed
}

fn start(lab: &Lab, port: u16) -> Run {
    let mapping = format!(r#"["{port}:22"]"#);
    Run::start(deploy(lab, &mapping, &["--serial", "1,25%", "--rollback-after", "5s"]))
}

const POINTS: usize = 10;

#[test]
fn a_run_that_was_killed_anywhere_is_resumed() {
    let lab = prepared(12);
    let before = on_all(&lab, |host, _| foreign(&rules(&lab, host)));
    let mut whole = start(&lab, 2200);
    let id = whole.next().unwrap()["run_id"].as_str().unwrap().to_owned();
    let refused = run(resume(&lab, &[]));
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(
        refused.stderr.contains(&format!("run {id} is under way (process ")),
        "{refused:#?}"
    );
    let whole = whole.end();
    assert_eq!(whole.code, Some(0), "{whole:#?}");
    for (point, port) in (1..=POINTS).zip(2201..) {
        let killed = killed_after(&lab, point * whole.events.len() / (POINTS + 1), port);
        let id = run_id(&killed.events);
        let done = hosts_with(&killed.events, "host_finished", Some("confirmed"));
        let left = retried(&lab, &id);
        assert!(
            left.is_disjoint(&done) && left.len() + done.len() >= 12,
            "{point}: {left:?} {done:?}"
        );

        let resumed = run(resume(&lab, &[]));
        assert_eq!(resumed.code, Some(0), "point {point}: {resumed:#?}");
        assert_eq!(run_id(&resumed.events), id, "point {point}");
        assert!(
            hosts_with(&resumed.events, "host_started", None).is_disjoint(&done),
            "point {point}"
        );
        on_all(&lab, |host, index| changed_once(&lab, host, &id, port, &before[index]));
    }
    let nothing = run(resume(&lab, &[]));
    assert!(
        nothing.code == Some(1) && nothing.stderr.contains("every run has finished"),
        "{nothing:#?}"
    );
    let history: Value = serde_json::from_str(&said(&mut lab.controller(&["history", "--output", "json"]))).unwrap();
    let history = history.as_array().unwrap();
    assert_eq!(history.len(), POINTS + 1);
    for past in history {
        assert_eq!(
            (&past["end"], &past["exit_code"]),
            (&"done".into(), &0.into()),
            "{past:#}"
        );
    }
}

/// What `--limit @RUN.retry` means.
fn retried(lab: &Lab, run: &str) -> BTreeSet<String> {
    let limit = format!("@{run}.retry");
    let mut command = lab.controller(&["inventory", "--list-hosts", "-l", &limit, "-i"]);
    said(command.arg(lab.inventory())).lines().map(str::to_owned).collect()
}

#[test]
fn two_operators_at_once_lose_nobodys_change() {
    let lab = prepared(6);
    let before = on_all(&lab, |host, _| foreign(&rules(&lab, host)));
    let start = |operator: &str, mapping: &str, limit: &[&str]| {
        let mut command = deploy(&lab, mapping, limit);
        command.env("USER", operator);
        Run::start(command)
    };
    let (anns, bobs) = (r#"["2222:22"]"#, r#"["2200:22", "8080:80"]"#);
    let (ann, bob) = (start("ann", anns, &[]), start("bob", bobs, &[]));
    let (ann, bob) = (ann.end(), bob.end());
    let runs = [("ann", &ann), ("bob", &bob)];
    let ids = runs.map(|(_, run)| run_id(&run.events));

    let refusals = on_all(&lab, |host, index| {
        let rules = rules(&lab, host);
        assert_eq!(foreign(&rules), before[index], "{host}: rules of others changed");
        assert_eq!(leftovers(&lab, host), "", "{host}");
        let ledger = lab.run(host, "cat /var/lib/portmap-deploy/ledger");
        let mut refusals = 0;
        for (mine, (operator, other)) in [(0, runs[1]), (1, runs[0])] {
            let (run, id) = (runs[mine].1, &ids[mine]);
            let is_confirmed = run.state(host) == "confirmed";
            assert_eq!(confirmed_by(&ledger, id), usize::from(is_confirmed), "{host}: {ledger}");
            if !is_confirmed {
                assert_eq!(run.state(host), "failed", "{host}: {run:#?}");
                let (reason, holder) = (run.reason(host), run_id(&other.events));
                assert!(
                    reason.contains(&format!("{operator}@")) && reason.contains(&holder),
                    "{host}: {reason}"
                );
                refusals += 1;
            }
        }
        let last = ids.iter().max_by_key(|id| last_confirmed(&ledger, id)).unwrap();
        let expected: &[u16] = if *last == ids[0] { &[2222] } else { &[2200, 8080] };
        assert_eq!(
            mapped_ports(&rules, host),
            expected.iter().copied().collect(),
            "{host}:\n{rules}"
        );
        refusals
    });
    assert!(
        refusals.iter().sum::<usize>() > 0,
        "they did not meet: {ann:#?} {bob:#?}"
    );
    for (run, id) in runs.map(|(_, run)| run).iter().zip(&ids) {
        let left = hosts_with(&run.events, "host_finished", Some("failed"));
        // Whoever won every host has nothing to try again.
        if !left.is_empty() {
            assert_eq!(retried(&lab, id), left);
        }
        assert_eq!(journaled(&lab, id), run.events, "the journal is not what was told");
    }
    if bob.code != Some(0) {
        let limit = format!("@{}.retry", ids[1]);
        let again = start("bob", bobs, &["-l", &limit]).end();
        assert_eq!(again.code, Some(0), "{again:#?}");
    }
}

/// When a change of the run was confirmed: the place of that in the ledger.
fn last_confirmed(ledger: &str, run: &str) -> Option<usize> {
    let lines: Vec<&str> = ledger.lines().collect();
    (1..=lines.len())
        .filter(|&end| confirmed_by(&lines[..end].join("\n"), run) > 0)
        .min()
}

/// The events of a run as its journal has them.
fn journaled(lab: &Lab, run: &str) -> Vec<Value> {
    let shown = said(&mut lab.controller(&["history", "show", run, "--output", "json"]));
    let mut events: Vec<Value> = serde_json::from_str(&shown).unwrap();
    events.retain(|event| event["event"] != "run" && event["event"] != "desired");
    for event in &mut events {
        event.as_object_mut().unwrap().remove("time").unwrap();
    }
    events
}
