//! The controller dies, or the link does: unasked, the host ends with its old rules, or with the proven new ones, whole.

use std::time::{Duration, Instant};

use crate::support::lab::Lab;
use crate::support::run::{
    FOREIGN, Run, await_true, deploy, leftovers, logs_in, on_all, rules, run, runs_as_before, runs_the_mapping,
    sshd_answers,
};

const MAPPING: &str = r#"["2222:22"]"#;

/// The shortest window there is.
const WINDOW: Duration = Duration::from_secs(5);
/// Beyond the window, by contract.
const GRACE: Duration = Duration::from_secs(2);
/// For this machine being busy with other tests, not for the program.
const SLACK: Duration = Duration::from_secs(3);

/// When the controller dies: at the nth time that it tells of a step, or so many milliseconds after the timer was armed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    Step(&'static str, usize),
    Armed(u64),
}

/// Loosening (told of twice: the rules are read back as well) and tightening are both a switch, with a verification after
/// each.
const STEPS: [Moment; 11] = [
    Moment::Step("connect", 1),
    Moment::Step("observe", 1),
    Moment::Step("lock", 1),
    Moment::Step("stage", 1),
    Moment::Step("arm", 1),
    Moment::Step("switch", 1),
    Moment::Step("verify", 1),
    Moment::Step("switch", 2),
    Moment::Step("switch", 3),
    Moment::Step("verify", 2),
    Moment::Step("confirm", 1),
];

fn prepared(hosts: usize) -> Lab {
    let lab = Lab::up(hosts, "mixed");
    lab.hosts()
        .into_iter()
        .for_each(|host| drop(lab.run(host, &format!("set -e; {FOREIGN}"))));
    lab
}

fn of_one_host(lab: &Lab, host: &str, window: Duration) -> Run {
    Run::start(deploy(
        lab,
        MAPPING,
        &["-l", host, "--rollback-after", &format!("{}s", window.as_secs())],
    ))
}

/// Kills the controller at this moment of its work on one host.
fn killed_at(lab: &Lab, host: &str, moment: Moment) {
    let mut run = of_one_host(lab, host, WINDOW);
    match moment {
        Moment::Step(step, times) => (0..times).for_each(|_| run.step(host, step)),
        Moment::Armed(milliseconds) => {
            run.until("timer", |event| event["event"] == "timer_armed");
            std::thread::sleep(Duration::from_millis(milliseconds));
        }
    }
    run.kill();
}

fn confirmed(lab: &Lab, host: &str) -> bool {
    lab.run(host, "ls /run/portmap-deploy 2>/dev/null || :")
        .contains(".confirmed")
}

/// Within the window plus the grace, the old rules are in force or the new ones were confirmed; which.
fn decided(lab: &Lab, host: &str, old: &str, since: Instant, moment: Moment) -> &'static str {
    let in_force = || match () {
        () if confirmed(lab, host) => Some("new"),
        () if sshd_answers(lab, host, 4, 22) && !sshd_answers(lab, host, 4, 2222) => Some("old"),
        () => None,
    };
    std::thread::sleep((WINDOW + GRACE + SLACK).saturating_sub(since.elapsed()));
    let which = in_force().unwrap_or_else(|| panic!("{host}, {moment:?}: neither old nor new:\n{}", rules(lab, host)));
    // What was left behind goes after the rules are back.
    await_true(&format!("{host} tidy after {moment:?}"), SLACK, || {
        leftovers(lab, host).is_empty()
    });
    match which {
        "new" => runs_the_mapping(lab, host),
        _ => runs_as_before(lab, host, old),
    }
    which
}

/// Kills a controller a host at the moments given, then deploys to all.
fn survives(moments: &[Moment]) {
    let lab = prepared(moments.len());
    let ends = on_all(&lab, |host, index| {
        let old = rules(&lab, host);
        killed_at(&lab, host, moments[index]);
        decided(&lab, host, &old, Instant::now(), moments[index])
    });
    let ended = run(deploy(&lab, MAPPING, &[]));
    for (host, end) in lab.hosts().into_iter().zip(&ends) {
        let state = if *end == "new" { "unchanged" } else { "confirmed" };
        assert_eq!(ended.state(host), state, "{ended:#?}");
    }
    on_all(&lab, |host, _| runs_the_mapping(&lab, host));
}

#[test]
fn a_controller_killed_at_any_step() {
    // Each at a host of nft and one of legacy.
    let moments: Vec<_> = STEPS.into_iter().flat_map(|step| [step, step]).collect();
    survives(&moments);
}

#[test]
fn a_controller_killed_at_any_time_inside_the_window() {
    let moments: Vec<_> = (0..8).map(|_| Moment::Armed(fastrand::u64(0..1000))).collect();
    survives(&moments);
}

/// The same for the network: cut at a moment, not healed before the host has decided. The report tells what it runs.
#[test]
fn a_link_cut_until_after_the_deadline() {
    let moments = [
        Moment::Step("verify", 1),
        Moment::Step("switch", 3),
        Moment::Step("verify", 2),
        Moment::Step("confirm", 1),
    ];
    let moments: Vec<_> = moments.into_iter().flat_map(|step| [step, step]).collect();
    let lab = prepared(moments.len());
    on_all(&lab, |host, index| {
        let old = rules(&lab, host);
        let mut run = of_one_host(&lab, host, WINDOW);
        if let Moment::Step(step, times) = moments[index] {
            (0..times).for_each(|_| run.step(host, step));
        }
        lab.cut(host);
        std::thread::sleep(WINDOW + GRACE + SLACK);
        let new = confirmed(&lab, host);
        assert_eq!(
            rules(&lab, host) == old,
            !new,
            "{host}: unasked, it has neither old nor confirmed rules"
        );
        lab.heal(host);
        let ended = run.end();
        if new {
            ended.expect(host, "confirmed", 0);
            runs_the_mapping(&lab, host);
        } else {
            let ended = ended.expect(host, "rolled_back", 2);
            assert_eq!(ended.host(host)["rolled_back_by"], "timer", "{ended:#?}");
            runs_as_before(&lab, host, &old);
        }
    });
    let ended = run(deploy(&lab, MAPPING, &[]));
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

/// Healed while the timer still runs: whatever the report says is what the host runs.
#[test]
fn a_link_cut_and_healed_before_the_deadline() {
    let moments = [("verify", 1), ("verify", 2), ("confirm", 1), ("switch", 3)];
    let lab = prepared(moments.len());
    on_all(&lab, |host, index| {
        let old = rules(&lab, host);
        let mut run = of_one_host(&lab, host, Duration::from_secs(30));
        let (step, times) = moments[index];
        (0..times).for_each(|_| run.step(host, step));
        lab.cut(host);
        std::thread::sleep(Duration::from_secs(2));
        lab.heal(host);
        let ended = run.end();
        match ended.state(host) {
            "confirmed" => runs_the_mapping(&lab, host),
            "rolled_back" => runs_as_before(&lab, host, &old),
            _ => panic!("{ended:#?}"),
        }
    });
    let ended = run(deploy(&lab, MAPPING, &[]));
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

/// Lost contact is neither success nor failure.
#[test]
fn a_link_that_stays_cut_is_an_unknown_state() {
    let lab = prepared(1);
    let old = rules(&lab, "host1");
    let mut run = of_one_host(&lab, "host1", WINDOW);
    run.step("host1", "verify");
    lab.cut("host1");
    let ended = run.end().expect("host1", "unknown", 4);
    assert!(ended.reason("host1").contains("contact was lost"), "{ended:#?}");
    lab.heal("host1");
    runs_as_before(&lab, "host1", &old);
    logs_in(&lab, "host1", 22);
}
