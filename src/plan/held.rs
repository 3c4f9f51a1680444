//! Whose a host's rules are: who made those that are confirmed, and who is changing them.

use super::Sections;
use super::observed::facts;

/// Who made a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The transaction's id.
    pub transaction: String,
    /// The run's id.
    pub run: String,
    /// Who ran it.
    pub operator: String,
    /// When it was begun, by the host's clock.
    pub since: String,
    /// The generation that was confirmed then.
    pub before: Option<u32>,
}

impl Made {
    /// `T RUN WHO SINCE BEFORE`, the last being `-` where there was none.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ').map(str::to_owned);
        Some(Self {
            transaction: words.next()?,
            run: words.next()?,
            operator: words.next()?,
            since: words.next()?,
            before: words.next()?.parse().ok(),
        })
    }
}

/// A change that holds a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The transaction's id.
    pub transaction: String,
    /// The generation that it makes.
    pub generation: Option<u32>,
    /// The run's id.
    pub run: String,
    /// Who runs it.
    pub operator: String,
    /// Since when, by the host's clock.
    pub since: String,
    /// For how many seconds more at most; once it is [switched](Self::switched), until the host's timer undoes it.
    pub left: u64,
    /// Whether the new rules alone are in force, and wait to be confirmed.
    pub switched: bool,
    /// Whether its controller is still at it.
    pub attended: bool,
}

impl Held {
    /// The change that holds a host, by the answer of the agent's `pending` or `observe`.
    #[must_use]
    pub fn of(sections: &Sections) -> Option<Self> {
        let facts = facts(sections);
        let held = Self::read(facts.get("lock")?, facts.get("uptime").copied())?;
        let timer = facts.get("left").and_then(|left| left.parse().ok());
        Some(Self {
            left: timer.unwrap_or(held.left),
            switched: facts.contains_key("switched"),
            attended: facts.contains_key("attended"),
            ..held
        })
    }

    /// `T GEN RUN WHO SINCE UNTIL PID`, as the agent has it in its lock; `now`: how long the host runs, seconds.
    #[must_use]
    pub fn read(text: &str, now: Option<&str>) -> Option<Self> {
        let mut words = text.split(' ').map(str::to_owned);
        let seconds = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        Some(Self {
            transaction: words.next()?,
            generation: words.next()?.parse().ok(),
            run: words.next()?,
            operator: words.next()?,
            since: words.next()?,
            left: seconds(words.next().as_deref()).saturating_sub(seconds(now)),
            switched: false,
            attended: false,
        })
    }

    /// One sentence that names it.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!(
            "{} is changing this host since {} (run {}), for {} s more at most",
            self.operator, self.since, self.run, self.left
        )
    }
}
