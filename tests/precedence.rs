//! Random inventories against a slow, obvious model of Ansible's rules: which variables a host has, which groups it is
//! in, and which hosts a limit leaves.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portmap_deploy::inventory::{self, Question};
use portmap_deploy::problem::{Severity, render};
use portmap_deploy::world::World;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::Value as Json;

#[path = "precedence/case.rs"]
mod case;
#[path = "precedence/model.rs"]
mod model;

use case::Case;
use model::Model;

/// What the program prints; `None`: it refuses.
fn printed(case: &Case, limit: Option<&str>, question: &Question) -> Option<String> {
    let world: Arc<dyn World> = Arc::new(case.world());
    let request = inventory::Request {
        limit: limit.map(str::to_owned).into_iter().collect(),
        ..case.request()
    };
    inventory::ask(&request, question, &world)
        .ok()
        .map(|answer| answer.text)
}

fn json(case: &Case, question: &Question) -> Json {
    let world: Arc<dyn World> = Arc::new(case.world());
    match inventory::ask(&case.request(), question, &world) {
        Ok(answer) => serde_json::from_str(&answer.text).unwrap(),
        Err(problems) => panic!("{}", render(&problems, Severity::Error, false)),
    }
}

fn texts(list: &Json) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items.map(|item| item.as_str().unwrap().to_owned()).collect()
}

fn variables(shown: &Json) -> BTreeMap<String, String> {
    let entries = shown.as_object().into_iter().flatten();
    entries
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

/// Names as a set; each must be there once.
fn set(names: Vec<String>) -> Result<BTreeSet<String>, TestCaseError> {
    let count = names.len();
    let set: BTreeSet<String> = names.into_iter().collect();
    prop_assert_eq!(set.len(), count, "a name is there twice");
    Ok(set)
}

fn check_variables(case: &Case, model: &Model<'_>, list: &Json) -> Result<(), TestCaseError> {
    for host in &model.hosts {
        let expected = model.variables(host);
        let alone = json(case, &Question::Host(host.clone()));
        prop_assert_eq!(variables(&alone), expected.clone(), "--host {}", host);
        prop_assert_eq!(variables(&list["_meta"]["hostvars"][host]), expected, "--list {}", host);
    }
    Ok(())
}

fn check_groups(model: &Model<'_>, list: &Json) -> Result<(), TestCaseError> {
    let mut expected = BTreeMap::new();
    for group in &model.groups {
        let hosts = if group == "all" {
            BTreeSet::new()
        } else {
            model.own_hosts[group].clone()
        };
        let members = (model.children[group].clone(), hosts);
        // An empty group has no entry.
        if members != Default::default() {
            expected.insert(group.clone(), members);
        }
    }
    let mut shown = BTreeMap::new();
    for (group, members) in list.as_object().unwrap().iter().filter(|(name, _)| *name != "_meta") {
        let members = (set(texts(&members["children"]))?, set(texts(&members["hosts"]))?);
        shown.insert(group.clone(), members);
    }
    prop_assert_eq!(shown, expected);
    Ok(())
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn check_limit(case: &Case, model: &Model<'_>, limit: &case::Limit) -> Result<(), TestCaseError> {
    let text = limit.text();
    let expected = model.limited(limit);
    let whole = lines(&printed(case, None, &Question::ListHosts).unwrap());
    let Some(shown) = printed(case, Some(&text), &Question::ListHosts) else {
        prop_assert!(
            expected.is_empty() && !whole.is_empty(),
            "-l {} is refused, not {:?}",
            text,
            expected
        );
        return Ok(());
    };
    let in_order: Vec<String> = whole.into_iter().filter(|host| expected.contains(host)).collect();
    prop_assert_eq!(lines(&shown), in_order, "-l {}", text);
    Ok(())
}

proptest! {
    #[test]
    fn inventories_are_read_by_ansible_s_rules(case in case::case(), limits in prop::collection::vec(case::limit(), 1..6)) {
        let model = Model::of(&case);
        let list = json(&case, &Question::List);
        check_groups(&model, &list)?;
        check_variables(&case, &model, &list)?;
        prop_assert_eq!(set(lines(&printed(&case, None, &Question::ListHosts).unwrap()))?, model.hosts.clone());
        for limit in &limits {
            check_limit(&case, &model, limit)?;
        }
    }
}
