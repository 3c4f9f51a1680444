//! Errors before any host is touched: exit code 1, all problems at once, each with its place.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use crate::support::lab::{Lab, PROGRAM};
use crate::support::run::rules;

fn program(args: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(args)
        .env_clear()
        .current_dir("/")
        .output()
        .unwrap()
}

/// It must end with 1 and nothing on standard output; what it said on standard error.
#[track_caller]
fn refused(output: &Output) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(output.stdout, b"", "{said}");
    assert!(said.starts_with("error: "), "{said}");
    said
}

#[track_caller]
fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

const MALFORMED: &str = r#"all:
  vars:
    portmap_rollback_after: 1s
    portmaps: ["1:2"]
  hosts:
    web1:
      ansible_port: 222222
      portmap:
        - 2222:22
        - "80:80"
        - "99999:22"
        - {port: 81, to_prot: 8080}
        - "8080:9090"
        - "8080:9091"
    web2:
      portmap: "22"
"#;

#[test]
fn all_problems_of_an_inventory_come_at_once_with_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hosts.yaml");
    std::fs::write(&file, MALFORMED).unwrap();
    let name = file.to_str().unwrap();
    for output in ["text", "json", "jsonl"] {
        let said = refused(&program(&["-i", name, "--output", output]));
        let places = [
            "3:29", "4:15", "7:21", "9:11", "10:15", "11:12", "12:22", "14:12", "16:16",
        ];
        holds(
            &said,
            &places
                .map(|place| format!("{name}:{place}\n"))
                .each_ref()
                .map(String::as_str),
        );
        holds(
            &said,
            &[
                "^^^^^^^ YAML 1.1 reads digits with colons as base 60",
                "put it in quotes",
                "did you mean `to_port`?",
            ],
        );
        assert_eq!(said.matches("error: ").count(), places.len(), "{said}");
    }
}

#[test]
fn what_is_no_yaml_is_shown_where_it_breaks() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hosts.yaml");
    for (text, place) in [
        ("all:\n  hosts: [web1\n", ":"),
        ("all:\n\thosts:\n", ":2:"),
        ("- web1\n", ":1:1"),
    ] {
        std::fs::write(&file, text).unwrap();
        let said = refused(&program(&["-i", file.to_str().unwrap()]));
        holds(&said, &[&format!("hosts.yaml{place}")]);
    }
    std::fs::write(&file, "").unwrap();
    holds(
        &refused(&program(&["-i", file.to_str().unwrap()])),
        &["the inventory holds no hosts"],
    );
    std::fs::write(&file, b"all:\n  hosts: {\xff\xfe: }\n").unwrap();
    holds(
        &refused(&program(&["-i", file.to_str().unwrap()])),
        &["hosts.yaml", "UTF-8"],
    );
}

#[test]
fn inventories_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.yaml");
    holds(
        &refused(&program(&["-i", missing.to_str().unwrap()])),
        &["missing.yaml does not exist"],
    );
    holds(
        &refused(&program(&["-i", folder.path().to_str().unwrap()])),
        &["holds no inventory"],
    );
    holds(
        &refused(&program(&[])),
        &["nothing is asked for", "hint: name an inventory: -i hosts.yaml"],
    );

    let secret = folder.path().join("secret.yaml");
    std::fs::write(&secret, "all: {}").unwrap();
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    // Where others may run it.
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let copy = folder.path().join("portmap-deploy");
    std::fs::copy(PROGRAM, &copy).unwrap();
    let mut other = Command::new("setpriv");
    other
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(copy)
        .arg("-i")
        .arg(&secret);
    holds(
        &refused(&other.output().unwrap()),
        &["secret.yaml", "Permission denied"],
    );
}

#[test]
fn arguments_that_mean_nothing() {
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/inventories/demo.yaml");
    for (args, part) in [
        (&["--forks", "0"][..], "--forks"),
        (&["--serial", "many"], "--serial"),
        (&["--rollback-after", "4s"], "not between 5 and 600 seconds"),
        (&["--rollback-after", "soon"], "is not a time such as 30s"),
        (&["--output", "xml"], "[possible values: text, json, jsonl, github]"),
        (&["--ssh-common-args", "-o 'ProxyCommand"], "the quotes do not match"),
        (&["--rolback-after", "30s"], "'--rollback-after'"),
        (&["-l", "nosuch"], "no host or group matches `nosuch`"),
    ] {
        holds(&refused(&program(&[&["-i", demo], args].concat())), &[part]);
    }
}

/// One mistake in any of several inventories, and no host of the others is touched.
#[test]
fn a_mistake_anywhere_touches_no_host() {
    let lab = Lab::up(1, "nft");
    let old = rules(&lab, "host1");
    let wrong = lab.home().join("wrong.yaml");
    std::fs::write(
        &wrong,
        "all:\n  vars: {portmap: [\"2222:22\"]}\n  hosts:\n    other: {portmap: [\"22\"]}\n",
    )
    .unwrap();
    let mut command = lab.controller(&["-i"]);
    let output = command.arg(lab.inventory()).arg("-i").arg(&wrong).output().unwrap();
    holds(&refused(&output), &["wrong.yaml:4:23"]);
    assert_eq!(rules(&lab, "host1"), old);
    assert_eq!(lab.logins("host1"), 0);
}
