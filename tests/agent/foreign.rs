//! Somebody else works on the rules in the middle of a change.

use std::time::Duration;

use crate::host::{Host, Session};
use crate::{FLUSH, NEW, OLD};

/// A host with one confirmed generation, and a session there.
async fn deployed(backend: &str) -> (Host, Session, String) {
    let host = Host::new(backend, "dash");
    let mut session = host.login();
    session.deploy("t1", OLD).await;
    let rules = host.rules();
    (host, session, rules)
}

#[tokio::test]
async fn each_level_of_undo_does_it_alone() {
    for backend in ["nft", "legacy"] {
        let (host, mut session, rules) = deployed(backend).await;
        for (id, before, damage, answer) in [
            ("t2", ":", "rm *.nat.[23] *.filter.[23]", "ok undone controller"),
            ("t3", FLUSH, "rm *.nat.3 *.filter.3", "ok undone controller"),
            ("t4", FLUSH, "for f in *.nat.[12] *.filter.[12]; do echo no >$f; done", "ok undone controller emptied"),
        ] {
            session.switch(id, NEW, 60).await;
            host.run(&format!("{before}; cd /run/portmap-deploy/{id}.undo; {damage}"));
            assert_eq!(session.said(&format!("rollback {id}")).await, answer, "{backend} {id}");
            session.ok("settled").await;
            if id == "t4" {
                assert!(!host.rules().contains("-g PORTMAP"), "{}", host.rules());
            } else {
                assert_eq!(host.rules(), rules, "{backend} {id}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_in_force_is_not_confirmed() {
    for (backend, change) in [
        ("nft", FLUSH),
        ("legacy", FLUSH),
        ("nft", "iptables -D PORTMAP-GUARD 1"),
        ("nft", "ip6tables -t nat -F PORTMAP-PREROUTING"),
        ("legacy", "iptables -t nat -D PREROUTING 1"),
        ("nft", "iptables -F PORTMAP-GUARD-000002"),
    ] {
        let (host, mut session, rules) = deployed(backend).await;
        session.switch("t2", NEW, 60).await;
        host.run(change);
        assert_eq!(host.login().said("confirm t2").await, "failed changed undone controller", "{change}");
        host.until("! [ -e /run/portmap-deploy/lock ]", Duration::from_secs(5));
        assert_eq!(host.rules(), rules, "{change}");
        assert_eq!(session.said("confirm t2").await, "failed undone controller");
    }
}

/// Nothing was tightened, or it could not be read: there is nothing that could be confirmed.
#[tokio::test]
async fn half_a_change_is_not_confirmed() {
    let (host, mut session, rules) = deployed("nft").await;
    let change = session.plan(NEW).await;
    session.lock("t2", &change, 60).await;
    for request in ["stage", "arm 60", "loosen"] {
        session.ok(request).await;
    }
    assert_eq!(session.said("confirm t2").await, "failed changed undone controller");
    session.ok("settled").await;
    assert_eq!(host.rules(), rules);
}

/// A jump far down has two lines that could put it back; one must be enough.
#[tokio::test]
async fn a_lost_jump_comes_back_once() {
    for backend in ["nft", "legacy"] {
        let host = Host::new(backend, "dash");
        host.run("for n in 1 2 3 4; do iptables -A INPUT -s 198.51.100.$n -j DROP; done; iptables -A INPUT -j DROP");
        let mut session = host.login();
        session.deploy("t1", OLD).await;
        let rules = host.rules();
        let jump = host.run("iptables -S INPUT | grep PORTMAP-ACCEPT").trim().replacen("-A", "-D", 1);
        session.switch("t2", NEW, 60).await;
        host.run(&format!("iptables {jump}"));
        assert_eq!(session.said("rollback t2").await, "ok undone controller", "{backend}");
        session.ok("settled").await;
        assert_eq!(host.rules(), rules, "{backend}");
    }
}

#[tokio::test]
async fn the_timer_waits_for_the_lock_of_xtables() {
    let (host, mut session, rules) = deployed("legacy").await;
    session.switch("t2", NEW, 1).await;
    let mut holder = host.command("exec flock /run/xtables.lock sleep 9").spawn().unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(session.said("confirm t2").await, "failed undoing");
    assert_ne!(host.rules(), rules);
    holder.wait().unwrap();
    host.until("[ -e /run/portmap-deploy/t2.undone ]", Duration::from_secs(15));
    assert_eq!(session.said("confirm t2").await, "failed undone timer");
    assert_eq!(host.rules().contains("-g PORTMAP-GUARD-000001"), true);
    host.until("! [ -e /run/portmap-deploy/lock ]", Duration::from_secs(15));
    assert_eq!(host.rules(), rules);
}
