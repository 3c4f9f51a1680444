//! Recorded answers of Ansible, and what was read in the same form.

use serde_json::{Number, Value as Json, json};

use crate::yaml::{Node, Style, Value};

/// The rows of a table: a text, and the cells behind it as JSON without spaces; `!` is an error.
pub(super) fn rows(table: &str) -> Vec<(String, Vec<String>)> {
    table.lines().map(row).collect()
}

fn row(line: &str) -> (String, Vec<String>) {
    let mut cells = line.split('\t');
    let text = serde_json::from_str(cells.next().expect("a text")).expect("JSON");
    let cells = cells.map(|cell| match cell {
        "!" => "!".to_owned(),
        json => serde_json::from_str::<Json>(json).expect("JSON").to_string(),
    });
    (text, cells.collect())
}

/// A value as the recorder writes it.
pub(super) fn plain(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(yes) => json!(yes),
        Value::Int(number) => int(*number),
        Value::Float(number) => {
            Number::from_f64(*number).map_or_else(|| json!({"float": number.to_string()}), Json::from)
        }
        Value::String(text) if node.style == Style::Unsafe => json!({ "unsafe": text }),
        Value::String(text) => json!(text),
        Value::List(items) => items.iter().map(plain).collect(),
        Value::Map(entries) => {
            let pairs: Vec<Json> = entries
                .iter()
                .map(|(key, value)| json!([plain(key), plain(value)]))
                .collect();
            json!({ "map": pairs })
        }
        other => panic!("no such value is read: {other:?}"),
    }
}

fn int(number: i128) -> Json {
    i64::try_from(number).map_or_else(|_| json!({"int": number.to_string()}), Json::from)
}
