//! No text makes the readers of YAML and JSON panic, and every place that they name lies in it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portmap_deploy::problem::{Location, Source};
use portmap_deploy::yaml::{self, Node, Value};

fn check(at: &Location) {
    assert!(at.source.text.get(at.span.clone()).is_some(), "{at:?}");
}

fn check_all(node: &Node) {
    check(&node.at);
    match &node.value {
        Value::List(items) => items.iter().for_each(check_all),
        Value::Map(entries) => entries.iter().for_each(|(key, value)| {
            check_all(key);
            check_all(value);
        }),
        Value::String(text) => check(&node.part(0..text.len())),
        _ => {}
    }
}

fuzz_target!(|text: &str| {
    let source = Source::new("fuzz", text);
    for read in [yaml::read, yaml::read_json] {
        match read(&source) {
            Ok(document) => check_all(&document.root),
            Err(problems) => {
                assert!(!problems.is_empty());
                problems.iter().filter_map(|problem| problem.at.as_ref()).for_each(check);
            }
        }
    }
});
