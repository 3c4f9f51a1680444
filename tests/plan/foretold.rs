//! What a plan tells comes true.

use std::collections::BTreeMap;

use serde_json::Value;

use super::support::deploy::Run;
use super::support::deploy::Seen::{Open, Refused, Silent};
use super::support::lab::Lab;
use super::{call, traces};
use crate::on_both_backends;

on_both_backends!(
    what_a_plan_tells_is_what_a_deploy_does,
    a_host_that_would_be_refused_and_one_that_is_away
);

const DROP: &str = "*filter\n:INPUT DROP\n-A INPUT -i lo -j ACCEPT\n-A INPUT -p ipv6-icmp -j ACCEPT\n\
    -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT";
const RHEL: &str = "*filter\n:RH-Firewall-1-INPUT - [0:0]\n-A INPUT -j RH-Firewall-1-INPUT\n\
    -A RH-Firewall-1-INPUT -i lo -j ACCEPT\n-A RH-Firewall-1-INPUT -p ipv6-icmp -j ACCEPT\n\
    -A RH-Firewall-1-INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT\n\
    -A RH-Firewall-1-INPUT -m state --state NEW -p tcp --dport 22 -j ACCEPT\n\
    -A RH-Firewall-1-INPUT -j REJECT\nCOMMIT";

const HOSTS: [&str; 3] = ["host1", "host2", "host3"];
/// Those that are probed; on 8080 and 8081 a server listens.
const PORTS: [u16; 7] = [22, 2222, 2200, 80, 8080, 8081, 443];
const FIRST: &str = "portmap: ['2222:22', '80:8080']";
const SECOND: &str = "portmap: ['2222:22', '2200:22', {port: 80, to_port: 8081, direct: reject}, '443:9443']";

fn what_a_plan_tells_is_what_a_deploy_does(backend: &str) {
    let lab = Lab::up(3, backend);
    lab.load_rules_of_both("host2", DROP);
    lab.load_rules_of_both("host3", RHEL);
    let _servers = HOSTS.map(|host| [8080, 8081].map(|port| lab.serve(host, port, &format!("web {port}"))));
    for (round, portmap) in [FIRST, SECOND].into_iter().enumerate() {
        let hosts = HOSTS.map(|host| (host, portmap));
        for host in HOSTS {
            lab.run(host, "touch /etc/before");
        }
        let looked = || HOSTS.map(|host| (traces(&lab, host), lab.logins(host)));
        let before = looked();
        let plan = call(&lab, &["plan"], &hosts);
        assert_eq!(plan.code, Some(0), "{}", plan.said());
        assert_eq!(plan.json["totals"]["changes"], 3, "{}", plan.said());
        for ((host, before), after) in HOSTS.iter().zip(&before).zip(&looked()) {
            assert_eq!(before.0, after.0, "{host} was touched");
            assert_eq!(after.1, before.1 + 1, "one login to {host}");
        }
        let rules = HOSTS.map(|host| ours(&lab, host));
        for host in HOSTS {
            expect_reach(&lab, &plan, host, "before");
        }
        let checked = call(&lab, &["--check"], &hosts);
        assert_eq!(checked.code, Some(0), "changes are no failure: {}", checked.said());
        for host in HOSTS {
            for field in ["rules", "reachability", "generation"] {
                assert_eq!(checked.host(host)[field], plan.host(host)[field], "{host} {field}");
            }
        }
        let deployed = call(&lab, &["deploy", "--diff"], &hosts);
        for (host, rules) in HOSTS.into_iter().zip(rules) {
            deployed.expect(host, "confirmed");
            assert_eq!(deployed.host(host)["generation"], plan.host(host)["generation"]);
            expect_reach(&lab, &plan, host, "after");
            expect_rules(&lab, &plan, host, rules);
            let shown = format!("{host} | rules | IPv4 filter PORTMAP-GUARD: + ");
            assert!(round > 0 || deployed.stderr.contains(&shown), "{}", deployed.stderr);
        }
    }
    let settled = call(&lab, &["plan"], &HOSTS.map(|host| (host, SECOND)));
    assert_eq!(settled.json["totals"]["unchanged"], 3, "{}", settled.said());
}

/// What a plan says of a port, by family, from here.
fn foretold<'a>(plan: &'a Run, host: &str, when: &str) -> BTreeMap<(u64, String), &'a Value> {
    let reach = plan.host(host)["reachability"].as_array().unwrap();
    let mut told = BTreeMap::new();
    for one in reach {
        // From anywhere and from here it is the same in these tests.
        let key = (
            one["port"].as_u64().unwrap(),
            one["family"].as_str().unwrap().to_owned(),
        );
        let found = told.insert(key, &one[when]);
        assert!(found.is_none_or(|found| *found == one[when]), "{}", plan.said());
    }
    told
}

fn expect_reach(lab: &Lab, plan: &Run, host: &str, when: &str) {
    let told = foretold(plan, host, when);
    assert!(told.len() >= 8, "{}", plan.said());
    for ((port, family), told) in told {
        let port = u16::try_from(port).unwrap();
        if !PORTS.contains(&port) {
            continue;
        }
        let digit = if family == "ipv4" { 4 } else { 6 };
        let seen = lab.connects(host, digit, port);
        let place = format!("{host} {when} {family} {port}: told {told}, seen {seen:?}");
        match told["state"].as_str().unwrap() {
            "closed" => assert!(matches!(seen, Silent | Refused), "{place}"),
            "open" => {
                let listens = told["listens"].as_bool().unwrap();
                assert_eq!(seen, if listens { Open } else { Refused }, "{place}");
                if listens {
                    expect_server(lab, (host, digit, port), told["port"].as_u64().unwrap());
                }
            }
            _ => panic!("{place}"),
        }
    }
}

/// Who answers at a port is who listens at the one that it is said to lead to.
fn expect_server(lab: &Lab, (host, family, port): (&str, u8, u16), to: u64) {
    let line = lab.first_line(host, family, port);
    let expected = if to == 22 {
        "SSH-2.0-".to_owned()
    } else {
        format!("web {to}")
    };
    assert!(line.starts_with(&expected), "{host} IPv{family} {port}: {line}");
}

/// `FAMILY CHAIN: rule` of ours as a host's kernel has them, without numbers of generations, hooks and comments.
fn ours(lab: &Lab, host: &str) -> Vec<String> {
    let mut found = Vec::new();
    for family in [4, 6] {
        for line in lab.rules(host, family).lines().filter(|line| line.starts_with("-A ")) {
            let (chain, rule) = line[3..].split_once(' ').unwrap();
            let is_hook = chain.starts_with("PORTMAP-") && !chain.contains("-0");
            if !line.contains("PORTMAP-") || is_hook {
                continue;
            }
            let chain = chain.split("-0").next().unwrap();
            let words: Vec<&str> = rule.split(' ').collect();
            let at = words.iter().position(|word| *word == "comment");
            let rule = match at.filter(|_| !chain.starts_with("PORTMAP-")) {
                Some(at) => [&words[..at - 1], &words[at + 3..]].concat().join(" "),
                None => rule.to_owned(),
            };
            found.push(format!("ipv{family} {chain}: {rule}"));
        }
    }
    found.sort();
    found
}

/// The rules of before, without those that the plan takes away, with those that it adds, are those of now.
fn expect_rules(lab: &Lab, plan: &Run, host: &str, mut rules: Vec<String>) {
    for diff in plan.host(host)["rules"].as_array().unwrap() {
        let place = format!(
            "{} {}",
            diff["family"].as_str().unwrap(),
            diff["chain"].as_str().unwrap()
        );
        let named = |rule: &Value| {
            let rule = rule.as_str().unwrap();
            format!("{place}: {}", rule.split(" (").next().unwrap())
        };
        for rule in diff["removed"].as_array().unwrap().iter().map(named) {
            let at = rules.iter().position(|one| *one == rule);
            rules.remove(at.unwrap_or_else(|| panic!("{rule} is not there: {rules:#?}")));
        }
        rules.extend(diff["added"].as_array().unwrap().iter().map(named));
    }
    rules.sort();
    assert_eq!(rules, ours(lab, host), "{host}: {}", plan.said());
}

fn a_host_that_would_be_refused_and_one_that_is_away(backend: &str) {
    let lab = Lab::up(2, backend);
    let hosts = [("host1", "portmap: ['22:2223']"), ("host2", "portmap: ['2222:22']")];
    let plan = call(&lab, &["plan"], &hosts[..1]);
    assert_eq!(
        (plan.state("host1"), plan.code),
        ("refused", Some(2)),
        "{}",
        plan.said()
    );
    assert!(plan.said().contains("where nothing listens"), "{}", plan.said());
    assert!(plan.host("host1")["hint"].as_str().unwrap().contains("--force"));
    assert!(plan.host("host1")["reachability"].as_array().unwrap().len() > 3);
    let refused = call(&lab, &["deploy"], &hosts[..1]);
    refused.expect("host1", "refused");
    assert_eq!(
        plan.host("host1")["reasons"][0],
        refused.reason("host1"),
        "in the same words"
    );
    lab.cut("host2");
    let plan = call(&lab, &["plan"], &hosts);
    assert_eq!(
        (plan.state("host2"), plan.code),
        ("unreachable", Some(6)),
        "{}",
        plan.said()
    );
    let text = call(&lab, &["plan", "--output", "text"], &hosts);
    assert!(text.stdout.contains("host1: would be refused\n"), "{}", text.said());
    assert!(
        text.stdout.contains("1 would be refused, 1 unreachable; 2 hosts"),
        "{}",
        text.said()
    );
    let lines = call(&lab, &["deploy", "--check", "--output", "jsonl"], &hosts).stdout;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (lines.len(), &lines[2]["event"], &lines[2]["exit_code"]),
        (3, &"finished".into(), &6.into())
    );
}
