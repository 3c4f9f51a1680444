//! What the real Ansible answers to an inventory is what this program answers: JSON and text byte for byte, YAML as
//! data. The cases are folders in `tests/cases/ansible`; `record.py` there says what they hold and records Ansible. Where
//! Ansible warns, this program has to say something on standard error; where Ansible fails, it has to exit with 1.
//! Differences that are meant are named in the file `differences` there.
//!
//! `CONFORMITY_CASE=NAME cargo test --test conformity` shows the whole difference of one case.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "conformity/case.rs"]
mod case;
#[path = "conformity/data.rs"]
mod data;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

use case::{Case, Expected, Mark};

/// How many cases there have to be at least.
const ENOUGH: usize = 150;
/// Lines shown of one difference.
const SHOWN: usize = 8;
/// Differences shown at all.
const SHOWN_DIFFERENCES: usize = 400;
/// Cases that run at the same time.
const AT_ONCE: usize = 4;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/ansible")
}

/// All cases, or the one that `CONFORMITY_CASE` names.
fn cases() -> Vec<Case> {
    let only = std::env::var("CONFORMITY_CASE").ok();
    let mut folders: Vec<PathBuf> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("commands").exists())
        .filter(|path| only.as_ref().is_none_or(|name| path.ends_with(name)))
        .collect();
    folders.sort();
    folders.iter().map(|folder| Case::read(folder)).collect()
}

/// Runs the program in the case's folder, with the surroundings that Ansible was recorded in.
fn run(case: &Case, words: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portmap-deploy"))
        .arg("inventory")
        .args(words)
        .current_dir(&case.folder)
        .env_clear()
        .envs([
            ("HOME", "/nonexistent"),
            ("LC_ALL", "C.UTF-8"),
            ("PATH", "/usr/bin:/bin"),
        ])
        .envs(case.env.iter().map(|(name, value)| (name, value)))
        .output()
        .unwrap()
}

/// Expected and actual output in forms that are equal when the answers are.
fn comparable(expected: &Expected, stdout: &str) -> (String, String) {
    let wanted = expected.output.clone();
    if expected.is_yaml() {
        let wanted: serde_json::Value = serde_json::from_str(&wanted).unwrap();
        let actual = data::read(stdout).map_or_else(|| stdout.to_owned(), |data| format!("{data:#}"));
        return (format!("{wanted:#}"), actual);
    }
    if expected.any_order {
        let mut lines: Vec<&str> = stdout.split_inclusive('\n').collect();
        lines.sort_unstable();
        return (wanted, lines.concat());
    }
    (wanted, stdout.to_owned())
}

/// What is different about an answer; nothing when it is Ansible's.
fn difference(expected: &Expected, output: &Output) -> Option<String> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let status = i32::from(expected.mark == Some(Mark::Failed));
    if output.status.code() != Some(status) {
        return Some(format!(
            "exit status {:?} instead of {status}\n{stderr}",
            output.status.code()
        ));
    }
    if status == 1 {
        return said_why(&stdout, &stderr);
    }
    let (wanted, actual) = comparable(expected, &stdout);
    if wanted != actual {
        return Some(lines_that_differ(&wanted, &actual));
    }
    let silent = expected.mark == Some(Mark::Warned) && stderr.is_empty();
    silent.then(|| "says nothing where Ansible warns".to_owned())
}

/// A failure has to be explained, and to print no data.
fn said_why(stdout: &str, stderr: &str) -> Option<String> {
    if !stdout.is_empty() {
        return Some("fails, and prints data".to_owned());
    }
    stderr.is_empty().then(|| "fails without a word".to_owned())
}

/// The lines from the first that differs to the last, expected ones with `-`, actual ones with `+`.
fn lines_that_differ(expected: &str, actual: &str) -> String {
    let (left, right): (Vec<&str>, Vec<&str>) = (expected.split('\n').collect(), actual.split('\n').collect());
    let same = left.iter().zip(&right).take_while(|(one, other)| one == other).count();
    let rest = left.len().min(right.len()) - same;
    let ends = left.iter().rev().zip(right.iter().rev()).take(rest);
    let same_end = ends.take_while(|(one, other)| one == other).count();
    let mut text = format!("from line {} on\n", same + 1);
    for (sign, lines) in [('-', &left), ('+', &right)] {
        for line in &lines[same..lines.len() - same_end] {
            writeln!(text, "{sign}{line}").unwrap();
        }
    }
    text
}

/// The first lines of a difference, indented.
fn short(text: &str, limit: usize) -> String {
    let mut lines: Vec<String> = text
        .lines()
        .take(limit)
        .map(|line| format!("    {line:.160}"))
        .collect();
    let more = text.lines().count().saturating_sub(limit);
    if more > 0 {
        lines.push(format!("    ... {more} more lines"));
    }
    lines.join("\n")
}

/// Case, command line and difference of every command of a case that differs.
fn check(case: &Case) -> Vec<(String, String, String)> {
    let differs = |expected: &Expected| {
        let text = difference(expected, &run(case, &expected.words))?;
        Some((case.name.clone(), expected.line.clone(), text))
    };
    case.expected.iter().filter_map(differs).collect()
}

/// Every difference of all cases, in their order.
fn check_all(cases: &[Case]) -> Vec<(String, String, String)> {
    let (left, found) = (Mutex::new(cases.iter()), Mutex::new(Vec::new()));
    let work = || {
        while let Some(case) = { left.lock().unwrap().next() } {
            found.lock().unwrap().extend(check(case));
        }
    };
    std::thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(work))));
    let mut found = found.into_inner().unwrap();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

/// The named differences: case and command line; a reason is a must.
fn named() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("differences")).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parts = |line: &str| -> Vec<String> { line.split(" | ").map(|part| part.trim().to_owned()).collect() };
    lines
        .map(|line| match parts(line).as_slice() {
            [case, command, reason] if !reason.is_empty() => (case.clone(), command.clone()),
            _ => panic!("differences: not CASE | COMMAND LINE | REASON: {line}"),
        })
        .collect()
}

/// Differences as a page of text.
fn page(found: &[(String, String, String)], whole: bool) -> String {
    let limit = if whole { usize::MAX } else { SHOWN };
    let mut text = String::new();
    for (case, command, difference) in found.iter().take(SHOWN_DIFFERENCES) {
        writeln!(text, "{case}: {command}\n{}", short(difference, limit)).unwrap();
    }
    if found.len() > SHOWN_DIFFERENCES {
        let mut rest: Vec<&str> = found[SHOWN_DIFFERENCES..].iter().map(|one| one.0.as_str()).collect();
        rest.dedup();
        let more = found.len() - SHOWN_DIFFERENCES;
        writeln!(text, "... and {more} more, in {}", rest.join(" ")).unwrap();
    }
    text
}

/// Every case answers as Ansible does, but for the named differences, each of which is still one.
#[test]
fn answers_are_those_of_ansible() {
    let (cases, named) = (cases(), named());
    let commands: usize = cases.iter().map(|case| case.expected.len()).sum();
    let (meant, found): (Vec<_>, Vec<_>) = check_all(&cases)
        .into_iter()
        .partition(|(case, command, _)| named.iter().any(|one| one == &(case.clone(), command.clone())));
    assert!(
        found.is_empty(),
        "{}{} of {commands} commands of {} cases differ from Ansible",
        page(&found, cases.len() == 1),
        found.len(),
        cases.len()
    );
    let is_gone = |(name, command): &&(String, String)| {
        let is_run = cases.iter().any(|case| &case.name == name);
        is_run && !meant.iter().any(|one| (&one.0, &one.1) == (name, command))
    };
    let gone: Vec<_> = named.iter().filter(is_gone).collect();
    assert!(gone.is_empty(), "named differences that are gone: {gone:?}");
}

/// The suite is whole: enough cases, each recorded after its commands were last edited.
#[test]
fn cases_are_recorded() {
    let cases = cases();
    assert!(
        cases.len() >= ENOUGH || std::env::var("CONFORMITY_CASE").is_ok(),
        "{} cases",
        cases.len()
    );
    for case in &cases {
        let recorded: Vec<&String> = case.expected.iter().map(|one| &one.line).collect();
        assert_eq!(
            recorded,
            case.commands.iter().collect::<Vec<_>>(),
            "{}: record it again",
            case.name
        );
    }
}
