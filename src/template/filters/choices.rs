//! Lists made of the items of lists, in all the ways there are.

use minijinja::{Error, Value};

use super::Table;
use super::collections::tuple;
use crate::template::calls::{Call, fault, list};
use crate::template::output::MAX_DEPTH;

pub(super) const FILTERS: Table = &[
    ("combinations", combinations),
    ("permutations", permutations),
    ("product", product),
    ("zip", zip),
    ("zip_longest", zip_longest),
];

/// The most items that a filter may make of a few.
const MAX_ITEMS: usize = 100_000;

/// The value and all arguments, as lists.
fn lists(call: &Call) -> Result<Vec<Vec<Value>>, Error> {
    std::iter::once(&call.value).chain(&call.positional).map(list).collect()
}

fn zip(call: &mut Call) -> Result<Value, Error> {
    let _ = call.argument(usize::MAX, "strict")?;
    call.done(usize::MAX)?;
    let lists = lists(call)?;
    let shortest = lists.iter().map(Vec::len).min().unwrap_or_default();
    let nth = |index: usize| tuple(lists.iter().filter_map(|list| list.get(index).cloned()).collect());
    Ok((0..shortest).map(nth).collect())
}

fn zip_longest(call: &mut Call) -> Result<Value, Error> {
    let filler = call
        .argument(usize::MAX, "fillvalue")?
        .unwrap_or_else(|| Value::from(()));
    call.done(usize::MAX)?;
    let lists = lists(call)?;
    let longest = lists.iter().map(Vec::len).max().unwrap_or_default();
    let nth = |index: usize| {
        tuple(
            lists
                .iter()
                .map(|list| list.get(index).unwrap_or(&filler).clone())
                .collect(),
        )
    };
    Ok((0..longest).map(nth).collect())
}

fn product(call: &mut Call) -> Result<Value, Error> {
    let repeat = call.integer(usize::MAX, "repeat")?.unwrap_or(1);
    call.done(usize::MAX)?;
    let lists = lists(call)?;
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for list in (0..repeat).flat_map(|_| &lists) {
        if rows.len().saturating_mul(list.len()) > MAX_ITEMS || rows.first().is_some_and(|row| row.len() > MAX_DEPTH) {
            return Err(too_many());
        }
        let longer = |row: &Vec<Value>, item: &Value| row.iter().chain([item]).cloned().collect();
        rows = rows
            .iter()
            .flat_map(|row| list.iter().map(move |item| longer(row, item)))
            .collect();
    }
    Ok(rows.into_iter().map(tuple).collect())
}

fn too_many() -> Error {
    fault(format!("this gives more than {MAX_ITEMS} items"))
}

fn permutations(call: &mut Call) -> Result<Value, Error> {
    chosen(call, |taken: &[usize], next| !taken.contains(&next))
}

fn combinations(call: &mut Call) -> Result<Value, Error> {
    call.required(0, "r")?;
    chosen(call, |taken: &[usize], next| {
        taken.last().is_none_or(|last| *last < next)
    })
}

/// All ways to choose items, in order of their places.
fn chosen(call: &Call, may_follow: fn(&[usize], usize) -> bool) -> Result<Value, Error> {
    let size = call.integer(0, "r")?;
    call.done(1)?;
    let items = call.list()?;
    let size = size.map_or(Ok(items.len()), |size| {
        usize::try_from(size).map_err(|_| fault("`r` must not be negative"))
    })?;
    let mut ways: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..size {
        let mut longer = Vec::new();
        for way in &ways {
            for next in (0..items.len()).filter(|next| may_follow(way, *next)) {
                longer.push(way.iter().copied().chain([next]).collect());
            }
            if longer.len() > MAX_ITEMS {
                return Err(too_many());
            }
        }
        ways = longer;
    }
    let values = |way: Vec<usize>| tuple(way.into_iter().filter_map(|index| items.get(index).cloned()).collect());
    Ok(ways.into_iter().map(values).collect())
}
