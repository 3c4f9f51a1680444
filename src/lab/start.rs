//! One member's start: its process, and the few words said with it (see `host.sh`).

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::booted::Hardware;
use super::network::Network;
use super::{Backend, Error, Host, Lab, Member, Process, state, tool};

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
pub(super) fn script(role: &str, name: &str, folder: &Path) -> Command {
    let mut command = tool::command("setsid");
    command
        .args(["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--cgroup"])
        .args(["--fork", "--kill-child", "--propagation=private", "--"])
        .args(["sh", "-c", r#"eval "$LAB_SCRIPT""#, "portmap-lab", name])
        .env("LAB_SCRIPT", SCRIPT)
        .env("LAB_ROLE", role)
        .env("LAB_HOST", host_name(name))
        .env("LAB_SCRATCH", folder.join("root"));
    command
}

/// What a host is started with.
#[derive(Debug)]
pub(super) struct HostStart<'a> {
    pub lab: &'a str,
    pub name: &'a str,
    /// Its place among the hosts of the lab.
    pub index: usize,
    pub backend: Option<Backend>,
    /// The account that the inventory logs in as.
    pub user: Option<&'a str>,
    /// The system that it boots.
    pub image: Option<&'a Path>,
    pub network: Network,
    /// The public key that may log in.
    pub key: &'a str,
}

impl<'a> HostStart<'a> {
    /// As it was started before: accounts and keys are on its disk.
    pub(super) fn again(lab: &'a Lab, host: &'a Host, index: usize) -> Self {
        let [_, _, network, _] = host.ipv4.octets();
        Self {
            lab: &lab.name,
            name: &host.name,
            index,
            backend: host.backend,
            user: None,
            image: host.image.as_deref(),
            network: Network(network),
            key: "",
        }
    }

    pub(super) fn spawn(&self) -> Result<Starting, Error> {
        let folder = state::folder(self.lab);
        let role = if self.image.is_some() { "booted" } else { "host" };
        let mut command = script(role, self.name, &folder);
        command
            .env("LAB_KEY", self.key)
            .env("LAB_BACKEND", self.backend.map_or("", Backend::name))
            .env("LAB_ADMINS", self.admins().join(" "))
            .env("LAB_LINKS", self.network.host(self.index));
        if let Some(image) = self.image {
            command.env("LAB_IMAGE", image);
            Hardware::plug_in(self.lab, &port(self.index))?.tell(&mut command);
        }
        Starting::spawn(self.name, command, &folder.join("log"), &port(self.index))
    }

    /// Accounts with sudo; `plain`, the one without, and root are made anyway.
    fn admins(&self) -> Vec<&str> {
        let given = self.user.filter(|user| !["root", "plain", "deploy"].contains(user));
        std::iter::once("deploy").chain(given).collect()
    }
}

/// The router's end of a host's link: names of hosts may be too long for one.
pub(super) fn port(index: usize) -> String {
    format!("h{}", index + 1)
}

/// What the host itself is called: inventories allow more than hostname(7).
fn host_name(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
        .collect();
    name.chars().take(63).collect()
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
