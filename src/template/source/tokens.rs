//! The tags of a template, and the tokens in them.

use std::ops::Range;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    Number,
    Text,
    Sign,
}

/// A token, and where it stands in the template.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub kind: Kind,
    pub at: Range<usize>,
}

/// What stands between the delimiters of one `{{ }}` or `{% %}`.
pub(super) struct Inner {
    pub prints: bool,
    pub tokens: Vec<Token>,
}

/// All `{{ }}` and `{% %}` of a template; comments and raw blocks are stepped over.
pub(super) fn tags(template: &str) -> Vec<Inner> {
    let mut tags = Vec::new();
    let mut at = 0;
    while let Some(start) = template
        .get(at..)
        .and_then(|rest| rest.find('{'))
        .map(|found| at + found)
    {
        at = match template.as_bytes().get(start + 1) {
            Some(b'#') => after(template, start + 2, "#}"),
            Some(b'{' | b'%') => {
                let (inner, end) = inner(template, start);
                let raw = inner.is_raw(template);
                tags.push(inner);
                if raw { end_of_raw(template, end) } else { end }
            }
            _ => start + 1,
        };
    }
    tags
}

/// Behind the next place of a text, or the end.
fn after(template: &str, at: usize, text: &str) -> usize {
    let found = template.get(at..).and_then(|rest| rest.find(text));
    found.map_or(template.len(), |found| at + found + text.len())
}

/// Where the `{% endraw %}` begins that ends a raw block.
fn end_of_raw(template: &str, mut at: usize) -> usize {
    loop {
        let behind = after(template, at, "{%");
        let rest = template.get(behind..).unwrap_or_default();
        if rest.is_empty() || rest.trim_start_matches(['-', '+']).trim_start().starts_with("endraw") {
            return behind;
        }
        at = behind;
    }
}

/// The tokens of the tag that starts here, and where it ends.
fn inner(template: &str, start: usize) -> (Inner, usize) {
    let prints = template.as_bytes().get(start + 1) == Some(&b'{');
    let end_mark = if prints { "}}" } else { "%}" };
    let mut tokens: Vec<Token> = Vec::new();
    let (mut at, mut open) = (start + 2, 0_usize);
    while let Some(rest) = template.get(at..).filter(|rest| !rest.is_empty()) {
        if open == 0 && rest.strip_prefix(['-', '+']).unwrap_or(rest).starts_with(end_mark) {
            at = after(template, at, end_mark);
            break;
        }
        let behind_dot = tokens
            .last()
            .is_some_and(|last| template.get(last.at.clone()) == Some("."));
        let (kind, length) = token(rest, behind_dot);
        match rest.as_bytes().first() {
            Some(b'(' | b'[' | b'{') => open += 1,
            Some(b')' | b']' | b'}') => open = open.saturating_sub(1),
            _ => {}
        }
        if let Some(kind) = kind {
            tokens.push(Token {
                kind,
                at: at..at + length,
            });
        }
        at += length;
    }
    (Inner { prints, tokens }, at)
}

/// The kind and length of the token at the start of a text; none for white space.
fn token(rest: &str, behind_dot: bool) -> (Option<Kind>, usize) {
    let run = |allowed: fn(char) -> bool| rest.find(|c| !allowed(c)).unwrap_or(rest.len());
    match rest.chars().next() {
        Some(c) if c.is_whitespace() => (None, c.len_utf8()),
        Some(c) if c.is_alphabetic() || c == '_' => (Some(Kind::Name), run(|c| c.is_alphanumeric() || c == '_')),
        Some(c) if c.is_ascii_digit() && behind_dot => (Some(Kind::Number), run(|c| c.is_ascii_digit())),
        Some(c) if c.is_ascii_digit() => (Some(Kind::Number), number(rest)),
        Some(quote @ ('"' | '\'')) => (Some(Kind::Text), text(rest, quote)),
        first => (Some(Kind::Sign), first.map_or(1, char::len_utf8)),
    }
}

/// The length of a number: a dot belongs to it only before a digit.
fn number(rest: &str) -> usize {
    let word = |text: &str| {
        text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(text.len())
    };
    let whole = word(rest);
    let fraction = rest.get(whole..).and_then(|rest| rest.strip_prefix('.'));
    match fraction {
        Some(digits) if digits.starts_with(|c: char| c.is_ascii_digit()) => whole + 1 + word(digits),
        _ => whole,
    }
}

/// The length of a string with its quotes; to the end where it does not end.
fn text(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find(|&(_, c)| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |(at, _)| at + 1)
}

impl Inner {
    /// How many operators, filters, tests and calls it has.
    pub fn operators(&self, template: &str) -> usize {
        let is_operator = |token: &&Token| {
            let word = template.get(token.at.clone()).unwrap_or_default();
            match token.kind {
                Kind::Name => ["not", "and", "or", "in", "if", "else", "is"].contains(&word),
                Kind::Sign => !matches!(word, ")" | "[" | "]" | "{" | "}" | "," | ":" | "."),
                Kind::Number | Kind::Text => false,
            }
        };
        self.tokens.iter().filter(is_operator).count()
    }

    /// Whether it is an `elif`.
    pub fn branches(&self, template: &str) -> bool {
        let words = self.tokens.iter().filter_map(|token| template.get(token.at.clone()));
        !self.prints && words.take(2).any(|word| word == "elif")
    }

    fn is_raw(&self, template: &str) -> bool {
        let mut words = self
            .tokens
            .iter()
            .map(|token| template.get(token.at.clone()).unwrap_or_default());
        !self.prints && words.find(|word| !matches!(*word, "-" | "+")) == Some("raw")
    }
}
