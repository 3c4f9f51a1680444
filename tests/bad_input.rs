//! Whatever stands in the files: a clear error that says where, exit code 1, soon and in little memory.
//!
//! Scripts and pipes that hang are held to their time in the tests of [`portmap_deploy::machine`].

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

#[path = "bad_input/files.rs"]
mod files;
#[path = "bad_input/limits.rs"]
mod limits;
#[path = "bad_input/sizes.rs"]
mod sizes;
#[path = "bad_input/templates.rs"]
mod templates;

/// Far above what any case needs, on a machine that is busy with other tests.
const LONGEST: Duration = Duration::from_secs(60);
/// The most memory of a run, in kB. A file of the largest size is held whole.
const MOST: u64 = 200 * 1024;

/// A folder to run in.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn with_script(self, name: &str, text: &str) -> Self {
        let folder = self.with(name, text);
        fs::set_permissions(folder.path(name), PermissionsExt::from_mode(0o755)).unwrap();
        folder
    }

    fn with_link(self, name: &str, to: &str) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(to, path).unwrap();
        self
    }

    /// What `inventory` makes of it.
    fn inventory(&self, arguments: &[&str]) -> Run {
        Run::of(self.0.path(), arguments)
    }

    /// That it is refused with all of these texts.
    #[track_caller]
    fn refused(&self, arguments: &[&str], texts: &[&str]) {
        let run = self.inventory(arguments);
        assert_eq!(run.status, Some(1), "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.starts_with("error: "), "{arguments:?}: {}", run.stderr);
        assert!(run.stdout.is_empty(), "{arguments:?}: {}", run.stdout);
        for text in texts {
            assert!(
                run.stderr.contains(text),
                "{arguments:?}: no `{text}` in {}",
                run.stderr
            );
        }
        run.check();
    }
}

/// One run of the program.
struct Run {
    status: Option<i32>,
    stdout: String,
    stderr: String,
    time: Duration,
    /// The most memory that it had, in kB.
    peak: u64,
}

impl Run {
    fn of(folder: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_portmap-deploy"))
            .arg("inventory")
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let start = Instant::now();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (out, err) = (thread::spawn(|| text(out)), thread::spawn(|| text(err)));
        let mut peak = 0;
        let status = loop {
            peak = high_water_mark(child.id()).unwrap_or_default().max(peak);
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if start.elapsed() > LONGEST {
                child.kill().unwrap();
            }
            thread::sleep(Duration::from_millis(2));
        };
        Self {
            status: status.code(),
            time: start.elapsed(),
            stdout: out.join().unwrap(),
            stderr: err.join().unwrap(),
            peak,
        }
    }

    /// That it took neither long nor much.
    #[track_caller]
    fn check(&self) {
        assert!(self.time < LONGEST, "it took {:?}", self.time);
        assert!(self.peak < MOST, "it had {} kB", self.peak);
    }
}

fn text(mut from: impl std::io::Read) -> String {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The most memory that a process has had, in kB; nothing of one that has ended.
fn high_water_mark(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, at| {
        writeln!(text, "{}", line(at)).unwrap();
        text
    })
}
