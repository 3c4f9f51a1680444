//! The user's own `ProxyCommand`, run as ssh runs it, once for each connection.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use super::jump::Tokens;
use crate::remote::route::Refusal;
use crate::report::sanitise;

/// A `ProxyCommand` for one host.
#[derive(Debug)]
pub struct ProxyCommand {
    pub(super) template: String,
    pub(super) tokens: Tokens,
}

impl ProxyCommand {
    /// Starts the command towards this port. Whether it gets through shows in what comes over it.
    ///
    /// # Errors
    /// When it cannot be started: a sentence.
    pub(in crate::remote) fn connect(&self, port: u16) -> Result<Piped, String> {
        let command = self.tokens.expand(&self.template, port);
        let command = command.map_err(|why| format!("ProxyCommand: {why}"))?;
        start(&command).map_err(|error| format!("ProxyCommand cannot be run: {error}"))
    }
}

/// A command's stdin and stdout. Its end is the command's.
pub struct Piped {
    socket: UnixStream,
    child: Child,
    errors: File,
}

/// As ssh(1) does it: by the user's shell, which `exec` replaces.
fn start(command: &str) -> io::Result<Piped> {
    let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
    let (socket, theirs) = UnixStream::pair()?;
    let theirs = theirs.into_std()?;
    theirs.set_nonblocking(false)?;
    let errors = tempfile::tempfile()?;
    let child = Command::new(shell.unwrap_or_else(|| "/bin/sh".into()))
        .arg("-c")
        .arg(format!("exec {command}"))
        .process_group(0)
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs.try_clone()?)))
        .stdout(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .stderr(Stdio::from(errors.try_clone()?))
        .spawn()?;
    Ok(Piped { socket, child, errors })
}

impl Piped {
    /// Why nothing came over it: what the command complained of.
    pub fn refusal(&mut self) -> Refusal {
        let mut text = Vec::new();
        // Nothing to read is nothing said.
        let _ = self.errors.rewind();
        let _ = (&mut self.errors).take(4096).read_to_end(&mut text);
        refusal(&String::from_utf8_lossy(&text))
    }
}

/// Only of `ssh -W` is it known that it speaks of the host, and not of its own way to the bastion.
fn refusal(errors: &str) -> Refusal {
    let lines = || errors.lines().map(str::trim).filter(|line| !line.is_empty());
    if let Some((_, why)) = lines().find_map(|line| line.split_once("open failed: ")) {
        return Refusal::from_words(&sanitise(why));
    }
    let last = lines().rev().find(|line| *line != "stdio forwarding failed");
    Refusal::Broken(last.map_or_else(
        || "the ProxyCommand ended without a word".to_owned(),
        |line| format!("ProxyCommand: {}", sanitise(line)),
    ))
}

impl Drop for Piped {
    /// As ssh(1) ends it, with all that it has started in its group.
    fn drop(&mut self) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = id.and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::HUP);
            // One that wanted to ask on the terminal is stopped, and would not hear it.
            let _ = kill_process_group(group, Signal::CONT);
        }
    }
}

impl AsyncRead for Piped {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_complains_of() {
        let nested = "channel 0: open failed: connect failed: Connection refused\r\nstdio forwarding failed\r\n";
        assert_eq!(refusal(nested), Refusal::Refused);
        let bastion = refusal("ssh: connect to host bastion port 22: Connection refused\r\n");
        assert!(matches!(bastion, Refusal::Broken(why) if why.contains("host bastion")));
        assert!(matches!(refusal(""), Refusal::Broken(_)));
    }
}
