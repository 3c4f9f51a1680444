//! Lists as sets: each value once, in the order of its first place. (Python's own order changes from run to run.)

use std::collections::HashSet;

use minijinja::{Error, Value};

use super::Table;
use crate::template::calls::{Call, list};

pub(super) const FILTERS: Table = &[
    ("difference", difference),
    ("intersect", intersect),
    ("symmetric_difference", symmetric_difference),
    ("union", union),
];

fn both(call: &Call) -> Result<(Vec<Value>, Vec<Value>), Error> {
    let other = call.required(0, "b")?;
    call.done(1)?;
    Ok((call.list()?, list(&other)?))
}

/// Each value once.
fn once(values: impl IntoIterator<Item = Value>) -> Value {
    let mut seen = HashSet::new();
    let new: Vec<Value> = values.into_iter().filter(|value| seen.insert(value.clone())).collect();
    Value::from(new)
}

/// The values that are in a list, or that are not.
fn kept(values: Vec<Value>, other: &[Value], common: bool) -> impl Iterator<Item = Value> {
    let other: HashSet<Value> = other.iter().cloned().collect();
    values.into_iter().filter(move |value| other.contains(value) == common)
}

fn difference(call: &mut Call) -> Result<Value, Error> {
    let (ours, theirs) = both(call)?;
    Ok(once(kept(ours, &theirs, false)))
}

fn intersect(call: &mut Call) -> Result<Value, Error> {
    let (ours, theirs) = both(call)?;
    Ok(once(kept(ours, &theirs, true)))
}

fn symmetric_difference(call: &mut Call) -> Result<Value, Error> {
    let (ours, theirs) = both(call)?;
    let only_theirs: Vec<Value> = kept(theirs.clone(), &ours, false).collect();
    Ok(once(kept(ours, &theirs, false).chain(only_theirs)))
}

fn union(call: &mut Call) -> Result<Value, Error> {
    let (ours, theirs) = both(call)?;
    Ok(once(ours.into_iter().chain(theirs)))
}
