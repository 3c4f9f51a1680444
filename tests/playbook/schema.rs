//! The schemas that editors use, next to the parsers.

use std::path::Path;
use std::process::Command;

use portmap_deploy::problem::{Location, Source};
use portmap_deploy::yaml::{self, Node, Value};
use serde_json::Value as Json;

use super::{case_folders, load, parse, root};

/// A schema that the program prints, ready to judge.
fn schema(what: &str) -> jsonschema::Validator {
    let program = Command::new(env!("CARGO_BIN_EXE_portmap-deploy"))
        .args(["schema", what])
        .output()
        .unwrap();
    assert!(program.status.success());
    let schema: Json = serde_json::from_slice(&program.stdout).unwrap();
    jsonschema::draft7::meta::validate(&schema).unwrap_or_else(|error| panic!("{error}"));
    jsonschema::draft7::new(&schema).unwrap()
}

/// A value as an editor's language server sees it.
fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::from(*value),
        Value::Int(number) => i64::try_from(*number).map_or_else(|_| Json::from(f64::MAX), Json::from),
        Value::Float(number) => Json::from(*number),
        Value::String(text) | Value::Timestamp(text) | Value::Vault(text) => Json::from(text.as_str()),
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(entries) => {
            let key = |key: &Node| key.as_str().map_or_else(|| key.raw().to_owned(), str::to_owned);
            entries.iter().map(|(name, value)| (key(name), json(value))).collect()
        }
    }
}

fn json_of(file: &Path) -> Option<Json> {
    let text = std::fs::read_to_string(file).unwrap();
    let document = yaml::read(&Source::new("file.yaml", text)).ok()?;
    Some(json(&document.root))
}

fn faults(schema: &jsonschema::Validator, value: &Json) -> Vec<String> {
    let errors = schema.iter_errors(value);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// The play, counted from 0, and the key in it that a place belongs to.
fn play_and_key(root: &Node, at: &Location) -> Option<(usize, String)> {
    let holds = |node: &Node| node.at.span.start <= at.span.start && at.span.end <= node.at.span.end;
    let Value::List(plays) = &root.value else { return None };
    let (index, play) = plays.iter().enumerate().find(|(_, play)| holds(play))?;
    let Value::Map(entries) = &play.value else { return None };
    let (key, _) = entries.iter().find(|(key, value)| holds(key) || holds(value))?;
    Some((index, key.as_str().unwrap_or(key.raw()).to_owned()))
}

/// Whether one of a schema's faults is about a place, or about the key there.
fn is_found(faults: &[String], play: Option<(usize, String)>) -> bool {
    let Some((index, key)) = play else {
        return !faults.is_empty();
    };
    let (value, map) = (format!("/{index}/{key}"), format!("/{index}: "));
    faults
        .iter()
        .any(|fault| fault.starts_with(&value) || fault.starts_with(&map) && fault.contains(&key))
}

/// What no schema can express: parts of messages.
const BEYOND_A_SCHEMA: &[&str] = &[
    // Numbers that look like something else are numbers to a schema.
    "to YAML",
    "without quotes is the number",
    "`022` is the number 18",
    // JSON has no such numbers, and no dates.
    "is a date",
    "`.nan` is no percentage",
    "`.inf` is no percentage",
    // Of times, a schema knows the spelling only.
    "is not between 5s and 600s",
    // Other files, and what two values are to each other.
    "cannot read nowhere.yaml",
    "playbooks are imported",
    "is mapped twice",
];

#[test]
fn the_schema_takes_what_the_parser_takes_and_refuses_what_it_refuses() {
    let schema = schema("playbook");
    let mut wrong = Vec::new();
    for case in case_folders() {
        let text = std::fs::read_to_string(case.join("playbook.yaml")).unwrap();
        let Ok(document) = yaml::read(&Source::new("playbook.yaml", text)) else {
            continue;
        };
        let faults = faults(&schema, &json(&document.root));
        match parse(&case, "playbook.yaml") {
            Ok(_) if faults.is_empty() => {}
            Ok(_) => wrong.push(format!("{}: {faults:?}", case.display())),
            Err(problems) => wrong.extend(
                problems
                    .iter()
                    .filter(|problem| {
                        let at = problem.at.as_ref().filter(|at| at.source.name == "playbook.yaml");
                        let is_beyond = BEYOND_A_SCHEMA.iter().any(|part| problem.message.contains(part));
                        let found = at.is_none_or(|at| is_found(&faults, play_and_key(&document.root, at)));
                        !found && !is_beyond
                    })
                    .map(|problem| format!("{}: {problem}", case.display())),
            ),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_shipped_files_are_sound_to_an_editor() {
    for (folder, what) in [("playbooks", "playbook"), ("inventories", "inventory")] {
        let schema = schema(what);
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let file = entry.unwrap().path();
            assert_eq!(
                faults(&schema, &json_of(&file).unwrap()),
                Vec::<String>::new(),
                "{file:?}"
            );
        }
    }
}

/// Whether the schema of inventories takes a text, and whether the program does.
fn verdicts(schema: &jsonschema::Validator, text: &str) -> (bool, bool) {
    let document = yaml::read(&Source::new("hosts.yaml", text)).unwrap();
    let schema = faults(schema, &json(&document.root)).is_empty();
    (schema, load(text, None).is_ok())
}

#[test]
fn the_schema_of_inventories_agrees_with_their_reader() {
    let schema = schema("inventory");
    let group = |vars: &str| format!("all: {{hosts: {{h: }}, vars: {{{vars}}}}}");
    let good = [
        "portmap: []",
        "portmap: ['2222:22', {port: 80, to_port: 8080, source: 10.0.0.0/8, direct: reject}]",
        "portmap: ['8000-8010:80/udp']",
        "portmap: [{port: 80-81, to_port: '8080', direct_source: [203.0.113.7], loopback: true, interface: eth+}]",
        "portmap_rollback_after: 1m 30s, portmap_previous_ports: 2222",
        "portmap_previous_ports: [2222, '22']",
        "ansible_become: yes, ansible_port: '2222', anything: {else: [1]}",
    ];
    for vars in good {
        assert_eq!(verdicts(&schema, &group(vars)), (true, true), "{vars}");
    }
    let bad = [
        "portmap: 2222:22",
        "portmap: '2222:22'",
        "portmap: [2222:22]",
        "portmap: ",
        "portmap: [22]",
        "portmap: ['22']",
        "portmap: ['2222:22/icmp']",
        "portmap: [{port: 80}]",
        "portmap: [{port: 80, to_port: 70000}]",
        "portmap: [{port: 80, to_port: 8080, protcol: tcp}]",
        "portmap: [{port: 80, to_port: 8080, direct: close}]",
        "portmap: [{port: 80, to_port: 8080, name: }]",
        "portmap: [{port: 80, to_port: 8080, loopback: yes please}]",
        "portmap: [{port: 80, to_port: 8080, interface: lo}]",
        "portmaps: []",
        "portmap_rollback: 30s",
        "portmap_rollback_after: soon",
        "ansible_port: 0",
        "ansible_become_method: su",
    ];
    for vars in bad {
        assert_eq!(verdicts(&schema, &group(vars)), (false, false), "{vars}");
    }
}

#[test]
fn the_schema_of_inventories_takes_what_the_program_takes_without_a_warning() {
    let schema = schema("inventory");
    let all = root().join("tests/cases/inventories");
    let files = std::fs::read_dir(all)
        .unwrap()
        .flat_map(|case| std::fs::read_dir(case.unwrap().path()).unwrap());
    let files = files
        .map(|entry| entry.unwrap().path())
        .filter(|file| file.extension().is_some_and(|end| end == "yaml"));
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        if load(&text, None).is_ok_and(|loaded| loaded.warnings.is_empty()) {
            let value = json_of(&file).unwrap();
            assert_eq!(faults(&schema, &value), Vec::<String>::new(), "{}", file.display());
        }
    }
}

#[test]
fn mappings_and_variables_have_schemas_of_their_own() {
    let takes = |what: &str, text: &str| {
        let document = yaml::read(&Source::new("file.yaml", text)).unwrap();
        faults(&schema(what), &json(&document.root)).is_empty()
    };
    assert!(takes("portmap", "['2222:22', {port: 80, to_port: 8080}]"));
    assert!(!takes("portmap", "[{port: 80}]"));
    assert!(takes("vars", "portmap: ['{{ port }}:22']\nansible_port: 22\n"));
    assert!(takes("vars", "portmap: '{{ mappings }}'\n"));
    assert!(!takes("vars", "portmaps: []\n"));
}
