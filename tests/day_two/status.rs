//! `portmap-deploy status` on lab hosts: every state there is, and nothing changed by looking.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use crate::support::deploy::Run as Said;
use crate::support::lab::{Lab, PROGRAM};
use crate::support::run::Run;
use rustix::process::{Pid, Signal, kill_process};

crate::on_both_backends!(every_state_is_told_and_nothing_is_changed);

const MAPPED: &str = "portmap: ['80:8080']";

/// `host5` is asked for something else since.
const HOSTS: [(&str, &str); 8] = [
    ("host1", MAPPED),
    ("host2", MAPPED),
    ("host3", MAPPED),
    ("host4", MAPPED),
    ("host5", "portmap: ['80:8081', '443:8443']"),
    ("host6", MAPPED),
    ("host7", MAPPED),
    ("host8", MAPPED),
];

/// `status` of these hosts with these arguments.
fn status(lab: &Lab, hosts: &[(&str, &str)], args: &[&str]) -> std::process::Command {
    let mut command = lab.controller(&["status", "--timeout", "3"]);
    command.args(inventory(lab, hosts)).args(args);
    command
}

fn inventory(lab: &Lab, hosts: &[(&str, &str)]) -> Vec<String> {
    let folder = lab.inventory_of(hosts);
    let path = |name: &str| folder.join(name).display().to_string();
    ["-i".to_owned(), path("login.yaml"), "-i".to_owned(), path("hosts.yaml")].into()
}

fn said(mut command: std::process::Command) -> Said {
    Said::read(&command.output().unwrap(), Duration::ZERO)
}

/// Everything that a look could touch on a host.
fn traces(lab: &Lab, host: &str) -> String {
    let rules = lab.rules(host, 4) + &lab.rules(host, 6);
    let kept = lab.run(
        host,
        "cat /var/lib/portmap-deploy/* /run/portmap-deploy/* 2>/dev/null || :",
    );
    rules + &lab.files(host) + &kept
}

/// A deploy whose controller is killed once the host's timer runs: nobody confirms it.
fn leave_pending(lab: &Lab, host: &str) {
    let mut deploy = lab.controller(&["--rollback-after", "10m", "--output", "jsonl"]);
    deploy.args(inventory(lab, &[(host, "portmap: ['80:8080', '81:8081']")]));
    let mut run = Run::start(deploy);
    run.until("an armed timer", |event| event["event"] == "timer_armed");
    run.kill();
}

/// What was said of a host: its state, and all that explains it in one line.
fn told(run: &Said, host: &str) -> (String, String) {
    let said = run.host(host);
    let explained = [&said["reasons"], &said["blame"], &said["differences"], &said["pending"]];
    let explained = explained.map(ToString::to_string).join(" ");
    (run.state(host).to_owned(), explained)
}

fn every_state_is_told_and_nothing_is_changed(backend: &str) {
    let lab = Lab::up(8, backend);
    let deployed: Vec<_> = HOSTS[..6].iter().map(|(host, _)| (*host, MAPPED)).collect();
    let run = lab.deploy_to(&deployed, &[]);
    let run_id = run.expect("host1", "confirmed").json["run_id"]
        .as_str()
        .unwrap()
        .to_owned();
    lab.run("host2", "iptables -t nat -F");
    lab.run(
        "host3",
        "rule=$(iptables -S INPUT | grep PORTMAP-GUARD) && iptables -D ${rule#-A}",
    );
    lab.run("host4", "ip6tables -A PORTMAP-GUARD-000001 -p tcp --dport 9 -j DROP");
    leave_pending(&lab, "host6");
    lab.cut("host8");

    let looked = || HOSTS.map(|(host, _)| (traces(&lab, host), lab.logins(host)));
    let before = looked();
    let file = lab.home().join("hosts.json");
    let run = said(status(
        &lab,
        &HOSTS,
        &["--output", "json", "--output-file", file.to_str().unwrap()],
    ));
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{}", run.said());
    let json = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let run = Said { json, ..run };
    for (((host, _), before), after) in HOSTS.iter().zip(&before).zip(&looked()) {
        assert_eq!(before.0, after.0, "{host} was touched");
        assert_eq!(after.1 - before.1, usize::from(*host != "host8"), "logins to {host}");
    }
    for (host, state, says) in [
        ("host1", "in_sync", "[] null [] null"),
        ("host2", "drifted", "IPv4: the nat table was flushed"),
        ("host3", "drifted", "IPv4: no jump to PORTMAP-GUARD at the top of INPUT"),
        ("host4", "drifted", "`-p tcp -m tcp --dport 9 -j DROP` is too much"),
        (
            "host5",
            "outdated",
            "[\"~ tcp 80 → 8081 (was 8080)\",\"+ tcp 443 → 8443\"]",
        ),
        ("host6", "pending", "\"seconds_left\""),
        ("host7", "never_deployed", "nothing of portmap-deploy"),
        ("host8", "unreachable", "no way in"),
    ] {
        let (found, explained) = told(&run, host);
        assert!(found == state && explained.contains(says), "{host}: {}", run.said());
        if state == "drifted" {
            assert!(explained.contains("\"not by portmap-deploy\""), "{explained}");
        }
    }
    assert_eq!(
        (
            run.host("host1")["generation"].as_u64(),
            run.host("host1")["run_id"].as_str()
        ),
        (Some(1), Some(run_id.as_str()))
    );
    assert_eq!(run.json["totals"]["drifted"], 3);
    a_change_is_told(&lab);
    the_forms_agree(&lab);
}

/// Where there is no terminal, only what changes is told, and the last look counts.
fn a_change_is_told(lab: &Lab) {
    let logins = lab.logins("host1");
    // Bounded, should nobody end it.
    let mut watch = lab.command("timeout");
    watch.args(["30", PROGRAM, "status", "--watch", "1s"]);
    watch.args(inventory(lab, &HOSTS[..1]));
    let mut child = watch.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first: Vec<String> = lines.by_ref().take_while(|line| !line.contains("1 host in")).collect();
    assert!(first.iter().any(|line| line.starts_with("host1  in sync")), "{first:?}");
    lab.run("host1", "iptables -F PORTMAP-PREROUTING -t nat");
    let change = lines.next().unwrap();
    assert!(
        change.contains(" host1: in sync → drifted: IPv4: PORTMAP-PREROUTING (nat) is empty"),
        "{change}"
    );
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert_eq!(lines.next(), None, "nothing else has changed");
    assert!(lab.logins("host1") - logins >= 2, "one login a look");
}

/// Of hosts that are reached at once.
fn the_forms_agree(lab: &Lab) {
    let hosts = [HOSTS[2], HOSTS[6]];
    let of = |form: &str| said(status(lab, &hosts, &["--output", form])).stdout;
    let xml = of("junit");
    assert!(
        xml.contains(r#"tests="2" skipped="0" failures="2" errors="0""#) && xml.contains(r#"type="never_deployed""#),
        "{xml}"
    );
    let text = of("prometheus");
    for line in [
        "# TYPE portmap_host_state gauge",
        r#"portmap_host_state{host="host3",state="drifted"} 1"#,
        r#"portmap_host_state{host="host7",state="drifted"} 0"#,
        r#"portmap_host_generation{host="host3"} 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    let lines = of("jsonl");
    let ended: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!((&ended["event"], &ended["exit_code"]), (&"finished".into(), &2.into()));
    assert_eq!(lines.lines().count(), 3);
}
