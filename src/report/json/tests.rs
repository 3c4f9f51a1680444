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
