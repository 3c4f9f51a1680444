//! Runs of many hosts as events, shown by the real display at the pace of a clock that is told with them: for a
//! terminal of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portmap_deploy::report::{self, EndState, HostReport, Look, Outcome, RunEvent, Step};
use portmap_deploy::screen::{Display, consent};

/// Hosts at a time.
const FORKS: usize = 20;

/// What is shown next, and when.
struct Cue(f64, What);

enum What {
    Event(RunEvent),
    /// Waits for a word of the test, so long that it can look.
    Hold(&'static str),
    /// Asks, and goes on with what the answer means.
    Ask,
}

/// The line of sh that plays a scene.
pub fn line(scene: &str) -> String {
    let program = std::env::current_exe().expect("this test");
    let program = program.to_str().expect("UTF-8");
    // What is drawn goes to standard error, what the test harness says does not matter.
    format!("clear; SCENE={scene} '{program}' --ignored --exact feed::plays --nocapture --test-threads=1 >/dev/null")
}

/// No test: the other end of the terminal of one.
#[test]
#[ignore = "is run by other tests"]
fn plays() {
    let (Ok(scene), Some(go)) = (std::env::var("SCENE"), std::env::var_os("GO")) else {
        return;
    };
    let cues = match scene.as_str() {
        "500" => five_hundred(),
        "50" => fifty(),
        "question" => question(),
        other => panic!("no such scene: {other}"),
    };
    play(cues, &PathBuf::from(go));
}

fn play(cues: Vec<Cue>, go: &std::path::Path) {
    let now = Arc::new(AtomicU64::new(0));
    let clock = {
        let now = Arc::clone(&now);
        move || Duration::from_millis(now.load(Ordering::Relaxed))
    };
    let color = std::env::var_os("NO_COLOR").is_none();
    let mut display = Display::with_clock(FORKS, 0, color, clock);
    let mut outcome = Outcome::default();
    let mut names: Vec<String> = vec![];
    for Cue(at, what) in cues {
        let millis = Duration::from_secs_f64(at).as_millis();
        now.store(u64::try_from(millis).expect("short"), Ordering::Relaxed);
        match what {
            What::Event(event) => {
                note(&mut outcome, &mut names, &event);
                display.show(&event);
            }
            What::Hold(word) => {
                display.tick();
                std::fs::write(go.join(format!("at-{word}")), "").expect("written");
                while !go.join(word).exists() {
                    display.tick();
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
            What::Ask => {
                let go_on = runtime().block_on(consent());
                display.show(&RunEvent::PauseFinished { go_on });
                if !go_on {
                    display.show(&RunEvent::Stopping {
                        why: "the operator did not go on".into(),
                    });
                    break;
                }
            }
        }
        // As events come in a run: not all at once.
        std::thread::sleep(Duration::from_micros(200));
    }
    display.finish();
    let size = console::Term::stderr().size();
    let look = Look {
        width: Some(size.1),
        rows: Some(size.0),
        color,
    };
    let _ = console::Term::stderr().write_str(&format!("\n{}", report::recap(&outcome, Duration::from_secs(99), look)));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// What the recap will say.
fn note(outcome: &mut Outcome, names: &mut Vec<String>, event: &RunEvent) {
    match event {
        RunEvent::Started { batches, .. } => names.extend(batches.iter().flatten().cloned()),
        RunEvent::HostFinished { host, report }
        | RunEvent::HostUnhealthy { host, report }
        | RunEvent::HostReverted { host, report } => {
            outcome.hosts.retain(|(name, _)| name != host);
            outcome.hosts.push((host.clone(), (**report).clone()));
            outcome
                .hosts
                .sort_by_key(|(name, _)| names.iter().position(|known| known == name));
        }
        _ => {}
    }
}

fn name(number: usize) -> String {
    let place = ["fra1", "ams3", "sfo"][number % 3];
    let kind = if number % 7 == 3 {
        "edge-with-quite-a-long-name"
    } else {
        "web"
    };
    format!("{kind}-{place}-{number:03}")
}

fn batches(sizes: &[usize]) -> Vec<Vec<String>> {
    let mut numbers = 1..;
    let batch = |size: &usize| numbers.by_ref().take(*size).map(name).collect();
    sizes.iter().map(batch).collect()
}

fn started(batches: &[Vec<String>]) -> Cue {
    Cue(
        0.0,
        What::Event(RunEvent::Started {
            run_id: "run-1".into(),
            batches: batches.to_vec(),
        }),
    )
}

fn confirmed(took: f64) -> HostReport {
    HostReport {
        generation: Some(17),
        connections: 2,
        elapsed: Duration::from_secs_f64(took),
        ..HostReport::new(EndState::Confirmed)
    }
}

/// How a host ends, and after how long; `bad` hosts of a batch do not end well.
fn fate(index: usize, bad: usize) -> (HostReport, f64) {
    let took = 3.0 + f64::from(u32::try_from(index * 7 % 20).expect("small")) / 10.0;
    let report = match index {
        _ if index >= bad && index % 17 == 5 => HostReport { connections: 1, ..HostReport::new(EndState::Unchanged) },
        _ if index >= bad => return (confirmed(took), took),
        _ if index.is_multiple_of(2) => {
            let report = HostReport::new(EndState::Unreachable).because("no answer on ports 2222 and 22 within 10 s");
            return (report.advising("open a port in the cloud's security group, then run again"), 10.0);
        }
        _ => HostReport { generation: Some(16), connections: 2, ..HostReport::new(EndState::RolledBack) }
            .because("ipv4 tcp 2222 → 22: port 2222 cannot be reached from here: a security group or a firewall on the way drops it"),
    };
    (report, took)
}

/// The steps of one host from a time on; the time when it ends.
fn host(cues: &mut Vec<Cue>, host: &str, from: f64, took: f64, report: HostReport, goes_back: bool) {
    let mut at = |time: f64, event| cues.push(Cue(from + time.min(took), What::Event(event)));
    let name = host.to_owned();
    at(
        0.0,
        if goes_back {
            RunEvent::HostReverting { host: name }
        } else {
            RunEvent::HostStarted { host: name }
        },
    );
    let steps = [
        (0.1, Step::Connect, "198.51.100.7:2222, then 198.51.100.7:22, as root"),
        (0.6, Step::Observe, "nft, 14 rules"),
        (1.0, Step::Stage, "generation 17"),
        (1.4, Step::Arm, ""),
        (1.7, Step::Switch, ""),
        (2.0, Step::Verify, "ipv4 tcp 2222 → 22 open, direct closed"),
        (2.8, Step::Confirm, ""),
    ];
    let reached = match report.state {
        EndState::Unreachable => 1,
        EndState::Unchanged => 2,
        _ => steps.len(),
    };
    for (time, step, detail) in steps.into_iter().take(reached) {
        at(
            time,
            RunEvent::Step {
                host: host.to_owned(),
                step,
                detail: detail.to_owned(),
            },
        );
        if step == Step::Arm {
            at(
                time,
                RunEvent::TimerArmed {
                    host: host.to_owned(),
                    window: Duration::from_secs(30),
                },
            );
        }
    }
    let (host, report) = (host.to_owned(), Box::new(report));
    at(
        took,
        if goes_back {
            RunEvent::HostReverted { host, report }
        } else {
            RunEvent::HostFinished { host, report }
        },
    );
}

/// Many hosts, so many at a time; when the last has ended.
fn hosts(
    cues: &mut Vec<Cue>,
    names: &[String],
    from: f64,
    goes_back: bool,
    fate: impl Fn(usize) -> (HostReport, f64),
) -> f64 {
    let mut free = vec![from; FORKS];
    for (index, name) in names.iter().enumerate() {
        let (report, took) = fate(index);
        let fork = free.iter_mut().min_by(|a, b| a.total_cmp(b)).expect("forks");
        host(cues, name, *fork, took, report, goes_back);
        *fork += took;
    }
    free.into_iter().fold(from, f64::max)
}

fn batch(cues: &mut Vec<Cue>, number: usize, names: &[String], from: f64, bad: usize) -> f64 {
    cues.push(Cue(from, What::Event(RunEvent::BatchStarted(number))));
    hosts(cues, names, from, false, |index| fate(index, bad))
}

fn verdict(batch: usize, verdict: &str) -> What {
    What::Event(RunEvent::BatchFinished {
        batch,
        verdict: verdict.to_owned(),
    })
}

fn in_order(mut cues: Vec<Cue>) -> Vec<Cue> {
    cues.sort_by(|a, b| a.0.total_cmp(&b.0));
    cues
}

/// A canary, some, and the rest; three fail, which is borne.
fn five_hundred() -> Vec<Cue> {
    let batches = batches(&[5, 95, 400]);
    let mut cues = vec![started(&batches)];
    let end = batch(&mut cues, 1, &batches[0], 0.0, 0);
    cues.push(Cue(end, verdict(1, "0 of 5 failed")));
    cues.push(Cue(
        end,
        What::Event(RunEvent::SoakStarted {
            batch: 1,
            hosts: 5,
            time: Duration::from_secs(20),
        }),
    ));
    cues.push(Cue(end + 3.5, What::Hold("soak")));
    cues.push(Cue(
        end + 20.0,
        What::Event(RunEvent::SoakFinished {
            batch: 1,
            unhealthy: vec![],
        }),
    ));
    let end = batch(&mut cues, 2, &batches[1], end + 20.0, 2);
    cues.push(Cue(end, verdict(2, "2 of 95 failed, budget 4 (5%): going on")));
    cues.push(Cue(end + 20.5, What::Hold("middle")));
    let end = batch(&mut cues, 3, &batches[2], end, 3);
    cues.push(Cue(end, verdict(3, "3 of 400 failed, budget 20 (5%): going on")));
    in_order(cues)
}

/// The second batch fails and all are taken back, but for one that somebody else has changed.
fn fifty() -> Vec<Cue> {
    let batches = batches(&[2, 24, 24]);
    let mut cues = vec![started(&batches)];
    let end = batch(&mut cues, 1, &batches[0], 0.0, 0);
    cues.push(Cue(end, verdict(1, "0 of 2 failed")));
    cues.push(Cue(end + 2.2, What::Hold("middle")));
    let end = batch(&mut cues, 2, &batches[1], end, 3);
    let sum = "3 of 24 failed, budget 2 (10%)";
    cues.push(Cue(
        end,
        verdict(2, &format!("{sum}: stopping, and taking the whole run back")),
    ));
    cues.push(Cue(
        end,
        What::Event(RunEvent::Stopping {
            why: format!("{sum} in batch 2"),
        }),
    ));
    for host in batches[2].clone() {
        let report = HostReport::new(EndState::Skipped).because(format!("not started: {sum} in batch 2"));
        cues.push(Cue(
            end,
            What::Event(RunEvent::HostFinished {
                host,
                report: Box::new(report),
            }),
        ));
    }
    let back: Vec<String> = [&batches[1][3..], &batches[0]].concat();
    cues.push(Cue(
        end,
        What::Event(RunEvent::RevertStarted {
            hosts: back.clone(),
            why: format!("{sum} in batch 2"),
        }),
    ));
    cues.push(Cue(end + 2.3, What::Hold("back")));
    hosts(&mut cues, &back, end, true, |index| {
        if index == 1 {
            let report = HostReport {
                generation: Some(18),
                connections: 1,
                ..HostReport::new(EndState::NotRolledBack)
            };
            return (
                report.because("it runs generation 18: somebody else has changed it since"),
                1.5,
            );
        }
        (
            HostReport {
                generation: Some(16),
                ..confirmed(3.1)
            },
            3.1,
        )
    });
    for Cue(_, what) in &mut cues {
        if let What::Event(RunEvent::HostReverted { report, .. }) = what
            && report.state == EndState::Confirmed
        {
            report.state = EndState::RolledBack;
        }
    }
    in_order(cues)
}

/// A canary, and the question whether the others follow.
fn question() -> Vec<Cue> {
    let batches = batches(&[1, 2]);
    let mut cues = vec![started(&batches)];
    let end = batch(&mut cues, 1, &batches[0], 0.0, 0);
    cues.push(Cue(2.5, What::Hold("before")));
    cues.push(Cue(end, verdict(1, "0 of 1 failed")));
    cues.push(Cue(
        end,
        What::Event(RunEvent::PauseStarted {
            before: 2,
            hosts: 2,
            time: None,
        }),
    ));
    cues.push(Cue(end, What::Ask));
    batch(&mut cues, 2, &batches[1], end, 0);
    in_order(cues)
}
