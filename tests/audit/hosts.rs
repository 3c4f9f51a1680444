//! Live hosts: one login each, equal findings told once.

use std::collections::BTreeMap;
use std::process::Output;

use serde_json::Value;

use crate::support::lab::Lab;

const BOTH_WORK: &str = "*nat\n-A PREROUTING -p tcp --dport 2222 -j REDIRECT --to-ports 22\nCOMMIT\n\
    *filter\n:INPUT DROP\n-A INPUT -p tcp --dport 22 -j ACCEPT\n-A INPUT -p ipv6-icmp -j ACCEPT\nCOMMIT";

fn audited(lab: &Lab, args: &[&str]) -> Output {
    let inventory = lab.inventory();
    let arguments = [&["audit", "-i", inventory.to_str().unwrap()], args].concat();
    lab.controller(&arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn hosts_without_any_rule_of_ours_are_looked_at_over_one_login_each() {
    let lab = Lab::up(3, "mixed");
    for host in ["host1", "host2"] {
        lab.load_rules_of_both(host, BOTH_WORK);
    }
    let before: BTreeMap<&str, usize> = lab.hosts().into_iter().map(|host| (host, lab.logins(host))).collect();
    let rules: Vec<String> = lab
        .hosts()
        .iter()
        .map(|host| lab.run(host, "iptables-save; ip6tables-save"))
        .collect();

    let output = audited(&lab, &["--output", "json"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["exit_code"], 2);
    for host in ["host1", "host2"] {
        let found = &document["hosts"][host];
        assert_eq!(found["state"], "findings");
        let redirects = found["redirects"].as_array().unwrap();
        assert_eq!(redirects.len(), 2, "{found:#}");
        for judged in redirects {
            assert_eq!(judged["verdict"], "both-work", "{judged:#}");
            assert_eq!(judged["rule"]["line"], Value::Null);
        }
        assert_eq!(found["findings"][0]["id"], "PM001");
    }
    assert_eq!(document["hosts"]["host3"]["state"], "clean");
    for (host, logins) in before {
        assert_eq!(lab.logins(host), logins + 1, "{host}");
        assert!(lab.exec(host, "test ! -e /var/lib/portmap-deploy").status.success());
    }
    let after: Vec<String> = lab
        .hosts()
        .iter()
        .map(|host| lab.run(host, "iptables-save; ip6tables-save"))
        .collect();
    let essence = |all: Vec<String>| -> Vec<String> {
        let lines = all.iter().flat_map(|text| text.lines());
        lines.filter(|line| line.starts_with('-')).map(str::to_owned).collect()
    };
    assert_eq!(essence(rules), essence(after), "an audit changes nothing");

    let output = audited(&lab, &[]);
    let said = text(&output.stdout);
    assert_eq!(said.matches("PM001 error").count(), 2, "once for each family:\n{said}");
    assert!(said.contains("on: host1, host2\n"), "{said}");
    assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");

    let clean = audited(&lab, &["-l", "host3"]);
    assert_eq!(clean.status.code(), Some(0), "{}", text(&clean.stdout));
}

#[test]
fn hosts_that_nobody_reaches_are_said_and_counted() {
    let lab = Lab::up(2, "nft");
    lab.load_rules_of_both("host1", BOTH_WORK);
    lab.cut("host2");
    let output = audited(&lab, &["--timeout", "2s", "--output", "json"]);
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stdout));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["hosts"]["host2"]["state"], "unreachable");
    assert_eq!(document["totals"]["unreachable"], 1);
    assert!(!document["hosts"]["host2"]["reason"].as_str().unwrap().is_empty());

    let output = audited(&lab, &["--timeout", "2s", "--output", "sarif"]);
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    let run = &log["runs"][0];
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    assert_eq!(
        run["results"][0]["locations"][0]["logicalLocations"][0]["name"],
        "host1"
    );
}

/// What a deploy makes is right, in the audit's own words.
#[test]
fn what_a_deploy_makes_is_right() {
    let lab = Lab::up(1, "nft");
    lab.load_rules_of_both(
        "host1",
        "*filter\n:INPUT DROP\n-A INPUT -p tcp --dport 22 -j ACCEPT\n-A INPUT -p ipv6-icmp -j ACCEPT\nCOMMIT",
    );
    lab.deploys("portmap: ['2222:22']").expect("host1", "confirmed");
    let output = audited(&lab, &["--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let redirects = document["hosts"]["host1"]["redirects"].as_array().unwrap();
    assert_eq!(redirects.len(), 2);
    for judged in redirects {
        assert_eq!(
            (&judged["verdict"], &judged["direct"]),
            (&"right".into(), &"closed".into()),
            "{judged:#}"
        );
    }
}
