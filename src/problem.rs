//! A problem in a file a user wrote: what is wrong, where, and how to mend it.
//!
//! Problems are collected, not thrown: a reader reports all of a file's problems at once, and [`render`] shows each
//! with its line and a caret under the value. This module does not know what the files mean.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

/// A text that was read, with the name to call it by in messages (a path, or `-i` text).
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// What the user called it.
    pub name: String,
    /// All of its text.
    pub text: String,
    /// Whether the text was encrypted: it is shown nowhere, only places in it are named.
    pub is_secret: bool,
}

impl Source {
    /// A source, ready to be shared by the locations in it.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            text: text.into(),
            is_secret: false,
        })
    }

    /// The text of a file that was encrypted.
    #[must_use]
    pub fn secret(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            text: text.into(),
            is_secret: true,
        })
    }
}

/// Without the text, which may be long and hold secrets.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.name)
    }
}

/// A place in a [`Source`]: a range of bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    /// The text.
    pub source: Arc<Source>,
    /// First byte, and the byte after the last.
    pub span: Range<usize>,
}

impl Location {
    /// The text at this place; empty where the span lies outside of the source or splits a character.
    #[must_use]
    pub fn text(&self) -> &str {
        self.source.text.get(self.span.clone()).unwrap_or_default()
    }

    /// Line and column of the first character, both from 1, the column in characters.
    #[must_use]
    pub fn line_and_column(&self) -> (usize, usize) {
        let (before, _) = self.source.text.split_at(boundary(&self.source.text, self.span.start));
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    /// The line that this place begins in, without its line end, and this place within it, cut at its end.
    fn first_line(&self) -> (&str, Range<usize>) {
        let text = self.source.text.as_str();
        let start = boundary(text, self.span.start);
        let (before, _) = text.split_at(start);
        let begin = before.rfind('\n').map_or(0, |newline| newline + 1);
        let (_, rest) = text.split_at(begin);
        let line = rest.split('\n').next().unwrap_or_default();
        let line = line.strip_suffix('\r').unwrap_or(line);
        let start = (start - begin).min(line.len());
        let end = boundary(line, self.span.end.saturating_sub(begin)).max(start);
        (line, start..end)
    }
}

/// The byte at or before this one at which a character begins, or the end of the text.
fn boundary(text: &str, byte: usize) -> usize {
    (0..=byte.min(text.len()))
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or_default()
}

/// `file:line:column`, free of control characters.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_and_column();
        write!(f, "{}:{line}:{column}", printable(&self.source.name))
    }
}

/// Without the source's text, which may be long and hold secrets.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{:?}]", self.source.name, self.span)
    }
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

impl Problem {
    /// A problem that belongs to no place in a file.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            label: None,
            at: None,
            hint: None,
        }
    }

    /// A problem at a place.
    #[must_use]
    pub fn at(location: &Location, message: impl Into<String>) -> Self {
        Self {
            at: Some(location.clone()),
            ..Self::new(message)
        }
    }

    /// Words without what they quote, where that stands in a text that was encrypted.
    fn untold<'w>(&self, words: &'w str) -> Cow<'w, str> {
        if !self.at.as_ref().is_some_and(|at| at.source.is_secret) {
            return Cow::Borrowed(words);
        }
        let quoted = |(at, part): (usize, &'w str)| if at % 2 == 1 { "\u{2026}" } else { part };
        Cow::Owned(words.split('`').enumerate().map(quoted).collect::<Vec<_>>().join("`"))
    }

    /// The hint without what it quotes, where that may have been encrypted.
    fn open_hint(&self) -> Option<Cow<'_, str>> {
        let is_secret = self.at.as_ref().is_some_and(|at| at.source.is_secret);
        let hint = self.untold(self.hint.as_deref()?);
        (!is_secret || !hint.contains('"')).then_some(hint)
    }

    /// With words beside the caret.
    #[must_use]
    pub fn label(self, label: impl Into<String>) -> Self {
        Self {
            label: Some(label.into()),
            ..self
        }
    }

    /// With a way out.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

/// `message (file:line:column)`, for logs and one-line output; free of control characters.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", printable(&self.untold(&self.message)))?;
        self.at.as_ref().map_or(Ok(()), |location| write!(f, " ({location})"))
    }
}

impl std::error::Error for Problem {}

/// How bad the rendered problems are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Nothing was done because of it.
    Error,
    /// Work goes on.
    Warning,
}

/// The most problems that are shown at once; nobody reads more, and each costs a walk through its file.
const MAX_SHOWN: usize = 200;

/// Problems for people: each with `file:line:column`, its line, a caret under the value, and its hint; a blank line
/// between two. Control characters that files may hold never reach the terminal.
#[must_use]
pub fn render(problems: &[Problem], severity: Severity, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let shown = problems.iter().take(MAX_SHOWN);
    let mut texts: Vec<String> = shown.map(|problem| render_one(problem, severity, &renderer)).collect();
    if problems.len() > MAX_SHOWN {
        texts.push(format!("and {} more", problems.len() - MAX_SHOWN));
    }
    texts.join("\n\n")
}

fn render_one(problem: &Problem, severity: Severity, renderer: &Renderer) -> String {
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(printable(&problem.untold(&problem.message)).into_owned()));
    let label = problem.label.as_deref();
    group = match &problem.at {
        Some(location) if location.source.is_secret || may_hold_password(location.first_line().0) => {
            let notes = label.map(|label| Level::NOTE.message(printable(label)));
            notes.into_iter().fold(group.element(place(location)), Group::element)
        }
        Some(location) => group.element(snippet(location, label)),
        None => group,
    };
    if let Some(hint) = problem.open_hint() {
        group = group.element(Level::HELP.message(printable(&hint).into_owned()));
    }
    renderer.render(&[group])
}

/// Whatever is wrong with such a line, or beside the password in it, showing it would show the password.
fn may_hold_password(line: &str) -> bool {
    line.to_lowercase().contains("pass")
}

fn place<'a>(location: &Location) -> Origin<'a> {
    let (line, column) = location.line_and_column();
    Origin::path(printable(&location.source.name).into_owned())
        .line(line)
        .char_column(column)
}

/// Only the first line of a place is shown: that of a list or map would be its whole text.
fn snippet<'a>(location: &'a Location, label: Option<&'a str>) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let (line, span) = location.first_line();
    let annotation = AnnotationKind::Primary.span(span).label(label.map(printable));
    Snippet::source(same_length(line))
        .path(printable(&location.source.name))
        .line_start(location.line_and_column().0)
        .annotation(annotation)
}

/// Characters that move the cursor, hide text or turn its direction.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Text without control characters, each shown as `\u{1b}`.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| {
        if is_unprintable(c) {
            c.escape_unicode().to_string()
        } else {
            c.to_string()
        }
    };
    Cow::Owned(text.chars().map(escape).collect())
}

/// Text whose control characters are replaced by printable ones of as many bytes, so that spans stay true.
/// Tabs are left to the renderer, which widens them.
fn same_length(line: &str) -> Cow<'_, str> {
    let stand_in = |c: char| match c.len_utf8() {
        _ if c == '\t' || !is_unprintable(c) => c,
        1 => '?',
        2 => '\u{bf}',
        _ => '\u{fffd}',
    };
    if line.chars().any(is_unprintable) {
        Cow::Owned(line.chars().map(stand_in).collect())
    } else {
        Cow::Borrowed(line)
    }
}

/// The known word that is most like the one written, if any is.
#[must_use]
pub fn nearest<'k>(written: &str, known: &[&'k str]) -> Option<&'k str> {
    let lower = written.to_lowercase().replace('-', "_");
    let likeness = |word: &str| strsim::jaro_winkler(&lower, word);
    let best = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) > 0.75).then_some(*best)
}

#[cfg(test)]
mod tests;
