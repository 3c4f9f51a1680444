//! A real terminal: a pane of a tmux(1) server of one's own, which is looked at as people see it.

use std::fs;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Nothing that is waited for takes longer, on a loaded machine too.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal with one command in it. It is gone, and the command with it, when this is dropped.
pub struct Terminal {
    folder: TempDir,
}

impl Terminal {
    /// Runs a line of sh. Behind its end stands `[exit 0]`.
    pub fn new(columns: usize, rows: usize, line: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("tmux").tempdir().expect("a folder");
        let terminal = Self { folder };
        let line = format!("{line}; echo \"[exit $?]\"; exec sleep 600");
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let options = [
            "set-option",
            "-g",
            "status",
            "off",
            ";",
            "set-option",
            "-g",
            "default-terminal",
            "tmux-256color",
            ";",
        ];
        let session = ["new-session", "-d", "-x", &columns, "-y", &rows, &line];
        terminal.tmux(&[&["start-server", ";"], &options[..], &session].concat());
        terminal
    }

    /// What is on the screen now, without blanks at the ends of lines.
    pub fn text(&self) -> String {
        self.capture(&[])
    }

    /// All that was ever there, also what has scrolled away; lines that were broken at the margin are whole.
    pub fn history(&self) -> String {
        self.capture(&["-J", "-S", "-"])
    }

    fn capture(&self, options: &[&str]) -> String {
        let output = self.tmux(&[&["capture-pane", "-p"], options].concat());
        String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned() + "\n"
    }

    /// Waits until the screen is so, and returns it.
    pub fn until(&self, what: &str, mut wanted: impl FnMut(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = self.text();
            if wanted(&text) {
                return text;
            }
            assert!(Instant::now() < deadline, "never {what}:\n{text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for a text on the screen.
    pub fn until_it_says(&self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text))
    }

    /// Types keys, by tmux's names of them, as soon as somebody could who has read what is there.
    pub fn types(&self, keys: &[&str]) {
        std::thread::sleep(Duration::from_millis(300));
        self.tmux(&[&["send-keys"], keys].concat());
        // The server hands them over some time after it has answered.
        std::thread::sleep(Duration::from_millis(300));
    }

    pub fn resize(&self, columns: usize, rows: usize) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// Waits until the scene waits for this word, and returns what is on the screen then.
    pub fn at(&self, word: &str) -> String {
        let here = self.folder.path().join(format!("at-{word}"));
        self.until(word, |_| here.exists());
        // What was written before is being shown.
        let mut last = String::new();
        self.until("a still screen", |text| {
            std::thread::sleep(Duration::from_millis(50));
            std::mem::replace(&mut last, text.to_owned()) == text
        })
    }

    /// Lets the scene that waits for this word go on.
    pub fn go(&self, word: &str) {
        fs::write(self.folder.path().join(word), "").expect("written");
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        let output = Command::new("tmux")
            .args(["-u", "-f", "/dev/null", "-S"])
            .arg(self.folder.path().join("socket"))
            .args(arguments)
            .env_remove("TMUX")
            .env_remove("NO_COLOR")
            .env("GO", self.folder.path())
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("tmux");
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A server that has ended already is as well.
        let _ = Command::new("tmux")
            .arg("-S")
            .arg(self.folder.path().join("socket"))
            .arg("kill-server")
            .output();
    }
}
