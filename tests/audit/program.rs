//! The program as it is called on files of rules.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const BOTH_WORK: &str = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 22\nCOMMIT\n\
    *filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n";

fn program(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portmap-deploy"))
        .args(args)
        .env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that reads nothing closes its end.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn findings_exit_with_2_and_clean_rules_with_0() {
    let output = program(&["audit", "--rules", "-"], BOTH_WORK);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("REDIRECT "), "{}", stdout(&output));
    let right = BOTH_WORK.replace("--dport 22 ", "--dport 22 -m conntrack --ctorigdstport 2222 ");
    let output = program(&["audit", "--rules", "-"], &right);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let output = program(&["audit", "--rules", "-"], "");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output), "no redirects; nothing found\n");
}

#[test]
fn bad_input_is_an_error_at_its_place() {
    let output = program(&["audit", "--rules", "-"], "*nat\n-A NOWHERE -j ACCEPT\nCOMMIT\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("standard input:2:4"), "{}", stderr(&output));
    for args in [
        &["audit", "--rules", "/no/such/file"][..],
        &["audit"],
        &["audit", "--rules", "-", "-i", "hosts.yaml"],
        &["audit", "--rules", "-", "--family", "5"],
        &["audit", "--family", "6"],
    ] {
        let output = program(args, "");
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(
            output.stdout.is_empty() && stderr(&output).starts_with("error: "),
            "{args:?}"
        );
    }
}

#[test]
fn both_families_are_looked_at_together() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let v4 = BOTH_WORK.replace("--dport 22 ", "--dport 22 -m conntrack --ctorigdstport 2222 ");
    let (v4, v6) = (
        file("rules.v4", &v4),
        file("rules.v6", "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"),
    );
    let output = program(&["audit", "--rules", &v4, "--rules6", &v6, "--output", "json"], "");
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["files"][&v4]["findings"][0]["id"], "PM007", "{document:#}");

    let sarif = program(&["audit", "--rules", &v4, "--rules6", &v6, "--output", "sarif"], "");
    let log: Value = serde_json::from_slice(&sarif.stdout).unwrap();
    let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], format!("file://{v6}"));
    assert_eq!(place["region"]["startLine"], 2);

    let same = program(&["audit", "--rules6", &v6, "--rules", &v6, "--family", "6"], "");
    assert_eq!(same.status.code(), Some(1), "{}", stderr(&same));
}

#[test]
fn the_family_is_what_the_text_shows() {
    let text = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 2001:db8::1/128 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080\nCOMMIT\n";
    let output = program(&["audit", "--rules", "-", "--output", "json"], text);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["files"]["-"]["redirects"][0]["family"], "ipv6");
}

#[test]
fn a_file_takes_the_place_of_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.sarif");
    let output = program(
        &[
            "audit",
            "--rules",
            "-",
            "--output",
            "sarif",
            "--output-file",
            path.to_str().unwrap(),
        ],
        BOTH_WORK,
    );
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let log: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(log["version"], "2.1.0");
}

/// The picture of the README is what the program draws.
#[test]
fn the_committed_picture_is_what_the_program_draws_now() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.svg");
    let output = program(&["explain", "2222:22", "--svg", path.to_str().unwrap()], "");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/explain.svg");
    let (drawn, committed) = (
        std::fs::read_to_string(path).unwrap(),
        std::fs::read_to_string(committed).unwrap(),
    );
    assert!(
        drawn == committed,
        "portmap-deploy explain 2222:22 --svg assets/explain.svg draws it anew"
    );
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    assert!(readme.contains("](assets/explain.svg)"));
}

#[test]
fn mappings_are_explained_offline() {
    let output = program(&["explain", "2222:22"], "");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = stdout(&output);
    assert!(
        said.contains("delivered to the service at 22") && said.contains("dropped"),
        "{said}"
    );
    assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");

    let inventory = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(
        inventory.path(),
        "all: {hosts: {web1: {portmap: ['2222:22', '80:8080']}, web2: {}}}",
    )
    .unwrap();
    let path = inventory.path().to_str().unwrap();
    let output = program(&["explain", "-i", path, "--host", "web1", "--port", "80"], "");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("80 → 8080/tcp"), "{}", stdout(&output));
    for args in [
        &["explain", "-i", path, "--host", "web1", "--port", "81"][..],
        &["explain", "-i", path, "--host", "web2"],
        &["explain", "-i", path, "--host", "all"],
        &["explain", "-i", path, "--host", "web3"],
        &["explain", "22:22"],
        &["explain", "2222:22", "--from", "2001:db8::1"],
        &["explain"],
    ] {
        let output = program(args, "");
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(stderr(&output).starts_with("error: "), "{args:?}: {}", stderr(&output));
    }
}

#[test]
fn the_real_way_through_given_rules_is_drawn() {
    let output = program(&["explain", "2222:22", "--rules", "-"], BOTH_WORK);
    let said = stdout(&output);
    assert_eq!(said.matches("delivered to the service at 22").count(), 2, "{said}");
}
