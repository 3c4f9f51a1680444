//! No text makes the readers of inventories panic, wherever it stands: in sources of all kinds, in vars files, in a
//! limit, in extra variables.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use portmap_deploy::inventory::{self, Question, Request};
use portmap_deploy::problem::{Problem, Severity, render};
use portmap_deploy::world::{InMemory, World};

/// A source that is always there: vars files need hosts to be read for.
const BASE: (&str, &str) = ("base.yml", "web: {hosts: {h: , 'i[1:3]': }, children: {db: }}");
/// Where a text can stand.
const SOURCES: [&str; 5] = ["hosts", "hosts.yml", "hosts.ini", "hosts.json", "folder/hosts"];
const VARS: [&str; 4] = [
    "group_vars/all.yml",
    "group_vars/web",
    "group_vars/db/x.json",
    "host_vars/h.yml",
];
const OTHERS: usize = 5;

fuzz_target!(|data: &[u8]| {
    let mut world = InMemory::default().file(BASE.0, BASE.1);
    let mut request = Request {
        inventory: vec![BASE.0.to_owned()],
        ..Request::default()
    };
    // Several texts, each behind a byte that says where it stands.
    for part in data.split(|byte| *byte == 0xff).take(8) {
        let Some((place, text)) = part.split_first() else {
            continue;
        };
        place_text(usize::from(*place), text, &mut world, &mut request);
    }
    let world: Arc<dyn World> = Arc::new(world);
    for question in questions() {
        match inventory::ask(&request, &question, &world) {
            Ok(answer) => show(&answer.warnings),
            Err(problems) => refused(&problems),
        }
    }
    match inventory::load(&request, &world) {
        Ok(loaded) => show(&loaded.warnings),
        Err(problems) => refused(&problems),
    }
});

fn place_text(place: usize, text: &[u8], world: &mut InMemory, request: &mut Request) {
    let (sources, vars) = (SOURCES.len(), VARS.len());
    let place = place % (sources + vars + OTHERS);
    let file = |world: &mut InMemory, name: &str| *world = std::mem::take(world).file(name, text);
    let words = || String::from_utf8_lossy(text).into_owned();
    if let Some(name) = SOURCES.get(place) {
        file(world, name);
        request
            .inventory
            .push(name.split('/').next().unwrap_or_default().to_owned());
    } else if let Some(name) = VARS.get(place - sources) {
        file(world, name);
    } else {
        match place - sources - vars {
            0 => request.limit.push(words()),
            1 => request.extra_vars.push(words()),
            2 => request.inventory.push(words() + ","),
            3 => {
                file(world, "limit");
                request.limit.push("@limit".to_owned());
            }
            _ => {
                file(world, "extra");
                request.extra_vars.push("@extra".to_owned());
            }
        }
    }
}

fn questions() -> [Question; 6] {
    let graph = |vars| Question::Graph {
        group: "all".to_owned(),
        vars,
    };
    [
        Question::List,
        Question::ListYaml,
        Question::Host("h".to_owned()),
        graph(false),
        graph(true),
        Question::ListHosts,
    ]
}

fn refused(problems: &[Problem]) {
    assert!(!problems.is_empty());
    show(problems);
}

/// Shown as to a user: places lie in their texts.
fn show(problems: &[Problem]) {
    let _ = render(problems, Severity::Error, false);
}
