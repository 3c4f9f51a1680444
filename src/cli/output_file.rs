//! A file that others read while it is written: replaced as a whole by rename(2).

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::error::Error;

/// Readers may be anybody: monitoring runs as a user of its own.
const MODE: u32 = 0o644;
/// Rules of hosts are nobody else's business.
const PRIVATE: u32 = 0o600;

/// A file's place, where a file was shown to be possible.
#[derive(Debug)]
pub(super) struct OutputFile {
    path: PathBuf,
    mode: u32,
}

impl OutputFile {
    /// Finds out early whether it can be written, and changes nothing yet.
    pub fn at(path: PathBuf) -> Result<Self, Error> {
        Self::with(path, MODE)
    }

    /// The same, for its owner alone to read.
    pub fn private(path: PathBuf) -> Result<Self, Error> {
        Self::with(path, PRIVATE)
    }

    fn with(path: PathBuf, mode: u32) -> Result<Self, Error> {
        let tried = match fs::metadata(&path) {
            // Renaming over a device would take it away.
            Ok(there) if !there.is_file() => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file")),
            _ => beside(&path).map(drop),
        };
        match tried {
            Ok(()) => Ok(Self { path, mode }),
            Err(source) => Err(Error::OutputFile { path, source }),
        }
    }

    /// Puts a file with this text into its place.
    pub fn replace(&self, text: &str) -> Result<(), Error> {
        let write = || -> io::Result<()> {
            let mut file = beside(&self.path)?;
            file.write_all(text.as_bytes())?;
            file.as_file().set_permissions(Permissions::from_mode(self.mode))?;
            file.as_file().sync_all()?;
            file.persist(&self.path)?;
            Ok(())
        };
        write().map_err(|source| Error::OutputFile {
            path: self.path.clone(),
            source,
        })
    }
}

/// A hidden file in the same folder, and so on the same file system; gone when dropped. Collectors look for names that
/// end in `.prom`: this one does not.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    tempfile::Builder::new()
        .prefix(".portmap-deploy-")
        .suffix(".tmp")
        .tempfile_in(folder.unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_a_file_whole_for_everybody_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hosts.prom");
        fs::write(&path, "an older and much longer text").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let file = OutputFile::at(path.clone()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "an older and much longer text");
        file.replace("new\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn says_early_that_there_can_be_no_file() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            folder.path().join("none/hosts.prom"),
            folder.path().to_owned(),
            "/dev/null".into(),
        ] {
            assert!(matches!(OutputFile::at(path), Err(Error::OutputFile { .. })));
        }
    }
}
