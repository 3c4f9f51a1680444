//! Filters that may be given something undefined.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use super::super::calls::{Call, Callee, fault};
use super::super::fault::Miss;
use super::super::lazy::Nowhere;
use super::super::source::{END, STEP};

pub(super) const FILTERS: &[(&str, Callee)] = &[
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
