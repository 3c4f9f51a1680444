//! Getting past sudo: its password goes out upon our own prompt alone, and once; the script only when sudo has let us in.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use zeroize::Zeroizing;

use super::dialogue::Lost;
use crate::inventory::Password;
use crate::report::sanitise;

/// Of what a command complains of, the end tells most.
const KEPT: usize = 4096;

/// What a session's command says for people: its stderr and, before the dialogue begins on a terminal, all of it. Counts
/// the prompts among it.
#[derive(Default)]
pub struct Complaints {
    said: Mutex<Said>,
    more: Notify,
    /// What sudo shows when it asks for the password.
    prompt: Option<String>,
    /// Never shown, whatever a host sends back.
    password: Option<Password>,
}

#[derive(Default)]
struct Said {
    text: Vec<u8>,
    prompts: usize,
}

impl Complaints {
    /// Of a session whose sudo asks with this prompt, for this password.
    #[must_use]
    pub fn new(prompt: Option<String>, password: Option<Password>) -> Self {
        Self {
            prompt,
            password,
            ..Self::default()
        }
    }

    /// Takes what came.
    pub fn hear(&self, bytes: &[u8]) {
        if let Ok(mut said) = self.said.lock() {
            said.text.extend_from_slice(bytes);
            let prompt = self.prompt.as_ref().map(String::as_bytes);
            // What came before the prompt (a lecture, a login's noise) is no complaint.
            while let Some(end) = prompt.and_then(|prompt| end_of(&said.text, prompt)) {
                said.text.drain(..end);
                said.prompts += 1;
            }
            let excess = said.text.len().saturating_sub(KEPT);
            said.text.drain(..excess);
        }
        self.more.notify_one();
    }

    fn prompts(&self) -> usize {
        self.said.lock().map_or(0, |said| said.prompts)
    }

    /// What was said, a line each, fit for a terminal.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let text = self
            .said
            .lock()
            .map(|said| String::from_utf8_lossy(&said.text).into_owned());
        let mut text = text.unwrap_or_default();
        if let Some(password) = self
            .password
            .as_ref()
            .map(Password::expose)
            .filter(|text| !text.is_empty())
        {
            text = text.replace(password, "[password]");
        }
        text.lines()
            .map(|line| sanitise(line.trim()))
            .filter(|line| !line.is_empty())
            .collect()
    }
}

/// The place after the first `word` in `text`.
fn end_of(text: &[u8], word: &[u8]) -> Option<usize> {
    if word.is_empty() {
        return None;
    }
    let found = text.windows(word.len()).position(|window| window == word);
    found.map(|at| at + word.len())
}

/// Before the dialogue: what sudo asks for is answered, until the loader says that it runs.
pub struct Gate {
    /// The loader says this on a line of its own.
    pub mark: String,
    /// For sudo, once.
    pub password: Option<Password>,
    /// Where the prompt shows.
    pub complaints: Arc<Complaints>,
    /// On a terminal both streams are one.
    pub on_terminal: bool,
}

impl Gate {
    /// Waits until we are in; nothing but the password is sent before.
    ///
    /// # Errors
    /// When sudo asks again, which means that the password was wrong, or the session ends.
    pub async fn pass(
        mut self,
        input: &mut (dyn AsyncWrite + Send + Unpin),
        output: &mut (dyn AsyncBufRead + Send + Unpin),
    ) -> Result<(), Lost> {
        let mut said = Vec::new();
        let mut answered = 0;
        loop {
            if self.complaints.prompts() > answered {
                let password = self.password.take().ok_or(Lost::WrongPassword)?;
                send(input, &password).await?;
                answered += 1;
            }
            tokio::select! {
                chunk = output.fill_buf() => {
                    let chunk = chunk?;
                    if chunk.is_empty() {
                        return Err(Lost::Ended);
                    }
                    let (length, on_terminal) = (chunk.len(), self.on_terminal);
                    if on_terminal {
                        self.complaints.hear(chunk);
                    }
                    said.extend_from_slice(chunk);
                    output.consume(length);
                    if end_of(&said, self.mark.as_bytes()).is_some() {
                        return Ok(());
                    }
                    // Half of the mark may be there.
                    let seen = said.len().saturating_sub(self.mark.len());
                    said.drain(..seen);
                }
                () = self.complaints.more.notified() => {}
            }
        }
    }
}

async fn send(input: &mut (dyn AsyncWrite + Send + Unpin), password: &Password) -> Result<(), Lost> {
    let mut line = Zeroizing::new(Vec::with_capacity(password.expose().len() + 1));
    line.extend_from_slice(password.expose().as_bytes());
    line.push(b'\n');
    input.write_all(&line).await?;
    input.flush().await?;
    Ok(())
}
