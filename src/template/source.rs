//! From the text of a template as Ansible reads it to the text that the engine reads.
//!
//! Four things differ. In `{{ }}` a backslash in a string is just a backslash, since YAML has read the escapes
//! already. An attribute of something undefined is undefined, and no error before it is used (`a.b.c |
//! default(1)`): each step of such a chain goes through a filter, [`STEP`] or [`END`], which knows the chain's place. `%`
//! behind a string formats it. And what `set` sets goes through [`BOUND`]. All else stays as it is, errors included: those are the engine's to find.

mod tokens;

use std::ops::Range;

use minijinja::Error;

use super::calls::fault;
use tokens::{Inner, Kind, tags};

/// The filter that each step of a chain goes through; its arguments are the place of the chain up to there.
pub(super) const STEP: &str = "_step";
/// The filter that the end of a chain goes through.
pub(super) const END: &str = "_end";
/// The filter that what `set` sets goes through: values must not get deeper without end.
pub(super) const BOUND: &str = "_bound";
/// The filter that formats as Python's `%` does.
pub(super) const PERCENT: &str = "_percent";

/// The engine goes one call deeper for each operator, filter and `elif` of a chain, and counts none of them.
const MAX_OPERATORS: usize = 300;

/// The engine's text, and how to get back from its places to those in the template.
pub(super) struct Source {
    pub text: String,
    /// Places in the engine's text, ascending, each with its place in the template.
    places: Vec<(usize, usize)>,
}

impl Source {
    /// The engine's text of a template that is not too much for it.
    pub fn bounded(template: &str) -> Result<String, Error> {
        let tags = tags(template);
        let branches = tags.iter().filter(|tag| tag.branches(template)).count();
        if branches > MAX_OPERATORS || tags.iter().any(|tag| tag.operators(template) > MAX_OPERATORS) {
            return Err(fault(format!(
                "this template has more than {MAX_OPERATORS} operators in one expression, or branches"
            )));
        }
        Ok(Self::new(template).text)
    }

    pub fn new(template: &str) -> Self {
        let mut edits = Vec::new();
        for tag in tags(template) {
            Tag::new(template, &tag, &mut edits).all();
        }
        edits.sort_by_key(|edit| edit.at.start);
        Self::edited(template, &edits)
    }

    fn edited(template: &str, edits: &[Edit]) -> Self {
        let mut source = Self {
            text: String::with_capacity(template.len()),
            places: Vec::new(),
        };
        let mut done = 0;
        for edit in edits {
            source.text += template.get(done..edit.at.start).unwrap_or_default();
            source.text += &edit.text;
            done = edit.at.end;
            source.places.push((source.text.len(), done));
        }
        source.text += template.get(done..).unwrap_or_default();
        source
    }

    /// The place in the template that the engine means.
    pub fn original(&self, range: &Range<usize>) -> Range<usize> {
        let (start, end) = (self.place(range.start), self.place(range.end));
        start..end.max(start)
    }

    fn place(&self, place: usize) -> usize {
        let before = self.places.partition_point(|(edited, _)| *edited <= place);
        let next = self.places.get(before).map_or(usize::MAX, |(_, original)| *original);
        let last = before.checked_sub(1).and_then(|index| self.places.get(index));
        let (edited, original) = last.copied().unwrap_or_default();
        (original + place - edited).min(next)
    }
}

/// Text in place of other text.
struct Edit {
    at: Range<usize>,
    text: String,
}

/// A walk over the tokens of one tag that notes what to change.
struct Tag<'t> {
    template: &'t str,
    inner: &'t Inner,
    edits: &'t mut Vec<Edit>,
    /// How many brackets are open; beyond [`MAX_DEPTH`] nothing more is changed, and the engine refuses it.
    depth: usize,
}

/// The engine takes no more.
const MAX_DEPTH: usize = 150;

impl<'t> Tag<'t> {
    fn new(template: &'t str, inner: &'t Inner, edits: &'t mut Vec<Edit>) -> Self {
        Self {
            template,
            inner,
            edits,
            depth: 0,
        }
    }

    fn all(mut self) {
        if self.inner.prints {
            self.keep_backslashes();
        }
        let (mut next, mut is_tuple) = (self.head(), false);
        while self.inner.tokens.get(next).is_some() {
            is_tuple |= self.inner.prints && self.word(next) == ",";
            next = self.step(next);
        }
        if is_tuple {
            self.insert(self.start(0), "(");
            self.insert(self.end_before(next), ")");
        }
        if let Some(sign) = self.set_sign() {
            self.insert(self.end_before(sign + 1), "(");
            self.insert(self.end_before(next), format!(")|{BOUND}"));
        }
    }

    /// The `=` of a `set`.
    fn set_sign(&self) -> Option<usize> {
        let first = usize::from(matches!(self.word(0), "-" | "+"));
        let sets = !self.inner.prints && self.word(first) == "set";
        (first..self.inner.tokens.len()).find(|index| sets && self.word(*index) == "=")
    }

    fn kind(&self, index: usize) -> Option<Kind> {
        self.inner.tokens.get(index).map(|token| token.kind)
    }

    fn word(&self, index: usize) -> &'t str {
        let token = self.inner.tokens.get(index);
        token
            .and_then(|token| self.template.get(token.at.clone()))
            .unwrap_or_default()
    }

    fn start(&self, index: usize) -> usize {
        self.inner
            .tokens
            .get(index)
            .map_or(self.template.len(), |token| token.at.start)
    }

    /// The end of the token before this one.
    fn end_before(&self, index: usize) -> usize {
        let token = index.checked_sub(1).and_then(|before| self.inner.tokens.get(before));
        token.map_or(0, |token| token.at.end)
    }

    fn insert(&mut self, at: usize, text: impl Into<String>) {
        let text = text.into();
        self.edits.push(Edit { at: at..at, text });
    }

    fn keep_backslashes(&mut self) {
        for token in self.inner.tokens.iter().filter(|token| token.kind == Kind::Text) {
            let text = self.template.get(token.at.clone()).unwrap_or_default();
            let quote = text.chars().next();
            for (at, _) in text.match_indices('\\') {
                let quotes = text.get(at + 1..).and_then(|rest| rest.chars().next()) == quote;
                let place = token.at.start + at;
                let text = if quotes { "\\\\" } else { "\\" };
                self.edits.push(Edit {
                    at: place..place,
                    text: text.to_owned(),
                });
            }
        }
    }

    /// Steps over the target of a `set`, which is no expression, and the first name of a `filter` block.
    fn head(&self) -> usize {
        let first = usize::from(matches!(self.word(0), "-" | "+"));
        match self.word(first) {
            _ if self.inner.prints => 0,
            "set" => self.set_sign().unwrap_or(self.inner.tokens.len()),
            "filter" => self.names(first + 1),
            _ => first,
        }
    }

    /// Steps over a name with dots.
    fn names(&self, mut index: usize) -> usize {
        if self.kind(index) == Some(Kind::Name) {
            index += 1;
            while self.word(index) == "." && self.kind(index + 1) == Some(Kind::Name) {
                index += 2;
            }
        }
        index
    }

    /// Takes what starts at a token; the token that follows.
    fn step(&mut self, index: usize) -> usize {
        match self.word(index) {
            "|" => self.names(index + 1),
            "is" if self.kind(index) == Some(Kind::Name) => {
                self.names(index + 1 + usize::from(self.word(index + 1) == "not"))
            }
            "+" if self.is_sign(index) => {
                let at = self.start(index);
                self.edits.push(Edit {
                    at: at..at + 1,
                    text: " ".to_owned(),
                });
                index + 1
            }
            _ if self.starts_value(index) => self.chain(index),
            _ => index + 1,
        }
    }

    /// Whether a plus stands where a value begins: the engine knows no such plus.
    fn is_sign(&self, index: usize) -> bool {
        match index.checked_sub(1) {
            None => true,
            Some(before) if self.kind(before) == Some(Kind::Sign) => !matches!(self.word(before), ")" | "]" | "}"),
            Some(before) => self.is_operator(before),
        }
    }

    fn is_operator(&self, index: usize) -> bool {
        let operators = ["not", "and", "or", "in", "if", "else", "elif", "for", "is"];
        self.kind(index) == Some(Kind::Name) && operators.contains(&self.word(index))
    }

    fn starts_value(&self, index: usize) -> bool {
        match self.kind(index) {
            Some(Kind::Name) => !self.is_operator(index),
            Some(Kind::Sign) => matches!(self.word(index), "(" | "[" | "{"),
            kind => kind.is_some(),
        }
    }

    /// Takes what brackets hold; the token behind them.
    fn group(&mut self, index: usize) -> usize {
        let close = match self.word(index) {
            "(" => ")",
            "[" => "]",
            _ => "}",
        };
        if self.depth == MAX_DEPTH {
            return self.inner.tokens.len();
        }
        self.depth += 1;
        let mut next = index + 1;
        while self.kind(next).is_some() && self.word(next) != close {
            next = self.step(next);
        }
        self.depth -= 1;
        next + 1
    }

    /// A value with its attributes, items and calls; the token behind them.
    fn chain(&mut self, first: usize) -> usize {
        let mut next = match self.kind(first) {
            Some(Kind::Sign) => self.group(first),
            _ => first + 1,
        };
        if self.kind(first) == Some(Kind::Text) && self.word(next) == "%" {
            return self.percent(next);
        }
        let mut looked_up = false;
        loop {
            let looks_up = match self.word(next) {
                "(" => false,
                "[" => true,
                "." if self.word(next + 2) == "(" => false,
                "." => matches!(self.kind(next + 1), Some(Kind::Name | Kind::Number)),
                _ => break,
            };
            if looks_up {
                self.wrap(first, next, STEP);
            }
            looked_up = looks_up;
            next = if self.word(next) == "." {
                next + 2
            } else {
                self.group(next)
            };
        }
        if looked_up {
            self.wrap(first, next, END);
        }
        next
    }

    /// Lets the chain up to a token go through a filter.
    fn wrap(&mut self, first: usize, next: usize, filter: &str) {
        let (start, end) = (self.start(first), self.end_before(next));
        self.insert(start, "(");
        self.insert(end, format!("|{filter}({start},{end}))"));
    }

    /// `'text' % value`: the token behind the value.
    fn percent(&mut self, sign: usize) -> usize {
        let at = self.start(sign);
        self.edits.push(Edit {
            at: at..at + 1,
            text: format!("|{PERCENT}("),
        });
        let mut next = self.step(sign + 1);
        while self.word(next) == "|" {
            next = self.step(next);
            if self.word(next) == "(" {
                next = self.group(next);
            }
        }
        self.insert(self.end_before(next), ")");
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(template: &str) -> String {
        Source::new(template).text
    }

    #[test]
    fn chains_go_through_the_step_filter() {
        assert_eq!(text("{{ a }}"), "{{ a }}");
        assert_eq!(text("{{ a.b }}"), "{{ ((a|_step(3,4)).b|_end(3,6)) }}");
        assert_eq!(text("{{ a.b() }}"), "{{ a.b() }}");
        assert_eq!(text("{{ a | x.y is x.y }}"), "{{ a | x.y is x.y }}");
        assert_eq!(text("{% set a.b = 1 %}"), "{% set a.b =( 1)|_bound %}");
        assert_eq!(
            text("{# a.b #}{% raw %}{{ a.b }}{% endraw %}"),
            "{# a.b #}{% raw %}{{ a.b }}{% endraw %}"
        );
    }

    #[test]
    fn backslashes_in_printed_strings_are_kept() {
        assert_eq!(text(r"{{ '\d' }}"), r"{{ '\\d' }}");
        assert_eq!(text(r"{{ 'it\'s' }}"), r"{{ 'it\\\'s' }}");
        assert_eq!(text(r"{% set a = '\d' %}"), r"{% set a =( '\d')|_bound %}");
    }

    #[test]
    fn places_lead_back() {
        let template = "x {{ a.b + c.d }}";
        let source = Source::new(template);
        let d = source.text.find(".d").unwrap() + 1;
        assert_eq!(
            source.original(&(d..d + 1)),
            template.rfind('d').unwrap()..template.rfind('d').unwrap() + 1
        );
    }

    #[test]
    fn broken_templates_do_not_panic() {
        for template in [
            "{{",
            "{{ '",
            "{% raw",
            "{{ a.",
            "{{ a[",
            "{{ ((",
            "{{ 'a' %",
            "{{ a|",
            "{{ \u{e9}.\u{e9} }}",
            "{%-raw-%}",
        ] {
            let _ = text(template);
        }
    }
}
