//! Answers that are asked for again, and locks that nobody gives back.

use std::time::Duration;

use crate::host::Host;
use crate::{NEW, OLD};

#[tokio::test]
async fn every_shell_carries_a_change_through_and_back() {
    for (backend, shell) in [
        ("nft", "dash"),
        ("legacy", "dash"),
        ("nft", "bash"),
        ("legacy", "busybox"),
        ("nft", "bare"),
    ] {
        let host = Host::new(backend, shell);
        let mut first = host.login();
        first.deploy("t1", OLD).await;
        assert_eq!(host.generation().as_deref(), Some("000001"), "{backend} {shell}");
        let (rules, files) = (host.rules(), host.files());
        first.switch("t2", NEW, 60).await;
        assert_eq!(
            host.login().said("rollback t2").await,
            "ok undone controller",
            "{backend} {shell}"
        );
        first.ok("settled").await;
        host.until("! [ -e /run/portmap-deploy/lock ]", Duration::from_secs(5));
        assert_eq!(host.rules(), rules, "{backend} {shell}");
        assert_eq!(
            host.files()
                .replace("run/portmap-deploy/t2.by\nrun/portmap-deploy/t2.undone\n", ""),
            files
        );
        first.switch("t3", NEW, 1).await;
        host.until(
            "[ -e /run/portmap-deploy/t3.undone ] && ! [ -e /run/portmap-deploy/lock ]",
            Duration::from_secs(4),
        );
        assert_eq!(host.rules(), rules, "{backend} {shell}");
        first.deploy("t4", NEW).await;
        assert_eq!(host.generation().as_deref(), Some("000002"), "{backend} {shell}");
        first.hang_up().await;
        let left = host.running("portmap-deploy/t");
        assert!(left.is_empty(), "{backend} {shell}: {left:?}");
    }
}

#[tokio::test]
async fn late_and_repeated_questions_get_the_same_answer() {
    let host = Host::new("nft", "dash");
    let mut first = host.login();
    assert_eq!(first.said("confirm t9").await, "failed unknown");
    assert_eq!(first.said("rollback t9").await, "failed unknown");
    first.switch("t1", OLD, 60).await;
    for _ in 0..3 {
        assert_eq!(host.login().said("confirm t1").await, "ok confirmed boot=yes");
    }
    assert_eq!(host.login().said("rollback t1").await, "ok confirmed");
    host.until("! [ -e /run/portmap-deploy/lock ]", Duration::from_secs(5));
    assert_eq!(host.generation().as_deref(), Some("000001"));
    first.switch("t2", NEW, 1).await;
    host.until("[ -e /run/portmap-deploy/t2.undone ]", Duration::from_secs(4));
    for _ in 0..2 {
        assert_eq!(host.login().said("confirm t2").await, "failed undone timer");
        assert_eq!(host.login().said("rollback t2").await, "ok undone timer");
    }
    assert_eq!(host.login().said("confirm t9").await, "failed unknown");
}

#[tokio::test]
async fn a_second_operator_is_told_who_since_and_until_when() {
    let host = Host::new("nft", "dash");
    let (mut first, mut second) = (host.login(), host.login());
    let change = first.plan(NEW).await;
    assert_eq!(second.plan(NEW).await.generation, change.generation);
    assert_eq!(first.lock("t1", &change, 90).await, "ok");
    let refused = second.lock("t2", &change, 90).await;
    let words: Vec<_> = refused.split(' ').collect();
    let [_, _, now, id, generation, run, who, since, until, _] = words[..] else { panic!("{refused}") };
    assert_eq!((id, generation, run, who), ("t1", "000001", "run1", "t1@desk"), "{refused}");
    assert!(since.ends_with('Z') && since.contains('T'), "{refused}");
    let left = until.parse::<u64>().unwrap() - now.parse::<u64>().unwrap();
    assert!((80..=90).contains(&left), "{refused}");
    // Refused, it changes nothing of the first one's.
    assert_eq!(second.said("stage").await, "skipped");
    second.hang_up().await;
    first.ok("stage").await;
}

/// A session that hangs, with its lock over its time, wakes up when another has the host: it must not touch it.
#[tokio::test]
async fn a_session_that_lost_its_lock_changes_nothing_any_more() {
    let host = Host::new("nft", "dash");
    for (wakes, expected) in [("stage", "failed cannot write to /run/portmap-deploy"), ("hang up", ""), ("arm 60", "failed another login ended this change")] {
        let mut first = host.login();
        let change = first.plan(r#"["2001:22"]"#).await;
        assert_eq!(first.lock("t1", &change, 0).await, "ok");
        if wakes == "arm 60" {
            first.ok("stage").await;
        }
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let mut second = host.login();
        let mut change = second.plan(r#"["2002:22"]"#).await;
        if second.lock("t2", &change, 90).await == "failed changed" {
            change = second.plan(r#"["2002:22"]"#).await;
            assert_eq!(second.lock("t2", &change, 90).await, "ok");
        }
        for request in ["stage", "arm 60", "loosen", "tighten"] {
            second.ok(request).await;
        }
        if wakes == "hang up" {
            first.hang_up().await;
        } else {
            assert_eq!(first.said(wakes).await, expected);
        }
        assert_eq!(second.said("confirm t2").await, "ok confirmed boot=yes", "{wakes}");
        second.ok("settled").await;
        assert!(host.files().contains(&format!("gen-{}/", change.generation)), "{wakes}: {}", host.files());
        assert_eq!(host.generation(), Some(change.generation.to_string()), "{wakes}");
        host.run("iptables-save | grep -q 'PORTMAP.*2002' && rm /run/portmap-deploy/t*");
        host.run(&format!("{}; rm -rf /var/lib/portmap-deploy/*", crate::FLUSH));
    }
}

/// A pending change is ended by the agent that armed it, whatever version asks.
#[tokio::test]
async fn another_versions_change_is_left_to_its_own_agent() {
    let host = Host::new("nft", "dash");
    let mut first = host.login();
    first.switch("t1", OLD, 60).await;
    host.run("cd /run/portmap-deploy; sed 's/^confirm() {/& echo asked >$R.asked/' t1.sh >new; mv new t1.sh");
    assert_eq!(host.login().said("confirm t1").await, "ok confirmed boot=yes");
    host.run("grep asked /run/portmap-deploy.asked");
    host.until("! [ -e /run/portmap-deploy/lock ]", Duration::from_secs(5));
    assert_eq!(host.generation().as_deref(), Some("000001"));
}
