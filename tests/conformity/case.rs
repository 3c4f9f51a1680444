//! A case as its folder holds it.

use std::fs;
use std::path::{Path, PathBuf};

/// What Ansible did besides printing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It went on with a warning.
    Warned,
    /// Its exit status was not 0.
    Failed,
}

/// What Ansible answered to one command.
#[derive(Debug)]
pub struct Expected {
    /// The command line as written.
    pub line: String,
    /// The same as words.
    pub words: Vec<String>,
    /// Whether lines are compared sorted, because Ansible's order is not the same on every run.
    pub any_order: bool,
    /// What it did besides printing.
    pub mark: Option<Mark>,
    /// Its standard output.
    pub output: String,
}

impl Expected {
    /// What `expected` says between one `$` and the next.
    fn read(text: &str) -> Self {
        let mut lines = text.lines().peekable();
        let line = lines.next().unwrap_or_default().to_owned();
        let mark = match lines.peek() {
            Some(&"[warned]") => Some(Mark::Warned),
            Some(&"[failed]") => Some(Mark::Failed),
            _ => None,
        };
        let output = lines.skip(usize::from(mark.is_some()));
        let bare = line.strip_suffix("# any order");
        Self {
            words: shlex::split(bare.unwrap_or(&line)).unwrap(),
            any_order: bare.is_some(),
            mark,
            output: output.map(|line| line[2..].to_owned() + "\n").collect(),
            line,
        }
    }

    /// Whether the output is YAML, kept as JSON.
    pub fn is_yaml(&self) -> bool {
        self.words.iter().any(|word| word == "--yaml")
    }
}

/// A folder with an inventory, commands and Ansible's answers.
#[derive(Debug)]
pub struct Case {
    /// The folder's name.
    pub name: String,
    /// Where it is.
    pub folder: PathBuf,
    /// Environment variables of its own.
    pub env: Vec<(String, String)>,
    /// The command lines of `commands`.
    pub commands: Vec<String>,
    /// What was recorded.
    pub expected: Vec<Expected>,
}

/// The lines of a file that are neither empty nor a comment; none where there is no file.
fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

impl Case {
    /// Reads a case's folder.
    pub fn read(folder: &Path) -> Self {
        let expected = fs::read_to_string(folder.join("expected")).unwrap_or_default();
        let pair = |line: &String| {
            line.split_once('=')
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        Self {
            name: folder.file_name().unwrap().to_string_lossy().into_owned(),
            folder: folder.to_owned(),
            env: lines(&folder.join("env"))
                .iter()
                .map(|line| pair(line).unwrap())
                .collect(),
            commands: lines(&folder.join("commands")),
            expected: format!("\n{expected}")
                .split("\n$ ")
                .skip(1)
                .map(Expected::read)
                .collect(),
        }
    }
}
