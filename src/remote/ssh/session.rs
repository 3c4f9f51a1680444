//! One session over a master: the loader is started on the host, by sudo where it must be, and the dialogue begins.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use openssh::{Session, Stdio as MuxStdio};
use tokio::io::AsyncReadExt;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Master, Ssh, local};
use crate::remote::dialogue::{Dialogue, LOADER};
use crate::remote::{Login, LoginError};
use crate::report::sanitise;

impl Ssh {
    pub(super) async fn open(&self, master: Master) -> Result<Login, LoginError> {
        let at = master.peer;
        let session = Session::resume_mux(master.socket.clone().into_boxed_path(), None);
        let loader = if self.spec.r#become {
            format!("exec sudo -n -- {LOADER}")
        } else {
            format!("exec {LOADER}")
        };
        let mut child = Arc::new(session)
            .arc_raw_command(loader)
            .stdin(MuxStdio::piped())
            .stdout(MuxStdio::piped())
            .stderr(MuxStdio::piped())
            .spawn()
            .await
            .map_err(|error| local(format!("cannot open a session on {at}: {error}")))?;
        let (Some(input), Some(output), Some(errors)) =
            (child.stdin().take(), child.stdout().take(), child.stderr().take())
        else {
            return Err(local("ssh gave no streams".to_owned()));
        };
        let heard = Arc::clone(&self.heard);
        let dialogue = Dialogue::new(input, output, nonce(), move |level, line| heard(level, line));
        let (stderr, collecting) = collect(errors);
        let connection = Connection {
            master,
            stderr,
            collecting,
            _child: Some(Box::new(child)),
        };
        Ok(Login {
            dialogue,
            peer: at,
            port: at.port(),
            host_key: connection.master.host_key.clone(),
            connection,
        })
    }
}

/// What keeps a login's connection; closed by [`Connection::close`].
pub struct Connection {
    master: Master,
    stderr: Arc<Mutex<String>>,
    collecting: JoinHandle<()>,
    _child: Option<Box<dyn Send + Sync>>,
}

impl Connection {
    /// What the command wrote to its stderr (sudo's complaints come there), at most a few lines. Of a command that has
    /// ended, all of it; of one that runs on, what came so far.
    pub async fn complaint(&mut self) -> String {
        if !self.collecting.is_finished() {
            let _ = timeout(Duration::from_millis(500), &mut self.collecting).await;
        }
        let text = self.stderr.lock().map(|text| text.clone()).unwrap_or_default();
        sanitise(text.trim())
    }

    /// Ends the connection. Whatever does not end in time ends by itself when it has been idle for a minute.
    pub async fn close(self) {
        let Self { master, .. } = self;
        let session = Session::resume_mux(master.socket.into_boxed_path(), None);
        let _ = timeout(Duration::from_secs(2), session.close()).await;
        drop(master.dir);
    }
}

fn collect(mut errors: impl tokio::io::AsyncRead + Send + Unpin + 'static) -> (Arc<Mutex<String>>, JoinHandle<()>) {
    let text = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&text);
    let collecting = tokio::spawn(async move {
        let mut chunk = [0; 512];
        while let Ok(read @ 1..) = errors.read(&mut chunk).await {
            let Ok(mut text) = sink.lock() else { return };
            if text.len() < 4096 {
                text.push_str(&String::from_utf8_lossy(chunk.get(..read).unwrap_or_default()));
            }
        }
    });
    (text, collecting)
}

/// 128 random bits for each login: no text that a host prints by itself can hold it.
fn nonce() -> String {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        bytes = fastrand::u128(..).to_le_bytes();
    }
    bytes
        .iter()
        .fold(String::from("PM"), |text, byte| format!("{text}{byte:02x}"))
}
