//! Single values, as YAML 1.1 and 1.2 read them: editors use the latter, to which `yes` is a text.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::playbook::MAX_PAUSE;
use crate::rollout::{OnFailure, Order};

/// Types that stand for a fixed schema each.
macro_rules! values {
    ($($name:ident = $schema:tt;)*) => {$(
        pub(super) struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

const PORT: &str = "^[1-9][0-9]{0,4}$";
const PORTS: &str = "^[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?$";
/// Seconds, or hours, minutes, seconds and fractions of them by their names.
const TIME: &str = "^([0-9]+|([0-9]+(\\.[0-9]+)?\\s*(h|hrs?|hours?|m|mins?|minutes?|s|secs?|seconds?|ms|msecs?|millis?|milliseconds?),?\\s*)+|[0-9]+:[0-9]{2}:[0-9]{2})$";
const TEXT: &str = "\\S";
const TEMPLATE: &str = "\\{\\{|\\{%|\\{#";

values! {
    Text = { "type": "string", "pattern": TEXT };
    Pattern = { "type": "string", "pattern": "[^\\s:,]" };
    File = { "type": "string", "pattern": TEXT, "not": { "pattern": TEMPLATE } };
    TagList = { "type": "string", "pattern": "^\\s*[^,\\s][^,]*(,\\s*[^,\\s][^,]*)*$" };
    Anything = {};
    Integer = { "type": "integer" };
    Name = { "type": ["string", "number", "boolean"] };
    Template = { "type": "string", "pattern": TEMPLATE };
    Port = { "anyOf": [
        { "type": "integer", "minimum": 1, "maximum": 65535 },
        { "type": "string", "pattern": PORT },
    ] };
    Ports = { "anyOf": [
        { "type": "integer", "minimum": 1, "maximum": 65535 },
        { "type": "string", "pattern": PORTS },
    ] };
    Flag = { "anyOf": [
        { "type": "boolean" },
        { "enum": [0, 1] },
        { "type": "string", "pattern": "^([yY]([eE][sS])?|[nN][oO]?|[oO][nN]|[oO][fF][fF]|[tT]([rR][uU][eE])?|[fF]([aA][lL][sS][eE])?|[01])$" },
    ] };
    Never = { "anyOf": [
        { "const": false },
        { "const": 0 },
        { "type": "string", "pattern": "^([nN][oO]?|[oO][fF][fF]|[fF]([aA][lL][sS][eE])?|0)$" },
    ] };
    Time = { "anyOf": [
        { "type": "integer", "minimum": 0, "maximum": (MAX_PAUSE.as_secs()) },
        { "type": "string", "pattern": TIME },
    ] };
    Pause = { "anyOf": [
        { "const": "confirm" },
        { "type": "integer", "minimum": 0, "maximum": (MAX_PAUSE.as_secs()) },
        { "type": "string", "pattern": TIME },
    ] };
    Window = { "anyOf": [
        { "type": "integer", "minimum": 5, "maximum": 600 },
        { "type": "string", "pattern": TIME },
    ] };
    Count = { "anyOf": [
        { "type": "integer", "minimum": 0, "maximum": (u32::MAX) },
        { "type": "string", "pattern": "^[0-9]+$" },
    ] };
    Retries = { "anyOf": [
        { "type": "integer", "minimum": 0, "maximum": 100 },
        { "type": "string", "pattern": "^[0-9]+$" },
    ] };
    Status = { "anyOf": [
        { "type": "integer", "minimum": 100, "maximum": 599 },
        { "type": "string", "pattern": "^[1-5][0-9]{2}$" },
    ] };
    Percentage = { "anyOf": [
        { "type": "number", "minimum": 0, "maximum": 100 },
        { "type": "string", "pattern": "^\\s*[0-9.]+\\s*%?\\s*$" },
    ] };
    BatchSize = { "anyOf": [
        { "type": "integer", "minimum": 0, "maximum": (u32::MAX) },
        { "type": "string", "pattern": "^\\s*[0-9]+\\s*%?\\s*$" },
    ] };
    HostOrder = { "enum": (names(&Order::ALL)) };
    Policy = { "enum": (names(&OnFailure::ALL)) };
    Url = { "type": "string", "pattern": "^https?://[^/:?#\\s]\\S*$" };
    Root = { "const": "root" };
    Sudo = { "enum": ["sudo", "ansible.builtin.sudo"] };
    SudoProgram = { "enum": ["", "sudo"] };
    SudoOptions = { "type": "string", "pattern": "^\\s*(-[HSn](\\s+|$))*$" };
    Protocol = { "enum": ["tcp", "udp"] };
    Direct = { "enum": ["drop", "reject", "allow"] };
    Boolean = { "type": "boolean" };
    MappingName = { "type": "string", "minLength": 1, "maxLength": 100 };
    Interface = { "type": "string", "pattern": "^(?!lo$)[A-Za-z0-9._@][A-Za-z0-9._@-]{0,14}\\+?$" };
    Net = { "type": "string", "pattern": "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$" };
}

fn names<T>(all: &[(&'static str, T)]) -> Vec<&'static str> {
    all.iter().map(|(name, _)| *name).collect()
}

/// A value of a kind, or a template that makes one.
pub(super) struct Templated<T>(PhantomData<T>);

/// A value of a kind, or a list of them.
pub(super) struct OneOrMany<T>(PhantomData<T>);

impl<T: JsonSchema> JsonSchema for Templated<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Templated{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        either(generator.subschema_for::<T>(), generator.subschema_for::<Template>())
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        let many = json_schema!({ "type": "array", "items": one.clone() });
        either(one, many)
    }
}

/// One of the alternatives of the first schema, or the second.
fn either(mut one: Schema, other: Schema) -> Schema {
    if let Some(Value::Array(alternatives)) = one.get_mut("anyOf") {
        alternatives.push(other.to_value());
        return one;
    }
    json_schema!({ "anyOf": [one, other] })
}

/// For a key that may be left out and not be null: takes back what an `Option` allows.
pub(super) fn given(schema: &mut Schema) {
    if let Some(Value::Array(kinds)) = schema.get_mut("type") {
        kinds.retain(|kind| kind != "null");
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(alternatives)) = schema.get_mut("anyOf") {
        alternatives.retain(|schema| *schema != json!({ "type": "null" }));
    }
}

/// The same for all keys of a map.
pub(super) fn all_given(schema: &mut Schema) {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for property in properties.values_mut() {
            if let Ok(schema) = property.try_into() {
                given(schema);
            }
        }
    }
}

/// Makes a schema good to read: descriptions without line breaks, which editors would show, and one list of
/// alternatives in place of alternatives of alternatives.
pub(super) fn tidy(schema: &mut Schema) {
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
    if let Some(Value::Array(alternatives)) = schema.get_mut("anyOf") {
        let mut flat: Vec<Value> = Vec::new();
        for alternative in std::mem::take(alternatives).into_iter().flat_map(inner) {
            if !flat.contains(&alternative) {
                flat.push(alternative);
            }
        }
        *alternatives = flat;
    }
}

/// The alternatives of a schema that is nothing else.
fn inner(schema: Value) -> Vec<Value> {
    match schema {
        Value::Object(mut keys) if keys.len() == 1 => match keys.remove("anyOf") {
            Some(Value::Array(alternatives)) => alternatives.into_iter().flat_map(inner).collect(),
            Some(other) => vec![json!({ "anyOf": other })],
            None => vec![Value::Object(keys)],
        },
        other => vec![other],
    }
}
