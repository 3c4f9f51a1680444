//! Running again: what is as it should be is looked at and left alone.

use super::support::lab::Lab;
use crate::on_both_backends;

on_both_backends!(a_second_run_touches_nothing, a_change_takes_two_logins);

/// Everything that a run could touch on a host.
fn traces(lab: &Lab, host: &str) -> String {
    let rules = lab.run(
        host,
        "iptables-save; ip6tables-save; iptables-legacy-save; ip6tables-legacy-save; nft list ruleset",
    );
    let no_counters = |line: &str| {
        let line = line.split(" [").next().unwrap_or(line);
        let mut words = line.split_whitespace().peekable();
        let mut kept = Vec::new();
        while let Some(word) = words.next() {
            // nft: "counter packets 1 bytes 2"
            if word == "packets" || word == "bytes" {
                words.next();
            } else {
                kept.push(word);
            }
        }
        kept.join(" ")
    };
    let rules: Vec<_> = rules
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(no_counters)
        .collect();
    format!(
        "{}\n{}\n{}",
        rules.join("\n"),
        lab.files(host),
        lab.run(host, "cat /var/lib/portmap-deploy/ledger")
    )
}

fn a_second_run_touches_nothing(backend: &str) {
    let lab = Lab::up(2, backend);
    let _web = lab.serve("host1", 8080, "web");
    let hosts = [
        (
            "host1",
            "portmap: ['2222:22', {port: 80, to_port: 8080, source: [198.18.0.0/15], direct: reject}, {port: 53, to_port: 5353, protocol: udp}]",
        ),
        (
            "host2",
            "portmap: ['2222:22', {port: 8000-8003, to_port: 9000-9003, loopback: true, direct_source: [10.0.0.0/8]}]",
        ),
    ];
    let first = lab.deploy_to(&hosts, &[]);
    let logins = |lab: &Lab| hosts.map(|(host, _)| lab.logins(host));
    let before = logins(&lab);
    assert_eq!(before, [2, 2], "{}", first.said());
    let traced = hosts.map(|(host, _)| traces(&lab, host));
    assert!(
        traced[0].contains("/var/lib/portmap-deploy/current") && traced[0].contains("PORTMAP-GUARD"),
        "{}",
        traced[0]
    );

    let second = lab.deploy_to(&hosts, &[]);
    assert_eq!(logins(&lab), [3, 3]);
    for (index, (host, _)) in hosts.into_iter().enumerate() {
        first.expect(host, "confirmed");
        second.expect(host, "unchanged").expect_logins(host, 1);
        assert_eq!(second.host(host)["generation"], first.host(host)["generation"]);
        assert_eq!(traces(&lab, host), traced[index]);
    }
}

fn a_change_takes_two_logins(backend: &str) {
    let lab = Lab::up(1, backend);
    lab.deploys("portmap: ['2222:22']")
        .expect("host1", "confirmed")
        .expect_logins("host1", 2);
    assert_eq!(lab.logins("host1"), 2);
    lab.deploys("portmap: ['2222:22', '80:8080']")
        .expect("host1", "confirmed")
        .expect_logins("host1", 2);
    assert_eq!(lab.logins("host1"), 4);
    let ours = lab.our_rules("host1");
    // The jumps from the built-in chains keep the number of the generation that put them there.
    let old = |line: &&str| line.contains("-000001") && !line.contains("--comment");
    let old: Vec<_> = ours.lines().filter(old).collect();
    assert!(
        ours.contains("PORTMAP-GUARD-000002") && old.is_empty(),
        "{old:?} in\n{ours}"
    );
}
