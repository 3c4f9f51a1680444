//! What the core may ask of the machine that the program runs on (Ansible's control node): files, folders, the
//! environment, and inventory scripts. The core itself does no I/O; tests put a world of their own in its place.

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
pub trait World {
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
