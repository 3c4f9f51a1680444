//! Others who work on the rules of the same host: before, during and after a change. What is reported is what the kernel
//! runs, and the next deploy repairs what they broke.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use support::deploy::Seen::{Open, Silent};
use support::lab::Lab;

/// What others do, by name.
const ACTS: [(&str, &str); 5] = [
    ("flush", "for t in iptables ip6tables; do $t -F; $t -X; done"),
    (
        "flush nat",
        "for t in iptables ip6tables; do $t -t nat -F; $t -t nat -X; done",
    ),
    (
        "accept everything",
        "for t in iptables ip6tables; do $t -I INPUT -j ACCEPT; done",
    ),
    (
        "docker restart",
        "iptables -t nat -N DOCKER 2>/dev/null || iptables -t nat -F DOCKER; \
         iptables -t nat -I PREROUTING -m addrtype --dst-type LOCAL -j DOCKER; \
         iptables -N DOCKER-USER 2>/dev/null || iptables -F DOCKER-USER; iptables -I FORWARD -j DOCKER-USER",
    ),
    (
        "ufw reload",
        "for t in iptables ip6tables; do
            $t -P INPUT ACCEPT; $t -F INPUT
            $t -N ufw-before-input 2>/dev/null || $t -F ufw-before-input
            $t -A INPUT -j ufw-before-input
            $t -A ufw-before-input -i lo -j ACCEPT
            $t -A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
            $t -A ufw-before-input -p ipv6-icmp -j ACCEPT
            $t -A ufw-before-input -p tcp --dport 22 -j ACCEPT
            $t -P INPUT DROP
        done",
    ),
];

/// Before which of our commits of IPv4 rules they do it: stage, the first switch, the second, cleaning up.
const MOMENTS: [usize; 4] = [1, 2, 3, 4];

/// Runs what is in /run/act before the commit whose number /run/moment holds.
const MEDDLER: &str = r#"#!/bin/sh
case $(readlink /usr/sbin/iptables-restore /etc/alternatives/iptables-restore) in *nft*) kind=nft ;; *) kind=legacy ;; esac
count=$(($(cat /run/count 2>/dev/null || echo 0) + 1))
echo "$count" >/run/count
if [ "$count" = "$(cat /run/moment 2>/dev/null)" ]; then PATH=/usr/sbin:/sbin:/usr/bin:/bin sh /run/act >/run/acted 2>&1; fi
exec "/usr/sbin/iptables-$kind-restore" "$@"
"#;

fn meddle(lab: &Lab, host: &str, act: &str, moment: usize) {
    let run = lab.root_of(host).join("run");
    std::fs::write(run.join("act"), act).unwrap();
    std::fs::write(run.join("moment"), moment.to_string()).unwrap();
    std::fs::write(run.join("meddler"), MEDDLER).unwrap();
    lab.run(
        host,
        "rm -f /run/count /run/acted; chmod 755 /run/meddler; mount -o remount,exec /run; \
         ln -sf /run/meddler /usr/local/sbin/iptables-restore",
    );
}

fn leave_alone(lab: &Lab, host: &str) {
    lab.run(host, "rm -f /usr/local/sbin/iptables-restore");
}

/// All acts at all moments of a change, a host each.
fn what_is_reported_is_what_the_kernel_runs(backend: &str) {
    let cases: Vec<_> = ACTS
        .into_iter()
        .flat_map(|act| MOMENTS.map(|moment| (act, moment)))
        // After the proof nothing of ours runs that could open direct access again when the redirect to sshd goes.
        .filter(|((name, _), moment)| *name != "flush nat" || *moment < 4)
        .collect();
    let lab = Lab::up(cases.len(), backend);
    let hosts = lab.hosts();
    let deploy = |mappings: &str| {
        let variables = format!("portmap: {mappings}, portmap_rollback_after: 15, portmap_previous_ports: [2222]");
        let all: Vec<_> = hosts.iter().map(|host| (*host, variables.as_str())).collect();
        lab.deploy_to(&all, &[])
    };
    let first = deploy("['2222:22']");
    for (host, ((_, act), moment)) in hosts.iter().zip(&cases) {
        assert_eq!(first.state(host), "confirmed", "{}", first.said());
        meddle(&lab, host, act, *moment);
    }
    let run = deploy("['2222:22', '80:8080']");
    let mut states = Vec::new();
    for (host, ((name, _), moment)) in hosts.iter().zip(&cases) {
        leave_alone(&lab, host);
        let case = format!("{name} at {moment}, {}: {}", run.state(host), run.reason(host));
        assert!(
            lab.exec(host, "[ -e /run/acted ]").status.success(),
            "{case}: nobody meddled"
        );
        // Whoever logs in by 2222 still can, whatever others did.
        let line = lab.first_line(host, 4, 2222);
        let direct = lab.connects(host, 4, 22);
        let ours = lab.our_rules(host);
        match run.state(host) {
            // They may come after the host has looked for the last time.
            "confirmed" if *moment < 4 => {
                assert!(
                    line.starts_with("SSH-2.0-") && direct == Silent,
                    "{case}: {line:?} {direct:?}\n{ours}"
                );
                assert!(ours.contains("PORTMAP-GUARD-000002"), "{case}\n{ours}");
            }
            "confirmed" => {}
            "rolled_back" | "failed" => {
                assert!(!ours.contains("-000002"), "{case}\n{ours}");
                assert!(
                    line.starts_with("SSH-2.0-") || direct == Open,
                    "{case}: no way in\n{ours}"
                );
            }
            _ => panic!("{case}"),
        }
        states.push(case);
    }
    let again = deploy("['2222:22', '80:8080']");
    for (host, case) in hosts.iter().zip(&states) {
        let state = again.state(host);
        assert!(
            state == "confirmed" || state == "unchanged",
            "{case}, then {state}: {}",
            again.said()
        );
        assert!(lab.first_line(host, 4, 2222).starts_with("SSH-2.0-"), "{case}");
        assert_eq!(
            lab.connects(host, 4, 22),
            Silent,
            "{case}, then {state}\n{}",
            lab.rules(host, 4)
        );
    }
}

/// firewalld's own backend, and others: an accept of iptables does not override them.
fn a_chain_of_nft_that_is_in_the_way_is_named(backend: &str) {
    let lab = Lab::up(1, backend);
    let _web = lab.serve("host1", 8080, "web");
    lab.run(
        "host1",
        "nft -f - <<'RULES'
table inet firewalld {
    chain filter_INPUT {
        type filter hook input priority filter + 10; policy accept;
        ct state established,related accept
        iifname lo accept
        meta l4proto ipv6-icmp accept
        tcp dport 22 accept
        reject with icmpx admin-prohibited
    }
}
table inet counting {
    chain input {
        type filter hook input priority filter; policy accept;
        counter
    }
}
RULES",
    );
    let refused = lab.deploys("portmap: ['80:8080'], portmap_rollback_after: 9");
    let tried = [("host1", "portmap: ['80:8080'], portmap_rollback_after: 9")];
    let tried = lab.deploy_to(&tried, &["--force"]);
    for (run, state) in [(refused, "refused"), (tried, "rolled_back")] {
        run.expect("host1", state);
        assert!(
            run.reason("host1").contains("inet firewalld filter_INPUT (hook input"),
            "{}",
            run.said()
        );
        assert!(!run.said().contains("counting"), "{}", run.said());
    }

    let run = lab.deploys("portmap: ['2222:22']");
    run.expect("host1", "confirmed");
    assert!(
        run.warnings("host1").contains("inet firewalld filter_INPUT"),
        "{}",
        run.said()
    );
    lab.expect_sshd("host1", 2222);
    lab.expect_tcp("host1", 22, Silent);
}

fn rules_in_both_backends_are_refused(backend: &str) {
    let lab = Lab::up(1, backend);
    let other = if backend == "nft" { "legacy" } else { "nft" };
    let tables = "cat /proc/net/ip_tables_names /proc/net/ip6_tables_names 2>/dev/null | sort; nft list tables";
    lab.run("host1", "iptables -A INPUT -p tcp --dport 9 -j DROP");
    lab.run("host1", &format!("iptables-{other} -A INPUT -p tcp --dport 7 -j DROP"));
    let before = lab.run("host1", tables);
    let run = lab.deploys("portmap: ['2222:22']");
    run.expect("host1", "refused");
    assert!(run.reason("host1").contains("rules are in both"), "{}", run.said());
    assert_eq!(lab.files("host1"), "");
    assert_eq!(lab.run("host1", tables), before, "looking made a table");
    // What is left is an empty table, which only somebody's looking may have made.
    lab.run(
        "host1",
        &format!("iptables-{other} -F; iptables-{other}-save >/dev/null"),
    );
    lab.deploys("portmap: ['2222:22']").expect("host1", "confirmed");
    lab.expect_sshd("host1", 2222);
    lab.expect_tcp("host1", 22, Silent);
}

/// Every shape of `cases/rulesets` on a host of its own: mappings are open, also to a port that its rules let nobody into.
fn mappings_are_open_in_every_shape_of_foreign_rules(backend: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/rulesets");
    let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let shapes: BTreeSet<_> = names.map(|path| path.with_extension("")).collect();
    let lab = Lab::up(shapes.len(), backend);
    let hosts = lab.hosts();
    let _servers: Vec<_> = hosts.iter().map(|host| lab.serve(host, 8080, "web")).collect();
    for (host, shape) in hosts.iter().zip(&shapes) {
        for family in [4, 6] {
            let text = std::fs::read_to_string(shape.with_extension(format!("v{family}"))).unwrap();
            lab.load_rules(host, family, &text);
        }
        // Some let nobody log in but from addresses that the controller does not have, or not over IPv6.
        lab.run(
            host,
            "iptables -I INPUT -p tcp --dport 22 -j ACCEPT; ip6tables -I INPUT -p tcp --dport 22 -j ACCEPT; \
             ip6tables -I INPUT -p ipv6-icmp -j ACCEPT",
        );
    }
    let foreign: Vec<_> = hosts.iter().map(|host| lab.foreign_rules(host)).collect();
    let all: Vec<_> = hosts
        .iter()
        .map(|host| (*host, "portmap: ['2222:22', '8800:8080'], portmap_rollback_after: 15"))
        .collect();
    let run = lab.deploy_to(&all, &[]);
    for ((host, shape), foreign) in hosts.iter().zip(&shapes).zip(&foreign) {
        assert_eq!(run.state(host), "confirmed", "{}: {}", shape.display(), run.said());
        run.expect_mappings(host, "2222", "open", "closed");
        run.expect_mappings(host, "8800", "open", "closed");
        lab.expect_sshd(host, 2222);
        lab.expect_server(host, 8800, "web");
        lab.expect_tcp_ports(host, &[22, 8080], Silent);
        assert_eq!(lab.foreign_rules(host), *foreign, "{}", shape.display());
    }
}

on_both_backends!(
    mappings_are_open_in_every_shape_of_foreign_rules,
    what_is_reported_is_what_the_kernel_runs,
    a_chain_of_nft_that_is_in_the_way_is_named,
    rules_in_both_backends_are_refused,
);
