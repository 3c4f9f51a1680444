//! Which port answers as sshd: candidates raced by TCP connect. Only logins count as connections; these are
//! bare ones that read a banner and go.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::route::{Opened, Peer, Route, Tunnel};

/// What came of one candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Where.
    pub at: Peer,
    /// `None`: it answered as sshd; else what happened, a few words.
    pub failure: Option<String>,
}

/// A race under way: the first to answer comes first.
pub struct Race(JoinSet<Attempt>);

impl Race {
    /// Connects to every port on every address at once, each for at most `limit`.
    #[must_use]
    pub fn start(route: &Route, ports: &[u16], limit: Duration) -> Self {
        let mut race = JoinSet::new();
        for &port in ports {
            match route {
                Route::Direct(addresses) => {
                    for &address in addresses {
                        let at = SocketAddr::new(address, port);
                        race.spawn(attempt(Peer::Address(at), limit, direct(at)));
                    }
                }
                Route::Through(tunnel) => {
                    let tunnel = tunnel.clone();
                    race.spawn(attempt(tunnel.peer(port), limit, through(tunnel, port, limit)));
                }
            }
        }
        Self(race)
    }

    /// The next that is decided; `None` when all are.
    pub async fn next(&mut self) -> Option<Attempt> {
        loop {
            if let Ok(attempt) = self.0.join_next().await? {
                return Some(attempt);
            }
        }
    }
}

async fn attempt(at: Peer, limit: Duration, asked: impl Future<Output = Result<(), String>>) -> Attempt {
    let answer = timeout(limit, asked).await;
    let failure = answer.unwrap_or_else(|_| Err("no answer".to_owned())).err();
    Attempt { at, failure }
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
