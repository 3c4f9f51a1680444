use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::world::Answer;

/// What the real ansible-core answers; see the script beside it.
const RECORDED: &str = include_str!("../../../tests/cases/patterns/recorded.json");

#[derive(Deserialize)]
struct Recorded {
    files: HashMap<String, String>,
    inventories: Vec<Fleet>,
}

#[derive(Deserialize, Default)]
struct Fleet {
    name: String,
    hosts: Vec<String>,
    groups: Vec<(String, Vec<String>)>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    hosts: Texts,
    limit: Option<String>,
    found: Option<Vec<String>>,
    error: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize, Debug)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

impl Texts {
    fn all(&self) -> Vec<&str> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts.iter().map(String::as_str).collect(),
        }
    }
}

/// Groups and hosts in memory.
struct Index {
    hosts: IndexSet<String>,
    groups: IndexMap<String, Vec<HostId>>,
}

impl Index {
    fn of(fleet: &Fleet) -> Self {
        let hosts: IndexSet<String> = fleet.hosts.iter().cloned().collect();
        let ids = |names: &Vec<String>| {
            names
                .iter()
                .map(|name| HostId(hosts.get_index_of(name).unwrap()))
                .collect()
        };
        let groups = fleet
            .groups
            .iter()
            .map(|(name, members)| (name.clone(), ids(members)))
            .collect();
        Self { hosts, groups }
    }
}

impl Members for Index {
    fn groups(&self) -> impl Iterator<Item = (&str, GroupId)> {
        self.groups.keys().map(String::as_str).zip((0..).map(GroupId))
    }

    fn group(&self, name: &str) -> Option<GroupId> {
        self.groups.get_index_of(name).map(GroupId)
    }

    fn hosts_of(&self, group: GroupId) -> &[HostId] {
        &self.groups[group.0]
    }

    fn hosts(&self) -> impl ExactSizeIterator<Item = &str> {
        self.hosts.iter().map(String::as_str)
    }

    fn host(&self, name: &str) -> Option<HostId> {
        self.hosts.get_index_of(name).map(HostId)
    }
}

/// A world of some files and one folder.
struct Files(HashMap<String, String>);

impl World for Files {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let text = self.0.get(path.to_str().unwrap_or_default());
        text.map(|text| text.clone().into_bytes())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, _: &Path) -> io::Result<Vec<String>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        let file = Kind::File { executable: false };
        let known = self.0.contains_key(path.to_str().unwrap_or_default()).then_some(file);
        known.or((path == Path::new(".")).then_some(Kind::Folder))
    }

    fn is_world_writable(&self, _: &Path) -> bool {
        false
    }

    fn run(&self, _: &Path, _: &[&str]) -> io::Result<Answer> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn find_program(&self, _: &str) -> Option<PathBuf> {
        None
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn current_folder(&self) -> PathBuf {
        "/".into()
    }
}

fn ask(index: &Index, hosts: &[&str], limit: Option<&str>, world: &dyn World) -> Result<Selection, Problem> {
    let limit = limit.map(|limit| Patterns::limit([limit], world)).transpose()?;
    if hosts.is_empty() {
        return Ok(Selection::default());
    }
    select(index, &Patterns::parse(hosts.iter().copied()), limit.as_ref())
}

fn names(index: &Index, selection: &Selection) -> Vec<String> {
    let name = |selected: &Selected| match selected {
        Selected::Host(HostId(host)) => index.hosts[*host].clone(),
        Selected::Localhost(name) => format!("{name} (implicit)"),
    };
    selection.hosts.iter().map(name).collect()
}

/// Ansible's words for what is said about a selection.
fn warnings(selection: &Selection) -> Vec<String> {
    let name = |problem: &Problem| {
        problem
            .message
            .trim_start_matches("no host or group matches `")
            .trim_end_matches('`')
            .to_owned()
    };
    let unmatched = selection.unmatched.iter().map(name);
    let unmatched = unmatched.map(|name| format!("Could not match supplied host pattern, ignoring: {name}"));
    let slices = selection
        .warnings
        .iter()
        .map(|_| "Use [x:y] inclusive subscripts instead of [x-y] which has been removed");
    unmatched.chain(slices.map(str::to_owned)).collect()
}

fn fault(index: &Index, case: &Case, world: &dyn World) -> Option<String> {
    let what = format!("{:?} limited to {:?}", case.hosts, case.limit);
    match (ask(index, &case.hosts.all(), case.limit.as_deref(), world), &case.found) {
        (Err(_), None) => None,
        (Err(problem), Some(found)) => Some(format!("{what}: {problem} and not {found:?}")),
        (Ok(selection), None) => Some(format!(
            "{what}: {:?} and not {:?}",
            names(index, &selection),
            case.error
        )),
        (Ok(selection), Some(found)) => {
            let (mut ours, mut theirs) = (warnings(&selection), case.warnings.clone());
            ours.sort();
            ours.dedup();
            theirs.sort();
            let same = names(index, &selection) == *found && ours == theirs;
            (!same).then(|| {
                format!(
                    "{what}: {:?} {ours:?} and not {found:?} {theirs:?}",
                    names(index, &selection)
                )
            })
        }
    }
}

fn recorded() -> Recorded {
    serde_json::from_str(RECORDED).unwrap()
}

#[test]
fn patterns_mean_what_ansible_takes_them_for() {
    let recorded = recorded();
    let world = Files(recorded.files);
    let mut faults = Vec::new();
    for fleet in &recorded.inventories {
        let name = &fleet.name;
        let index = Index::of(fleet);
        assert!(fleet.cases.len() > 400, "{name}");
        let found = fleet.cases.iter().filter_map(|case| fault(&index, case, &world));
        faults.extend(found.map(|fault| format!("{name}: {fault}")));
    }
    assert!(faults.is_empty(), "{} differ:\n{}", faults.len(), faults.join("\n"));
}

fn index(hosts: usize) -> Index {
    let names = || (0..hosts).map(|n| format!("host{n:05}.example.com"));
    let ids = || (0..hosts).map(HostId).collect::<Vec<_>>();
    let tens = (0..200).map(|g| {
        (
            format!("group{g}"),
            (0..hosts).filter(|n| n % 200 == g).map(HostId).collect(),
        )
    });
    let all = [(ALL.to_owned(), ids()), ("ungrouped".to_owned(), vec![])];
    Index {
        hosts: names().collect(),
        groups: all.into_iter().chain(tens).collect(),
    }
}

fn nothing() -> Files {
    Files(HashMap::new())
}

/// The bounds are those of a debug build on a busy machine; anything quadratic is far beyond them.
#[test]
fn limits_of_large_inventories_take_no_time() {
    let index = index(10_000);
    let many = |sign: &str| {
        (0..10_000)
            .map(|n| format!("{sign}host{n:05}.example.com"))
            .collect::<Vec<_>>()
            .join(",")
    };
    let unknown = (0..10_000).map(|n| format!("nope{n}")).collect::<Vec<_>>().join(",");
    let limits = [
        ("host*7.example.com".to_owned(), 1000),
        ("~host\\d+[37]\\.example".to_owned(), 2000),
        ("~(?=.*7)host(?!0)".to_owned(), 0),
        ("group1*:!group1[0:5]".to_owned(), 5544),
        (many(""), 10_000),
        (many("!"), 0),
        (format!("host*,{}", many("&")), 0),
        (unknown, 0),
        ("[".repeat(100_000), 10_000),
        ("*".repeat(100_000), 10_000),
    ];
    for (limit, expected) in limits {
        let start = Instant::now();
        let found = ask(&index, &["all"], Some(&limit), &nothing()).unwrap();
        let shown: String = limit.chars().take(40).collect();
        assert_eq!(found.hosts.len(), expected, "{shown}");
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{shown}: {:?}",
            start.elapsed()
        );
    }
}

#[test]
fn groups_that_all_hold_all_hosts_need_no_memory_for_each() {
    let mut index = index(1000);
    let everybody: Vec<HostId> = (0..1000).map(HostId).collect();
    index
        .groups
        .extend((0..5000).map(|n| (format!("level{n}"), everybody.clone())));
    let found = ask(
        &index,
        &["level*", "level*[4999999]", "level*[-1]", "level*[1:]"],
        None,
        &nothing(),
    )
    .unwrap();
    assert_eq!(found.hosts.len(), 1000);
    let problem = ask(&index, &["level*[5000000]"], None, &nothing()).unwrap_err();
    assert_eq!(
        problem.hint.as_deref(),
        Some("it has 5000000 hosts, of which the first is [0]")
    );
}

#[test]
fn expressions_that_blow_up_are_given_up() {
    let mut index = index(100);
    index.hosts.insert("a".repeat(250) + "zb");
    let start = Instant::now();
    let problem = ask(&index, &["~(?:(?=a)a|a|aa)*(?<=b)z,x"], None, &nothing()).unwrap_err();
    assert!(
        problem.message.ends_with("it takes too long to compare with names"),
        "{problem}"
    );
    assert!(start.elapsed() < Duration::from_secs(2));
    for expression in ["~(a{900}){900}", "~((a{90}){90}){90}"] {
        let start = Instant::now();
        let _ = ask(&index, &[expression], None, &nothing());
        assert!(start.elapsed() < Duration::from_secs(5), "{expression}");
    }
    let deep = format!("~{}{}", "(".repeat(50_000), ")".repeat(50_000));
    assert!(ask(&index, &[&deep], None, &nothing()).is_err());
}

#[test]
fn problems_name_the_term_and_what_to_do() {
    let recorded = recorded();
    let index = Index::of(&recorded.inventories[0]);
    let found = ask(&index, &["webb,wbe1,zzzzzz"], None, &nothing()).unwrap();
    let said: Vec<_> = found
        .unmatched
        .iter()
        .map(|p| (p.message.as_str(), p.hint.as_deref()))
        .collect();
    assert_eq!(
        said,
        [
            ("no host or group matches `webb`", Some("did you mean `web`?")),
            ("no host or group matches `wbe1`", Some("did you mean `web1`?")),
            ("no host or group matches `zzzzzz`", None),
        ]
    );
    let refused = |hosts: &str, limit: Option<&str>| {
        let problem = ask(&index, &[hosts], limit, &nothing()).unwrap_err();
        (problem.message, problem.hint.unwrap_or_default())
    };
    let refusals = [
        (
            "web[9]",
            None,
            "`web[9]`: `web` has no such position",
            "it has 7 hosts, of which the first is [0]",
        ),
        ("all,!", None, "`!` in a pattern names nothing", ""),
        ("~(", None, "`~(` is no host pattern: a parenthesis is not closed", ""),
        ("all", Some("@none"), "there is no file none, which the limit names", ""),
        ("all", Some("@."), "., which the limit names, is a folder", ""),
    ];
    for (hosts, limit, message, hint) in refusals {
        assert_eq!(refused(hosts, limit), (message.to_owned(), hint.to_owned()));
    }
}

#[test]
fn limits_that_name_nothing_are_told_apart() {
    let world = Files(HashMap::from([("blank".to_owned(), "\n \n".to_owned())]));
    for empty in ["", " ", ",", ":", "@blank", "@blank,"] {
        assert!(Patterns::limit([empty], &world).unwrap().is_empty(), "{empty:?}");
    }
    assert!(!Patterns::limit(["a"], &world).unwrap().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn no_text_is_too_strange(text in "(?s).{0,60}") {
        let index = index(300);
        let _ = ask(&index, &[&text], Some(&text), &nothing());
    }

    #[test]
    fn no_term_is_too_strange(text in "[~!&@,: a-c0-9*?+{}()\\[\\]|^$.<=#P\\\\-]{0,40}") {
        let index = index(300);
        let start = Instant::now();
        let _ = ask(&index, &[&text, &format!("~{text}")], Some(&text), &nothing());
        prop_assert!(start.elapsed() < Duration::from_secs(10), "{}", text);
    }

    #[test]
    fn globs_are_what_a_slow_matcher_says(glob in "[ab*?]{0,8}", name in "[ab]{0,8}") {
        prop_assert_eq!(Glob::new(&glob).matches(&name), slow(glob.as_bytes(), name.as_bytes()));
    }
}

fn slow(glob: &[u8], name: &[u8]) -> bool {
    match (glob, name) {
        ([], []) => true,
        ([b'*', glob @ ..], _) => (0..=name.len()).any(|n| slow(glob, &name[n..])),
        ([b'?', glob @ ..], [_, name @ ..]) => slow(glob, name),
        ([a, glob @ ..], [b, name @ ..]) => a == b && slow(glob, name),
        _ => false,
    }
}
