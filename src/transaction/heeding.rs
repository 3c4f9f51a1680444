//! What the host's own rules say of a change before it starts: what is certain to go wrong is refused, the rest is said.

use super::ended::{Ended, stopped};
use super::goals::Aim;
use super::{Goal, Transaction};
use crate::plan::{Danger, FORCE, HostChange, Observed, Stop, Way};
use crate::remote::{Login, Remote};

impl<R: Remote> Transaction<'_, R> {
    /// Refuses a change that would lock somebody out or not work, unless the operator insists. The way back from a change of
    /// this run, and a drill, which changes nothing, are never refused.
    pub(super) fn heed(&mut self, first: &Login, observed: &Observed, change: &HostChange) -> Result<(), Ended> {
        if self.aim == Aim::Drill || matches!(self.options.goal, Goal::Revert { .. }) {
            return Ok(());
        }
        let dangers = self.dangers(first, observed, change);
        let (refusing, others): (Vec<_>, Vec<_>) = dangers.iter().partition(|danger| danger.refuses);
        self.warnings.extend(others.into_iter().map(warning));
        if self.options.force {
            let overridden = |danger| format!("overridden by --force: {}", warning(danger));
            self.warnings.extend(refusing.into_iter().map(overridden));
            return Ok(());
        }
        match refusal(&refusing) {
            Some(stop) => Err(Box::new(stopped(stop))),
            None => Ok(()),
        }
    }

    /// The same as warnings, for who only looks.
    pub(super) fn foretold(&self, login: &Login, observed: &Observed, change: &HostChange) -> Vec<String> {
        let told = |danger: &Danger| match danger.refuses {
            true => format!("a deploy would be refused: {}", warning(danger)),
            false => warning(danger),
        };
        self.dangers(login, observed, change).iter().map(told).collect()
    }

    fn dangers(&self, login: &Login, observed: &Observed, change: &HostChange) -> Vec<Danger> {
        let way = Way {
            now: login.port,
            after: self.way_after(login, observed),
        };
        observed.dangers(change, way)
    }
}

fn warning(danger: &Danger) -> String {
    format!("{danger}; {}", danger.hint)
}

/// All that is wrong, and the remedy of the worst.
fn refusal(dangers: &[&Danger]) -> Option<Stop> {
    let worst = dangers.first()?;
    let all: Vec<_> = dangers.iter().map(ToString::to_string).collect();
    Some(Stop {
        refused: true,
        reason: all.join("; "),
        hint: Some(format!("{}; {FORCE}", worst.hint)),
    })
}
