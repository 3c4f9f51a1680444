//! What has to hold before a host's change is confirmed: the items of `verify`.

use std::time::Duration;

use super::fields::Fields;
use super::value::{collect, count, items, time};
use crate::inventory::MAX_ROLLBACK_AFTER;
use crate::mapping::port;
use crate::problem::{Location, Problem, nearest};
use crate::template::needs_rendering;
use crate::yaml::{Node, Value};

/// The kinds of checks; a check has one of these keys.
const KINDS: [&str; 6] = ["ssh", "tcp", "closed", "http", "command", "remote_command"];

/// The keys of a check: its kind, and how patient it is.
pub const CHECK_KEYS: [&str; 9] = [
    "ssh",
    "tcp",
    "closed",
    "http",
    "command",
    "remote_command",
    "timeout",
    "retries",
    "delay",
];

/// The keys of `http`.
pub const HTTP_KEYS: [&str; 3] = ["url", "status", "contains"];

/// The most checks that a play may have: they run within a host's rollback window.
const MAX_CHECKS: usize = 64;
/// The most often that a check may be tried again.
const MAX_RETRIES: u32 = 100;
/// The longest time that a check may take or wait: no rollback window is longer.
const MAX_TIME: Duration = Duration::from_secs(600);

/// What is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// A new login.
    Ssh,
    /// Whether a port of the host answers from here.
    Tcp(u16),
    /// Whether a port of the host does not.
    Closed(u16),
    /// A request.
    Http {
        /// What is asked for; `http` or `https`.
        url: String,
        /// The answers that are good.
        status: Vec<u16>,
        /// What the answer's body must hold.
        contains: Option<String>,
    },
    /// A program on this machine and its arguments: good when it ends with 0. No shell reads them.
    Command(Vec<String>),
    /// The same on the host.
    RemoteCommand(Vec<String>),
}

/// A check and its patience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is tried.
    pub probe: Probe,
    /// How long one try may take; 5 seconds unless said otherwise.
    pub timeout: Duration,
    /// How often it is tried again; never unless said otherwise.
    pub retries: u32,
    /// The wait before it is tried again; a second unless said otherwise.
    pub delay: Duration,
}

impl Check {
    /// Reads a value of `verify` whose templates are rendered.
    ///
    /// # Errors
    /// Everything that is wrong with any of the checks.
    pub fn list(node: &Node) -> Result<Vec<Self>, Vec<Problem>> {
        let mut problems = Vec::new();
        let read = |item: &Node| match check(item) {
            Ok(check) => Some(check),
            Err(found) => {
                problems.extend(found);
                None
            }
        };
        let checks: Vec<Self> = all(node)?.iter().filter_map(read).collect();
        if problems.is_empty() { Ok(checks) } else { Err(problems) }
    }

    /// The same for a host with this rollback window: all checks run at once, within a third of it.
    ///
    /// # Errors
    /// As [`Self::list`], and the checks that could take longer.
    pub fn list_within(node: &Node, window: Duration) -> Result<Vec<Self>, Vec<Problem>> {
        let checks = Self::list(node)?;
        let places = all(node)?.iter().map(|item| &item.at);
        let too_long = checks
            .iter()
            .zip(places)
            .filter(|(check, _)| check.longest() > window / 3);
        let problems: Vec<Problem> = too_long.map(|(check, at)| check.does_not_fit(at, window)).collect();
        if problems.is_empty() { Ok(checks) } else { Err(problems) }
    }

    /// How long it takes when every try takes its time and fails.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.timeout * (self.retries + 1) + self.delay * self.retries
    }

    fn does_not_fit(&self, at: &Location, window: Duration) -> Problem {
        let tries = match self.retries {
            0 => "its timeout".to_owned(),
            retries => format!(
                "{} tries of {} and {retries} x {} between them",
                retries + 1,
                seconds(self.timeout),
                seconds(self.delay)
            ),
        };
        let message = format!(
            "this check may take {} ({tries}), and a third of the rollback window of {} is {}",
            seconds(self.longest()),
            seconds(window),
            seconds(window / 3)
        );
        let needed = self.longest() * 3;
        Problem::at(at, message).hint(if needed <= MAX_ROLLBACK_AFTER {
            format!(
                "allow it less time, or give the play `rollback_after: {}s`",
                needed.as_millis().div_ceil(1000)
            )
        } else {
            format!(
                "allow it less time: no window is longer than {}",
                seconds(MAX_ROLLBACK_AFTER)
            )
        })
    }

    /// What is wrong with those checks of a value that no template hides.
    pub(super) fn inspect(node: &Node) -> Vec<Problem> {
        match all(node) {
            Ok(items) => items
                .iter()
                .filter(|item| !needs_rendering(item))
                .filter_map(|item| check(item).err())
                .flatten()
                .collect(),
            Err(problems) if !needs_rendering(node) => problems,
            Err(_) => vec![],
        }
    }
}

/// `40s`, or `1.5s`.
fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs_f64())
}

fn all(node: &Node) -> Result<&[Node], Vec<Problem>> {
    match &node.value {
        Value::List(items) if items.len() <= MAX_CHECKS => Ok(items),
        Value::List(items) => {
            let message = format!(
                "{} checks are more than the {MAX_CHECKS} that a play may have",
                items.len()
            );
            Err(vec![Problem::at(&node.at, message)])
        }
        other => {
            let problem = Problem::at(
                &node.at,
                format!("verify is {}, and must be a list of checks", other.kind()),
            );
            Err(vec![problem.hint("begin each check with `- `, such as `- tcp: 8080`")])
        }
    }
}

fn check(item: &Node) -> Result<Check, Vec<Problem>> {
    match &item.value {
        Value::String(text) if text == "ssh" => Ok(Check {
            probe: Probe::Ssh,
            timeout: Duration::from_secs(5),
            retries: 0,
            delay: Duration::from_secs(1),
        }),
        Value::Map(_) => of_map(item),
        _ => {
            let problem = Problem::at(&item.at, "a check is `ssh` or a map such as `tcp: 8080`");
            let meant = item.as_str().and_then(|text| nearest(text, &KINDS));
            let hint = match meant {
                Some("ssh") => "write `- ssh`".to_owned(),
                Some(kind) => format!("write `- {kind}: ...`"),
                None => format!("the kinds of checks are {}", KINDS.join(", ")),
            };
            Err(vec![problem.hint(hint)])
        }
    }
}

fn of_map(item: &Node) -> Result<Check, Vec<Problem>> {
    let mut fields = Fields::of(item);
    fields.refuse_unknown(&CHECK_KEYS, "a check");
    let probe = probe(item, &mut fields);
    let timeout = fields.read("timeout", |node| {
        time(node, "timeout", &(Duration::from_millis(1)..=MAX_TIME))
    });
    let retries = fields.read("retries", retries);
    let delay = fields.read("delay", |node| time(node, "delay", &(Duration::ZERO..=MAX_TIME)));
    match probe {
        Some(probe) if fields.problems.is_empty() => Ok(Check {
            probe,
            timeout: timeout.unwrap_or(Duration::from_secs(5)),
            retries: retries.unwrap_or(0),
            delay: delay.unwrap_or(Duration::from_secs(1)),
        }),
        _ => Err(fields.problems),
    }
}

fn retries(node: &Node) -> Result<u32, Problem> {
    let retries = count(node, "retries")?;
    if retries > MAX_RETRIES {
        return Err(Problem::at(
            &node.at,
            format!("retries: {retries} is more than {MAX_RETRIES}"),
        ));
    }
    Ok(retries)
}

/// The one key of a check that says what is tried.
fn probe(item: &Node, fields: &mut Fields<'_>) -> Option<Probe> {
    let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| item.get(kind).is_some()).collect();
    let [kind] = kinds.as_slice() else {
        let message = match kinds.as_slice() {
            // A key that is none has been reported as such.
            [] if !fields.problems.is_empty() => return None,
            [] => format!("this check does not say what to try: one of {}", KINDS.join(", ")),
            _ => format!("this check has several kinds: {}", kinds.join(", ")),
        };
        let problem = Problem::at(&item.at, message).hint("begin each check with `- `");
        fields.problems.push(problem);
        return None;
    };
    let node = item.get(kind)?;
    fields.note(read_probe(kind, node))
}

fn read_probe(kind: &str, node: &Node) -> Result<Probe, Vec<Problem>> {
    let one = |problem| vec![problem];
    match kind {
        "ssh" if node.value == Value::Null => Ok(Probe::Ssh),
        "ssh" => Err(one(Problem::at(&node.at, "ssh has nothing to say")
            .hint("write `- ssh`, or `- ssh:` with `timeout` and the like below"))),
        "tcp" => port(node, "tcp").map(Probe::Tcp).map_err(one),
        "closed" => port(node, "closed").map(Probe::Closed).map_err(one),
        "http" => http(node),
        "command" => words(node, kind).map(Probe::Command),
        _ => words(node, kind).map(Probe::RemoteCommand),
    }
}

/// A program and its arguments: a list, or a text that is split as a shell would.
fn words(node: &Node, key: &str) -> Result<Vec<String>, Vec<Problem>> {
    let words = if let Value::List(items) = &node.value {
        collect(items, |item| item.text(&format!("a word of {key}")).map(str::to_owned))?
    } else {
        let unpaired = || Problem::at(&node.at, format!("{key}: a quotation mark or backslash has no partner"));
        let split = |text| shlex::split(text).ok_or_else(unpaired);
        node.text(key).and_then(split).map_err(|problem| vec![problem])?
    };
    if words.first().is_none_or(String::is_empty) {
        return Err(vec![Problem::at(&node.at, format!("{key} is empty"))]);
    }
    if words.iter().any(|word| word.contains('\0')) {
        return Err(vec![Problem::at(&node.at, format!("{key} holds a null"))]);
    }
    Ok(words)
}

fn http(node: &Node) -> Result<Probe, Vec<Problem>> {
    if !matches!(node.value, Value::Map(_)) {
        let problem = Problem::at(&node.at, format!("http is {}, and must be a map", node.value.kind()));
        return Err(vec![problem.hint("write `http: {url: \"http://...\"}`")]);
    }
    let mut fields = Fields::of(node);
    fields.refuse_unknown(&HTTP_KEYS, "http");
    let url = fields.read("url", url);
    let status = fields.find("status").map(|node| collect(items(node), status));
    let status = status.and_then(|read| fields.note(read));
    let contains = fields.read("contains", |node| node.text("contains").map(str::to_owned));
    if url.is_none() && fields.problems.is_empty() {
        fields.problems.push(Problem::at(&node.at, "http has no `url`"));
    }
    match url {
        Some(url) if fields.problems.is_empty() => Ok(Probe::Http {
            url,
            status: status.unwrap_or_else(|| vec![200]),
            contains,
        }),
        _ => Err(fields.problems),
    }
}

fn url(node: &Node) -> Result<String, Problem> {
    let text = node.text("url")?;
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let has_host = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', ':', '?', '#']));
    if !has_host || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        let problem = Problem::at(&node.at, format!("`{text}` is not a url"));
        return Err(problem.hint("write it in full: http://203.0.113.7:8080/health"));
    }
    Ok(text.to_owned())
}

fn status(node: &Node) -> Result<u16, Problem> {
    let code = count(node, "status")?;
    u16::try_from(code)
        .ok()
        .filter(|code| (100..=599).contains(code))
        .ok_or_else(|| {
            Problem::at(&node.at, format!("status: {code} is no answer's status")).hint("they go from 100 to 599")
        })
}
