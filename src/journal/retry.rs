//! `--limit @RUN.retry`: the hosts that a run left to be tried again.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::Journals;
use crate::world::{Answer, Kind, World};

/// A machine in which files that are not there, called `RUN.retry` without a folder, are those of journals. `RUN` may be
/// `last`, or the beginning of an id.
pub struct Retries<W> {
    machine: W,
    journals: Journals,
}

impl<W: World> Retries<W> {
    /// This machine with these journals.
    pub fn new(machine: W, journals: Journals) -> Self {
        Self { machine, journals }
    }

    /// The run whose hosts are meant.
    fn meant(&self, path: &Path) -> Option<String> {
        let mut parts = path.components();
        let (Some(Component::Normal(name)), None) = (parts.next(), parts.next()) else {
            return None;
        };
        let asked = name.to_str()?.strip_suffix(".retry")?;
        if self.machine.kind(path).is_some() {
            return None;
        }
        self.journals.find(asked).ok()
    }
}

impl<W: World> World for Retries<W> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let Some(run) = self.meant(path) else {
            return self.machine.read(path);
        };
        let hosts = self.journals.to_retry(&run).map_err(io::Error::other)?;
        if hosts.is_empty() {
            return Err(io::Error::other(format!("run {run} left no host to be tried again")));
        }
        Ok(hosts.join("\n").into_bytes())
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        let of_run = || self.meant(path).map(|_| Kind::File { executable: false });
        self.machine.kind(path).or_else(of_run)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.machine.list(folder)
    }

    fn is_world_writable(&self, folder: &Path) -> bool {
        self.machine.is_world_writable(folder)
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> io::Result<Answer> {
        self.machine.run(program, arguments)
    }

    fn find_program(&self, name: &str) -> Option<PathBuf> {
        self.machine.find_program(name)
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.machine.variable(name)
    }

    fn current_folder(&self) -> PathBuf {
        self.machine.current_folder()
    }
}
