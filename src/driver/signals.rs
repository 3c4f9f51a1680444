//! The signals by which an operator ends a run.

use std::os::raw::c_int;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGINT or SIGTERM.
    Interrupt,
    /// SIGHUP: the terminal was closed.
    Hangup,
}

/// SIGINT, SIGTERM, and SIGHUP unless whoever started this program has it ignore that (as nohup does). Where handlers
/// cannot be installed the signals keep their default: they end the program, and the hosts' timers do the rest.
pub(crate) fn listen() -> UnboundedReceiver<Signal> {
    let (sender, receiver) = unbounded_channel();
    let kinds = [
        (SignalKind::interrupt(), Signal::Interrupt),
        (SignalKind::terminate(), Signal::Interrupt),
        (SignalKind::hangup(), Signal::Hangup),
    ];
    let ignored = ignored();
    for (kind, meaning) in kinds {
        if meaning == Signal::Hangup && is_ignored(kind.as_raw_value(), ignored) {
            continue;
        }
        let sender = sender.clone();
        let Ok(mut signals) = signal(kind) else { continue };
        tokio::spawn(async move { while signals.recv().await.is_some() && sender.send(meaning).is_ok() {} });
    }
    receiver
}

/// The mask of signals that are ignored: proc(5), `SigIgn`.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    mask(&status)
}

fn mask(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

fn is_ignored(signal: c_int, mask: u64) -> bool {
    let bit = u32::try_from(signal).ok().and_then(|signal| signal.checked_sub(1));
    bit.and_then(|bit| mask.checked_shr(bit))
        .is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nohup_ignores_stays_ignored() {
        let status = "Name:\tportmap-deploy\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000001\n";
        assert!(is_ignored(SignalKind::hangup().as_raw_value(), mask(status)));
        assert!(!is_ignored(SignalKind::interrupt().as_raw_value(), mask(status)));
        assert_eq!(mask("nothing of the kind"), 0);
    }
}
