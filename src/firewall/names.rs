//! The names of our chains. Kernel chain names hold at most 28 characters; ours stay below with up to a
//! million generations.

use std::fmt;

/// The number of a change on one host. Prints as at least six digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Generation(pub u32);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

impl Generation {
    /// The comment that the jumps placed by this generation carry.
    #[must_use]
    pub fn comment(self) -> String {
        format!("portmap-deploy-{self}")
    }

    /// The generation that a jump's comment names.
    #[must_use]
    pub fn from_comment(comment: &str) -> Option<Self> {
        digits(comment.strip_prefix("portmap-deploy-")?)
    }
}

/// One of our stable chains, which holds one line that leads to the generation in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// nat `PORTMAP-PREROUTING`: the redirects.
    Prerouting,
    /// nat `PORTMAP-OUTPUT`: the redirects of what the host sends to itself.
    Output,
    /// nat `PORTMAP-SEEN`: counts what passed all of filter INPUT.
    Seen,
    /// filter `PORTMAP-GUARD`: closes direct access.
    Guard,
    /// filter `PORTMAP-ACCEPT`: lets mapped connections in.
    Accept,
}

impl Hook {
    /// All of them, nat's first.
    pub const ALL: [Self; 5] = [Self::Prerouting, Self::Output, Self::Seen, Self::Guard, Self::Accept];

    /// The chain's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Prerouting => "PORTMAP-PREROUTING",
            Self::Output => "PORTMAP-OUTPUT",
            Self::Seen => "PORTMAP-SEEN",
            Self::Guard => "PORTMAP-GUARD",
            Self::Accept => "PORTMAP-ACCEPT",
        }
    }

    /// The table that it is in.
    #[must_use]
    pub fn table(self) -> &'static str {
        match self {
            Self::Prerouting | Self::Output | Self::Seen => "nat",
            Self::Guard | Self::Accept => "filter",
        }
    }

    /// The built-in chain of that table that jumps to it.
    #[must_use]
    pub fn builtin(self) -> &'static str {
        match self {
            Self::Prerouting => "PREROUTING",
            Self::Output => "OUTPUT",
            Self::Seen | Self::Guard | Self::Accept => "INPUT",
        }
    }

    /// The chain of a generation that this hook leads to.
    #[must_use]
    pub fn chain(self, generation: Generation) -> String {
        format!("{}-{generation}", self.name())
    }

    /// The chain of a generation that this hook leads to while old and new ways in both work.
    #[must_use]
    pub fn loosened_chain(self, generation: Generation) -> String {
        format!("{}-{generation}-L", self.name())
    }
}

/// A chain name that is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owned {
    /// A hook.
    Hook(Hook),
    /// A generation's chain.
    Generation {
        /// Which hook it belongs to.
        hook: Hook,
        /// Whose it is.
        generation: Generation,
        /// Whether it is the loosened one.
        loosened: bool,
    },
}

impl Owned {
    /// What a chain of a table is, if it is ours.
    #[must_use]
    pub fn parse(table: &str, chain: &str) -> Option<Self> {
        let hooks = Hook::ALL.into_iter().filter(|hook| hook.table() == table);
        hooks
            .into_iter()
            .find_map(|hook| Self::of_hook(hook, chain.strip_prefix(hook.name())?))
    }

    fn of_hook(hook: Hook, rest: &str) -> Option<Self> {
        if rest.is_empty() {
            return Some(Self::Hook(hook));
        }
        let number = rest.strip_prefix('-')?;
        let (number, loosened) = number
            .strip_suffix("-L")
            .map_or((number, false), |number| (number, true));
        Some(Self::Generation {
            hook,
            generation: digits(number)?,
            loosened,
        })
    }
}

fn digits(text: &str) -> Option<Generation> {
    let number = text.len() >= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    number.then(|| text.parse().ok().map(Generation)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_name_fits_the_kernel() {
        assert!(Hook::Prerouting.loosened_chain(Generation(9_999_999)).len() <= 28);
    }

    #[test]
    fn names_read_back() {
        for hook in Hook::ALL {
            let generation = Generation(17);
            assert_eq!(Owned::parse(hook.table(), hook.name()), Some(Owned::Hook(hook)));
            for (name, loosened) in [(hook.chain(generation), false), (hook.loosened_chain(generation), true)] {
                let owned = Owned::Generation {
                    hook,
                    generation,
                    loosened,
                };
                assert_eq!(Owned::parse(hook.table(), &name), Some(owned));
                assert_eq!(Owned::parse("mangle", &name), None);
            }
        }
        for foreign in [
            "PORTMAP",
            "PORTMAP-",
            "PORTMAP-GUARD-17",
            "PORTMAP-GUARD-00001x",
            "PORTMAP-GUARDIAN",
            "PORTMAP-GUARD-99999999999",
        ] {
            assert_eq!(Owned::parse("filter", foreign), None, "{foreign}");
        }
        assert_eq!(Generation::from_comment("portmap-deploy-000017"), Some(Generation(17)));
        assert_eq!(Generation::from_comment("portmap-deploy-17"), None);
    }
}
