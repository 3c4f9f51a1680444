//! How filters, tests and functions are called: positional and named arguments, as Python binds them.

use std::sync::Arc;

use minijinja::value::{Kwargs, ValueKind, ValueOrKwargs};
use minijinja::{Error, ErrorKind, State, Value};

use super::context::Context;
use super::lazy::{Root, root};
use super::python;

/// A fault in the use of a filter, test or function. The message must not quote values: they may be secret.
pub(super) fn fault(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// What a value is, for a message.
pub(super) fn kind(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::Undefined => "undefined",
        ValueKind::None => "none",
        ValueKind::Bool => "a boolean",
        ValueKind::Number => "a number",
        ValueKind::String => "text",
        ValueKind::Seq | ValueKind::Iterable => "a list",
        ValueKind::Map => "a map",
        _ => "no plain value",
    }
}

/// The arguments of a call, the value before the `|` or `is` first.
pub(super) struct Call<'c, 'state, 'env> {
    pub state: &'c mut State<'state, 'env>,
    pub value: Value,
    pub positional: Vec<Value>,
    named: Kwargs,
}

impl<'c, 'state, 'env> Call<'c, 'state, 'env> {
    pub fn new(
        state: &'c mut State<'state, 'env>,
        arguments: impl IntoIterator<Item = ValueOrKwargs>,
    ) -> Result<Self, Error> {
        let mut positional: Vec<Value> = arguments.into_iter().map(Value::from).collect();
        let named = match positional.pop_if(|last| last.is_kwargs()) {
            Some(named) => Kwargs::try_from(named)?,
            None => std::iter::empty::<(String, Value)>().collect(),
        };
        let value = if positional.is_empty() {
            Value::UNDEFINED
        } else {
            positional.remove(0)
        };
        Ok(Self {
            state,
            value,
            positional,
            named,
        })
    }

    /// Whether anything in it is undefined: then so is what the call gives.
    pub fn uses_undefined(&self) -> bool {
        let named = || self.named.args().filter_map(|name| self.named.peek::<Value>(name).ok());
        self.value.is_undefined()
            || self.positional.iter().any(Value::is_undefined)
            || named().any(|value| value.is_undefined())
    }

    pub fn root(&self) -> Result<Arc<Root>, Error> {
        root(self.state).ok_or_else(|| fault("this cannot be used here"))
    }

    pub fn context(&self) -> Result<Context, Error> {
        Ok(self.root()?.context.clone())
    }

    /// An argument by its place behind the value, or its name.
    pub fn argument(&self, index: usize, name: &str) -> Result<Option<Value>, Error> {
        match self.positional.get(index) {
            Some(value) => Ok(Some(value.clone())),
            None if self.named.has(name) => self.named.get::<Value>(name).map(Some),
            None => Ok(None),
        }
    }

    /// An argument that must be there.
    pub fn required(&self, index: usize, name: &str) -> Result<Value, Error> {
        let missing = || Error::new(ErrorKind::MissingArgument, format!("the argument `{name}` is missing"));
        self.argument(index, name)?.ok_or_else(missing)
    }

    pub fn text(&self, index: usize, name: &str) -> Result<Option<String>, Error> {
        let value = self.argument(index, name)?.filter(|value| !value.is_none());
        value.map(|value| python::text(&value)).transpose()
    }

    pub fn required_text(&self, index: usize, name: &str) -> Result<String, Error> {
        python::text(&self.required(index, name)?)
    }

    pub fn flag(&self, index: usize, name: &str) -> Result<bool, Error> {
        Ok(self.argument(index, name)?.is_some_and(|value| value.is_true()))
    }

    pub fn integer(&self, index: usize, name: &str) -> Result<Option<i64>, Error> {
        let value = self.argument(index, name)?.filter(|value| !value.is_none());
        value.map(|value| integer(&value, name)).transpose()
    }

    /// The named arguments that are there.
    pub fn names(&self) -> Vec<String> {
        self.named.args().map(str::to_owned).collect()
    }

    /// Refuses arguments beyond those that were asked for.
    pub fn done(&self, positional: usize) -> Result<(), Error> {
        if self.positional.len() > positional {
            let message = format!("this takes {positional} arguments at most");
            return Err(Error::new(ErrorKind::TooManyArguments, message));
        }
        self.named.assert_all_used()
    }

    /// The value as text, where it is a scalar or something that Python writes as text.
    pub fn subject(&self) -> Result<String, Error> {
        python::text(&self.value)
    }

    /// The value as a list.
    pub fn list(&self) -> Result<Vec<Value>, Error> {
        list(&self.value)
    }
}

/// A whole number.
pub(super) fn integer(value: &Value, name: &str) -> Result<i64, Error> {
    i64::try_from(value.clone()).map_err(|_| fault(format!("`{name}` must be a whole number, and is {}", kind(value))))
}

/// The items of a list, the keys of a map, the characters of a text.
pub(super) fn list(value: &Value) -> Result<Vec<Value>, Error> {
    value
        .try_iter()
        .map_err(|_| fault(format!("a list is needed, and this is {}", kind(value))))?
        .checked()
        .collect()
}

/// The items of what must be a list.
pub(super) fn only_list(value: &Value, what: &str) -> Result<Vec<Value>, Error> {
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => list(value),
        _ => Err(fault(format!("{what} must be a list, and is {}", kind(value)))),
    }
}

/// The entries of a map, in order.
pub(super) fn entries(value: &Value, what: &str) -> Result<Vec<(Value, Value)>, Error> {
    if value.kind() != ValueKind::Map {
        return Err(fault(format!("{what} must be a map, and is {}", kind(value))));
    }
    list(value)?
        .into_iter()
        .map(|key| Ok((key.clone(), value.get_item(&key)?)))
        .collect()
}

/// A filter, test or function.
pub(super) type Callee = fn(&mut Call<'_, '_, '_>) -> Result<Value, Error>;

/// Whether undefined arguments are for the callee to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Undefined {
    /// What it gives is undefined too.
    Passes,
    /// It knows what to do.
    Judged,
}

/// Calls with what the engine gives.
pub(super) fn call(
    state: &mut State<'_, '_>,
    arguments: impl IntoIterator<Item = ValueOrKwargs>,
    callee: Callee,
    undefined: Undefined,
) -> Result<Value, Error> {
    let mut call = Call::new(state, arguments)?;
    if undefined == Undefined::Passes && call.uses_undefined() {
        return Ok(Value::UNDEFINED);
    }
    callee(&mut call)
}
