//! Single variables of a host: found under their names, old spellings included, and checked.

use std::time::Duration;

use jiff::fmt::friendly::SpanParser;

use super::precedence::HostVars;
use crate::problem::Problem;
use crate::yaml::{Node, Value};

/// The shortest time to prove a change in: below it, a slow login would undo every change.
pub const MIN_ROLLBACK_AFTER: Duration = Duration::from_secs(5);
/// The longest time that a host may be unreachable.
pub const MAX_ROLLBACK_AFTER: Duration = Duration::from_secs(600);
/// The window where nobody names one.
pub const ROLLBACK_AFTER: Duration = Duration::from_secs(30);

/// The variables of this program.
pub const OURS: [&str; 3] = ["portmap", "portmap_rollback_after", "portmap_previous_ports"];

/// Reads a rollback window: `30s`, `2m`, `1m 30s`, or seconds.
///
/// # Errors
/// What is wrong with the text, as a sentence fragment.
pub fn rollback_after(text: &str) -> Result<Duration, String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let window = if is_number {
        text.parse().ok().map(Duration::from_secs)
    } else {
        SpanParser::new().parse_unsigned_duration(text).ok()
    };
    let window = window.ok_or_else(|| format!("`{text}` is not a time such as 30s or 2m"))?;
    if (MIN_ROLLBACK_AFTER..=MAX_ROLLBACK_AFTER).contains(&window) {
        return Ok(window);
    }
    Err(format!(
        "`{text}` is not between {} and {} seconds",
        MIN_ROLLBACK_AFTER.as_secs(),
        MAX_ROLLBACK_AFTER.as_secs()
    ))
}

/// Whether a name is meant for this program, well spelt or not.
pub(super) fn is_ours(name: &str) -> bool {
    let lower = name.to_lowercase();
    let bare: String = lower.chars().filter(char::is_ascii_alphanumeric).collect();
    let known = ["portmap", "portmaps", "portsmap", "portmapping", "portmappings"].contains(&bare.as_str());
    known || lower.starts_with("portmap_") || lower.starts_with("portmap-") || is_slip(&bare, OURS[0])
}

/// One letter too many, too few, or two swapped; a replaced one may well be another word (`portmax`).
fn is_slip(written: &str, word: &str) -> bool {
    let sorted = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    let replaced = written.len() == word.len() && sorted(written) != sorted(word);
    !replaced && written != word && strsim::osa_distance(written, word) == 1
}

/// Replaces the templates in a value by what they give.
pub type Render<'r> = dyn Fn(&Node) -> Result<Node, Vec<Problem>> + 'r;

/// Reads a host's variables and collects what is wrong with them.
pub(super) struct Variables<'h> {
    host: &'h HostVars<'h>,
    render: &'h Render<'h>,
    pub problems: Vec<Problem>,
}

impl<'h> Variables<'h> {
    pub fn of(host: &'h HostVars<'h>, render: &'h Render<'h>) -> Self {
        Self {
            host,
            render,
            problems: Vec::new(),
        }
    }

    /// Whether any of these names is set.
    pub fn has(&self, names: &[&str]) -> bool {
        self.set(names).is_some()
    }

    fn set(&self, names: &[&str]) -> Option<&'h Node> {
        let set = |name: &&str| {
            self.host
                .get(name)
                .map(|var| var.node)
                .filter(|node| node.value != Value::Null)
        };
        names.iter().find_map(set)
    }

    /// The value of the first of these names that is set, its templates rendered.
    pub fn find(&mut self, names: &[&str]) -> Option<Node> {
        let node = self.set(names)?;
        self.rendered(node).filter(|node| node.value != Value::Null)
    }

    /// As [`Self::find`] for one name, except that a null counts.
    pub fn find_even_null(&mut self, name: &str) -> Option<Node> {
        let node = self.host.get(name)?.node;
        self.rendered(node)
    }

    fn rendered(&mut self, node: &Node) -> Option<Node> {
        let rendered = (self.render)(node);
        rendered.map_err(|problems| self.problems.extend(problems)).ok()
    }

    /// A value of the first of these names that is set, read by `read`.
    pub fn read<T>(&mut self, names: &[&str], read: impl FnOnce(&Node) -> Result<T, Problem>) -> Option<T> {
        let node = self.find(names)?;
        read(&node).map_err(|problem| self.problems.push(problem)).ok()
    }

    /// The first of these names that is set, with its value, unchecked: what is wrong with a secret must not be shown.
    pub fn secret(&mut self, names: &[&'static str]) -> Option<(&'static str, Node)> {
        let (name, node) = names.iter().find_map(|&name| Some((name, self.set(&[name])?)))?;
        match (self.render)(node) {
            Ok(node) => Some((name, node)),
            Err(problems) => {
                // Its place is told in words: a shown line could show a password.
                let untold = |problem: Problem| Problem::new(format!("{name} at {}: {}", node.at, problem.message));
                self.problems.extend(problems.into_iter().map(untold));
                None
            }
        }
    }

    /// The names of all variables that are set, with their values.
    pub fn all(&self) -> impl Iterator<Item = (&'h str, &'h Node)> {
        self.host.iter().map(|var| (var.name, var.node))
    }
}

/// Text that is not empty.
pub(super) fn text<'n>(node: &'n Node, what: &str) -> Result<&'n str, Problem> {
    match node.text(what)? {
        "" => Err(Problem::at(&node.at, format!("{what} is empty"))),
        text => Ok(text),
    }
}

/// Ansible's `boolean`: yes, on, true, t, y, 1 and their opposites, in any casing, quoted or not.
pub(crate) fn boolean(node: &Node, what: &str) -> Result<bool, Problem> {
    let word = match &node.value {
        Value::Bool(value) => return Ok(*value),
        Value::Int(number) => number.to_string(),
        Value::String(text) => text.to_lowercase(),
        _ => String::new(),
    };
    match word.as_str() {
        "yes" | "on" | "true" | "t" | "y" | "1" => Ok(true),
        "no" | "off" | "false" | "f" | "n" | "0" => Ok(false),
        _ => Err(Problem::at(&node.at, format!("{what} is neither true nor false"))),
    }
}

/// The value of `portmap_rollback_after`.
pub(super) fn window(node: &Node) -> Result<Duration, Problem> {
    let read = match &node.value {
        Value::Int(seconds) if seconds.to_string() == node.raw() => rollback_after(node.raw()),
        Value::String(text) => rollback_after(text),
        _ => Err(format!("`{}` is not a time such as 30s or 2m", node.raw())),
    };
    read.map_err(|why| {
        Problem::at(&node.at, format!("portmap_rollback_after: {why}"))
            .hint("write seconds, or a time such as \"30s\" or \"2m\"")
    })
}
