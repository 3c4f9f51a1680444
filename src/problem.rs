//! A problem in a file a user wrote: what is wrong, where, and how to mend it.

use std::ops::Range;
use std::sync::Arc;

/// A text that was read, with the name to call it by in messages (a path, or `-i` text).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What the user called it.
    pub name: String,
    /// All of its text.
    pub text: String,
}

/// A place in a [`Source`]: a range of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The text.
    pub source: Arc<Source>,
    /// First byte, and the byte after the last.
    pub span: Range<usize>,
}

/// One problem. Errors are lowercase fragments that say what; `hint` says what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// What to write beside the caret, when there is more to say.
    pub label: Option<String>,
    /// Where.
    pub at: Option<Location>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Placeholder.
#[must_use]
pub fn render(problems: &[Problem], _color: bool) -> String {
    problems.iter().map(|p| format!("error: {}\n", p.message)).collect()
}
