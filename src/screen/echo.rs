use std::io::{Stderr, stderr};

use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

/// The terminal does not print what is typed, nor `^C` for an interrupt, while this lives: that would move the cursor,
/// unseen by who draws (termios(3), `ECHO` and `ECHOCTL`). Shells give a terminal its modes back when a program was killed.
pub(super) struct Quiet {
    before: Termios,
    terminal: Stderr,
}

impl Quiet {
    /// `None` where standard error is no terminal.
    pub fn new() -> Option<Self> {
        let terminal = stderr();
        let before = tcgetattr(&terminal).ok()?;
        let quiet = Self { before, terminal };
        quiet.echo(false);
        Some(quiet)
    }

    /// Whether what is typed is printed. An interrupt is not in any case.
    pub fn echo(&self, on: bool) {
        let mut modes = self.before.clone();
        modes.local_modes.remove(LocalModes::ECHOCTL);
        modes.local_modes.set(LocalModes::ECHO, on);
        self.set(&modes);
    }

    fn set(&self, modes: &Termios) {
        // To change a terminal that belongs to another process at the moment would stop this one.
        let ours = tcgetpgrp(&self.terminal).is_ok_and(|owner| owner == getpgrp());
        if ours {
            // A terminal that went away needs nothing any more.
            let _ = tcsetattr(&self.terminal, OptionalActions::Now, modes);
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        self.set(&self.before);
    }
}
