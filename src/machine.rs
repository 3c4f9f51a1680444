//! This machine as the core's [`World`]: files, folders, the environment, and scripts that cannot hang the program.
//!
//! A path may lead to anything: a pipe that nobody writes to, a device, a script that never ends. So everything is
//! opened without waiting, and whatever must be waited for ends with the patience that [`Machine::new`] was given.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Access, OFlags, access, fstatfs};

use crate::world::{Answer, Kind, MAX_BYTES, World};

mod script;

/// Inventory scripts ask clouds, which takes its time; nobody waits for longer than this.
const PATIENCE: Duration = Duration::from_secs(120);
/// Where programs are looked for without a `PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";
/// `PIPEFS_MAGIC`, statfs(2): a pipe without a name of its own.
const PIPEFS: i64 = 0x5049_5045;

/// The machine that the program runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    patience: Duration,
}

impl Machine {
    /// The machine; scripts and pipes get so much time to answer in full.
    #[must_use]
    pub fn new(patience: Duration) -> Self {
        Self { patience }
    }
}

/// With two minutes for scripts and pipes.
impl Default for Machine {
    fn default() -> Self {
        Self::new(PATIENCE)
    }
}

impl World for Machine {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let metadata = fs::metadata(path)?;
        if is_device(&metadata) {
            return read_device(metadata.rdev());
        }
        let file = fs::OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)?;
        let deadline = Deadline::after(self.patience);
        if metadata.file_type().is_fifo() && !is_anonymous(&file)? {
            // Before its writer has come, such a pipe looks like one at its end.
            deadline.await_input(&file)?;
        }
        read_all(&file, deadline)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name().into_string().ok()));
        let mut names: Vec<String> = names.filter_map(io::Result::transpose).collect::<io::Result<_>>()?;
        names.sort_unstable();
        Ok(names)
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        let metadata = fs::metadata(path).ok()?;
        if metadata.is_dir() {
            return Some(Kind::Folder);
        }
        let executable = access(path, Access::EXEC_OK).is_ok();
        Some(Kind::File { executable })
    }

    fn is_world_writable(&self, folder: &Path) -> bool {
        fs::metadata(folder).is_ok_and(|metadata| metadata.mode() & 0o002 != 0)
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> io::Result<Answer> {
        // A bare name would be looked for in PATH.
        let program = self.current_folder().join(program);
        script::run(&program, arguments, Deadline::after(self.patience))
    }

    fn find_program(&self, name: &str) -> Option<PathBuf> {
        let runs = |path: &PathBuf| path.is_file() && access(path, Access::EXEC_OK).is_ok();
        if name.contains('/') {
            return Some(self.current_folder().join(name)).filter(runs);
        }
        let folders = env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
        let mut programs = env::split_paths(&folders).map(|folder| self.current_folder().join(folder).join(name));
        programs.find(runs)
    }

    fn variable(&self, name: &str) -> Option<String> {
        env::var(name).ok()
    }

    fn current_folder(&self) -> PathBuf {
        // The link leads there even when the folder was removed meanwhile.
        env::current_dir().unwrap_or_else(|_| "/proc/self/cwd".into())
    }
}

fn is_device(metadata: &fs::Metadata) -> bool {
    metadata.file_type().is_char_device() || metadata.file_type().is_block_device()
}

/// `/dev/null` is an empty file to many; opening any other device may do something.
fn read_device(device: u64) -> io::Result<Vec<u8>> {
    if (rustix::fs::major(device), rustix::fs::minor(device)) == (1, 3) {
        return Ok(Vec::new());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "it is a device and not a file",
    ))
}

/// Such as `/dev/fd/63`, what a shell makes of `<(command)`. Its writer was there before us and may be gone already.
fn is_anonymous(pipe: &fs::File) -> io::Result<bool> {
    Ok(i128::from(fstatfs(pipe)?.f_type) == i128::from(PIPEFS))
}

fn read_all(mut file: &fs::File, deadline: Deadline) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let room = (MAX_BYTES + 1).saturating_sub(bytes.len() as u64);
        match file.by_ref().take(room).read_to_end(&mut bytes) {
            Ok(_) if bytes.len() as u64 > MAX_BYTES => return Err(io::ErrorKind::FileTooLarge.into()),
            Ok(_) => return Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => deadline.await_input(file)?,
            Err(error) => return Err(error),
        }
    }
}

/// The time at which waiting ends.
#[derive(Debug, Clone, Copy)]
struct Deadline(Option<Instant>);

impl Deadline {
    /// None at all when the patience is beyond what the clock can say.
    fn after(patience: Duration) -> Self {
        Self(Instant::now().checked_add(patience))
    }

    /// Waits until there is something to read, or its end.
    fn await_input(self, file: &impl AsFd) -> io::Result<()> {
        self.await_any(&mut [PollFd::new(file, PollFlags::IN)])
    }

    /// Waits until something happens to one of these.
    fn await_any(self, files: &mut [PollFd<'_>]) -> io::Result<()> {
        loop {
            let left = self.0.map(|end| end.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            match poll(files, left.as_ref()) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                other => return other.map(|_| ()).map_err(io::Error::from),
            }
        }
    }
}

#[cfg(test)]
mod tests;
