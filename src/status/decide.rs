//! From what a host has, keeps and should have to its state.

use std::collections::BTreeSet;
use std::time::Duration;

use super::blame::blame;
use super::{Made, Pending, State, Status, changes};
use crate::firewall::{self, Standing};
use crate::mapping::MappingSet;
use crate::plan::{Begun, Boot, Held, Kept, Observed, Outcome, Stop};

impl Status {
    /// How a host stands that could be looked at.
    #[must_use]
    pub fn of(observed: &Observed, kept: &Kept, desired: &MappingSet) -> Self {
        let host = Host {
            observed,
            kept,
            desired,
        };
        let status = match &observed.held {
            Some(held) => pending(held),
            None => host.status(),
        };
        Self {
            warnings: observed.warnings.clone(),
            ..status
        }
    }

    /// How a host stands whose rules could not be made out. Rules in both backends, where some of them are ours, are
    /// somebody's doing.
    #[must_use]
    pub fn stopped(stop: Stop, current: Option<u32>) -> Self {
        let state = match current {
            Some(_) if stop.refused => State::Drifted,
            _ => State::Failed,
        };
        let status = Self::new(state).because(stop.reason).advising(stop.hint);
        Self {
            generation: current,
            ..status
        }
    }
}

fn pending(held: &Held) -> Status {
    let made = Made {
        since: held.since.parse().ok(),
        operator: Some(held.operator.clone()),
        run_id: Some(held.run.clone()),
    };
    Status {
        generation: held.generation,
        pending: Some(Pending {
            transaction: held.transaction.clone(),
            made,
            left: Duration::from_secs(held.left),
            until: None,
        }),
        ..Status::new(State::Pending)
    }
    .because(progress(held))
    .advising("wait for its end, or end it: portmap-deploy confirm, or cancel".to_owned())
}

fn progress(held: &Held) -> &'static str {
    match (held.switched, held.attended) {
        (true, true) => "the new rules are in force, and its run is about to confirm or undo them",
        (true, false) => "the new rules are in force, and wait to be confirmed",
        (false, true) => "its run is under way",
        (false, false) => "its run has gone: the host's timer undoes what was changed",
    }
}

struct Host<'a> {
    observed: &'a Observed,
    kept: &'a Kept,
    desired: &'a MappingSet,
}

/// What stands where there is no fault: this generation, or nothing of ours.
type Stands = Result<Option<u32>, Vec<String>>;

impl Host<'_> {
    fn status(&self) -> Status {
        let current = self.observed.current;
        let status = match (self.stands(self.desired), current) {
            (Ok(found), _) if found == current => self.settled(State::InSync),
            (Err(_), None) if self.is_bare() => never_deployed(),
            (found, None) => self.drifted(strangers(found)),
            (found, Some(current)) => self.off(found, current),
        };
        Status {
            generation: current,
            made: current.map(|current| self.made(current)).unwrap_or_default(),
            ..status
        }
    }

    /// The rules are the host's own; whether they are after a reboot is another question.
    fn settled(&self, state: State) -> Status {
        match self.observed.boot {
            Boot::Missing => self.drifted(vec![
                "what loads the rules when the host boots was taken away or changed".to_owned(),
            ]),
            Boot::Settled | Boot::Never => Status::new(state),
        }
    }

    /// The host has a generation of its own, and its rules are not those of the inventory.
    fn off(&self, found: Stands, current: u32) -> Status {
        let Some(own) = self.kept.generation(current) else {
            return self.drifted(unknown(current, found));
        };
        let differences = changes(&own.mappings, self.desired);
        let status = match self.stands(&own.mappings) {
            Ok(Some(found)) if found == current => self.outdated(),
            Ok(Some(other)) => self.drifted(vec![format!(
                "the rules of generation {other} are in force, and the host's own are those of {current}"
            )]),
            Ok(None) => self.drifted(vec!["none of our rules are there".to_owned()]),
            Err(reasons) => self.drifted(reasons),
        };
        Status { differences, ..status }
    }

    fn outdated(&self) -> Status {
        let status = self.settled(State::Outdated);
        let hint = "deploy brings it to what the inventory asks for";
        Status {
            hint: status.hint.or(Some(hint.to_owned())),
            ..status
        }
    }

    fn drifted(&self, reasons: Vec<String>) -> Status {
        let other = self.in_force().filter(|found| Some(*found) != self.observed.current);
        let foreign = other.map(|other| format!("generation {other} is in force in part or in whole"));
        let said = reasons
            .iter()
            .any(|reason| reason.starts_with("the rules of generation"));
        Status {
            reasons: foreign.into_iter().filter(|_| !said).chain(reasons).collect(),
            blame: Some(blame(self.observed, self.kept, other)),
            ..Status::new(State::Drifted)
        }
        .advising("deploy puts its rules back, with the rollback timer armed".to_owned())
    }

    /// Compares the rules in force with mappings, in all families.
    fn stands(&self, set: &MappingSet) -> Stands {
        let families = &self.observed.families;
        let standings: Vec<_> = families
            .iter()
            .map(|managed| (managed.view.family.name(), firewall::standing(&managed.view, set)))
            .collect();
        let found: BTreeSet<Option<u32>> = standings
            .iter()
            .filter_map(|(_, standing)| match standing {
                Standing::InSync(generation) => Some(Some(generation.0)),
                Standing::Absent => Some(None),
                Standing::Differs(_) => None,
            })
            .collect();
        let reasons = reasons(standings);
        match found.first() {
            Some(generation) if reasons.is_empty() && found.len() == 1 => Ok(*generation),
            _ if reasons.is_empty() => Err(vec!["IPv4 and IPv6 have rules of different generations".to_owned()]),
            _ => Err(reasons),
        }
    }

    /// Whether nothing of ours is in the rules.
    fn is_bare(&self) -> bool {
        self.observed.families.iter().all(crate::plan::Managed::is_without_us)
    }

    /// The one generation that the hooks lead to, as far as they lead anywhere; where they differ, the one that is not the
    /// host's own.
    fn in_force(&self) -> Option<u32> {
        let families = self.observed.families.iter();
        let hooks = families.flat_map(|managed| firewall::installed(&managed.view.ruleset).hooks.into_values());
        let found: BTreeSet<u32> = hooks.filter_map(|hook| Some(hook.generation?.0)).collect();
        let foreign = found.iter().find(|found| Some(**found) != self.observed.current);
        foreign.or(found.first()).copied()
    }

    /// By the ledger, and by the generation itself where that does not go back as far.
    fn made(&self, current: u32) -> Made {
        if let Some(begun) = self.kept.made(current) {
            return made(begun);
        }
        self.observed.made.as_ref().map_or_else(Made::default, |noted| Made {
            since: noted.since.parse().ok(),
            operator: Some(noted.operator.clone()),
            run_id: Some(noted.run.clone()),
        })
    }
}

fn made(begun: &Begun) -> Made {
    let confirmed = begun.ended.filter(|(_, outcome)| *outcome == Outcome::Confirmed);
    Made {
        since: Some(confirmed.map_or(begun.at, |(at, _)| at)),
        operator: Some(begun.operator.clone()),
        run_id: Some(begun.run.clone()),
    }
}

fn never_deployed() -> Status {
    Status::new(State::NeverDeployed)
        .because("nothing of portmap-deploy is on the host")
        .advising("deploy to it".to_owned())
}

/// Rules of ours on a host that knows nothing of them.
fn strangers(found: Stands) -> Vec<String> {
    let reason = "rules of portmap-deploy are in force, and the host keeps no generation of its own".to_owned();
    [reason].into_iter().chain(found.err().unwrap_or_default()).collect()
}

/// A host that does not keep the mappings of its own generation.
fn unknown(current: u32, found: Stands) -> Vec<String> {
    let reason = format!(
        "the host does not keep the mappings of its generation {current}: whether the rules or the inventory changed, \
         nobody can tell"
    );
    [reason].into_iter().chain(found.err().unwrap_or_default()).collect()
}

/// Each reason once, with the families that it is true of.
fn reasons(standings: Vec<(&'static str, Standing)>) -> Vec<String> {
    let mut said: Vec<(String, Vec<&str>)> = vec![];
    for (family, standing) in standings {
        let Standing::Differs(reasons) = standing else { continue };
        for reason in reasons {
            match said.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, families)) => families.push(family),
                None => said.push((reason, vec![family])),
            }
        }
    }
    said.into_iter()
        .map(|(reason, families)| format!("{}: {reason}", families.join(" and ")))
        .collect()
}
