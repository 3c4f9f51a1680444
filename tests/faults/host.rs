//! Things that go wrong on the host itself inside the window.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::lab::Lab;
use crate::support::run::{
    FOREIGN, Run, await_true, deploy, leftovers, logs_in, on_all, ours, rules, run, runs_as_before, runs_the_mapping,
    sshd_answers, variables,
};

const MAPPING: &str = r#"["2222:22"]"#;
const SOON: Duration = Duration::from_secs(15);

fn lab(setup: &str) -> Lab {
    let lab = Lab::up(2, "mixed");
    lab.hosts()
        .into_iter()
        .for_each(|host| drop(lab.run(host, &format!("set -e; {setup}"))));
    lab
}

/// A deploy that has come to its nth verification: after the first the hooks are loosened, after the second tightened.
fn verifying(lab: &Lab, host: &str, portmap: &str, window: &str, times: usize) -> Run {
    let mut run = Run::start(deploy(lab, portmap, &["-l", host, "--rollback-after", window]));
    (0..times).for_each(|_| run.step(host, "verify"));
    run
}

/// The agents' shells on a host: children of its sshd sessions, known by the loader's name and our argument.
const AGENTS: &str = "for p in /proc/[0-9]*; do \
    tr '\\0' '\\n' <$p/cmdline 2>/dev/null | grep -qx pm && [ \"$(cat $p/comm)\" = sh ] && echo ${p#/proc/}; done";

#[test]
fn the_agent_killed_at_the_switch() {
    let lab = Lab::up(4, "mixed");
    for (host, step) in [("host1", 1), ("host2", 1), ("host3", 2), ("host4", 2)] {
        lab.run(host, &format!("set -e; {FOREIGN}"));
        let old = rules(&lab, host);
        let mut run = Run::start(deploy(&lab, MAPPING, &["-l", host]));
        (0..step).for_each(|_| run.step(host, "switch"));
        lab.run(host, &format!("kill -9 $({AGENTS}) 2>/dev/null || :"));
        let ended = run.end();
        match ended.state(host) {
            // It was faster than we.
            "confirmed" => runs_the_mapping(&lab, host),
            "failed" | "rolled_back" => runs_as_before(&lab, host, &old),
            _ => panic!("{ended:#?}"),
        }
    }
    let ended = run(deploy(&lab, MAPPING, &[]));
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

/// All at once, as far as the controller can tell: what it undoes is not flushed again.
fn flushed(lab: &Lab, host: &str, run: &Run) {
    run.signal(Signal::STOP);
    lab.run(host, FLUSH);
    run.signal(Signal::CONT);
}

/// Nobody is left to undo it: the next deploy does, before it begins.
#[test]
fn timer_and_controller_killed() {
    let lab = Lab::up(4, "mixed");
    on_all(&lab, |host, index| {
        lab.run(host, &format!("set -e; {FOREIGN}"));
        let old = rules(&lab, host);
        let under_way = verifying(&lab, host, MAPPING, "5s", 1 + index / 2);
        lab.run(host, "kill -9 $(cat /run/portmap-deploy/t*.pid)");
        under_way.kill();
        std::thread::sleep(Duration::from_secs(7));
        assert_ne!(rules(&lab, host), old, "{host}: the timer that was killed has acted");
        assert!(sshd_answers(&lab, host, 4, 2222), "{host}: the new way in is closed");

        let previous = variables(&lab, "portmap_previous_ports: [2222]");
        let args = ["-l", host, "-i", previous.to_str().unwrap()];
        let settled = run(deploy(&lab, r#"["2200:22"]"#, &args)).expect(host, "confirmed", 0);
        assert!(
            !ours(&rules(&lab, host)).iter().any(|line| line.contains("2222")),
            "{settled:#?}"
        );
        assert_eq!(leftovers(&lab, host), "");
        logs_in(&lab, host, 2200);
    });
}

const FLUSH: &str = "for i in iptables ip6tables; do $i -F; $i -X; $i -t nat -F; $i -t nat -X; done";

#[test]
fn rules_flushed_inside_the_window_of_a_first_deploy() {
    let lab = lab("iptables -A INPUT -p tcp --dport 9 -j DROP");
    for host in lab.hosts() {
        for times in [1, 2] {
            let run = verifying(&lab, host, MAPPING, "30s", times);
            flushed(&lab, host, &run);
            let ended = run.end().expect(host, "rolled_back", 2);
            assert_eq!(ours(&rules(&lab, host)), Vec::<&str>::new(), "{ended:#?}");
            assert_eq!(leftovers(&lab, host), "");
            logs_in(&lab, host, 22);
        }
    }
}

/// What was in force before comes back entire, although its chains are gone.
#[test]
fn rules_flushed_inside_the_window_of_a_second_deploy() {
    let lab = lab("");
    assert_eq!(run(deploy(&lab, MAPPING, &[])).code, Some(0));
    for host in lab.hosts() {
        let old = rules(&lab, host);
        for (times, window, killed) in [(1, "30s", false), (2, "30s", false), (2, "5s", true)] {
            let run = verifying(&lab, host, r#"["2222:22", "80:8080"]"#, window, times);
            flushed(&lab, host, &run);
            if killed {
                run.kill();
                await_true("the timer has put the old rules back", SOON, || {
                    leftovers(&lab, host).is_empty()
                });
            } else {
                run.end().expect(host, "rolled_back", 2);
            }
            let (now, then) = (rules(&lab, host), old.clone());
            let sorted = |text: &str| {
                ours(text)
                    .into_iter()
                    .map(str::to_owned)
                    .collect::<std::collections::BTreeSet<_>>()
            };
            assert_eq!(sorted(&now), sorted(&then), "{host} {times} {window}");
            runs_the_mapping(&lab, host);
        }
    }
}

#[test]
fn a_second_operator() {
    let lab = lab(FOREIGN);
    for host in lab.hosts() {
        let mut first = Run::start(deploy(&lab, MAPPING, &["-l", host, "--rollback-after", "60s"]));
        first.step(host, "verify");
        first.signal(Signal::STOP);
        let before = rules(&lab, host);
        let second = run(deploy(&lab, r#"["2200:22"]"#, &["-l", host])).expect(host, "failed", 2);
        let holder = lab.run(host, "cat /run/portmap-deploy/lock");
        let [_, _, run_id, who, since, ..] = holder.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{holder}")
        };
        for part in [who, since, run_id, " s more at most"] {
            assert!(second.reason(host).contains(part), "{part}: {second:#?}");
        }
        assert!(
            second.stderr.contains("wait until that change has ended") || second.events.len() > 2,
            "{second:#?}"
        );
        assert_eq!(rules(&lab, host), before, "the second operator changed something");
        first.signal(Signal::CONT);
        first.end().expect(host, "confirmed", 0);
        runs_the_mapping(&lab, host);
    }
}

#[test]
fn two_operators_at_the_same_instant() {
    let lab = lab(FOREIGN);
    for host in lab.hosts() {
        let one = Run::start(deploy(&lab, MAPPING, &["-l", host]));
        let two = Run::start(deploy(&lab, MAPPING, &["-l", host]));
        let (one, two) = (one.end(), two.end());
        let mut states = [one.state(host), two.state(host)];
        states.sort_unstable();
        assert!(
            [["confirmed", "failed"], ["confirmed", "unchanged"]].contains(&states),
            "{one:#?} {two:#?}"
        );
        runs_the_mapping(&lab, host);
    }
}

/// Sessions live on, but nobody could log in any more by the new way: it is not proven.
#[test]
fn sshd_stopped_after_the_switch() {
    let lab = lab(FOREIGN);
    for host in lab.hosts() {
        for (step, times) in [("verify", 1), ("switch", 3)] {
            let old = rules(&lab, host);
            let mut run = Run::start(deploy(&lab, MAPPING, &["-l", host]));
            (0..times).for_each(|_| run.step(host, step));
            run.signal(Signal::STOP);
            lab.run(host, "kill \"$(cat /run/sshd.pid)\"");
            run.signal(Signal::CONT);
            let ended = run.end();
            lab.run(
                host,
                "setsid /usr/sbin/sshd -D -E /var/log/sshd.log </dev/null >/dev/null 2>&1 &",
            );
            await_true("sshd again", SOON, || {
                sshd_answers(&lab, host, 4, 22) || sshd_answers(&lab, host, 4, 2222)
            });
            let ended = ended.expect(host, "rolled_back", 2);
            assert_eq!(ended.host(host)["rolled_back_by"], "controller", "{ended:#?}");
            runs_as_before(&lab, host, &old);
        }
    }
}
