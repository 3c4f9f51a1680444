//! Files of plays, and the files that they import.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::fields::{Fields, unknown};
use super::play::Play;
use super::setting::Setting;
use super::value::Tags;
use super::{Playbook, foreign, vars};
use crate::problem::{Problem, Source};
use crate::template::needs_rendering;
use crate::yaml::{self, Node, Value};

/// The keys of an entry that imports a file.
pub const IMPORT_KEYS: [&str; 4] = ["import_playbook", "name", "vars", "tags"];

/// Other spellings of the first of them.
const QUALIFIED: [&str; 2] = ["ansible.builtin.import_playbook", "ansible.legacy.import_playbook"];

/// The most files that a run may import: each import of a file counts.
const MAX_IMPORTS: usize = 256;

/// The most plays and imports that a run may have.
const MAX_ENTRIES: usize = 10_000;

/// Reads a file that is imported: its text, or what to say of it.
pub type Read<'r> = dyn FnMut(&Path) -> Result<Arc<Source>, String> + 'r;

/// Reads a playbook and all that it imports.
pub(super) fn playbook(source: &Arc<Source>, path: &Path, read: &mut Read<'_>) -> Result<Playbook, Vec<Problem>> {
    let mut reader = Reader {
        read,
        open: vec![path.to_owned()],
        imports: 0,
        entries: 0,
        warnings: Vec::new(),
        problems: Vec::new(),
    };
    let plays = reader.file(source);
    if reader.problems.is_empty() {
        Ok(Playbook {
            plays,
            warnings: reader.warnings,
        })
    } else {
        Err(reader.problems)
    }
}

struct Reader<'r, 'f> {
    read: &'r mut Read<'f>,
    /// The file under reading, behind those that led to it.
    open: Vec<PathBuf>,
    imports: usize,
    entries: usize,
    warnings: Vec<Problem>,
    problems: Vec<Problem>,
}

impl Reader<'_, '_> {
    fn file(&mut self, source: &Arc<Source>) -> Vec<Play> {
        let Some(root) = self.note(yaml::read(source)) else {
            return Vec::new();
        };
        self.warnings.extend(root.warnings);
        let entries = entries(&root.root).and_then(|entries| self.count(&root.root, entries));
        let entries = self.note(entries.map_err(|problem| vec![problem]));
        let entries = entries.unwrap_or_default();
        entries.iter().flat_map(|entry| self.entry(entry)).collect()
    }

    fn count<'n>(&mut self, root: &Node, entries: &'n [Node]) -> Result<&'n [Node], Problem> {
        self.entries += entries.len();
        if self.entries > MAX_ENTRIES {
            return Err(Problem::at(
                &root.at,
                format!("more than {MAX_ENTRIES} plays are too many"),
            ));
        }
        Ok(entries)
    }

    fn note<T>(&mut self, result: Result<T, Vec<Problem>>) -> Option<T> {
        result.map_err(|problems| self.problems.extend(problems)).ok()
    }

    fn entry(&mut self, entry: &Node) -> Vec<Play> {
        if !matches!(entry.value, Value::Map(_)) {
            let message = format!("a play is a map, and this is {}", entry.value.kind());
            self.problems
                .push(Problem::at(&entry.at, message).hint("begin each play with `- hosts: ...`"));
            return Vec::new();
        }
        if let Some(file) = imported(entry) {
            return self.import(entry, file);
        }
        let play = Play::read(entry, &self.folder());
        self.note(play).into_iter().collect()
    }

    fn folder(&self) -> PathBuf {
        self.open
            .last()
            .and_then(|file| file.parent())
            .map(Path::to_owned)
            .unwrap_or_default()
    }

    fn import(&mut self, entry: &Node, file: &Node) -> Vec<Play> {
        let import = Import::read(entry, file);
        let Some(import) = self.note(import) else {
            return Vec::new();
        };
        let path = self.folder().join(import.file);
        let source = self.fetch(&path).map_err(|why| vec![Problem::at(&file.at, why)]);
        let Some(source) = self.note(source) else {
            return Vec::new();
        };
        self.open.push(path);
        let plays = self.file(&source);
        self.open.pop();
        plays.into_iter().map(|play| import.lead_to(play)).collect()
    }
    fn fetch(&mut self, path: &Path) -> Result<Arc<Source>, String> {
        if self.open.iter().any(|open| normal(open) == normal(path)) {
            return Err(format!("{} imports itself", normal(path).display()));
        }
        self.imports += 1;
        if self.imports > MAX_IMPORTS {
            return Err(format!("more than {MAX_IMPORTS} playbooks are imported"));
        }
        (self.read)(path)
    }
}

/// The entries of a file, at least one.
fn entries(root: &Node) -> Result<&[Node], Problem> {
    let hint = "write a list of plays: each begins with `- hosts: ...`";
    match &root.value {
        Value::List(entries) if !entries.is_empty() => Ok(entries),
        Value::Null | Value::List(_) => Err(Problem::at(&root.at, "this playbook is empty").hint(hint)),
        other => {
            let message = format!("a playbook is a list of plays, and this is {}", other.kind());
            Err(Problem::at(&root.at, message).hint(format!("{hint}; inventories are named by -i")))
        }
    }
}

/// The file that an entry imports, if it does.
fn imported(entry: &Node) -> Option<&Node> {
    spellings().find_map(|name| entry.get(name))
}

fn spellings() -> impl Iterator<Item = &'static str> {
    IMPORT_KEYS.into_iter().take(1).chain(QUALIFIED)
}

/// An entry that imports a file.
struct Import<'n> {
    file: &'n str,
    vars: Vec<(String, Node)>,
    tags: Option<Setting<Tags>>,
}

impl<'n> Import<'n> {
    fn read(entry: &'n Node, file: &'n Node) -> Result<Self, Vec<Problem>> {
        let mut fields = Fields::of(entry);
        refuse_keys(&mut fields);
        if spellings().filter(|name| entry.get(name).is_some()).count() > 1 {
            fields
                .problems
                .push(Problem::at(&entry.at, "this entry imports several playbooks"));
        }
        let file = fields.note(path(file).map_err(|problem| vec![problem]));
        let vars = fields.several("vars", vars::vars);
        let tags = fields.setting("tags");
        match file {
            Some(file) if fields.problems.is_empty() => Ok(Self { file, vars, tags }),
            _ => Err(fields.problems),
        }
    }

    /// A play of the file, with the variables of the import above its own.
    fn lead_to(&self, mut play: Play) -> Play {
        play.vars.extend(self.vars.iter().cloned());
        play.tags.extend(self.tags.clone());
        play
    }
}

fn refuse_keys(fields: &mut Fields<'_>) {
    let known = [&IMPORT_KEYS[..], &QUALIFIED].concat();
    for (key, _) in fields.entries() {
        let name = key.as_str().unwrap_or_default();
        if !known.contains(&name) {
            let problem = foreign::refusal(name, key).unwrap_or_else(|| unknown(key, &IMPORT_KEYS, "import_playbook"));
            fields.problems.push(problem);
        }
    }
}

fn path(file: &Node) -> Result<&str, Problem> {
    let text = file.text("import_playbook")?;
    if text.is_empty() {
        return Err(Problem::at(&file.at, "import_playbook is empty"));
    }
    if needs_rendering(file) {
        let problem = Problem::at(
            &file.at,
            "import_playbook cannot be a template: files are read before variables",
        );
        return Err(problem.hint("write the path itself"));
    }
    Ok(text)
}

/// A path without `.` and, as far as can be told without looking, without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if normal.file_name().is_some() => {
                normal.pop();
            }
            _ => normal.push(part),
        }
    }
    normal
}
