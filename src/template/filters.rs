//! Filters: those of Jinja2, of ansible.builtin, and the addresses of ansible.utils.

mod addresses;
mod choices;
mod collections;
mod encodings;
mod engine;
mod json;
mod numbers;
mod paths;
mod regex;
mod sets;
mod texts;
mod undefined;
mod yaml;

use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value};

use super::calls::{Callee, Undefined, call};

pub(super) use collections::flatten;
pub(super) use regex::{compile, matches};
pub(super) use texts::method;

/// Filters of a kind, by name.
type Table = &'static [(&'static str, Callee)];

const TABLES: &[Table] = &[
    choices::FILTERS,
    collections::FILTERS,
    encodings::FILTERS,
    json::FILTERS,
    numbers::FILTERS,
    paths::FILTERS,
    regex::FILTERS,
    sets::FILTERS,
    texts::FILTERS,
    yaml::FILTERS,
];

/// The names of all filters, without their collections.
pub(super) fn names() -> Vec<&'static str> {
    let addresses = addresses::FILTERS.iter();
    let tables = TABLES
        .iter()
        .flat_map(|table| table.iter())
        .chain(addresses)
        .map(|(name, _)| *name);
    let judged = undefined::FILTERS.iter().map(|(name, _)| *name);
    let engine = engine::filters().into_iter().map(|(name, _)| name);
    tables
        .chain(judged)
        .chain(engine)
        .filter(|name| !name.starts_with('_'))
        .collect()
}

/// Gives the engine all filters.
pub(super) fn add(environment: &mut Environment<'static>) {
    for (name, filter) in engine::filters() {
        add_engine(environment, name, filter);
    }
    for table in TABLES {
        for &(name, callee) in *table {
            add_one(environment, name, callee, Undefined::Passes);
        }
    }
    for &(name, callee) in addresses::FILTERS {
        // Before the filters got a collection of their own, and in between.
        for collection in ["ansible.utils.", "ansible.netcommon.", ""] {
            add_as(environment, format!("{collection}{name}"), callee, Undefined::Passes);
        }
    }
    for &(name, callee) in undefined::FILTERS {
        add_one(environment, name, callee, Undefined::Judged);
    }
}

fn add_one(environment: &mut Environment<'static>, name: &'static str, callee: Callee, undefined: Undefined) {
    add_as(environment, format!("ansible.builtin.{name}"), callee, undefined);
    add_as(environment, name.to_owned(), callee, undefined);
}

fn add_as(environment: &mut Environment<'static>, name: String, callee: Callee, undefined: Undefined) {
    let filter = move |state: &mut State, arguments: Rest<ValueOrKwargs>| call(state, arguments.0, callee, undefined);
    environment.add_filter(name, filter);
}

/// A filter of the engine's; of something undefined it gives something undefined.
fn add_engine(environment: &mut Environment<'static>, name: &'static str, filter: Value) {
    let wrapped = move |state: &mut State, arguments: Rest<ValueOrKwargs>| -> Result<Value, Error> {
        let arguments: Vec<Value> = arguments.0.into_iter().map(Value::from).collect();
        if arguments.iter().any(Value::is_undefined) {
            return Ok(Value::UNDEFINED);
        }
        filter.call(state, &arguments)
    };
    environment.add_filter(format!("ansible.builtin.{name}"), wrapped.clone());
    environment.add_filter(name, wrapped);
}
