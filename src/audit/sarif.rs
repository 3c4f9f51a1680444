//! SARIF 2.1.0, the form in which code scanners hand over their findings: a place in a file for rules that were read from
//! one, a logical place for a host's live rules.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Looked, Overview};
use crate::firewall::audit::{Finding, Kind, Level, Place};
use crate::report::sanitise;

/// The log of one run.
#[must_use]
pub fn sarif(overview: &Overview) -> String {
    let results: Vec<Value> = overview
        .reports()
        .flat_map(|(looked, report)| report.findings.iter().map(move |finding| result(looked, finding)))
        .collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "portmap-deploy",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": Kind::ALL.map(rule),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": overview.looked.iter().all(|looked| looked.found.is_ok()) && !overview.interrupted,
                "toolExecutionNotifications": overview.looked.iter().filter_map(notification).collect::<Vec<_>>(),
            }],
            "results": results,
        }],
    });
    format!("{log:#}")
}

/// How bad a finding of a kind is, where it does not say.
fn level(kind: Kind) -> Level {
    match kind {
        Kind::BothWork
        | Kind::NeitherWorks
        | Kind::OnlyDirect
        | Kind::Shadowed
        | Kind::Notrack
        | Kind::OpenOverIpv6 => Level::Error,
        Kind::Unknown | Kind::GuardVoid | Kind::AcceptTooLate | Kind::JailOnMappedPort => Level::Warning,
        Kind::TakesRouted | Kind::SomeSources | Kind::OwnPackets => Level::Note,
    }
}

fn rule(kind: Kind) -> Value {
    json!({
        "id": kind.code(),
        "name": kind.name(),
        "shortDescription": { "text": kind.meaning() },
        "fullDescription": { "text": kind.meaning() },
        "help": { "text": kind.meaning() },
        "defaultConfiguration": { "level": level(kind) },
    })
}

fn result(looked: &Looked, finding: &Finding) -> Value {
    let mut places = finding.rules.iter().map(|(role, place)| location(looked, role, place));
    let first = places
        .next()
        .unwrap_or_else(|| json!({ "logicalLocations": [{ "name": sanitise(&looked.name), "kind": "host" }] }));
    let related: Vec<Value> = places.collect();
    let index = Kind::ALL
        .iter()
        .position(|kind| *kind == finding.kind)
        .unwrap_or_default();
    json!({
        "ruleId": finding.kind.code(),
        "ruleIndex": index,
        "level": finding.level,
        "message": { "text": message(finding) },
        "locations": [first],
        "relatedLocations": related,
        "partialFingerprints": { "portmapDeploy/v1": fingerprint(looked, finding) },
    })
}

fn message(finding: &Finding) -> String {
    let mut text = sanitise(&finding.message);
    if let Some(exposed) = &finding.exposed {
        let _ = write!(text, ". Exposed: {}", sanitise(exposed));
    }
    if !finding.better.sentence.is_empty() {
        let _ = write!(text, ". Better: {}", sanitise(&finding.better.sentence));
    }
    for line in finding.better.mapping.iter().chain(&finding.better.commands) {
        let _ = write!(text, "\n{}", sanitise(line));
    }
    text
}

fn location(looked: &Looked, role: &str, place: &Place) -> Value {
    let name = sanitise(&looked.name);
    let path = format!(
        "{name}/{}/{}/{}/{}",
        place.family.name(),
        sanitise(&place.table),
        sanitise(&place.chain),
        place.number
    );
    let mut location = json!({
        "message": { "text": format!("{}: {}", sanitise(role), sanitise(&place.rule)) },
        "logicalLocations": [
            { "name": sanitise(&place.chain), "fullyQualifiedName": path, "kind": "rule" },
        ],
    });
    let parts = [
        looked.files.get(&place.family).map(|file| {
            let mut physical = json!({ "artifactLocation": { "uri": uri(file) } });
            if let (Some(line), Some(fields)) = (place.line, physical.as_object_mut()) {
                let region = json!({ "startLine": line, "snippet": { "text": sanitise(&place.rule) } });
                fields.insert("region".to_owned(), region);
            }
            ("physicalLocation", physical)
        }),
        looked.files.is_empty().then(|| {
            let host = json!({ "name": name, "fullyQualifiedName": name, "kind": "host" });
            let own = location.get("logicalLocations").and_then(|all| all.get(0)).cloned();
            ("logicalLocations", json!([host, own.unwrap_or_default()]))
        }),
    ];
    if let Some(fields) = location.as_object_mut() {
        fields.extend(parts.into_iter().flatten().map(|(key, value)| (key.to_owned(), value)));
    }
    location
}

/// A file's name as a reference of RFC 3986.
fn uri(file: &str) -> String {
    if file == "-" {
        return "stdin".to_owned();
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let escape = |byte: u8| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    let path: String = file.bytes().map(escape).collect();
    if file.starts_with('/') {
        format!("file://{path}")
    } else {
        path
    }
}

/// The same for the same finding about the same rule, wherever it stands.
fn fingerprint(looked: &Looked, finding: &Finding) -> String {
    let mut hash = Sha256::new();
    let rules = finding.rules.iter().map(|(_, place)| place.rule.as_str());
    let parts = [looked.name.as_str(), finding.kind.code(), finding.family.name()];
    for part in parts.into_iter().chain(rules) {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let digest = hash.finalize();
    digest.iter().take(16).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn notification(looked: &Looked) -> Option<Value> {
    let unseen = looked.found.as_ref().err()?;
    Some(json!({
        "level": "error",
        "message": { "text": format!("{}: {}", sanitise(&looked.name), sanitise(&unseen.reason)) },
    }))
}
