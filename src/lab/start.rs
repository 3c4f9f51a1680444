//! One member's start: its process, and the few words said with it (see `host.sh`).

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Error, Member, Process, tool};

const SCRIPT: &str = include_str!("host.sh");

/// How long a member that failed may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// A member that is coming up. Ends when this is dropped, or when this process dies, unless told to [stay](Self::stay).
#[derive(Debug)]
pub(super) struct Starting {
    name: String,
    log: PathBuf,
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    init: Option<Process>,
    stays: bool,
}

/// `host.sh` in namespaces of its own; the caller adds its arguments to the environment, where the script is too: `ps`
/// would show all of it.
pub(super) fn script(name: &str) -> Command {
    let mut command = tool::command("setsid");
    command
        .args(["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--cgroup"])
        .args(["--fork", "--kill-child", "--propagation=private", "--"])
        .args(["sh", "-c", r#"eval "$LAB_SCRIPT""#, "portmap-lab", name])
        .env("LAB_SCRIPT", SCRIPT);
    command
}

impl Starting {
    /// Starts `command`; what it complains of goes to a file in `logs`.
    pub(super) fn spawn(name: &str, mut command: Command, logs: &Path, id: &str) -> Result<Self, Error> {
        let log = logs.join(id);
        let complaints = File::create(&log).map_err(Error::io(format!("write {}", log.display())))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(complaints)
            .spawn()
            .map_err(Error::io(format!("start {name}")))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::Start {
                member: name.to_owned(),
                reason: "no pipes".to_owned(),
            });
        };
        Ok(Self {
            name: name.to_owned(),
            log,
            child,
            to,
            from: BufReader::new(from),
            init: None,
            stays: false,
        })
    }

    /// Hears the number of its PID 1.
    pub(super) fn member(&mut self, deadline: Instant) -> Result<Member, Error> {
        let pid = self.hear("pid", deadline)?;
        let observed = pid.parse().map_err(io::Error::other).and_then(Process::observe);
        let init = observed.map_err(Error::io(format!("find the process of {}", self.name)))?;
        self.init = Some(init);
        Ok(Member {
            init,
            guardian: self.process()?,
        })
    }

    /// The process that was started.
    pub(super) fn process(&self) -> Result<Process, Error> {
        let pid = i32::try_from(self.child.id()).map_err(io::Error::other);
        pid.and_then(Process::observe)
            .map_err(Error::io(format!("find the process of {}", self.name)))
    }

    /// Waits for a line that starts with `word` and returns its rest.
    pub(super) fn hear(&mut self, word: &str, deadline: Instant) -> Result<String, Error> {
        let line = self.line(deadline).map_err(|error| self.failed(&error))?;
        match line.trim_end().split_once(' ').unwrap_or((line.trim_end(), "")) {
            (first, rest) if first == word => Ok(rest.to_owned()),
            _ => Err(self.failed(&format!("it said {line:?} instead of {word}"))),
        }
    }

    fn line(&mut self, deadline: Instant) -> io::Result<String> {
        if self.from.buffer().is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(io::Error::other)?;
            if poll(&mut [PollFd::new(self.from.get_ref(), PollFlags::IN)], Some(&left))? == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        let mut line = String::new();
        match self.from.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line),
        }
    }

    /// The reason is what the member complained of, else what we saw.
    pub(super) fn failed(&self, seen: &dyn std::fmt::Display) -> Error {
        let complaints = std::fs::read_to_string(&self.log).unwrap_or_default();
        let reason = if complaints.trim().is_empty() {
            seen.to_string()
        } else {
            complaints.trim().to_owned()
        };
        Error::Start {
            member: self.name.clone(),
            reason,
        }
    }

    pub(super) fn tell(&mut self, word: &str) -> Result<(), Error> {
        writeln!(self.to, "{word}").map_err(|error| self.failed(&error))
    }

    /// From here on it outlives this process.
    pub(super) fn stay(mut self) -> Result<(), Error> {
        self.tell("stay")?;
        self.stays = true;
        Ok(())
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        // Failures have nobody to be told to: the reason why we are here is being told already.
        if let Some(init) = self.init {
            let _ = init.end(PATIENCE);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
