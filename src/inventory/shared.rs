//! Problems of several hosts, of which a group's value gives each of its hosts the same: told once, with who says the
//! value and which hosts have it.

use std::collections::HashMap;

use super::precedence::{HostVars, Said};
use crate::problem::{Location, Problem};

/// How many hosts are named.
const SHOWN: usize = 3;

#[derive(Default)]
pub(super) struct Shared {
    problems: Vec<One>,
    places: HashMap<(String, usize, String), usize>,
}

/// One problem, and whose it is.
struct One {
    problem: Problem,
    said: Option<String>,
    hosts: Vec<String>,
}

impl Shared {
    /// Adds what is wrong with a host.
    pub fn add(&mut self, host: &HostVars<'_>, problems: Vec<Problem>) {
        for problem in problems {
            let said = problem.at.as_ref().and_then(|at| said(host, at));
            self.one(host.name, said, problem);
        }
    }

    /// Adds what is wrong with the files that a host's variables come from.
    pub fn add_files(&mut self, problems: Vec<Problem>) {
        for problem in problems {
            self.one("", None, problem);
        }
    }

    fn one(&mut self, host: &str, said: Option<String>, problem: Problem) {
        let (file, start) = problem
            .at
            .as_ref()
            .map_or((String::new(), 0), |at| (at.source.name.clone(), at.span.start));
        let next = self.problems.len();
        let place = *self
            .places
            .entry((file, start, problem.message.clone()))
            .or_insert(next);
        let host = Some(host.to_owned()).filter(|host| !host.is_empty());
        match self.problems.get_mut(place) {
            // Several items of one template stand at one place.
            Some(one) => one.hosts.extend(host.filter(|host| one.hosts.last() != Some(host))),
            None => self.problems.push(One {
                problem,
                said,
                hosts: host.into_iter().collect(),
            }),
        }
    }

    /// The problems with their hosts, or nothing when there are none.
    pub fn named(self) -> Option<Vec<Problem>> {
        let named: Vec<Problem> = self.problems.into_iter().map(One::named).collect();
        (!named.is_empty()).then_some(named)
    }
}

impl One {
    fn named(self) -> Problem {
        let names = self.hosts.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>();
        let hosts = match self.hosts.len() {
            0 => None,
            1 => Some(format!("host {}", names.join(""))),
            count if count > SHOWN => Some(format!("hosts {} and {} more", names.join(", "), count - SHOWN)),
            _ => Some(format!("hosts {}", names.join(", "))),
        };
        let whose: Vec<String> = self.said.into_iter().chain(hosts).collect();
        if whose.is_empty() {
            return self.problem;
        }
        Problem {
            message: format!("{} ({})", self.problem.message, whose.join("; ")),
            ..self.problem
        }
    }
}

/// Who says the value at a place, but for a host itself.
fn said(host: &HostVars<'_>, at: &Location) -> Option<String> {
    let holds = |outer: &Location| {
        std::sync::Arc::ptr_eq(&outer.source, &at.source)
            && outer.span.start <= at.span.start
            && at.span.end <= outer.span.end
    };
    let var = host.iter().find(|var| holds(&var.node.at))?;
    match var.said {
        Said::Group(name) => Some(format!("group {name}")),
        Said::Host => None,
        Said::Play => Some("play".to_owned()),
        Said::ExtraVars => Some("--extra-vars".to_owned()),
    }
}
