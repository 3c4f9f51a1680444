//! Filters that the engine has, and that do what Jinja2's do.

use minijinja::filters;
use minijinja::value::{Kwargs, StringInput};
use minijinja::{Error, Value};

use crate::template::calls::fault;
use crate::template::output::MAX_TEXT;

/// By name.
pub(super) fn filters() -> Vec<(&'static str, Value)> {
    vec![
        ("attr", Value::from_function(filters::attr)),
        ("batch", Value::from_function(filters::batch)),
        ("capitalize", Value::from_function(filters::capitalize)),
        ("count", Value::from_function(filters::length)),
        ("dictsort", Value::from_function(filters::dictsort)),
        ("e", Value::from_function(filters::escape)),
        ("escape", Value::from_function(filters::escape)),
        (
            "filesizeformat",
            Value::from_function(minijinja_contrib::filters::filesizeformat),
        ),
        ("format", Value::from_function(filters::format)),
        ("groupby", Value::from_function(filters::groupby)),
        ("indent", Value::from_function(indent)),
        ("items", Value::from_function(filters::items)),
        ("length", Value::from_function(filters::length)),
        ("lower", Value::from_function(filters::lower)),
        ("map", Value::from_function(filters::map)),
        ("reject", Value::from_function(filters::reject)),
        ("rejectattr", Value::from_function(filters::rejectattr)),
        ("reverse", Value::from_function(filters::reverse)),
        ("round", Value::from_function(filters::round)),
        ("select", Value::from_function(filters::select)),
        ("selectattr", Value::from_function(filters::selectattr)),
        ("slice", Value::from_function(filters::slice)),
        ("sort", Value::from_function(filters::sort)),
        ("striptags", Value::from_function(minijinja_contrib::filters::striptags)),
        ("sum", Value::from_function(filters::sum)),
        ("title", Value::from_function(filters::title)),
        ("trim", Value::from_function(filters::trim)),
        ("unique", Value::from_function(filters::unique)),
        ("upper", Value::from_function(filters::upper)),
        ("wordcount", Value::from_function(minijinja_contrib::filters::wordcount)),
    ]
}

/// The engine's own writes as many blanks as it is told.
fn indent(
    text: StringInput<'_>,
    width: Option<usize>,
    first: Option<bool>,
    blank: Option<bool>,
    named: Kwargs,
) -> Result<Value, Error> {
    let asked = width.or(named.peek("width").ok()).unwrap_or_default();
    let lines = text.as_str().lines().count().max(1);
    if asked.saturating_mul(lines) > MAX_TEXT {
        return Err(fault("this text gets too long"));
    }
    filters::indent(text, width, first, blank, named)
}
