//! Dependencies point from the edge to the core, never back; what the modules may use is said here.

#![expect(clippy::expect_used, reason = "a test stops where something is not as expected")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The outermost module may use all others.
const ANYTHING: &[&str] = &["*"];

/// A module, and the modules that it may use.
const ALLOWED: &[(&str, &[&str])] = &[
    // Core: synchronous, no clock, no I/O.
    ("problem", &[]),
    ("world", &[]),
    ("vault", &[]),
    ("yaml", &["problem"]),
    ("template", &["problem", "world", "yaml"]),
    ("mapping", &["problem", "yaml"]),
    (
        "inventory",
        &["mapping", "problem", "template", "vault", "world", "yaml"],
    ),
    (
        "playbook",
        &["inventory", "mapping", "problem", "rollout", "template", "yaml"],
    ),
    ("firewall", &["mapping"]),
    ("plan", &["firewall", "mapping", "report"]),
    ("report", &["firewall", "mapping", "problem"]),
    ("proof", &["firewall", "mapping", "report"]),
    ("rollout", &["report"]),
    ("status", &["firewall", "mapping", "plan", "report"]),
    ("preview", &["firewall", "mapping", "plan", "report"]),
    ("audit", &["firewall", "report"]),
    ("trace", &["firewall", "report"]),
    ("explain", &["firewall", "report"]),
    // Edge: the real world.
    ("machine", &["world"]),
    ("memory", &[]),
    ("checks", &["mapping", "playbook", "probe", "proof", "remote", "report"]),
    ("journal", &["memory", "report", "world"]),
    ("probe", &["mapping", "proof", "remote"]),
    ("remote", &["firewall", "inventory", "mapping", "report"]),
    (
        "transaction",
        &[
            "checks",
            "firewall",
            "inventory",
            "mapping",
            "memory",
            "plan",
            "playbook",
            "preview",
            "probe",
            "proof",
            "remote",
            "report",
            "status",
        ],
    ),
    ("driver", &["report", "rollout"]),
    ("screen", &["report"]),
    ("lab", &["inventory", "mapping", "problem", "yaml"]),
    ("cli", ANYTHING),
];

const CORE: &[&str] = &[
    "problem",
    "world",
    "vault",
    "yaml",
    "template",
    "mapping",
    "inventory",
    "playbook",
    "firewall",
    "plan",
    "report",
    "proof",
    "rollout",
    "status",
    "audit",
    "trace",
    "explain",
];

/// What the core must not say: the world outside, and the time in it.
const WORLD: &[&str] = &[
    "tokio",
    "openssh",
    "console::Term",
    "std::process",
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::env",
    "std::thread",
    "Instant",
    "SystemTime",
    "Timestamp::now",
    "Zoned",
    "fastrand",
    "getrandom",
    "rustix",
];

/// The one word of the world that a core module may say: the exit code is converted there.
const EXCEPT: &[(&str, &str)] = &[("report", "std::process::ExitCode")];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .expect("a readable folder")
        .map(|entry| entry.expect("an entry").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let files = files
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "rs"));
    files.chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

/// The module that a file below `src` belongs to; none for `lib.rs` and `main.rs`, which name them all.
fn module(file: &Path) -> Option<String> {
    let first = file.components().next()?.as_os_str().to_str()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (!["lib", "main"].contains(&name)).then(|| name.to_owned())
}

/// The text without comments and without its own unit tests, which may use what they like of the world.
fn code(text: &str) -> String {
    let own = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    own.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The modules that a text names: `crate::name`, and each name in `crate::{a, b::{c}}`.
fn used(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        // `$crate::` and `some_crate::` are others.
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => used.extend(outermost(list)),
            None => used.extend(word(rest)),
        }
    }
    used
}

/// The first words of a list `a, b::{c, d}, e}`, up to its closing brace.
fn outermost(list: &str) -> Vec<String> {
    let (mut depth, mut item, mut items) = (0, String::new(), vec![]);
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => items.push(std::mem::take(&mut item)),
            _ => item.push(c),
        }
    }
    items.push(item);
    items.iter().filter_map(|item| word(item.trim())).collect()
}

fn word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

/// What is wrong with a file of a module.
fn faults(module: &str, text: &str) -> Vec<String> {
    let code = code(text);
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == module) else {
        return vec![format!("the module {module} is not in the table")];
    };
    let may = |used: &str| used == module || *allowed == ANYTHING || allowed.contains(&used);
    let arrows = used(&code).into_iter().filter(|used| !may(used));
    let mut faults: Vec<String> = arrows.map(|used| format!("{module} must not use {used}")).collect();
    if CORE.contains(&module) {
        let code = EXCEPT
            .iter()
            .filter(|(name, _)| *name == module)
            .fold(code, |code, (_, word)| code.replace(word, ""));
        let words = WORLD.iter().filter(|word| says(&code, word));
        faults.extend(words.map(|word| format!("{module} is of the core and must not use {word}")));
    }
    faults
}

/// Whether the word is there as a word of its own.
fn says(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let open = word.ends_with("Tcp") || word.ends_with("Udp");
        !code[..at].ends_with(part) && (open || !code[at + word.len()..].starts_with(part))
    })
}

#[test]
fn arrows_point_from_the_edge_to_the_core() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut faults_by_file = BTreeMap::new();
    let mut modules = BTreeSet::new();
    for path in sources(&src) {
        let file = path.strip_prefix(&src).expect("below src");
        let Some(module) = module(file) else { continue };
        // Unit tests in a file of their own.
        if file.ends_with("tests.rs") || file.components().any(|part| part.as_os_str() == "tests") {
            continue;
        }
        let faults = faults(&module, &fs::read_to_string(&path).expect("readable source"));
        if !faults.is_empty() {
            faults_by_file.insert(file.to_owned(), faults);
        }
        modules.insert(module);
    }
    assert!(faults_by_file.is_empty(), "{faults_by_file:#?}");
    let named: BTreeSet<String> = ALLOWED.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(modules, named, "the table and the folder name different modules");
}

#[test]
fn the_table_keeps_the_core_from_the_edge() {
    for (module, allowed) in ALLOWED.iter().filter(|(module, _)| CORE.contains(module)) {
        assert!(
            allowed.iter().all(|used| CORE.contains(used)),
            "{module} of the core uses the edge"
        );
    }
    for (module, allowed) in ALLOWED {
        assert!(!allowed.contains(&"cli"), "{module} uses cli");
    }
}

#[test]
fn wrong_arrows_are_found() {
    let found = |module, text: &str| faults(module, text);
    assert_eq!(
        found("firewall", "use crate::inventory::HostSpec;"),
        ["firewall must not use inventory"]
    );
    assert_eq!(found("lab", "    crate::cli::run();"), ["lab must not use cli"]);
    assert_eq!(
        found(
            "rollout",
            "use crate::{\n    report::{EndState, Step},\n    driver,\n};"
        ),
        ["rollout must not use driver"]
    );
    assert_eq!(found("plan", "fn now() { tokio::time::Instant::now() }").len(), 2);
    assert_eq!(found("report", "use std::process::{Command, ExitCode};").len(), 1);
    assert_eq!(found("yaml", "let socket = std::net::TcpStream::connect(a);").len(), 1);
    assert_eq!(found("helper", "").len(), 1);
}

#[test]
fn right_arrows_are_not() {
    let found = |module, text: &str| faults(module, text);
    assert!(
        found(
            "rollout",
            "use crate::report::EndState;\n// not tokio\nuse crate::rollout::Event;"
        )
        .is_empty()
    );
    assert!(found("report", "impl From<ExitCode> for std::process::ExitCode {}").is_empty());
    assert!(
        found(
            "firewall",
            "use ipnet::IpNet; use std::net::IpAddr; let mine = other_crate::cli;"
        )
        .is_empty()
    );
    assert!(found("mapping", "fn x() {}\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}").is_empty());
}
