//! A program that is run for its answer, whatever it does instead of answering.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::Deadline;
use crate::world::{Answer, MAX_BYTES};

/// As much as a pipe of Linux holds, pipe(7).
const PIPE: usize = 64 * 1024;
/// As much of standard error as anybody reads.
const MAX_STDERR: usize = 64 * 1024;

/// Runs a program until it has ended and its standard output is closed, by whomever it left behind as well: that is
/// when its answer is whole, and what Ansible waits for.
pub(super) fn run(program: &Path, arguments: &[&str], deadline: Deadline) -> io::Result<Answer> {
    let mut script = Script::start(program, arguments)?;
    script.listen(deadline)?;
    let status = script.running.end()?;
    Ok(Answer {
        status: status.code(),
        stdout: script.stdout.kept,
        stderr: String::from_utf8_lossy(&script.stderr.kept).into_owned(),
    })
}

/// A program that runs, and what it has said so far.
struct Script {
    running: Running,
    stdout: Pipe,
    stderr: Pipe,
}

impl Script {
    fn start(program: &Path, arguments: &[&str]) -> io::Result<Self> {
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn();
        let mut running = Running::new(child.map_err(|error| explain(program, error))?);
        let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
        let stdout = running.child.stdout.take().ok_or_else(missing)?;
        let stderr = running.child.stderr.take().ok_or_else(missing)?;
        Ok(Self {
            running,
            stdout: Pipe::new(stdout.into(), usize::MAX)?,
            stderr: Pipe::new(stderr.into(), MAX_STDERR)?,
        })
    }

    /// Takes in what it says until it has ended.
    fn listen(&mut self, deadline: Deadline) -> io::Result<()> {
        let process = pidfd_open(self.running.pid()?, PidfdFlags::empty())?;
        let mut has_ended = false;
        while !has_ended || self.stdout.file.is_some() {
            let open = [&self.stdout, &self.stderr]
                .into_iter()
                .filter_map(|pipe| pipe.file.as_ref());
            let mut awaited: Vec<PollFd<'_>> = open.map(|file| PollFd::new(file, PollFlags::IN)).collect();
            if !has_ended {
                awaited.push(PollFd::new(&process, PollFlags::IN));
            }
            deadline.await_any(&mut awaited)?;
            // Asked before the pipes are read: all that it said itself is in them by then.
            has_ended = has_ended || is_ready(&process)?;
            self.stdout.drain()?;
            self.stderr.drain()?;
        }
        Ok(())
    }
}

fn is_ready(file: &impl AsFd) -> io::Result<bool> {
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    Ok(rustix::event::poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&now))? > 0)
}

/// "No such file" about a file that is there means its first line.
fn explain(program: &Path, error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::NotFound && program.exists() {
        let reason = "the interpreter that its first line names is missing";
        return io::Error::new(io::ErrorKind::NotFound, reason);
    }
    error
}

/// One end of a pipe, read without waiting.
struct Pipe {
    /// `None` once the other end is closed.
    file: Option<File>,
    kept: Vec<u8>,
    keep: usize,
    seen: u64,
}

impl Pipe {
    /// A pipe of which so many bytes are kept.
    fn new(end: OwnedFd, keep: usize) -> io::Result<Self> {
        fcntl_setfl(&end, fcntl_getfl(&end)? | OFlags::NONBLOCK)?;
        Ok(Self {
            file: Some(end.into()),
            kept: Vec::new(),
            keep,
            seen: 0,
        })
    }

    /// Takes what is there, at most a pipe full of it, so that an endless stream cannot keep the others waiting.
    fn drain(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; PIPE];
        let Some(file) = &mut self.file else { return Ok(()) };
        match file.read(&mut buffer) {
            Ok(0) => self.file = None,
            Ok(count) => self.take(buffer.get(..count).unwrap_or_default())?,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.seen = self.seen.saturating_add(bytes.len() as u64);
        if self.seen > MAX_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let room = self.keep.saturating_sub(self.kept.len());
        self.kept.extend(bytes.iter().take(room));
        Ok(())
    }
}

/// A process with a group of its own, which is ended whole unless [`Running::end`] is reached.
struct Running {
    child: Child,
    is_over: bool,
}

impl Running {
    fn new(child: Child) -> Self {
        Self { child, is_over: false }
    }

    fn pid(&self) -> io::Result<Pid> {
        Pid::from_raw(self.child.id().cast_signed()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The status of a process that has ended; those it left behind go on.
    fn end(&mut self) -> io::Result<ExitStatus> {
        self.is_over = true;
        self.child.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        // Not reaped yet, so the number cannot be another group's by now.
        if let Ok(pid) = self.pid() {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}
