//! Templates give what ansible-core gives: the recorded answers in `cases/template`, but for the differences that are
//! named there.

#![expect(clippy::expect_used, reason = "a test stops where something is not as expected")]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portmap_deploy::problem::Source;
use portmap_deploy::template::{Scope, Templates, Variable};
use portmap_deploy::world::{Answer, Kind, World};
use portmap_deploy::yaml::{self, Node, Style, Value};
use serde_json::{Value as Json, json};

/// The machine that the answers were recorded on, as far as templates see it.
struct Recorded;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/template")
}

impl World for Recorded {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn list(&self, _: &Path) -> io::Result<Vec<String>> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        let found = std::fs::metadata(path).ok()?;
        Some(if found.is_dir() {
            Kind::Folder
        } else {
            Kind::File { executable: false }
        })
    }

    fn is_world_writable(&self, _: &Path) -> bool {
        false
    }

    fn run(&self, _: &Path, _: &[&str]) -> io::Result<Answer> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    fn find_program(&self, _: &str) -> Option<PathBuf> {
        None
    }

    fn variable(&self, name: &str) -> Option<String> {
        let known = [("PORTMAP_CASE", "from the environment"), ("HOME", "/home/case")];
        known
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
    }

    fn current_folder(&self) -> PathBuf {
        folder()
    }
}

/// One host's variables.
struct Variables(Option<Node>);

impl Scope for Variables {
    fn variable(&self, name: &str) -> Option<Variable> {
        self.0.as_ref()?.get(name).cloned().map(typed).map(Variable::Node)
    }

    fn names(&self) -> Vec<String> {
        let Some(Value::Map(entries)) = self.0.as_ref().map(|node| &node.value) else {
            return Vec::new();
        };
        entries
            .iter()
            .filter_map(|(key, _)| key.as_str().map(str::to_owned))
            .collect()
    }

    fn host(&self, _: &str) -> Option<Arc<dyn Scope>> {
        None
    }

    fn hosts(&self) -> Vec<String> {
        Vec::new()
    }

    fn folders(&self) -> Vec<PathBuf> {
        vec![folder()]
    }
}

/// Dates and text that is no template, told by how they are written until the reader of YAML knows them.
fn typed(node: Node) -> Node {
    let source = Arc::clone(&node.at.source);
    let before = source.text.get(..node.at.span.start).unwrap_or_default();
    if before.ends_with("raw: ") {
        return Node {
            style: Style::Unsafe,
            ..node
        };
    }
    let day = |text: &str| {
        text.len() >= 10
            && text
                .bytes()
                .take(10)
                .enumerate()
                .all(|(at, b)| (b == b'-') == (at == 4 || at == 7))
    };
    match &node.value {
        Value::String(text) if node.style == Style::Plain && day(text) => Node {
            value: Value::Timestamp(text.replacen(' ', "T", 1)),
            ..node
        },
        _ => node,
    }
}

/// As the recorder writes values.
fn plain(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(truth) => json!(truth),
        Value::Int(number) => i64::try_from(*number).map_or_else(
            |_| serde_json::from_str(&number.to_string()).expect("a number"),
            |number| json!(number),
        ),
        Value::Float(number) if number.is_nan() => json!({ "float": "nan" }),
        Value::Float(number) if number.is_infinite() => json!({ "float": number.to_string() }),
        Value::Float(number) => json!(number),
        Value::String(text) | Value::Timestamp(text) | Value::Vault(text) => json!(text),
        Value::List(items) => items.iter().map(plain).collect(),
        Value::Map(entries) => entries
            .iter()
            .map(|(key, value)| (key_text(key), plain(value)))
            .collect(),
    }
}

fn key_text(key: &Node) -> String {
    match plain(key) {
        Json::String(text) => text,
        other => other.to_string(),
    }
}

struct Row {
    group: usize,
    template: String,
    expected: Json,
    is_error: bool,
}

fn recorded() -> Vec<Row> {
    let text = std::fs::read_to_string(folder().join("recorded.json")).expect("recorded.json");
    let rows: Vec<Json> = serde_json::from_str(&text).expect("JSON");
    let row = |row: &Json| Row {
        group: usize::try_from(row["group"].as_u64().expect("a group")).expect("small"),
        template: row["template"].as_str().expect("a template").to_owned(),
        expected: row.get("result").or(row.get("error")).expect("an answer").clone(),
        is_error: row.get("error").is_some(),
    };
    rows.iter().map(row).collect()
}

/// The variables of each group of cases.
fn groups() -> Vec<Arc<dyn Scope>> {
    let text = std::fs::read_to_string(folder().join("cases.yaml")).expect("cases.yaml");
    let text = text.replace("!unsafe ", "");
    let document = yaml::read(&Source::new("cases.yaml", text)).expect("YAML");
    let Value::List(groups) = &document.root.value else {
        panic!("cases.yaml is not a list");
    };
    let scope = |group: &Node| Arc::new(Variables(group.get("variables").cloned())) as Arc<dyn Scope>;
    groups.iter().map(scope).collect()
}

/// Templates whose answers differ from Ansible's, with the reason.
fn differences() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(folder().join("differences.yaml")).expect("differences.yaml");
    let document = yaml::read(&Source::new("differences.yaml", text)).expect("YAML");
    let Value::List(reasons) = &document.root.value else {
        panic!("differences.yaml is not a list");
    };
    let mut differences = BTreeMap::new();
    for reason in reasons.iter() {
        let text = reason.get("reason").and_then(Node::as_str).expect("a reason");
        let Some(Value::List(templates)) = reason.get("templates").map(|node| &node.value) else {
            panic!("a reason without templates");
        };
        for template in templates.iter() {
            differences.insert(template.as_str().expect("a template").to_owned(), text.to_owned());
        }
    }
    differences
}

fn template_node(text: &str) -> Node {
    let source = Source::new("case.yaml", text);
    let at = portmap_deploy::problem::Location {
        span: 0..source.text.len(),
        source,
    };
    Node {
        value: Value::String(text.to_owned()),
        at,
        style: Style::Plain,
    }
}

/// Python's sets have no order; and 1.0 is 1.
fn agree(ours: &Json, theirs: &Json) -> bool {
    match (ours, theirs) {
        (Json::Array(ours), Json::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| agree(ours, theirs))
        }
        (Json::Object(ours), Json::Object(theirs)) => {
            ours.keys().eq(theirs.keys()) && ours.iter().all(|(key, ours)| agree(ours, &theirs[key]))
        }
        (Json::Number(ours), Json::Number(theirs)) if ours.is_f64() && theirs.is_f64() => {
            ours.as_f64() == theirs.as_f64()
        }
        _ => ours == theirs,
    }
}

#[test]
fn templates_give_what_ansible_gives() {
    let templates = Templates::new(Arc::new(Recorded), Box::new(|_| Err("no password".to_owned())));
    let (groups, differences, rows) = (groups(), differences(), recorded());
    assert!(rows.len() >= 300, "only {} rows", rows.len());
    let mut unused = differences.clone();
    let mut wrong = Vec::new();
    for row in &rows {
        let result = templates.render(&template_node(&row.template), &groups[row.group]);
        let ours = result.as_ref().map(plain);
        let agrees = ours
            .as_ref()
            .map_or(row.is_error, |ours| !row.is_error && agree(ours, &row.expected));
        let differs = unused.remove(&row.template).is_some() || differences.contains_key(&row.template);
        if agrees == differs {
            let ours = ours.map_or_else(|problems| format!("error: {problems:?}"), |ours| ours.to_string());
            wrong.push(format!(
                "{:?}\n   ours    {ours}\n   Ansible {}",
                row.template, row.expected
            ));
        }
    }
    let unused: Vec<&String> = unused.keys().collect();
    assert!(unused.is_empty(), "differences without a case: {unused:#?}");
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        rows.len(),
        wrong.join("\n")
    );
}
