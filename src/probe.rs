//! One connection attempt from here, marked so that the host's counters can tell it from anybody else's:
//! a TCP SYN with a maximum segment size of its own, a UDP datagram with a length of its own.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, UdpSocket};
use tokio::time::timeout;

use crate::mapping::Protocol;
use crate::proof::Outcome;
use crate::remote::route::{Opened, Refusal, Tunnel};

/// Tries once, over a new connection from a new source port, for at most `limit`.
///
/// `mss`, if any, goes into the SYN (tcp(7), `TCP_MAXSEG`); `payload` is the datagram's length in bytes, without headers.
pub async fn attempt(protocol: Protocol, to: SocketAddr, mss: Option<u16>, payload: usize, limit: Duration) -> Outcome {
    let tried = async {
        match protocol {
            Protocol::Tcp => tcp(to, mss).await,
            Protocol::Udp => udp(to, payload).await,
        }
    };
    match timeout(limit, tried).await {
        Ok(Ok(())) => Outcome::Connected,
        Ok(Err(error)) => outcome(&error),
        Err(_) => Outcome::Silent,
    }
}

/// Tries once over TCP, through a tunnel. It cannot be marked: only where it comes from tells it from others'.
pub async fn attempt_through(tunnel: &Tunnel, port: u16, limit: Duration) -> Outcome {
    let tried = async {
        match tunnel.open(port, limit).await? {
            Opened::Connected(_) => Ok(Outcome::Connected),
            Opened::Trying(mut stream) => match stream.read(&mut [0]).await {
                Ok(1..) => Ok(Outcome::Connected),
                _ => Err(stream.refusal()),
            },
        }
    };
    match timeout(limit, tried).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(Refusal::Refused)) => Outcome::Refused,
        Ok(Err(Refusal::Silent)) => Outcome::Silent,
        Ok(Err(Refusal::Broken(why))) if tunnel.tells() => Outcome::NoPath(why),
        Ok(Err(Refusal::Broken(why))) => Outcome::Untold(why),
        Err(_) => unanswered(Some(tunnel)),
    }
}

/// What an attempt came to that has not ended in time. A command that goes on may have connected to somebody who waits
/// for us to speak.
#[must_use]
pub fn unanswered(tunnel: Option<&Tunnel>) -> Outcome {
    match tunnel {
        Some(tunnel) if !tunnel.tells() => Outcome::Untold(format!("{tunnel} does not tell whether it connected")),
        _ => Outcome::Silent,
    }
}

fn outcome(error: &std::io::Error) -> Outcome {
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset | ErrorKind::PermissionDenied => Outcome::Refused,
        // Host unreachable is also what a REJECT rule answers: as good as no answer, the counters say more.
        ErrorKind::TimedOut | ErrorKind::HostUnreachable => Outcome::Silent,
        ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable => Outcome::NoPath(error.kind().to_string()),
        _ => Outcome::NoPath(error.to_string()),
    }
}

async fn tcp(to: SocketAddr, mss: Option<u16>) -> std::io::Result<()> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    if let Some(mss) = mss {
        socket.set_tcp_mss(u32::from(mss))?;
    }
    socket.set_nonblocking(true)?;
    let stream = TcpSocket::from_std_stream(socket.into()).connect(to).await?;
    // An orderly end: a reset would look like a port scan to whoever watches the service.
    drop(stream);
    Ok(())
}

async fn udp(to: SocketAddr, payload: usize) -> std::io::Result<()> {
    let here: SocketAddr = if to.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0u16; 8], 0).into()
    };
    let socket = UdpSocket::bind(here).await?;
    socket.connect(to).await?;
    socket.send(&vec![0; payload]).await?;
    let mut answer = [0; 1];
    socket.recv(&mut answer).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: Option<u16> = Some(777);

    #[tokio::test]
    async fn tells_listening_from_refusing_ports() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        let limit = Duration::from_secs(5);
        assert_eq!(attempt(Protocol::Tcp, open, MSS, 0, limit).await, Outcome::Connected);
        drop(listener);
        assert_eq!(attempt(Protocol::Tcp, open, MSS, 0, limit).await, Outcome::Refused);
        assert_eq!(attempt(Protocol::Udp, open, MSS, 100, limit).await, Outcome::Refused);
    }

    #[tokio::test]
    async fn a_datagram_that_nobody_answers_is_silence() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = socket.local_addr().unwrap();
        assert_eq!(
            attempt(Protocol::Udp, to, MSS, 100, Duration::from_millis(50)).await,
            Outcome::Silent
        );
        let mut got = [0; 200];
        assert_eq!(socket.recv(&mut got).unwrap(), 100);
    }
}
