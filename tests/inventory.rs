//! Inventories as people write them: whole files in, hosts or a page of problems out.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use portmap_deploy::inventory::{self, HostSpec};
use portmap_deploy::problem::{Severity, Source, render};

fn demo() -> Vec<HostSpec> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("inventories/demo.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let loaded = inventory::load(&[Source::new("demo.yaml", text)], &[]);
    let loaded =
        loaded.unwrap_or_else(|problems| panic!("{}", render(&problems, Severity::Error, false)));
    assert_eq!(loaded.warnings, []);
    loaded.hosts
}

#[test]
fn the_demo_maps_2222_everywhere_and_80_on_some() {
    let shown: Vec<String> = demo()
        .iter()
        .map(|host| {
            let mappings = host.mappings.mappings().iter();
            let pairs: Vec<String> = mappings
                .map(|one| format!("{}:{}", one.port, one.to_port))
                .collect();
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
