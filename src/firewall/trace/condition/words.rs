//! The options of a match, out of its words.

/// One option with what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::firewall::trace) struct Choice<'a> {
    pub negated: bool,
    pub name: &'a str,
    pub values: &'a [String],
}

impl<'a> Choice<'a> {
    /// Its first value; empty where it has none.
    pub fn value(&self) -> &'a str {
        self.values.first().map_or("", String::as_str)
    }
}

fn is_option(word: &str) -> bool {
    let mut characters = word.chars();
    characters.next() == Some('-') && characters.next().is_some_and(|second| !second.is_ascii_digit())
}

/// The options, each with the words up to the next. Words before the first one are an option without a name.
pub(in crate::firewall::trace) fn choices(words: &[String]) -> Vec<Choice<'_>> {
    let starts = |index: usize| words.get(index).is_some_and(|word| is_option(word));
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let negated = words.get(at).is_some_and(|word| word == "!") && starts(at + 1);
        at += usize::from(negated);
        let name = if starts(at) {
            words.get(at).map_or("", String::as_str)
        } else {
            ""
        };
        let first = at + usize::from(!name.is_empty());
        let mut end = first.max(at + 1);
        while end < words.len() && !starts(end) && !(words.get(end).is_some_and(|word| word == "!") && starts(end + 1))
        {
            end += 1;
        }
        found.push(Choice {
            negated,
            name,
            values: words.get(first..end).unwrap_or_default(),
        });
        at = end;
    }
    found
}

/// `1234` or `0x4d2`, as `strtoul` reads it.
pub(in crate::firewall::trace) fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    }
}

/// `value` or `value/mask`.
pub(in crate::firewall::trace) fn masked(text: &str) -> Option<(u32, u32)> {
    match text.split_once('/') {
        Some((value, mask)) => Some((number(value)?, number(mask)?)),
        None => Some((number(text)?, u32::MAX)),
    }
}
