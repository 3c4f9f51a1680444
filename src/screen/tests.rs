use std::fmt::Write as _;

use super::*;

fn canvas(width: usize, height: usize) -> Canvas {
    Canvas {
        width,
        height,
        color: false,
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn step(host: &str, step: Step, detail: &str) -> RunEvent {
    RunEvent::Step {
        host: host.to_owned(),
        step,
        detail: detail.to_owned(),
    }
}

fn started(host: &str) -> RunEvent {
    RunEvent::HostStarted { host: host.to_owned() }
}

fn armed(host: &str, window: u64) -> RunEvent {
    RunEvent::TimerArmed {
        host: host.to_owned(),
        window: seconds(window),
    }
}

fn finished(host: &str, report: HostReport) -> RunEvent {
    RunEvent::HostFinished {
        host: host.to_owned(),
        report: Box::new(report),
    }
}

fn confirmed() -> HostReport {
    HostReport {
        generation: Some(17),
        connections: 2,
        elapsed: Duration::from_millis(4_700),
        ..HostReport::new(EndState::Confirmed)
    }
}

fn run_of(batches: &[&[&str]]) -> RunEvent {
    let names = |batch: &&[&str]| batch.iter().map(|name| (*name).to_owned()).collect();
    RunEvent::Started {
        run_id: "run-1".into(),
        batches: batches.iter().map(names).collect(),
    }
}

/// A run of `hosts` hosts, all of them running.
fn running(hosts: usize) -> Screen {
    let names: Vec<String> = (1..=hosts).map(|number| format!("web{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut screen = Screen::new(hosts, 0);
    let events = [run_of(&[&names]), RunEvent::BatchStarted(1)];
    let events = events.into_iter().chain(names.into_iter().map(started));
    for event in events {
        screen.apply(&event, Duration::ZERO, canvas(80, 24));
    }
    screen
}

/// What a run looks like: at each time what was printed, then what is drawn.
fn film(forks: usize, canvas: Canvas, frames: &[(u64, Vec<RunEvent>)]) -> String {
    let mut screen = Screen::new(forks, 1);
    let mut film = String::new();
    for (at, events) in frames {
        let printed: Vec<String> = events
            .iter()
            .flat_map(|event| screen.apply(event, seconds(*at), canvas))
            .collect();
        let drawn = match screen.question() {
            Some(question) => vec![format!("{question} _")],
            None => screen.lines(seconds(*at) + Duration::from_millis(340), canvas),
        };
        let _ = write!(film, "-- {at} s\n{}{}", block("+ ", &printed), block("| ", &drawn));
    }
    film + "-- end\n" + &block("+ ", &screen.finish(canvas))
}

fn block(mark: &str, lines: &[String]) -> String {
    lines.iter().fold(String::new(), |text, line| {
        text + (mark.to_owned() + line).trim_end() + "\n"
    })
}

const LONG: &str = "db-primary-with-a-very-long-name";

/// A canary, a batch that is interrupted: everything that can be seen of a short run.
fn interrupted_run() -> Vec<(u64, Vec<RunEvent>)> {
    let detail = "198.51.100.7:2222, then 198.51.100.7:22, as admin";
    let dialogue = |level, line: &str| RunEvent::Dialogue {
        host: "web1".into(),
        level,
        line: line.into(),
    };
    let verdict = RunEvent::BatchFinished {
        batch: 1,
        verdict: "0 of 1 failed".into(),
    };
    let failed = HostReport::new(EndState::Unreachable).because("no answer on ports 2222 and 22");
    let skipped = HostReport::new(EndState::Skipped).because("not started: the run was interrupted");
    vec![
        (
            0,
            vec![
                run_of(&[&["web1"], &[LONG, "web3"]]),
                RunEvent::BatchStarted(1),
                started("web1"),
            ],
        ),
        (
            1,
            vec![
                step("web1", Step::Observe, "nft, 14 rules"),
                dialogue(1, "> observe"),
                dialogue(2, "all of it"),
            ],
        ),
        (
            2,
            vec![
                armed("web1", 30),
                step("web1", Step::Verify, "ipv4 tcp 2222 → 22 open, direct closed"),
            ],
        ),
        (
            5,
            vec![
                RunEvent::TimerStopped { host: "web1".into() },
                finished("web1", confirmed()),
                RunEvent::SoakStarted {
                    batch: 1,
                    hosts: 1,
                    time: seconds(20),
                },
            ],
        ),
        (
            25,
            vec![
                RunEvent::SoakFinished {
                    batch: 1,
                    unhealthy: vec![],
                },
                verdict,
                pause(Some(seconds(10))),
            ],
        ),
        (
            35,
            vec![
                RunEvent::PauseFinished { go_on: true },
                RunEvent::BatchStarted(2),
                started(LONG),
                step(LONG, Step::Connect, detail),
            ],
        ),
        (
            36,
            vec![
                RunEvent::Interrupted {
                    running: 1,
                    again: false,
                },
                stopping("the run was interrupted"),
                finished("web3", skipped),
            ],
        ),
        (96, vec![finished(LONG, failed)]),
    ]
}

fn pause(time: Option<Duration>) -> RunEvent {
    RunEvent::PauseStarted {
        before: 2,
        hosts: 2,
        time,
    }
}

fn stopping(why: &str) -> RunEvent {
    RunEvent::Stopping { why: why.to_owned() }
}

/// A batch that fails after the operator's consent, and is taken back.
fn reverted_run() -> Vec<(u64, Vec<RunEvent>)> {
    let skipped = HostReport::new(EndState::Skipped).because("not started: 1 of 2 failed, budget 0 in batch 2");
    let back = HostReport {
        generation: Some(16),
        connections: 2,
        ..HostReport::new(EndState::RolledBack)
    };
    let kept = HostReport::new(EndState::NotRolledBack).because("somebody else changed its rules since");
    let reverted = |host: &str, report| RunEvent::HostReverted {
        host: host.into(),
        report: Box::new(report),
    };
    let reverting = |host: &str| RunEvent::HostReverting { host: host.into() };
    vec![
        (0, vec![run_of(&[&["web1"], &["web2", "web3"], &["web4"]]), RunEvent::BatchStarted(1), started("web1")]),
        (4, vec![
            finished("web1", confirmed()),
            RunEvent::BatchFinished { batch: 1, verdict: "0 of 1 failed".into() },
            pause(None),
        ]),
        (9, vec![RunEvent::PauseFinished { go_on: true }, RunEvent::BatchStarted(2), started("web2"), started("web3")]),
        (14, vec![
            finished("web2", confirmed()),
            finished("web3", HostReport::new(EndState::RolledBack).because("ipv4 tcp 2222 → 22: port 2222 cannot be reached from here: a security group or a firewall on the way drops it")),
            RunEvent::BatchFinished { batch: 2, verdict: "1 of 2 failed, budget 0: stopping, and taking the whole run back".into() },
            stopping("1 of 2 failed, budget 0 in batch 2"),
            finished("web4", skipped),
            RunEvent::RevertStarted { hosts: vec!["web2".into(), "web1".into()], why: "1 of 2 failed, budget 0 in batch 2".into() },
            reverting("web2"),
        ]),
        (15, vec![step("web2", Step::Switch, ""), armed("web2", 30)]),
        (16, vec![reverted("web2", back), reverting("web1")]),
        (17, vec![reverted("web1", kept)]),
    ]
}

#[test]
fn an_interrupted_run_in_80_columns() {
    insta::assert_snapshot!(film(10, canvas(80, 24), &interrupted_run()));
}

#[test]
fn an_interrupted_run_in_160_columns() {
    insta::assert_snapshot!(film(10, canvas(160, 24), &interrupted_run()));
}

#[test]
fn a_run_that_asks_and_is_taken_back() {
    insta::assert_snapshot!(film(10, canvas(80, 24), &reverted_run()));
}

#[test]
fn hosts_that_do_not_fit_are_folded() {
    let mut screen = running(50);
    screen.apply(
        &RunEvent::TimerArmed {
            host: "web40".into(),
            window: seconds(30),
        },
        seconds(1),
        canvas(80, 10),
    );
    insta::assert_snapshot!(screen.lines(seconds(3), canvas(80, 10)).join("\n"));
}

#[test]
fn no_line_is_wider_and_no_frame_higher_than_the_terminal() {
    let mut screen = running(40);
    for number in 1..=40 {
        let host = format!("web{number}");
        screen.apply(
            &step(&host, Step::Verify, &"ö → ".repeat(number)),
            seconds(1),
            canvas(80, 24),
        );
        screen.apply(
            &RunEvent::TimerArmed {
                host,
                window: seconds(86_400),
            },
            seconds(1),
            canvas(80, 24),
        );
    }
    for width in [1, 2, 9, 20, 37, 40, 60, 79, 80, 81, 120] {
        for height in [1, 2, 3, 10, 24, 41, 42, 43, 60] {
            let lines = screen.lines(
                seconds(100_000),
                Canvas {
                    width,
                    height,
                    color: true,
                },
            );
            assert!(lines.len() <= height.max(2), "{} lines in {height} rows", lines.len());
            for line in lines {
                assert!(measure_text_width(&line) <= width, "{line:?} in {width} columns");
            }
        }
    }
}

#[test]
fn the_countdown_counts_down_to_zero() {
    let mut screen = running(1);
    screen.apply(
        &RunEvent::TimerArmed {
            host: "web1".into(),
            window: seconds(30),
        },
        seconds(10),
        canvas(80, 24),
    );
    let shown = |millis| screen.lines(Duration::from_millis(millis), canvas(80, 24))[0].clone();
    for (millis, expected) in [
        (10_000, "⏱  30 s"),
        (10_001, "⏱  30 s"),
        (39_500, "⏱   1 s"),
        (40_000, "⏱   0 s"),
        (50_000, "⏱   0 s"),
    ] {
        assert!(shown(millis).ends_with(expected), "{}", shown(millis));
    }
}

#[test]
fn colours_change_no_letter() {
    let mut screen = running(3);
    screen.apply(
        &RunEvent::TimerArmed {
            host: "web2".into(),
            window: seconds(30),
        },
        seconds(1),
        canvas(80, 24),
    );
    let plain = screen.lines(seconds(2), canvas(80, 24));
    let colored = screen.lines(
        seconds(2),
        Canvas {
            color: true,
            ..canvas(80, 24)
        },
    );
    assert_ne!(plain, colored);
    let stripped: Vec<String> = colored
        .iter()
        .map(|line| console::strip_ansi_codes(line).trim_end().to_owned())
        .collect();
    assert_eq!(plain, stripped);
}

#[test]
fn without_a_terminal_lines_are_plain() {
    let lines = |verbosity, frames: &[(u64, Vec<RunEvent>)]| {
        let mut plain = Plain::new(verbosity);
        let events = frames.iter().flat_map(|(_, events)| events);
        events.flat_map(|event| plain.lines(event)).collect::<Vec<_>>()
    };
    let run = interrupted_run();
    insta::assert_snapshot!(
        [lines(1, &run), vec![String::new()], lines(1, &reverted_run())]
            .concat()
            .join("\n")
    );
    assert_eq!(lines(0, &run).len() + 1, lines(1, &run).len());
    assert_eq!(lines(2, &run).len(), lines(1, &run).len() + 1);
}
