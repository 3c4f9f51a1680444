//! What runs did, written down as it happens: to be looked up, resumed, and tried again where it failed.
//!
//! A file a run, `RUN.jsonl`, in `$XDG_STATE_HOME/portmap-deploy/runs`, readable by its owner alone. Its first line says
//! how the run was called ([`Head`]), the others are the events of `--output jsonl` with their time, each appended whole
//! with one write. Lines of the dialogue with hosts are not kept, nor is anything that is a password. A run's controller
//! holds a lock on its file as long as it lives; where there is none the run is over, or was killed.
//!
//! Events of a run may be lost with its controller, so whoever resumes it looks at the hosts. Nothing here may stop a
//! deploy: what cannot be written is a warning. What is read may be cut, damaged or of another version.

mod past;
mod record;
mod retry;
mod show;
mod table;
mod writer;

use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};

pub use past::{Ending, Past};
pub use record::{FORMAT, Head, Resumption};
pub use retry::Retries;
pub use show::{document, shown};
pub use table::{Style, runs, runs_of_host};
pub use writer::Journal;

use crate::memory::state_folder;
use crate::report::sanitise;

/// The most runs that are kept.
const MOST_RUNS: usize = 200;

/// The most bytes that they may have.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// How long a beginning may take; a temporary file older than this is nobody's.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// The journals of a user.
#[derive(Debug, Clone)]
pub struct Journals(Option<PathBuf>);

/// A journal that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither `XDG_STATE_HOME` nor `HOME` says where journals are.
    #[error("there is no place for journals of runs")]
    NoHome,
    /// The system says no.
    #[error("cannot {what} {}", path.display())]
    System {
        /// What was tried.
        what: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// No run is called so.
    #[error("no run is called `{0}`")]
    NoSuchRun(String),
    /// Several runs are called so.
    #[error("`{asked}` may be {}", runs.join(", "))]
    Ambiguous {
        /// What was asked for.
        asked: String,
        /// Some of them.
        runs: Vec<String>,
    },
    /// There is no run at all.
    #[error("no run was journaled yet")]
    NoRuns,
    /// Its controller lives.
    #[error("run {run} is under way{by}")]
    Live {
        /// Which.
        run: String,
        /// ` (process 123 on laptop, ann@laptop)`, where that is known.
        by: String,
    },
}

impl Error {
    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoHome => Some("set HOME or XDG_STATE_HOME to an absolute path"),
            Self::NoSuchRun(_) => Some("portmap-deploy history lists the runs that are kept"),
            Self::Ambiguous { .. } => Some("write more of its name"),
            Self::Live { .. } => Some("wait for its end, or interrupt it there"),
            Self::NoRuns | Self::System { .. } => None,
        }
    }

    fn system(what: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::System { what, path, source }
    }
}

impl Journals {
    /// The user's.
    #[must_use]
    pub fn of_user() -> Self {
        Self(state_folder().map(|folder| folder.join("runs")))
    }

    /// Those in this folder.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self(Some(folder))
    }

    /// Begins the journal of a run, which must not have one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(&self, head: &Head) -> Result<Journal, Error> {
        Journal::begin(self.folder()?, head)
    }

    /// Goes on with a run's journal.
    ///
    /// # Errors
    /// When its controller lives, or it cannot be written.
    pub fn go_on(&self, run: &str) -> Result<Journal, Error> {
        let journal = Journal::open(self.folder()?, run)?;
        journal.ok_or_else(|| self.live(run))
    }

    /// Whose the run is that is under way.
    fn live(&self, run: &str) -> Error {
        let by = self.read(run).ok().and_then(|past| past.controller());
        let by = by.map_or_else(String::new, |by| format!(" ({by})"));
        Error::Live {
            run: run.to_owned(),
            by,
        }
    }

    /// The ids of the runs, the newest first.
    ///
    /// # Errors
    /// When the folder cannot be read. One that is not there has no runs.
    pub fn list(&self) -> Result<Vec<String>, Error> {
        let folder = self.folder()?;
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| Error::system("read", folder, error))?,
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut runs: Vec<String> = names.filter_map(|name| run_of(&name).map(str::to_owned)).collect();
        runs.sort_unstable_by(|a, b| b.cmp(a));
        Ok(runs)
    }

    /// The run whose id begins so; `last` is the newest.
    ///
    /// # Errors
    /// None is, or several are.
    pub fn find(&self, asked: &str) -> Result<String, Error> {
        let runs = self.list()?;
        if asked == "last" {
            return runs.into_iter().next().ok_or(Error::NoRuns);
        }
        let mut like: Vec<String> = runs
            .into_iter()
            .filter(|run| !asked.is_empty() && run.starts_with(asked))
            .collect();
        match (like.len(), like.pop()) {
            (1, Some(run)) => Ok(run),
            (0, _) | (_, None) => Err(Error::NoSuchRun(sanitise(asked))),
            (_, Some(run)) => Err(Error::Ambiguous {
                asked: sanitise(asked),
                runs: like.into_iter().rev().chain([run]).take(3).collect(),
            }),
        }
    }

    /// What is known of a run.
    ///
    /// # Errors
    /// When its file cannot be read. What is damaged in it is left out.
    pub fn read(&self, run: &str) -> Result<Past, Error> {
        let path = path(self.folder()?, run);
        let failed = |error| Error::system("read", &path, error);
        let file = File::open(&path).map_err(failed)?;
        let is_live = is_locked(&file);
        Past::read(run, is_live, BufReader::new(file)).map_err(failed)
    }

    /// All lines of a run that are JSON, for programs.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn events(&self, run: &str) -> Result<Vec<serde_json::Value>, Error> {
        let path = path(self.folder()?, run);
        let text = fs::read(&path).map_err(|error| Error::system("read", &path, error))?;
        let lines = text.split(|byte| *byte == b'\n');
        Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }

    /// The hosts that are to be tried again after a run: as its file says, else as its journal does.
    ///
    /// # Errors
    /// When the run is under way, or neither can be read.
    pub fn to_retry(&self, run: &str) -> Result<Vec<String>, Error> {
        let path = self.folder()?.join(retry_file(run));
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
            Err(error) if error.kind() == ErrorKind::NotFound => match self.read(run)? {
                past if past.is_live => Err(self.live(run)),
                past => Ok(past.to_retry()),
            },
            Err(error) => Err(Error::system("read", &path, error)),
        }
    }

    /// Takes away the oldest runs, beyond a number of them and of bytes; none whose controller lives. Whatever goes
    /// wrong with it is left for the next time.
    pub fn prune(&self) {
        self.prune_to(MOST_RUNS, MOST_BYTES);
    }

    fn prune_to(&self, runs: usize, bytes: u64) {
        let (Some(folder), Ok(all)) = (&self.0, self.list()) else {
            return;
        };
        let mut sum = 0_u64;
        for (index, run) in all.iter().enumerate() {
            let path = path(folder, run);
            sum = sum.saturating_add(fs::metadata(&path).map_or(0, |there| there.len()));
            let is_kept = index < runs && sum <= bytes;
            if !is_kept && File::open(&path).is_ok_and(|file| !is_locked(&file)) {
                let _ = fs::remove_file(&path);
                let _ = fs::remove_file(folder.join(retry_file(run)));
            }
        }
        sweep(folder);
    }

    fn folder(&self) -> Result<&Path, Error> {
        self.0.as_deref().ok_or(Error::NoHome)
    }
}

/// Takes away what a beginning that was killed left.
fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_unfinished = entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes());
        let written = entry.metadata().and_then(|there| there.modified());
        let age = written.map(|written| SystemTime::now().duration_since(written).unwrap_or_default());
        if is_unfinished && age.is_ok_and(|age| age > ABANDONED) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// How names of files begin that are no journals yet.
const UNFINISHED: &str = ".new";

/// The run whose journal has this name.
fn run_of(name: &str) -> Option<&str> {
    let run = name.strip_suffix(".jsonl")?;
    let is_plain = run.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_plain && !run.is_empty()).then_some(run)
}

fn path(folder: &Path, run: &str) -> PathBuf {
    folder.join(format!("{run}.jsonl"))
}

/// The name of the file of hosts that are to be tried again.
#[must_use]
pub fn retry_file(run: &str) -> String {
    format!("{run}.retry")
}

/// Whether a controller lives that holds the journal. Where locks cannot be asked for, none does.
fn is_locked(file: &File) -> bool {
    flock(file, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK)
}

#[cfg(test)]
mod tests;
