//! Starting a master of ours: a process of ssh that goes to the background once it is logged in.

use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use openssh::Session;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use super::sockets::socket_dir;

/// A folder of our own, with a master's control socket and log.
#[derive(Debug)]
pub(super) struct Place(TempDir);

impl Place {
    pub fn new() -> io::Result<Self> {
        socket_dir().map(Self)
    }

    pub fn socket(&self) -> PathBuf {
        self.0.path().join("s")
    }

    pub fn log(&self) -> PathBuf {
        self.0.path().join("log")
    }

    /// What ssh wrote.
    pub fn written(&self) -> String {
        text(&self.log())
    }

    /// What a proxy wrote that ssh ran: no word of ssh's own is among it.
    pub fn proxy_wrote(&self) -> String {
        text(&self.errors())
    }

    /// The end of its log: a busy master's grows long.
    pub fn log_end(&self) -> String {
        const ENOUGH: u64 = 256 * 1024;
        let read = || -> io::Result<Vec<u8>> {
            let mut file = std::fs::File::open(self.log())?;
            let length = file.metadata()?.len();
            file.seek(io::SeekFrom::Start(length.saturating_sub(ENOUGH)))?;
            let mut end = Vec::new();
            file.take(ENOUGH).read_to_end(&mut end)?;
            Ok(end)
        };
        String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
    }

    fn errors(&self) -> PathBuf {
        self.0.path().join("errors")
    }

    /// Ends the master. Whatever does not end in time ends by itself when it has been idle for a minute.
    pub async fn close(&self) {
        let session = Session::resume_mux(self.socket().into_boxed_path(), None);
        let _ = timeout(Duration::from_secs(2), session.close()).await;
    }

    /// Runs a command that goes to the background once it is logged in; until then it is ours to end. Whether it did.
    pub async fn start(&self, command: &mut Command, limit: Duration) -> io::Result<bool> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.errors())?)
            .kill_on_drop(true)
            .spawn()?;
        if let Ok(ended) = timeout(limit + Duration::from_secs(2), child.wait()).await {
            return Ok(ended?.success());
        }
        let _ = child.kill().await;
        Ok(false)
    }
}

fn text(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `ssh` as a master, with a log that tells what it does.
pub(super) fn master_command() -> Command {
    let mut command = Command::new("ssh");
    // Ctrl-C is for us to answer: in our process group it would end ssh in the middle of a proof.
    command.process_group(0);
    command.args(["-M", "-N", "-f", "-o", "LogLevel=DEBUG1"]);
    command
}
