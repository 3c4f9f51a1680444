//! Positions and slices: `web[0]`, `web[-1]`, `web[1:3]`, `web[2:]`.

use super::chosen::{Chosen, Slot};
use crate::inventory::data::HostId;

/// The hosts of groups, one group after the other, and then hosts by their own names: a host counts as often as it is
/// named so.
pub(super) struct Found<'m> {
    pub groups: Vec<&'m [HostId]>,
    pub hosts: Vec<Slot>,
}

impl Found<'_> {
    pub fn count(&self) -> usize {
        self.groups.iter().map(|hosts| hosts.len()).sum::<usize>() + self.hosts.len()
    }

    fn all(&self) -> impl Iterator<Item = Slot> {
        let groups = self.groups.iter().copied().flatten().map(|HostId(host)| *host);
        groups.chain(self.hosts.iter().copied())
    }

    /// Each of these once. Groups in groups may name every host thousands of times.
    fn once(&self, hosts: impl Iterator<Item = Slot>, slots: usize) -> Vec<Slot> {
        if self.groups.len() + usize::from(!self.hosts.is_empty()) == 1 {
            return hosts.collect();
        }
        let mut chosen = Chosen::new(slots);
        hosts.for_each(|slot| chosen.add(slot));
        chosen.hosts().collect()
    }
}

/// What brackets at the end of a term hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    All,
    /// `[2]`, or `[-1]` from the end.
    At {
        index: usize,
        from_end: bool,
    },
    /// `[1:3]` with both ends, `[1:]`; Ansible reads an end of 0 as none: `[2:0]` is `[2]`.
    Slice {
        begin: usize,
        end: Option<usize>,
        dash: bool,
    },
}

impl Position {
    /// The term without its position.
    pub fn split(term: &str) -> (&str, Self) {
        let parts = term.strip_suffix(']').and_then(|term| term.rsplit_once('['));
        match parts {
            Some((name, inside)) if !name.is_empty() && !name.starts_with('~') && !name.contains('\n') => {
                Self::read(inside).map_or((term, Self::All), |position| (name, position))
            }
            _ => (term, Self::All),
        }
    }

    fn read(text: &str) -> Option<Self> {
        if let Some(index) = number(text) {
            return Some(Self::At { index, from_end: false });
        }
        if let Some(index) = text.strip_prefix('-').and_then(number) {
            return Some(Self::At {
                index,
                from_end: index > 0,
            });
        }
        let (begin, end) = text.split_once([':', '-'])?;
        let begin = number(begin)?;
        let end = if end.is_empty() { None } else { Some(number(end)?) };
        let dash = text.contains('-');
        Some(Self::Slice { begin, end, dash })
    }

    /// The hosts at this position; `None`: there is none.
    pub fn of(self, found: &Found<'_>, slots: usize) -> Option<Vec<Slot>> {
        let one = |at: usize| found.all().nth(at).map(|slot| vec![slot]);
        match self {
            Self::All => Some(found.once(found.all(), slots)),
            Self::At { index, from_end: false } => one(index),
            Self::At { index, from_end: true } => one(found.count().checked_sub(index)?),
            Self::Slice {
                begin, end: Some(0), ..
            } => one(begin),
            Self::Slice { begin, end, .. } => {
                let end = end.map_or(usize::MAX, |end| end.saturating_add(1));
                Some(found.once(found.all().take(end).skip(begin), slots))
            }
        }
    }
}

/// Digits; a number beyond all counts is as good as the largest.
fn number(text: &str) -> Option<usize> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(usize::MAX))
}
