use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;

use super::*;

fn document(text: &str) -> Document {
    read(&Source::new("test", text)).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn messages(text: &str) -> Vec<String> {
    let problems = read(&Source::new("test", text))
        .map(|document| document.root)
        .unwrap_err();
    problems.into_iter().map(|problem| problem.message).collect()
}

fn json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => i64::try_from(*value).unwrap().into(),
        Value::Float(value) => (*value).into(),
        Value::String(text) | Value::Timestamp(text) | Value::Vault(text) => text.as_str().into(),
        Value::List(items) => items.iter().map(json).collect::<Vec<_>>().into(),
        Value::Map(entries) => serde_json::Value::Object(
            entries
                .iter()
                .map(|(key, value)| (key.as_str().unwrap().into(), json(value)))
                .collect(),
        ),
    }
}

/// One line of the table that `PyYAML` recorded, or what we make of its scalar.
fn row(text: &str) -> String {
    let value = match resolve(text) {
        Err(_) => "error\t".to_owned(),
        Ok(value) => kind(&value),
    };
    format!("{text}\t{value}")
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null\t".to_owned(),
        Value::Bool(value) => format!("bool\t{value}"),
        Value::Int(value) => format!("int\t{value}"),
        Value::Float(value) if value.is_nan() => "float\tnan".to_owned(),
        Value::Float(value) if value.is_infinite() => format!("float\t{value}"),
        Value::Float(value) => format!("float\t{value:?}"),
        Value::String(_) => "text\t".to_owned(),
        Value::Timestamp(_) => "date\t".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The same float may be written in two ways, and sixtieths add up to another last digit.
fn same(expected: &str, found: &str) -> bool {
    let float = |row: &str| {
        row.split_once("\tfloat\t")
            .and_then(|(text, value)| Some((text.to_owned(), value.parse::<f64>().ok()?)))
    };
    match (float(expected), float(found)) {
        (Some((a, x)), Some((b, y))) => {
            a == b && (x.to_bits() == y.to_bits() || (x - y).abs() <= x.abs() * 1e-12 || (x.is_nan() && y.is_nan()))
        }
        _ => expected == found,
    }
}

#[test]
fn plain_scalars_are_what_pyyaml_makes_of_them() {
    let table = include_str!("../../tests/cases/yaml/scalars.tsv");
    let mut wrong = String::new();
    for expected in table.lines().filter(|line| !line.starts_with("# ")) {
        let found = row(expected.split('\t').next().unwrap());
        if !same(expected, &found) {
            writeln!(wrong, "{expected} but {found}").unwrap();
        }
    }
    assert_eq!(wrong, "");
}

#[test]
fn numbers_beyond_128_bits_stay_text() {
    assert_eq!(resolve(&"9".repeat(40)), Ok(Value::String("9".repeat(40))));
    assert_eq!(resolve(&format!("1{}", ":59".repeat(60))).unwrap().kind(), "text");
}

/// How `tests/cases/yaml/record.py` writes a value.
fn shown(node: &Node) -> String {
    let text = |text: &str| serde_json::to_string(text).unwrap();
    let listed = |items: Vec<String>| items.join(", ");
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) if value.is_nan() => "fnan".to_owned(),
        Value::Float(value) => format!("f{:016x}", value.to_bits()),
        Value::String(value) if node.style == Style::Unsafe => format!("u{}", text(value)),
        Value::String(value) => text(value),
        Value::Timestamp(value) => format!("@{value}"),
        Value::Vault(value) => format!("v{}", text(value)),
        Value::List(items) => format!("[{}]", listed(items.iter().map(shown).collect())),
        Value::Map(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| format!("{}: {}", shown(key).trim_start_matches('u'), shown(value)));
            format!("{{{}}}", listed(entries.collect()))
        }
    }
}

/// Where the reader and the recorded answers of a table differ.
fn differences(table: &str, read: impl Fn(&Arc<Source>) -> Option<Node>) -> String {
    let mut wrong = String::new();
    for line in table.lines() {
        let (document, expected) = line.split_once('\t').unwrap();
        let text: String = serde_json::from_str(document).unwrap();
        let found = read(&Source::new("test", text)).map_or_else(|| "error".to_owned(), |node| shown(&node));
        if found != expected {
            writeln!(wrong, "{document} is {expected} but {found}").unwrap();
        }
    }
    wrong
}

#[test]
fn documents_are_what_ansible_makes_of_them() {
    let table = include_str!("../../tests/cases/yaml/documents.tsv");
    assert!(table.lines().count() > 300);
    let wrong = differences(table, |source| read(source).ok().map(|document| document.root));
    assert_eq!(wrong, "");
}

#[test]
fn json_is_what_ansible_makes_of_it() {
    let table = include_str!("../../tests/cases/yaml/json.tsv");
    assert!(table.lines().count() > 90);
    let wrong = differences(table, |source| read_json(source).ok().map(|document| document.root));
    assert_eq!(wrong, "");
}

#[test]
fn json_is_tried_before_yaml() {
    let root = |text: &str| load(&Source::new("test", text)).unwrap().root;
    // To YAML, the tab would be an error and the numbers others.
    assert_eq!(
        shown(&root("{\n\t\"a\": [1e3, NaN]}")),
        "{\"a\": [f408f400000000000, fnan]}"
    );
    assert_eq!(shown(&root("{\"a\": 0644}")), "{\"a\": 420}");
    assert_eq!(root("[1, {\"a\": \"b\"}]").raw(), "[1, {\"a\": \"b\"}]");
}

#[test]
fn json_has_places() {
    let root = load(&Source::new("test", " {\"ü\": [1, \"é\\n\"], \"b\": {}}"))
        .unwrap()
        .root;
    let mut found = Vec::new();
    raws(&root, &mut found);
    assert_eq!(found, ["\"ü\"", "1", "\"é\\n\"", "\"b\""]);
    let problems = read_json(&Source::new("test", "[1, ü]")).unwrap_err();
    assert_eq!(problems[0].at.as_ref().unwrap().text(), "ü");
    assert_eq!(problems[0].message, "this is not JSON: a value is missing here");
    let deep = read_json(&Source::new("test", "[".repeat(100_000))).unwrap_err();
    assert_eq!(deep[0].message, "values are nested more than 64 deep");
}

/// Each document of the folder beside what `PyYAML`'s safe loader made of it, as JSON.
#[test]
fn documents_are_what_pyyaml_makes_of_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/yaml/documents");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "yaml") {
            let expected = std::fs::read_to_string(path.with_extension("json")).unwrap();
            let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
            assert_eq!(
                json(&document(&std::fs::read_to_string(&path).unwrap()).root),
                expected,
                "{}",
                path.display()
            );
            seen += 1;
        }
    }
    assert!(seen >= 9);
}

fn raws(node: &Node, into: &mut Vec<String>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| raws(item, into)),
        Value::Map(entries) => entries.iter().for_each(|(key, value)| {
            raws(key, into);
            raws(value, into);
        }),
        _ => into.push(node.raw().to_owned()),
    }
}

const PLACES: &str = r#"größe: "ü🚀" # ünï
日本: 	22 # 語語

  # 🚀
list: [é, 'ö''\', &a x] # ñ
"a\\\"" : 'b\' # '
last: ß"#;

#[test]
fn places_are_bytes_behind_any_text() {
    let expected = [
        "größe",
        "\"ü🚀\"",
        "日本",
        "22",
        "list",
        "é",
        r"'ö''\'",
        "x",
        r#""a\\\"""#,
        r"'b\'",
        "last",
        "ß",
    ];
    for newline in ["\n", "\r\n", "\r"] {
        for begin in [
            "",
            "\u{feff}",
            "\u{feff}# ü\n",
            "# kömmentär 🚀🚀 # —\n",
            "%YAML 1.1 # ü\n--- # 日本\n",
        ] {
            let document = document(&format!("{begin}{PLACES}").replace('\n', newline));
            let mut found = Vec::new();
            raws(&document.root, &mut found);
            assert_eq!(found, expected, "{begin:?} {newline:?}");
        }
    }
}

#[test]
fn a_part_of_a_scalar_has_a_place_unless_escapes_hide_it() {
    let list = document("[\"2222:22\", 'ü:22', \"\\x32:22\", 80:8080, x]").root;
    let Value::List(items) = &list.value else {
        panic!("{list:?}")
    };
    let parts: Vec<String> = items.iter().map(|item| item.part(0..2).text().to_owned()).collect();
    assert_eq!(parts, ["22", "ü", "\"\\x32:22\"", "80", "x"]);
}

#[test]
fn collections_end_where_their_last_value_does() {
    let root = document("a: &x [1, 2]\nb:\n  c: 1\n  d: 2\n\n# comment\ne: 1\n").root;
    assert_eq!(root.get("a").unwrap().raw(), "[1, 2]");
    assert_eq!(root.get("b").unwrap().raw(), "c: 1\n  d: 2");
}

#[test]
fn styles_are_kept() {
    let root = document("a: 22\nb: '22'\nc: \"22\"\nd: |\n  22\ne: >-\n  22\nf: [22]\n").root;
    let styles: Vec<Style> = ["a", "b", "c", "d", "e", "f"]
        .iter()
        .map(|key| root.get(key).unwrap().style)
        .collect();
    let expected = [
        Style::Plain,
        Style::Quoted,
        Style::Quoted,
        Style::Block,
        Style::Block,
        Style::Collection,
    ];
    assert_eq!(styles, expected);
    assert_eq!(root.get("e").unwrap().value, Value::String("22".into()));
}

#[test]
fn a_duplicate_key_is_a_warning_even_in_quotes_but_not_when_merged() {
    let warned = |text: &str| {
        document(text)
            .warnings
            .iter()
            .map(|problem| problem.message.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(warned("{a: 1, \"a\": 2}").len(), 1);
    assert_eq!(warned("{1: 1, 01: 2}").len(), 1);
    assert_eq!(warned("{1: 1, true: 2, 1.0: 3}").len(), 2);
    assert_eq!(warned("{1: 1, \"1\": 2, false: 3, yes_: 4}"), Vec::<String>::new());
    assert_eq!(warned("{x: &x {a: 1}, y: {<<: *x, a: 2}}"), Vec::<String>::new());
}

#[test]
fn of_many_warnings_and_problems_some_are_enough() {
    assert_eq!(document(&"a: 1\n".repeat(10_000)).warnings.len(), 100);
    assert_eq!(messages(&"- !x y\n".repeat(10_000)).len(), 1001);
}

#[test]
fn what_is_unsafe_stays_so_behind_an_alias() {
    let root = document("- &a [x, {y: 1}]\n- !unsafe [*a, \"z\", !vault v]\n- *a\n").root;
    assert_eq!(
        shown(&root),
        "[[\"x\", {\"y\": 1}], [[u\"x\", {\"y\": 1}], u\"z\", v\"v\"], [\"x\", {\"y\": 1}]]"
    );
}

#[test]
fn a_value_stands_behind_its_anchor_and_tag() {
    let root = document("a: &x !!str 1 # one\nb: !unsafe &y\n  c: 2\nd: !vault |\n  text\n\ne: !!str\n").root;
    let raw = |key| root.get(key).unwrap().raw();
    assert_eq!(["a", "b", "d", "e"].map(raw), ["1", "c: 2", "|\n  text", ""]);
}

#[test]
fn nothing_is_null() {
    for text in ["", "# only a comment\n", "---\n", "---\n...\n", "\u{feff}"] {
        assert_eq!(document(text).root.value, Value::Null, "{text:?}");
    }
}

#[test]
fn what_is_no_single_plain_document_is_refused() {
    let refused = [
        ("a: 1\n---\nb: 1\n", "a second document begins here"),
        ("a: !vault 5", "the tag `!vault` cannot stand before a number"),
        ("a: !vault [x]", "the tag `!vault` cannot stand before a list"),
        ("a: !!int x", "the tag `!!int` cannot stand before `x`"),
        ("a: !!set [x]", "the tag `!!set` cannot stand before a list"),
        (
            "a: !!python/object:os.system x",
            "the tag `!!python/object:os.system` is not known",
        ),
        (
            "a: !!binary eA==",
            "the tag `!!binary` makes bytes, which no variable can hold",
        ),
        ("a: 2001-02-29", "the calendar has no such day"),
        ("a: =", "a plain `=` is no value"),
        ("[<<]", "a plain `<<` is no value"),
        ("{? !vault x : 1}", "an encrypted value cannot be a key"),
        ("[&a x, &a y]", "this is not YAML: two anchors have this name"),
        ("{[a]: 1}", "a list cannot be a key"),
        ("&a [*a]", "this alias stands inside the value that it names"),
        ("{<<: [1]}", "`<<` merges maps, and this is a number"),
        ("a: \u{0}b", "the character \\u{0} cannot stand in a YAML file"),
        ("a: \u{9f}b", "the character \\u{9f} cannot stand in a YAML file"),
    ];
    for (text, message) in refused {
        assert_eq!(messages(text), [message], "{text:?}");
    }
    assert!(messages("a: *unknown")[0].starts_with("this is not YAML: "));
}

#[test]
fn all_tags_are_reported_at_once() {
    assert_eq!(messages("[!a 1, !b 2, !c {d: !e 3}]").len(), 4);
}

#[test]
fn depth_is_bounded_with_and_without_aliases() {
    assert_eq!(messages(&"[".repeat(100)), ["values are nested more than 64 deep"]);
    assert_eq!(messages(&"- ".repeat(10_000)), ["values are nested more than 64 deep"]);
    assert_eq!(messages(&"[".repeat(100_000)).len(), 1);
    let mut chain = "a0: &a0 [x]\n".to_owned();
    (1..100).for_each(|step| writeln!(chain, "a{step}: &a{step} [*a{}]", step - 1).unwrap());
    assert_eq!(messages(&chain), ["values are nested more than 64 deep"]);
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    (1..30).for_each(|step| {
        writeln!(
            bomb,
            "a{step}: &a{step} [{}]",
            vec![format!("*a{}", step - 1); 10].join(", ")
        )
        .unwrap();
    });
    assert_eq!(
        messages(&bomb),
        ["the aliases up to here stand for more than 2000000 values"]
    );
}

/// Every place lies in the text and splits no character.
fn check_places(node: &Node) {
    assert!(node.at.source.text.get(node.at.span.clone()).is_some(), "{node:?}");
    match &node.value {
        Value::List(items) => items.iter().for_each(check_places),
        Value::Map(entries) => entries.iter().for_each(|(key, value)| {
            check_places(key);
            check_places(value);
        }),
        Value::String(text) => assert!(node.at.source.text.get(node.part(0..text.len()).span).is_some()),
        _ => {}
    }
}

fn survives(text: &str) {
    for read in [read, read_json] {
        survives_with(read(&Source::new("test", text)));
    }
}

fn survives_with(result: Result<Document, Vec<Problem>>) {
    match result {
        Ok(document) => check_places(&document.root),
        Err(problems) => assert!(problems.iter().all(|problem| {
            problem
                .at
                .as_ref()
                .is_some_and(|at| at.source.text.get(at.span.clone()).is_some())
        })),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        survives(&text);
    }

    #[test]
    fn any_yaml_like_text_is_read_or_refused(text in "([a-c0-9é🚀]|[-:?,{}\\[\\]&*!|>'\"%#<~. \t\r\n]|: |- |\n  |<<: |&a |\\*a|\\? |---|\\.\\.\\.|\\\\|\u{feff}){0,60}") {
        survives(&text);
    }

    #[test]
    fn any_json_like_text_is_read_or_refused(text in "([0-9éNe.-]|[,:{}\\[\\]\" \t\n]|\\\\u|d8|null|true|\"a\":|\\\\){0,40}") {
        survives(&text);
    }

    #[test]
    fn any_plain_scalar_has_a_value(text in "[-+0-9a-fxob_.:eEinNI]{0,50}") {
        let _ = resolve(&text);
    }
}
