//! Globs as Python's `fnmatch` has them: `*`, `?`, `[abc]`, `[a-f]`, `[!abc]`; nothing can be quoted.

use std::ops::RangeInclusive;

/// A glob, ready to be compared with names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Anything,
    Char(char),
    One,
    Set {
        negated: bool,
        ranges: Vec<RangeInclusive<char>>,
    },
}

impl Glob {
    /// Every text is a glob: brackets that are not closed stand for themselves.
    pub fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let (part, after) = Part::read(c, rest.get(c.len_utf8()..).unwrap_or_default());
            if part != Part::Anything || parts.last() != Some(&Part::Anything) {
                parts.push(part);
            }
            rest = after;
        }
        Self { parts }
    }

    /// Whether all of the name is as the glob says.
    pub fn matches(&self, name: &str) -> bool {
        let (mut parts, mut rest) = (self.parts.as_slice(), name);
        // Where to go on when what follows the last `*` does not fit: one character later.
        let mut retry: Option<(&[Part], &str)> = None;
        loop {
            match (parts, rest.chars().next()) {
                ([], None) => return true,
                ([Part::Anything, after @ ..], _) => {
                    parts = after;
                    retry = Some((after, rest));
                    continue;
                }
                ([part, after @ ..], Some(c)) if part.fits(c) => {
                    parts = after;
                    rest = rest.get(c.len_utf8()..).unwrap_or_default();
                    continue;
                }
                _ => {}
            }
            let Some((after, from)) = retry else { return false };
            let mut from = from.chars();
            if from.next().is_none() {
                return false;
            }
            (parts, rest) = (after, from.as_str());
            retry = Some((after, rest));
        }
    }
}

impl Part {
    /// The part that begins with a character, and the text after it.
    fn read(c: char, after: &str) -> (Self, &str) {
        match c {
            '*' => (Self::Anything, after),
            '?' => (Self::One, after),
            '[' => Self::set(after).unwrap_or((Self::Char('['), after)),
            c => (Self::Char(c), after),
        }
    }

    /// What brackets hold; one that closes at once is part of it.
    fn set(text: &str) -> Option<(Self, &str)> {
        let (negated, text) = match text.strip_prefix('!') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let first = usize::from(text.starts_with(']'));
        let end = first + text.get(first..)?.find(']')?;
        let ranges = ranges(text.get(..end)?);
        Some((Self::Set { negated, ranges }, text.get(end + 1..)?))
    }

    fn fits(&self, c: char) -> bool {
        match self {
            Self::Anything | Self::One => true,
            Self::Char(own) => *own == c,
            Self::Set { negated, ranges } => ranges.iter().any(|range| range.contains(&c)) != *negated,
        }
    }
}

/// Single characters and ranges; a range that ends before it begins holds nothing.
fn ranges(text: &str) -> Vec<RangeInclusive<char>> {
    let chars: Vec<char> = text.chars().collect();
    let (mut rest, mut ranges) = (chars.as_slice(), Vec::new());
    while let [begin, after @ ..] = rest {
        let (end, after) = match after {
            ['-', end, after @ ..] => (end, after),
            _ => (begin, after),
        };
        ranges.push(*begin..=*end);
        rest = after;
    }
    ranges
}
