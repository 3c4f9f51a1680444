//! The engine as templates need it, and the functions that they can call.

use std::path::{Path, PathBuf};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, Value};

use super::calls::{Call, Callee, Undefined, call, entries, fault, integer, kind, list};
use super::lazy::Omit;
use super::source::Source;
use super::{filters, output, python, tests_of_values};

/// What one run of a template may cost, in steps of the engine.
const FUEL: u64 = 3_000_000;
/// How deep macros and loops may call each other.
const MAX_RECURSION: usize = 60;
/// The most numbers of a `sequence`.
const MAX_SEQUENCE: usize = 100_000;

/// The functions made here.
const FUNCTIONS: &[(&str, Callee, Undefined)] = &[
    ("lookup", lookup, Undefined::Passes),
    ("query", query, Undefined::Passes),
    ("q", query, Undefined::Passes),
    ("dict", make_dict, Undefined::Passes),
    ("now", now, Undefined::Judged),
    ("undef", undef, Undefined::Judged),
];

/// The functions and values of the engine's that stay.
const BUILTIN: &[&str] = &["namespace", "omit", "range"];

/// The names of all functions.
pub(super) fn names() -> Vec<&'static str> {
    let made = FUNCTIONS.iter().map(|(name, _, _)| *name);
    made.chain(["namespace", "range"]).collect()
}

/// Whether a name is a function's, where no variable has it.
pub(super) fn is_global(name: &str) -> bool {
    BUILTIN.contains(&name) || FUNCTIONS.iter().any(|(known, _, _)| *known == name)
}

/// An engine that reads templates as Ansible sets up Jinja2.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_debug(false);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MAX_RECURSION);
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_formatter(output::print);
    environment.set_unknown_method_callback(method);
    // A template is known by its text: the engine keeps what it made of it.
    environment.set_loader(|text| Source::bounded(text).map(Some));
    environment.remove_global("debug");
    environment.add_global("omit", Value::from_object(Omit));
    for &(name, callee, undefined) in FUNCTIONS {
        let function = move |state: &mut State, arguments: Rest<ValueOrKwargs>| {
            // A function has no value before it: the first place stays empty.
            let all = std::iter::once(Value::from(()).into()).chain(arguments.0);
            call(state, all, callee, undefined)
        };
        environment.add_function(name, function);
    }
    filters::add(&mut environment);
    tests_of_values::add(&mut environment);
    environment
}

/// Methods of Python's strings, lists and maps.
fn method(state: &mut State, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let changing = [
        "append",
        "extend",
        "insert",
        "pop",
        "remove",
        "update",
        "clear",
        "setdefault",
        "popitem",
    ];
    match filters::method(value, name, arguments) {
        Some(result) => result,
        None if changing.contains(&name) && !value.is_undefined() => Err(fault(format!(
            "`{name}` would change a value; values of variables cannot be changed"
        ))),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, arguments),
    }
}

/// `dict(a=1)`, or of a map or pairs.
fn make_dict(call: &mut Call) -> Result<Value, Error> {
    let mut made = indexmap::IndexMap::new();
    match call.positional.as_slice() {
        [] => {}
        [map] if map.kind() == ValueKind::Map => made.extend(entries(map, "")?),
        [pairs] => {
            for pair in list(pairs)? {
                let [key, value] = <[Value; 2]>::try_from(list(&pair)?).map_err(|_| fault("`dict` needs pairs"))?;
                made.insert(key, value);
            }
        }
        _ => return Err(fault("`dict` takes one value")),
    }
    for name in call.names() {
        made.insert(Value::from(name.as_str()), call.required(usize::MAX, &name)?);
    }
    Ok(Value::from_pairs(made))
}

fn now(_: &mut Call) -> Result<Value, Error> {
    Err(fault(
        "`now` is not available: what is deployed must not depend on the time",
    ))
}

/// Something undefined.
#[expect(clippy::unnecessary_wraps, reason = "as all functions")]
fn undef(_: &mut Call) -> Result<Value, Error> {
    Ok(Value::UNDEFINED)
}

/// The lookups that there are, for messages.
const LOOKUPS: &str = "dict, env, file, indexed_items, items, list, sequence, together, vars, varnames";

/// `lookup(…)`: what `query` gives, joined with commas; a single item as it is.
fn lookup(call: &mut Call) -> Result<Value, Error> {
    let wants_list = call.flag(usize::MAX, "wantlist")?;
    let items = found(call)?;
    if wants_list {
        return Ok(Value::from(items));
    }
    match items.as_slice() {
        [only] => Ok(only.clone()),
        items if items.iter().all(|item| item.as_str().is_some()) => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            Ok(Value::from(texts.join(",")))
        }
        _ => Ok(Value::from(items)),
    }
}

/// `query(…)`: a list.
fn query(call: &mut Call) -> Result<Value, Error> {
    let _ = call.flag(usize::MAX, "wantlist")?;
    Ok(Value::from(found(call)?))
}

fn found(call: &mut Call) -> Result<Vec<Value>, Error> {
    let name = call.required_text(0, "name")?;
    let terms: Vec<Value> = call.positional.iter().skip(1).cloned().collect();
    match name.strip_prefix("ansible.builtin.").unwrap_or(&name) {
        "env" => each(call, &terms, env),
        "vars" => each(call, &terms, vars),
        "file" => each(call, &terms, file),
        "dict" => dict(call, &terms),
        "list" => Ok(terms),
        "items" => filters::flatten(&terms, Some(1), false),
        "indexed_items" => indexed(&terms),
        "together" => together(&terms),
        "sequence" => sequence(call, &terms),
        "varnames" => varnames(call, &terms),
        _ => Err(fault(format!("the lookup `{name}` is not known; known are {LOOKUPS}"))),
    }
}

type One = fn(&Call, &str) -> Result<Value, Error>;

fn each(call: &Call, terms: &[Value], one: One) -> Result<Vec<Value>, Error> {
    let text = |term: &Value| match term.as_str() {
        Some(text) => one(call, text),
        None => Err(fault(format!("a lookup's term must be text, and is {}", kind(term)))),
    };
    terms.iter().map(text).collect()
}

fn env(call: &Call, name: &str) -> Result<Value, Error> {
    let default = call.argument(usize::MAX, "default")?;
    let value = call.context()?.shared.engine.world.variable(name).map(Value::from);
    Ok(value.or(default).unwrap_or_else(|| Value::from("")))
}

fn vars(call: &Call, name: &str) -> Result<Value, Error> {
    let default = call.argument(usize::MAX, "default")?;
    let value = call.context()?.variable(name);
    Ok(value.or(default).unwrap_or(Value::UNDEFINED))
}

fn file(call: &Call, name: &str) -> Result<Value, Error> {
    let strips = |name: &str, default: bool| -> Result<bool, Error> {
        Ok(call
            .argument(usize::MAX, name)?
            .map_or(default, |value| value.is_true()))
    };
    let (right, left) = (strips("rstrip", true)?, strips("lstrip", false)?);
    let context = call.context()?;
    let world = &context.shared.engine.world;
    let candidates = candidates(name, &context.host.scope.folders());
    let is_file = |path: &&PathBuf| matches!(world.kind(path), Some(crate::world::Kind::File { .. }));
    let path = candidates.iter().find(is_file).ok_or_else(|| {
        fault(format!(
            "the file `{name}` of the lookup is in none of the folders that it was looked for in"
        ))
    })?;
    let bytes = world
        .read(path)
        .map_err(|error| fault(format!("{} cannot be read: {error}", path.display())))?;
    let text = String::from_utf8(bytes).map_err(|_| fault(format!("{} is not UTF-8 text", path.display())))?;
    let text = if right { text.trim_end() } else { &text };
    Ok(Value::from(if left { text.trim_start() } else { text }))
}

/// The paths that a name may mean: in each folder below `files` first.
fn candidates(name: &str, folders: &[PathBuf]) -> Vec<PathBuf> {
    if Path::new(name).is_absolute() {
        return vec![PathBuf::from(name)];
    }
    let within = |folder: &PathBuf| [folder.join("files").join(name), folder.join(name)];
    folders.iter().flat_map(within).collect()
}

fn dict(_: &Call, terms: &[Value]) -> Result<Vec<Value>, Error> {
    let mut pairs = Vec::new();
    for term in terms {
        for (key, value) in entries(term, "the term of the lookup `dict`")? {
            pairs.push(Value::from_pairs([("key", key), ("value", value)]));
        }
    }
    Ok(pairs)
}

fn indexed(terms: &[Value]) -> Result<Vec<Value>, Error> {
    let items = filters::flatten(terms, Some(1), false)?;
    let pair = |(index, item)| Value::from(vec![Value::from(index), item]);
    Ok(items.into_iter().enumerate().map(pair).collect())
}

fn together(terms: &[Value]) -> Result<Vec<Value>, Error> {
    let lists: Vec<Vec<Value>> = terms.iter().map(list).collect::<Result<_, _>>()?;
    let longest = lists.iter().map(Vec::len).max().unwrap_or_default();
    let nth = |index: usize| {
        lists
            .iter()
            .map(move |list| list.get(index).cloned().unwrap_or(Value::from(())))
    };
    Ok((0..longest)
        .map(|index| Value::from(nth(index).collect::<Vec<_>>()))
        .collect())
}

/// Numbers as text: `start=1 end=3`, or named arguments.
fn sequence(call: &Call, terms: &[Value]) -> Result<Vec<Value>, Error> {
    let words: Vec<String> = terms.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let words = words.join(" ");
    let option = |name: &str| -> Result<Option<i64>, Error> {
        let written = words
            .split_whitespace()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        match written {
            Some(number) => number
                .parse()
                .map(Some)
                .map_err(|_| fault(format!("`{name}` must be a whole number"))),
            None => call
                .argument(usize::MAX, name)?
                .map(|value| integer(&value, name))
                .transpose(),
        }
    };
    let (start, stride) = (option("start")?.unwrap_or(1), option("stride")?.unwrap_or(1));
    let end = match (option("end")?, option("count")?) {
        (Some(end), _) => end,
        (None, Some(count)) => start
            .saturating_add(count.saturating_mul(stride))
            .saturating_sub(stride),
        (None, None) => return Err(fault("the lookup `sequence` needs `end` or `count`")),
    };
    if stride == 0 {
        return Err(fault("the stride of the lookup `sequence` must not be 0"));
    }
    let reached = |number: &i64| if stride > 0 { *number <= end } else { *number >= end };
    let numbers = std::iter::successors(Some(start), |number| number.checked_add(stride));
    let numbers: Vec<Value> = numbers
        .take_while(reached)
        .take(MAX_SEQUENCE + 1)
        .map(|number| Value::from(number.to_string()))
        .collect();
    if numbers.len() > MAX_SEQUENCE {
        return Err(fault(format!(
            "the lookup `sequence` gives more than {MAX_SEQUENCE} numbers"
        )));
    }
    Ok(numbers)
}

/// The names of variables that match one of the expressions.
fn varnames(call: &Call, terms: &[Value]) -> Result<Vec<Value>, Error> {
    let names = call.context()?.host.scope.names();
    let mut found = Vec::new();
    for term in terms {
        let pattern = python::text(term)?;
        for name in &names {
            if filters::matches(&pattern, name)? {
                found.push(Value::from(name.as_str()));
            }
        }
    }
    Ok(found)
}
