use std::io::{Stderr, stderr};

use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

/// The terminal does not print `^C` for an interrupt while this lives: that would move the cursor by a line, unseen by
/// who draws (termios(3), `ECHOCTL`). All else that is typed is echoed as before; a terminal that is left so by SIGKILL
/// lacks nothing else.
pub(super) struct QuietInterrupts {
    before: Termios,
    terminal: Stderr,
}

impl QuietInterrupts {
    /// `None` where standard error is no terminal, or one that belongs to another process at the moment: to change that
    /// would stop this one.
    pub fn new() -> Option<Self> {
        let terminal = stderr();
        if tcgetpgrp(&terminal).ok()? != getpgrp() {
            return None;
        }
        let before = tcgetattr(&terminal).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHOCTL);
        tcsetattr(&terminal, OptionalActions::Now, &quiet).ok()?;
        Some(Self { before, terminal })
    }
}

impl Drop for QuietInterrupts {
    fn drop(&mut self) {
        let ours = tcgetpgrp(&self.terminal).is_ok_and(|owner| owner == getpgrp());
        if ours {
            // A terminal that went away needs nothing any more.
            let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
        }
    }
}
