//! Playbooks as people write them: whole files in, plays or a page of problems out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use portmap_deploy::inventory::{self, Loaded};
use portmap_deploy::playbook::Playbook;
use portmap_deploy::problem::{Problem, Source};
use portmap_deploy::world::{InMemory, World};

#[path = "playbook/batches.rs"]
mod batches;
#[path = "playbook/cases.rs"]
mod cases;
#[path = "playbook/runs.rs"]
mod runs;
#[path = "playbook/schema.rs"]
mod schema;

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

/// The folders of all cases.
fn case_folders() -> Vec<PathBuf> {
    let all = std::fs::read_dir(root().join("tests/cases/playbooks")).unwrap();
    let mut folders: Vec<PathBuf> = all.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

/// What the program makes of an inventory and a limit.
fn load(inventory: &str, limit: Option<&str>) -> Result<Loaded, Vec<Problem>> {
    let world: Arc<dyn World> = Arc::new(InMemory::default().file("hosts.yaml", inventory));
    let request = inventory::Request {
        inventory: vec!["hosts.yaml".to_owned()],
        limit: limit.map(str::to_owned).into_iter().collect(),
        ..inventory::Request::default()
    };
    inventory::load(&request, &world)
}
