//! Hosts that another init than systemd boots: the same as with it.

use crate::host::{OPENRC, SYSV, booted};
use crate::support::deploy::Seen::{Open, Silent};
use crate::support::run::rules;

/// What sshd's own start finds in force.
const LOOK: &str = "sed -i '2i iptables-save >/var/at-sshd; ip6tables-save >>/var/at-sshd' /etc/init.d/ssh";

fn survives(packages: &str) {
    let Some(mut lab) = booted(1, packages) else { return };
    assert_eq!(lab.run("host1", "cat /proc/1/comm"), "init\n");
    let units = |lab: &crate::support::lab::Lab| lab.run("host1", "find /etc -name '*portmap*'");
    let run = lab.deploys("portmap: ['2222:22']");
    run.expect("host1", "confirmed");
    assert!(!run.warnings("host1").contains("a reboot of"), "{}", run.said());
    let before = rules(&lab, "host1");
    lab.run("host1", LOOK);
    for hard in [false, true] {
        lab.run("host1", "rm -f /var/at-sshd");
        if hard {
            lab.pull_the_plug("host1");
        } else {
            lab.reboot("host1");
        }
        assert_eq!(rules(&lab, "host1"), before);
        assert_eq!(
            crate::support::run::tidy(&lab.run("host1", "cat /var/at-sshd")),
            before,
            "when sshd started"
        );
        lab.expect_sshd("host1", 2222);
        lab.expect_tcp("host1", 22, Silent);
    }
    let run = lab.deploys("portmap: ['2222:22']");
    run.expect("host1", "unchanged");
    let folder = lab.inventory_of(&[("host1", "portmap: []")]);
    let path = |name: &str| folder.join(name).display().to_string();
    let run = lab.deploy(&["remove", "-i", &path("login.yaml"), "-i", &path("hosts.yaml")]);
    run.expect("host1", "confirmed");
    assert_eq!(units(&lab), "");
    lab.pull_the_plug("host1");
    assert_eq!(rules(&lab, "host1"), "\n");
    lab.expect_tcp("host1", 22, Open);
}

#[test]
fn openrc() {
    survives(OPENRC);
}

#[test]
fn sysv() {
    survives(SYSV);
}
