//! A process that is still the one that was started: a number alone may be somebody else's by now.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A process, by its number and the time it started (`/proc/PID/stat`, proc(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Process {
    pid: i32,
    started: u64,
}

impl Process {
    /// The process that has this number now.
    ///
    /// # Errors
    /// There is none.
    pub fn observe(pid: i32) -> io::Result<Self> {
        let started = started(pid).ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { pid, started })
    }

    /// Its number.
    #[must_use]
    pub fn pid(self) -> i32 {
        self.pid
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_alive(self) -> bool {
        started(self.pid) == Some(self.started)
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// It did not within `patience`.
    pub fn await_end(self, patience: Duration) -> io::Result<()> {
        self.awaited(None, patience)
    }

    /// Kills it and waits until it has ended. The end of a PID 1 is the end of all its namespace's processes.
    ///
    /// # Errors
    /// It did not end within `patience`. That it had ended before is no error.
    pub fn end(self, patience: Duration) -> io::Result<()> {
        self.awaited(Some(Signal::KILL), patience)
    }

    fn awaited(self, signal: Option<Signal>, patience: Duration) -> io::Result<()> {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return Ok(());
        };
        // Opened before the look at its age: what the descriptor names can then not become another.
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
            return Ok(());
        };
        if !self.is_alive() {
            return Ok(());
        }
        if let Some(signal) = signal {
            pidfd_send_signal(&handle, signal)?;
        }
        let patience = Timespec::try_from(patience).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&patience))? {
            0 => Err(io::ErrorKind::TimedOut.into()),
            _ => Ok(()),
        }
    }
}

/// When a process started, in clock ticks since boot; `None` where there is none, or only its remains.
fn started(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    match fields.next()? {
        "Z" | "X" | "x" => None,
        _ => fields.nth(18)?.parse().ok(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    #[test]
    fn a_reused_number_is_not_the_process() {
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let process = Process::observe(pid).unwrap();
        let other = Process {
            started: process.started - 1,
            ..process
        };

        assert!(!other.is_alive());
        other.end(Duration::from_secs(1)).unwrap();
        assert!(process.is_alive(), "another process of the same number was ended");

        process.end(Duration::from_secs(5)).unwrap();
        assert!(!process.is_alive(), "a zombie does not count as alive");
        child.wait().unwrap();
        assert!(Process::observe(pid).is_err());
    }
}
