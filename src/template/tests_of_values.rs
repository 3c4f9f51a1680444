//! Tests (`is …`): those of Jinja2 and of ansible.builtin.

mod versions;

use std::path::Path;

use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value, tests};

use super::calls::{Call, fault, kind, list};
use super::filters;
use crate::world::Kind;

type Test = fn(&mut Call) -> Result<bool, Error>;

const TESTS: &[(&str, Test)] = &[
    ("abs", is_absolute),
    ("all", all),
    ("any", any),
    ("callable", |_| Ok(false)),
    ("contains", contains),
    ("directory", |call| Ok(found(call)? == Some(Kind::Folder))),
    ("divisibleby", divisible),
    ("exists", |call| Ok(found(call)?.is_some())),
    ("falsy", |call| Ok(!truthy(call)?)),
    ("file", |call| Ok(matches!(found(call)?, Some(Kind::File { .. })))),
    (
        "filter",
        |call| Ok(filters::names().contains(&call.subject()?.as_str())),
    ),
    ("float", |call| {
        Ok(call.value.kind() == ValueKind::Number && !call.value.is_integer())
    }),
    ("integer", |call| Ok(call.value.is_integer())),
    ("is_dir", |call| Ok(found(call)? == Some(Kind::Folder))),
    ("is_file", |call| Ok(matches!(found(call)?, Some(Kind::File { .. })))),
    ("isnan", nan),
    ("issubset", |call| {
        subset(&call.list()?, &list(&call.required(0, "b")?)?)
    }),
    ("issuperset", |call| {
        subset(&list(&call.required(0, "b")?)?, &call.list()?)
    }),
    ("iterable", |call| {
        Ok(matches!(
            call.value.kind(),
            ValueKind::Seq | ValueKind::Iterable | ValueKind::Map | ValueKind::String
        ))
    }),
    ("mapping", |call| Ok(call.value.kind() == ValueKind::Map)),
    ("match", |call| regex(call, 3, "match")),
    ("nan", nan),
    ("number", |call| {
        Ok(matches!(call.value.kind(), ValueKind::Number | ValueKind::Bool))
    }),
    ("regex", |call| regex(call, 4, "search")),
    ("search", |call| regex(call, 3, "search")),
    ("sequence", |call| {
        Ok(matches!(
            call.value.kind(),
            ValueKind::Seq | ValueKind::Iterable | ValueKind::Map | ValueKind::String
        ))
    }),
    ("subset", |call| subset(&call.list()?, &list(&call.required(0, "b")?)?)),
    ("superset", |call| {
        subset(&list(&call.required(0, "b")?)?, &call.list()?)
    }),
    ("test", |call| Ok(names().contains(&call.subject()?.as_str()))),
    ("truthy", truthy),
    ("uri", |call| uri(call, false)),
    ("url", |call| uri(call, true)),
    ("version", versions::compare),
    ("version_compare", versions::compare),
];

/// Tests that may be given something undefined.
const JUDGED: &[(&str, Test)] = &[
    ("defined", |call| Ok(!call.value.is_undefined())),
    ("undefined", |call| Ok(call.value.is_undefined())),
];

/// Tests that the engine has, and that do what Jinja2's do.
fn engine() -> Vec<(&'static str, Value)> {
    vec![
        ("!=", Value::from_function(tests::is_ne)),
        ("<", Value::from_function(tests::is_lt)),
        ("<=", Value::from_function(tests::is_le)),
        ("==", Value::from_function(tests::is_eq)),
        (">", Value::from_function(tests::is_gt)),
        (">=", Value::from_function(tests::is_ge)),
        ("boolean", Value::from_function(tests::is_boolean)),
        ("eq", Value::from_function(tests::is_eq)),
        ("equalto", Value::from_function(tests::is_eq)),
        ("even", Value::from_function(tests::is_even)),
        ("false", Value::from_function(tests::is_false)),
        ("ge", Value::from_function(tests::is_ge)),
        ("greaterthan", Value::from_function(tests::is_gt)),
        ("gt", Value::from_function(tests::is_gt)),
        ("in", Value::from_function(tests::is_in)),
        ("le", Value::from_function(tests::is_le)),
        ("lessthan", Value::from_function(tests::is_lt)),
        ("lower", Value::from_function(tests::is_lower)),
        ("lt", Value::from_function(tests::is_lt)),
        ("ne", Value::from_function(tests::is_ne)),
        ("none", Value::from_function(tests::is_none)),
        ("odd", Value::from_function(tests::is_odd)),
        ("sameas", Value::from_function(tests::is_sameas)),
        ("string", Value::from_function(tests::is_string)),
        ("true", Value::from_function(tests::is_true)),
        ("upper", Value::from_function(tests::is_upper)),
    ]
}

/// The names of all tests, without their collections.
pub(super) fn names() -> Vec<&'static str> {
    let own = TESTS.iter().chain(JUDGED).map(|(name, _)| *name);
    own.chain(engine().into_iter().map(|(name, _)| name)).collect()
}

/// Gives the engine all tests. What is asked of something undefined is an error, but for whether it is defined.
pub(super) fn add(environment: &mut Environment<'static>) {
    for (name, test) in engine() {
        let wrapped = move |state: &mut State, arguments: Rest<ValueOrKwargs>| -> Result<bool, Error> {
            let arguments: Vec<Value> = arguments.0.into_iter().map(Value::from).collect();
            defined(&arguments)?;
            Ok(test.call(state, &arguments)?.is_true())
        };
        environment.add_test(format!("ansible.builtin.{name}"), wrapped.clone());
        environment.add_test(name, wrapped);
    }
    let own = TESTS.iter().map(|(name, test)| (*name, *test, false));
    for (name, test, judged) in own.chain(JUDGED.iter().map(|(name, test)| (*name, *test, true))) {
        let wrapped = move |state: &mut State, arguments: Rest<ValueOrKwargs>| -> Result<bool, Error> {
            let mut call = Call::new(state, arguments.0)?;
            if !judged && call.uses_undefined() {
                return Err(Error::from(ErrorKind::UndefinedError));
            }
            test(&mut call)
        };
        environment.add_test(format!("ansible.builtin.{name}"), wrapped);
        environment.add_test(name, wrapped);
    }
}

fn defined(arguments: &[Value]) -> Result<(), Error> {
    if arguments.iter().any(Value::is_undefined) {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    Ok(())
}

fn is_absolute(call: &mut Call) -> Result<bool, Error> {
    Ok(call.subject()?.starts_with('/'))
}

fn found(call: &mut Call) -> Result<Option<Kind>, Error> {
    let path = call.subject()?;
    Ok(call.context()?.shared.engine.world.kind(Path::new(&path)))
}

fn all(call: &mut Call) -> Result<bool, Error> {
    let items = call.list()?;
    defined(&items)?;
    Ok(items.iter().all(Value::is_true))
}

fn any(call: &mut Call) -> Result<bool, Error> {
    let items = call.list()?;
    defined(&items)?;
    Ok(items.iter().any(Value::is_true))
}

fn contains(call: &mut Call) -> Result<bool, Error> {
    let value = call.required(0, "value")?;
    call.done(1)?;
    match (call.value.as_str(), value.as_str()) {
        (Some(text), Some(part)) => Ok(text.contains(part)),
        (Some(_), None) => Err(fault(format!("text contains text only, and this is {}", kind(&value)))),
        _ => Ok(call.list()?.contains(&value)),
    }
}

fn divisible(call: &mut Call) -> Result<bool, Error> {
    let (number, by) = (
        i128::try_from(call.value.clone()).ok(),
        i128::try_from(call.required(0, "num")?).ok(),
    );
    let rest = number.zip(by).and_then(|(number, by)| number.checked_rem(by));
    rest.map(|rest| rest == 0)
        .ok_or_else(|| fault("whole numbers are needed, and none is divisible by 0"))
}

#[expect(clippy::unnecessary_wraps, reason = "as all tests")]
fn nan(call: &mut Call) -> Result<bool, Error> {
    Ok(f64::try_from(call.value.clone()).is_ok_and(f64::is_nan))
}

#[expect(clippy::unnecessary_wraps, reason = "as all tests")]
fn subset(part: &[Value], whole: &[Value]) -> Result<bool, Error> {
    let whole: std::collections::HashSet<&Value> = whole.iter().collect();
    Ok(part.iter().all(|value| whole.contains(value)))
}

fn truthy(call: &mut Call) -> Result<bool, Error> {
    let converts = call.flag(0, "convert_bool")?;
    call.done(1)?;
    let word = call
        .value
        .as_str()
        .map(|text| text.trim().to_lowercase())
        .filter(|_| converts);
    Ok(match word.as_deref() {
        Some("y" | "yes" | "on" | "1" | "true" | "t" | "1.0") => true,
        Some("n" | "no" | "off" | "0" | "false" | "f" | "0.0") => false,
        _ => call.value.is_true(),
    })
}

/// `search` finds anywhere, `match` at the start, `fullmatch` the whole.
fn regex(call: &mut Call, arguments: usize, default: &str) -> Result<bool, Error> {
    let pattern = call.text(0, "pattern")?.unwrap_or_default();
    let (ignore_case, multiline) = (call.flag(1, "ignorecase")?, call.flag(2, "multiline")?);
    let how = if arguments > 3 {
        call.text(3, "match_type")?
    } else {
        None
    };
    call.done(arguments)?;
    let subject = call.subject()?;
    let pattern = match how.as_deref().unwrap_or(default) {
        "match" => format!("\\A(?:{pattern})"),
        "fullmatch" => format!("\\A(?:{pattern})\\z"),
        _ => pattern,
    };
    let regex = filters::compile(&pattern, ignore_case, multiline)?;
    regex
        .is_match(subject.as_str())
        .map_err(|_| fault("this regular expression takes too long"))
}

fn uri(call: &mut Call, needs_host: bool) -> Result<bool, Error> {
    let schemes = call.argument(0, "schemes")?.map(|schemes| list(&schemes)).transpose()?;
    call.done(1)?;
    let text = call.subject()?;
    let (scheme, rest) = text.split_once(':').unwrap_or(("", &text));
    let allowed =
        |schemes: &Vec<Value>| schemes.is_empty() || schemes.iter().any(|known| known.as_str() == Some(scheme));
    let host = rest
        .strip_prefix("//")
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    Ok(schemes.as_ref().is_none_or(allowed) && (!needs_host || host || scheme == "file"))
}
