//! `--confirm manual`, and `confirm`, `cancel` and `extend`.

use std::time::Duration;

use super::support::deploy::Seen::{Refused, Silent};
use super::support::lab::Lab;
use super::{call, prepared, run, shape};

const OLD: &str = "portmap: ['2222:22']";
const NEW: &str = "portmap: ['2200:22'], portmap_previous_ports: [2222]";

#[test]
fn a_change_waits_for_the_operator() {
    let lab = Lab::up(1, "nft");
    let (old, new) = ([("host1", OLD)], [("host1", NEW)]);
    let call = |command: &str, more: &[&str]| call(&lab, command, &new, more);
    let leave = |window: &str| {
        let run = call("deploy", &["--confirm", "manual", "--rollback-after", window]);
        assert_eq!((run.state("host1"), run.code), ("pending", Some(0)), "{}", run.said());
        lab.expect_sshd("host1", 2200);
        run
    };
    lab.deploy_to(&old, &[]).expect("host1", "confirmed");
    let before = shape(&lab, "host1");
    call("confirm", &[]).expect("host1", "unchanged");

    // The hint is the very command.
    let run = leave("20s");
    let hint = run.host("host1")["hint"].as_str().unwrap();
    let (until, command) = hint.split_once(" s left): ").unwrap();
    assert!(until.starts_with("until ") && until.contains(" ("), "{hint}");
    let words = shlex::split(command).unwrap();
    assert_eq!(
        (words[0].as_str(), words[1].as_str()),
        ("portmap-deploy", "confirm"),
        "{hint}"
    );
    let words: Vec<_> = words[1..].iter().map(String::as_str).collect();
    lab.deploy(&words)
        .expect("host1", "confirmed")
        .expect_logins("host1", 1);
    lab.expect_tcp_ports("host1", &[22], Silent);
    lab.expect_tcp("host1", 2222, Refused);
    call("deploy", &[]).expect("host1", "unchanged");
    assert_eq!(super::call(&lab, "rollback", &new, &[]).state("host1"), "confirmed");
    assert_eq!(shape(&lab, "host1"), before);

    // More time than it had, then no more.
    let run = leave("5s");
    let extended = call("extend", &["--by", "30s"]);
    assert_eq!(
        (extended.state("host1"), extended.code),
        ("pending", Some(0)),
        "{}",
        extended.said()
    );
    assert!(
        extended.said().contains(" s left): portmap-deploy confirm"),
        "{}",
        extended.said()
    );
    std::thread::sleep(Duration::from_secs(6).saturating_sub(run.elapsed));
    let mut other = prepared(&lab, "cancel", &new, &[]);
    let refused = super::run(other.env("SUDO_USER", "bob"));
    refused.expect("host1", "refused");
    assert!(
        refused.said().contains("is changing this host since"),
        "{}",
        refused.said()
    );
    lab.expect_sshd("host1", 2200);
    let cancelled = call("cancel", &[]);
    cancelled.expect("host1", "unchanged");
    assert!(
        cancelled.reason("host1").starts_with("cancelled by hand"),
        "{}",
        cancelled.said()
    );
    assert_eq!(shape(&lab, "host1"), before);

    // Another operator who insists, and one who comes too late.
    leave("20s");
    let mut other = prepared(&lab, "confirm", &new, &["--force"]);
    self::run(other.env("SUDO_USER", "bob")).expect("host1", "confirmed");
    call("rollback", &[]).expect("host1", "confirmed");
    leave("5s");
    let gone = || !lab.exec("host1", "test -e /run/portmap-deploy/lock").status.success();
    super::support::lab::await_true("the timer undoes it", gone);
    let late = call("confirm", &[]);
    late.expect("host1", "rolled_back");
    assert!(
        late.reason("host1").starts_with("too late: the change of "),
        "{}",
        late.said()
    );
    assert_eq!(late.host("host1")["rolled_back_by"], "timer", "{}", late.said());
    assert_eq!(shape(&lab, "host1"), before);
    lab.expect_sshd("host1", 2222);
}
