//! No template makes the renderer panic, hang or grow without bound.

#![no_main]

use std::path::PathBuf;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use portmap_deploy::problem::{Severity, Source, render};
use portmap_deploy::template::{Scope, Templates, Variable};
use portmap_deploy::world::InMemory;
use portmap_deploy::yaml::{self, Node};

const VARIABLES: &str = "
text: some text
number: 42
fraction: 1.5
yes_: true
nothing:
list: [3, 1, 2, {a: 1}]
map: {a: {b: [1, 2]}, c: '{{ number }}'}
address: 192.0.2.1/24
nested: '{{ text }} {{ map.c }}'
circle: '{{ round }}'
round: '{{ circle }}'
";

/// Variables of two hosts: the known ones, and `x`, the template itself.
struct Variables {
    known: Node,
    own: Node,
}

impl Scope for Variables {
    fn variable(&self, name: &str) -> Option<Variable> {
        let node = if name == "x" {
            Some(&self.own)
        } else {
            self.known.get(name)
        };
        node.cloned().map(Variable::Node)
    }

    fn names(&self) -> Vec<String> {
        ["text", "number", "list", "map", "x"].map(str::to_owned).into()
    }

    fn host(&self, name: &str) -> Option<Arc<dyn Scope>> {
        let (known, own) = (self.known.clone(), self.own.clone());
        (name == "h").then(|| Arc::new(Self { known, own }) as Arc<dyn Scope>)
    }

    fn hosts(&self) -> Vec<String> {
        vec!["h".to_owned()]
    }

    fn folders(&self) -> Vec<PathBuf> {
        vec![PathBuf::new()]
    }
}

fuzz_target!(|text: &str| {
    let known = yaml::read(&Source::new("variables", VARIABLES)).map(|document| document.root);
    // A text of YAML that holds the template whatever is in it.
    let quoted = format!("'{}'", text.replace('\'', "''"));
    let own = yaml::read(&Source::new("template", quoted)).map(|document| document.root);
    let (Ok(known), Ok(own)) = (known, own) else { return };
    let world = InMemory::default().file("f.txt", "a file\n").variable("HOME", "/home");
    let templates = Templates::new(Arc::new(world), Box::new(|_| Err("no password".to_owned())));
    let scope: Arc<dyn Scope> = Arc::new(Variables {
        known,
        own: own.clone(),
    });
    match templates.render(&own, &scope) {
        Ok(node) => drop(format!("{node:?}")),
        Err(problems) => {
            assert!(!problems.is_empty());
            let _ = render(&problems, Severity::Error, false);
        }
    }
});
