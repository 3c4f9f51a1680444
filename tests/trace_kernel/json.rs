//! The same through the program: packets as JSON lines on its stdin, answers on its stdout.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use portmap_deploy::firewall::Family;
use portmap_deploy::firewall::trace::Host;
use serde_json::{Value, json};

use super::compare::{Case, Ground};
use super::world::{Outcome, World};
use super::{pools, shapes};

/// Which of the shapes' packets are sent: all would take long.
const EVERY: usize = 13;

/// How many packets were traced, and what of it was wrong.
pub fn run(backend: &'static str, family: Family) -> (usize, Vec<String>) {
    let host = pools::host();
    World::with(backend, &host, |world| {
        let ground = Ground {
            world,
            host: &host,
            family,
        };
        let cases: Vec<Case> = shapes::cases(family).into_iter().step_by(EVERY).collect();
        let (mut count, mut wrong) = (0, vec![]);
        for (name, text) in shapes::texts(family) {
            world.load(family, &text).unwrap();
            let answers = ask(&text, &cases, &host);
            assert_eq!(answers.len(), cases.len(), "{name}: an answer a line");
            count += cases.len();
            for ((case, outcome), answer) in cases.iter().zip(ground.send(&cases)).zip(&answers) {
                if !fits(case, outcome, answer) {
                    wrong.push(format!("{name}: {:?}: {outcome:?}, but {answer}", case.packet));
                }
            }
        }
        (count, wrong)
    })
}

fn question(case: &Case, host: &Host) -> Value {
    let packet = &case.packet;
    let nets = |nets: &[ipnet::IpNet]| nets.iter().map(ToString::to_string).collect::<Vec<_>>();
    let addrs: serde_json::Map<String, Value> = host
        .interfaces
        .iter()
        .map(|(name, all)| (name.clone(), json!(nets(all))))
        .collect();
    json!({
        "proto": packet.protocol,
        "family": if packet.family == Family::V4 { 4 } else { 6 },
        "src": packet.source,
        "dst": packet.destination,
        "sport": packet.source_port,
        "dport": packet.destination_port,
        "in_iface": packet.in_interface,
        "state": format!("{:?}", packet.state).to_uppercase(),
        "host": {"addrs": addrs, "default_iface": host.default_interface},
    })
}

fn ask(rules: &str, cases: &[Case], host: &Host) -> Vec<Value> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(rules.as_bytes()).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_portmap-deploy"))
        .args(["trace", "--json", "--rules"])
        .arg(file.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = String::new();
    for case in cases {
        let _ = writeln!(lines, "{}", question(case, host));
    }
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn fits(case: &Case, outcome: Outcome, answer: &Value) -> bool {
    let arrives = |to: std::net::IpAddr, port: Option<u16>| {
        answer["dst"].as_str() == Some(&to.to_string())
            && (port.is_none() || answer["dport"].as_u64() == port.map(u64::from))
    };
    match (answer["verdict"].as_str().unwrap(), outcome) {
        ("accept", Outcome::Delivered(to, port) | Outcome::Forwarded(to, port)) => arrives(to, port),
        ("drop", Outcome::Gone) | ("reject", Outcome::Refused) => true,
        ("unknown", _) => case.is_partly_told(),
        ("reject", Outcome::Gone) => case.is_refused_silently(),
        _ => false,
    }
}
