//! `--output json` and `--output jsonl`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Preview, Previews, State};
use crate::firewall::Family;
use crate::plan::{DiffLine, Reach, Reached};

/// All hosts in one document, indented, without a final newline.
#[must_use]
pub fn document(previews: &Previews) -> String {
    let document = Document {
        end: End::of(previews),
        batches: &previews.batches,
        hosts: previews
            .hosts
            .iter()
            .map(|(name, preview)| (name.as_str(), Host::of(preview)))
            .collect(),
    };
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

/// The line of a host that was looked at.
#[must_use]
pub fn host_line(name: &str, preview: &Preview) -> String {
    let line = Line::Host {
        host: name,
        preview: Host::of(preview),
    };
    serde_json::to_string(&line).unwrap_or_default()
}

/// The line that ends a plan.
#[must_use]
pub fn totals_line(previews: &Previews) -> String {
    let end = End::of(previews);
    serde_json::to_string(&Line::Finished { end }).unwrap_or_default()
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    end: End,
    batches: &'a [usize],
    hosts: indexmap::IndexMap<&'a str, Host<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    Host {
        host: &'a str,
        #[serde(flatten)]
        preview: Host<'a>,
    },
    Finished {
        #[serde(flatten)]
        end: End,
    },
}

#[derive(Serialize)]
struct End {
    exit_code: u8,
    totals: BTreeMap<State, usize>,
}

impl End {
    fn of(previews: &Previews) -> Self {
        Self {
            exit_code: previews.exit_code().number(),
            totals: State::ALL.map(|state| (state, previews.count(state))).into(),
        }
    }
}

#[derive(Serialize)]
struct Host<'a> {
    state: State,
    generation: Option<u32>,
    reasons: &'a [String],
    rules: Vec<Changed<'a>>,
    reachability: Vec<Access>,
    warnings: &'a [String],
    hint: Option<&'a str>,
    seconds: f64,
}

impl<'a> Host<'a> {
    fn of(preview: &'a Preview) -> Self {
        let rules = preview.rules.iter().map(|diff| Changed {
            family: diff.family,
            table: diff.table,
            chain: diff.chain,
            removed: diff.lines.iter().filter_map(removed).collect(),
            added: diff.lines.iter().filter_map(added).collect(),
        });
        Self {
            state: preview.state,
            generation: preview.generation,
            reasons: &preview.reasons,
            rules: rules.collect(),
            reachability: preview.reach.iter().map(Access::of).collect(),
            warnings: &preview.warnings,
            hint: preview.hint.as_deref(),
            seconds: (preview.elapsed.as_secs_f64() * 1000.0).round() / 1000.0,
        }
    }
}

fn removed(line: &DiffLine) -> Option<&str> {
    match line {
        DiffLine::Removed(rule) => Some(rule),
        DiffLine::Added(_) => None,
    }
}

fn added(line: &DiffLine) -> Option<&str> {
    match line {
        DiffLine::Added(rule) => Some(rule),
        DiffLine::Removed(_) => None,
    }
}

#[derive(Serialize)]
struct Changed<'a> {
    family: Family,
    table: &'a str,
    chain: &'a str,
    removed: Vec<&'a str>,
    added: Vec<&'a str>,
}

#[derive(Serialize)]
struct Access {
    family: Family,
    /// An address, or `anywhere`.
    from: String,
    protocol: String,
    port: u16,
    before: Come,
    after: Come,
}

impl Access {
    fn of(reach: &Reach) -> Self {
        Self {
            family: reach.family,
            from: reach.from.to_string(),
            protocol: reach.protocol.to_string(),
            port: reach.port,
            before: Come::of(&reach.before),
            after: Come::of(&reach.after),
        }
    }
}

/// Where connections come to.
#[derive(Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
enum Come {
    Closed,
    Open { port: u16, listens: Option<bool> },
    Forwarded,
    Unknown { reason: String },
}

impl Come {
    fn of(reached: &Reached) -> Self {
        match reached {
            Reached::Closed => Self::Closed,
            Reached::Port { port, heard } => Self::Open {
                port: *port,
                listens: *heard,
            },
            Reached::Away => Self::Forwarded,
            Reached::Unknown(reason) => Self::Unknown { reason: reason.clone() },
        }
    }
}
