//! Records as files: small, whole or absent, readable by their owner alone.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::STALE;

/// No record is longer.
const LONGEST: u64 = 8192;

/// The most files that are kept, about 200 MB of the smallest blocks.
const MOST_FILES: usize = 50_000;

/// How long a writer may take; a temporary file older than this is nobody's.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// Where records are.
#[derive(Debug)]
pub(super) struct Folder(pub PathBuf);

impl Folder {
    /// `None`: there is none, or it is damaged.
    pub fn read<T: DeserializeOwned>(&self, kind: &str, of: &str) -> io::Result<Option<T>> {
        Ok(read(&self.path(kind, of))?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Replaces the record, unless it says the same and is recent.
    pub fn write<T: Serialize>(&self, kind: &str, of: &str, record: &T) -> io::Result<()> {
        let path = self.path(kind, of);
        let mut bytes = serde_json::to_vec(record)?;
        bytes.push(b'\n');
        if read(&path).is_ok_and(|there| there.as_ref() == Some(&bytes)) && age(&path) < STALE {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        // tempfile makes it readable by its owner alone.
        let mut file = tempfile::Builder::new().prefix(".new").tempfile_in(&self.0)?;
        file.write_all(&bytes)?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    pub fn remove(&self, kind: &str, of: &str) -> io::Result<()> {
        match fs::remove_file(self.path(kind, of)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes away the oldest files beyond the most, and what a writer that was killed left.
    pub fn prune(&self) {
        let Ok(entries) = fs::read_dir(&self.0) else { return };
        let (unfinished, mut records): (Vec<PathBuf>, Vec<PathBuf>) = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .partition(|path| is_unfinished(path));
        for path in unfinished.iter().filter(|path| age(path) > ABANDONED) {
            let _ = fs::remove_file(path);
        }
        let beyond = records.len().saturating_sub(MOST_FILES);
        if beyond > 0 {
            records.sort_by_cached_key(|path| std::cmp::Reverse(age(path)));
            for path in records.iter().take(beyond) {
                let _ = fs::remove_file(path);
            }
        }
    }

    fn path(&self, kind: &str, of: &str) -> PathBuf {
        self.0.join(format!("{kind}-{}", file_name(of)))
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn age(path: &Path) -> Duration {
    let written = fs::metadata(path).and_then(|there| there.modified());
    let age = written.map(|written| SystemTime::now().duration_since(written));
    age.map_or(Duration::MAX, Result::unwrap_or_default)
}

fn is_unfinished(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b".new"))
}

/// A name of a file for any text: what is not a letter, digit, dot or hyphen is written in hex. Names of hosts are at most
/// 253 characters; of longer ones the front counts, which adds ports to try at the worst.
fn file_name(text: &str) -> String {
    let mut name = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-' {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
        if name.len() > 200 {
            break;
        }
    }
    name
}
