//! Hosts that cannot be changed, next to hosts that can.

use std::path::PathBuf;

use crate::support::lab::Lab;
use crate::support::run::{Ended, await_true, deploy, deploy_as, logs_in, on_all, rules, run, runs_the_mapping, tidy};

const MAPPING: &str = r#"["2222:22"]"#;

/// What is wrong with a host, what comes of it, what the report must say, and the remedy.
struct Fault {
    /// Lines of sh that break the host.
    breaks: &'static str,
    /// Variables of the host.
    variables: &'static str,
    state: &'static str,
    says: &'static [&'static str],
    remedy: &'static str,
}

const WELL: Fault = Fault {
    breaks: ":",
    variables: "",
    state: "confirmed",
    says: &[],
    remedy: "",
};

/// Hosts with even places have nft, odd ones legacy.
const FAULTS: [Fault; 14] = [
    WELL,
    WELL,
    NO_IPTABLES,
    NO_IPTABLES,
    Fault {
        breaks: ":",
        variables: "ansible_user: plain\n      ansible_become: true",
        state: "failed",
        says: &["sudo", "password"],
        remedy: "NOPASSWD",
    },
    Fault {
        breaks: ":",
        variables: "ansible_user: plain",
        state: "failed",
        says: &["without root's rights"],
        remedy: "ansible_become: true",
    },
    BOTH_BACKENDS,
    BOTH_BACKENDS,
    Fault {
        breaks: "kill \"$(cat /run/sshd.pid)\"",
        variables: "",
        state: "unreachable",
        says: &[":22: connection refused", ":2222: connection refused"],
        remedy: "check that the host is up",
    },
    Fault {
        breaks: "setsid flock /run/xtables.lock sh -c 'touch /run/held; sleep 1000' </dev/null >/dev/null 2>&1 &",
        variables: "",
        state: "failed",
        says: &["xtables lock"],
        remedy: "another program",
    },
    Fault {
        breaks: ":",
        variables: "ansible_user: nobody-here",
        state: "unreachable",
        says: &["Permission denied"],
        remedy: "check ansible_user",
    },
    Fault {
        breaks: "mount -t tmpfs -o ro none /var/lib",
        variables: "",
        state: "failed",
        says: &["/var/lib/portmap-deploy", "Read-only"],
        remedy: "write access",
    },
    Fault {
        breaks: "mv /usr/bin/sudo /usr/bin/sudo.away",
        variables: "ansible_user: deploy\n      ansible_become: true",
        state: "failed",
        says: &["sudo"],
        remedy: "sudo",
    },
    Fault {
        breaks: "iptables -A INPUT -m comment --comment filler; echo 'echo hello; exec /bin/false' >/etc/profile; usermod -s /bin/false root",
        variables: "",
        state: "failed",
        says: &["the connection "],
        remedy: "",
    },
];

const NO_IPTABLES: Fault = Fault {
    breaks: "for i in /usr/sbin/ip*tables*; do mv $i $i.away; done",
    variables: "",
    state: "failed",
    says: &["iptables is not installed"],
    remedy: "apt install iptables",
};

const BOTH_BACKENDS: Fault = Fault {
    breaks: "iptables-nft -A INPUT -p tcp --dport 9 -j DROP; iptables-legacy -A INPUT -p tcp --dport 9 -j DROP",
    variables: "",
    state: "refused",
    says: &["rules are in both iptables"],
    remedy: "move them into one of them",
};

fn variables(lab: &Lab, faults: &[Fault]) -> PathBuf {
    let path = lab.home().join("faults.yaml");
    let mut text = "all:\n  hosts:\n".to_owned();
    for (host, fault) in lab.hosts().into_iter().zip(faults) {
        text.extend(["    ", host, ":\n      ", fault.variables, "\n"]);
    }
    std::fs::write(&path, text).unwrap();
    path
}

/// Everything of a host that we could have changed: files of ours (but for the ledger, which tells of the attempt), and the
/// rules of both backends.
fn state(lab: &Lab, host: &str) -> String {
    // The tools may have been taken away. A look at legacy tables that are not there would make them.
    let save = "for multi in /usr/sbin/xtables-*-multi*; do for save in iptables-save ip6tables-save; do \
        case $multi in *legacy*) grep -qs . /proc/net/ip_tables_names || continue ;; esac; \
        $multi $save 2>/dev/null; done; done || :";
    let find = "find /run/portmap-deploy /var/lib/portmap-deploy -mindepth 1 ! -name ledger 2>/dev/null; \
        find /etc/systemd/system -name '*portmap*' 2>/dev/null || :";
    tidy(&lab.run(host, save)) + &lab.run(host, find)
}

#[test]
fn every_fault_is_named_and_the_others_go_on() {
    let lab = Lab::up(FAULTS.len(), "mixed");
    on_all(&lab, |host, index| {
        drop(lab.run(host, &format!("set -e; {}", FAULTS[index].breaks)));
    });
    await_true("lock held", std::time::Duration::from_secs(10), || {
        lab.exec("host10", "test -e /run/held").status.success()
    });
    let extra = variables(&lab, &FAULTS);
    let args = ["-i", extra.to_str().unwrap(), "-T", "5s"];
    let before = on_all(&lab, |host, _| state(&lab, host));

    let ended = run(deploy(&lab, MAPPING, &args));
    let text = text_of(&lab, &args, 6);
    // Whatever is wrong, no host takes long to be found so.
    let slow = |host: &&str| ended.host(host)["seconds"].as_f64().unwrap() > 25.0;
    assert_eq!(lab.hosts().into_iter().find(slow), None, "{ended:#?}");
    for ((host, fault), before) in lab.hosts().into_iter().zip(&FAULTS).zip(&before) {
        assert_eq!(ended.state(host), fault.state, "{:#?}", ended.host(host));
        for part in fault.says {
            assert!(
                ended.reason(host).contains(part),
                "{host}: no {part:?} in {}",
                ended.reason(host)
            );
        }
        assert!(text.contains(fault.remedy), "{host}: no {:?} in\n{text}", fault.remedy);
        if fault.state == "confirmed" {
            runs_the_mapping(&lab, host);
        } else {
            assert_eq!(&state(&lab, host), before, "{host} was changed");
        }
    }
    assert_eq!(ended.code, Some(6), "{ended:#?}");
}

/// The same run for people.
fn text_of(lab: &Lab, args: &[&str], code: i32) -> String {
    let output = deploy_as(lab, "text", MAPPING, args).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

/// Runs with one more host, which the lab does not have or knows by another key.
fn with(lab: &Lab, host: &str, variables: &str) -> Ended {
    let path = lab.home().join(format!("{host}.yaml"));
    std::fs::write(&path, format!("all:\n  hosts:\n    {host}:\n      {variables}\n")).unwrap();
    run(deploy(lab, MAPPING, &["-i", path.to_str().unwrap(), "-T", "3s"]))
}

#[test]
fn an_address_with_nobody() {
    let lab = Lab::up(1, "nft");
    let silent = lab.address("host1", 4).to_string().replace(".10", ".200");
    let ended = with(&lab, "nobody", &format!("ansible_host: {silent}")).expect("nobody", "unreachable", 4);
    for port in [22, 2222] {
        assert!(
            ended.reason("nobody").contains(&format!("{silent}:{port}: ")),
            "{}",
            ended.reason("nobody")
        );
    }
    assert_eq!(ended.state("host1"), "confirmed");
    let ended = with(&lab, "nameless", "ansible_host: no.such.name.invalid").expect("nameless", "unreachable", 4);
    assert!(
        ended.reason("nameless").contains("no.such.name.invalid"),
        "{}",
        ended.reason("nameless")
    );
    assert_eq!(ended.state("host1"), "unchanged");
}

#[test]
fn host_keys_that_are_wrong_or_unknown() {
    let lab = Lab::up(3, "mixed");
    let text = std::fs::read_to_string(lab.known_hosts()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let (patterns, _) = lines[0].split_once(' ').unwrap();
    let (_, foreign_key) = lines[1].split_once(' ').unwrap();
    // host1 has host2's key, nobody knows host2, host3 is well.
    std::fs::write(lab.known_hosts(), format!("{patterns} {foreign_key}\n{}\n", lines[2])).unwrap();

    let ended = run(deploy(&lab, MAPPING, &[]));
    assert_eq!(
        (ended.state("host1"), ended.state("host2"), ended.state("host3")),
        ("unreachable", "unreachable", "confirmed")
    );
    assert_eq!(ended.code, Some(4), "{ended:#?}");
    assert!(
        ended.reason("host1").contains("HOST IDENTIFICATION HAS CHANGED"),
        "{}",
        ended.reason("host1")
    );
    assert!(
        ended.reason("host2").contains("host key is known for"),
        "{}",
        ended.reason("host2")
    );
    let said = text_of(&lab, &["-l", "host1,host2"], 4);
    for host in ["host1", "host2"] {
        assert_eq!(lab.logins(host), 0, "{host} was logged in to");
        assert!(said.contains(&lab.address(host, 4).to_string()), "{said}");
    }
    assert!(
        said.contains("HostKeyAlias=") && said.contains("ssh-keygen -R"),
        "{said}"
    );
    std::fs::write(lab.known_hosts(), text).unwrap();
    assert!(rules(&lab, "host1").trim().is_empty() && rules(&lab, "host2").trim().is_empty());
    logs_in(&lab, "host1", 22);
}
