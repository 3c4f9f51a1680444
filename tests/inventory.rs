//! Inventories as people write them: whole files in, hosts or a page of problems out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use portmap_deploy::inventory::{self, HostSpec};
use portmap_deploy::problem::{Severity, Source, render};

fn demo() -> Vec<HostSpec> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("inventories/demo.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let loaded = inventory::load(&[Source::new("demo.yaml", text)], &[]);
    let loaded = loaded.unwrap_or_else(|problems| panic!("{}", render(&problems, Severity::Error, false)));
    assert_eq!(loaded.warnings, []);
    loaded.hosts
}

#[test]
fn the_demo_maps_2222_everywhere_and_80_on_some() {
    let shown: Vec<String> = demo()
        .iter()
        .map(|host| {
            let mappings = host.mappings.mappings().iter();
            let pairs: Vec<String> = mappings.map(|one| format!("{}:{}", one.port, one.to_port)).collect();
            format!("{} {}", host.name, pairs.join(" "))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "web1 2222:22 80:8080",
            "web2 2222:22 80:8080",
            "db1 2222:22",
            "edge1 2222:22 80:8080"
        ]
    );
}

/// The sources of a case: its YAML files in order of their names.
fn sources(case: &Path) -> Vec<Arc<Source>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(case)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    files.sort();
    let read = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        Source::new(name, std::fs::read_to_string(path).unwrap())
    };
    files.iter().map(read).collect()
}

/// A host as the snapshots show it: what differs from the defaults.
fn shown(host: &HostSpec) -> String {
    let connection = &host.connection;
    let mut lines = vec![format!("{} = {connection:?}", host.name)];
    lines.extend(host.mappings.mappings().iter().map(|mapping| format!("  {mapping:?}")));
    if !host.has_portmap {
        lines.push("  no portmap".into());
    }
    lines.extend(host.rollback_after.map(|after| format!("  rollback after {after:?}")));
    if !host.previous_ports.is_empty() {
        lines.push(format!("  previous ports {:?}", host.previous_ports));
    }
    lines.join("\n")
}

/// Everything that a user would see of a case.
fn outcome(case: &Path) -> String {
    let limit = std::fs::read_to_string(case.join("limit.txt")).ok();
    let limit: Vec<&str> = limit.iter().map(|text| text.trim_end_matches('\n')).collect();
    match inventory::load(&sources(case), &limit) {
        Ok(loaded) => {
            let mut parts = vec![render(&loaded.warnings, Severity::Warning, false)];
            parts.extend(loaded.hosts.iter().map(shown));
            parts.retain(|part| !part.is_empty());
            parts.join("\n\n")
        }
        Err(problems) => render(&problems, Severity::Error, false),
    }
}

/// Each folder of `tests/cases/inventories` is a case: YAML files, perhaps a `limit.txt`, and what comes of them in
/// `expected.snap`. A new folder needs no code.
#[test]
fn cases() {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/inventories");
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for entry in std::fs::read_dir(all).unwrap() {
        let case = entry.unwrap().path();
        settings.set_snapshot_path(&case);
        settings.bind(|| insta::assert_snapshot!("expected", outcome(&case)));
    }
}
