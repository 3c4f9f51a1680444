use std::path::{Path, PathBuf};
use std::sync::Arc;

use portmap_deploy::playbook::{Check, Hosts, Play, Playbook, Render};
use portmap_deploy::problem::{self, Problem, Severity, Source};
use portmap_deploy::template::{Scope, Templates, Variable};
use portmap_deploy::world::InMemory;
use portmap_deploy::yaml::{self, Node};
use proptest::prelude::*;

use super::{case_folders, load, parse, root};

/// Variables of a case, all in one map.
struct Variables(Node);

impl Scope for Variables {
    fn variable(&self, name: &str) -> Option<Variable> {
        self.0.get(name).cloned().map(Variable::Node)
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    fn host(&self, _: &str) -> Option<Arc<dyn Scope>> {
        None
    }

    fn hosts(&self) -> Vec<String> {
        Vec::new()
    }

    fn folders(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// Renders templates with these variables.
fn renderer(variables: Node) -> impl FnMut(&Node) -> Result<Node, Vec<Problem>> {
    let templates = Templates::new(
        Arc::new(InMemory::default()),
        Box::new(|_| Err("no password".to_owned())),
    );
    let scope: Arc<dyn Scope> = Arc::new(Variables(variables));
    move |node| templates.render(node, &scope)
}

/// A play as the snapshots show it: what is there.
fn shown(play: &Play, render: &mut Render<'_>) -> String {
    let mut lines = vec![format!("play at {}, in `{}`", play.at, play.folder.display())];
    lines.extend(play.name.iter().map(|name| format!("  name {}", name.raw())));
    lines.push(match play.settle(render) {
        Ok(settled) => format!("  {settled:?}"),
        Err(problems) => problem::render(&problems, Severity::Error, false),
    });
    let named = |(name, node): (&str, &Node)| format!("  {name} = {}", node.raw());
    lines.extend(play.vars.iter().map(|(name, node)| named((name, node))));
    let files = play
        .vars_files
        .iter()
        .map(|files| files.iter().map(Node::raw).collect::<Vec<_>>());
    lines.extend(files.map(|files| format!("  file {}", files.join(" or "))));
    lines.extend(play.keywords().map(named));
    lines.extend(play.portmap.iter().map(|node| named(("portmap", node))));
    lines.extend(play.rollback_after.iter().map(|node| named(("rollback after", node))));
    lines.extend(play.verify.iter().map(|node| checks(node, render)));
    lines.join("\n")
}

fn checks(node: &Node, render: &mut Render<'_>) -> String {
    match render(node).and_then(|node| Check::list(&node)) {
        Ok(checks) => checks
            .iter()
            .map(|check| format!("  {check:?}"))
            .collect::<Vec<_>>()
            .join("\n"),
        Err(problems) => problem::render(&problems, Severity::Error, false),
    }
}

/// Everything that a user would see of a case.
fn outcome(case: &Path) -> String {
    let variables = std::fs::read_to_string(case.join("variables.yaml")).unwrap_or_default();
    let variables = yaml::read(&Source::new("variables.yaml", variables)).unwrap().root;
    match parse(case, "playbook.yaml") {
        Ok(playbook) => {
            let mut parts = vec![problem::render(&playbook.warnings, Severity::Warning, false)];
            parts.extend(
                playbook
                    .plays
                    .iter()
                    .map(|play| shown(play, &mut renderer(variables.clone()))),
            );
            parts.retain(|part| !part.is_empty());
            parts.join("\n\n")
        }
        Err(problems) => problem::render(&problems, Severity::Error, false),
    }
}

/// Each folder of `tests/cases/playbooks` is a case: `playbook.yaml`, what it imports, perhaps `variables.yaml` for its
/// templates, and what comes of them in `expected.snap`. A new folder needs no code.
#[test]
fn cases() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for case in case_folders() {
        settings.set_snapshot_path(&case);
        settings.bind(|| insta::assert_snapshot!("expected", outcome(&case)));
    }
}

#[test]
fn the_shipped_playbooks_are_sound_and_for_hosts_that_the_demo_has() {
    let demo = std::fs::read_to_string(root().join("inventories/demo.yaml")).unwrap();
    let mut titles = Vec::new();
    for file in ["site.yaml", "ssh-port.yaml"] {
        let playbook = parse(&root().join("playbooks"), file);
        let playbook =
            playbook.unwrap_or_else(|problems| panic!("{}", problem::render(&problems, Severity::Error, false)));
        assert_eq!(playbook.warnings, []);
        for play in playbook.plays {
            let Hosts(patterns) = play.hosts.known().unwrap();
            for name in patterns.iter().flat_map(|pattern| pattern.split([':', '!'])) {
                let group = name.split('[').next().unwrap();
                assert!(group.is_empty() || load(&demo, Some(group)).is_ok(), "{name} in {file}");
            }
            titles.push(play.name.unwrap().raw().to_owned());
        }
    }
    let expected = [
        "Canary",
        "The other web servers",
        "Everything else",
        "ssh on {{ ssh_port }}",
    ];
    assert_eq!(titles, expected);
}

/// Pieces of playbooks, sense and nonsense, of which random ones make a file.
const PIECES: [&str; 40] = [
    "- ",
    "- ",
    "\n",
    "\n  ",
    "\n    ",
    "hosts: ",
    "all",
    "serial: ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "25%",
    "0",
    "-1",
    "1:30",
    "portmap: ",
    "\"2222:22\"",
    "verify: ",
    "tcp: ",
    "http: ",
    "url: ",
    "import_playbook: ",
    "playbook.yaml",
    "vars: ",
    "a: ",
    "\"{{ a }}\"",
    "&x ",
    "*x",
    "<<: ",
    "!vault ",
    "~",
    "pause: ",
    "confirm",
    "tags: ",
    "become: ",
    "yes",
    "é\u{1b}",
    "'",
];

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(choices in proptest::collection::vec(0..PIECES.len(), 0..60)) {
        let text: String = choices.into_iter().map(|choice| PIECES[choice]).collect();
        let source = Source::new("playbook.yaml", text);
        let read = &mut |_: &Path| Ok(Source::new("other.yaml", "- hosts: all\n- import_playbook: third.yaml\n"));
        match Playbook::parse(&source, Path::new("playbook.yaml"), read) {
            Ok(playbook) => {
                for play in playbook.plays {
                    let _ = play.settle(&mut |node| Ok(node.clone()));
                    let _ = play.verify.map(|node| Check::list(&node));
                }
            }
            Err(problems) => prop_assert!(!problems.is_empty()),
        }
    }
}
