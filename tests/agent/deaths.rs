//! Sessions and timers that end, or are killed, at any point; disks that are full.

use std::time::{Duration, Instant};

use crate::host::{Host, Session};
use crate::{NEW, OLD};

const STEPS: [&str; 5] = ["observe", "lock", "half", "put", "stage"];

/// Carries a change to this step and no further.
async fn up_to(session: &mut Session, id: &str, step: &str) {
    let change = session.plan(NEW).await;
    if step == "observe" {
        return;
    }
    if step == "lock" {
        let request = format!("lock {id} {} run1 me 90 iptables ip6tables", change.generation);
        session.ok(&request).await;
        return;
    }
    session.lock(id, &change, 90).await;
    match step {
        "half" => session.ask("put 4.after 1000\nfilter\t-F PORTMAP-GUARD-000009"),
        "stage" => session.ask("stage"),
        _ => session.ask("rules"),
    }
    if step != "half" {
        session.hear().await.unwrap();
        return;
    }
    // Of this there is no answer: it waits for the other 999 lines.
    let heard = tokio::time::timeout(Duration::from_millis(300), session.dialogue.as_mut().unwrap().answer()).await;
    assert!(heard.is_err());
}

#[tokio::test]
async fn a_session_that_ends_before_the_timer_leaves_no_trace() {
    for backend in ["nft", "legacy"] {
        let host = Host::new(backend, "dash");
        for generation in [None, Some("000001")] {
            let (rules, files) = (host.rules(), host.files());
            for step in STEPS {
                let mut session = host.login();
                up_to(&mut session, &format!("t{step}"), step).await;
                session.hang_up().await;
                assert_eq!((host.rules(), host.files()), (rules.clone(), files.clone()), "{backend} {step} {generation:?}");
            }
            if generation.is_none() {
                host.login().deploy("t1", OLD).await;
                host.until("! [ -e /run/portmap-deploy/t1.undo ]", Duration::from_secs(5));
            }
        }
    }
}

#[tokio::test]
async fn what_a_killed_session_leaves_is_cleared_by_the_next() {
    let host = Host::new("nft", "dash");
    host.login().deploy("t1", OLD).await;
    host.until("! [ -e /run/portmap-deploy/t1.undo ]", Duration::from_secs(5));
    let rules = host.rules();
    for step in STEPS {
        let mut session = host.login();
        up_to(&mut session, &format!("t{step}"), step).await;
        session.kill().await;
        let mut next = host.login();
        let change = next.plan(NEW).await;
        if step == "stage" {
            // The dead one's chains went between looking and locking.
            assert_eq!(next.lock("next", &change, 90).await, "failed changed");
            next.plan(NEW).await;
        }
        let change = next.plan(NEW).await;
        assert_eq!(next.lock("next", &change, 90).await, "ok", "{step}");
        next.ok("abandon").await;
        assert_eq!(host.rules(), rules, "{step}");
        assert!(!host.files().contains(&format!("t{step}.undo/")), "{step}: {}", host.files());
    }
}

/// Killed at any time, in the middle of whatever it does, with the timer's child processes left to themselves.
#[tokio::test]
async fn killed_at_any_instant_the_old_rules_come_back() {
    let host = Host::new("nft", "dash");
    host.login().deploy("t0", OLD).await;
    host.until("! [ -e /run/portmap-deploy/t0.undo ]", Duration::from_secs(5));
    let rules = host.rules();
    for number in 1..=16 {
        let mut session = host.login();
        let change = session.plan(NEW).await;
        let id = format!("t{number}");
        assert_eq!(session.lock(&id, &change, 61).await, "ok");
        for request in ["stage", "arm 1", "loosen", "tighten"] {
            session.ask(request);
        }
        let heard = session.dialogue.as_mut().unwrap().answer();
        let _ = tokio::time::timeout(Duration::from_millis(number * 20), heard).await;
        // A first answer ends the waiting: the later rounds go on a little further.
        tokio::time::sleep(Duration::from_millis(number.saturating_sub(4) * 12)).await;
        session.kill().await;
        let (mut next, began) = (host.login(), Instant::now());
        loop {
            let change = next.plan(NEW).await;
            let said = next.lock("next", &change, 90).await;
            if said == "ok" {
                break;
            }
            // Until its timer has acted, and was sure that nothing of the dead one's was under way.
            assert!(began.elapsed() < Duration::from_secs(12), "{id}: {said}\n{}", host.files());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        next.ok("abandon").await;
        assert_eq!(host.rules(), rules, "{id}");
        next.hang_up().await;
    }
}

#[tokio::test]
async fn a_confirm_that_is_killed_is_finished_one_way_or_the_other() {
    let host = Host::new("nft", "dash");
    for number in 1..=12 {
        let rules = host.rules();
        let (mut session, id) = (host.login(), format!("t{number}"));
        let change = session.switch(&id, &format!(r#"["{}:22"]"#, 2000 + number), 1).await;
        let mut second = host.login();
        second.ok("settled").await;
        second.ask(&format!("confirm {id}"));
        let heard = second.dialogue.as_mut().unwrap().answer();
        let _ = tokio::time::timeout(Duration::from_millis(number * 4), heard).await;
        second.kill().await;
        // Unasked: the timer sees to it.
        host.until("! [ -e /run/portmap-deploy/lock ]", Duration::from_secs(10));
        let said = host.login().said(&format!("confirm {id}")).await;
        if said == "ok confirmed boot=yes" {
            assert_eq!(host.generation(), Some(change.generation.to_string()));
        } else {
            assert_eq!((said.as_str(), host.rules()), ("failed undone timer", rules));
        }
        session.hang_up().await;
    }
}

#[tokio::test]
async fn the_timer_survives_the_session_and_what_is_sent_to_it() {
    for (step, backend) in [("arm", "nft"), ("loosen", "legacy"), ("tighten", "nft")] {
        let host = Host::new(backend, "dash");
        host.login().deploy("t1", OLD).await;
        host.until("! [ -e /run/portmap-deploy/t1.undo ]", Duration::from_secs(5));
        let rules = host.rules();
        let mut session = host.login();
        let change = session.plan(NEW).await;
        session.lock("t2", &change, 60).await;
        session.ok("stage").await;
        let began = Instant::now();
        for request in ["arm 2", "loosen", "tighten"] {
            session.ok(request).await;
            if request.starts_with(step) {
                break;
            }
        }
        host.run("kill -TERM $(cat /run/portmap-deploy/t2.pid); kill -HUP -$(cat /run/portmap-deploy/t2.pid)");
        session.hang_up().await;
        host.until("[ -e /run/portmap-deploy/t2.undone ]", Duration::from_secs(4));
        let took = began.elapsed();
        assert!(took > Duration::from_millis(1900) && took < Duration::from_secs(4), "{step}: {took:?}");
        host.until("! [ -e /run/portmap-deploy/lock ]", Duration::from_secs(3));
        assert_eq!(host.rules(), rules, "{step}");
    }
}

#[tokio::test]
async fn a_killed_timer_is_replaced_by_the_next_login() {
    let host = Host::new("nft", "dash");
    host.login().deploy("t1", OLD).await;
    host.until("! [ -e /run/portmap-deploy/t1.undo ]", Duration::from_secs(5));
    let rules = host.rules();
    let mut session = host.login();
    let change = session.plan(NEW).await;
    session.lock("t2", &change, 2).await;
    for request in ["stage", "arm 1", "loosen", "tighten"] {
        session.ok(request).await;
    }
    for (pid, _) in host.running("t2.sh timer") {
        host.run(&format!("kill -KILL {pid}"));
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_ne!(host.rules(), rules, "nobody is there to undo it");
    let mut next = host.login();
    let change = next.plan(NEW).await;
    assert_eq!(next.lock("t3", &change, 60).await, "failed changed", "undone between looking and locking");
    assert_eq!(host.rules(), rules);
    assert_eq!(session.said("confirm t2").await, "failed undone timer");
    let change = next.plan(NEW).await;
    assert_eq!(next.lock("t3", &change, 60).await, "ok");
}

#[tokio::test]
async fn full_and_read_only_disks_stop_changes_but_no_rollback() {
    let host = Host::new("nft", "dash");
    let mut session = host.login();
    session.deploy("t1", OLD).await;
    let (rules, p) = (host.rules(), "/var/lib/portmap-deploy");
    let mut refused = async |id: &str, expected: &str| {
        let change = session.plan(NEW).await;
        let said = match session.lock(id, &change, 60).await.as_str() {
            "ok" => session.said("stage").await,
            failed => failed.to_owned(),
        };
        assert!(said.starts_with(expected), "{said}");
        assert_eq!(host.rules(), rules);
    };
    host.run(&format!("mount -o remount,ro {p}"));
    refused("t2", "failed cannot write to /var/lib/portmap-deploy").await;
    host.run(&format!("mount -o remount,rw {p}; mount -o remount,size=64k {p}; dd if=/dev/zero of={p}/full 2>/dev/null || :"));
    refused("t3", "failed cannot write to /var/lib/portmap-deploy").await;
    host.run(&format!("rm {p}/full"));
    host.run("mount -o remount,size=128k /run; dd if=/dev/zero of=/run/full 2>/dev/null || :; truncate -s -8k /run/full");
    refused("t4", "failed cannot write to /run/portmap-deploy").await;
    host.run("rm /run/full; mount -o remount,size=1m /run");
    // From the timer's start on they do not matter.
    let full = "dd if=/dev/zero of=/run/full 2>/dev/null || :";
    for (id, wish, answer) in [
        ("t5", "rollback", "ok undone"),
        ("t6", "wait", "failed undone timer"),
        ("t7", "confirm", "ok confirmed boot=no"),
    ] {
        session.switch(id, NEW, 2).await;
        host.run(&format!("{full}; mount -o remount,ro {p}"));
        if wish == "wait" {
            host.until(&format!("[ -e /run/portmap-deploy/{id}.undone ]"), Duration::from_secs(5));
        }
        for _ in 0..2 {
            let request = format!("{} {id}", if wish == "wait" { "confirm" } else { wish });
            let said = host.login().said(&request).await;
            assert!(said.starts_with(answer), "{wish}: {said}");
        }
        host.until("! [ -e /run/portmap-deploy/lock ]", Duration::from_secs(5));
        assert_eq!(host.rules() == rules, wish != "confirm", "{wish}");
        host.run(&format!("rm /run/full; mount -o remount,rw {p}"));
    }
}
