//! What a look from outside found, as test cases and as gauges: each host, and each of its mappings in each family.

use std::time::Duration;

use super::{DirectAccess, EndState, Fault, Finding, Gauge, HostReport, Mapped, MappingProof, Outcome, gauge_of};
use crate::mapping::Protocol;

/// Each host, and then each of its mappings.
#[must_use]
pub fn findings(outcome: &Outcome) -> Vec<Finding> {
    let of_host = |(name, report): &(String, HostReport)| {
        let mappings = report.mappings.iter().map(|proof| of_mapping(name, proof));
        std::iter::once(of_host(name, report))
            .chain(mappings)
            .collect::<Vec<_>>()
    };
    outcome.hosts.iter().flat_map(of_host).collect()
}

/// The gauges of a look that ended at `now`, seconds since 1970.
#[must_use]
pub fn gauges(outcome: &Outcome, elapsed: Duration, now: f64) -> Vec<Gauge> {
    let hosts: Vec<Finding> = outcome
        .hosts
        .iter()
        .map(|(name, report)| of_host(name, report))
        .collect();
    let of_mappings = |(name, report): &(String, HostReport)| {
        let mappings = report.mappings.iter().map(|proof| of_mapping(name, proof));
        mappings.collect::<Vec<_>>()
    };
    let mappings: Vec<Finding> = outcome.hosts.iter().flat_map(of_mappings).collect();
    let seen = outcome.hosts.iter().fold(
        Gauge::new(
            "portmap_verify_host_reachable",
            "Whether the host could be logged in to.",
        ),
        |mut gauge, (name, report)| {
            gauge.add(
                vec![("host", name.clone())],
                f64::from(u8::from(!is_unseen(report.state))),
            );
            gauge
        },
    );
    vec![
        gauge_of(
            "portmap_verify_host_ok",
            "Whether all that the inventory and the checks promise of the host is so.",
            "host",
            &hosts,
        ),
        seen,
        gauge_of(
            "portmap_verify_mapping_ok",
            "Whether nothing is wrong with the mapping, as seen from outside.",
            "host",
            &mappings,
        ),
        Gauge::new("portmap_verify_duration_seconds", "How long the last look took.").with(elapsed.as_secs_f64()),
        Gauge::new(
            "portmap_verify_timestamp_seconds",
            "When the last look ended, seconds since 1970.",
        )
        .with(now),
    ]
}

fn of_host(name: &str, report: &HostReport) -> Finding {
    let fault = report.state.is_failure().then(|| Fault {
        kind: report.state.words().to_owned(),
        unseen: is_unseen(report.state),
        reason: report.reason.clone().unwrap_or_default(),
        details: report.hint.iter().chain(&report.warnings).cloned().collect(),
    });
    Finding {
        name: name.to_owned(),
        group: name.to_owned(),
        fault,
        elapsed: report.elapsed,
        labels: vec![],
    }
}

fn is_unseen(state: EndState) -> bool {
    matches!(state, EndState::Unreachable | EndState::Unknown | EndState::Skipped)
}

fn of_mapping(host: &str, proof: &MappingProof) -> Finding {
    let protocol = match proof.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    let (family, port, to_port) = (proof.family.name(), proof.port.to_string(), proof.to_port.to_string());
    let fault = wrong(proof).map(|kind| Fault {
        kind: kind.to_owned(),
        unseen: false,
        reason: proof.reason.clone().unwrap_or_default(),
        details: vec![],
    });
    Finding {
        name: format!("{family} {protocol} {port} → {to_port}"),
        group: host.to_owned(),
        fault,
        elapsed: Duration::ZERO,
        labels: vec![
            ("family", family.to_lowercase()),
            ("protocol", protocol.to_owned()),
            ("port", port),
            ("to_port", to_port),
        ],
    }
}

/// In a word. Direct access that is allowed has nothing to be said of it.
fn wrong(proof: &MappingProof) -> Option<&'static str> {
    match (proof.mapped, proof.direct) {
        (Mapped::Filtered, _) => Some("filtered"),
        (Mapped::Refused, _) => Some("refused"),
        (_, DirectAccess::Open) if proof.reason.is_some() => Some("exposed"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::prometheus::exposition;
    use super::*;
    use crate::firewall::Family;
    use crate::mapping::PortRange;

    fn proof(port: (u16, u16), mapped: Mapped, direct: DirectAccess, reason: Option<&str>) -> MappingProof {
        let range = |(first, last)| PortRange::new(first, last).unwrap();
        MappingProof {
            name: None,
            family: Family::V6,
            protocol: Protocol::Tcp,
            port: range(port),
            to_port: range((22, 22)),
            mapped,
            direct,
            reason: reason.map(str::to_owned),
        }
    }

    fn outcome() -> Outcome {
        let well = HostReport {
            mappings: vec![
                proof((2222, 2222), Mapped::Open, DirectAccess::Closed, Some("unattributed")),
                proof((2223, 2223), Mapped::Open, DirectAccess::Open, None),
            ],
            ..HostReport::new(EndState::Unchanged)
        };
        let unwell = HostReport {
            mappings: vec![
                proof((8000, 8010), Mapped::Refused, DirectAccess::Closed, Some("refuses")),
                proof((2222, 2222), Mapped::Open, DirectAccess::Open, Some("reached directly")),
            ],
            ..HostReport::new(EndState::Failed)
                .because("port 8000 refuses")
                .advising("look")
        };
        let gone = HostReport::new(EndState::Unreachable).because("no way in");
        let hosts = [("web1", well), ("web2", unwell), ("web3", gone)];
        Outcome {
            hosts: hosts.map(|(name, report)| (name.to_owned(), report)).into(),
            only_looked: true,
            ..Outcome::default()
        }
    }

    #[test]
    fn every_host_and_mapping_is_a_case() {
        let said = |finding: Finding| {
            let fault = finding.fault.map_or("well".to_owned(), |fault| {
                format!(
                    "{}{}: {}",
                    fault.kind,
                    if fault.unseen { "!" } else { "" },
                    fault.reason
                )
            });
            format!("{} | {} | {fault}", finding.group, finding.name)
        };
        let cases: Vec<String> = findings(&outcome()).into_iter().map(said).collect();
        insta::assert_snapshot!(cases.join("\n"), @r"
        web1 | web1 | well
        web1 | IPv6 tcp 2222 → 22 | well
        web1 | IPv6 tcp 2223 → 22 | well
        web2 | web2 | failed: port 8000 refuses
        web2 | IPv6 tcp 8000-8010 → 22 | refused: refuses
        web2 | IPv6 tcp 2222 → 22 | exposed: reached directly
        web3 | web3 | unreachable!: no way in
        ");
    }

    #[test]
    fn gauges_have_the_same_labels_each() {
        let text = exposition(&gauges(&outcome(), Duration::from_millis(1500), 1_700_000_000.0));
        insta::assert_snapshot!(text);
    }
}
