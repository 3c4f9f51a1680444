//! Real tools that write rules of their own: they go on working beside ours, through their reloads, reboots and our removal.

use crate::host::{NEIGHBOURS, booted};
use crate::support::deploy::Run;
use crate::support::deploy::Seen::{Open, Refused, Silent};
use crate::support::lab::Lab;
use crate::support::run::{Run as Watched, on_all, ours, rules};

const MAPPING: &str = "portmap: ['2222:22'], portmap_previous_ports: [2222]";

fn removes(lab: &Lab, host: &str) -> Run {
    let folder = lab.inventory_of(&[(host, MAPPING)]);
    let path = |name: &str| folder.join(name).display().to_string();
    lab.deploy(&["remove", "-i", &path("login.yaml"), "-i", &path("hosts.yaml")])
}

#[track_caller]
fn is_mapped(lab: &Lab, host: &str) {
    lab.expect_sshd(host, 2222);
    lab.expect_tcp(host, 22, Silent);
}

#[track_caller]
fn is_as_before(lab: &Lab, host: &str) {
    assert_eq!(lab.our_rules(host), "");
    lab.expect_sshd(host, 22);
    assert_eq!(
        lab.run(
            host,
            "find /etc -name '*portmap*'; ls -d /var/lib/portmap-deploy 2>/dev/null || :"
        ),
        ""
    );
}

#[test]
fn ufw() {
    let Some(mut lab) = booted(1, NEIGHBOURS) else { return };
    lab.run(
        "host1",
        "ufw allow 22/tcp; ufw --force enable; systemctl enable --now ufw",
    );
    let foreign = lab.foreign_rules("host1");
    lab.deploys(MAPPING).expect("host1", "confirmed");
    assert_eq!(lab.foreign_rules("host1"), foreign);
    lab.run("host1", "ufw reload");
    is_mapped(&lab, "host1");
    lab.run("host1", "ufw disable && ufw --force enable");
    is_mapped(&lab, "host1");
    lab.deploys(MAPPING).expect("host1", "unchanged");
    // Its rules are loaded before ours.
    lab.reboot("host1");
    assert_eq!(lab.foreign_rules("host1"), foreign);
    is_mapped(&lab, "host1");
    lab.deploys(MAPPING).expect("host1", "unchanged");
    removes(&lab, "host1").expect("host1", "confirmed");
    assert_eq!(lab.foreign_rules("host1"), foreign);
    is_as_before(&lab, "host1");
    lab.run("host1", "ufw reload");
    lab.expect_sshd("host1", 22);
    lab.expect_tcp("host1", 2222, Silent);
}

/// Whatever the report says is what the host runs, whole.
#[test]
fn a_firewall_started_anew_inside_the_window() {
    let Some(lab) = booted(3, NEIGHBOURS) else { return };
    let reload = [
        (
            "host1",
            "ufw allow 22/tcp; ufw --force enable",
            "ufw disable; ufw --force enable",
        ),
        (
            "host2",
            "systemctl enable --now firewalld; firewall-cmd --state",
            // It may stumble over a restart of its own.
            "firewall-cmd --reload || :",
        ),
        ("host3", "systemctl enable --now nftables", "systemctl restart nftables"),
    ];
    for (host, start, _) in reload {
        lab.run(host, start);
    }
    on_all(&lab, |host, index| {
        let folder = lab.inventory_of(&[(host, MAPPING)]);
        let path = |name: &str| folder.join(name).display().to_string();
        let (login, hosts) = (path("login.yaml"), path("hosts.yaml"));
        let mut run = Watched::start(lab.controller(&["-i", &login, "-i", &hosts, "--output", "jsonl"]));
        run.step(host, "verify");
        lab.run(host, reload[index].2);
        let ended = run.end();
        match ended.state(host) {
            "confirmed" if !ours(&rules(&lab, host)).is_empty() => is_mapped(&lab, host),
            // Confirmed, and all of it flushed by who had begun before that.
            "confirmed" | "rolled_back" => {
                lab.expect_sshd(host, 22);
                assert_eq!(ours(&rules(&lab, host)), Vec::<&str>::new(), "{ended:#?}");
            }
            _ => panic!("{ended:#?}"),
        }
        // And nothing is in the way of the next.
        lab.deploy_to(&[(host, MAPPING)], &[]);
        is_mapped(&lab, host);
    });
}

/// A ban holds on the mapped port too, whichever way fail2ban bans.
#[test]
fn fail2ban() {
    let Some(lab) = booted(2, NEIGHBOURS) else { return };
    let banned = lab.second_address(4);
    for (host, action) in [("host1", "iptables-multiport"), ("host2", "nftables-multiport")] {
        lab.run(
            host,
            &format!(
                "printf '[DEFAULT]\\nbanaction = {action}\\n[sshd]\\nenabled = true\\nbackend = systemd\\nbantime = 1d\\n' \
                 >/etc/fail2ban/jail.local; systemctl enable --now fail2ban; \
                 until fail2ban-client ping; do sleep 0.1; done; fail2ban-client set sshd banip {banned}"
            ),
        );
        let ban = |host: &str, port| {
            crate::support::lab::await_true("banned", || lab.connects_from(banned, host, port) == Refused);
        };
        ban(host, 22);
        lab.deploy_to(&[(host, MAPPING)], &[]).expect(host, "confirmed");
        ban(host, 2222);
        is_mapped(&lab, host);
        lab.run(host, "fail2ban-client reload");
        ban(host, 2222);
        is_mapped(&lab, host);
        lab.run(
            host,
            "systemctl restart fail2ban; until fail2ban-client ping; do sleep 0.1; done",
        );
        ban(host, 2222);
        lab.deploy_to(&[(host, MAPPING)], &[]);
        ban(host, 2222);
        is_mapped(&lab, host);
        removes(&lab, host).expect(host, "confirmed");
        is_as_before(&lab, host);
        ban(host, 22);
    }
}

/// It flushes all rules when it starts and when it is reloaded. After a start ours come back; after a reload the host is
/// as reachable as without us, until the next deploy.
#[test]
fn firewalld() {
    let Some(mut lab) = booted(2, NEIGHBOURS) else { return };
    for (host, backend) in [("host1", "iptables"), ("host2", "nftables")] {
        lab.run(
            host,
            &format!(
                "sed -i 's/^FirewallBackend=.*/FirewallBackend={backend}/' /etc/firewalld/firewalld.conf; \
                 systemctl enable --now firewalld; firewall-cmd --state"
            ),
        );
        let run = lab.deploy_to(&[(host, MAPPING)], &[]);
        run.expect(host, "confirmed");
        assert!(run.warnings(host).contains("firewall-cmd --reload"), "{}", run.said());
        is_mapped(&lab, host);
        lab.run(host, "systemctl restart firewalld");
        is_mapped(&lab, host);
        lab.run(host, "firewall-cmd --reload");
        lab.expect_tcp(host, 22, Open);
        lab.deploy_to(&[(host, MAPPING)], &[]).expect(host, "confirmed");
        is_mapped(&lab, host);
        lab.reboot(host);
        is_mapped(&lab, host);
        assert_eq!(
            lab.run(host, "firewall-cmd --state; systemctl --failed --quiet"),
            "running\n"
        );
        assert_eq!(lab.run(host, "journalctl -b | grep -i 'ordering cycle' || :"), "");
        lab.deploy_to(&[(host, MAPPING)], &[]).expect(host, "unchanged");
        removes(&lab, host).expect(host, "confirmed");
        is_as_before(&lab, host);
        lab.run(host, "firewall-cmd --reload; systemctl restart firewalld");
        lab.expect_sshd(host, 22);
    }
}
