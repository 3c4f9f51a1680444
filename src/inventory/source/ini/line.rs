//! Lines as Python splits them.

use std::ops::Range;
use std::sync::Arc;

use crate::inventory::literal::is_space;
use crate::problem::{Location, Source};

/// A line that says something, without the space around it.
pub(super) struct Line<'s> {
    pub text: &'s str,
    source: &'s Arc<Source>,
    /// Its first byte.
    start: usize,
}

/// What ends a line for Python's `splitlines`.
fn ends_line(c: char) -> bool {
    matches!(
        c,
        '\n' | '\x0b' | '\x0c' | '\r' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// The lines that are neither empty nor comments.
pub(super) fn lines(source: &Arc<Source>) -> impl Iterator<Item = Line<'_>> {
    let mut at = 0;
    let lines = source.text.split_inclusive(ends_line).map(move |whole| {
        let start = at + whole.len() - whole.trim_start_matches(is_space).len();
        at += whole.len();
        Line {
            text: whole.trim_matches(is_space),
            source,
            start,
        }
    });
    lines.filter(|line| !line.text.is_empty() && !line.text.starts_with(['#', ';']))
}

impl<'s> Line<'s> {
    /// The place of bytes of this line.
    pub fn location(&self, range: Range<usize>) -> Location {
        Location {
            source: Arc::clone(self.source),
            span: self.start + range.start..self.start + range.end,
        }
    }

    pub fn whole(&self) -> Location {
        self.location(0..self.text.len())
    }

    pub fn slice(&self, range: Range<usize>) -> &'s str {
        self.text.get(range).unwrap_or_default()
    }

    /// The range without the space around it.
    pub fn trimmed(&self, range: Range<usize>) -> Range<usize> {
        let text = self.slice(range.clone());
        let start = range.start + text.len() - text.trim_start_matches(is_space).len();
        let end = start + text.trim_matches(is_space).len();
        start..end
    }
}
