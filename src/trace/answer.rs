//! What became of a packet, as a line of JSON.

use std::net::IpAddr;

use serde::Serialize;

use crate::firewall::trace::{Step, Trace, Verdict};

#[derive(Serialize)]
struct Answer<'a> {
    verdict: String,
    dst: Option<IpAddr>,
    dport: Option<u16>,
    path: Vec<String>,
    reason: Option<&'a str>,
}

/// A packet's way as one line, without its end.
#[must_use]
pub fn answer(trace: &Trace<'_>) -> String {
    written(&Answer {
        verdict: trace.verdict.to_string(),
        dst: trace.destination,
        dport: trace.destination_port,
        path: trace.steps.iter().map(step).collect(),
        reason: trace.reason.as_deref().filter(|_| trace.verdict == Verdict::Unknown),
    })
}

/// The answer to what is no question.
#[must_use]
pub fn no_answer(reason: &str) -> String {
    written(&Answer {
        verdict: Verdict::Unknown.to_string(),
        dst: None,
        dport: None,
        path: Vec::new(),
        reason: Some(reason),
    })
}

fn written(answer: &Answer<'_>) -> String {
    // Strings and numbers can always be written.
    serde_json::to_string(answer).unwrap_or_default()
}

fn step(step: &Step<'_>) -> String {
    format!("{} {}: {}", step.table, step.chain, said(step))
}

/// What a step says: the rule after its chain, or the policy.
pub(super) fn said(step: &Step<'_>) -> String {
    match step.rule {
        Some(rule) => rule.spec().to_owned(),
        None => format!("policy {}", step.policy.unwrap_or("ACCEPT")),
    }
}
