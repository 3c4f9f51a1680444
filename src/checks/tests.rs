use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Mutex;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn check(probe: Probe) -> Check {
    Check {
        probe,
        timeout: Duration::from_secs(5),
        retries: 0,
        delay: Duration::from_millis(10),
    }
}

fn command(words: &[&str]) -> Probe {
    Probe::Command(words.iter().map(|word| (*word).to_owned()).collect())
}

fn http(port: u16, contains: Option<&str>) -> Probe {
    Probe::Http {
        url: format!("http://127.0.0.1:{port}/"),
        status: vec![200],
        contains: contains.map(str::to_owned),
    }
}

/// What came of it within so long, and what was said meanwhile.
async fn held_within(checks: &[Check], left: Duration) -> (Result<(), String>, Vec<String>) {
    let subject = Subject {
        name: "web1".to_owned(),
        route: Route::Direct(vec![LOCAL]),
        peer: Peer::Address(SocketAddr::new(LOCAL, 22)),
        sessions: Sessions::none(),
        places: Arc::new(Semaphore::new(2)),
    };
    let end = Some(Instant::now() + left);
    let time = Time {
        ends: end,
        tries_until: end,
        why: "the time is over",
    };
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hearing = Arc::clone(&heard);
    let said: Said = Arc::new(move |line| hearing.lock().unwrap().push(line));
    let held = hold(checks, &subject, time, &said).await;
    let said = heard.lock().unwrap().clone();
    (held, said)
}

async fn held(checks: &[Check]) -> Result<(), String> {
    held_within(checks, Duration::from_secs(10)).await.0
}

/// Answers every request with these bytes; its port.
async fn server(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(&answer).await;
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_not_made_here() {
    assert_eq!(held(&[check(Probe::Ssh)]).await, Ok(()));
    assert_eq!(held(&[]).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn ports() {
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    assert_eq!(held(&[check(Probe::Tcp(port))]).await, Ok(()));
    let open = Err(format!("check `closed {port}` failed: it can be connected to"));
    assert_eq!(held(&[check(Probe::Closed(port))]).await, open);
    // Bound, so that nobody listens there, nor connects from there: that would be a connection to itself.
    let bound = tokio::net::TcpSocket::new_v4().unwrap();
    bound.bind((LOCAL, 0).into()).unwrap();
    let port = bound.local_addr().unwrap().port();
    let refused = Err(format!("check `tcp {port}` failed: connection refused"));
    assert_eq!(held(&[check(Probe::Tcp(port))]).await, refused);
    assert_eq!(held(&[check(Probe::Closed(port))]).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_servers() {
    let page = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n\xffabc".to_vec();
    let port = server(page).await;
    assert_eq!(held(&[check(http(port, Some("bc")))]).await, Ok(()));
    let lacks = held(&[check(http(port, Some("abd")))]).await.unwrap_err();
    assert!(
        lacks.ends_with("the answer (4 bytes) does not hold what `contains` asks for"),
        "{lacks}"
    );
    let noise = server(b"SSH-2.0-OpenSSH\r\n".to_vec()).await;
    assert!(held(&[check(http(noise, None))]).await.is_err());
}

/// Of an answer without end no more than a part is kept, and none is waited for beyond its time.
#[tokio::test(flavor = "multi_thread")]
async fn answers_without_end() {
    let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let long = server([head.clone(), vec![b'x'; 3 << 20]].concat()).await;
    let lacks = held(&[check(http(long, Some("y")))]).await.unwrap_err();
    assert!(lacks.contains("(1048576 bytes)"), "{lacks}");
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let trickles = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(&head).await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let hasty = Check {
        timeout: Duration::from_millis(300),
        ..check(http(port, Some("y")))
    };
    let why = held(&[hasty]).await.unwrap_err();
    assert!(why.contains("within 0.3 s"), "{why}");
    trickles.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn programs() {
    let environment = r#"[ "$PORTMAP_HOST $PORTMAP_ADDRESS $PORTMAP_PORT" = "web1 127.0.0.1 22" ]"#;
    assert_eq!(held(&[check(command(&["sh", "-c", environment]))]).await, Ok(()));
    let noisy = check(command(&[
        "sh",
        "-c",
        "seq 100000; printf 'a\\033[2Jb\\n\\n' >&2; exit 7",
    ]));
    let why = held(&[noisy]).await.unwrap_err();
    assert!(
        why.starts_with("check `command sh` failed: exit status: 7: a") && !why.contains('\u{1b}'),
        "{why}"
    );
    // What it leaves running holds its output open.
    let began = Instant::now();
    assert_eq!(
        held(&[check(command(&["sh", "-c", "sleep 5 & echo left"]))]).await,
        Ok(())
    );
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn tries_are_counted_and_end_with_the_time() {
    let stubborn = |retries, delay| Check {
        retries,
        delay: Duration::from_millis(delay),
        ..check(command(&["false"]))
    };
    let (ended, said) = held_within(&[stubborn(2, 10)], Duration::from_secs(10)).await;
    assert_eq!(
        ended,
        Err("check `command false` failed: exit status: 1 (3 tries)".to_owned())
    );
    assert_eq!(said, ["check command false again: exit status: 1"; 2]);
    let (ended, said) = held_within(&[stubborn(9, 10_000)], Duration::from_secs(1)).await;
    let expected = "check `command false` failed: exit status: 1, and the time is over";
    assert_eq!((ended, said.len()), (Err(expected.to_owned()), 0));
    let began = Instant::now();
    let (ended, _) = held_within(&[check(command(&["sleep", "9"]))], Duration::from_millis(200)).await;
    let expected = "check `command sleep` failed: it did not end within 0.2 s: the time is over";
    assert_eq!(ended, Err(expected.to_owned()));
    assert!(began.elapsed() < Duration::from_secs(2));
}

/// Two places, three programs: the third has its turn when one of the others has ended.
#[tokio::test(flavor = "multi_thread")]
async fn places_are_for_a_try_each() {
    let nap = check(command(&["sleep", "0.2"]));
    let began = Instant::now();
    assert_eq!(held(&[nap.clone(), nap.clone(), nap]).await, Ok(()));
    assert!(began.elapsed() >= Duration::from_millis(400));
}

#[test]
fn names_hold_nothing_that_may_be_secret() {
    let checks = [
        check(command(&["/usr/bin/curl", "--token", "hidden"])),
        check(Probe::RemoteCommand(vec!["test".to_owned(), "hidden".to_owned()])),
        check(Probe::Http {
            url: "https://ann:hidden@h/?hidden".to_owned(),
            status: vec![],
            contains: None,
        }),
        check(Probe::Ssh),
        check(Probe::Tcp(80)),
    ];
    let shown = names(&checks);
    assert_eq!(
        shown,
        "command /usr/bin/curl, remote_command test, http https://h/ and 2 more"
    );
}
