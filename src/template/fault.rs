//! What can be wrong with a template, from the engine's errors to problems with a place.

use std::ops::Range;
use std::sync::Arc;

use minijinja::{Error, ErrorKind};

use super::context::Context;
use super::source::Source;
use super::{filters, functions, tests_of_values};
use crate::problem::{Problem, nearest};
use crate::yaml::Node;

/// Why a template gives no value.
pub(super) enum Fault {
    /// It uses something undefined, which a `default` further out may mend.
    Undefined(Problem),
    /// Nothing mends it.
    Fatal(Problem),
}

impl Fault {
    pub fn problem(self) -> Problem {
        match self {
            Self::Undefined(problem) | Self::Fatal(problem) => problem,
        }
    }
}

/// Something that was looked for and not found.
#[derive(Clone)]
pub(super) struct Miss {
    what: Missed,
    /// Why it is undefined, where it is a variable that uses something undefined.
    reason: Option<Arc<Problem>>,
}

#[derive(Clone)]
enum Missed {
    Name(String),
    /// A chain of attributes, by its place in the template.
    Chain(Range<usize>),
}

impl Miss {
    pub fn name(name: &str) -> Self {
        Self {
            what: Missed::Name(name.to_owned()),
            reason: None,
        }
    }

    /// A chain of attributes; what was noted of its beginning stays.
    pub fn chain(range: Range<usize>, last: Option<Self>) -> Self {
        match last {
            Some(last) if matches!(&last.what, Missed::Chain(known) if known.start == range.start) => last,
            Some(Self {
                what: Missed::Name(name),
                reason,
            }) if reason.is_some() || name.len() == range.len() => Self {
                what: Missed::Chain(range),
                reason,
            },
            _ => Self {
                what: Missed::Chain(range),
                reason: None,
            },
        }
    }

    pub fn because(self, reason: &Arc<Problem>) -> Self {
        Self {
            reason: Some(Arc::clone(reason)),
            ..self
        }
    }
}

impl Fault {
    /// The fault behind an error of the engine in the template of a node.
    pub fn of(error: &Error, node: &Node, context: &Context) -> Self {
        if let Some(problem) = context.fatal() {
            return Self::Fatal(problem);
        }
        let range = error.range().map(|range| original(node, &range));
        if is_undefined(error) {
            return Self::Undefined(undefined(node, range, context));
        }
        let (message, hint) = explain(error, context);
        let problem = context.problem(node, range, message);
        Self::Fatal(match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        })
    }
}

/// The place in the template that the engine means.
fn original(node: &Node, range: &Range<usize>) -> Range<usize> {
    let text = node.as_str().unwrap_or_default();
    let range = Source::new(text).original(range);
    let end = text.len() - text.len().min(text.trim_end().len());
    range.start.min(text.len())..range.end.min(text.len() - end).max(range.start.min(text.len()))
}

/// Operators tell an undefined operand by naming its type.
fn is_undefined(error: &Error) -> bool {
    let operand = |detail: &str| detail.starts_with("tried to use") && detail.contains("undefined");
    error.kind() == ErrorKind::UndefinedError || error.detail().is_some_and(operand)
}

/// The problem of something undefined: that of the variable behind it, or this.
pub(super) fn undefined(node: &Node, range: Option<Range<usize>>, context: &Context) -> Problem {
    let text = node.as_str().unwrap_or_default();
    let Some(miss) = context.last_miss() else {
        return context.problem(node, range, "an undefined value is used");
    };
    if let Some(reason) = miss.reason {
        return Problem::clone(&reason);
    }
    let (name, place) = match miss.what {
        Missed::Chain(place) => (text.get(place.clone()).unwrap_or_default().to_owned(), Some(place)),
        Missed::Name(name) => {
            let place = find(text, range.as_ref(), &name);
            (name, place)
        }
    };
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    context
        .problem(node, place.or(range), format!("`{name}` is undefined"))
        .hint("define it, or give it a value for this case: `| default(…)`")
}

/// The first place of a name as a word of its own.
fn find(text: &str, range: Option<&Range<usize>>, name: &str) -> Option<Range<usize>> {
    let whole = 0..text.len();
    let within = range
        .filter(|range| text.get((*range).clone()).is_some())
        .unwrap_or(&whole);
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let searched = text.get(within.clone()).unwrap_or_default();
    let alone = |at: usize| {
        let before = searched.get(..at).is_some_and(|before| before.ends_with(part));
        let behind = searched
            .get(at + name.len()..)
            .is_some_and(|behind| behind.starts_with(part));
        !before && !behind
    };
    let (at, _) = searched.match_indices(name).find(|(at, _)| alone(*at))?;
    Some(within.start + at..within.start + at + name.len())
}

/// What is wrong in words, and what to do about it.
fn explain(error: &Error, context: &Context) -> (String, Option<String>) {
    let detail = error.detail().unwrap_or_default();
    match error.kind() {
        ErrorKind::SyntaxError | ErrorKind::BadEscape => {
            (format!("this template cannot be read: {detail}"), syntax_hint(detail))
        }
        ErrorKind::UnknownFilter => unknown("filter", word_of(detail), &filters::names()),
        ErrorKind::UnknownTest => unknown("test", word_of(detail), &tests_of_values::names()),
        ErrorKind::UnknownFunction => unknown(
            "function",
            detail.split(' ').next().unwrap_or_default(),
            &functions::names(),
        ),
        ErrorKind::OutOfFuel => (
            "this template takes too long".to_owned(),
            Some("let it do less, or compute the value outside".to_owned()),
        ),
        ErrorKind::UnknownMethod => ("this method is not known".to_owned(), None),
        ErrorKind::InvalidOperation if detail.starts_with("unable to calculate") => (
            "this cannot be calculated: it divides by zero, or is too large".to_owned(),
            None,
        ),
        _ if context.has_secrets() => ("this template cannot be rendered".to_owned(), None),
        kind => {
            let why = error.detail().map_or_else(|| kind.to_string(), str::to_owned);
            (format!("this template cannot be rendered: {why}"), None)
        }
    }
}

fn syntax_hint(detail: &str) -> Option<String> {
    detail
        .contains("unknown statement")
        .then(|| "statements are if, for, set, with, macro, call, filter, raw and do".to_owned())
}

/// `filter nope is unknown` names it in the second word.
fn word_of(detail: &str) -> &str {
    detail.split_whitespace().nth(1).unwrap_or_default()
}

fn unknown(kind: &str, name: &str, known: &[&str]) -> (String, Option<String>) {
    let name = name.trim_matches(['`', '\'', '"']);
    let short = name.rsplit('.').next().unwrap_or(name);
    let hint = match nearest(short, known) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("{kind}s of Jinja2 and of ansible.builtin are known, and ansible.utils.ipaddr with its kin"),
    };
    (format!("the {kind} `{name}` is not known"), Some(hint))
}
