//! The end of what a program says, however much it says.

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::report::sanitise;

/// Of what a program says, the end tells most.
const KEPT: usize = 4096;
/// A line for people is not longer.
const LINE: usize = 200;

/// The last bytes that came.
#[derive(Debug, Default)]
pub(super) struct Tail(Vec<u8>);

impl Tail {
    pub fn hear(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        let excess = self.0.len().saturating_sub(KEPT);
        self.0.drain(..excess);
    }

    /// Until its end.
    pub async fn read(&mut self, mut from: impl AsyncRead + Unpin) {
        let mut chunk = [0; 1024];
        while let Ok(read @ 1..) = from.read(&mut chunk).await {
            self.hear(chunk.get(..read).unwrap_or_default());
        }
    }
}

/// The last line that says something, fit for a terminal.
pub(super) fn last_line(said: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(said);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    let short: String = line.chars().take(LINE).collect();
    Some(sanitise(&short))
}

impl Tail {
    pub fn last_line(&self) -> Option<String> {
        last_line(&self.0)
    }
}
