//! Interfaces: `-i` and `-o`.

use super::{Facts, Holds};

/// A name, or what names begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    incoming: bool,
    name: String,
    prefix: bool,
}

impl Interface {
    pub fn incoming(name: &str) -> Self {
        Self::new(true, name)
    }

    pub fn outgoing(name: &str) -> Self {
        Self::new(false, name)
    }

    fn new(incoming: bool, name: &str) -> Self {
        let stem = name.strip_suffix('+');
        Self {
            incoming,
            name: stem.unwrap_or(name).to_owned(),
            prefix: stem.is_some(),
        }
    }

    fn is(&self, name: &str) -> bool {
        if self.prefix {
            name.starts_with(&self.name)
        } else {
            name == self.name
        }
    }

    pub fn holds(&self, facts: &Facts) -> Holds<'static> {
        let (name, reason) = if self.incoming {
            (&facts.in_interface, "the incoming interface is not told")
        } else {
            (&facts.out_interface, "the outgoing interface is not known")
        };
        match name {
            Some(name) => Holds::when(self.is(name)),
            None if self.prefix && self.name.is_empty() => Holds::Yes,
            None if self.incoming && !self.prefix && self.name == "lo" => Holds::No,
            None => Holds::Maybe(reason),
        }
    }
}
