//! Which port answers as sshd: candidates raced by TCP connect. Only logins count as connections; these are
//! bare ones that read a banner and go.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::LoginError;
use super::route::{Opened, Peer, Route, Tunnel};

/// What came of one candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Where.
    pub at: Peer,
    /// `None`: it answered as sshd; else what happened, a few words.
    pub failure: Option<String>,
}

/// Which of several ports that answer comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The quickest: whose key is known tells a wrong host.
    Quickest,
    /// The one that stands first: whoever answers will be believed, so the likeliest is asked first.
    Listed,
}

/// A race under way.
pub struct Race {
    running: JoinSet<(usize, Attempt)>,
    order: Order,
    /// Candidates under way by place of their port.
    pending: Vec<usize>,
    /// They answer, and wait for ports before them.
    held: Vec<(usize, Attempt)>,
}

impl Race {
    /// Connects to every port on every address at once, each for at most `limit`.
    #[must_use]
    pub fn start(route: &Route, ports: &[u16], order: Order, limit: Duration) -> Self {
        let mut running = JoinSet::new();
        let mut pending = vec![0; ports.len()];
        for ((place, &port), pending) in ports.iter().enumerate().zip(&mut pending) {
            match route {
                Route::Direct(addresses) => {
                    *pending = addresses.len();
                    for &address in addresses {
                        let at = SocketAddr::new(address, port);
                        running.spawn(attempt(place, Peer::Address(at), limit, direct(at)));
                    }
                }
                Route::Through(tunnel) => {
                    *pending = 1;
                    let asked = through(tunnel.clone(), port, limit);
                    running.spawn(attempt(place, tunnel.peer(port), limit, asked));
                }
            }
        }
        Self {
            running,
            order,
            pending,
            held: Vec::new(),
        }
    }

    /// The next that is decided, those that answer in their order; `None` when there are no more.
    pub async fn next(&mut self) -> Option<Attempt> {
        loop {
            if let Some(attempt) = self.due() {
                return Some(attempt);
            }
            let Some(ended) = self.running.join_next().await else {
                return self.held.pop().map(|(_, attempt)| attempt);
            };
            let Ok((place, attempt)) = ended else { continue };
            if let Some(pending) = self.pending.get_mut(place) {
                *pending -= 1;
            }
            if attempt.failure.is_some() {
                return Some(attempt);
            }
            self.held.push((place, attempt));
        }
    }

    /// One that answers, with nothing before it that still may.
    fn due(&mut self) -> Option<Attempt> {
        let first = self.held.iter().map(|(place, _)| *place).min()?;
        let waits = self.order == Order::Listed && self.pending.iter().take(first).any(|pending| *pending > 0);
        if waits {
            return None;
        }
        let index = self.held.iter().position(|(place, _)| *place == first)?;
        Some(self.held.remove(index).1)
    }
}

/// Nobody answers as sshd: what was tried, and what to do.
#[must_use]
pub fn nobody(tried: &[Attempt]) -> LoginError {
    LoginError::Unreachable {
        message: format!("no way in ({})", said(tried)),
        hint: Some(
            "check that the host is up; if its sshd is reached by a port that is not among these, \
             name it: portmap_previous_ports: [PORT]"
                .to_owned(),
        ),
    }
}

fn said(tried: &[Attempt]) -> String {
    let one = |attempt: &&Attempt| format!("{}: {}", attempt.at, attempt.failure.as_deref().unwrap_or_default());
    // They come as they end: in one order, what is said of a host is the same each time.
    let mut tried: Vec<&Attempt> = tried.iter().collect();
    tried.sort_by_key(|attempt| (attempt.at.address(), attempt.at.port()));
    tried.iter().map(one).collect::<Vec<_>>().join(", ")
}

impl LoginError {
    /// The same with what came of the candidates that did not get as far.
    #[must_use]
    pub(super) fn with_tried(mut self, tried: &[Attempt]) -> Self {
        let (Self::Unreachable { message, .. } | Self::HostKey { message, .. } | Self::Rights { message, .. }) =
            &mut self;
        if !tried.is_empty() {
            *message = format!("{message} (also tried: {})", said(tried));
        }
        self
    }
}

async fn attempt(
    place: usize,
    at: Peer,
    limit: Duration,
    asked: impl Future<Output = Result<(), String>>,
) -> (usize, Attempt) {
    let answer = timeout(limit, asked).await;
    let failure = answer.unwrap_or_else(|_| Err("no answer".to_owned())).err();
    (place, Attempt { at, failure })
}

async fn direct(at: SocketAddr) -> Result<(), String> {
    let stream = TcpStream::connect(at).await.map_err(|error| error.kind().to_string())?;
    is_sshd(banner(stream).await)
}

async fn through(tunnel: Tunnel, port: u16, limit: Duration) -> Result<(), String> {
    match tunnel.open(port, limit).await {
        Ok(Opened::Connected(stream)) => is_sshd(banner(stream).await),
        Ok(Opened::Trying(mut stream)) => match banner(&mut stream).await {
            Ok(Banner::Nothing) => Err(stream.refusal().to_string()),
            other => is_sshd(other),
        },
        Err(refusal) => Err(refusal.to_string()),
    }
}

/// How a connection began.
enum Banner {
    Sshd,
    Other,
    Nothing,
}

fn is_sshd(banner: std::io::Result<Banner>) -> Result<(), String> {
    match banner {
        Ok(Banner::Sshd) => Ok(()),
        Ok(Banner::Other | Banner::Nothing) => Err("does not answer as sshd".to_owned()),
        Err(error) => Err(error.kind().to_string()),
    }
}

/// RFC 4253, 4.2: other lines may come before the one that begins with `SSH-`.
async fn banner(mut stream: impl AsyncRead + Unpin) -> std::io::Result<Banner> {
    let mut seen = Vec::new();
    let mut chunk = [0; 256];
    while seen.len() < 8192 {
        let read = stream.read(&mut chunk).await?;
        if read == 0 && seen.is_empty() {
            return Ok(Banner::Nothing);
        }
        if read == 0 {
            break;
        }
        seen.extend(chunk.iter().take(read));
        if seen.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"SSH-")) {
            return Ok(Banner::Sshd);
        }
    }
    Ok(Banner::Other)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    const LOCAL: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::LOCALHOST)];

    /// Says `text` to whoever connects, after a while; its port.
    async fn says(text: &'static str, after: Duration) -> u16 {
        let listener = TcpListener::bind((LOCAL[0], 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::time::sleep(after).await;
                let _ = stream.write_all(text.as_bytes()).await;
            }
        });
        port
    }

    async fn answered(ports: &[u16], order: Order) -> Vec<u16> {
        let mut race = Race::start(&Route::Direct(LOCAL.to_vec()), ports, order, Duration::from_secs(5));
        let mut answered = Vec::new();
        while let Some(attempt) = race.next().await {
            if attempt.failure.is_none() {
                answered.push(attempt.at.port());
            }
        }
        answered
    }

    /// A port at which nobody listens as long as the socket is there.
    fn closed() -> (TcpSocket, u16) {
        let bound = TcpSocket::new_v4().unwrap();
        bound.bind((LOCAL[0], 0).into()).unwrap();
        let port = bound.local_addr().unwrap().port();
        (bound, port)
    }

    #[tokio::test]
    async fn the_quickest_sshd_comes_first_unless_the_list_counts() {
        let slow = says("hello\r\nSSH-2.0-slow\r\n", Duration::from_millis(300)).await;
        let quick = says("SSH-2.0-quick\r\n", Duration::ZERO).await;
        let web = says("HTTP/1.0 400 no\r\n", Duration::ZERO).await;
        let (_bound, closed) = closed();
        let ports = [closed, web, slow, quick];
        assert_eq!(answered(&ports, Order::Quickest).await, [quick, slow]);
        assert_eq!(answered(&ports, Order::Listed).await, [slow, quick]);
    }
}
