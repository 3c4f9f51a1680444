use super::*;
use crate::firewall::Family;
use crate::mapping::{PortRange, Protocol};
use crate::report::RolledBackBy;
use crate::report::{DirectAccess, Mapped, MappingProof};

fn proof(family: Family, port: u16, mapped: Mapped, direct: DirectAccess) -> MappingProof {
    MappingProof {
        name: (port == 80).then(|| "web".to_owned()),
        family,
        protocol: Protocol::Tcp,
        port: PortRange::new(port, port).expect("a port"),
        to_port: PortRange::new(22, 22).expect("a port"),
        mapped,
        direct,
        reason: (mapped == Mapped::Unverified).then(|| "the mapping's source excludes this machine".to_owned()),
    }
}

fn outcome() -> Outcome {
    let good = HostReport {
        generation: Some(17),
        connections: 2,
        elapsed: Duration::from_millis(414),
        mappings: vec![
            proof(Family::V4, 2222, Mapped::Open, DirectAccess::Closed),
            proof(Family::V6, 2222, Mapped::Open, DirectAccess::Closed),
            proof(Family::V4, 80, Mapped::Unverified, DirectAccess::Closed),
        ],
        warnings: vec!["no IPv6 nat table: IPv6 is guarded only".to_owned()],
        ..HostReport::new(EndState::Confirmed)
    };
    let back = HostReport {
        generation: Some(16),
        connections: 1,
        elapsed: Duration::from_millis(12_345),
        rolled_back_by: Some(RolledBackBy::Controller),
        mappings: vec![proof(Family::V4, 2222, Mapped::Filtered, DirectAccess::Open)],
        ..HostReport::new(EndState::RolledBack)
            .because("port 2222 cannot be reached from here: a security group or a firewall on the way drops it")
            .advising("open 2222 in the cloud's security group, then run again")
    };
    let hosts = vec![
        ("web1".into(), good),
        ("a-host-with-a-longer-name".into(), back),
        (
            "web3".into(),
            HostReport::new(EndState::Skipped).because("not started: 1 of 2 failed in batch 1"),
        ),
        (
            "web4\x1b[2J".into(),
            HostReport {
                connections: 1,
                generation: Some(3),
                ..HostReport::new(EndState::Unchanged)
            },
        ),
    ];
    Outcome {
        hosts,
        ..Outcome::default()
    }
}

fn text(width: Option<u16>, color: bool) -> String {
    recap(
        &outcome(),
        Duration::from_millis(12_400),
        Look {
            width,
            rows: None,
            color,
        },
    )
}

#[test]
fn in_80_columns() {
    insta::assert_snapshot!(text(Some(80), false));
}

#[test]
fn without_a_terminal() {
    insta::assert_snapshot!(text(None, false));
}

#[test]
fn colours_change_no_letter() {
    let colored = text(Some(100), true);
    assert!(colored.contains("\u{1b}[32mconfirmed\u{1b}[0m"), "{colored}");
    assert!(colored.contains("\u{1b}[33mrolled back\u{1b}[0m"), "{colored}");
    assert_eq!(console::strip_ansi_codes(&colored), text(Some(100), false));
}

#[test]
fn without_hosts_there_is_one_line() {
    let text = recap(
        &Outcome::default(),
        Duration::ZERO,
        Look {
            width: None,
            rows: None,
            color: false,
        },
    );
    assert_eq!(text, "no hosts, nothing to do\n");
}

#[test]
fn the_same_advice_is_said_once() {
    let report = HostReport::new(EndState::Unknown).advising("look again");
    let hosts = (1..=8).map(|number| (format!("web{number}"), report.clone())).collect();
    let outcome = Outcome {
        hosts,
        ..Outcome::default()
    };
    let text = recap(
        &outcome,
        Duration::ZERO,
        Look {
            width: None,
            rows: None,
            color: false,
        },
    );
    assert!(
        text.contains("\nweb1, web2, web3, web4, web5 and 3 more: hint: look again\n"),
        "{text}"
    );
}

#[test]
fn times() {
    for (millis, expected) in [
        (4, "0.00 s"),
        (9_994, "9.99 s"),
        (9_996, "10.0 s"),
        (65_000, "65.0 s"),
        (125_900, "2 min 5 s"),
    ] {
        assert_eq!(time(Duration::from_millis(millis)), expected);
    }
}
