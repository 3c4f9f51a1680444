//! Fleets and day two on lab hosts: batches and the way back, killed runs that are resumed, how hosts stand, earlier
//! generations, changes that wait for the operator, drills. Rules are read back from the kernel, whatever the program says.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod support;

#[path = "day_two/by_hand.rs"]
mod by_hand;
#[path = "day_two/drills.rs"]
mod drills;
#[path = "day_two/interrupts.rs"]
mod interrupts;
#[path = "day_two/machines.rs"]
mod machines;
#[path = "day_two/resume.rs"]
mod resume;
#[path = "day_two/reverts.rs"]
mod reverts;
#[path = "day_two/rollbacks.rs"]
mod rollbacks;
#[path = "day_two/status.rs"]
mod status;
#[path = "day_two/taken_back.rs"]
mod taken_back;

use std::process::Command;
use std::time::Instant;

use support::deploy::Run;
use support::lab::Lab;

/// A command of the program for these hosts: `call(&lab, "rollback", …)`.
fn call(lab: &Lab, command: &str, hosts: &[(&str, &str)], more: &[&str]) -> Run {
    run(&mut prepared(lab, command, hosts, more))
}

fn prepared(lab: &Lab, command: &str, hosts: &[(&str, &str)], more: &[&str]) -> Command {
    let folder = lab.inventory_of(hosts);
    let path = |name: &str| folder.join(name).display().to_string();
    let (login, hosts) = (path("login.yaml"), path("hosts.yaml"));
    let mut prepared = lab.controller(&[&[command, "-i", &login, "-i", &hosts], more].concat());
    prepared.args(["--output", "json"]);
    prepared
}

fn run(command: &mut Command) -> Run {
    let began = Instant::now();
    Run::read(&command.output().unwrap(), began.elapsed())
}

/// Our rules in both families, whatever the generation's number is.
fn shape(lab: &Lab, host: &str) -> String {
    let rules = lab.our_rules(host);
    let mut shape = String::new();
    let mut rest = rules.as_str();
    while let Some(at) = rest.find("-0") {
        let (before, after) = rest.split_at(at + 1);
        let digits = after.chars().take_while(char::is_ascii_digit).count();
        shape.push_str(before);
        shape.push_str(if digits == 6 { "N" } else { &after[..digits] });
        rest = &after[digits..];
    }
    shape + rest
}
