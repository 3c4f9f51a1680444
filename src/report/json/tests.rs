use super::*;

fn range(first: u16, last: u16) -> PortRange {
    PortRange::new(first, last).expect("a range")
}

fn proof(port: PortRange, to_port: PortRange) -> MappingProof {
    MappingProof {
        name: None,
        family: Family::V4,
        protocol: Protocol::Tcp,
        port,
        to_port,
        mapped: Mapped::Open,
        direct: DirectAccess::Closed,
        reason: None,
    }
}

fn outcome() -> Outcome {
    let web1 = HostReport {
        generation: Some(17),
        batch: 1,
        connections: 2,
        elapsed: Duration::from_micros(410_499),
        mappings: vec![
            proof(range(2222, 2222), range(22, 22)),
            proof(range(8000, 8010), range(9000, 9010)),
        ],
        ..HostReport::new(EndState::Confirmed)
    };
    let web2 = HostReport {
        batch: 1,
        rolled_back_by: Some(RolledBackBy::Timer),
        ..HostReport::new(EndState::RolledBack).because("port 2222 is \"filtered\"")
    };
    Outcome {
        hosts: vec![("web2".into(), web2), ("web1".into(), web1)],
        ..Outcome::default()
    }
}

#[test]
fn the_document_is_as_promised() {
    insta::assert_snapshot!(document("run-1", &outcome()));
}

#[test]
fn every_event_is_a_line() {
    let host = || "web1".to_owned();
    let events = [
        RunEvent::Started {
            run_id: "run-1".into(),
            batches: vec![vec![host()], vec!["web2".into()]],
        },
        RunEvent::BatchStarted(1),
        RunEvent::HostStarted { host: host() },
        RunEvent::Step {
            host: host(),
            step: Step::Arm,
            detail: "30 s".into(),
        },
        RunEvent::TimerArmed {
            host: host(),
            window: Duration::from_secs(30),
        },
        RunEvent::TimerStopped { host: host() },
        RunEvent::Dialogue {
            host: host(),
            level: 1,
            line: "> observe".into(),
        },
        RunEvent::Interrupted {
            running: 1,
            again: false,
        },
        RunEvent::HostFinished {
            host: host(),
            report: Box::new(outcome().hosts[1].1.clone()),
        },
    ];
    let mut lines: Vec<String> = events.iter().map(|event| event_line(event).expect("a line")).collect();
    lines.push(finished_line("run-1", &outcome()));
    assert!(lines.iter().all(|line| !line.contains('\n')));
    insta::assert_snapshot!(lines.join("\n"));
    assert_eq!(event_line(&RunEvent::Finished), None);
}

/// One of each kind.
fn of_every_kind() -> Vec<RunEvent> {
    let host = || "web1".to_owned();
    let report = || {
        let mut report = outcome().hosts[1].1.clone();
        // Seconds are written to the millisecond.
        report.elapsed = Duration::from_millis(410);
        report.before = Some(16);
        report.hint = Some("do this".into());
        report.warnings = vec!["no IPv6".into()];
        report.login = Some("ssh -p 2222 web1".into());
        report.mappings[0].name = Some("ssh".into());
        Box::new(report.because("so"))
    };
    let time = Duration::from_millis(1500);
    vec![
        RunEvent::Started {
            run_id: "run-1".into(),
            batches: vec![vec![host()], vec![]],
        },
        RunEvent::BatchStarted(1),
        RunEvent::BatchFinished {
            batch: 1,
            verdict: "none failed".into(),
        },
        RunEvent::Stopping { why: "too many".into() },
        RunEvent::SoakStarted {
            batch: 1,
            hosts: 2,
            time,
        },
        RunEvent::SoakFinished {
            batch: 1,
            unhealthy: vec![host()],
        },
        RunEvent::PauseStarted {
            before: 2,
            hosts: 3,
            time: Some(time),
        },
        RunEvent::PauseStarted {
            before: 2,
            hosts: 3,
            time: None,
        },
        RunEvent::PauseFinished { go_on: false },
        RunEvent::RevertStarted {
            hosts: vec![host()],
            why: "it failed".into(),
        },
        RunEvent::HostReverting { host: host() },
        RunEvent::HostReverted {
            host: host(),
            report: report(),
        },
        RunEvent::HostStarted { host: host() },
        RunEvent::Step {
            host: host(),
            step: Step::Wait,
            detail: String::new(),
        },
        RunEvent::TimerArmed {
            host: host(),
            window: time,
        },
        RunEvent::TimerStopped { host: host() },
        RunEvent::Warning {
            host: host(),
            text: "beware".into(),
        },
        RunEvent::Dialogue {
            host: host(),
            level: 2,
            line: "ok".into(),
        },
        RunEvent::HostUnhealthy {
            host: host(),
            report: report(),
        },
        RunEvent::HostFinished {
            host: host(),
            report: report(),
        },
        RunEvent::Interrupted {
            running: 3,
            again: true,
        },
    ]
}

#[test]
fn what_is_written_is_read_again() {
    for event in of_every_kind() {
        let line = event_line(&event).expect("a line");
        // As a journal has it.
        let line = line.replacen('{', r#"{"time":"2026-11-23T03:20:29Z","#, 1);
        assert_eq!(read_line(line.as_bytes()), Some(Written::Event(event)), "{line}");
    }
    let finished = finished_line("run-1", &outcome());
    assert_eq!(read_line(finished.as_bytes()), Some(Written::Finished { exit_code: 2 }));
}

#[test]
fn what_is_no_line_is_none() {
    for damaged in [
        &b""[..],
        b"{}",
        b"[]",
        b"\xff\xfe",
        br#"{"event":"host_started"}"#,
        br#"{"event":"host_started","host":7}"#,
        br#"{"event":"host_finished","host":"a","state":"splendid"}"#,
        br#"{"event":"a_new_kind","host":"a"}"#,
        br#"{"event":"batch_started","batch":-1}"#,
        br#"{"event":"host_started","host":"web1""#,
    ] {
        assert_eq!(read_line(damaged), None, "{}", String::from_utf8_lossy(damaged));
    }
    let odd = br#"{"event":"timer_armed","host":"a","seconds":-1e300}"#;
    let expected = RunEvent::TimerArmed {
        host: "a".into(),
        window: Duration::ZERO,
    };
    assert_eq!(read_line(odd), Some(Written::Event(expected)));
}
