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

fn finished(host: &str, report: HostReport) -> RunEvent {
    RunEvent::HostFinished {
        host: host.to_owned(),
        report: Box::new(report),
    }
}

/// A run of `hosts` hosts, all of them running.
fn running(hosts: usize) -> Screen {
    let names: Vec<String> = (1..=hosts).map(|number| format!("web{number}")).collect();
    let mut screen = Screen::new(0);
    let canvas = canvas(80, 24);
    screen.apply(
        &RunEvent::Started {
            run_id: "run-1".into(),
            batches: vec![names.clone()],
        },
        Duration::ZERO,
        canvas,
    );
    screen.apply(&RunEvent::BatchStarted(1), Duration::ZERO, canvas);
    for host in names {
        screen.apply(&RunEvent::HostStarted { host }, Duration::ZERO, canvas);
    }
    screen
}

/// Frames of a short run with everything that can be seen: what was printed, then what is drawn.
fn film(width: usize) -> String {
    let canvas = canvas(width, 24);
    let mut screen = Screen::new(1);
    let mut film = String::new();
    let host = |name: &str| name.to_owned();
    let frames: Vec<(u64, Vec<RunEvent>)> = vec![
        (
            0,
            vec![
                RunEvent::Started {
                    run_id: "run-1".into(),
                    batches: vec![
                        vec![host("web1"), host("db-primary-with-a-very-long-name")],
                        vec![host("web3")],
                    ],
                },
                RunEvent::BatchStarted(1),
                RunEvent::HostStarted { host: host("web1") },
                RunEvent::HostStarted {
                    host: host("db-primary-with-a-very-long-name"),
                },
            ],
        ),
        (
            1,
            vec![
                step("web1", Step::Observe, "nft, 14 rules"),
                step(
                    "db-primary-with-a-very-long-name",
                    Step::Connect,
                    "198.51.100.7:2222, then 198.51.100.7:22, as admin",
                ),
                RunEvent::Dialogue {
                    host: host("web1"),
                    level: 1,
                    line: "> observe".into(),
                },
                RunEvent::Dialogue {
                    host: host("web1"),
                    level: 2,
                    line: "all of it".into(),
                },
            ],
        ),
        (
            2,
            vec![
                step("web1", Step::Arm, "30 s"),
                RunEvent::TimerArmed {
                    host: host("web1"),
                    window: seconds(30),
                },
                step("web1", Step::Verify, "ipv4 tcp 2222 → 22 open, direct closed"),
            ],
        ),
        (
            5,
            vec![
                RunEvent::TimerStopped { host: host("web1") },
                finished(
                    "web1",
                    HostReport {
                        generation: Some(17),
                        connections: 2,
                        elapsed: Duration::from_millis(4_700),
                        ..HostReport::new(EndState::Confirmed)
                    },
                ),
                RunEvent::Interrupted {
                    running: 1,
                    again: false,
                },
            ],
        ),
        (
            6,
            vec![
                finished(
                    "db-primary-with-a-very-long-name",
                    HostReport::new(EndState::Unreachable).because("no answer on ports 2222 and 22"),
                ),
                finished(
                    "web3",
                    HostReport::new(EndState::Skipped).because("not started: the run was interrupted"),
                ),
            ],
        ),
    ];
    for (at, events) in frames {
        let printed: Vec<String> = events
            .iter()
            .flat_map(|event| screen.apply(event, seconds(at), canvas))
            .collect();
        let drawn = screen.lines(seconds(at) + Duration::from_millis(340), canvas);
        let _ = write!(film, "-- {at} s\n{}{}", block("+ ", &printed), block("| ", &drawn));
    }
    film
}

fn block(mark: &str, lines: &[String]) -> String {
    lines.iter().fold(String::new(), |text, line| text + mark + line + "\n")
}

#[test]
fn a_run_in_80_columns() {
    insta::assert_snapshot!(film(80));
}

#[test]
fn a_run_in_160_columns() {
    insta::assert_snapshot!(film(160));
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
        (10_000, "⏱ 30 s"),
        (10_001, "⏱ 30 s"),
        (39_500, "⏱ 1 s"),
        (40_000, "⏱ 0 s"),
        (50_000, "⏱ 0 s"),
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
    let events = [
        RunEvent::Started {
            run_id: "run-1".into(),
            batches: vec![vec!["web1".into()]],
        },
        RunEvent::BatchStarted(1),
        RunEvent::HostStarted { host: "web1".into() },
        step("web1", Step::Connect, ""),
        step("web1", Step::Observe, "nft, 14 rules"),
        RunEvent::TimerArmed {
            host: "web1".into(),
            window: seconds(30),
        },
        RunEvent::Dialogue {
            host: "web1".into(),
            level: 1,
            line: "> observe".into(),
        },
        RunEvent::Dialogue {
            host: "web1".into(),
            level: 2,
            line: "all of it".into(),
        },
        RunEvent::Interrupted {
            running: 2,
            again: true,
        },
        finished(
            "web1",
            HostReport {
                connections: 1,
                ..HostReport::new(EndState::Unchanged)
            },
        ),
        RunEvent::Finished,
    ];
    let lines = |verbosity| {
        events
            .iter()
            .flat_map(|event| plain_lines(event, verbosity))
            .collect::<Vec<_>>()
    };
    insta::assert_snapshot!(lines(1).join("\n"));
    assert_eq!(lines(0).len() + 1, lines(1).len());
    assert_eq!(lines(2).len(), lines(1).len() + 1);
}
