//! The talk with [`agent.sh`](LOADER) over one command's stdin and stdout: requests are lines, answers are
//! framed by a nonce of this login, so that nothing a login prints can be taken for one.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use super::gate::Gate;
use crate::report::sanitise;

/// What `sh -c` is told on the host: reads two counts and so many lines, or bytes, of script from stdin, then evaluates
/// them; the dialogue goes on over the same stdin. One line, no single quotes: those are around it, for the login shell
/// may be csh or fish. Its first argument is `SSH_CONNECTION`, which sudo drops.
///
/// A shell reads a pipe byte by byte, for it must not read ahead. (`sh -s` would not do: dash does.) GNU's `head -c` reads no
/// byte too many either and takes a tenth of the time; busybox's reads ahead.
pub const LOADER: &str = concat!(
    r#"nl=$(printf "\nx");nl=${nl%x};s=;read -r n b||exit 90;"#,
    r#"case $(head --version 2>/dev/null </dev/null) in *GNU*)s=$(head -c "$b")$nl;[ ${#s} = "$b" ]||exit 91;;"#,
    r#"*)while [ "$n" -gt 0 ];do IFS= read -r l||exit 91;s=$s$l$nl;n=$((n-1));done;;esac;eval "$s""#,
);

const AGENT: &str = concat!(include_str!("agent/boot.sh"), include_str!("agent.sh"));

/// An answer may have this many bytes, sections included: far more than any rule set.
const MAX_ANSWER: u64 = 64 << 20;

/// Why a dialogue cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// The connection, or the agent, ended.
    #[error("the connection ended")]
    Ended,
    /// Reading or writing failed.
    #[error("the connection broke")]
    Io(#[from] std::io::Error),
    /// The host sent more than any answer can have.
    #[error("the host's answer was longer than {} MiB", MAX_ANSWER >> 20)]
    TooLong,
    /// sudo asked for its password once more.
    #[error("wrong password")]
    WrongPassword,
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Silent(std::time::Duration),
}

/// How the host took a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Ok,
    /// Not done; the answer's text says why.
    Failed,
    /// Not tried, because one before it failed.
    Skipped,
}

/// One answer: how it ended, a line of text, and sections by title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// How the host took the request.
    pub status: Status,
    /// The rest of the closing line.
    pub text: String,
    /// Bodies by title.
    pub sections: BTreeMap<String, String>,
}

/// How far a dialogue has come.
enum Stage {
    /// Nothing was sent.
    Before(Option<Gate>),
    /// At the gate. Who is left here was not let in: the script must not go to whoever asks for a password there.
    Entering,
    /// The script went out.
    Sent,
    /// The script runs.
    Greeted,
}

/// An open dialogue. Requests are collected by [`Dialogue::ask`] and leave with [`Dialogue::answer`], so that
/// several can share one round trip; answers come in the order of the requests.
pub struct Dialogue {
    input: Box<dyn AsyncWrite + Send + Unpin>,
    output: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    unsent: String,
    /// What went out with the script, until the host has greeted.
    opening: String,
    nonce: String,
    stage: Stage,
    heard: Box<dyn FnMut(u8, String) + Send>,
}

impl Dialogue {
    /// A dialogue over a command's stdin and stdout. `heard` gets every line for people to read, with the
    /// verbosity from which on it is worth showing. Nothing is sent before the first [`Dialogue::answer`].
    pub fn new(
        input: impl AsyncWrite + Send + Unpin + 'static,
        output: impl AsyncRead + Send + Unpin + 'static,
        nonce: String,
        heard: impl FnMut(u8, String) + Send + 'static,
    ) -> Self {
        Self {
            input: Box::new(input),
            output: BufReader::new(Box::new(output)),
            unsent: String::new(),
            opening: String::new(),
            nonce,
            stage: Stage::Before(None),
            heard: Box::new(heard),
        }
    }

    /// The same behind a gate, which is passed first.
    #[must_use]
    pub fn behind(mut self, gate: Option<Gate>) -> Self {
        self.stage = Stage::Before(gate);
        self
    }

    /// Begins anew over other streams, with what was asked so far: only for a host that has not [greeted](Self::greeted).
    pub fn begin_again(
        &mut self,
        input: impl AsyncWrite + Send + Unpin + 'static,
        output: impl AsyncRead + Send + Unpin + 'static,
        gate: Option<Gate>,
    ) {
        self.input = Box::new(input);
        self.output = BufReader::new(Box::new(output));
        self.stage = Stage::Before(gate);
        self.unsent.insert_str(0, &std::mem::take(&mut self.opening));
    }

    /// Whether the script runs on the host. Before, nothing of what was asked was done.
    #[must_use]
    pub fn greeted(&self) -> bool {
        matches!(self.stage, Stage::Greeted)
    }

    /// Whether it is still at its gate.
    #[must_use]
    pub fn entering(&self) -> bool {
        matches!(self.stage, Stage::Entering)
    }

    /// Puts a request behind those not yet sent. Words must not hold white space.
    pub fn ask(&mut self, request: &str) {
        (self.heard)(1, format!("> {request}"));
        self.unsent.push_str(request);
        self.unsent.push('\n');
    }

    /// Puts a text into a file of the transaction; there is no answer to this.
    pub fn put(&mut self, name: &str, text: &str) {
        (self.heard)(2, format!("> put {name}\n{}", text.trim_end()));
        let _ = writeln!(self.unsent, "put {name} {}", text.lines().count());
        for line in text.lines() {
            self.unsent.push_str(line);
            self.unsent.push('\n');
        }
    }

    /// Sends what was asked and reads the next answer.
    ///
    /// # Errors
    /// When the connection ends or breaks, or sudo does not let us in; deadlines are the caller's.
    pub async fn answer(&mut self) -> Result<Answer, Lost> {
        match std::mem::replace(&mut self.stage, Stage::Entering) {
            Stage::Before(gate) => self.enter(gate).await?,
            Stage::Entering => return Err(Lost::Ended),
            later => self.stage = later,
        }
        let unsent = std::mem::take(&mut self.unsent);
        self.input.write_all(unsent.as_bytes()).await?;
        self.input.flush().await?;
        if !self.greeted() {
            // Whatever the login printed comes before this.
            self.next_answer().await?;
            self.stage = Stage::Greeted;
            self.opening.clear();
        }
        self.next_answer().await
    }

    /// Through the gate; then the script stands before the first requests.
    async fn enter(&mut self, gate: Option<Gate>) -> Result<(), Lost> {
        if let Some(gate) = gate {
            gate.pass(&mut self.input, &mut self.output).await?;
        }
        self.stage = Stage::Sent;
        let script = sendable(AGENT);
        let (lines, bytes) = (script.lines().count(), script.len());
        let first = format!("{lines} {bytes}\n{script}hello {}\n", self.nonce);
        self.opening = std::mem::replace(&mut self.unsent, first);
        self.unsent.push_str(&self.opening);
        Ok(())
    }

    async fn next_answer(&mut self) -> Result<Answer, Lost> {
        let mut budget = MAX_ANSWER;
        let mut sections = BTreeMap::new();
        let mut open: Option<String> = None;
        loop {
            let line = self.line(&mut budget).await?;
            // Not only at the line's beginning: what a login left running may have printed half a line.
            let Some((_, marked)) = line.split_once(&self.nonce) else {
                self.body(&mut sections, open.as_deref(), &line);
                continue;
            };
            if let Some(title) = marked.strip_prefix(" + ") {
                sections.insert(title.to_owned(), String::new());
                open = Some(title.to_owned());
            } else if let Some(answer) = closing(marked) {
                (self.heard)(1, format!("< {}", sanitise(marked.trim_start_matches(" = "))));
                return Ok(Answer { sections, ..answer });
            }
        }
    }

    fn body(&mut self, sections: &mut BTreeMap<String, String>, open: Option<&str>, line: &str) {
        (self.heard)(2, format!("< {}", sanitise(line)));
        if let Some(body) = open.and_then(|title| sections.get_mut(title)) {
            body.push_str(line);
            body.push('\n');
        }
    }

    async fn line(&mut self, budget: &mut u64) -> Result<String, Lost> {
        let mut bytes = Vec::new();
        let read = (&mut self.output).take(*budget).read_until(b'\n', &mut bytes).await?;
        *budget -= u64::try_from(read).unwrap_or(*budget);
        if bytes.pop() == Some(b'\n') {
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
        Err(if *budget == 0 { Lost::TooLong } else { Lost::Ended })
    }
}

fn closing(marked: &str) -> Option<Answer> {
    let (status, text) = marked
        .strip_prefix(" = ")
        .map(|rest| rest.split_once(' ').unwrap_or((rest, "")))?;
    let status = match status {
        "ok" => Status::Ok,
        "skipped" => Status::Skipped,
        _ => Status::Failed,
    };
    Some(Answer {
        status,
        text: text.trim().to_owned(),
        sections: BTreeMap::new(),
    })
}

/// The script without comment lines and indentation: a third less to send at every login.
fn sendable(script: &str) -> String {
    let mut text = String::with_capacity(script.len());
    for line in script.lines() {
        let line = line.trim_start();
        if !line.is_empty() && !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shells count characters where `head` counts bytes.
    #[test]
    fn the_script_is_as_many_characters_as_bytes_and_ends_its_last_line() {
        let script = sendable(AGENT);
        assert!(script.is_ascii() && script.ends_with("esac\n"));
    }
}
