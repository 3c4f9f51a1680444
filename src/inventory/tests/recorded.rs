//! Recorded answers of Ansible, and what was read in the same form.

use std::fs;
use std::path::Path;

use serde_json::{Map, Number, Value as Json, json};

use crate::inventory::data::{Data, Vars};
use crate::yaml::{Node, Style, Value};

/// The rows of a table: a text, and the cells behind it as JSON without spaces; `!` is an error.
pub(in crate::inventory) fn rows(table: &str) -> Vec<(String, Vec<String>)> {
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
pub(in crate::inventory) fn plain(node: &Node) -> Json {
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

fn variables(vars: &Vars) -> Json {
    let entries = vars.iter().map(|(name, value)| (name.clone(), plain(value)));
    entries.collect::<Map<_, _>>().into()
}

/// All that was read.
pub(in crate::inventory) fn describe(data: &Data) -> Json {
    let group = |at: usize| data.groups.get_index(at).expect("a group").0.as_str();
    let host = |at: usize| data.hosts.get_index(at).expect("a host").0.as_str();
    let groups = data.groups.iter().map(|(name, own)| {
        json!({
            "name": name,
            "children": own.children.keys().map(|child| group(child.0)).collect::<Vec<_>>(),
            "hosts": own.hosts.iter().map(|member| host(member.0)).collect::<Vec<_>>(),
            "priority": i64::try_from(own.priority).expect("a small number"),
            "vars": variables(&own.vars),
        })
    });
    let hosts = data.hosts.iter().map(|(name, own)| json!([name, variables(&own.vars)]));
    json!({ "groups": groups.collect::<Vec<_>>(), "hosts": hosts.collect::<Vec<_>>() })
}

/// The files of a folder below `tests/cases/ini` with this extension, by name, each with its text and Ansible's
/// answer beside it; no answer: an error.
pub(in crate::inventory) fn cases(folder: &str, extension: &str, answers: &str) -> Vec<(String, String, Option<Json>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cases/ini")
        .join(folder);
    let mut cases: Vec<_> = fs::read_dir(folder)
        .expect("a folder of cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == extension))
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let answer = fs::read_to_string(path.with_extension(answers)).expect("a recorded answer");
            (
                name,
                fs::read_to_string(&path).expect("a case"),
                serde_json::from_str(&answer).ok(),
            )
        })
        .collect();
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    cases
}

/// What differs between the two, for a person.
pub(in crate::inventory) fn difference(name: &str, read: &Json, recorded: &Json) -> Option<String> {
    (read != recorded).then(|| format!("{name}:\n  read     {read}\n  recorded {recorded}"))
}
