//! Filters that the engine has, and that do what Jinja2's do.

use minijinja::value::{Kwargs, Rest, ValueOrKwargs};
use minijinja::{Error, State, Value, filters};

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

/// The engine's own, which would take the memory for a line of any width.
fn indent(state: &mut State, arguments: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let arguments: Vec<Value> = arguments.0.into_iter().map(Value::from).collect();
    let width = |value: &Value| {
        let named = || Kwargs::try_from(value.clone()).ok()?.peek("width").ok();
        value.as_usize().or_else(named)
    };
    let widest = arguments.iter().skip(1).filter_map(width).max().unwrap_or_default();
    let lines = arguments
        .first()
        .and_then(Value::as_str)
        .map_or(1, |text| text.lines().count() + 1);
    if widest.saturating_mul(lines) > MAX_TEXT {
        return Err(fault("this text is too wide"));
    }
    Value::from_function(filters::indent).call(state, &arguments)
}
