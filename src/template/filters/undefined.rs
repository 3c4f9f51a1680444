//! Filters that may be given something undefined.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use super::super::calls::{Call, Callee, fault};
use super::super::fault::Miss;
use super::super::lazy::{Nowhere, is_lazy};
use super::super::output::MAX_DEPTH;
use super::super::source::{BOUND, END, STEP};

pub(super) const FILTERS: &[(&str, Callee)] = &[
    (BOUND, bound),
    (END, end),
    (STEP, step),
    ("d", default),
    ("default", default),
    ("mandatory", mandatory),
    ("ternary", ternary),
    ("type_debug", type_debug),
];

/// A step of a chain of attributes: what is looked up in something undefined is undefined.
fn step(call: &mut Call) -> Result<Value, Error> {
    let value = end(call)?;
    Ok(if value.is_undefined() {
        Value::from_object(Nowhere)
    } else {
        value
    })
}

/// The end of a chain of attributes: that it led nowhere is noted.
fn end(call: &mut Call) -> Result<Value, Error> {
    let (start, end) = (call.required(0, "start")?, call.required(1, "end")?);
    if call.value.is_undefined() {
        let context = call.context()?;
        let range = start.as_usize().unwrap_or_default()..end.as_usize().unwrap_or_default();
        context.miss(Miss::chain(range, context.last_miss()));
    }
    Ok(call.value.clone())
}

/// The value, unless lists and maps in it are too deep: whatever walks over them, or frees them, may recurse.
fn bound(call: &mut Call) -> Result<Value, Error> {
    let mut left = MAX_LOOKS;
    if !is_shallow(&call.value, MAX_DEPTH, &mut left) {
        return Err(fault(format!(
            "values are nested more than {MAX_DEPTH} deep, or hold too much"
        )));
    }
    call.state.consume_fuel((MAX_LOOKS - left) / LOOKS_PER_FUEL)?;
    Ok(call.value.clone())
}

/// Values looked at for their depth at once, and for the price of one step of the engine.
const MAX_LOOKS: u64 = 1_000_000;
const LOOKS_PER_FUEL: u64 = 16;

/// Whether made lists and maps hold each other no deeper than this. Those of files are not looked into.
fn is_shallow(value: &Value, depth: usize, left: &mut u64) -> bool {
    *left = left.saturating_sub(1);
    let is_map = value.kind() == ValueKind::Map;
    if *left == 0 {
        return false;
    }
    if is_lazy(value) || !(is_map || matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)) {
        return true;
    }
    let Some(deeper) = depth.checked_sub(1) else {
        return false;
    };
    let Ok(mut items) = value.try_iter() else {
        return true;
    };
    items.all(|item| match value.get_item(&item) {
        Ok(item) if is_map => is_shallow(&item, deeper, left),
        _ => is_shallow(&item, deeper, left),
    })
}

fn default(call: &mut Call) -> Result<Value, Error> {
    let value = call.argument(0, "default_value")?.unwrap_or_else(|| Value::from(""));
    let also_false = match call.argument(1, "boolean")? {
        Some(flag) if flag.kind() != ValueKind::Bool => return Err(fault("`boolean` must be true or false")),
        Some(flag) => flag.is_true(),
        None => false,
    };
    call.done(2)?;
    let is_missing = call.value.is_undefined() || (also_false && !call.value.is_true());
    Ok(if is_missing { value } else { call.value.clone() })
}

fn mandatory(call: &mut Call) -> Result<Value, Error> {
    let message = call.text(0, "msg")?;
    call.done(1)?;
    match message {
        _ if !call.value.is_undefined() => Ok(call.value.clone()),
        Some(message) => Err(fault(message)),
        None => Err(Error::from(ErrorKind::UndefinedError)),
    }
}

fn ternary(call: &mut Call) -> Result<Value, Error> {
    let (yes, no) = (call.required(0, "true_val")?, call.required(1, "false_val")?);
    let none = call.argument(2, "none_val")?.filter(|value| !value.is_none());
    call.done(3)?;
    if call.value.is_undefined() {
        return Ok(Value::UNDEFINED);
    }
    match none {
        Some(none) if call.value.is_none() => Ok(none),
        _ if call.value.is_true() => Ok(yes),
        _ => Ok(no),
    }
}

/// The name of the value's type in Python.
fn type_debug(call: &mut Call) -> Result<Value, Error> {
    call.done(0)?;
    let name = match call.value.kind() {
        ValueKind::Undefined => return Ok(Value::UNDEFINED),
        ValueKind::None => "NoneType",
        ValueKind::Bool => "bool",
        ValueKind::Number if call.value.is_integer() => "int",
        ValueKind::Number => "float",
        ValueKind::String => "str",
        ValueKind::Bytes => "bytes",
        ValueKind::Seq if call.value.is_tuple() => "tuple",
        ValueKind::Seq | ValueKind::Iterable => "list",
        ValueKind::Map => "dict",
        _ => "object",
    };
    Ok(Value::from(name))
}
