//! `trace` as it is called: on files, in JSON and in text, and on a live host.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::lab::Lab;

const RULES: &str = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 22\nCOMMIT\n\
    *filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctorigdstport 2222 -j ACCEPT\nCOMMIT\n";

/// Rules in a file of a folder that goes with the handle.
fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.v4");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn program(args: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_portmap-deploy"));
    program
        .args(args)
        .env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    program
}

fn fed(args: &[&str], input: &[u8]) -> Output {
    let mut child = program(args).spawn().unwrap();
    // A program that reads nothing closes its end.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_line_is_answered_in_its_order_whatever_it_is() {
    let (_folder, path) = file(RULES);
    let input = b"{\"proto\":\"tcp\",\"dport\":2222}\n{\"proto\":\"tcp\",\"dport\":22}\nnothing\n\n\xff\xfe\n{\"proto\":\"udp\",\"dport\":2222}\n{\"proto\":6,\"dport\":2222,\"family\":6,\"dst\":\"2001:db8::1\"}";
    let answers = lines(&fed(&["trace", "--rules", path.to_str().unwrap(), "--json"], input));
    let verdicts: Vec<_> = answers
        .iter()
        .map(|answer| answer["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(
        verdicts,
        ["accept", "drop", "unknown", "unknown", "unknown", "drop", "accept"]
    );
    assert_eq!(answers[0]["dport"], 22);
    assert!(
        answers[2]["reason"]
            .as_str()
            .unwrap()
            .starts_with("line 3: not a packet")
    );
    for answer in &answers {
        let mut keys: Vec<_> = answer.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["dport", "dst", "path", "reason", "verdict"]);
    }
}

#[test]
fn an_answer_comes_before_the_next_question() {
    let (_folder, path) = file(RULES);
    let mut child = program(&["trace", "--rules", path.to_str().unwrap(), "--json"])
        .spawn()
        .unwrap();
    let mut questions = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    for port in [2222, 22] {
        writeln!(questions, "{{\"proto\":\"tcp\",\"dport\":{port}}}").unwrap();
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        assert!(line.contains(if port == 22 { "drop" } else { "accept" }), "{line}");
    }
    drop(questions);
    assert!(child.wait().unwrap().success());
}

#[test]
fn arguments_describe_one_packet() {
    let (_folder, path) = file(RULES);
    let path = path.to_str().unwrap();
    let output = fed(
        &[
            "trace",
            "--rules",
            path,
            "--proto",
            "tcp",
            "--dport",
            "2222",
            "--src",
            "203.0.113.9",
        ],
        b"",
    );
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("nat PREROUTING\n     1 -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 22\n"),
        "{text}"
    );
    assert!(text.contains("\n>    1 -p tcp"), "{text}");
    assert!(text.ends_with("accept: delivered to this host, port 22\n"), "{text}");
    let answers = lines(&fed(&["trace", "--rules", path, "--json", "--dport", "22"], b""));
    assert_eq!((answers.len(), &answers[0]["verdict"]), (1, &Value::from("drop")));
}

#[test]
fn what_cannot_be_traced_is_an_error() {
    let (_folder, path) = file("*filter\n-A INPUT -j\nCOMMIT\n");
    let path = path.to_str().unwrap();
    for (args, said) in [
        (vec!["trace", "--rules", path, "--json"], "rules.v4:2:"),
        (vec!["trace", "--rules", "/does/not/exist"], "cannot read the rules"),
        (vec!["trace", "--rules", "-", "--json"], "both on standard input"),
        (vec!["trace", "--rules", path, "--host", "web1"], "in place of hosts"),
        (vec!["trace", "--rules", path, "--state", "OLD"], "OLD"),
    ] {
        let output = fed(&args, b"");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_ne!(output.status.code(), Some(0), "{args:?}");
        assert!(text.contains(said), "{args:?}: {text}");
    }
}

#[test]
fn a_live_host_is_asked_over_one_login_and_what_is_said_of_it_is_so() {
    let lab = Lab::up(1, "nft");
    let text = format!(
        "{}*filter\n:INPUT DROP\n-A INPUT -p ipv6-icmp -j ACCEPT\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT",
        "*nat\n-A PREROUTING -p tcp --dport 2222 -j REDIRECT --to-ports 22\n-A PREROUTING -p tcp --dport 2223 -j REDIRECT --to-ports 23\nCOMMIT\n"
    );
    lab.load_rules_of_both("host1", &text);
    let inventory = lab.inventory();
    let inventory = inventory.to_str().unwrap();
    let trace = |args: &[&str]| {
        let arguments = [&["trace", "-i", inventory, "--host", "host1", "--json"], args].concat();
        lines(&lab.controller(&arguments).output().unwrap()).remove(0)
    };
    let logins = lab.logins("host1");
    let mapped = trace(&["--port", "2222"]);
    assert_eq!(lab.logins("host1"), logins + 1);
    assert_eq!(
        (&mapped["verdict"], &mapped["dport"]),
        (&Value::from("accept"), &Value::from(22)),
        "{mapped:#}"
    );
    assert!(mapped["dst"].is_string(), "{mapped:#}");
    let closed = trace(&["--port", "2223", "--family", "6"]);
    assert_eq!(closed["verdict"], "drop", "{closed:#}");
    let foreign = trace(&["--port", "2222", "--proto", "udp", "--from", "203.0.113.9"]);
    assert_eq!(foreign["verdict"], "drop", "{foreign:#}");
    lab.expect_tcp("host1", 2222, support::deploy::Seen::Open);
    lab.expect_tcp("host1", 2223, support::deploy::Seen::Silent);
    assert!(lab.exec("host1", "test ! -e /var/lib/portmap-deploy").status.success());
}
