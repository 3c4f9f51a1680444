//! How long it takes to plan 1,000 hosts of 500 rules each, once their answers are there: text is read, the change decided,
//! the rules of afterwards computed, packets walked through both, dangers looked for, and all of it told. Nothing is
//! measured of ssh.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark prints its figures"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use portmap_deploy::firewall::Mark;
use portmap_deploy::mapping::MappingSet;
use portmap_deploy::plan::{Observed, Plan, Way};
use portmap_deploy::preview::{Preview, Previews, Shown, document, text};
use portmap_deploy::problem::Source;
use portmap_deploy::report::Look;
use portmap_deploy::yaml;

const HOSTS: usize = 1000;
/// Of each host, over both families.
const RULES: usize = 500;
/// How often it is measured; the median counts.
const ROUNDS: usize = 5;
/// What it must not take longer than here.
const BOUND: Duration = Duration::from_secs(2);

/// Of an agent, by title.
type Answers = BTreeMap<String, String>;

fn main() {
    let hosts: Vec<_> = (0..HOSTS).map(answers).collect();
    let lines: usize = hosts[0].values().map(|text| text.matches("-A ").count()).sum();
    let wanted = mappings();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut rounds: Vec<_> = (0..ROUNDS).map(|_| round(&hosts, &wanted, threads)).collect();
    rounds.sort_by_key(|(whole, _)| *whole);
    let (whole, spent) = rounds[ROUNDS / 2];
    println!(
        "{HOSTS} hosts of {lines} rules each, four mappings, {threads} threads as the program has; the median of {ROUNDS} rounds"
    );
    for (part, time) in ["read", "decide", "foresee", "dangers", "tell"].iter().zip(spent) {
        println!("{part:<8} {:>7.3} s of all threads", time.as_secs_f64());
    }
    let verdict = if whole <= BOUND { "within" } else { "MORE than" };
    println!("{:<8} {:>7.3} s, {verdict} {BOUND:?}", "all", whole.as_secs_f64());
}

/// All hosts once: how long it takes, and the time that each part takes of all threads.
fn round(hosts: &[Answers], wanted: &MappingSet, threads: usize) -> (Duration, [Duration; 5]) {
    let begin = Instant::now();
    let parts: Vec<_> = thread::scope(|scope| {
        let shares = hosts.chunks(HOSTS.div_ceil(threads));
        let running: Vec<_> = shares.map(|share| scope.spawn(|| planned(share, wanted))).collect();
        running.into_iter().map(|share| share.join().unwrap()).collect()
    });
    let mut spent = [Duration::ZERO; 5];
    let mut previews = Previews::default();
    for (share, times) in parts {
        previews.hosts.extend(share);
        for (sum, time) in spent.iter_mut().zip(times) {
            *sum += time;
        }
    }
    spent[4] = told(&previews);
    (begin.elapsed(), spent)
}

/// One thread's share.
fn planned(hosts: &[Answers], wanted: &MappingSet) -> (Vec<(String, Preview)>, [Duration; 4]) {
    let mut spent = [Duration::ZERO; 4];
    let mut previews = Vec::new();
    for (number, sections) in hosts.iter().enumerate() {
        let begin = Instant::now();
        let observed = Observed::read(sections).unwrap();
        let read = Instant::now();
        let Plan::Change(change) = observed.plan(wanted, |_| Mark::default()) else {
            panic!("nothing to do")
        };
        let decided = Instant::now();
        let after = observed.after(&change);
        let prospect = observed.prospect(&change, &after);
        let mut preview = Preview::of(&observed, &change, &prospect);
        preview.basis = Some(observed.basis(None));
        let foreseen = Instant::now();
        let dangers = prospect.dangers(Way { now: 22, after: 2222 });
        preview.warnings.extend(dangers.iter().map(ToString::to_string));
        let judged = Instant::now();
        previews.push((format!("host{number}"), preview));
        for (sum, time) in spent
            .iter_mut()
            .zip([read - begin, decided - read, foreseen - decided, judged - foreseen])
        {
            *sum += time;
        }
    }
    (previews, spent)
}

fn told(previews: &Previews) -> Duration {
    let begin = Instant::now();
    let look = Look {
        width: Some(80),
        rows: None,
        color: true,
    };
    let shown = Shown {
        look,
        rules: true,
        all: false,
    };
    assert!(text(previews, shown).len() > 1000 && document(previews).len() > 1000);
    begin.elapsed()
}

fn mappings() -> MappingSet {
    let source = Source::new(
        "bench",
        "['2222:22', '80:8080', '443:8443', {port: 53, to_port: 5353, protocol: udp}]",
    );
    MappingSet::parse(&yaml::read(&source).unwrap().root).unwrap()
}

/// What an agent answers on a host with this number: rules of its own addresses, in chains of several kinds.
fn answers(number: usize) -> Answers {
    let texts = [
        (
            "facts",
            "uid 0\nssh 198.51.100.9 40000 192.0.2.1 22\nuptime 99\nipv6 yes\n".to_owned(),
        ),
        (
            "addresses",
            "2: eth0    inet 192.0.2.1/24 scope global eth0\n2: eth0    inet6 2001:db8::1/64 scope global\n".to_owned(),
        ),
        (
            "listeners",
            "tcp 00000000:0016\ntcp 00000000:1F90\ntcp 00000000:20FB\n".to_owned(),
        ),
        ("rules 4 iptables iptables v1.8.9 (nf_tables)", rules(number, "10.")),
        (
            "rules 6 ip6tables ip6tables v1.8.9 (nf_tables)",
            rules(number, "fd00::"),
        ),
    ];
    texts
        .into_iter()
        .map(|(title, text)| (title.to_owned(), text))
        .collect()
}

/// A default-deny host: bans, services for some networks each, sets of ports, a published container.
fn rules(number: usize, prefix: &str) -> String {
    let net = |index: usize| match prefix {
        "10." => format!("10.{}.{}.0/24", index % 200, (index * 7 + number) % 250),
        _ => format!("fd00:{:x}:{:x}::/48", index % 200, (index * 7 + number) % 250),
    };
    let mut text = String::from(
        "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n\
         -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\nCOMMIT\n\
         *filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:bans - [0:0]\n:services - [0:0]\n\
         -A INPUT -i lo -j ACCEPT\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
         -A INPUT -p tcp -m multiport --dports 22,2222 -j bans\n-A INPUT -j services\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n",
    );
    let count = RULES / 2 - 6;
    for index in 0..count {
        let _ = match index % 3 {
            0 => writeln!(text, "-A bans -s {} -j DROP", net(index)),
            1 => writeln!(
                text,
                "-A services -s {} -p tcp -m tcp --dport {} -j ACCEPT",
                net(index),
                1000 + index
            ),
            _ => writeln!(
                text,
                "-A services -s {} -p tcp -m conntrack --ctstate NEW -m multiport --dports 80,443,{} -m comment --comment \"service {index}\" -j ACCEPT",
                net(index),
                9000 + index
            ),
        };
    }
    text + "-A bans -j RETURN\nCOMMIT\n"
}
