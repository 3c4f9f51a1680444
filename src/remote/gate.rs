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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use tokio::io::{AsyncReadExt, BufReader, DuplexStream, duplex};

    use super::*;

    const PROMPT: &str = "sudo0123";
    const MARK: &str = "in4567";

    /// What the gate came to, what it sent, and what is left to read: `stderr` and `stdout` come piece by piece.
    fn passed(on_terminal: bool, pieces: &[(&str, &str)]) -> (Result<(), String>, String, Vec<String>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let password = Some(Password::new("geheim".to_owned()));
        let complaints = Arc::new(Complaints::new(Some(PROMPT.to_owned()), password.clone()));
        let gate = Gate {
            mark: MARK.to_owned(),
            password,
            complaints: Arc::clone(&complaints),
            on_terminal,
        };
        let (mut input, mut sent) = duplex(1000);
        let (mut host, output) = duplex(1000);
        let (ended, sent) = runtime.block_on(async {
            let mut output = BufReader::new(output);
            let passing = async {
                gate.pass(&mut input, &mut output)
                    .await
                    .map_err(|lost| lost.to_string())
            };
            let (ended, ()) = tokio::join!(passing, play(&complaints, &mut host, pieces));
            drop(input);
            let mut text = String::new();
            sent.read_to_string(&mut text).await.unwrap();
            (ended, text)
        });
        (ended, sent, complaints.lines())
    }

    async fn play(complaints: &Complaints, host: &mut DuplexStream, pieces: &[(&str, &str)]) {
        for (stream, piece) in pieces {
            match *stream {
                "err" => complaints.hear(piece.as_bytes()),
                _ => host.write_all(piece.as_bytes()).await.unwrap_or_default(),
            }
            tokio::task::yield_now().await;
        }
        let _ = host.shutdown().await;
    }

    #[test]
    fn the_password_goes_out_upon_our_prompt_alone() {
        let (ended, sent, _) = passed(
            false,
            &[("err", "Password: [sudo] password for ann: "), ("out", "in4567\n")],
        );
        assert_eq!((ended, sent.as_str()), (Ok(()), ""), "sudo did not ask");
        // In pieces, after a lecture, and not when it stands on stdout, where the login's noise is.
        let asked = [
            ("out", "sudo0123 in45"),
            ("err", "We trust you\nsudo"),
            ("err", "0123"),
            ("out", "noise in456"),
            ("out", "7\n"),
        ];
        assert_eq!(passed(false, &asked), (Ok(()), "geheim\n".to_owned(), vec![]));
        let on_terminal = [("out", "stty\r\nsudo01"), ("out", "23"), ("out", "\r\nin4567\r\n")];
        let (ended, sent, _) = passed(true, &on_terminal);
        assert_eq!((ended, sent.as_str()), (Ok(()), "geheim\n"));
    }

    #[test]
    fn a_wrong_password_is_sent_once() {
        for on_terminal in [false, true] {
            let stream = if on_terminal { "out" } else { "err" };
            let pieces = [
                (stream, "sudo0123"),
                (stream, "\nSorry, try again.\nsudo0123"),
                (stream, "sudo0123"),
            ];
            let (ended, sent, _) = passed(on_terminal, &pieces);
            assert_eq!((ended, sent.as_str()), (Err("wrong password".to_owned()), "geheim\n"));
        }
    }

    #[test]
    fn what_a_refused_login_says_does_not_show_the_password() {
        let pieces = [("out", "old noise sudo0123"), ("out", "geheim\r\nno: geheim\r\n")];
        let (ended, _, lines) = passed(true, &pieces);
        assert_eq!(ended, Err("the connection ended".to_owned()));
        assert_eq!(lines, ["[password]", "no: [password]"]);
    }

    #[test]
    fn of_long_complaints_the_end_is_kept() {
        let complaints = Complaints::new(None, None);
        (0..1000).for_each(|n| complaints.hear(format!("line {n}\n").as_bytes()));
        let lines = complaints.lines();
        assert_eq!(lines.last().map(String::as_str), Some("line 999"));
        assert!(lines.len() < 500, "{}", lines.len());
    }
}
