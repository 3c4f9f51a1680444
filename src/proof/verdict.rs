//! What checks prove, each by itself and all of a mapping together.

use super::Check;
use crate::firewall::Family;
use crate::mapping::{Mapping, MappingSet, Protocol};
use crate::report::{DirectAccess, Mapped, MappingProof};

/// What is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub(super) mapped: Option<Mapped>,
    pub(super) direct: Option<DirectAccess>,
    pub(super) reason: Option<String>,
    pub(super) broken: bool,
}

impl Verdict {
    pub(super) fn mapped(mapped: Mapped) -> Self {
        Self {
            mapped: Some(mapped),
            direct: None,
            reason: None,
            broken: mapped == Mapped::Filtered,
        }
    }

    pub(super) fn direct(direct: DirectAccess) -> Self {
        Self {
            mapped: None,
            direct: Some(direct),
            reason: None,
            broken: false,
        }
    }

    pub(super) fn because(self, reason: impl Into<String>) -> Self {
        Self {
            reason: Some(reason.into()),
            ..self
        }
    }

    pub(super) fn broken(self) -> Self {
        Self { broken: true, ..self }
    }
}

pub(super) fn label(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

/// All verdicts as one line per mapping and family, and the first thing that is not as promised.
#[must_use]
pub fn summary(set: &MappingSet, verdicts: &[(Check, Verdict)]) -> (Vec<MappingProof>, Option<String>) {
    let mut lines: Vec<(usize, Family, Verdict)> = Vec::new();
    for (check, verdict) in verdicts {
        match lines
            .iter_mut()
            .find(|(index, family, _)| (*index, *family) == (check.mapping, check.family))
        {
            Some((.., line)) => line.merge(verdict),
            None => lines.push((check.mapping, check.family, verdict.clone())),
        }
    }
    let broken = verdicts
        .iter()
        .find(|(_, verdict)| verdict.broken)
        .and_then(|(check, verdict)| {
            let mapping = set.mappings().get(check.mapping)?;
            Some(format!(
                "{} {}: {}",
                check.family.name(),
                describe(mapping),
                verdict.reason.as_deref().unwrap_or_default()
            ))
        });
    let proofs = lines
        .into_iter()
        .filter_map(|(index, family, line)| Some(line.proof(set.mappings().get(index)?, family)));
    (proofs.collect(), broken)
}

fn describe(mapping: &Mapping) -> String {
    let name = mapping
        .name
        .as_deref()
        .map(|name| format!(" ({name})"))
        .unwrap_or_default();
    format!("{}/{}{name}", mapping.port, label(mapping.protocol))
}

impl Verdict {
    /// The worse of both: a range is as open as its least open end, and as exposed as its most exposed one.
    fn merge(&mut self, other: &Self) {
        let rank = |mapped: &Mapped| match mapped {
            Mapped::Open => 0,
            Mapped::Refused => 1,
            Mapped::Unverified => 2,
            Mapped::Filtered => 3,
        };
        let exposure = |direct: &DirectAccess| match direct {
            DirectAccess::Closed => 0,
            DirectAccess::Unverified => 1,
            DirectAccess::Open => 2,
        };
        self.mapped = self.mapped.into_iter().chain(other.mapped).max_by_key(rank);
        self.direct = self.direct.into_iter().chain(other.direct).max_by_key(exposure);
        self.broken |= other.broken;
        self.reason = match (self.reason.take(), &other.reason) {
            (Some(own), Some(more)) if !own.contains(more.as_str()) => Some(format!("{own}; {more}")),
            (own, more) => own.or_else(|| more.clone()),
        };
    }

    fn proof(self, mapping: &Mapping, family: Family) -> MappingProof {
        MappingProof {
            name: mapping.name.clone(),
            family,
            protocol: mapping.protocol,
            port: mapping.port,
            to_port: mapping.to_port,
            mapped: self.mapped.unwrap_or(Mapped::Unverified),
            direct: self.direct.unwrap_or(DirectAccess::Unverified),
            reason: self.reason,
        }
    }
}
