use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::inventory::tests::recorded::{plain, rows};
use crate::problem::Source;

fn answer(key: &str) -> String {
    let Ok(names) = expand(key) else {
        return "!".to_owned();
    };
    let port = names.port.map_or(Json::Null, |port| {
        let source = Source::new("key", key);
        let place = Location {
            span: port.digits.clone(),
            source,
        };
        plain(&port.node(place))
    });
    json!([names.hosts, port]).to_string()
}

/// Keys that Ansible reads otherwise: it takes the digits of all scripts, and ports of any length.
const OTHERWISE: &[&str] = &["h[\u{661}:\u{663}]", "h1:999999999999999999999999999999999999999999"];

#[test]
fn keys_name_the_hosts_that_ansible_finds() {
    let rows = rows(include_str!("../../../tests/cases/ini/keys.tsv"));
    assert!(rows.len() > 150);
    let wrong: Vec<String> = rows
        .iter()
        .filter(|(key, cells)| !OTHERWISE.contains(&key.as_str()) && answer(key) != cells[0])
        .map(|(key, cells)| format!("{key:?}: {} and not {}", answer(key), cells[0]))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_place_of_a_port_is_that_of_its_digits() {
    for key in ["h:0022", "[::1]:0022", "[h:1]:0022", "web[1:3]:0022"] {
        let port = expand(key).expect("a host").port.expect("a port");
        let digits = if key == "[h:1]:0022" { "1" } else { "0022" };
        assert_eq!(&key[port.digits], digits, "{key}");
    }
}

#[test]
fn large_ranges_are_real_and_larger_ones_are_refused() {
    assert_eq!(expand("h[00000:99999]").expect("hosts").hosts.len(), 100_000);
    let endless = "[0:99999]".repeat(3);
    let long = format!("{}[0:99999]", "x".repeat(10_000));
    for key in ["h[0:999999]", "h[0:99999999999999999999999999]", &endless, &long] {
        assert!(expand(key).is_err(), "{key}");
    }
}

proptest! {
    #[test]
    fn any_key_is_expanded_or_refused(key in "[a-zA-Z0-9:\\[\\].|_é+ -]{0,24}") {
        let _ = expand(&key);
    }
}
