//! What a booted lab host is: a system of its own, with a disk that outlives its reboots.

use std::path::PathBuf;

use crate::host::{PERSISTENT, booted};
use crate::support::lab::{Controller, await_true, said};

#[test]
fn it_is_a_debian_with_systemd_that_has_nothing_failed() {
    let Some(lab) = booted(2, PERSISTENT) else { return };
    for host in lab.hosts() {
        lab.run(host, "systemctl is-system-running --wait");
        assert_eq!(lab.run(host, "cat /proc/1/comm"), "systemd\n");
        let session = said(
            lab.ssh("root", lab.address(host, 6))
                .arg("cat /proc/self/cgroup; hostname"),
        );
        assert!(
            session.contains("session-"),
            "logind knows nothing of the login: {session}"
        );
        assert!(session.contains(host), "{session}");
    }
    let ids = ["host1", "host2"].map(|host| lab.run(host, "cat /etc/machine-id"));
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_reboot_keeps_the_disk_and_nothing_else() {
    let Some(mut lab) = booted(2, PERSISTENT) else { return };
    for (host, hard) in [("host1", false), ("host2", true)] {
        lab.run(
            host,
            "touch /var/lib/kept /run/lost; echo kept >/etc/kept; iptables -A INPUT -j DROP -s 192.0.2.1",
        );
        let key = lab.run(host, "cat /etc/ssh/ssh_host_ed25519_key.pub");
        if hard {
            lab.pull_the_plug(host);
        } else {
            lab.reboot(host);
        }
        assert_eq!(
            lab.run(host, "cat /etc/kept; ls /var/lib/kept"),
            "kept\n/var/lib/kept\n"
        );
        lab.run(host, "! test -e /run/lost");
        assert_eq!(lab.run(host, "iptables-save"), "");
        assert_eq!(lab.run(host, "cat /etc/ssh/ssh_host_ed25519_key.pub"), key);
        said(lab.ssh("root", lab.address(host, 4)).arg("true"));
    }
}

#[test]
fn a_cut_link_stays_cut_over_a_reboot() {
    let Some(mut lab) = booted(1, PERSISTENT) else { return };
    lab.cut("host1");
    lab.pull_the_plug("host1");
    assert!(!lab.answers("host1", 4));
    lab.heal("host1");
    await_true("sshd answers", || lab.answers("host1", 4) && lab.answers("host1", 6));
}

/// The cgroups of a lab's hosts on this machine, and the processes in them.
fn cgroups(name: &str) -> Vec<(PathBuf, String)> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let root = mounts.lines().find(|line| line.contains(" cgroup2 ")).unwrap();
    let entries = std::fs::read_dir(root.split(' ').nth(1).unwrap()).unwrap().flatten();
    let ours = entries.filter(|entry| {
        entry
            .file_name()
            .to_string_lossy()
            .starts_with(&format!("portmap-lab-{name}-h"))
    });
    let processes = |path: PathBuf| {
        let events = std::fs::read_to_string(path.join("cgroup.events")).unwrap_or_default();
        (path, events)
    };
    ours.map(|entry| processes(entry.path())).collect()
}

#[test]
fn down_leaves_nothing_of_booted_hosts() {
    let Some(lab) = booted(2, PERSISTENT) else { return };
    let inits: Vec<_> = lab.state().hosts.iter().map(|host| host.member.init).collect();
    assert_eq!(cgroups(lab.name()).len(), 2);
    said(&mut lab.lab(&["down"]));
    assert_eq!(cgroups(lab.name()), []);
    assert!(!inits.iter().any(|init| init.is_alive()));
    assert!(!PathBuf::from(format!("/run/portmap-deploy-lab/{}", lab.name())).exists());
}

#[test]
fn booted_hosts_of_a_killed_up_end_by_themselves() {
    if booted(1, PERSISTENT).is_none() {
        return;
    }
    let controller = Controller::new();
    for milliseconds in [100, 300, 600, 900] {
        let mut up = controller.lab(&["up", "--boot", "--hosts", "2", "--packages", PERSISTENT]);
        let mut up = up
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        up.kill().unwrap();
        up.wait().unwrap();
        let is_up = PathBuf::from(format!("/run/portmap-deploy-lab/{}/lab.json", controller.name())).exists();
        await_true("all processes gone", || {
            is_up
                || cgroups(controller.name())
                    .iter()
                    .all(|(_, events)| !events.contains("populated 1"))
        });
        said(&mut controller.lab(&["down"]));
        assert_eq!(cgroups(controller.name()), []);
    }
}

#[test]
fn a_host_that_was_not_booted_cannot_be_booted_again() {
    let lab = crate::support::lab::Lab::up(1, "nft");
    let answer = lab.lab(&["reboot", "host1"]).output().unwrap();
    let said = String::from_utf8_lossy(&answer.stderr);
    assert!(!answer.status.success() && said.contains("lab up --boot"), "{said}");
}
