//! The options of a target, out of its words.

use crate::firewall::trace::condition::{Choice, choices};

/// Each option with the words up to the next.
pub(super) struct Options<'a>(Vec<Choice<'a>>);

impl<'a> Options<'a> {
    pub fn read(words: &'a [String]) -> Self {
        Self(choices(words))
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|choice| choice.name == name)
    }

    /// The first value of an option.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.values(name).next()
    }

    /// The first values of an option each time that it is there.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |choice| choice.name == name)
            .map(Choice::value)
    }
}
