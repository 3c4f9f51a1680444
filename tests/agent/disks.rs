//! Disks that fill up in the middle: whatever still fits, a change is whole or was none.

use std::time::Duration;

use crate::host::{Host, Session, said};
use crate::{NEW, OLD};

const R: &str = "/run";
const P: &str = "/var/lib/portmap-deploy";

/// As far as it goes: the answer that stopped it, or that of confirm.
async fn as_far_as_it_goes(session: &mut Session, id: &str) -> String {
    let change = session.plan(NEW).await;
    let locked = session.lock(id, &change, 90).await;
    if locked != "ok" {
        return locked;
    }
    let confirm = format!("confirm {id}");
    for request in ["stage", "arm 60", "loosen", "tighten", &confirm] {
        session.ask(request);
        let answer = said(&session.hear().await.unwrap());
        if !answer.starts_with("ok") {
            return answer;
        }
        if request.starts_with("confirm") {
            return answer;
        }
    }
    unreachable!("confirm is the last")
}

/// What was confirmed stays. What could not be tidied up for want of room, the next login tidies up.
async fn finish(host: &Host) {
    let mut next = host.login();
    for _ in 0..2 {
        let change = next.plan(OLD).await;
        if next.lock("next", &change, 90).await == "ok" {
            break;
        }
    }
    next.ok("abandon").await;
    next.hang_up().await;
    assert_eq!(host.generation().as_deref(), Some("000002"));
}

/// All files but those that tell late askers who won.
fn lasting(host: &Host) -> String {
    let tells = |line: &&str| !line.ends_with("undone") && !line.ends_with("by");
    host.files().lines().filter(tells).collect::<Vec<_>>().join("\n")
}

/// Little is left, then ever more, until it works; how much that was.
async fn until_it_fits(filesystem: &str, fill: fn(&str, usize) -> String) -> usize {
    let host = Host::new("nft", "dash");
    host.login().deploy("t0", OLD).await;
    let unlocked = "! [ -e /run/portmap-deploy/lock ]";
    host.until(unlocked, Duration::from_secs(5));
    let (rules, files) = (host.rules(), lasting(&host));
    for left in [0, 1, 2, 4, 8, 16, 32].into_iter().chain(40..80) {
        host.run(&fill(filesystem, left));
        let mut session = host.login();
        let answer = as_far_as_it_goes(&mut session, &format!("t{}", left + 1)).await;
        session.hang_up().await;
        host.run(&format!("rm -rf {filesystem}/full"));
        if answer.starts_with("ok") {
            finish(&host).await;
            return left;
        }
        host.until(unlocked, Duration::from_secs(10));
        assert!(
            answer.contains("cannot write to /"),
            "{filesystem}, {left} left: {answer}"
        );
        assert_eq!(host.rules(), rules, "{filesystem}, {left} left: {answer}");
        assert_eq!(lasting(&host), files, "{filesystem}, {left} left: {answer}");
    }
    panic!("never enough")
}

#[tokio::test]
async fn with_ever_more_files_left() {
    let fill = |filesystem: &str, left| {
        format!(
            "mkdir {filesystem}/full; cd {filesystem}/full; touch $(seq 300) 2>/dev/null || :; \
             ls | head -n {left} | xargs -r rm"
        )
    };
    for filesystem in [R, P] {
        let needed = until_it_fits(filesystem, fill).await;
        assert!(
            needed > 3,
            "{filesystem}: {needed} files are enough, so nothing was tried"
        );
    }
}

#[tokio::test]
async fn with_ever_more_room_left() {
    let fill = |filesystem: &str, left| {
        format!(
            "mkdir {filesystem}/full; dd if=/dev/zero of={filesystem}/full/1 bs=4k 2>/dev/null || :; \
             truncate -s -{}k {filesystem}/full/1",
            left * 4
        )
    };
    for filesystem in [R, P] {
        let needed = until_it_fits(filesystem, fill).await;
        assert!(
            needed > 3,
            "{filesystem}: {needed} pages are enough, so nothing was tried"
        );
    }
}
