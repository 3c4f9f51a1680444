//! How long one packet takes through 10,000 rules, none of which but the last applies to it, and how long it takes to make
//! such rules ready. The goal is 2 ms for the packet.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark prints its figures"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use portmap_deploy::firewall::trace::{Host, Packet, State, Tracer, Verdict};
use portmap_deploy::firewall::{Family, Ruleset};

const RULES: usize = 10_000;
/// How often each is measured; the median counts.
const ROUNDS: usize = 51;
const GOAL: Duration = Duration::from_millis(2);

fn main() {
    println!("{RULES} rules, a packet that meets them all; median of {ROUNDS}, goal {GOAL:?} a packet");
    let first = "-A INPUT -m limit --limit 5/min -j LOG";
    measure(
        "networks and ports",
        &list(first, |index| {
            format!("-s 10.{}.{}.0/24 -p tcp -m tcp --dport 22", index / 256, index % 256)
        }),
    );
    measure(
        "interfaces and states",
        &list(first, |index| {
            format!(
                "-i wan{index} -p tcp -m multiport --dports 80,443 -m conntrack --ctstate NEW -m comment --comment c{index}"
            )
        }),
    );
    measure(
        "sets of unknown members",
        &list(first, |index| {
            format!("-p tcp -m set --match-set banned{index} src -m tcp --dport 22")
        }),
    );
    measure(
        "marks, each way possible",
        &list(first, |index| {
            format!("-p tcp -m mark --mark {index:#x}/0xffff -m limit --limit 1/sec")
        }),
    );
    measure("chains of ten", &tree());
}

/// One long INPUT.
fn list(first: &str, conditions: impl Fn(usize) -> String) -> String {
    let mut text = format!("*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n{first}\n");
    for index in 1..RULES - 1 {
        writeln!(text, "-A INPUT {} -j DROP", conditions(index)).unwrap();
    }
    text + "-A INPUT -p tcp -j ACCEPT\nCOMMIT\n"
}

/// A thousand chains that all packets pass, of ten rules each.
fn tree() -> String {
    let chains = RULES / 10;
    let mut text = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n".to_owned();
    for chain in 0..chains {
        writeln!(text, ":c{chain} - [0:0]").unwrap();
    }
    for chain in 0..chains {
        writeln!(text, "-A INPUT -j c{chain}").unwrap();
        for rule in 0..9 {
            writeln!(
                text,
                "-A c{chain} -s 10.{}.{rule}.0/24 -p tcp -m tcp --dport 22 -j DROP",
                chain % 256
            )
            .unwrap();
        }
    }
    text + "-A INPUT -p tcp -j ACCEPT\nCOMMIT\n"
}

fn measure(name: &str, text: &str) {
    let ruleset = Ruleset::parse(text).unwrap();
    let host = Host {
        interfaces: vec![("eth0".to_owned(), vec!["192.0.2.1/24".parse().unwrap()])],
        default_interface: Some("eth0".to_owned()),
        ..Host::default()
    };
    let packet = Packet {
        family: Family::V4,
        protocol: "tcp".to_owned(),
        source: Some("203.0.113.9".parse().unwrap()),
        destination: Some("192.0.2.1".parse().unwrap()),
        source_port: Some(40_000),
        destination_port: Some(22),
        in_interface: Some("eth0".to_owned()),
        state: State::New,
    };
    let ready = median(|| Tracer::new(&ruleset, &host).trace(&packet).verdict);
    let tracer = Tracer::new(&ruleset, &host);
    let walked = median(|| tracer.trace(&packet).verdict);
    let verdict = tracer.trace(&packet).verdict;
    let met = if walked < GOAL { "" } else { "  (beyond the goal)" };
    println!(
        "{name:<26} {:>9}  {verdict}, with making ready {}{met}",
        shown(walked),
        shown(ready)
    );
}

fn median(mut work: impl FnMut() -> Verdict) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            black_box(work());
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[ROUNDS / 2]
}

fn shown(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1000.0)
}
