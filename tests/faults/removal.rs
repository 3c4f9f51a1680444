//! The controller dies, or the link does, while a host is being rid of us: it ends with its mappings, or with nothing.

use std::time::Duration;

use crate::support::lab::Lab;
use crate::support::run::{FOREIGN, Run, await_true, deploy, logs_in, on_all, ours, rules, run, runs_the_mapping};
use crate::support::run::{sshd_answers, variables};

const MAPPING: &str = r#"["2222:22"]"#;
const WINDOW: Duration = Duration::from_secs(5);
/// Beyond the window: by contract 2 s, and for this machine being busy.
const GRACE: Duration = Duration::from_secs(5);

/// The moments, by the nth time that a step is told of.
const MOMENTS: [(&str, usize); 8] = [
    ("observe", 1),
    ("stage", 1),
    ("switch", 1),
    ("verify", 1),
    ("switch", 3),
    ("verify", 2),
    ("confirm", 1),
    ("confirm", 1),
];

/// Hosts with the mapping and foreign rules.
fn mapped(hosts: usize) -> Lab {
    let lab = Lab::up(hosts, "mixed");
    for host in lab.hosts() {
        lab.run(host, &format!("set -e; {FOREIGN}"));
    }
    assert_eq!(run(deploy(&lab, MAPPING, &[])).code, Some(0));
    lab
}

fn removal(lab: &Lab, host: &str) -> Run {
    let extra = variables(lab, &format!("portmap: {MAPPING}"));
    let mut command = lab.controller(&[
        "remove",
        "--output",
        "jsonl",
        "-l",
        host,
        "--rollback-after",
        "5s",
        "-i",
    ]);
    command.arg(lab.inventory()).arg("-i").arg(extra);
    Run::start(command)
}

/// Whether nothing of ours is left; panics when something is and it is not the whole mapping.
fn is_rid_of_us(lab: &Lab, host: &str, moment: (&str, usize)) -> bool {
    let gone = || {
        ours(&rules(lab, host)).is_empty()
            && lab
                .run(
                    host,
                    "ls -d /run/portmap-deploy /var/lib/portmap-deploy 2>/dev/null || :",
                )
                .is_empty()
    };
    if sshd_answers(lab, host, 4, 2222) {
        runs_the_mapping(lab, host);
        return false;
    }
    await_true(&format!("{host} rid of us after {moment:?}"), GRACE, gone);
    logs_in(lab, host, 22);
    true
}

#[test]
fn a_controller_killed_while_removing() {
    let lab = mapped(MOMENTS.len());
    let ends = on_all(&lab, |host, index| {
        let mut run = removal(&lab, host);
        let (step, times) = MOMENTS[index];
        (0..times).for_each(|_| run.step(host, step));
        run.kill();
        std::thread::sleep(WINDOW + GRACE);
        is_rid_of_us(&lab, host, MOMENTS[index])
    });
    on_all(&lab, |host, index| {
        let state = if ends[index] { "unchanged" } else { "confirmed" };
        removal(&lab, host).end().expect(host, state, 0);
        assert!(is_rid_of_us(&lab, host, MOMENTS[index]));
    });
}

/// Whatever the report says is what the host runs, the answer to the confirmation lost or not.
#[test]
fn a_link_cut_while_removing() {
    let lab = mapped(MOMENTS.len());
    on_all(&lab, |host, index| {
        let mut run = removal(&lab, host);
        let (step, times) = MOMENTS[index];
        (0..times).for_each(|_| run.step(host, step));
        lab.cut(host);
        let healed = Duration::from_secs(if index % 2 == 0 { 2 } else { 12 });
        std::thread::sleep(healed);
        lab.heal(host);
        let ended = run.end();
        let gone = is_rid_of_us(&lab, host, MOMENTS[index]);
        match ended.state(host) {
            "confirmed" => assert!(gone, "{ended:#?}"),
            "rolled_back" | "failed" | "unreachable" => assert!(!gone, "{ended:#?}"),
            _ => panic!("{ended:#?}"),
        }
    });
}
