//! Playbooks as people write them: whole files in, plays or a page of problems out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use portmap_deploy::inventory::Inventory;
use portmap_deploy::playbook::{Check, Hosts, Play, Playbook, Settled};
use portmap_deploy::problem::{Problem, Severity, Source, render};
use portmap_deploy::rollout::{Order, RolloutPlan};
use portmap_deploy::yaml::{self, Node, Value};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads a playbook of a folder; what it imports lies there too.
fn parse(folder: &Path, file: &str) -> Result<Playbook, Vec<Problem>> {
    let mut read = |path: &Path| match std::fs::read_to_string(folder.join(path)) {
        Ok(text) => Ok(Source::new(path.display().to_string(), text)),
        Err(_) => Err(format!("cannot read {}", path.display())),
    };
    let source = read(Path::new(file)).unwrap();
    Playbook::parse(&source, Path::new(file), &mut read)
}

/// A stand-in for templates: `{{ name }}` alone is the variable of that name.
fn rendered(node: &Node, variables: &Node) -> Result<Node, Problem> {
    let value = match &node.value {
        Value::List(items) => {
            let items: Result<Vec<Node>, Problem> = items.iter().map(|item| rendered(item, variables)).collect();
            Value::List(items?.into())
        }
        Value::String(text) if text.contains("{{") => {
            let name = text.trim_matches(|c: char| "{} ".contains(c));
            let found = variables.get(name);
            let undefined = || Problem::at(&node.at, format!("`{name}` is undefined"));
            found.ok_or_else(undefined)?.value.clone()
        }
        value => value.clone(),
    };
    let at = node.at.clone();
    Ok(Node { value, at, ..*node })
}

/// A play as the snapshots show it: what is there.
fn shown(play: &Play, variables: &Node) -> String {
    let mut lines = vec![format!("play at {}, in `{}`", play.at, play.folder.display())];
    lines.extend(play.name.iter().map(|name| format!("  name {}", name.raw())));
    lines.push(match play.settle(&mut |node| rendered(node, variables)) {
        Ok(settled) => format!("  {settled:?}"),
        Err(problems) => render(&problems, Severity::Error, false),
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
    lines.extend(play.verify.iter().map(checks));
    lines.join("\n")
}

fn checks(node: &Node) -> String {
    match Check::list(node) {
        Ok(checks) => checks
            .iter()
            .map(|check| format!("  {check:?}"))
            .collect::<Vec<_>>()
            .join("\n"),
        Err(_) => format!("  unrendered checks {}", node.raw()),
    }
}

/// Everything that a user would see of a case.
fn outcome(case: &Path) -> String {
    let variables = std::fs::read_to_string(case.join("variables.yaml")).unwrap_or_default();
    let variables = yaml::read(&Source::new("variables.yaml", variables)).unwrap().root;
    match parse(case, "playbook.yaml") {
        Ok(playbook) => {
            let mut parts = vec![render(&playbook.warnings, Severity::Warning, false)];
            parts.extend(playbook.plays.iter().map(|play| shown(play, &variables)));
            parts.retain(|part| !part.is_empty());
            parts.join("\n\n")
        }
        Err(problems) => render(&problems, Severity::Error, false),
    }
}

fn case_folders() -> Vec<PathBuf> {
    let all = std::fs::read_dir(root().join("tests/cases/playbooks")).unwrap();
    let mut folders: Vec<PathBuf> = all.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
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
    let inventory = Inventory::parse(&[Source::new("demo.yaml", demo)]).unwrap();
    let mut titles = Vec::new();
    for file in ["site.yaml", "ssh-port.yaml"] {
        let playbook = parse(&root().join("playbooks"), file);
        let playbook = playbook.unwrap_or_else(|problems| panic!("{}", render(&problems, Severity::Error, false)));
        assert_eq!(playbook.warnings, []);
        for play in playbook.plays {
            let Hosts(patterns) = play.hosts.known().unwrap();
            for name in patterns.iter().flat_map(|pattern| pattern.split([':', '!'])) {
                let group = name.split('[').next().unwrap();
                assert!(
                    group.is_empty() || inventory.select(&[group]).is_ok(),
                    "{name} in {file}"
                );
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

/// The lines of a table that `tests/cases/batches/record.py` has written, in columns.
fn recorded(table: &str) -> Vec<Vec<&str>> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split('\t').collect()).collect()
}

/// What a play with one more keyword comes to.
fn settled(keyword: &str) -> Settled {
    let source = Source::new("playbook.yaml", format!("- hosts: all\n  {keyword}\n"));
    let nothing = &mut |_: &Path| Err("there is no file".to_owned());
    let playbook = Playbook::parse(&source, Path::new("playbook.yaml"), nothing).unwrap();
    playbook.plays[0].settle(&mut |node| Ok(node.clone())).unwrap()
}

#[test]
fn hosts_are_split_as_ansible_splits_them() {
    let table = recorded(include_str!("cases/batches/serial.tsv"));
    assert!(table.len() >= 100, "{} rows", table.len());
    for row in table {
        let [serial, hosts, sizes] = row[..] else {
            panic!("{row:?}")
        };
        let plan = RolloutPlan::new(
            hosts.parse().unwrap(),
            &settled(&format!("serial: {serial}")).serial,
            NonZeroUsize::MIN,
        );
        let split: Vec<String> = plan.batches().iter().map(|batch| batch.len().to_string()).collect();
        assert_eq!(split.join(" "), sizes, "{hosts} hosts, serial: {serial}");
    }
}

#[test]
fn hosts_are_ordered_as_ansible_orders_them() {
    let table = recorded(include_str!("cases/batches/order.tsv"));
    let names = |row: &[&str]| -> Vec<String> { serde_json::from_str(row[1]).unwrap() };
    let (inventory, orders) = table.split_first().unwrap();
    assert_eq!(orders.len(), Order::ALL.len() - 1, "all but shuffle");
    for row in orders {
        let mut hosts = names(inventory);
        let order = settled(&format!("order: {}", row[0])).order;
        order.arrange(&mut hosts, |name| name, |_| panic!("nothing to draw"));
        assert_eq!(hosts, names(row), "{}", row[0]);
    }
}
