//! What a host has, what it should have, and so what to do: `(observed, desired) → Unchanged | Change | Stop`.

mod basis;
mod dangers;
mod differences;
mod held;
mod kept;
mod observed;
mod prospect;
mod reach;
mod rule_diff;
mod sockets;
mod ways;

use std::collections::BTreeMap;

use crate::firewall::{self, Change, Counter, Family, Generation, Mark, Ruleset, Standing};
use crate::mapping::MappingSet;

pub use basis::Basis;
pub use dangers::{Danger, Kind, Way};
pub use held::{Held, Made};
pub use kept::{Begun, Kept, KeptGeneration, Outcome, rolled_back_by};
pub use observed::{Boot, Managed, Observed, Stop};
pub use prospect::Prospect;
pub use reach::{From, Reach, Reached};
pub use rule_diff::{ChainDiff, DiffLine};
pub use sockets::Listener;
pub use ways::{Before, is_mapped, takes_away, way_after, ways_in, ways_now};

/// What to do where a refusal is wrong.
pub const FORCE: &str = "--force tries all the same, with the rollback timer armed";

/// The sections of an agent's answer, by title.
type Sections = BTreeMap<String, String>;

impl Observed {
    /// What is there to do.
    #[must_use]
    pub fn plan(&self, desired: &MappingSet, mark: impl Fn(Family) -> Mark) -> Plan {
        let standings: Vec<_> = self
            .families
            .iter()
            .map(|managed| firewall::standing(&managed.view, desired))
            .collect();
        let absent = standings.iter().all(|standing| *standing == Standing::Absent);
        // Somebody took away the rules of a generation that comes back at the next boot.
        if absent && self.current.is_none() {
            return Plan::Unchanged(None);
        }
        let in_sync = standings.iter().map(|standing| match standing {
            Standing::InSync(generation) if Some(generation.0) == self.current => Some(*generation),
            _ => None,
        });
        let first = in_sync.clone().next().flatten();
        if first.is_some() && in_sync.clone().all(|generation| generation == first) {
            return Plan::Unchanged(first);
        }
        let differences: Vec<_> = standings
            .iter()
            .zip(&self.families)
            .flat_map(|(standing, managed)| match standing {
                Standing::Differs(reasons) => reasons
                    .iter()
                    .map(|reason| format!("{}: {reason}", managed.view.family.name()))
                    .collect(),
                _ => Vec::new(),
            })
            .collect();
        Plan::Change(Box::new(self.change(desired, differences, mark)))
    }

    /// What is there to do so that nothing of ours is left.
    ///
    /// # Errors
    /// When only our own accept lets the operator in, unless `force`: what is left would be a closed door.
    pub fn removal(&self, force: bool, mark: impl Fn(Family) -> Mark) -> Result<Plan, Stop> {
        if !self.has_files && self.families.iter().all(Managed::is_without_us) {
            return Ok(Plan::Unchanged(None));
        }
        if !force && let Some(stop) = self.only_way_in() {
            return Err(stop);
        }
        let why = "portmap-deploy is to be removed".to_owned();
        Ok(Plan::Change(Box::new(HostChange {
            removes: true,
            ..self.change(&MappingSet::default(), vec![why], mark)
        })))
    }

    /// A change that makes a new generation whatever there is.
    #[must_use]
    pub fn rehearsal(&self, desired: &MappingSet, mark: impl Fn(Family) -> Mark) -> HostChange {
        self.change(desired, vec!["a drill".to_owned()], mark)
    }

    /// Why the operator could not log in without us.
    fn only_way_in(&self) -> Option<Stop> {
        let (here, port) = (self.here?, self.sshd?);
        let of_login = |managed: &&Managed| managed.view.family.is_of(here);
        let managed = self.families.iter().find(of_login)?;
        (!managed.view.lets_in_without_us(port)).then(|| Stop {
            refused: true,
            reason: format!(
                "without portmap-deploy no {} rule of the host lets anybody in to sshd on port {port}",
                managed.view.family.name()
            ),
            hint: Some(format!(
                "accept it first, for example: {} -I INPUT -p tcp --dport {port} -j ACCEPT; {FORCE}",
                managed.tool
            )),
        })
    }

    fn change(&self, desired: &MappingSet, differences: Vec<String>, mark: impl Fn(Family) -> Mark) -> HostChange {
        let generation = self.next_generation();
        let families = self.families.iter().map(|managed| {
            let family = managed.view.family;
            FamilyChange {
                family,
                tool: managed.tool.clone(),
                nat: managed.view.nat,
                change: firewall::change(&managed.view, desired, generation, &mark(family)),
            }
        });
        HostChange {
            generation,
            families: families.collect(),
            differences,
            mappings: desired.clone(),
            removes: false,
        }
    }

    fn next_generation(&self) -> Generation {
        let seen = self
            .families
            .iter()
            .filter_map(|managed| firewall::installed(&managed.view.ruleset).highest);
        let highest = seen
            .map(|generation| generation.0)
            .chain(self.current)
            .max()
            .unwrap_or_default();
        Generation(highest.saturating_add(1))
    }
}

/// What to do with a host.
#[derive(Debug)]
pub enum Plan {
    /// It runs what it should: this generation, or nothing of ours.
    Unchanged(Option<Generation>),
    /// It needs a new generation.
    Change(Box<HostChange>),
}

/// The change of a host.
#[derive(Debug)]
pub struct HostChange {
    /// Its new generation.
    pub generation: Generation,
    /// By family.
    pub families: Vec<FamilyChange>,
    /// How it differs from what it should be.
    pub differences: Vec<String>,
    /// The mappings that it is made of: the host keeps them with it.
    pub mappings: MappingSet,
    /// Whether nothing of ours stays once it is confirmed.
    pub removes: bool,
}

/// The change of one family.
#[derive(Debug)]
pub struct FamilyChange {
    /// Which family.
    pub family: Family,
    /// What to run.
    pub tool: String,
    /// Whether it has a nat table.
    pub nat: bool,
    /// The change.
    pub change: Change,
}

/// Packets of our probes by family.
pub type Counts = BTreeMap<(Family, Counter), u64>;

impl HostChange {
    /// The tool of a family, `-` where it is not managed.
    #[must_use]
    pub fn tool(&self, family: Family) -> &str {
        self.families
            .iter()
            .find(|one| one.family == family)
            .map_or("-", |one| one.tool.as_str())
    }

    /// The transaction's files on the host, by the names that the agent knows.
    #[must_use]
    pub fn files(&self) -> Vec<(String, String)> {
        let removes = self.removes.then(|| ("remove".to_owned(), String::new()));
        let mappings = ("mappings".to_owned(), self.mappings.to_text());
        self.families
            .iter()
            .flat_map(FamilyChange::files)
            .chain([mappings])
            .chain(removes)
            .collect()
    }

    /// Reads rules back, as answered by the agent's `rules`.
    ///
    /// # Errors
    /// When a family's rules are missing or cannot be read.
    pub fn read_back(&self, sections: &Sections) -> Result<Vec<Ruleset>, String> {
        let one = |family: &FamilyChange| {
            let title = format!("rules {} {}", digit(family.family), family.tool);
            let text = sections
                .get(&title)
                .ok_or_else(|| format!("{} rules could not be read back", family.family.name()))?;
            Ruleset::parse(text)
                .map_err(|error| format!("{} rules could not be read back: {error}", family.family.name()))
        };
        self.families.iter().map(one).collect()
    }

    /// Compares rules that were read back after `loosen`, or after `tighten`, with what should be there.
    ///
    /// # Errors
    /// What is not as it should be.
    pub fn check(&self, rules: &[Ruleset], tightened: bool) -> Result<(), String> {
        for (family, ruleset) in self.families.iter().zip(rules) {
            let checked = if tightened {
                family.change.check_tightened(ruleset)
            } else {
                family.change.check_loosened(ruleset)
            };
            checked.map_err(|faults| {
                format!(
                    "the host's {} rules do not read back as written: {}",
                    family.family.name(),
                    faults.join("; ")
                )
            })?;
        }
        Ok(())
    }

    /// What our probes' counters show.
    #[must_use]
    pub fn counted(&self, rules: &[Ruleset]) -> Counts {
        let families = self.families.iter().zip(rules);
        families
            .flat_map(|(family, ruleset)| {
                let counted = family.change.counted(ruleset);
                counted
                    .into_iter()
                    .map(|(counter, packets)| ((family.family, counter), packets))
            })
            .collect()
    }

    /// What the operator should know.
    pub fn warnings(&self) -> impl Iterator<Item = String> + '_ {
        self.families.iter().flat_map(|one| one.change.warnings.iter().cloned())
    }
}

impl FamilyChange {
    fn files(&self) -> Vec<(String, String)> {
        let change = &self.change;
        let name = |what: String| format!("{}.{what}", digit(self.family));
        let lines = |lines: &[String]| lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>();
        let mut files = vec![
            (name("stage".to_owned()), change.stage.clone()),
            (name("loosen".to_owned()), change.loosen.clone()),
            (name("undo".to_owned()), change.undo.loosen.clone()),
            (name("rejump".to_owned()), lines(&change.undo.rejump)),
            (name("after".to_owned()), lines(&change.undo.after)),
        ];
        files.extend(change.place.iter().map(|text| (name("place".to_owned()), text.clone())));
        files.extend(
            change
                .tighten
                .iter()
                .map(|text| (name("tighten".to_owned()), text.clone())),
        );
        for undo in &change.undo.tables {
            files.push((name(format!("{}.want", undo.table)), lines(&undo.want)));
            let levels = undo.levels.iter().enumerate();
            files.extend(levels.map(|(level, text)| (name(format!("{}.{}", undo.table, level + 1)), text.clone())));
        }
        for (what, inputs) in [("clean", &change.clean), ("boot", &change.boot)] {
            for (place, input) in inputs.iter().enumerate() {
                let tries = input.tries.iter().enumerate();
                files.extend(
                    tries.map(|(attempt, text)| (name(format!("{what}.{}.{}", place + 1, attempt + 1)), text.clone())),
                );
            }
        }
        if !self.nat {
            files.push((name("nonat".to_owned()), "no nat table\n".to_owned()));
        }
        files
    }
}

fn digit(family: Family) -> char {
    match family {
        Family::V4 => '4',
        Family::V6 => '6',
    }
}

#[cfg(test)]
mod tests;
