//! What the host's own rules say of a change before it starts: what is certain to go wrong is refused, the rest is said.

use super::ended::{Ended, stopped};
use super::goals::Aim;
use super::{Goal, Transaction};
use crate::plan::{Danger, FORCE, HostChange, Kind, Observed, Prospect, Stop, Way};
use crate::remote::{Login, Remote};

impl<R: Remote> Transaction<'_, R> {
    /// Refuses a change that would lock somebody out or not work, unless the operator insists. The way back from a change of
    /// this run, and a drill, which changes nothing, are never refused.
    pub(super) fn heed(&mut self, first: &Login, observed: &Observed, change: &HostChange) -> Result<(), Ended> {
        // Nor what waits for somebody else's change: whose rules those are is not known yet.
        let never = self.aim == Aim::Drill || matches!(self.options.goal, Goal::Revert { .. });
        if never || observed.held.is_some() {
            return Ok(());
        }
        let after = observed.after(change);
        let (warnings, refusal) = self.judgement(first, observed, &observed.prospect(change, &after));
        self.warnings.extend(warnings);
        refusal.map_or(Ok(()), |stop| Err(Box::new(stopped(stop))))
    }

    /// What there is to be said of a change, and why it would not start.
    pub(super) fn judgement(
        &self,
        login: &Login,
        observed: &Observed,
        prospect: &Prospect<'_>,
    ) -> (Vec<String>, Option<Stop>) {
        let way = Way {
            now: login.port,
            after: self.way_after(login, observed),
        };
        let dangers = prospect.dangers(way);
        let (refusing, others): (Vec<_>, Vec<_>) = dangers.iter().partition(|danger| danger.refuses);
        let mut warnings: Vec<String> = others.into_iter().map(warning).collect();
        if !self.options.force {
            return (warnings, refusal(&refusing, self.remedy()));
        }
        let overridden = |danger| format!("overridden by --force: {}", warning(danger));
        warnings.extend(refusing.into_iter().map(overridden));
        (warnings, None)
    }
}

fn warning(danger: &Danger) -> String {
    format!("{danger}; {}", danger.hint)
}

/// All that is wrong, and the remedy of the worst; `way`: what to do where the way in is lost.
fn refusal(dangers: &[&Danger], way: Option<String>) -> Option<Stop> {
    let worst = dangers.first()?;
    let hint = way.filter(|_| worst.kind == Kind::CutOff);
    let hint = hint.unwrap_or_else(|| worst.hint.clone());
    let all: Vec<_> = dangers.iter().map(ToString::to_string).collect();
    Some(Stop {
        refused: true,
        reason: all.join("; "),
        hint: Some(format!("{hint}; {FORCE}")),
    })
}
