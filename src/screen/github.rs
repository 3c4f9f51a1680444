use super::Plain;
use super::words::hosts;
use crate::report::{END_GROUP, RunEvent, group, no_command};

/// A run in plain lines for the log of GitHub Actions: a group for each batch and for what is taken back.
#[derive(Debug, Clone, Default)]
pub(super) struct Github {
    plain: Plain,
    hosts: usize,
    open: bool,
}

impl Github {
    pub fn new(verbosity: u8) -> Self {
        Self {
            plain: Plain::new(verbosity),
            ..Self::default()
        }
    }

    pub fn lines(&mut self, event: &RunEvent) -> Vec<String> {
        let mut lines: Vec<String> = self.plain.lines(event).iter().map(|line| no_command(line)).collect();
        match event {
            RunEvent::Started { batches, .. } => self.hosts = batches.iter().map(Vec::len).sum(),
            RunEvent::BatchStarted(_) | RunEvent::RevertStarted { .. } => {
                let heading = lines.pop().unwrap_or_else(|| hosts(self.hosts));
                lines = self.end();
                lines.push(group(&heading));
                self.open = true;
            }
            // What is said of the whole must not be folded away.
            RunEvent::BatchFinished { .. } | RunEvent::Stopping { .. } | RunEvent::Interrupted { .. } => {
                lines.splice(..0, self.end());
            }
            _ => {}
        }
        lines
    }

    /// Ends the group that is open.
    pub fn end(&mut self) -> Vec<String> {
        let open = std::mem::take(&mut self.open);
        open.then(|| END_GROUP.to_owned()).into_iter().collect()
    }
}
