//! What a goal means for one host: the mappings that it shall have, by what it has and what it remembers.

use super::ended::{Ended, stopped, unchanged};
use super::{Goal, Target, Transaction, failed, loading, proving};
use crate::firewall::Generation;
use crate::mapping::MappingSet;
use crate::plan::{Kept, Made, Managed, Observed, Outcome, Plan, Stop, takes_away, way_after};
use crate::remote::{Login, Remote};
use crate::report::{EndState, HostReport, RolledBackBy};

/// What is to become of one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// It has its mappings.
    Mappings,
    /// It has nothing of ours.
    Nothing { force: bool },
    /// It has the mappings that it has, and its timer undoes that.
    Drill,
}

impl Goal {
    /// As far as it is known before the host is.
    pub(super) fn aim(self) -> Aim {
        match self {
            Self::Remove => Aim::Nothing { force: false },
            Self::Drill => Aim::Drill,
            Self::Deploy | Self::RollBack(_) | Self::Revert { .. } | Self::ByHand { .. } => Aim::Mappings,
        }
    }

    /// Whether it depends on what the host remembers.
    pub(super) fn looks_back(self) -> bool {
        matches!(
            self,
            Self::RollBack(_) | Self::Revert { .. } | Self::Drill | Self::ByHand { .. }
        )
    }
}

impl<R: Remote> Transaction<'_, R> {
    /// Decides what the host shall have, where its goal leaves that to what it remembers.
    pub(super) fn set_out(&mut self, observed: &Observed, kept: &Kept) -> Result<(), Ended> {
        match self.options.goal {
            Goal::Deploy | Goal::Remove | Goal::ByHand { .. } => Ok(()),
            Goal::RollBack(target) => self.back_to(target, observed, kept),
            Goal::Revert { confirmed, before } => self.take_back(confirmed, before, observed, kept),
            Goal::Drill => self.rehearse(observed, kept),
        }
    }

    pub(super) fn plan(&self, observed: &Observed, marks: proving::Marks) -> Result<Plan, Ended> {
        let mark = |family| marks.of(family);
        match self.aim {
            Aim::Mappings => Ok(observed.plan(&self.desired, mark)),
            Aim::Nothing { force } => observed
                .removal(force || self.options.force, mark)
                .map_err(|stop| Box::new(stopped(stop))),
            Aim::Drill => Ok(Plan::Change(Box::new(observed.rehearsal(&self.desired, mark)))),
        }
    }

    /// The port by which operators reach sshd once the change is made.
    pub(super) fn way_after(&self, first: &Login, observed: &Observed) -> u16 {
        let management = self.contact.remote.management_port();
        let before = observed.before(first.port);
        match (self.aim, before.sshd) {
            // Where no mapping of ours led, sshd itself listens, or somebody before the host goes on sending it there.
            (Aim::Nothing { .. }, Some(port)) => {
                if before.mapped {
                    port
                } else {
                    first.port
                }
            }
            (_, sshd) => self.way_by_mappings(management, sshd, observed),
        }
    }

    /// The inventory names the way in of its own mappings; those of an earlier generation may have another.
    fn way_by_mappings(&self, management: u16, sshd: Option<u16>, observed: &Observed) -> u16 {
        let way = |management| way_after(management, &self.desired, observed.here);
        let after = way(management);
        match sshd {
            Some(sshd)
                if self.options.goal.looks_back()
                    && takes_away(observed.before(after), &self.desired, observed.here) =>
            {
                way(sshd)
            }
            _ => after,
        }
    }

    /// Whether this run made the generation that the host has: it was killed before it wrote that down, and goes on.
    pub(super) fn made_by_us<'a>(&self, observed: &'a Observed) -> Option<&'a Made> {
        let run = loading::word(&self.options.run_id);
        observed.made.as_ref().filter(|made| made.run == run)
    }

    /// The generation that was confirmed before this run.
    pub(super) fn before(&self, observed: &Observed) -> Option<u32> {
        self.made_by_us(observed).map_or(observed.current, |made| made.before)
    }

    /// A host that has what it should.
    pub(super) fn as_it_is(&self, observed: &Observed, generation: Option<u32>) -> HostReport {
        match self.made_by_us(observed) {
            Some(made) if generation.is_some() => HostReport {
                generation,
                before: made.before,
                ..HostReport::new(EndState::Confirmed)
            },
            _ => unchanged(generation),
        }
    }

    fn back_to(&mut self, target: Target, observed: &Observed, kept: &Kept) -> Result<(), Ended> {
        let number = match (target, self.made_by_us(observed)) {
            // It is done: the one before would be where it came from.
            (Target::Previous, Some(_)) => observed.current,
            (Target::Previous, None) => None,
            (Target::Generation(number), _) => Some(number),
        };
        let target = kept.target(number).map_err(|stop| Box::new(stopped(stop)))?;
        self.desired = target.mappings.clone();
        self.note = Some(format!("it has the mappings of generation {} again", target.number));
        Ok(())
    }

    fn rehearse(&mut self, observed: &Observed, kept: &Kept) -> Result<(), Ended> {
        let Some(current) = observed.current else {
            self.desired = MappingSet::default();
            return Ok(());
        };
        let unknown = || {
            failed(
                &format!("generation {current} does not tell its mappings: an older version of portmap-deploy made it"),
                Some("deploy a change to this host once; what it makes is remembered"),
            )
        };
        self.desired = kept.generation(current).ok_or_else(unknown)?.mappings.clone();
        Ok(())
    }

    /// Only what this run made is taken back.
    fn take_back(
        &mut self,
        confirmed: Option<u32>,
        before: Option<u32>,
        observed: &Observed,
        kept: &Kept,
    ) -> Result<(), Ended> {
        if let Some(held) = &observed.held {
            return Err(left_alone(observed, &held.sentence()));
        }
        let ours = self.made_by_us(observed);
        let mappings = |number| kept.generation(number).map(|kept| &kept.mappings);
        let is_without_us = || observed.families.iter().all(Managed::is_without_us);
        let is_as_before = || observed.current == before && (before.is_some() || is_without_us());
        if ours.is_none() && (self.ended(kept).is_some() || is_as_before()) {
            return Err(self.undone_already(observed, kept));
        }
        let Some(current) = observed.current else {
            let why = "nothing of portmap-deploy is on the host any more, nor what it had before";
            return Err(left_alone(observed, why));
        };
        let same = |number| mappings(number).is_some() && mappings(number) == mappings(current);
        if ours.is_some_and(|made| self.was_way_back(confirmed, before, made, observed, kept, same)) {
            return Err(self.undone_already(observed, kept));
        }
        // A host can be of several plays: then what this run made last may be the way back of a later one.
        let is_it = match confirmed {
            Some(number) => number == current || ours.is_some() && same(number),
            None => ours.is_some(),
        };
        if !is_it {
            return Err(left_alone(observed, &in_force(current, observed, kept)));
        }
        expect_untouched(current, observed, kept)?;
        let before = match (confirmed, ours) {
            (None, Some(made)) => made.before,
            _ => before,
        };
        self.give_back(before, observed, kept)
    }

    /// Whether this run has made the current generation when it took the host back, and was killed then.
    fn was_way_back(
        &self,
        confirmed: Option<u32>,
        before: Option<u32>,
        made: &Made,
        observed: &Observed,
        kept: &Kept,
        is_current: impl Fn(u32) -> bool,
    ) -> bool {
        if let Some(confirmed) = confirmed {
            return observed.current != Some(confirmed) && before.is_some_and(is_current);
        }
        let run = loading::word(&self.options.run_id);
        let first = made
            .before
            .filter(|number| kept.made(*number).is_some_and(|begun| begun.run == run));
        let earlier = first.and_then(|first| kept.before(first));
        earlier.is_some_and(|earlier| is_current(earlier.number))
    }

    fn give_back(&mut self, before: Option<u32>, observed: &Observed, kept: &Kept) -> Result<(), Ended> {
        let Some(number) = before else {
            // It was reachable without us.
            self.aim = Aim::Nothing { force: true };
            self.desired = MappingSet::default();
            return Ok(());
        };
        let Some(earlier) = kept.generation(number) else {
            let why = format!("the host has generation {number} no more, it has {}", kept.names());
            return Err(left_alone(observed, &why));
        };
        self.desired = earlier.mappings.clone();
        self.note = Some(format!("it has the mappings of generation {number} again"));
        Ok(())
    }

    /// How the last change of this run ended, unless it was confirmed.
    fn ended(&self, kept: &Kept) -> Option<Outcome> {
        let run = loading::word(&self.options.run_id);
        let (_, outcome) = kept.last_of(&run)?.ended?;
        (outcome != Outcome::Confirmed).then_some(outcome)
    }

    /// The host runs what it ran before this run.
    fn undone_already(&mut self, observed: &Observed, kept: &Kept) -> Ended {
        self.decided = true;
        let rolled_back_by = match self.ended(kept) {
            Some(Outcome::Undone(by)) => Some(by),
            _ => None,
        };
        Box::new(HostReport {
            generation: observed.current,
            rolled_back_by,
            ..HostReport::new(EndState::RolledBack).because("nothing of this run is in force there")
        })
    }

    /// What the end of a transaction means for its goal.
    pub(super) fn in_the_words_of_its_goal(&mut self, report: HostReport) -> HostReport {
        let note = self.note.take();
        let noted = |report: HostReport| HostReport {
            reason: report.reason.or(note),
            ..report
        };
        match (self.options.goal, report.state) {
            (Goal::RollBack(_), EndState::Confirmed | EndState::Pending) => noted(report),
            (Goal::Revert { .. }, state) if !self.decided => taken_back(state, noted, report),
            (Goal::Drill, EndState::RolledBack) if !self.decided => HostReport {
                state: EndState::Failed,
                ..report
            },
            _ => report,
        }
    }
}

/// The rules in force must be those of the current generation.
fn expect_untouched(current: u32, observed: &Observed, kept: &Kept) -> Result<(), Ended> {
    let Some(recorded) = kept.generation(current) else {
        let why = format!("the host does not tell the mappings of its generation {current}");
        return Err(left_alone(observed, &why));
    };
    let marks = proving::Marks::random();
    match observed.plan(&recorded.mappings, |family| marks.of(family)) {
        Plan::Unchanged(Some(Generation(number))) if number == current => Ok(()),
        Plan::Unchanged(_) => Err(left_alone(observed, "its rules were changed since")),
        Plan::Change(change) => {
            let difference = change.differences.first().map_or("", String::as_str);
            let why = format!("its rules were changed since this run made generation {current}: {difference}");
            Err(left_alone(observed, &why))
        }
    }
}

fn left_alone(observed: &Observed, why: &str) -> Ended {
    Box::new(HostReport {
        generation: observed.current,
        ..HostReport::new(EndState::NotRolledBack)
            .because(format!("{why}: left alone"))
            .advising("it is not as this run left it: look at it by `portmap-deploy status` before you change it")
    })
}

/// Who has the host now: `generation 9 by bob@desk (run 20260101T…) is in force`.
fn in_force(current: u32, observed: &Observed, kept: &Kept) -> String {
    let made = observed.made.as_ref();
    let of_ledger = || kept.made(current).map(|begun| (&begun.operator, &begun.run));
    match made.map(|made| (&made.operator, &made.run)).or_else(of_ledger) {
        Some((operator, run)) => {
            let since = made.map_or_else(String::new, |made| format!(" since {}", made.since));
            format!("generation {current} by {operator} (run {run}) is in force{since}")
        }
        None => format!("generation {current}, of somebody else, is in force"),
    }
}

fn taken_back(state: EndState, noted: impl FnOnce(HostReport) -> HostReport, report: HostReport) -> HostReport {
    match state {
        EndState::Confirmed | EndState::Unchanged => {
            let report = noted(report);
            let now = report.reason.as_deref().unwrap_or("it has what it had before");
            HostReport {
                state: EndState::RolledBack,
                rolled_back_by: Some(RolledBackBy::Controller),
                reason: Some(format!("taken back with its run: {now}")),
                ..report
            }
        }
        // Nobody knows what it runs.
        EndState::Unknown | EndState::NotRolledBack => report,
        _ => HostReport {
            state: EndState::NotRolledBack,
            rolled_back_by: None,
            ..report
        },
    }
}

/// A host of a run that another name of the same run has.
pub(super) fn twice(other: &str) -> Stop {
    Stop {
        refused: true,
        reason: format!("this is the machine that {other} is as well: the same host key at the same address"),
        hint: Some(
            "leave one of the two names out (-l '!NAME'), or give the machine one name with all its mappings"
                .to_owned(),
        ),
    }
}
