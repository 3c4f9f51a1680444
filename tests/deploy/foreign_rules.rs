//! A host full of other tools' rules: they go on working, and not a byte of them changes.

use std::net::IpAddr;

use super::support::deploy::Seen::{Open, Silent};
use super::support::lab::Lab;
use crate::on_both_backends;

on_both_backends!(
    a_deploy_changes_no_foreign_rule,
    a_deploy_that_is_rolled_back_changes_no_foreign_rule,
    the_first_deploy_rolled_back_leaves_nothing,
);

/// A default-deny server with Docker and fail2ban, which has banned somebody.
fn rules(banned: IpAddr) -> String {
    let (any, icmp, prohibited, unreachable, containers, loopback, server) = match banned {
        IpAddr::V4(_) => (
            "32",
            "icmp",
            "icmp-host-prohibited",
            "icmp-port-unreachable",
            "172.17.0.0/16",
            "127.0.0.0/8",
            "172.17.0.2:443",
        ),
        IpAddr::V6(_) => (
            "128",
            "ipv6-icmp",
            "icmp6-adm-prohibited",
            "icmp6-port-unreachable",
            "fd17::/64",
            "::1/128",
            "[fd17::2]:443",
        ),
    };
    format!(
        r#"*raw
-A PREROUTING -p tcp -m tcp --dport 1 -j NOTRACK
COMMIT
*mangle
-A POSTROUTING -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
COMMIT
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d {loopback} -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s {containers} ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8443 -j DNAT --to-destination {server}
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:f2b-sshd - [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -p {icmp} -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -m comment --comment "the \"way in\", -j DROP" -j ACCEPT
-A INPUT -p tcp -m tcp --dport 443 -m conntrack --ctstate NEW -m limit --limit 25/min -j ACCEPT
-A INPUT -j REJECT --reject-with {prohibited}
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A DOCKER ! -i docker0 -o docker0 -p tcp -m tcp --dport 443 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-USER -j RETURN
-A f2b-sshd -s {banned}/{any} -j REJECT --reject-with {unreachable}
-A f2b-sshd -j RETURN
COMMIT"#
    )
}

/// The lab, and the banned addresses, which are the controller's.
fn server(backend: &str) -> (Lab, [IpAddr; 2]) {
    let lab = Lab::up(1, backend);
    let banned = [4, 6].map(|family| lab.second_address(family));
    lab.load_rules("host1", 4, &rules(banned[0]));
    lab.load_rules("host1", 6, &rules(banned[1]));
    let foreign = lab.foreign_rules("host1");
    assert!(
        foreign.matches("f2b-sshd").count() >= 8 && foreign.contains(":FORWARD DROP"),
        "{foreign}"
    );
    (lab, banned)
}

/// How many packets a ban has caught.
fn caught(lab: &Lab, banned: IpAddr) -> u64 {
    let tool = if banned.is_ipv4() {
        "iptables-save"
    } else {
        "ip6tables-save"
    };
    let saved = lab.run("host1", &format!("{tool} -c -t filter"));
    let rule = saved.lines().find(|line| line.contains("-A f2b-sshd -s ")).unwrap();
    rule.trim_start_matches('[').split(':').next().unwrap().parse().unwrap()
}

#[track_caller]
fn expect_ban(lab: &Lab, banned: [IpAddr; 2], port: u16) {
    for address in banned {
        let before = caught(lab, address);
        // Refused, but Linux minds an ICMPv6 refusal only of its second SYN.
        assert_ne!(lab.connects_from(address, "host1", port), Open, "{address} to {port}");
        assert!(
            caught(lab, address) > before,
            "the ban of {address} did not count what was sent to {port}"
        );
    }
}

#[track_caller]
fn expect_closed(lab: &Lab, port: u16) {
    for family in [4, 6] {
        assert_ne!(lab.connects("host1", family, port), Open, "IPv{family}, port {port}");
    }
}

fn a_deploy_changes_no_foreign_rule(backend: &str) {
    let (lab, banned) = server(backend);
    let foreign = lab.foreign_rules("host1");
    expect_ban(&lab, banned, 22);

    let run = lab.deploys("portmap: ['2222:22', {port: 80, to_port: 8080}]");
    run.expect("host1", "confirmed")
        .expect_mappings("host1", "2222", "open", "closed");
    run.expect_mappings("host1", "80", "refused", "closed");
    assert_eq!(lab.foreign_rules("host1"), foreign);

    lab.expect_sshd("host1", 2222);
    lab.expect_tcp("host1", 22, Silent);
    // Its ACCEPT has a comment that says DROP, and the last rule decides everything else.
    for family in [4, 6] {
        assert_ne!(lab.connects("host1", family, 9), Open);
    }
    expect_ban(&lab, banned, 2222);
    let _web = lab.serve("host1", 8080, "web");
    lab.expect_server("host1", 80, "web");
    lab.expect_tcp("host1", 8080, Silent);
}

fn a_deploy_that_is_rolled_back_changes_no_foreign_rule(backend: &str) {
    let (lab, banned) = server(backend);
    lab.deploys("portmap: ['2222:22']").expect("host1", "confirmed");
    let (foreign, ours, files) = (lab.foreign_rules("host1"), lab.our_rules("host1"), lab.files("host1"));

    lab.block("tcp", 2200);
    let run = lab.deploys("portmap: ['2200:22'], portmap_rollback_after: 6, portmap_previous_ports: [2222]");
    run.expect("host1", "rolled_back");
    assert_eq!(run.host("host1")["rolled_back_by"], "controller", "{}", run.said());
    assert!(run.reason("host1").contains("2200"), "{}", run.said());
    assert_eq!(lab.foreign_rules("host1"), foreign);
    assert_eq!(lab.our_rules("host1"), ours);
    assert_ne!(lab.files("host1"), files, "the ledger says nothing");
    lab.unblock();
    lab.expect_sshd("host1", 2222);
    lab.expect_tcp("host1", 22, Silent);
    expect_closed(&lab, 2200);
    expect_ban(&lab, banned, 2222);
    lab.deploys("portmap: ['2222:22']").expect("host1", "unchanged");
}

fn the_first_deploy_rolled_back_leaves_nothing(backend: &str) {
    let (lab, banned) = server(backend);
    let foreign = lab.foreign_rules("host1");
    lab.block("tcp", 2222);
    lab.deploys("portmap: ['2222:22'], portmap_rollback_after: 6")
        .expect("host1", "rolled_back");
    assert_eq!(lab.foreign_rules("host1"), foreign);
    assert_eq!(lab.our_rules("host1"), "");
    lab.expect_tcp("host1", 22, Open);
    expect_ban(&lab, banned, 22);
}
