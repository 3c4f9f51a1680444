//! The words of a host's line, as Python's `shlex` splits them: quotes and backslashes as in a shell, `#` begins a
//! comment even within a word.

use std::borrow::Cow;
use std::ops::Range;

use super::line::Line;
use crate::problem::Problem;

/// A word without its quotes.
pub(super) struct Word<'l> {
    pub text: Cow<'l, str>,
    /// Where it is in the line, quotes included.
    pub span: Range<usize>,
    /// Where each of its bytes is in the line; empty where they are one behind the other.
    places: Vec<usize>,
}

impl Word<'_> {
    /// Where a range of its bytes is in the line: with the quotes around it, where it reaches to the word's end.
    pub fn place(&self, range: Range<usize>) -> Range<usize> {
        if self.places.is_empty() {
            return self.span.start + range.start..self.span.start + range.end;
        }
        let is_whole = range.end == self.text.len();
        let end = if is_whole { self.span.end } else { self.at(range.end) };
        let before = range
            .start
            .checked_sub(1)
            .map_or(self.span.start, |last| self.at(last) + 1);
        let start = if is_whole { before } else { self.at(range.start) };
        start..end.max(start)
    }

    fn at(&self, byte: usize) -> usize {
        self.places.get(byte).copied().unwrap_or(self.span.end)
    }

    /// Whether there are quotes or backslashes from this byte of the text on.
    pub fn is_quoted_from(&self, byte: usize) -> bool {
        self.place(byte..self.text.len()).len() != self.text.len() - byte
    }
}

/// Why a line cannot be split.
pub(super) enum Fault {
    /// The quote at this byte is not closed.
    Open(usize),
    /// Nothing is behind the backslash at the end.
    Backslash(usize),
}

impl Fault {
    pub fn problem(self, line: &Line<'_>) -> Problem {
        match self {
            Self::Open(at) => Problem::at(&line.location(at..at + 1), "this quote is not closed")
                .hint("write an apostrophe in double quotes: \"it's\""),
            Self::Backslash(at) => Problem::at(&line.location(at..at + 1), "nothing is behind this backslash")
                .hint("a line cannot be continued on the next one"),
        }
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// The words of a line, up to its comment.
pub(super) fn split(line: &str) -> Result<Vec<Word<'_>>, Fault> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(word) = word(line, at)? {
        at = word.span.end;
        words.push(word);
    }
    Ok(words)
}

/// The first word from this byte on.
fn word(line: &str, from: usize) -> Result<Option<Word<'_>>, Fault> {
    let rest = line.get(from..).unwrap_or_default();
    let start = from + rest.len() - rest.trim_start_matches(is_blank).len();
    let rest = line.get(start..).unwrap_or_default();
    if rest.is_empty() || rest.starts_with('#') {
        return Ok(None);
    }
    let end = rest
        .find(|c| is_blank(c) || matches!(c, '#' | '"' | '\'' | '\\'))
        .unwrap_or(rest.len());
    let (plain, behind) = rest.split_at(end);
    if behind.starts_with(['"', '\'', '\\']) {
        return Quoted::new(line, start).word().map(Some);
    }
    Ok(Some(Word {
        text: Cow::Borrowed(plain),
        span: start..start + end,
        places: Vec::new(),
    }))
}

/// Reads a word with quotes or backslashes in it.
struct Quoted<'l> {
    line: &'l str,
    start: usize,
    at: usize,
    text: String,
    places: Vec<usize>,
}

impl<'l> Quoted<'l> {
    fn new(line: &'l str, start: usize) -> Self {
        Self {
            line,
            start,
            at: start,
            text: String::new(),
            places: Vec::new(),
        }
    }

    fn word(mut self) -> Result<Word<'l>, Fault> {
        while let Some(c) = self.peek() {
            let begin = self.at;
            match c {
                '#' => break,
                _ if is_blank(c) => break,
                '"' | '\'' => {
                    self.at += 1;
                    self.quoted(c).ok_or(Fault::Open(begin))?;
                }
                '\\' => {
                    self.at += 1;
                    self.take().ok_or(Fault::Backslash(begin))?;
                }
                _ => self.take().unwrap_or_default(),
            }
        }
        Ok(Word {
            text: Cow::Owned(self.text),
            span: self.start..self.at,
            places: self.places,
        })
    }

    fn peek(&self) -> Option<char> {
        self.line.get(self.at..).unwrap_or_default().chars().next()
    }

    /// Adds the next character to the text.
    fn take(&mut self) -> Option<()> {
        let c = self.peek()?;
        self.places.extend(self.at..self.at + c.len_utf8());
        self.text.push(c);
        self.at += c.len_utf8();
        Some(())
    }

    /// All up to the closing quote, and over it.
    fn quoted(&mut self, quote: char) -> Option<()> {
        loop {
            let c = self.peek()?;
            if c == quote {
                self.at += 1;
                return Some(());
            }
            // In double quotes a backslash hides itself and the quote, and nothing else.
            let rest = self.line.get(self.at..).unwrap_or_default();
            if quote == '"' && (rest.starts_with("\\\\") || rest.starts_with("\\\"")) {
                self.at += 1;
            }
            self.take()?;
        }
    }
}
