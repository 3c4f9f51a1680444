//! One JSON document.

use serde_json::{Map, Value, json};

use super::{Looked, Overview};
use crate::firewall::audit::{Finding, Level, Place};
use crate::report::sanitise;

/// All that was found, with the exit code.
#[must_use]
pub fn document(overview: &Overview) -> String {
    let hosts: Map<String, Value> = overview
        .looked
        .iter()
        .map(|looked| (looked.name.clone(), one(looked)))
        .collect();
    let key = if overview.is_of_files() { "files" } else { "hosts" };
    let unreachable = overview
        .looked
        .iter()
        .filter(|looked| looked.found.as_ref().is_err_and(|unseen| unseen.unreachable));
    let document = json!({
        "exit_code": overview.exit_code().number(),
        "totals": {
            "redirects": overview.reports().map(|(_, report)| report.redirects.len()).sum::<usize>(),
            "errors": overview.count(Level::Error),
            "warnings": overview.count(Level::Warning),
            "notes": overview.count(Level::Note),
            "unreachable": unreachable.count(),
        },
        key: hosts,
    });
    format!("{:#}", clean(document))
}

/// The same with every text fit for a terminal.
fn clean(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(sanitise(&text)),
        Value::Array(all) => all.into_iter().map(clean).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| (sanitise(&key), clean(value)))
            .collect(),
        other => other,
    }
}

fn one(looked: &Looked) -> Value {
    let remarks = &looked.remarks;
    match &looked.found {
        Err(unseen) => json!({
            "state": if unseen.unreachable { "unreachable" } else { "failed" },
            "reason": unseen.reason,
            "remarks": remarks,
        }),
        Ok(report) => json!({
            "state": if report.is_clean() { "clean" } else { "findings" },
            "reason": Value::Null,
            "redirects": report.redirects,
            "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
            "remarks": remarks,
        }),
    }
}

fn finding(finding: &Finding) -> Value {
    let rule = |(role, place): &(String, Place)| {
        let mut rule = serde_json::to_value(place).unwrap_or_default();
        if let Some(fields) = rule.as_object_mut() {
            fields.insert("role".to_owned(), json!(role));
        }
        rule
    };
    json!({
        "id": finding.kind.code(),
        "kind": finding.kind.name(),
        "level": finding.level,
        "family": finding.family,
        "message": finding.message,
        "exposed": finding.exposed,
        "rules": finding.rules.iter().map(rule).collect::<Vec<_>>(),
        "better": finding.better,
    })
}
