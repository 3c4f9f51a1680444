use std::io::{IsTerminal as _, stderr, stdin};

use rustix::termios::{QueueSelector, tcflush};
use tokio::sync::oneshot;

/// Whether the operator types `y` or `yes`: `false` where nobody can see the question, which is on standard error, or
/// nobody can type. What was typed before it was asked does not count.
pub async fn consent() -> bool {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return false;
    }
    let (sender, answer) = oneshot::channel();
    // A thread of its own: the runtime would wait for one of its own threads at its end, and nothing ends a read.
    std::thread::spawn(move || sender.send(line()));
    let answer = answer.await.unwrap_or_default();
    if !answer.ends_with(b"\n") {
        // The end of input (Ctrl-D) leaves the cursor behind the question.
        let _ = console::Term::stderr().write_line("");
    }
    matches!(answer.trim_ascii().to_ascii_lowercase().as_slice(), b"y" | b"yes")
}

/// A line of the terminal, which hands it over as a whole: termios(3), canonical mode.
fn line() -> Vec<u8> {
    // Not being able to is no reason not to ask.
    let _ = tcflush(stdin(), QueueSelector::IFlush);
    let mut line = [0; 256];
    let length = rustix::io::read(stdin(), &mut line).unwrap_or(0);
    line.get(..length).unwrap_or_default().to_vec()
}
