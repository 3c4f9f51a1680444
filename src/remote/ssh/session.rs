//! One session over a master: the loader is started on the host, by sudo where it must be, and the dialogue begins.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use openssh::{Session, Stdio as MuxStdio};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::beside::Sessions;
use super::{Master, Ssh, local};
use crate::inventory::{Connection as Spec, Password};
use crate::remote::dialogue::{Dialogue, LOADER};
use crate::remote::gate::{Complaints, Gate};
use crate::remote::{Login, LoginError};

/// How sessions on one host become root, and what of it was learned on the way.
pub(super) struct Entrance {
    /// Who logs in.
    pub user: String,
    sudo: bool,
    password: Option<Password>,
    /// sudo wants a terminal.
    terminal: AtomicBool,
    /// The password was wrong: once more could lock the account.
    rejected: AtomicBool,
}

impl Entrance {
    /// As with Ansible, who is root needs no sudo.
    pub(super) fn new(spec: &Spec, user: String) -> Self {
        let sudo = spec.r#become == Some(true) && user != "root";
        let given = |password: &&Password| sudo && !password.expose().is_empty();
        Self {
            user,
            sudo,
            password: spec.become_password.as_ref().filter(given).cloned(),
            terminal: AtomicBool::new(false),
            rejected: AtomicBool::new(false),
        }
    }

    /// Whether a secret goes over the connection.
    pub(super) fn is_secret(&self) -> bool {
        self.password.is_some()
    }
}

impl Ssh {
    pub(super) async fn open(&self, master: Master) -> Result<Login, LoginError> {
        let at = master.peer.clone();
        let opening = Opening::new(&self.entrance);
        let streams = opening.start(&master.place.socket()).await;
        let streams = streams.map_err(|why| local(format!("cannot open a session on {at}: {why}")))?;
        let heard = Arc::clone(&self.heard);
        let dialogue = Dialogue::new(streams.input, streams.output, random_word("PM"), move |level, line| {
            heard(level, line);
        });
        let dialogue = dialogue.behind(opening.gate());
        let connection = Connection {
            host_key: master.host_key.clone(),
            master,
            entrance: Arc::clone(&self.entrance),
            collecting: collect(streams.errors, Arc::clone(&opening.complaints)),
            complaints: opening.complaints,
            on_terminal: opening.on_terminal,
            process: streams.process,
        };
        Ok(Login {
            dialogue,
            port: at.port(),
            peer: at,
            host_key: connection.host_key.clone(),
            connection,
        })
    }
}

/// A session that is about to begin.
pub(super) struct Opening {
    sudo: bool,
    password: Option<Password>,
    on_terminal: bool,
    prompt: String,
    mark: String,
    pub complaints: Arc<Complaints>,
}

impl Opening {
    pub fn new(entrance: &Entrance) -> Self {
        // After a wrong one sudo is to end instead of asking: the gate has no answer then.
        let rejected = entrance.rejected.load(Ordering::Relaxed);
        let password = entrance.password.clone().filter(|_| !rejected);
        let prompt = random_word("sudo");
        let complaints = Complaints::new(password.as_ref().map(|_| prompt.clone()), entrance.password.clone());
        Self {
            sudo: entrance.sudo,
            password,
            on_terminal: entrance.terminal.load(Ordering::Relaxed),
            prompt,
            mark: random_word("in"),
            complaints: Arc::new(complaints),
        }
    }

    /// Without a password the script can follow at once: sudo does not read what is not for it.
    pub fn gate(&self) -> Option<Gate> {
        (self.password.is_some() || self.on_terminal).then(|| Gate {
            mark: self.mark.clone(),
            password: self.password.clone(),
            complaints: Arc::clone(&self.complaints),
            on_terminal: self.on_terminal,
        })
    }

    /// Starts the loader in a session over the master that listens on this socket.
    pub async fn start(&self, socket: &Path) -> Result<Streams, String> {
        if self.on_terminal {
            on_terminal(socket, &self.command())
        } else {
            piped(socket, self.command()).await
        }
    }

    /// For the login shell, which may be csh or fish: words, single quotes, one variable that sshd sets.
    fn command(&self) -> String {
        let Self { prompt, mark, .. } = self;
        // In a language that we understand; the prompt is our own either way.
        let sudo = match (self.sudo, &self.password) {
            (false, _) => String::new(),
            (true, None) => "env LC_ALL=C sudo -n -- ".to_owned(),
            (true, Some(_)) => format!("env LC_ALL=C sudo -S -p {prompt} -- "),
        };
        if self.on_terminal {
            // Before anything is sent: no echo, no line discipline. What complains would stand among the answers.
            return format!(
                r#"exec sh -c 'stty raw -echo&&exec {sudo}sh -c "$1" pm "$2"' pm 'exec 2>/dev/null;echo {mark};{LOADER}' "$SSH_CONNECTION""#
            );
        }
        let mark = self.gate().map(|_| format!("echo {mark};")).unwrap_or_default();
        format!(r#"exec {sudo}sh -c '{mark}{LOADER}' pm "$SSH_CONNECTION""#)
    }
}

/// A running command's ends.
pub(super) struct Streams {
    pub input: Box<dyn AsyncWrite + Send + Unpin>,
    pub output: Box<dyn AsyncRead + Send + Unpin>,
    pub errors: Box<dyn AsyncRead + Send + Unpin>,
    /// What keeps it.
    pub process: Box<dyn Send + Sync>,
}

async fn piped(socket: &Path, command: String) -> Result<Streams, String> {
    let session = Session::resume_mux(socket.into(), None);
    let mut child = Arc::new(session)
        .arc_raw_command(command)
        .stdin(MuxStdio::piped())
        .stdout(MuxStdio::piped())
        .stderr(MuxStdio::piped())
        .spawn()
        .await
        .map_err(|error| error.to_string())?;
    let streams = (child.stdin().take(), child.stdout().take(), child.stderr().take());
    let (Some(input), Some(output), Some(errors)) = streams else {
        return Err("ssh gave no streams".to_owned());
    };
    Ok(Streams {
        input: Box::new(input),
        output: Box::new(output),
        errors: Box::new(errors),
        process: Box::new(child),
    })
}

/// The openssh crate knows no terminals: `ssh` itself, over the same master and no other way. On a terminal the end of
/// its input ends nothing on the host, so it is ended here when we close it, or are no more.
fn on_terminal(socket: &Path, command: &str) -> Result<Streams, String> {
    let mut ssh = Command::new("sh");
    ssh.process_group(0)
        .args(["-c", "{ cat; kill 0; } | { \"$@\"; kill 0; }", "pm"])
        .args(["ssh", "-tt", "-F", "none", "-S"])
        .arg(socket)
        .args(TERMINAL_OPTIONS.iter().flat_map(|option| ["-o", option]))
        .args(["--", "host", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = ssh.spawn().map_err(|error| format!("cannot run ssh: {error}"))?;
    let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(input), Some(output), Some(errors)) = streams else {
        return Err("ssh gave no streams".to_owned());
    };
    Ok(Streams {
        input: Box::new(input),
        output: Box::new(output),
        errors: Box::new(errors),
        process: Box::new(child),
    })
}

const TERMINAL_OPTIONS: [&str; 5] = [
    "ControlMaster=no",
    "ProxyCommand=false",
    "BatchMode=yes",
    "EscapeChar=none",
    "LogLevel=ERROR",
];

/// What keeps a login's connection; closed by [`Connection::close`].
pub struct Connection {
    master: Master,
    host_key: Option<String>,
    entrance: Arc<Entrance>,
    complaints: Arc<Complaints>,
    collecting: JoinHandle<()>,
    on_terminal: bool,
    process: Box<dyn Send + Sync>,
}

impl Connection {
    /// Why the key of a host that was not known is not known now either.
    #[must_use]
    pub fn unrecorded(&self) -> Option<&str> {
        self.master.unrecorded.as_deref()
    }

    /// Who logged in.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.entrance.user
    }

    /// Whether sessions become root by sudo.
    #[must_use]
    pub fn uses_sudo(&self) -> bool {
        self.entrance.sudo
    }

    /// What the command wrote to its stderr (sudo's complaints come there), the last lines. Of a command that has
    /// ended, all of it; of one that runs on, what came so far.
    pub async fn complaints(&mut self) -> Vec<String> {
        if !self.collecting.is_finished() {
            let _ = timeout(Duration::from_millis(500), &mut self.collecting).await;
        }
        self.complaints.lines()
    }

    /// Sessions beside the dialogue, over the same connection.
    #[must_use]
    pub fn sessions(&self) -> Sessions {
        Sessions::new(self.master.place.socket(), Arc::clone(&self.entrance))
    }

    /// No password is sent to this host any more.
    pub fn reject_password(&self) {
        self.entrance.rejected.store(true, Ordering::Relaxed);
    }

    /// Where sudo asks for a terminal: opens the session anew on one, over the same connection. Whether it has.
    pub(in crate::remote) async fn begin_on_terminal(&mut self, dialogue: &mut Dialogue) -> bool {
        if self.on_terminal || !wants_terminal(&self.complaints().await) {
            return false;
        }
        self.entrance.terminal.store(true, Ordering::Relaxed);
        let opening = Opening::new(&self.entrance);
        let Ok(streams) = on_terminal(&self.master.place.socket(), &opening.command()) else {
            return false;
        };
        dialogue.begin_again(streams.input, streams.output, opening.gate());
        self.collecting = collect(streams.errors, Arc::clone(&opening.complaints));
        self.complaints = opening.complaints;
        self.on_terminal = true;
        drop(std::mem::replace(&mut self.process, streams.process));
        true
    }

    /// Ends the connection. Whatever does not end in time ends by itself when it has been idle for a minute.
    pub async fn close(self) {
        self.master.place.close().await;
    }
}

/// sudo(8) with `requiretty`.
fn wants_terminal(complaints: &[String]) -> bool {
    complaints.iter().any(|line| line.contains("you must have a tty"))
}

pub(super) fn collect(mut errors: Box<dyn AsyncRead + Send + Unpin>, complaints: Arc<Complaints>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut chunk = [0; 512];
        while let Ok(read @ 1..) = errors.read(&mut chunk).await {
            complaints.hear(chunk.get(..read).unwrap_or_default());
        }
    })
}

/// 128 random bits for each login: no text that a host prints by itself can hold it.
pub(super) fn random_word(prefix: &str) -> String {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        bytes = fastrand::u128(..).to_le_bytes();
    }
    bytes
        .iter()
        .fold(String::from(prefix), |text, byte| format!("{text}{byte:02x}"))
}
