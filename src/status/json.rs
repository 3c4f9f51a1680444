//! `--output json` and `--output jsonl`.

use serde::{Serialize, Serializer};

use super::{Made, Overview, Pending, State, Status};

/// All hosts in one document, indented, without a final newline.
#[must_use]
pub fn document(overview: &Overview) -> String {
    let document = Document {
        end: End::of(overview),
        hosts: &overview.hosts,
    };
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

/// The line of a host that was looked at.
#[must_use]
pub fn host_line(name: &str, status: &Status) -> String {
    let host = Box::new(Host::of(status));
    serde_json::to_string(&Line::Host {
        host: name,
        status: host,
    })
    .unwrap_or_default()
}

/// The line that ends a look.
#[must_use]
pub fn totals_line(overview: &Overview) -> String {
    let end = End::of(overview);
    serde_json::to_string(&Line::Finished { end }).unwrap_or_default()
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    end: End,
    #[serde(serialize_with = "by_name")]
    hosts: &'a [(String, Status)],
}

fn by_name<S: Serializer>(hosts: &[(String, Status)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(hosts.iter().map(|(name, status)| (name, Host::of(status))))
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    Host {
        host: &'a str,
        #[serde(flatten)]
        status: Box<Host<'a>>,
    },
    Finished {
        #[serde(flatten)]
        end: End,
    },
}

#[derive(Serialize)]
struct End {
    exit_code: u8,
    totals: Totals,
    seconds: f64,
}

impl End {
    fn of(overview: &Overview) -> Self {
        Self {
            exit_code: overview.exit_code().number(),
            totals: Totals(State::ALL.map(|state| (state, overview.count(state))).to_vec()),
            seconds: seconds(overview.elapsed),
        }
    }
}

/// How many hosts are in each state, all states named.
struct Totals(Vec<(State, usize)>);

impl Serialize for Totals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(state, count)| (state, count)))
    }
}

#[derive(Serialize)]
struct Host<'a> {
    state: State,
    generation: Option<u32>,
    #[serde(flatten)]
    made: Maker<'a>,
    reasons: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    blame: Option<&'a str>,
    differences: &'a [String],
    pending: Option<Change<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [String],
    seconds: f64,
}

impl<'a> Host<'a> {
    fn of(status: &'a Status) -> Self {
        Self {
            state: status.state,
            generation: status.generation,
            made: Maker::of(&status.made),
            reasons: &status.reasons,
            blame: status.blame.as_deref(),
            differences: &status.differences,
            pending: status.pending.as_ref().map(Change::of),
            hint: status.hint.as_deref(),
            warnings: &status.warnings,
            seconds: seconds(status.elapsed),
        }
    }
}

#[derive(Serialize)]
struct Maker<'a> {
    since: Option<String>,
    operator: Option<&'a str>,
    run_id: Option<&'a str>,
}

impl<'a> Maker<'a> {
    fn of(made: &'a Made) -> Self {
        Self {
            since: made.since.map(|since| since.to_string()),
            operator: made.operator.as_deref(),
            run_id: made.run_id.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct Change<'a> {
    transaction: &'a str,
    #[serde(flatten)]
    made: Maker<'a>,
    until: Option<String>,
    seconds_left: u64,
}

impl<'a> Change<'a> {
    fn of(pending: &'a Pending) -> Self {
        Self {
            transaction: &pending.transaction,
            made: Maker::of(&pending.made),
            until: pending.until.map(|until| until.to_string()),
            seconds_left: pending.left.as_secs(),
        }
    }
}

/// Seconds to the millisecond.
pub(super) fn seconds(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}
