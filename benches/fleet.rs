//! How long a deploy takes next to the least it could: two bare `ssh host true` per host (one for an unchanged host),
//! at the same parallelism and with the same key exchanges, on the same lab hosts, in one run. Needs root.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark prints its figures"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::lab::Lab;

/// How often each is measured; the median counts.
const ROUNDS: usize = 5;

fn main() {
    println!(
        "{:>5}  {:>7}  {:<9}  {:>9}  {:>9}  {:>6}",
        "hosts", "backend", "", "deploy", "bare ssh", "ratio"
    );
    for (hosts, backend) in [(1, "nft"), (1, "legacy"), (20, "mixed")] {
        let lab = Lab::up(hosts, backend);
        let (changed, unchanged) = deploys(&lab);
        let (two, one) = (bare(&lab, &[DEFAULT, CHEAP]), bare(&lab, &[DEFAULT]));
        row(hosts, backend, "changed", changed, two);
        row(hosts, backend, "unchanged", unchanged, one);
    }
}

/// The first login's key exchange is ssh's default, the second's the cheap one: as a deploy does.
const DEFAULT: &str = "";
const CHEAP: &str = "-oKexAlgorithms=^curve25519-sha256";

fn row(hosts: usize, backend: &str, what: &str, deploy: Duration, bare: Duration) {
    let ratio = deploy.as_secs_f64() / bare.as_secs_f64();
    println!("{hosts:>5}  {backend:>7}  {what:<9}  {deploy:>7.2?}  {bare:>9.2?}  {ratio:>6.2}");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn timed(command: &mut Command) -> Duration {
    let start = Instant::now();
    let output = command.stdout(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    start.elapsed()
}

/// A deploy that changes every host, and one that changes none.
fn deploys(lab: &Lab) -> (Duration, Duration) {
    let mappings = lab.home().join("mappings.yaml");
    let inventory = lab.inventory();
    let deploy = || {
        timed(
            lab.controller(&["--forks", "20", "-i"])
                .arg(&inventory)
                .arg("-i")
                .arg(&mappings),
        )
    };
    let mut rounds = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        write_mappings(&mappings, 8080 + round);
        rounds.0.push(deploy());
        rounds.1.push(deploy());
    }
    (median(rounds.0), median(rounds.1))
}

fn write_mappings(path: &Path, to_port: usize) {
    let text = format!("all:\n  vars:\n    portmap:\n      - \"2222:22\"\n      - \"80:{to_port}\"\n");
    fs::write(path, text).unwrap();
}

/// One `ssh host true` per exchange, one after the other, on all hosts at once. Port 2222: the deploys closed 22.
fn bare(lab: &Lab, exchanges: &[&str]) -> Duration {
    let logins = |address: String| {
        let ssh = format!(
            "ssh -p 2222 -i {} -o UserKnownHostsFile={} -o HostKeyAlias={address} -o BatchMode=yes",
            lab.key().display(),
            lab.known_hosts().display()
        );
        let each: Vec<_> = exchanges
            .iter()
            .map(|exchange| format!("{ssh} {exchange} root@{address} true"))
            .collect();
        format!("( {} ) & ", each.join(" && "))
    };
    let all: String = lab
        .hosts()
        .iter()
        .map(|host| logins(lab.address(host, 4).to_string()))
        .collect();
    let line = format!("{all} wait");
    median(
        (0..ROUNDS)
            .map(|_| timed(lab.command("sh").args(["-c", &line])))
            .collect(),
    )
}
