//! Where things stand, in bytes.

use std::sync::Arc;

use saphyr_parser::{Marker, Span};

use crate::problem::{Location, Source};

/// Bytes of the parser's places. It counts characters, and its index drifts in comments and directives; its lines
/// and columns do not.
pub(super) struct Index {
    pub source: Arc<Source>,
    /// Where the YAML begins: behind a byte order mark.
    pub begin: usize,
    /// The character at which each line begins.
    lines: Vec<usize>,
    /// The byte at which each character begins; empty where that is the same number.
    bytes: Vec<usize>,
}

impl Index {
    pub fn new(source: &Arc<Source>) -> Self {
        let text = &source.text;
        let begin = usize::from(text.starts_with('\u{feff}'));
        let mut lines = vec![begin];
        let mut characters = text.chars().enumerate().peekable();
        while let Some((at, c)) = characters.next() {
            let next = characters.peek().map(|(_, next)| *next);
            if c == '\n' || (c == '\r' && next != Some('\n')) {
                lines.push(at + 1);
            }
        }
        let bytes = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().map(|(byte, _)| byte).collect()
        };
        Self {
            source: Arc::clone(source),
            begin: begin * '\u{feff}'.len_utf8(),
            lines,
            bytes,
        }
    }

    /// The byte that a marker means; the end of the text for markers beyond it.
    pub fn byte(&self, marker: Marker) -> usize {
        let end = self.source.text.len();
        let line = self.lines.get(marker.line().saturating_sub(1));
        let character = line.map_or(usize::MAX, |line| line.saturating_add(marker.col()));
        if self.bytes.is_empty() {
            character.min(end)
        } else {
            self.bytes.get(character).copied().unwrap_or(end)
        }
    }

    pub fn range(&self, start: usize, end: usize) -> Location {
        Location {
            source: Arc::clone(&self.source),
            span: start..end.max(start),
        }
    }

    pub fn location(&self, span: Span) -> Location {
        self.range(self.byte(span.start), self.byte(span.end))
    }
}
