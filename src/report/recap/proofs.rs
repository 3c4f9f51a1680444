//! What was proven of the mappings.

use console::{Alignment, Style, measure_text_width, pad_str};
use indexmap::IndexMap;

use super::{Look, count};
use crate::firewall::Family;
use crate::mapping::{PortRange, Protocol};
use crate::report::{DirectAccess, HostReport, Mapped, MappingProof};

/// A line for each mapping, its families side by side: `web1  tcp 2222 → 22  ipv4 open / direct closed`.
/// `folds`: one line for all hosts of which it says the same.
pub(super) fn proofs(hosts: &[(String, &HostReport)], folds: bool, look: Look) -> String {
    let rows: Vec<Vec<String>> = hosts
        .iter()
        .flat_map(|(name, report)| {
            let mappings = mappings(report).into_iter();
            mappings.map(move |(what, families)| {
                let verdicts = families.into_iter().map(|proof| verdict(proof, look));
                [name.clone(), what].into_iter().chain(verdicts).collect()
            })
        })
        .collect();
    let rows = if folds { folded(rows) } else { rows };
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(|column| widest(&rows, column)).collect();
    let padded = |(cell, width): (&String, &usize)| pad_str(cell, *width, Alignment::Left, None).into_owned();
    let lines = rows
        .iter()
        .map(|row| row.iter().zip(&widths).map(padded).collect::<Vec<_>>().join("  "));
    lines.fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

/// The rows, those that differ in nothing but the host as one.
fn folded(rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let mut hosts: IndexMap<Vec<String>, Vec<String>> = IndexMap::new();
    for mut row in rows {
        let rest = row.split_off(1.min(row.len()));
        hosts.entry(rest).or_default().append(&mut row);
    }
    let row = |(rest, names): (Vec<String>, Vec<String>)| {
        let name = match names.as_slice() {
            [name] => name.clone(),
            names => count(names.len()),
        };
        [name].into_iter().chain(rest).collect()
    };
    hosts.into_iter().map(row).collect()
}

fn widest(rows: &[Vec<String>], column: usize) -> usize {
    rows.iter()
        .filter_map(|row| row.get(column))
        .map(|cell| measure_text_width(cell))
        .max()
        .unwrap_or(0)
}

/// The report's mappings, each with what was proven of it in the families.
pub(super) fn mappings(report: &HostReport) -> Vec<(String, Vec<&MappingProof>)> {
    let mut mappings: Vec<(String, Vec<&MappingProof>)> = vec![];
    for proof in &report.mappings {
        let what = mapping(proof);
        match mappings.iter_mut().find(|(known, _)| *known == what) {
            Some((_, families)) => families.push(proof),
            None => mappings.push((what, vec![proof])),
        }
    }
    mappings
}

fn mapping(proof: &MappingProof) -> String {
    let protocol = match proof.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    let name = proof
        .name
        .as_ref()
        .map_or_else(String::new, |name| format!(" ({name})"));
    format!("{protocol} {} → {}{name}", ports(proof.port), ports(proof.to_port))
}

fn ports(range: PortRange) -> String {
    if range.count() == 1 {
        range.first().to_string()
    } else {
        format!("{}-{}", range.first(), range.last())
    }
}

fn family(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}

fn verdict(proof: &MappingProof, look: Look) -> String {
    let (good, bad, unsure) = (Style::new().green(), Style::new().red(), Style::new().yellow());
    let mapped = match proof.mapped {
        Mapped::Open => look.paint(good.clone(), "open"),
        Mapped::Refused => look.paint(unsure.clone(), "refused"),
        Mapped::Filtered => look.paint(bad.clone(), "filtered"),
        Mapped::Unverified => look.paint(unsure.clone(), "unverified"),
    };
    let direct = match proof.direct {
        DirectAccess::Closed => look.paint(good, "closed"),
        // With `direct: allow` this is as promised; whether it is, the host's end state says.
        DirectAccess::Open => look.paint(if proof.reason.is_some() { bad } else { Style::new() }, "open"),
        DirectAccess::Unverified => look.paint(unsure, "unverified"),
    };
    format!("{} {mapped} / direct {direct}", family(proof.family))
}

/// Why a mapping is not as promised or not verified; the family is named where it is not true of both.
pub(super) fn remarks(what: &str, families: &[&MappingProof]) -> Vec<String> {
    let mut reasons = families.iter().map(|proof| proof.reason.as_deref());
    if let Some(Some(first)) = reasons.next()
        && reasons.all(|reason| reason == Some(first))
    {
        return vec![format!("{what}: {first}")];
    }
    let one = |proof: &&MappingProof| Some(format!("{what} {}: {}", family(proof.family), proof.reason.as_ref()?));
    families.iter().filter_map(one).collect()
}
