use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::{inventory, mapping, playbook};

/// The keys that a definition of a schema has.
fn keys(of: What, definition: &str) -> BTreeSet<String> {
    let schema = schema(of);
    let properties = schema.pointer(&format!("/definitions/{definition}/properties"));
    let Some(Value::Object(properties)) = properties else {
        panic!("{definition} is not described")
    };
    properties.keys().cloned().collect()
}

fn set(keys: &[&str]) -> BTreeSet<String> {
    keys.iter().map(|&key| key.to_owned()).collect()
}

#[test]
fn schemas_and_parsers_know_the_same_keys() {
    assert_eq!(keys(What::Playbook, "Play"), set(&playbook::KEYS));
    assert_eq!(keys(What::Playbook, "Check"), set(&playbook::CHECK_KEYS));
    assert_eq!(keys(What::Playbook, "Http"), set(&playbook::HTTP_KEYS));
    assert_eq!(keys(What::Playbook, "Mapping"), set(&mapping::KEYS));
    assert_eq!(keys(What::Portmap, "Mapping"), set(&mapping::KEYS));
    let imports: BTreeSet<String> = keys(What::Playbook, "Import");
    assert!(imports.is_superset(&set(&playbook::IMPORT_KEYS)), "{imports:?}");
    assert!(
        imports
            .iter()
            .all(|key| !key.contains('.') || key.ends_with(".import_playbook"))
    );
    let ours = keys(What::Inventory, "Vars")
        .into_iter()
        .filter(|key| key.starts_with("portmap"));
    assert_eq!(ours.collect::<BTreeSet<_>>(), set(&inventory::OURS));
}

#[test]
fn everything_is_described() {
    for &what in What::value_variants() {
        let schema = schema(what);
        assert_eq!(
            schema.get("$schema"),
            Some(&"http://json-schema.org/draft-07/schema#".into())
        );
        assert!(
            schema.get("title").is_some() && schema.get("description").is_some(),
            "{what:?}"
        );
        let definitions = schema
            .get("definitions")
            .and_then(Value::as_object)
            .expect("definitions");
        for (name, definition) in definitions {
            assert!(definition["description"].is_string(), "{name}");
        }
    }
}
