//! Who reaches what, a line for each port and what becomes of it.

use crate::firewall::Family;
use crate::mapping::Protocol;
use crate::plan::{From, Reach};

/// One port, those whom the line is about, and where they come to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ReachLine {
    pub service: String,
    /// `IPv6`, `IPv4 from 192.0.2.1`; empty: everybody.
    pub who: String,
    pub before: String,
    pub after: String,
}

impl ReachLine {
    /// What becomes of it.
    pub fn change(&self) -> String {
        if self.before == self.after {
            format!("{}, as now", self.before)
        } else {
            format!("{} → {}", self.before, self.after)
        }
    }
}

/// Callers to whom the same happens share a line.
pub(super) fn lines(reach: &[Reach]) -> Vec<ReachLine> {
    let mut services: Vec<(Protocol, u16)> = Vec::new();
    for one in reach {
        if !services.contains(&(one.protocol, one.port)) {
            services.push((one.protocol, one.port));
        }
    }
    services
        .into_iter()
        .flat_map(|service| of_service(reach, service))
        .collect()
}

fn of_service(reach: &[Reach], (protocol, port): (Protocol, u16)) -> Vec<ReachLine> {
    let all: Vec<&Reach> = reach
        .iter()
        .filter(|one| (one.protocol, one.port) == (protocol, port))
        .collect();
    let mut outcomes = Vec::new();
    for one in &all {
        let outcome = (one.before.words(port), one.after.words(port));
        if !outcomes.contains(&outcome) {
            outcomes.push(outcome);
        }
    }
    let line = |(before, after): (String, String)| {
        let (these, others): (Vec<&Reach>, Vec<&Reach>) = all
            .iter()
            .partition(|one| one.before.words(port) == before && one.after.words(port) == after);
        ReachLine {
            service: format!("{protocol} {port}"),
            who: who(&these, &others),
            before,
            after,
        }
    };
    outcomes.into_iter().map(line).collect()
}

/// Families and callers that tell these from the others.
fn who(these: &[&Reach], others: &[&Reach]) -> String {
    if others.is_empty() {
        return String::new();
    }
    let families = distinct(these, |one| one.family);
    if others.iter().all(|other| !families.contains(&other.family)) {
        return joined(families.iter().map(|family| family.name().to_owned()));
    }
    let callers = distinct(these, |one| one.from);
    if others.iter().all(|other| !callers.contains(&other.from)) {
        return joined(callers.iter().map(|from| format!("from {from}")));
    }
    joined(these.iter().map(|one| each(one.family, one.from)))
}

fn each(family: Family, from: From) -> String {
    format!("{} from {from}", family.name())
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn distinct<T: PartialEq>(these: &[&Reach], of: impl Fn(&Reach) -> T) -> Vec<T> {
    let mut found = Vec::new();
    for one in these.iter().map(|one| of(one)) {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}
