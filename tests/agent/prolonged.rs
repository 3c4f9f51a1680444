//! Changes that get more time: whichever timer runs them honours it, and files say who won.

use std::time::{Duration, Instant};

use portmap_deploy::plan::{Held, Kept, Observed};

use crate::host::Host;
use crate::{NEW, OLD};

#[tokio::test]
async fn a_change_gets_more_time_and_its_timer_keeps_to_that() {
    for (backend, shell) in [("nft", "dash"), ("legacy", "busybox"), ("nft", "bare")] {
        let host = Host::new(backend, shell);
        let mut first = host.login();
        first.deploy("t1", OLD).await;
        let rules = host.rules();
        first.switch("t2", NEW, 2).await;
        let began = Instant::now();
        first.hang_up().await;
        let mut second = host.login();
        let held = Held::of(&second.ok("pending").await).unwrap();
        assert!(held.switched && !held.attended, "{held:?}");
        assert_eq!((held.operator.as_str(), held.run.as_str()), ("t2@desk", "run1"));
        assert!(held.left <= 2, "{held:?}");
        assert_eq!(second.said("extend t9 3 600").await, "failed unknown");
        let left = second.said("extend t2 3 600").await;
        assert!(["ok left 4", "ok left 5"].contains(&left.as_str()), "{left}");
        // Nobody else takes what is still somebody's.
        tokio::time::sleep(Duration::from_millis(2600)).await;
        assert_ne!(host.rules(), rules, "{backend} {shell}");
        let change = second.plan(r#"["2201:22"]"#).await;
        assert!(second.lock("t3", &change, 60).await.contains(" locked "));
        host.until("[ -e /run/portmap-deploy/t2.undone ]", Duration::from_secs(6));
        let took = began.elapsed();
        assert!((4500..6900).contains(&took.as_millis()), "{shell}: {took:?}");
        host.until("! [ -e /run/portmap-deploy/lock ]", Duration::from_secs(3));
        assert_eq!(host.rules(), rules, "{backend} {shell}");
        assert_eq!(second.said("extend t2 3 600").await, "failed undone timer");
        assert_eq!(second.said("ended t2").await, "ok undone timer");

        // Bounded; and a long one ends with the confirmation, its timer too.
        second.switch("t4", NEW, 5).await;
        assert_eq!(host.login().said("extend t4 9000 600").await, "ok left 600");
        assert_eq!(host.login().said("confirm t4").await, "ok confirmed boot=yes");
        host.until("! [ -e /run/portmap-deploy/lock ]", Duration::from_secs(5));
        assert_eq!(second.said("extend t4 3 600").await, "failed confirmed");
        second.hang_up().await;
        host.until("! [ -e /run/portmap-deploy/t4.until ]", Duration::from_secs(1));
        let left = host.running("portmap-deploy/t");
        assert!(left.is_empty(), "{backend} {shell}: {left:?}");
    }
}

/// What is kept of generations is what they were made of.
#[tokio::test]
async fn generations_and_who_made_them_are_remembered() {
    for shell in ["dash", "busybox"] {
        let host = Host::new("nft", shell);
        let mut first = host.login();
        assert_eq!(Kept::read(&first.ok("generations").await), Kept::default());
        first.deploy("t1", OLD).await;
        first.deploy("t2", NEW).await;
        first.switch("t3", OLD, 60).await;
        let kept = Kept::read(&host.login().ok("generations").await);
        assert_eq!(
            (kept.current, kept.names().as_str()),
            (Some(2), "1 and 2 (in force)"),
            "{shell}"
        );
        let mappings = |number| kept.generation(number).unwrap().mappings.mappings().len();
        assert_eq!((mappings(1), mappings(2)), (1, 2));
        let made = kept.made(2).unwrap();
        assert_eq!((made.transaction.as_str(), made.operator.as_str()), ("t2", "t2@desk"));
        assert_eq!(first.said("rollback t3").await, "ok undone controller");
        let observed = Observed::read(&first.ok("observe").await).unwrap();
        let made = observed.made.unwrap();
        assert_eq!(
            (made.transaction.as_str(), made.run.as_str(), made.before),
            ("t2", "run1", Some(1))
        );
        for number in 4..9 {
            first
                .deploy(&format!("t{number}"), &format!(r#"["{}:22"]"#, 2000 + number))
                .await;
        }
        let kept = Kept::read(&first.ok("generations").await);
        assert_eq!(kept.names(), "3, 4, 5, 6 and 7 (in force)", "{shell}");

        // What is damaged is not taken for fewer mappings, and hides nothing else.
        let mappings = |number| format!("/var/lib/portmap-deploy/gen-00000{number}/mappings");
        host.run(&format!("printf half >{}", mappings(3)));
        host.run(&format!("truncate -s 100M {}", mappings(4)));
        let kept = Kept::read(&first.ok("generations").await);
        assert_eq!(kept.names(), "5, 6 and 7 (in force)", "{shell}");
        assert!(kept.made(7).is_some(), "{shell}");
        // What was staged, forgotten by a /run that somebody emptied, and passed by a later change, is no generation.
        first.switch("t9", OLD, 60).await;
        host.run("rm -rf /run/portmap-deploy");
        let mut later = host.login();
        later.deploy("t10", NEW).await;
        let kept = Kept::read(&later.ok("generations").await);
        assert_eq!(kept.names(), "5, 6, 7 and 9 (in force)", "{shell}");
    }
}
