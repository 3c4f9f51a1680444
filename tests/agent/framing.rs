//! What a login prints beside the dialogue, and hosts that send anything at all.

use portmap_deploy::remote::dialogue::{Dialogue, Lost};
use proptest::prelude::*;

use crate::host::Host;
use crate::{NEW, OLD};

#[tokio::test]
async fn noise_of_a_login_is_told_from_answers() {
    let host = Host::new("nft", "dash");
    for noise in [
        "printf 'motd\\n = ok no\\nhalf a line'",
        "seq 20000",
        "printf '\\001\\377\\200 binary \\000 noise'",
    ] {
        let mut session = host.login_with(noise);
        let change = session.plan(OLD).await;
        assert_eq!(session.lock("t1", &change, 60).await, "ok", "{noise}");
        session.ok("stage").await;
        session.ok("abandon").await;
        session.hang_up().await;
    }
}

/// Half a line of something that a login left running comes before an answer.
#[tokio::test]
async fn noise_between_answers_is_told_from_them() {
    let host = Host::new("nft", "dash");
    let mut session = host.login_with("(for n in $(seq 400); do printf 'mail '; sleep 0.002; done) &");
    for _ in 0..50 {
        session.ok("settled").await;
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_login_that_never_stops_talking_is_cut_off() {
    let host = Host::new("nft", "dash");
    for noise in ["exec yes $(seq 20000)", "exec cat /dev/zero"] {
        let mut session = host.login_with(noise);
        session.ask("observe");
        assert!(matches!(session.hear().await, Err(Lost::TooLong)), "{noise}");
    }
}

/// Empty files, one without its last newline, and one of thousands of lines arrive as they are.
#[tokio::test]
async fn texts_arrive_as_they_are() {
    let host = Host::new("nft", "dash");
    let mut session = host.login();
    let change = session.plan(NEW).await;
    session.lock("t1", &change, 60).await;
    let long: String = (0..5000).map(|n| format!("  {n} \\t $HOME `id` \"'* é\t\n")).collect();
    let dialogue = session.dialogue.as_mut().unwrap();
    dialogue.put("empty", "");
    dialogue.put("open", "one\ntwo");
    dialogue.put("long", &long);
    session.ok("settled").await;
    assert_eq!(host.run("cd /run/portmap-deploy/t1.undo; cat empty open"), "one\ntwo\n");
    assert_eq!(host.run("cat /run/portmap-deploy/t1.undo/long"), long);
}

fn hears(bytes: Vec<u8>) -> Vec<Result<(), String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut dialogue = Dialogue::new(tokio::io::sink(), std::io::Cursor::new(bytes), "n1".to_owned(), |_, _| {});
    runtime.block_on(async {
        dialogue.ask("observe");
        let mut heard = Vec::new();
        for _ in 0..5 {
            heard.push(dialogue.answer().await.map(drop).map_err(|error| error.to_string()));
        }
        heard
    })
}

proptest! {
    #[test]
    fn anything_that_a_host_sends_is_heard_without_panic(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..500),
            "(n1( [+=] ?(ok|failed|skipped|rules 4)? ?)?|\n|[ -~é]{0,9}){0,60}".prop_map(String::into_bytes),
        ]
    ) {
        // Once the bytes are used up there is no answer any more.
        prop_assert!(hears(bytes).pop().unwrap_or(Ok(())).is_err() || true);
    }
}
