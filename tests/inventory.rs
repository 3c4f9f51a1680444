//! Inventories as people write them: whole files in, hosts or a page of problems out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use portmap_deploy::inventory::{self, HostSpec, Loaded};
use portmap_deploy::problem::{Problem, Severity, render};
use portmap_deploy::world::{InMemory, World};

/// What comes of files of this folder.
fn load(folder: &Path, files: &[String], limit: Option<String>) -> Result<Loaded, Vec<Problem>> {
    let mut world = InMemory::default();
    for file in files {
        world = world.file(file, std::fs::read(folder.join(file)).unwrap());
    }
    let request = inventory::Request {
        inventory: files.to_vec(),
        limit: limit.into_iter().collect(),
        ..inventory::Request::default()
    };
    let world: Arc<dyn World> = Arc::new(world);
    inventory::load(&request, &world)
}

fn demo() -> Vec<HostSpec> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("inventories");
    let loaded = load(&folder, &["demo.yaml".to_owned()], None);
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
fn sources(case: &Path) -> Vec<String> {
    let names = std::fs::read_dir(case)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let is_yaml = |name: &String| Path::new(name).extension().is_some_and(|end| end == "yaml");
    let mut files: Vec<String> = names.filter(is_yaml).collect();
    files.sort();
    files
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
    let limit = limit.map(|text| text.trim_end_matches('\n').to_owned());
    match load(case, &sources(case), limit) {
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
