//! The controller dies while the way in moves: the next run finds the host, whichever way it was left with.

use std::time::Duration;

use crate::support::lab::Lab;
use crate::support::run::{Run, await_true, deploy, leftovers, on_all, run, sshd_answers};

/// When the controller dies: at the nth time that it tells of a step, and so many milliseconds later.
const MOMENTS: [(&str, usize, u64); 4] = [
    ("switch", 1, 0),
    ("verify", 2, 0),
    ("confirm", 1, 0),
    ("confirm", 1, 15),
];

#[track_caller]
fn confirmed(lab: &Lab, portmap: &str) {
    let ended = run(deploy(lab, portmap, &[]));
    for host in lab.hosts() {
        assert_eq!(ended.state(host), "confirmed", "{ended:#?}");
    }
}

#[test]
fn a_run_that_is_killed_leaves_both_ways_remembered() {
    let lab = Lab::up(MOMENTS.len(), "mixed");
    confirmed(&lab, r#"["2222:22"]"#);
    on_all(&lab, |host, index| {
        let (step, times, later) = MOMENTS[index];
        let mut run = Run::start(deploy(&lab, r#"["2200:22"]"#, &["-l", host, "--rollback-after", "5s"]));
        (0..times).for_each(|_| run.step(host, step));
        std::thread::sleep(Duration::from_millis(later));
        run.kill();
        await_true(host, Duration::from_secs(30), || {
            let ways = [2222, 2200].map(|port| sshd_answers(&lab, host, 4, port));
            ways != [true, true] && leftovers(&lab, host).is_empty()
        });
    });
    // Neither port is in this inventory.
    confirmed(&lab, r#"["2022:22"]"#);
    on_all(&lab, |host, _| {
        assert!(sshd_answers(&lab, host, 4, 2022), "{host}");
        assert!(!sshd_answers(&lab, host, 6, 2222), "{host}");
    });
}
