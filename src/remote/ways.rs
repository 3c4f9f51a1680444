//! Which port answers as sshd: candidates raced by TCP connect. Only logins count as connections; these are
//! bare ones that read a banner and go.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// What came of one candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Where.
    pub at: SocketAddr,
    /// `None`: it answered as sshd; else what happened, a few words.
    pub failure: Option<String>,
}

/// A race under way: the first to answer comes first.
pub struct Race(JoinSet<Attempt>);

impl Race {
    /// Connects to every port on every address at once, each for at most `limit`.
    #[must_use]
    pub fn start(addresses: &[IpAddr], ports: &[u16], limit: Duration) -> Self {
        let mut race = JoinSet::new();
        for &address in addresses {
            for &port in ports {
                race.spawn(attempt(SocketAddr::new(address, port), limit));
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

async fn attempt(at: SocketAddr, limit: Duration) -> Attempt {
    let failure = match timeout(limit, banner(at)).await {
        Ok(Ok(true)) => None,
        Ok(Ok(false)) => Some("does not answer as sshd".to_owned()),
        Ok(Err(error)) => Some(error.kind().to_string()),
        Err(_) => Some("no answer".to_owned()),
    };
    Attempt { at, failure }
}

/// RFC 4253, 4.2: other lines may come before the one that begins with `SSH-`.
async fn banner(at: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(at).await?;
    let mut seen = Vec::new();
    let mut chunk = [0; 256];
    while seen.len() < 8192 {
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            return Ok(false);
        }
        seen.extend(chunk.iter().take(read));
        if seen.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"SSH-")) {
            return Ok(true);
        }
    }
    Ok(false)
}
