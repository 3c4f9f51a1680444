//! What audits say, held against connections that are really made, and against rule sets of real hosts.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod support;

#[path = "audit/connections.rs"]
mod connections;
#[path = "audit/hosts.rs"]
mod hosts;
#[path = "audit/program.rs"]
mod program;
#[path = "audit/seeds.rs"]
mod seeds;

use portmap_deploy::firewall::audit::{Report, Rules, Subject, audit};
use portmap_deploy::firewall::trace::Host;
use portmap_deploy::firewall::{Family, Ruleset};

/// Audits one text.
fn audited(text: &str, family: Family) -> Result<Report, String> {
    let ruleset = Ruleset::parse_file(text).map_err(|error| error.to_string())?;
    Ok(audit(&Subject {
        families: &[Rules {
            family,
            ruleset: &ruleset,
            text: Some(text),
        }],
        host: &Host::default(),
        operator: None,
        outside: None,
    }))
}

/// Says it on the terminal, whatever the test harness captures.
fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}
