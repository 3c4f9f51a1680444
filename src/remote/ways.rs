//! Which port answers as sshd: candidates raced by TCP connect. Only logins count as connections; these are
//! bare ones that read a banner and go.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::LoginError;

/// What came of one candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Where.
    pub at: SocketAddr,
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
    pub fn start(addresses: &[IpAddr], ports: &[u16], order: Order, limit: Duration) -> Self {
        let mut running = JoinSet::new();
        for (place, &port) in ports.iter().enumerate() {
            for &address in addresses {
                let at = SocketAddr::new(address, port);
                running.spawn(async move { (place, attempt(at, limit).await) });
            }
        }
        Self {
            running,
            order,
            pending: vec![addresses.len(); ports.len()],
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
    let one = |attempt: &Attempt| format!("{}: {}", attempt.at, attempt.failure.as_deref().unwrap_or_default());
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

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
        let mut race = Race::start(&LOCAL, ports, order, Duration::from_secs(5));
        let mut answered = Vec::new();
        while let Some(attempt) = race.next().await {
            if attempt.failure.is_none() {
                answered.push(attempt.at.port());
            }
        }
        answered
    }

    async fn closed() -> u16 {
        let listener = TcpListener::bind((LOCAL[0], 0)).await.unwrap();
        listener.local_addr().unwrap().port()
    }

    #[tokio::test]
    async fn the_quickest_sshd_comes_first_unless_the_list_counts() {
        let slow = says("hello\r\nSSH-2.0-slow\r\n", Duration::from_millis(300)).await;
        let quick = says("SSH-2.0-quick\r\n", Duration::ZERO).await;
        let web = says("HTTP/1.0 400 no\r\n", Duration::ZERO).await;
        let ports = [closed().await, web, slow, quick];
        assert_eq!(answered(&ports, Order::Quickest).await, [quick, slow]);
        assert_eq!(answered(&ports, Order::Listed).await, [slow, quick]);
    }
}
