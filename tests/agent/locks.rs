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
