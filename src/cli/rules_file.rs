//! Files of rules that the operator names, `-` for standard input.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use super::error::Error;
use crate::firewall::{Family, ParseError, Ruleset};
use crate::problem::{Location, Problem, Source};

/// The longest file of rules that is read, bytes.
const LONGEST: u64 = 64 << 20;

/// A file of rules.
pub(super) struct RulesFile {
    pub name: String,
    pub text: String,
    pub family: Family,
    pub ruleset: Ruleset,
}

impl RulesFile {
    /// Reads a file; the family is what the text shows, unless it is given.
    pub fn read(path: &Path, family: Option<Family>) -> Result<Self, Error> {
        let source = text(path)?;
        let ruleset = Ruleset::parse_file(&source.text).map_err(|error| unreadable(&source, &error))?;
        Ok(Self {
            name: path.to_string_lossy().into_owned(),
            text: source.text.clone(),
            family: family.unwrap_or_else(|| Family::of_rules(&source.text)),
            ruleset,
        })
    }
}

/// The text of a file of rules.
pub(super) fn text(path: &Path) -> Result<Arc<Source>, Error> {
    let text = content(path, LONGEST).map_err(|source| Error::RulesFile {
        path: path.to_owned(),
        source,
    })?;
    let name = match path.as_os_str() {
        name if name == "-" => "standard input".to_owned(),
        _ => path.display().to_string(),
    };
    Ok(Source::new(name, text))
}

/// What a file holds, or standard input for `-`, up to so many bytes.
pub(super) fn content(path: &Path, longest: u64) -> io::Result<String> {
    let mut text = String::new();
    if path == Path::new("-") {
        io::stdin().take(longest).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(path)?.take(longest).read_to_string(&mut text)?;
    }
    Ok(text)
}

/// What cannot be read in it, as a problem at its place.
pub(super) fn unreadable(source: &Arc<Source>, error: &ParseError) -> Error {
    let text = source.text.as_str();
    let line = text.split_inclusive('\n').take(error.line.saturating_sub(1));
    let begin: usize = line.map(str::len).sum();
    let rest = text.get(begin..).unwrap_or_default();
    let mut characters = rest.char_indices().skip(error.column.saturating_sub(1));
    let (from, length) = characters.next().map_or((rest.len(), 0), |(at, c)| (at, c.len_utf8()));
    let length = length.max(word_length(rest, from));
    let at = Location {
        source: Arc::clone(source),
        span: begin + from..begin + from + length,
    };
    Error::Problems(vec![Problem::at(&at, error.message.clone())])
}

/// The caret is under the whole word.
fn word_length(text: &str, from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    rest.find(char::is_whitespace).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::format;
    use crate::problem::{Severity, render};

    fn shown(text: &str) -> String {
        let source = Source::new("rules.v4", text);
        match unreadable(&source, &format(text, false).unwrap_err()) {
            Error::Problems(problems) => render(&problems, Severity::Error, false),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_caret_is_under_the_word() {
        insta::assert_snapshot!(shown("*filter\n-A INPUT -m comment --comment äö -p tcp --dprot 22 -j DROP\nCOMMIT\n"), @r"
        error: unknown option `--dprot`
         --> rules.v4:2:41
          |
        2 | -A INPUT -m comment --comment äö -p tcp --dprot 22 -j DROP
          |                                         ^^^^^^^
        ");
        insta::assert_snapshot!(shown("*filter\n:INPUT DROP\n"), @r"
        error: table filter does not end in COMMIT
         --> rules.v4:2:1
          |
        2 | :INPUT DROP
          | ^^^^^^
        ");
        insta::assert_snapshot!(shown("*filter\n-A INPUT -j\nCOMMIT\n"), @r"
        error: `-j` without a value
         --> rules.v4:2:10
          |
        2 | -A INPUT -j
          |          ^^
        ");
    }

    #[test]
    fn places_at_the_end_of_a_line_can_be_shown() {
        assert!(shown("*filter\n-A INPUT -j DROP\r\nCOMMIT\r\n").contains("rules.v4:2:17"));
        assert!(shown("*filter\n-A INPUT -m comment --comment \"x").contains("rules.v4:2:31"));
    }
}
