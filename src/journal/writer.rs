//! A run's journal as it is written.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};

use super::record::{Head, Record, Resumption};
use super::{Error, UNFINISHED, path, retry_file};
use crate::report::{self, EndState, Outcome, RunEvent};

/// Beyond this a journal has no more steps, of which a host that cannot be reached may have any number.
const LONG: u64 = 64 * 1024 * 1024;

/// Somebody who looks whether the journal is locked holds it for a moment.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(50);

/// A journal that this process writes. The file is locked until it is dropped.
#[derive(Debug)]
pub struct Journal {
    file: File,
    folder: PathBuf,
    run: String,
    bytes: u64,
    /// Whether the last line was cut.
    is_torn: bool,
    fault: Option<io::Error>,
}

impl Journal {
    /// The file has its name only when it is locked and has its first line.
    pub(super) fn begin(folder: &Path, head: &Head) -> Result<Self, Error> {
        let path = path(folder, &head.run_id);
        let failed = |error| Error::system("write", &path, error);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
        // tempfile makes it readable by its owner alone.
        let file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .append(true)
            .tempfile_in(folder)
            .map_err(failed)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| failed(error.into()))?;
        let first = stamped(&Record::Run(head.clone()));
        file.as_file().write_all(first.as_bytes()).map_err(failed)?;
        let file = file.persist_noclobber(&path).map_err(|error| failed(error.error))?;
        Ok(Self::of(file, folder, &head.run_id))
    }

    /// `None`: its controller lives.
    pub(super) fn open(folder: &Path, run: &str) -> Result<Option<Self>, Error> {
        let path = path(folder, run);
        let failed = |error| Error::system("write", &path, error);
        let file = File::options().read(true).append(true).open(&path).map_err(failed)?;
        if !locks(&file).map_err(failed)? {
            return Ok(None);
        }
        let mut journal = Self::of(file, folder, run);
        journal.is_torn = journal.ends_amid_a_line().map_err(failed)?;
        Ok(Some(journal))
    }

    fn of(file: File, folder: &Path, run: &str) -> Self {
        Self {
            bytes: file.metadata().map_or(0, |there| there.len()),
            file,
            folder: folder.to_owned(),
            run: run.to_owned(),
            is_torn: false,
            fault: None,
        }
    }

    fn ends_amid_a_line(&self) -> io::Result<bool> {
        let Some(last) = self.bytes.checked_sub(1) else {
            return Ok(false);
        };
        let mut byte = [0];
        self.file.read_exact_at(&mut byte, last)?;
        Ok(byte != *b"\n")
    }

    /// What there is of it so far.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn past(&mut self) -> Result<super::Past, Error> {
        let read = |file: &mut File| {
            file.seek(SeekFrom::Start(0))?;
            super::Past::read(&self.run, false, io::BufReader::new(file))
        };
        read(&mut self.file).map_err(|error| Error::system("read", &path(&self.folder, &self.run), error))
    }

    /// Somebody goes on with the run.
    pub fn resumed(&mut self, by: Resumption) {
        self.append(&stamped(&Record::Resumed(by)));
    }

    /// What every host shall have: a fingerprint of it.
    pub fn desired(&mut self, hosts: BTreeMap<String, String>) {
        self.append(&stamped(&Record::Desired { hosts }));
    }

    /// Something happened. Lines of the dialogue are not kept.
    pub fn event(&mut self, event: &RunEvent) {
        let is_kept = match event {
            RunEvent::Dialogue { .. } => false,
            RunEvent::Step { .. } => self.bytes < LONG,
            _ => true,
        };
        if is_kept && let Some(line) = report::event_line(event) {
            self.append(&with_time(&line));
        }
    }

    /// The run ended: what became of it, and which hosts are to be tried again. Returns the name of their file, where
    /// there are such hosts.
    ///
    /// # Errors
    /// The first thing that could not be written.
    pub fn finish(mut self, outcome: &Outcome) -> Result<Option<String>, Error> {
        let retry = self.write_retry(outcome);
        self.append(&with_time(&report::finished_line(&self.run, outcome)));
        match self.fault.take() {
            Some(fault) => Err(Error::system("write", &path(&self.folder, &self.run), fault)),
            None => retry,
        }
    }

    fn write_retry(&self, outcome: &Outcome) -> Result<Option<String>, Error> {
        let name = retry_file(&self.run);
        let path = self.folder.join(&name);
        let names: String = to_retry(outcome).flat_map(|host| [host, "\n"]).collect();
        if names.is_empty() {
            // One that an earlier part of the run left.
            let _ = fs::remove_file(&path);
            return Ok(None);
        }
        let write = || -> io::Result<()> {
            let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.folder)?;
            file.write_all(names.as_bytes())?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|error| Error::system("write", &path, error))?;
        Ok(Some(name))
    }

    /// Appends a line whole. What goes wrong is told at the end.
    fn append(&mut self, line: &str) {
        let mended = if self.is_torn { "\n" } else { "" };
        let text = format!("{mended}{line}");
        match self.file.write_all(text.as_bytes()) {
            Ok(()) => {
                self.is_torn = false;
                self.bytes += u64::try_from(text.len()).unwrap_or_default();
            }
            Err(error) => {
                self.is_torn = true;
                self.fault.get_or_insert(error);
            }
        }
    }
}

/// The hosts that did not reach what was asked of them.
pub(super) fn to_retry(outcome: &Outcome) -> impl Iterator<Item = &str> {
    let is_left = |state: EndState| state.is_failure() || state == EndState::Skipped;
    let hosts = outcome.hosts.iter();
    hosts
        .filter(move |(_, report)| is_left(report.state))
        .map(|(name, _)| name.as_str())
}

/// Whether nobody else holds it; from now on we do.
fn locks(file: &File) -> io::Result<bool> {
    let mut left = PATIENCE;
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) if left.is_zero() => return Ok(false),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                std::thread::sleep(PAUSE);
                left = left.saturating_sub(PAUSE);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn stamped(record: &Record) -> String {
    with_time(&serde_json::to_string(record).unwrap_or_default())
}

/// A line of an object with the time before all else in it.
fn with_time(object: &str) -> String {
    let rest = object.strip_prefix('{').unwrap_or("}");
    format!("{{\"time\":\"{:.6}\",{rest}\n", Timestamp::now())
}
