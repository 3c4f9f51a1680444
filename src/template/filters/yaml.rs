//! YAML, as `PyYAML` reads and writes it.

mod write;

use std::sync::Arc;

use minijinja::{Error, Value};

use super::Table;
use crate::problem::Source;
use crate::template::calls::{Call, fault};
use crate::template::lazy::Date;
use crate::yaml::{self, Node};

pub(super) const FILTERS: Table = &[
    ("from_yaml", from_yaml),
    ("from_yaml_all", from_yaml_all),
    ("to_nice_yaml", write::to_nice_yaml),
    ("to_yaml", write::to_yaml),
];

fn from_yaml(call: &mut Call) -> Result<Value, Error> {
    call.done(0)?;
    match call.value.as_str() {
        Some(text) => read(text),
        None => Ok(call.value.clone()),
    }
}

/// Documents are told apart by their lines `---`.
fn from_yaml_all(call: &mut Call) -> Result<Value, Error> {
    call.done(0)?;
    let Some(text) = call.value.as_str() else {
        return Ok(if call.value.is_none() {
            Vec::<Value>::new().into()
        } else {
            call.value.clone()
        });
    };
    let mut documents = vec![String::new()];
    for line in text.lines() {
        let starts = line == "---" || line.starts_with("--- ");
        match documents.last_mut() {
            Some(last) if !starts || last.trim().is_empty() => {
                last.push_str(line);
                last.push('\n');
            }
            _ => documents.push(format!("{line}\n")),
        }
    }
    documents
        .iter()
        .map(|text| read(text))
        .collect::<Result<Vec<_>, _>>()
        .map(Value::from)
}

fn read(text: &str) -> Result<Value, Error> {
    let document = yaml::read(&Source::secret("text", text)).map_err(|problems| {
        let place = problems
            .first()
            .and_then(|problem| problem.at.as_ref())
            .map(|at| at.line_and_column().0);
        fault(format!("this is not YAML, from line {} on", place.unwrap_or(1)))
    })?;
    Ok(value(&document.root))
}

/// What was read, as it stands: no text in it is a template.
fn value(node: &Node) -> Value {
    match &node.value {
        yaml::Value::Null => Value::from(()),
        yaml::Value::Bool(truth) => Value::from(*truth),
        yaml::Value::Int(number) => i64::try_from(*number).map_or_else(|_| Value::from(*number), Value::from),
        yaml::Value::Float(number) => Value::from(*number),
        yaml::Value::String(text) | yaml::Value::Vault(text) => Value::from(text.as_str()),
        yaml::Value::Timestamp(text) => Value::from_object(Date(text.clone())),
        yaml::Value::List(items) => items.iter().map(value).collect(),
        yaml::Value::Map(entries) => {
            Value::from_pairs(Arc::clone(entries).iter().map(|(key, item)| (value(key), value(item))))
        }
    }
}
