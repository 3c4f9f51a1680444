use proptest::prelude::*;

use super::*;
use crate::inventory::tests::recorded::{cases, describe, difference, plain, rows};
use crate::problem::{Severity, render};

fn parse(text: &str) -> Result<Data, Vec<Problem>> {
    let mut data = Data::default();
    read(&Source::new("hosts", text), &mut data)?;
    Ok(data)
}

fn variable(data: &Data, owner: &str) -> Node {
    let vars = match data.groups.get(owner) {
        Some(group) => &group.vars,
        None => &data.hosts[owner].vars,
    };
    vars["v"].clone()
}

/// As the table has it; `!` for what is refused.
fn value(text: &str, owner: &str) -> String {
    match parse(text) {
        Ok(data) => plain(&variable(&data, owner)).to_string(),
        Err(_) => "!".to_owned(),
    }
}

/// There is no table of the names of characters, and numbers beyond 128 bits are text.
fn is_read_otherwise(text: &str) -> bool {
    let number = text.trim_start_matches(['-', '0', 'x']);
    text == "'\\N{BULLET}'" || (number.len() > 38 && number.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[test]
fn values_are_those_of_ansible() {
    let mut wrong = Vec::new();
    let rows = rows(include_str!("../../../../tests/cases/ini/literals.tsv"));
    assert!(rows.len() > 300);
    for (text, cells) in rows {
        let host = value(&format!("h1 v={text}\n"), "h1");
        let group = value(&format!("[g]\n[g:vars]\nv={text}\n"), "g");
        if !is_read_otherwise(&text) && (host != cells[0] || group != cells[1]) {
            wrong.push(format!("{text:?}: {host} {group} and not {cells:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Refused only when all sources are read.
const REFUSED_LATER: &[&str] = &["circle"];

#[test]
fn files_are_read_as_ansible_reads_them() {
    let cases = cases("files", "ini", "json");
    assert!(cases.len() > 50);
    let wrong: Vec<String> = cases
        .iter()
        .filter(|(name, ..)| !REFUSED_LATER.contains(&name.as_str()))
        .filter_map(|(name, text, answer)| match (parse(text), answer) {
            (Ok(data), Some(answer)) => difference(name, &describe(&data), answer),
            (Err(_), None) => None,
            (Ok(_), None) => Some(format!("{name}: read, and refused by Ansible")),
            (Err(problems), Some(_)) => Some(format!("{name}: {problems:?}")),
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is said about each file that is refused.
#[test]
fn refusals_say_what_where_and_what_to_do() {
    let pages = cases("files", "ini", "json").into_iter().filter_map(|(name, text, _)| {
        let problems = parse(&text).err()?;
        Some(format!("## {name}\n{}", render(&problems, Severity::Error, false)))
    });
    let text = pages.collect::<Vec<_>>().join("\n\n");
    insta::with_settings!({snapshot_path => "../../../../tests/cases/ini", prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!("refusals", text);
    });
}

#[test]
fn all_problems_of_a_file_are_told_at_once() {
    let text = "[web:var]\nanything here\n[db]\nh1 x\nh2 ok=1\nh3:\n[app:children]\nnowhere\n";
    let problems = parse(text).expect_err("problems");
    let lines: Vec<usize> = problems
        .iter()
        .map(|problem| problem.at.as_ref().expect("a place").line_and_column().0)
        .collect();
    assert_eq!(lines, [1, 4, 6, 8]);
    assert_eq!(problems[0].hint.as_deref(), Some("did you mean `[web:vars]`?"));
}

#[test]
fn values_know_their_places_and_styles() {
    let text = "[w\u{e9}b]\nh:22 a=1 b='x y' c=q\"[1, 'z']\" \"d=e f\" g=\"['i', 2]\" # x\n[w\u{e9}b:vars]\n k  =  'v' # c\nl = a b \n";
    let data = parse(text).expect("an inventory");
    let shown = |vars: &super::super::super::data::Vars| -> Vec<String> {
        vars.iter()
            .map(|(name, value)| format!("{name} {} {:?}", value.raw(), value.style))
            .collect()
    };
    assert_eq!(
        shown(&data.hosts["h"].vars),
        [
            "ansible_port 22 Quoted",
            "a 1 Plain",
            "b 'x y' Quoted",
            "c q\"[1, 'z']\" Quoted",
            "d e f\" Quoted",
            "g \"['i', 2]\" Collection"
        ]
    );
    assert_eq!(shown(&data.groups["w\u{e9}b"].vars), ["k 'v' Quoted", "l a b Plain"]);
    let Value::List(items) = &data.hosts["h"].vars["g"].value else {
        panic!("a list")
    };
    assert_eq!(items.iter().map(Node::raw).collect::<Vec<_>>(), ["'i'", "2"]);
}

#[test]
fn a_second_source_knows_the_groups_of_the_first() {
    let mut data = Data::default();
    for text in [
        "[web]\nh1:1\n",
        "[web:vars]\nv=1\n[all:children]\nweb\n[db]\nh1:2 v=2\n",
    ] {
        read(&Source::new("hosts", text), &mut data).expect("an inventory");
    }
    assert_eq!(data.hosts["h1"].vars["ansible_port"].value, Value::Int(1));
    assert_eq!(data.groups["web"].vars["v"].value, Value::Int(1));
}

#[test]
fn endless_ranges_end() {
    let line = format!("h[0:9999] v={}\n", "x".repeat(3_000));
    assert!(parse(&line).is_ok());
    assert!(parse(&line.repeat(10_000)).is_err());
}

#[test]
fn a_large_file_is_read_in_a_moment() {
    let mut text = String::new();
    for at in 0..20_000 {
        let vars = format!("a=1 b='two words' c=[1,2] d={{'x':1}} e=text f=10.0.0.{at} g=True h=0x1F");
        text.extend(["h", &at.to_string(), ".example.com:22 ", &vars, "\n"]);
    }
    assert_eq!(parse(&text).expect("an inventory").hosts.len(), 20_000);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_ini_like_text_is_read_or_refused(
        lines in prop::collection::vec("(\\[(all|a|b|c)(:vars|:children|:hosts|:x)?\\]|(a|b|h\\[[0-9a-c:]{0,5}\\]|h)(:22)?( [a-c]=[-0-9a\"'\\[\\]{}(),.#\\\\ ]{0,9}){0,2}|[#;].{0,4}|[ab]=.{0,9})", 0..20),
    ) {
        let text = lines.join("\n");
        if let Err(problems) = parse(&text) {
            prop_assert!(!problems.is_empty());
            let _ = render(&problems, Severity::Error, false);
        }
    }

    #[test]
    fn words_are_split_as_quoted(words in prop::collection::vec("[ -~é]{0,9}", 1..5)) {
        let line: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', "'\"'\"'"))).collect();
        let line = line.join(" \t");
        let split = words::split(&line).ok().expect("words");
        let texts: Vec<&str> = split.iter().map(|word| word.text.as_ref()).collect();
        prop_assert_eq!(texts, words);
    }
}
