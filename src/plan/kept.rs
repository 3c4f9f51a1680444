//! What a host keeps of its generations: untrusted text into typed values.

use jiff::Timestamp;

use super::{Sections, Stop};
use crate::mapping::MappingSet;
use crate::report::RolledBackBy;

/// The most changes that are read of a ledger.
const MAX_CHANGES: usize = 100;

/// What a host remembers: the answer of the agent's `generations`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// The confirmed generation, which is loaded when the host boots.
    pub current: Option<u32>,
    /// The confirmed generations that it still has, the oldest first. Those of older versions of this program have no
    /// mappings, and are not among them.
    pub generations: Vec<KeptGeneration>,
    /// The last changes of the host, the oldest first.
    pub changes: Vec<Begun>,
}

/// A confirmed generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptGeneration {
    /// Its number.
    pub number: u32,
    /// The mappings that it was made of.
    pub mappings: MappingSet,
}

/// A change that was begun, as the host's ledger tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// When, by the host's clock.
    pub at: Timestamp,
    /// The transaction's id.
    pub transaction: String,
    /// The generation that it made.
    pub generation: u32,
    /// The run's id.
    pub run: String,
    /// Who ran it.
    pub operator: String,
    /// How it ended, and when; `None`: it has not, or that was not written down.
    pub ended: Option<(Timestamp, Outcome)>,
}

/// How a change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It stays.
    Confirmed,
    /// The rules of before are back.
    Undone(RolledBackBy),
    /// It was given up before the host's rules changed.
    Abandoned,
}

impl Kept {
    /// Reads what the agent's `generations` answered. What cannot be read is as if it were not there.
    #[must_use]
    pub fn read(sections: &Sections) -> Self {
        let current = sections.get("current").and_then(|text| text.trim().parse().ok());
        let confirmed = |kept: &KeptGeneration| current.is_some_and(|current| kept.number <= current);
        let mut generations: Vec<_> = sections.iter().filter_map(generation).filter(confirmed).collect();
        generations.sort_by_key(|kept| kept.number);
        Self {
            current,
            generations,
            changes: sections.get("ledger").map_or_else(Vec::new, |text| ledger(text)),
        }
    }

    /// A generation that the host still has.
    #[must_use]
    pub fn generation(&self, number: u32) -> Option<&KeptGeneration> {
        self.generations.iter().find(|kept| kept.number == number)
    }

    /// The one that was confirmed before the current one.
    #[must_use]
    pub fn previous(&self) -> Option<&KeptGeneration> {
        self.before(self.current?)
    }

    /// The one that was confirmed before that one.
    #[must_use]
    pub fn before(&self, number: u32) -> Option<&KeptGeneration> {
        self.generations.iter().rfind(|kept| kept.number < number)
    }

    /// Who made a confirmed generation, as far as the host's ledger goes back.
    #[must_use]
    pub fn made(&self, number: u32) -> Option<&Begun> {
        self.changes.iter().rfind(|change| {
            let lasting = matches!(change.ended, None | Some((_, Outcome::Confirmed)));
            change.generation == number && lasting
        })
    }

    /// The last change that a run began.
    #[must_use]
    pub fn last_of(&self, run: &str) -> Option<&Begun> {
        self.changes.iter().rfind(|change| change.run == run)
    }

    /// The generations that it has, for people: `3, 4 and 6 (in force)`.
    #[must_use]
    pub fn names(&self) -> String {
        let name = |kept: &KeptGeneration| match self.current {
            Some(current) if current == kept.number => format!("{} (in force)", kept.number),
            _ => kept.number.to_string(),
        };
        let names: Vec<_> = self.generations.iter().map(name).collect();
        match names.as_slice() {
            [] => "none".to_owned(),
            [one] => one.clone(),
            [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
        }
    }

    /// The mappings of a generation to go back to.
    ///
    /// # Errors
    /// When the host has no such generation.
    pub fn target(&self, number: Option<u32>) -> Result<&KeptGeneration, Stop> {
        let kept = match number {
            Some(number) => self.generation(number),
            None => self.previous(),
        };
        kept.ok_or_else(|| self.no_target(number))
    }

    fn no_target(&self, number: Option<u32>) -> Stop {
        let (reason, hint) = match (number, self.current) {
            (_, None) => (
                "nothing of portmap-deploy is confirmed on this host".to_owned(),
                "deploy to it first".to_owned(),
            ),
            (None, Some(current)) => (
                format!("generation {current} is in force, and the host has none before it"),
                "remove takes portmap-deploy off the host again".to_owned(),
            ),
            (Some(number), _) => (
                format!("the host has no generation {number} any more"),
                format!("it has {}: the last five are kept", self.names()),
            ),
        };
        Stop {
            refused: true,
            reason,
            hint: Some(hint),
        }
    }
}

fn generation((title, text): (&String, &String)) -> Option<KeptGeneration> {
    let number = title.strip_prefix("generation ")?.parse().ok()?;
    let mappings = MappingSet::from_text(text).ok()?;
    Some(KeptGeneration { number, mappings })
}

/// `TIME begin T GEN RUN by WHO`, `TIME confirmed T GEN`, `TIME undone T GEN by WHOM`, `TIME abandoned T GEN`.
fn ledger(text: &str) -> Vec<Begun> {
    let mut changes: Vec<Begun> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [at, verb, transaction, rest @ ..] = words.as_slice() else {
            continue;
        };
        let Ok(at) = at.parse::<Timestamp>() else { continue };
        if let ("begin", [generation, run, "by", operator, ..]) = (*verb, rest) {
            changes.extend(begun(at, transaction, generation, run, operator));
        } else if let Some(outcome) = outcome(verb, rest)
            && let Some(change) = changes.iter_mut().rfind(|change| change.transaction == *transaction)
        {
            change.ended = Some((at, outcome));
        }
    }
    changes.split_off(changes.len().saturating_sub(MAX_CHANGES))
}

fn begun(at: Timestamp, transaction: &str, generation: &str, run: &str, operator: &str) -> Option<Begun> {
    Some(Begun {
        at,
        transaction: transaction.to_owned(),
        generation: generation.parse().ok()?,
        run: run.to_owned(),
        operator: operator.to_owned(),
        ended: None,
    })
}

fn outcome(verb: &str, rest: &[&str]) -> Option<Outcome> {
    match (verb, rest) {
        ("confirmed", _) => Some(Outcome::Confirmed),
        ("abandoned", _) => Some(Outcome::Abandoned),
        ("undone", [_, "by", by, ..]) => Some(Outcome::Undone(rolled_back_by(by))),
        _ => None,
    }
}

/// Who undid a change, in the agent's words.
#[must_use]
pub fn rolled_back_by(by: &str) -> RolledBackBy {
    match by {
        "timer" => RolledBackBy::Timer,
        "reboot" => RolledBackBy::Reboot,
        _ => RolledBackBy::Controller,
    }
}
