//! `remove`: nothing of ours is left, nothing else has changed, and nobody is locked out on the way.

use super::support::deploy::Run;
use super::support::deploy::Seen::{Open, Refused, Silent};
use super::support::lab::Lab;
use crate::on_both_backends;

on_both_backends!(
    nothing_is_left_and_nothing_else_has_changed,
    the_only_way_in_is_not_taken_away,
    a_port_that_somebody_else_forwards_stays_the_way_in,
    chains_that_only_look_like_ours_stay,
    what_is_left_without_rules_goes_as_well,
);

const FOREIGN: &str = r#"*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER -p tcp -m tcp --dport 8443 -j REDIRECT --to-ports 443
COMMIT
*filter
:f2b-sshd - [0:0]
-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -m comment --comment "the \"way in\" -j DROP" -j ACCEPT
-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT
-A f2b-sshd -j RETURN
COMMIT"#;

/// Runs `remove` on `host1`, which the inventory gives these variables.
fn removes(lab: &Lab, variables: &str, args: &[&str]) -> Run {
    let folder = lab.inventory_of(&[("host1", variables)]);
    let path = |name: &str| folder.join(name).display().to_string();
    let (login, hosts) = (path("login.yaml"), path("hosts.yaml"));
    lab.deploy(&[&["remove", "-i", &login, "-i", &hosts], args].concat())
}

/// Every file of the host that a program running as root would write to, and every rule and chain but empty tables.
fn everything(lab: &Lab, host: &str) -> String {
    let files = lab.run(
        host,
        "find /etc /run /var/lib /var/spool /var/tmp /usr/local /root /lib/systemd /usr/lib/systemd \
         ! -path '/run/pm-*' ! -name xtables.lock ! -type d -printf '%p %s %T@\\n' 2>/dev/null | sort; \
         find /run /var/lib /etc -maxdepth 2 -type d 2>/dev/null | sort",
    );
    format!("{}\n{}\n{files}", lab.rules(host, 4), lab.rules(host, 6))
}

fn nothing_is_left_and_nothing_else_has_changed(backend: &str) {
    let lab = Lab::up(1, backend);
    lab.load_rules_of_both("host1", FOREIGN);
    let before = everything(&lab, "host1");
    let _web = lab.serve("host1", 8080, "web");
    let mappings = "portmap: ['2222:22', '80:8080', {port: 53, to_port: 5353, protocol: udp, loopback: true}]";
    lab.deploys(mappings).expect("host1", "confirmed");
    lab.deploys("portmap: ['2222:22', '80:8080']")
        .expect("host1", "confirmed");
    lab.expect_tcp("host1", 22, Silent);
    assert_ne!(everything(&lab, "host1"), before);

    let run = removes(&lab, "portmap: ['2222:22', '80:8080']", &[]);
    run.expect("host1", "confirmed").expect_logins("host1", 2);
    assert!(run.reason("host1").contains("removed"), "{}", run.said());
    let warned = run.warnings("host1");
    assert!(
        warned.lines().count() == 1 && warned.ends_with("log in by port 22"),
        "{warned}"
    );
    assert_eq!(everything(&lab, "host1"), before);
    assert_eq!(lab.run("host1", "pgrep -f '[p]ortmap-deploy/t' || :"), "");
    lab.expect_sshd("host1", 22);
    lab.expect_tcp("host1", 2222, Refused);

    // Hosts that have lost their mappings from the inventory are looked at as well.
    let again = removes(&lab, "x: y", &[]);
    again.expect("host1", "unchanged").expect_logins("host1", 1);
    assert_eq!(everything(&lab, "host1"), before);
    lab.deploys("portmap: ['2222:22']").expect("host1", "confirmed");
    removes(&lab, "x: y, portmap_previous_ports: [2222]", &[]).expect("host1", "confirmed");
    assert_eq!(everything(&lab, "host1"), before);
}

fn the_only_way_in_is_not_taken_away(backend: &str) {
    let lab = Lab::up(1, backend);
    let open = "*filter\n-A INPUT -i lo -j ACCEPT\n-A INPUT -p ICMP -j ACCEPT\n\
         -A INPUT -p tcp --dport 22 -j ACCEPT\n:INPUT DROP [0:0]\nCOMMIT";
    lab.load_rules("host1", 4, &open.replace("ICMP", "icmp"));
    lab.load_rules("host1", 6, &open.replace("ICMP", "ipv6-icmp"));
    lab.deploys("portmap: ['2222:22']").expect("host1", "confirmed");
    let accept = "iptables -D INPUT -p tcp --dport 22 -j ACCEPT; ip6tables -D INPUT -p tcp --dport 22 -j ACCEPT";
    lab.run("host1", accept);
    let whole = lab.our_rules("host1");

    let run = removes(&lab, "portmap: ['2222:22']", &[]);
    run.expect("host1", "refused").expect_logins("host1", 1);
    assert!(run.reason("host1").contains("on port 22"), "{}", run.said());
    assert_eq!(lab.our_rules("host1"), whole);

    // Nobody is heard on 22. What was tried all the same ends before the port that we came by is closed: no other rule lets
    // the packets of our own login in.
    let run = removes(&lab, "portmap: ['2222:22']", &["--force", "--rollback-after", "9s"]);
    run.expect("host1", "rolled_back").expect_logins("host1", 1);
    assert_eq!(run.host("host1")["rolled_back_by"], "controller", "{}", run.said());
    assert!(
        run.reason("host1").contains("no sshd answers on port 22"),
        "{}",
        run.said()
    );
    assert_eq!(lab.our_rules("host1"), whole);
    lab.expect_sshd("host1", 2222);

    lab.run("host1", &accept.replace("-D INPUT", "-I INPUT"));
    // As the inventory of one who reaches the host by the mapping has it.
    let run = removes(&lab, "portmap: ['2222:22'], ansible_port: 2222", &[]);
    run.expect("host1", "confirmed");
    lab.expect_sshd("host1", 22);
    lab.expect_tcp("host1", 2222, Silent);
    assert_eq!(lab.our_rules("host1"), "");
}

/// A provider's port forwarding leads to the host, no mapping of ours.
fn a_port_that_somebody_else_forwards_stays_the_way_in(backend: &str) {
    let lab = Lab::up(1, backend);
    let to = lab.address("host1", 4);
    let forward =
        format!("iptables -t nat -A PREROUTING -p tcp -d {to} --dport 10022 -j DNAT --to-destination {to}:22");
    assert!(lab.upstream(&forward).status.success());
    let direct = format!("iptables -t raw -A PREROUTING -p tcp -d {to} --dport 22 -j DROP");
    assert!(lab.upstream(&direct).status.success());
    let variables = "portmap: ['80:8080'], ansible_port: 10022";
    lab.deploys(variables).expect("host1", "confirmed");
    let run = removes(&lab, variables, &[]);
    run.expect("host1", "confirmed").expect_logins("host1", 2);
    assert_eq!(
        (run.warnings("host1"), lab.our_rules("host1")),
        (String::new(), String::new())
    );
}

fn chains_that_only_look_like_ours_stay(backend: &str) {
    let lab = Lab::up(1, backend);
    let theirs = "*filter\n:PORTMAP-GUARDIAN - [0:0]\n:PORTMAP-GUARD-17 - [0:0]\n-A PORTMAP-GUARDIAN -j PORTMAP-GUARD-17\n\
         -A FORWARD -m comment --comment \"-j PORTMAP-GUARD\" -j PORTMAP-GUARDIAN\nCOMMIT";
    lab.load_rules_of_both("host1", theirs);
    let before = lab.rules("host1", 4) + &lab.rules("host1", 6);
    lab.deploys("portmap: ['2222:22']").expect("host1", "confirmed");
    // One that nothing but a person would write: without our chain it could not be.
    lab.run("host1", "iptables -A FORWARD -p tcp --dport 9 -j PORTMAP-GUARD");
    let run = removes(&lab, "portmap: ['2222:22']", &[]);
    run.expect("host1", "confirmed");
    let warned = run.warnings("host1");
    assert!(
        warned.lines().count() == 1 && warned.ends_with("log in by port 22"),
        "{warned}"
    );
    assert_eq!(lab.rules("host1", 4) + &lab.rules("host1", 6), before);
}

fn what_is_left_without_rules_goes_as_well(backend: &str) {
    let lab = Lab::up(1, backend);
    let before = everything(&lab, "host1");
    lab.deploys("portmap: ['2222:22']").expect("host1", "confirmed");
    for tool in ["iptables", "ip6tables"] {
        lab.run(
            "host1",
            &format!("set -e; for table in nat filter; do {tool} -t $table -F; {tool} -t $table -X; done"),
        );
    }
    removes(&lab, "portmap: ['2222:22']", &[]).expect("host1", "confirmed");
    assert_eq!(everything(&lab, "host1"), before);
    lab.expect_tcp("host1", 22, Open);
}
