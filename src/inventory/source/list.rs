//! Hosts by their names, `-i 'h1,h2,'`: as Ansible's `host_list` plugin reads them, which knows ports and no ranges.

use std::sync::Arc;

use crate::inventory::address;
use crate::inventory::data::{Data, GroupId, UNGROUPED};
use crate::inventory::literal::is_space;
use crate::inventory::names;
use crate::problem::{Location, Problem, Source};

/// Adds the hosts that a text names.
///
/// # Errors
/// There are more than an inventory may hold.
pub(super) fn read(source: &Arc<Source>, data: &mut Data) -> Result<(), Vec<Problem>> {
    let group = data.group(UNGROUPED);
    let mut at = 0;
    for entry in source.text.split(',') {
        let start = at + entry.len() - entry.trim_start_matches(is_space).len();
        at += entry.len() + 1;
        add(source, start, entry.trim_matches(is_space), group, data).map_err(|problem| vec![problem])?;
    }
    Ok(())
}

/// What is no address is a name as it stands, and so is a range. A host that is known already stays as it is.
fn add(
    source: &Arc<Source>,
    start: usize,
    entry: &str,
    group: Option<GroupId>,
    data: &mut Data,
) -> Result<(), Problem> {
    let place = |begin: usize, end: usize| Location {
        source: Arc::clone(source),
        span: start + begin..start + end,
    };
    let (name, port) = match address::split(entry) {
        Some((name, digits)) if !name.contains('[') => (name, names::port(entry, digits)),
        _ => (entry, None),
    };
    if name.is_empty() || data.host(name).is_some() {
        return Ok(());
    }
    let port = port.map(|port| {
        let at = place(port.digits.start, port.digits.end);
        port.node(at)
    });
    data.add_host(name, group, port, &place(0, entry.len()))?;
    Ok(())
}

#[cfg(test)]
mod tests;
