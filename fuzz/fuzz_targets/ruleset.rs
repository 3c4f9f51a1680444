//! No text makes the readers of rules panic, be it of a host or of a file, and every place that they name lies in it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portmap_deploy::firewall::{ParseError, Ruleset};

fn check(text: &str, error: &ParseError) {
    let lines = text.split_terminator('\n').count();
    assert!(error.line <= lines && (error.line >= 1 || text.is_empty()), "{error}");
    let line = text.split('\n').nth(error.line.saturating_sub(1)).unwrap_or_default();
    assert!(error.column >= 1 && error.column <= line.chars().count() + 1, "{error}");
    assert!(!error.message.chars().any(char::is_control), "{error:?}");
}

fuzz_target!(|text: &str| {
    // As it is, and as rules of a table.
    let inside = format!("*filter\n:INPUT DROP [0:0]\n:MINE - [0:0]\n{text}\nCOMMIT\n");
    for text in [text, &inside] {
        for read in [Ruleset::parse, Ruleset::parse_file] {
            if let Err(error) = read(text) {
                check(text, &error);
            }
        }
    }
});
