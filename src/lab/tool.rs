//! The system's tools that a lab is made with, found and run.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Error, Process};

/// Also on machines where a user's `PATH` lacks the sbin directories.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const NEEDED: [&str; 9] = [
    "bridge",
    "ip",
    "mount",
    "nft",
    "nsenter",
    "setsid",
    "ssh-keygen",
    "sshd",
    "unshare",
];

/// # Errors
/// Those that are missing.
pub(super) fn check() -> Result<(), Error> {
    let missing: Vec<_> = NEEDED.into_iter().filter(|tool| !exists(tool)).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Error::MissingTools(missing))
    }
}

/// # Errors
/// It is missing.
pub(super) fn check_for(tool: &'static str) -> Result<(), Error> {
    if exists(tool) {
        Ok(())
    } else {
        Err(Error::MissingTools(vec![tool]))
    }
}

fn exists(tool: &str) -> bool {
    PATH.split(':').any(|folder| Path::new(folder).join(tool).exists())
}

/// A tool, in an environment that holds nothing of the user's.
pub(super) fn command(tool: &str) -> Command {
    let mut command = Command::new(tool);
    command.env_clear().env("PATH", PATH).env("LC_ALL", "C.UTF-8");
    command
}

/// A command as root in all namespaces of a member of the lab.
pub(super) fn inside(member: &str, init: Process, line: &[String]) -> Result<Command, Error> {
    if !init.is_alive() {
        return Err(Error::Dead(member.to_owned()));
    }
    let mut command = command("nsenter");
    command
        .arg(format!("--target={}", init.pid()))
        .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"])
        .args(line)
        .env("HOME", "/root");
    if let Some(terminal) = std::env::var_os("TERM") {
        command.env("TERM", terminal);
    }
    Ok(command)
}

/// Runs to the end without input and returns what was said on stdout.
pub(super) fn output(command: &mut Command) -> Result<String, Error> {
    fed(command, "")
}

/// The same, with `input` (small enough for a pipe not to fill up both ways).
pub(super) fn fed(command: &mut Command, input: &str) -> Result<String, Error> {
    let name = describe(command);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Error::io(format!("run {name}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A tool that ended early says why on stderr, which is better than "broken pipe".
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(Error::io(format!("run {name}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Tool { command: name, reason })
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
