//! `is version(…)`: versions as Python's tools compare them.

use std::cmp::Ordering;

use minijinja::Error;

use crate::template::calls::{Call, fault};

/// Compares by an operator.
pub(super) fn compare(call: &mut Call) -> Result<bool, Error> {
    let other = call.required_text(0, "version")?;
    let operator = call.text(1, "operator")?.unwrap_or_else(|| "eq".to_owned());
    let strict = call.flag(2, "strict")?;
    let kind = call.text(3, "version_type")?;
    call.done(4)?;
    let ours = call.subject()?;
    if ours.is_empty() || other.is_empty() {
        return Err(fault("a version must not be empty"));
    }
    let order = match kind.as_deref() {
        None | Some("loose") if !strict => loose(&ours, &other)?,
        None | Some("strict") => dotted(&ours, &other, false)?,
        Some("semver" | "semantic") => dotted(&ours, &other, true)?,
        Some(_) => return Err(fault("versions are loose, strict, semver or semantic here")),
    };
    match operator.as_str() {
        "==" | "=" | "eq" => Ok(order == Ordering::Equal),
        "!=" | "<>" | "ne" => Ok(order != Ordering::Equal),
        "<" | "lt" => Ok(order == Ordering::Less),
        "<=" | "le" => Ok(order != Ordering::Greater),
        ">" | "gt" => Ok(order == Ordering::Greater),
        ">=" | "ge" => Ok(order != Ordering::Less),
        _ => Err(fault("versions are compared by <, <=, ==, !=, >= or >")),
    }
}

#[derive(PartialEq, Eq)]
enum Part {
    Number(u128),
    Word(String),
}

/// Runs of digits, runs of letters, and what is between dots else.
fn parts(version: &str) -> Vec<Part> {
    let mut runs: Vec<String> = Vec::new();
    let class = |c: char| {
        if c.is_ascii_digit() {
            0
        } else if c.is_ascii_lowercase() {
            1
        } else {
            2
        }
    };
    let mut last = None;
    for c in version.chars() {
        let this = (c != '.').then(|| class(c));
        match this {
            Some(_) if this == last => {
                if let Some(run) = runs.last_mut() {
                    run.push(c);
                }
            }
            Some(_) => runs.push(c.to_string()),
            None => {}
        }
        last = this;
    }
    let part = |run: String| run.parse().map_or(Part::Word(run), Part::Number);
    runs.into_iter().map(part).collect()
}

fn loose(ours: &str, theirs: &str) -> Result<Ordering, Error> {
    let (ours, theirs) = (parts(ours), parts(theirs));
    for pair in ours.iter().zip(&theirs) {
        let order = match pair {
            (Part::Number(ours), Part::Number(theirs)) => ours.cmp(theirs),
            (Part::Word(ours), Part::Word(theirs)) => ours.cmp(theirs),
            _ => {
                return Err(fault(
                    "these versions cannot be compared: one has a number where the other has a word",
                ));
            }
        };
        if order != Ordering::Equal {
            return Ok(order);
        }
    }
    Ok(ours.len().cmp(&theirs.len()))
}

/// Numbers, and what comes before a release: nothing, or words.
type Dotted<'v> = (Vec<u64>, Option<Vec<&'v str>>);

/// `1.2.3` with what comes before a release: `1.2a1` (strict), `1.2.3-rc.1+build` (semantic).
fn dotted(ours: &str, theirs: &str, semantic: bool) -> Result<Ordering, Error> {
    let read = if semantic { semantic_version } else { strict_version };
    let wrong = || fault("this is no such version: it needs to be of the form 1.2.3");
    let (ours, theirs) = (read(ours).ok_or_else(wrong)?, read(theirs).ok_or_else(wrong)?);
    Ok(ours
        .0
        .cmp(&theirs.0)
        .then_with(|| before_release(ours.1.as_deref(), theirs.1.as_deref())))
}

fn strict_version(version: &str) -> Option<Dotted<'_>> {
    let at = version.find(['a', 'b']).unwrap_or(version.len());
    let (numbers, pre) = version.split_at(at);
    let mut numbers: Vec<u64> = numbers
        .split('.')
        .map(|number| number.parse().ok())
        .collect::<Option<_>>()?;
    let pre = (!pre.is_empty()).then(|| pre.split_at(1));
    let valid = (2..=3).contains(&numbers.len()) && pre.is_none_or(|(_, number)| number.parse::<u64>().is_ok());
    numbers.resize(3, 0);
    valid.then_some((numbers, pre.map(|(letter, number)| vec![letter, number])))
}

fn semantic_version(version: &str) -> Option<Dotted<'_>> {
    let release = version.split('+').next()?;
    let (numbers, pre) = release
        .split_once('-')
        .map_or((release, None), |(numbers, pre)| (numbers, Some(pre)));
    let numbers: Vec<u64> = numbers
        .split('.')
        .map(|number| number.parse().ok())
        .collect::<Option<_>>()?;
    (numbers.len() == 3).then(|| (numbers, pre.map(|pre| pre.split('.').collect())))
}

fn before_release(ours: Option<&[&str]>, theirs: Option<&[&str]>) -> Ordering {
    match (ours, theirs) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(ours), Some(theirs)) => {
            let pairs = ours.iter().zip(theirs).map(|(ours, theirs)| identifier(ours, theirs));
            pairs
                .fold(Ordering::Equal, Ordering::then)
                .then(ours.len().cmp(&theirs.len()))
        }
    }
}

fn identifier(ours: &str, theirs: &str) -> Ordering {
    match (ours.parse::<u64>(), theirs.parse::<u64>()) {
        (Ok(ours), Ok(theirs)) => ours.cmp(&theirs),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => ours.cmp(theirs),
    }
}
