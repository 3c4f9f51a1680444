//! Updates under load: clients that open one new connection after the other to ports whose mapping stays, and to one whose
//! target changes under them, lose none.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod support;

#[path = "load/client.rs"]
mod client;

use std::path::Path;

use portmap_deploy::firewall::{Family, Generation, Mark, Ruleset, View, change};
use portmap_deploy::mapping::MappingSet;
use portmap_deploy::problem::Source;
use portmap_deploy::yaml;

use client::{Load, Servers};
use support::lab::Lab;

/// Three kinds of INPUT: no rules, policy DROP, and a chain that ends in REJECT.
const SHAPES: [&str; 3] = ["empty", "default-deny", "rhel"];

/// How often the mapping of 81 changes.
const UPDATES: usize = 20;

/// 80 stays, 81 leads to another port each time.
fn mappings(update: usize) -> String {
    format!("['2222:22', '80:8080', '81:{}']", 8081 + update % 2)
}

/// A lab with a host of each shape, which serves all target ports.
fn lab(backend: &str) -> (Lab, Vec<Servers>) {
    let lab = Lab::up(SHAPES.len(), backend);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/rulesets");
    let mut servers = Vec::new();
    for (host, shape) in lab.hosts().into_iter().zip(SHAPES) {
        for family in [4, 6] {
            let rules = std::fs::read_to_string(folder.join(format!("{shape}.v{family}"))).unwrap();
            lab.load_rules(host, family, &rules);
        }
        servers.push(lab.inside(host, || Servers::on(&[8080, 8081, 8082])));
    }
    (lab, servers)
}

fn updates_lose_no_connection(backend: &str) {
    let (lab, _servers) = lab(backend);
    let deploy = |update| {
        let variables = format!("portmap: {}", mappings(update));
        let hosts: Vec<_> = lab.hosts().into_iter().map(|host| (host, variables.as_str())).collect();
        let run = lab.deploy_to(&hosts, &[]);
        for host in lab.hosts() {
            run.expect(host, "confirmed");
        }
    };
    deploy(0);
    let load = Load::on(&lab, &[80, 81]);
    for update in 1..=UPDATES {
        deploy(update);
    }
    let seen = load.end();
    assert!(seen.made > 100 * UPDATES, "{seen:?}");
    assert_eq!(seen.lost(), 0, "{seen:?}");
}

/// The same steps as the host's script takes, with or without the loosened ones in between.
fn update_by_hand(lab: &Lab, host: &str, update: usize, with_loosened: bool) {
    let text = mappings(update);
    let set = MappingSet::parse(&yaml::read(&Source::new("test", &text)).unwrap().root).unwrap();
    for (family, tool) in [(Family::V4, "iptables"), (Family::V6, "ip6tables")] {
        let view = View {
            family,
            ruleset: Ruleset::parse(&lab.run(host, &format!("{tool}-save"))).unwrap(),
            nat: true,
        };
        let generation = Generation(u32::try_from(update).unwrap() + 1);
        let change = change(&view, &set, generation, &Mark::default());
        let loosen = with_loosened.then_some(&change.loosen);
        let steps = [
            Some(&change.stage),
            change.place.as_ref(),
            loosen,
            change.tighten.as_ref(),
        ];
        let clean = change.clean.iter().filter_map(|input| input.tries.first());
        for input in steps.into_iter().flatten().chain(clean) {
            std::fs::write(lab.root_of(host).join("run/input"), input).unwrap();
            lab.run(host, &format!("{tool}-restore --noflush -w 5 </run/input"));
        }
    }
}

/// What shows that the test above would see a loss.
fn without_the_loosened_steps_connections_are_lost(backend: &str) {
    let (lab, _servers) = lab(backend);
    let update = |update, with_loosened| {
        for host in lab.hosts() {
            update_by_hand(&lab, host, update, with_loosened);
        }
    };
    update(0, true);
    let load = Load::on(&lab, &[80, 81]);
    for number in 1..=UPDATES {
        update(number, false);
    }
    let seen = load.end();
    assert!(seen.lost() > 0, "{seen:?}");
}

on_both_backends!(
    updates_lose_no_connection,
    without_the_loosened_steps_connections_are_lost,
);
