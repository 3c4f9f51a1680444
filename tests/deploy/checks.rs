//! What a playbook wants to hold before a change stays: every kind of check, good and bad, on the real kernel.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use super::privilege::{PASSWORD, prepare};
use super::support::deploy::Run;
use super::support::deploy::Seen::{Open, Silent};
use super::support::lab::{Lab, await_true};
use super::support::run::Run as RunningRun;

/// An answer of a server that says it before it was asked; whoever serves it adds the last line's end.
const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nwell!";
const UNWELL: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r";
const ELSEWHERE: &str = "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.7/\r\nContent-Length: 0\r\n\r";

/// A playbook that gives each host the checks of its variable `wanted`.
pub(super) const EACH_ITS_OWN: &str = "\
- hosts: tested
  portmap: ['2222:22', '80:8080']
  verify: '{{ wanted }}'
";

/// An inventory of hosts, each with its own checks, and a playbook: arguments of the program.
pub(super) fn files(lab: &Lab, hosts: &[(&str, String)], playbook: &str) -> Vec<String> {
    let hosts: Vec<(&str, &str)> = hosts
        .iter()
        .map(|(host, variables)| (*host, variables.as_str()))
        .collect();
    let folder = lab.inventory_of(&hosts);
    fs::write(folder.join("site.yaml"), playbook).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    ["-i", &path("login.yaml"), "-i", &path("hosts.yaml"), &path("site.yaml")]
        .map(str::to_owned)
        .to_vec()
}

pub(super) fn run(lab: &Lab, command: &[&str], files: &[String], args: &[&str]) -> Run {
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    lab.deploy(&[command, &files, args].concat())
}

/// Whether a program with these words runs anywhere.
fn runs(words: &str) -> bool {
    let found = Command::new("pgrep").args(["-f", words]).output().unwrap();
    found.status.success()
}

/// A script that fails the first time.
fn fails_once(lab: &Lab) -> PathBuf {
    let script = lab.home().join("fails once");
    let mark = lab.home().join("tried");
    let text = format!("#!/bin/sh\n[ -e '{0}' ] || {{ >'{0}'; exit 1; }}\n", mark.display());
    fs::write(&script, text).unwrap();
    lab.command("chmod").arg("755").arg(&script).status().unwrap();
    script
}

#[test]
fn what_holds_is_confirmed() {
    let lab = Lab::up(3, "mixed");
    let _web = ["host1", "host2", "host3"].map(|host| lab.serve(host, 8080, GOOD));
    prepare(&lab, "host2", ":");
    prepare(&lab, "host3", "sudoers 'Defaults requiretty'");
    let script = fails_once(&lab);
    let address = lab.address("host1", 4);
    let environment = format!("[ \"$PORTMAP_HOST $PORTMAP_ADDRESS $PORTMAP_PORT\" = \"host1 {address} 2222\" ]");
    let mut all = String::from("wanted: [ssh, {tcp: 80}, {tcp: 2222}, {closed: 8080, timeout: 1100ms}, {closed: 81}");
    for (http, more) in [
        (format!("url: 'http://{address}/?token=hidden'"), "contains: 'well!'"),
        (format!("url: 'http://{address}'"), "status: [204, 200]"),
    ] {
        write!(all, ", {{http: {{{http}, {more}}}}}").unwrap();
    }
    for command in [environment, "! read -r line".to_owned()] {
        write!(all, ", {{command: {}}}", serde_json::json!(["sh", "-c", command])).unwrap();
    }
    write!(
        all,
        ", {{command: {}, retries: 1, delay: 100ms}}",
        serde_json::json!([script])
    )
    .unwrap();
    let root =
        r#"{remote_command: [sh, -c, '[ "$(id -u) $1" = "0 é''s \$HOME" ] && ! read -r line', sh, "é's $HOME"]}"#;
    // What it leaves running holds its output open.
    let lingering = "{remote_command: [sh, -c, 'sleep 3 & echo left']}";
    let secret = serde_json::Value::from(PASSWORD);
    let by_sudo = format!(
        "wanted: [{root}, {lingering}], ansible_user: deploy, ansible_become: true, ansible_become_password: {secret}"
    );
    let hosts = [
        ("host1", format!("{all}, {root}, {lingering}]")),
        ("host2", by_sudo.clone()),
        ("host3", by_sudo),
    ];
    let files = files(&lab, &hosts, EACH_ITS_OWN);
    let run = run(&lab, &[], &files, &["--rollback-after", "45s", "-vv"]);
    for (host, _) in hosts {
        assert_eq!(run.state(host), "confirmed", "{}", run.said());
        run.expect_logins(host, 2).expect_mappings(host, "80", "open", "closed");
        lab.expect_sshd(host, 2222);
        lab.expect_tcp(host, 22, Silent);
    }
    assert!(!run.said().contains("hidden"), "{}", run.said());
    assert!(
        run.stderr.contains("checks: ssh, tcp 80, tcp 2222 and "),
        "{}",
        run.said()
    );
    assert!(
        run.stderr.contains("fails once again: exit status: 1"),
        "{}",
        run.said()
    );
    assert!(run.elapsed < Duration::from_secs(9), "{:?}", run.elapsed);
}

/// What is checked, and the end of the host's reason.
const BAD: [(&str, &str); 12] = [
    ("{tcp: 81, timeout: 1}", "check `tcp 81` failed: connection refused"),
    (
        "{tcp: 8080, timeout: 300ms}",
        "check `tcp 8080` failed: no answer within 0.3 s",
    ),
    (
        "{closed: 80, timeout: 1}",
        "check `closed 80` failed: it can be connected to",
    ),
    (
        "{http: {url: 'http://ann:pass@{{ ansible_host }}/a?token=hidden'}, retries: 2, delay: 50ms, timeout: 500ms}",
        "/a` failed: status 503, not 200 (3 tries)",
    ),
    (
        "{http: {url: 'http://{{ ansible_host }}/'}, timeout: 1}",
        "failed: status 302, not 200",
    ),
    (
        "{http: {url: 'http://{{ ansible_host }}/', contains: 'sick'}, timeout: 1}",
        "failed: the answer (6 bytes) does not hold what `contains` asks for",
    ),
    (
        "{http: {url: 'http://{{ ansible_host }}/'}, timeout: 500ms}",
        "failed: no whole answer within 0.5 s",
    ),
    (
        "{command: [sh, -c, 'echo out; echo bad news >&2; exit 3'], timeout: 1}",
        "check `command sh` failed: exit status: 3: bad news",
    ),
    (
        "{command: [sh, -c, 'sleep 31415.1 & exec sleep 31415.1'], timeout: 1500ms}",
        "failed: it did not end within 1.5 s",
    ),
    (
        "{remote_command: [sh, -c, 'echo first; echo last; exit 4'], timeout: 1}",
        "check `remote_command sh` failed: exit status: 4: last",
    ),
    (
        "{remote_command: [sh, -c, 'sleep 31415.2 & sleep 31415.2'], timeout: 1500ms}",
        "failed: it did not end within 1.5 s",
    ),
    (
        "{command: /no/such/program, timeout: 1}",
        "failed: it cannot be run here: No such file or directory (os error 2)",
    ),
];

#[test]
fn what_does_not_hold_is_rolled_back() {
    let lab = Lab::up(BAD.len(), "mixed");
    let names: Vec<String> = lab.hosts().into_iter().map(str::to_owned).collect();
    let answers = [(4, UNWELL), (5, ELSEWHERE), (6, GOOD)];
    let _web: Vec<_> = answers
        .into_iter()
        .map(|(host, answer)| lab.serve(&format!("host{host}"), 8080, answer))
        .collect();
    // Connections come about, and nobody ever answers.
    let _hanging: Vec<TcpListener> = ["host3", "host7"]
        .map(|host| lab.inside(host, || TcpListener::bind("[::]:8080").unwrap()))
        .into();
    let hosts: Vec<_> = names
        .iter()
        .zip(BAD)
        .map(|(host, (check, _))| (host.as_str(), format!("wanted: [{check}]")))
        .collect();
    let files = files(&lab, &hosts, EACH_ITS_OWN);
    let run = run(&lab, &[], &files, &["--rollback-after", "9s", "--forks", "20"]);
    assert_eq!(run.code, Some(2), "{}", run.said());
    for (host, (check, reason)) in names.iter().zip(BAD) {
        assert_eq!(run.state(host), "rolled_back", "{check}: {}", run.said());
        assert!(run.reason(host).ends_with(reason), "{check}: {}", run.said());
        assert_eq!(
            run.host(host)["rolled_back_by"],
            "controller",
            "{check}: {}",
            run.said()
        );
        run.expect_mappings(host, "2222", "open", "closed");
        assert_eq!(lab.our_rules(host), "", "{check}");
        lab.expect_tcp(host, 22, Open);
    }
    assert!(
        !run.said().contains("hidden") && !run.said().contains("pass"),
        "{}",
        run.said()
    );
    for words in ["sleep 31415.1", "sleep 31415.2"] {
        await_true("no program of a check is left", || !runs(words));
    }
}

/// With one place for logins three hosts have their rounds side by side all the same.
#[test]
fn what_turns_bad_while_it_soaks_is_found() {
    let lab = Lab::up(3, "mixed");
    let mut web: Vec<_> = lab
        .hosts()
        .into_iter()
        .map(|host| lab.serve(host, 8080, host))
        .collect();
    let wanted = "wanted: [ssh, {tcp: 80, timeout: 1}, {remote_command: 'true', timeout: 1}]".to_owned();
    let hosts: Vec<_> = lab.hosts().into_iter().map(|host| (host, wanted.clone())).collect();
    let files = files(&lab, &hosts, EACH_ITS_OWN);
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let more = ["--soak", "6s", "--forks", "1", "--output", "jsonl"];
    let mut run = RunningRun::start(lab.controller(&[&files, &more[..]].concat()));
    run.until("soak_started", |event| event["event"] == "soak_started");
    let began = Instant::now();
    // Two of the deploy; a third by which soaking begins; and by then a round is over.
    await_true("a first round", || lab.logins("host2") >= 3);
    std::thread::sleep(Duration::from_millis(500));
    drop(web.remove(1));
    run.until("soak_finished", |event| event["event"] == "soak_finished");
    let elapsed = began.elapsed();
    let run = run.end();
    assert_eq!(run.code, Some(2), "{run:#?}");
    let unhealthy = run
        .events
        .iter()
        .find(|event| event["event"] == "host_unhealthy")
        .unwrap();
    assert_eq!(
        (&unhealthy["host"], &unhealthy["state"]),
        (&"host2".into(), &"unhealthy".into())
    );
    assert_eq!(unhealthy["reason"], "check `tcp 80` failed: connection refused");
    assert!((6..9).contains(&elapsed.as_secs()), "{elapsed:?}");
    for host in ["host1", "host3"] {
        assert_eq!(run.state(host), "confirmed");
        let rounds = lab.logins(host) - 2;
        assert!((2..=4).contains(&rounds), "{host}: {rounds} rounds");
    }
    for host in lab.hosts() {
        lab.expect_sshd(host, 2222);
        lab.expect_tcp(host, 22, Silent);
    }
}
