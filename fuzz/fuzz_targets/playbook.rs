//! No text makes the reader of playbooks panic, nor a file that it imports.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use portmap_deploy::playbook::Playbook;
use portmap_deploy::problem::{Severity, Source, render};

fuzz_target!(|texts: (&str, &str)| {
    let (text, imported) = texts;
    let mut read = |path: &Path| match path.extension() {
        Some(_) => Ok(Source::new(path.display().to_string(), imported)),
        None => Err("there is no such file".to_owned()),
    };
    let source = Source::new("playbook.yml", text);
    match Playbook::parse(&source, Path::new("playbook.yml"), &mut read) {
        Ok(playbook) => {
            let _ = render(&playbook.warnings, Severity::Warning, false);
            for play in playbook.plays {
                // As if every template gave itself.
                let _ = play.settle(&mut |node| Ok(node.clone()));
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            let _ = render(&problems, Severity::Error, false);
        }
    }
});
