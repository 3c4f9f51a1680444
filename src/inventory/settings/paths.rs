//! Paths in settings: variables and `~` expanded, absolute, without `.` and `..`, links left alone.

use std::path::{Component, Path, PathBuf};

use crate::world::World;

/// How to read a path.
pub(super) struct Paths<'p> {
    pub world: &'p dyn World,
    /// What a relative one is relative to; `None`: the working folder.
    pub base: Option<&'p Path>,
}

impl Paths<'_> {
    /// The path that a text means.
    pub fn resolve(&self, text: &str) -> PathBuf {
        let here = self.world.current_folder();
        let text = text.replace("{{CWD}}", &here.to_string_lossy());
        let path = self.home(&self.variables(&text));
        normal(&here.join(self.base.unwrap_or(&here)).join(path))
    }

    /// `$NAME` and `${NAME}`; a variable that is not set stays as it is written.
    fn variables(&self, text: &str) -> String {
        let mut pieces = text.split('$');
        let mut expanded = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (name, rest) = variable(piece);
            match self.world.variable(name).filter(|_| !name.is_empty()) {
                Some(value) => expanded.extend([value.as_str(), rest]),
                None => expanded.extend(["$", piece]),
            }
        }
        expanded
    }

    /// `~` alone or before a slash.
    fn home(&self, text: &str) -> PathBuf {
        let rest = text
            .strip_prefix('~')
            .filter(|rest| rest.is_empty() || rest.starts_with('/'));
        match (rest, self.world.variable("HOME")) {
            (Some(rest), Some(home)) => format!("{}{rest}", home.trim_end_matches('/')).into(),
            _ => text.into(),
        }
    }
}

/// The name of a variable behind `$`, and the rest.
fn variable(text: &str) -> (&str, &str) {
    if let Some(braced) = text.strip_prefix('{') {
        return braced.split_once('}').unwrap_or(("", text));
    }
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}
