//! What is loaded at boot, whatever else goes on, and changes of which /run knows nothing any more.

use std::time::Duration;

use portmap_deploy::firewall::Mark;
use portmap_deploy::plan::{Observed, Plan};

use crate::host::{Host, said};
use crate::{FLUSH, NEW, OLD};

const BOOT: &str = "sh /var/lib/portmap-deploy/agent.sh boot";
const TIDY: Duration = Duration::from_secs(5);

/// A host with a confirmed generation, all of it tidied up.
async fn deployed() -> Host {
    let host = Host::new("nft", "dash");
    host.login().deploy("t1", OLD).await;
    host.until("! [ -e /run/portmap-deploy/t1.undo ]", TIDY);
    host
}

#[tokio::test]
async fn names_of_files_are_not_taken_for_rules() {
    let host = deployed().await;
    let rules = host.rules();
    // As iptables-save begins its tables, these are patterns for a shell.
    host.run(&format!(
        "mkdir /run/x && cd /run/x && touch 'a nat' anat afilter && {BOOT}"
    ));
    assert_eq!(host.rules(), rules);
}

#[tokio::test]
async fn a_change_that_was_forgotten_does_not_undo_a_later_one() {
    let host = deployed().await;
    let mut first = host.login();
    first.switch("tlost1", NEW, 4).await;
    host.run("rm -rf /run/portmap-deploy/*");
    let mut second = host.login();
    second.deploy("t3", OLD).await;
    let rules = host.rules();
    host.until("! pgrep -f '[t]lost1.sh timer'", Duration::from_secs(20));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!((host.generation().as_deref(), host.rules()), (Some("000003"), rules));
    // The one who asks is not told that it stayed.
    assert_eq!(first.said("confirm tlost1").await, "failed unknown");
}

#[tokio::test]
async fn a_change_that_was_forgotten_is_undone_all_the_same() {
    let host = deployed().await;
    let rules = host.rules();
    host.login().switch("tlost2", NEW, 2).await;
    host.run("rm -rf /run/portmap-deploy/*");
    host.until("! pgrep -f '[t]lost2.sh timer'", Duration::from_secs(20));
    host.until("! [ -e /var/lib/portmap-deploy/next ]", TIDY);
    assert_eq!((host.generation().as_deref(), host.rules()), (Some("000001"), rules));
}

#[tokio::test]
async fn a_lock_is_taken_where_a_removal_has_just_ended() {
    let host = Host::new("nft", "dash");
    // What holds the host is finished by its own agent, which takes the folder with it.
    host.run(
        "mkdir /run/portmap-deploy && cd /run/portmap-deploy && echo 't9 1 run who since 0 1' >lock && \
         echo 'rm -rf /run/portmap-deploy' >t9.sh",
    );
    let mut session = host.login();
    let change = session.plan(OLD).await;
    assert_eq!(session.lock("t1", &change, 90).await, "ok");
    session.ok("abandon").await;
}

/// Some shells keep the text of a here-document in a file.
#[tokio::test]
async fn a_boot_needs_no_room_for_files() {
    let host = Host::new("nft", "bash");
    host.run("for at in /run /var/lib/portmap-deploy; do mount -o remount,size=64m $at; done");
    host.login().deploy("t1", r#"["8000-8799:9000-9799"]"#).await;
    host.until("! [ -e /run/portmap-deploy/t1.undo ]", TIDY);
    let rules = host.rules();
    host.run("for at in /tmp /var/tmp; do mount -t tmpfs -o nr_inodes=1 tmpfs $at; done");
    host.run(FLUSH);
    host.run(&format!("cd /proc && {BOOT}"));
    assert_eq!(host.rules(), rules);
}

/// The host goes down when the removal was written down, and before or while it is carried out.
#[tokio::test]
async fn a_removal_that_was_cut_short_is_finished_by_the_boot() {
    let host = Host::new("nft", "dash");
    let before = host.rules();
    host.login().deploy("t1", OLD).await;
    let mut session = host.login();
    let observed = Observed::read(&session.ok("observe").await).unwrap();
    let Ok(Plan::Change(change)) = observed.removal(true, |_| Mark::default()) else {
        panic!("nothing to remove")
    };
    assert_eq!(session.lock("t2", &change, 90).await, "ok");
    for request in ["stage", "arm 60", "loosen", "tighten"] {
        session.ok(request).await;
    }
    session.kill().await;
    host.run("mv /var/lib/portmap-deploy/next /var/lib/portmap-deploy/current");
    host.run(FLUSH);
    host.run(&format!("rm -rf /run/portmap-deploy && {BOOT}"));
    let left = host.run("cd /var/lib/portmap-deploy && ls");
    assert_eq!((host.rules(), left), (before, String::new()));
}

/// firewalld starts us again whenever it is restarted, and answers late.
#[tokio::test]
async fn a_start_that_had_to_wait_leaves_a_change_alone_that_began_meanwhile() {
    let host = deployed().await;
    host.run(
        "mkdir -p /run/systemd/system; cd /usr/local/sbin; printf '#!/bin/sh\\necho active\\n' >systemctl; \
         printf '#!/bin/sh\\ntouch /run/asked; until [ -e /run/go ]; do sleep 0.1; done\\n' >firewall-cmd; \
         chmod 755 systemctl firewall-cmd",
    );
    let mut boot = host.command(BOOT).spawn().unwrap();
    host.until("[ -e /run/asked ]", TIDY);
    host.run("rm /usr/local/sbin/systemctl");
    let mut session = host.login();
    session.switch("t2", NEW, 60).await;
    let rules = host.rules();
    host.run("touch /run/go");
    assert!(boot.wait().unwrap().success());
    assert_eq!(host.rules(), rules);
    session.ask("confirm t2");
    assert_eq!(said(&session.hear().await.unwrap()), "ok confirmed boot=yes");
}
