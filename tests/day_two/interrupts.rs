//! The operator stops a run of several batches, in each of the ways in which that happens.

use std::path::Path;

use rustix::process::Signal;

use crate::support::lab::{Lab, PROGRAM};
use crate::support::run::{Ended, Run, rules, runs_as_before, runs_the_mapping};

const PLAYBOOK: &str = "- {hosts: all, serial: 1, PAUSE, portmap: ['2222:22']}";

fn start(lab: &Lab, pause: &str) -> Run {
    let path = lab.home().join("site.yaml");
    std::fs::write(&path, PLAYBOOK.replace("PAUSE", pause)).unwrap();
    start_of(lab, &path)
}

fn start_of(lab: &Lab, playbook: &Path) -> Run {
    // Whoever runs the tests may have SIGHUP ignored, and that is inherited.
    let mut command = lab.command("env");
    command
        .args(["--default-signal=HUP", PROGRAM, "--output", "jsonl"])
        .args(["--rollback-after", "5s", "-i"])
        .arg(lab.inventory())
        .arg(playbook);
    Run::start(command)
}

/// The first host has the new rules, the second was never logged in to.
#[track_caller]
fn ended_between_batches(lab: &Lab, ended: &Ended, old: &str) {
    assert_eq!(ended.code, Some(99), "{ended:#?}");
    assert_eq!(ended.state("host2"), "skipped", "{ended:#?}");
    assert_eq!(ended.reason("host2"), "not started: the run was interrupted");
    assert_eq!(lab.logins("host2"), 0);
    runs_the_mapping(lab, "host1");
    runs_as_before(lab, "host2", old);
}

/// Both SIGTERM and a terminal that is closed (which says so twice) end a pause at once.
#[test]
fn a_pause_ends_with_the_run() {
    for signals in [&[Signal::TERM][..], &[Signal::HUP, Signal::HUP]] {
        let lab = Lab::up(2, "mixed");
        let old = rules(&lab, "host2");
        let mut run = start(&lab, "pause: 10m");
        run.until("a pause", |event| event["event"] == "pause_started");
        for signal in signals {
            run.signal(*signal);
        }
        ended_between_batches(&lab, &run.end(), &old);
    }
}

/// A closed terminal lets the host that runs come to its end, however often it says so.
#[test]
fn a_hangup_lets_running_hosts_finish() {
    let lab = Lab::up(2, "nft");
    let old = rules(&lab, "host2");
    let mut run = start(&lab, "pause: 0s");
    run.step("host1", "verify");
    run.signal(Signal::HUP);
    run.signal(Signal::HUP);
    ended_between_batches(&lab, &run.end(), &old);
}
