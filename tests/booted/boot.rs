//! What a host runs after a reboot: the confirmed rules, whole, before anybody can log in, and nothing else of ours.

use std::time::Duration;

use crate::host::{PERSISTENT, booted};
use crate::support::deploy;
use crate::support::deploy::Seen::{Open, Refused, Silent};
use crate::support::lab::{Lab, said};
use crate::support::run::{Run, ours, rules};

/// Files that start us at boot.
fn units(lab: &Lab, host: &str) -> String {
    lab.run(host, "find /etc -name '*portmap*' | sort")
}

/// The warnings of a host, but for the one that the port to log in by changes.
fn of_boot(run: &deploy::Run, host: &str) -> String {
    let warnings = run.warnings(host);
    let others = warnings
        .lines()
        .filter(|line| !line.contains("by which this run logged in"));
    others.collect::<Vec<_>>().join("\n")
}

/// A host with this mapping whose next one is tried in vain: 2200 is blocked on the way, which takes a while to see.
fn trying_another(lab: &Lab, host: &str) -> Run {
    lab.block("tcp", 2200);
    let folder = lab.inventory_of(&[(host, "portmap: ['2200:22'], portmap_previous_ports: [2222]")]);
    let path = |name: &str| folder.join(name).display().to_string();
    let mut run = Run::start(lab.controller(&[
        "-i",
        &path("login.yaml"),
        "-i",
        &path("hosts.yaml"),
        "--output",
        "jsonl",
        "--rollback-after",
        "60s",
    ]));
    run.step(host, "verify");
    run
}

#[test]
fn confirmed_rules_are_there_before_sshd() {
    let Some(mut lab) = booted(2, PERSISTENT) else { return };
    let run = lab.deploy_to(
        &[
            ("host1", "portmap: ['2222:22']"),
            (
                "host2",
                "portmap: ['2222:22', {port: 53, to_port: 5353, protocol: udp, loopback: true}]",
            ),
        ],
        &[],
    );
    run.expect("host1", "confirmed").expect("host2", "confirmed");
    assert_eq!(of_boot(&run, "host1"), "");
    let hook = "mkdir -p /etc/systemd/system/ssh.service.d; printf '%s\\n' '[Service]' \
        'ExecStartPre=/bin/sh -c \"iptables-save >/var/at-sshd; ip6tables-save >>/var/at-sshd\"' \
        >/etc/systemd/system/ssh.service.d/look.conf";
    let before = ["host1", "host2"].map(|host| {
        lab.run(host, hook);
        rules(&lab, host)
    });
    lab.pull_the_plug("host1");
    lab.reboot("host2");
    for (host, before) in ["host1", "host2"].into_iter().zip(before) {
        assert_eq!(rules(&lab, host), before);
        let at_sshd = lab.run(host, "cat /var/at-sshd");
        assert_eq!(crate::support::run::tidy(&at_sshd), before, "{host} when sshd started");
        let order = lab.run(
            host,
            "for unit in portmap-deploy network-pre.target ssh; do \
                systemctl show -P InactiveExitTimestampMonotonic $unit; done; \
             systemctl show -P ActiveEnterTimestampMonotonic portmap-deploy; \
             systemctl show -P Result portmap-deploy; systemctl --failed --quiet; journalctl -b | grep -i cycle || :",
        );
        let order: Vec<&str> = order.lines().collect();
        assert_eq!(order.get(4..), Some(&["success"][..]), "{order:?}");
        let time = |line: usize| order[line].parse::<u64>().unwrap();
        assert!(time(3) > 0 && time(3) <= time(1) && time(3) <= time(2), "{order:?}");
        lab.expect_sshd(host, 2222);
        lab.expect_tcp(host, 22, Silent);
    }
    lab.deploys("portmap: ['2222:22']")
        .expect("host1", "unchanged")
        .expect_logins("host1", 1);
}

/// The generation is on a file system of its own; it does not load in one family; the host's iptables is the legacy one.
#[test]
fn what_makes_a_boot_hard() {
    let Some(mut lab) = booted(3, PERSISTENT) else { return };
    lab.run(
        "host3",
        "for tool in iptables ip6tables; do update-alternatives --set $tool /usr/sbin/$tool-legacy; done",
    );
    let mapping = "portmap: ['2222:22']";
    let run = lab.deploy_to(&[("host1", mapping), ("host2", mapping), ("host3", mapping)], &[]);
    assert_eq!(run.code, Some(0), "{}", run.said());
    let before = ["host1", "host3"].map(|host| rules(&lab, host));
    lab.run(
        "host1",
        "mv /var/lib/portmap-deploy /srv/state; mkdir /var/lib/portmap-deploy; \
         echo '/srv/state /var/lib/portmap-deploy none bind' >>/etc/fstab",
    );
    lab.run(
        "host2",
        "sed -i s/REDIRECT/NOTHING/ /var/lib/portmap-deploy/gen-*/4.boot.1.*",
    );
    for host in ["host1", "host2", "host3"] {
        lab.pull_the_plug(host);
    }
    assert_eq!(["host1", "host3"].map(|host| rules(&lab, host)), before);
    lab.run("host1", "mountpoint /var/lib/portmap-deploy");
    assert!(lab.run("host3", "iptables -V").contains("legacy"));
    // A guard without mappings would have closed the way in.
    assert_eq!(lab.connects("host2", 4, 22), Open);
    assert_eq!(
        (lab.connects("host2", 6, 22), lab.connects("host2", 6, 2222)),
        (Silent, Open)
    );
    assert_eq!(lab.run("host2", "systemctl is-failed portmap-deploy"), "failed\n");
    lab.deploy_to(&[("host2", mapping)], &[]).expect("host2", "confirmed");
}

#[test]
fn a_reboot_inside_the_window_is_a_rollback() {
    let Some(mut lab) = booted(2, PERSISTENT) else { return };
    lab.deploy_to(&[("host1", "portmap: ['2222:22']")], &[])
        .expect("host1", "confirmed");
    let before = ["host1", "host2"].map(|host| rules(&lab, host));
    let files = units(&lab, "host2");
    let mut runs = ["host1", "host2"].map(|host| trying_another(&lab, host)).into_iter();
    lab.pull_the_plug("host1");
    lab.pull_the_plug("host2");
    for (host, old) in ["host1", "host2"].into_iter().zip(before) {
        let ended = runs.next().unwrap().end().expect(host, "rolled_back", 2);
        assert_eq!(ended.host(host)["rolled_back_by"], "reboot", "{ended:#?}");
        assert_eq!(rules(&lab, host), old);
    }
    lab.expect_sshd("host1", 2222);
    lab.expect_tcp("host1", 22, Silent);
    lab.expect_tcp("host2", 22, Open);
    assert_eq!(units(&lab, "host2"), files, "a host that never confirmed keeps nothing");
    lab.unblock();
    lab.deploys("portmap: ['2200:22'], portmap_previous_ports: [2222]")
        .expect("host1", "confirmed");
    lab.expect_sshd("host1", 2200);
}

/// What is not confirmed does not stay because another tool has saved it; what is confirmed is there once.
#[test]
fn what_netfilter_persistent_saved_is_put_right() {
    let Some(mut lab) = booted(2, PERSISTENT) else { return };
    let foreign = "iptables -A INPUT -s 192.0.2.9 -j DROP; ip6tables -A INPUT -s 2001:db8::9 -j DROP";
    for host in lab.hosts() {
        lab.run(host, foreign);
        lab.run(host, "systemctl enable netfilter-persistent");
    }
    lab.deploy_to(&[("host1", "portmap: ['2222:22']")], &[])
        .expect("host1", "confirmed");
    let before = ["host1", "host2"].map(|host| rules(&lab, host));
    let mut runs = ["host1", "host2"].map(|host| trying_another(&lab, host)).into_iter();
    for host in ["host1", "host2"] {
        lab.run(
            host,
            "netfilter-persistent save && grep -q PORTMAP- /etc/iptables/rules.v4",
        );
    }
    lab.pull_the_plug("host1");
    lab.pull_the_plug("host2");
    for (host, old) in ["host1", "host2"].into_iter().zip(before) {
        let ended = runs.next().unwrap().end().expect(host, "rolled_back", 2);
        assert_eq!(ended.host(host)["rolled_back_by"], "reboot", "{ended:#?}");
        assert_eq!(rules(&lab, host), old, "{host}");
        assert_eq!(lab.run(host, "systemctl --failed --quiet"), "");
    }
    assert_eq!(ours(&rules(&lab, "host2")), Vec::<&str>::new());
    // Saved as they are to be: loaded twice, there once.
    lab.run("host1", "netfilter-persistent save");
    let run = lab.deploys("portmap: ['2222:22']");
    run.expect("host1", "unchanged");
    assert!(
        run.warnings("host1")
            .contains("/etc/iptables/rules.v4, /etc/iptables/rules.v6"),
        "{}",
        run.said()
    );
    let confirmed = rules(&lab, "host1");
    lab.pull_the_plug("host1");
    assert_eq!(rules(&lab, "host1"), confirmed);
    lab.expect_sshd("host1", 2222);
    lab.expect_tcp("host1", 22, Silent);
}

#[test]
fn nothing_starts_at_boot_any_more_once_removed() {
    let Some(mut lab) = booted(1, PERSISTENT) else { return };
    let everything = |lab: &Lab| {
        let files = lab.run("host1", "find /etc /var/lib/portmap-deploy /run/portmap-deploy ! -type d -printf '%p %s %T@\\n' 2>/dev/null | sort; find /etc -type d | sort");
        format!("{files}{}", rules(lab, "host1"))
    };
    let before = everything(&lab);
    lab.deploys("portmap: ['2222:22']").expect("host1", "confirmed");
    lab.pull_the_plug("host1");
    lab.run("host1", "systemctl is-active portmap-deploy");
    let folder = lab.inventory_of(&[("host1", "portmap: ['2222:22']")]);
    let path = |name: &str| folder.join(name).display().to_string();
    let run = lab.deploy(&["remove", "-i", &path("login.yaml"), "-i", &path("hosts.yaml")]);
    run.expect("host1", "confirmed");
    assert_eq!(of_boot(&run, "host1"), "");
    assert_eq!(everything(&lab), before);
    lab.run(
        "host1",
        "! systemctl is-active portmap-deploy; ! systemctl cat portmap-deploy",
    );
    lab.pull_the_plug("host1");
    assert_eq!(rules(&lab, "host1"), "\n");
    lab.expect_tcp("host1", 2222, Refused);
}

#[test]
fn a_start_at_boot_that_is_gone_is_mended_and_one_that_cannot_be_is_told() {
    let Some(lab) = booted(3, PERSISTENT) else { return };
    let mapping = "portmap: ['2222:22']";
    let all = [("host1", mapping), ("host2", mapping), ("host3", mapping)];
    lab.run(
        "host3",
        "mount --bind /etc/systemd /etc/systemd; mount -o remount,bind,ro /etc/systemd",
    );
    let run = lab.deploy_to(&all, &[]);
    assert_eq!(run.code, Some(0), "{}", run.said());
    assert_eq!(of_boot(&run, "host1"), "");
    assert!(
        run.warnings("host3").contains("Read-only file system"),
        "{}",
        run.said()
    );
    let unit = "/etc/systemd/system/portmap-deploy.service";
    lab.run("host1", "systemctl disable portmap-deploy");
    lab.run("host2", &format!("rm {unit}; systemctl mask portmap-deploy"));
    let run = lab.deploy_to(&all, &[]);
    assert_eq!(
        ["host1", "host2", "host3"].map(|host| run.state(host)),
        ["unchanged"; 3],
        "{}",
        run.said()
    );
    assert_eq!(of_boot(&run, "host1"), "");
    assert_eq!(lab.run("host1", "systemctl is-enabled portmap-deploy"), "enabled\n");
    assert!(run.warnings("host2").contains("masked"), "{}", run.said());
    assert!(
        run.warnings("host3").contains("Read-only file system"),
        "{}",
        run.said()
    );
    lab.run("host3", "umount /etc/systemd");
    let files = lab.files("host1");
    let run = lab.deploy_to(&all, &[]);
    assert_eq!(of_boot(&run, "host3"), "", "{}", run.said());
    assert_eq!(lab.files("host1"), files, "what is as it should be is not written");
}

/// PID 1 owns the timer, so neither logind's cleaning up after sessions nor sshd's restart ends it.
#[test]
fn the_timer_outlives_its_session_its_files_and_its_own_death() {
    let Some(lab) = booted(3, PERSISTENT) else { return };
    for host in lab.hosts() {
        lab.run(
            host,
            "printf '[Login]\\nKillUserProcesses=yes\\n' >/etc/systemd/logind.conf; systemctl restart systemd-logind",
        );
    }
    // Kills, once, whoever undoes.
    lab.run(
        "host3",
        "printf '%s\\n' '#!/bin/sh' 'case $(cat /proc/self/cgroup) in *portmap-rollback*) [ -e /var/killed ] || \
         { : >/var/killed; systemctl kill -s KILL \"portmap-rollback-*.service\"; } ;; esac' \
         'exec /usr/sbin/iptables-restore \"$@\"' >/usr/local/sbin/iptables-restore; chmod 755 /usr/local/sbin/iptables-restore",
    );
    lab.block("tcp", 2200);
    let old: Vec<_> = lab.hosts().into_iter().map(|host| rules(&lab, host)).collect();
    for host in lab.hosts() {
        let mut run = Run::start(crate::support::run::deploy(
            &lab,
            r#"["2200:22"]"#,
            &["-l", host, "--rollback-after", "12s"],
        ));
        run.step(host, "verify");
        let timers = lab.run(host, "systemctl list-timers --all --no-legend 'portmap-rollback-*'");
        assert_eq!(timers.lines().count(), 1, "{timers}");
        assert!(!ours(&rules(&lab, host)).is_empty());
        run.kill();
        match host {
            "host1" => lab.run(host, "systemctl restart ssh; loginctl terminate-user root || :"),
            "host2" => lab.run(host, "rm -rf /run/portmap-deploy"),
            _ => String::new(),
        };
    }
    for (host, old) in lab.hosts().into_iter().zip(old) {
        crate::support::run::await_true(host, Duration::from_secs(30), || rules(&lab, host) == old);
        crate::support::run::await_true("tidy", Duration::from_secs(10), || {
            lab.run(host, "systemctl list-units --no-legend 'portmap-rollback-*'")
                .is_empty()
        });
    }
    lab.run("host3", "test -e /var/killed");
    said(lab.ssh("root", lab.address("host1", 4)).arg("true"));
}

/// A timer of PID 1 that is given more time goes on as PID 1's, ends the change in the end, and holds up no shutdown.
#[test]
fn more_time_is_given_where_pid_1_has_the_timer() {
    let Some(mut lab) = booted(3, PERSISTENT) else { return };
    let old: Vec<_> = ["host1", "host2", "host3"]
        .iter()
        .map(|host| rules(&lab, host))
        .collect();
    let hosts = ["host1", "host2", "host3"].map(|host| (host, "portmap: ['2200:22'], portmap_previous_ports: [2200]"));
    let manual = ["--confirm", "manual", "--rollback-after", "6s"];
    let run = lab.deploy_to(&hosts, &manual);
    assert_eq!(
        ["host1", "host2", "host3"].map(|host| run.state(host).to_owned()),
        ["pending"; 3],
        "{}",
        run.said()
    );
    let folder = lab.inventory_of(&hosts);
    let (login, hosts) = (folder.join("login.yaml"), folder.join("hosts.yaml"));
    let (login, hosts) = (login.display().to_string(), hosts.display().to_string());
    let call =
        |lab: &Lab, words: &[&str]| lab.deploy(&[&words[..1], &["-i", &login, "-i", &hosts], &words[1..]].concat());
    let run = call(&lab, &["extend", "--by", "8s"]);
    assert_eq!(
        ["host1", "host2", "host3"].map(|host| run.state(host).to_owned()),
        ["pending"; 3],
        "{}",
        run.said()
    );
    // All timers have fired by then.
    std::thread::sleep(Duration::from_secs(7));
    for host in lab.hosts() {
        assert!(!ours(&rules(&lab, host)).is_empty(), "{host}");
        let services = lab.run(
            host,
            "systemctl list-units --no-legend --state=running 'portmap-rollback-*.service'",
        );
        assert_eq!(services.lines().count(), 1, "{host}: {services}");
    }
    let confirmed = call(&lab, &["confirm", "-l", "host2"]);
    assert_eq!(confirmed.state("host2"), "confirmed", "{}", confirmed.said());
    let began = std::time::Instant::now();
    lab.reboot("host3");
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    for (host, old) in [("host1", &old[0]), ("host3", &old[2])] {
        crate::support::run::await_true(host, Duration::from_secs(15), || rules(&lab, host) == *old);
    }
    lab.expect_sshd("host2", 2200);
    for host in lab.hosts() {
        let none = || {
            let units = "systemctl list-units --no-legend --state=running 'portmap-rollback-*.service'";
            lab.run(host, units).is_empty()
        };
        crate::support::run::await_true("no timer is left", Duration::from_secs(10), none);
    }
}
