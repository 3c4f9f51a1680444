//! What the core may ask of the machine that the program runs on (Ansible's control node): files, folders, the
//! environment, and inventory scripts. The core itself does no I/O; tests put a world of their own in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// The most bytes that a file or a script's answer may have.
pub const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What there is at a path, links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A file, a pipe or the like: something to read.
    File {
        /// Whether this user may run it.
        executable: bool,
    },
    /// A folder.
    Folder,
}

/// What a program answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its exit status; `None`: a signal ended it.
    pub status: Option<i32>,
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// The beginning of its standard error.
    pub stderr: String,
}

/// The machine as the core sees it. Relative paths are relative to [`World::current_folder`].
pub trait World: Send + Sync {
    /// All bytes of a file.
    ///
    /// # Errors
    /// What the system says, and [`io::ErrorKind::FileTooLarge`] beyond [`MAX_BYTES`].
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The names in a folder, sorted by their bytes; those that are not UTF-8 are left out.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// What there is at a path; `None`: nothing, or nothing that can be looked at.
    fn kind(&self, path: &Path) -> Option<Kind>;

    /// Whether anybody may write to a folder.
    fn is_world_writable(&self, folder: &Path) -> bool;

    /// Runs a program without input, in the current folder, and waits for its end.
    ///
    /// # Errors
    /// It cannot be started, answers too much ([`io::ErrorKind::FileTooLarge`]) or too late
    /// ([`io::ErrorKind::TimedOut`]); it is ended then.
    fn run(&self, program: &Path, arguments: &[&str]) -> io::Result<Answer>;

    /// A program that the search path has.
    fn find_program(&self, name: &str) -> Option<PathBuf>;

    /// A variable of the environment; `None` also for one that is not UTF-8.
    fn variable(&self, name: &str) -> Option<String>;

    /// The working folder, absolute.
    fn current_folder(&self) -> PathBuf;
}

/// Files in memory in place of a machine's: for tests, and for texts that are no files.
#[derive(Debug, Clone, Default)]
pub struct InMemory {
    files: BTreeMap<PathBuf, Vec<u8>>,
    variables: BTreeMap<String, String>,
}

impl InMemory {
    /// With one more file. Its folders are there as well.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), content.into());
        self
    }

    /// With one more variable of the environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// Relative paths stay relative: the working folder is the empty path.
impl World for InMemory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files
            .get(path)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let below = self.files.keys().filter_map(|path| path.strip_prefix(folder).ok());
        let names: BTreeSet<&str> = below
            .filter_map(|path| path.components().next()?.as_os_str().to_str())
            .collect();
        if names.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        if self.files.contains_key(path) {
            return Some(Kind::File { executable: false });
        }
        self.list(path).ok().map(|_| Kind::Folder)
    }

    fn is_world_writable(&self, _: &Path) -> bool {
        false
    }

    fn run(&self, _: &Path, _: &[&str]) -> io::Result<Answer> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn find_program(&self, _: &str) -> Option<PathBuf> {
        None
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn current_folder(&self) -> PathBuf {
        PathBuf::new()
    }
}
