//! Connections to ports of the host, by the way that logins take.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Subject, within};
use crate::mapping::Protocol;
use crate::probe;
use crate::proof::Outcome;

/// A connection that can come about has done so by then.
const SETTLED: Duration = Duration::from_secs(1);

/// Whether a connection comes about.
pub(super) async fn open(subject: &Subject, port: u16, limit: Duration) -> Result<(), String> {
    match attempt(subject, port, limit).await {
        Outcome::Connected => Ok(()),
        Outcome::Refused => Err("connection refused".to_owned()),
        Outcome::Silent => Err(format!("no answer {}", within(limit))),
        Outcome::NoPath(why) | Outcome::Untold(why) => Err(why),
    }
}

/// Whether none does. Where less time is left than was `asked` for, silence may be too short to tell anything.
pub(super) async fn closed(subject: &Subject, port: u16, limit: Duration, asked: Duration) -> Result<(), String> {
    match attempt(subject, port, limit).await {
        Outcome::Connected => Err("it can be connected to".to_owned()),
        Outcome::Silent if limit < asked.min(SETTLED) => {
            Err(format!("no answer {}, which is too short to tell", within(limit)))
        }
        Outcome::Refused | Outcome::Silent => Ok(()),
        Outcome::NoPath(why) | Outcome::Untold(why) => Err(why),
    }
}

async fn attempt(subject: &Subject, port: u16, limit: Duration) -> Outcome {
    if let Some(tunnel) = subject.route.tunnel() {
        return match probe::attempt_through(tunnel, port, limit).await {
            // Nobody who was connected to may have spoken yet.
            Outcome::Silent => probe::unanswered(Some(tunnel)),
            outcome => outcome,
        };
    }
    match subject.peer.address() {
        Some(address) => probe::attempt(Protocol::Tcp, SocketAddr::new(address, port), None, 0, limit).await,
        None => Outcome::NoPath(format!("nothing leads to {}", subject.peer.host())),
    }
}
