//! One of the ways that a packet may take, and where ways end.

use std::net::IpAddr;

use super::Verdict;
use super::condition::Facts;
use super::program::{Asked, Memory};

/// What made a packet's ways part, or what it ended by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cause<'t> {
    pub reason: &'t str,
    /// Whether it is the way on which that holds.
    pub holds: bool,
}

/// A packet on one of its ways.
#[derive(Debug, Clone)]
pub(super) struct Way<'t> {
    pub facts: Facts,
    /// What was taken for granted: numbers of [`Memory`].
    assumed: Vec<(Memory, bool)>,
    /// What parted it from others, in order.
    pub causes: Vec<Cause<'t>>,
}

impl<'t> Way<'t> {
    pub fn new(facts: Facts) -> Self {
        Self {
            facts,
            assumed: Vec::new(),
            causes: Vec::new(),
        }
    }

    /// Whether all that follows is the same for both.
    pub fn equals(&self, other: &Self) -> bool {
        self.facts == other.facts && self.assumed == other.assumed
    }

    /// What an open condition is taken for here.
    pub fn recalls(&self, asked: &Asked) -> Option<bool> {
        let memory = asked.memory?;
        let (first, yes) = self.assumed.iter().find(|(one, _)| one.number == memory.number)?;
        Some(*yes == (first.turned == memory.turned))
    }

    /// Takes an open condition for true, or not.
    pub fn assume(&mut self, memory: Option<Memory>, holds: bool) {
        let Some(memory) = memory else { return };
        let at = self.assumed.partition_point(|(one, _)| one.number < memory.number);
        let upright = holds != memory.turned;
        self.assumed.insert(
            at,
            (
                Memory {
                    turned: false,
                    ..memory
                },
                upright,
            ),
        );
    }

    /// Forgets what is no longer so once the destination is another, or the next hook begins.
    pub fn forget_passing(&mut self) {
        self.assumed.retain(|(memory, _)| memory.lasting);
    }

    pub fn forget(&mut self) {
        self.assumed.clear();
    }

    /// Says what parted this way from others.
    pub fn parted(&mut self, reason: &'t str, holds: bool) {
        if holds || self.causes.len() < MOST_CAUSES {
            self.causes.push(Cause { reason, holds });
        }
    }

    /// Becomes one with a way that equals it: what parted the two is past.
    pub fn share(&mut self, other: &Self) {
        self.causes.retain(|cause| other.causes.contains(cause));
    }

    pub fn loops(&self) -> bool {
        self.facts.in_interface.as_deref() == Some("lo")
    }
}

/// Where a way ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End<'t> {
    pub verdict: Verdict,
    pub destination: Option<IpAddr>,
    pub port: Option<u16>,
    pub local: Option<bool>,
    pub causes: Vec<Cause<'t>>,
}

/// Makes equal ways one, and those of too many alike.
pub(super) fn merge(ways: &mut Vec<Way<'_>>) {
    if ways.len() < 2 {
        return;
    }
    unite(ways);
    if ways.len() > MANY {
        ways.iter_mut().for_each(Way::forget);
        unite(ways);
    }
    if ways.len() > MANY {
        for way in ways.iter_mut() {
            way.facts.mark = None;
            way.facts.connmark = None;
        }
        unite(ways);
    }
}

/// From so many ways on, marks and assumptions are given up, which makes more of them equal and less of them known.
const MANY: usize = 64;

/// So many conditions that did not hold are kept for each way.
const MOST_CAUSES: usize = 16;

fn unite<'t>(ways: &mut Vec<Way<'t>>) {
    let mut kept: Vec<Way<'t>> = Vec::with_capacity(ways.len());
    for way in ways.drain(..) {
        match kept.iter_mut().find(|other| other.equals(&way)) {
            Some(other) => other.share(&way),
            None => kept.push(way),
        }
    }
    *ways = kept;
}
