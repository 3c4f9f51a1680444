//! `group_vars` and `host_vars` beside inventories and playbooks, as Ansible's `host_group_vars` plugin and
//! `DataLoader.find_vars_files` look for them. Files are read when a host needs them, and once.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::data::{GroupId, HostId, Vars};
use super::dump::python;
use super::source::is_falsy;
use super::text::Texts;
use crate::problem::Problem;
use crate::world::Kind;
use crate::yaml::{Node, Value};

const EXTENSIONS: [&str; 3] = ["yml", "yaml", "json"];
/// Folders within folders are read to this depth: links may lead in a circle.
const MAX_DEPTH: usize = 16;

/// What the files of one group or host hold, or what is wrong with them.
type Read = OnceLock<Result<Vars, Vec<Problem>>>;

/// The vars files beside one inventory or playbook.
#[derive(Debug)]
pub(super) struct VarsFiles {
    groups: Shelf,
    hosts: Shelf,
}

/// One folder `group_vars` or `host_vars`.
#[derive(Debug)]
struct Shelf {
    folder: PathBuf,
    /// The names in it, or why it cannot be looked into.
    names: OnceLock<Result<HashSet<String>, Problem>>,
    read: Vec<Read>,
}

impl VarsFiles {
    /// Those in a folder, for so many groups and hosts.
    pub fn in_folder(folder: &Path, groups: usize, hosts: usize) -> Self {
        Self {
            groups: Shelf::new(folder.join("group_vars"), groups),
            hosts: Shelf::new(folder.join("host_vars"), hosts),
        }
    }

    /// Says what is odd about the folders.
    pub fn check(&self, texts: &Texts) {
        for shelf in [&self.groups, &self.hosts] {
            if matches!(texts.world.kind(&shelf.folder), Some(Kind::File { .. })) {
                let message = format!("{} is no folder, and is not read", shelf.folder.display());
                texts.warn([Problem::new(message)]);
            }
        }
    }

    /// What the files of a group say.
    pub fn of_group(&self, id: GroupId, name: &str, texts: &Texts) -> Result<&Vars, Vec<Problem>> {
        self.groups.of(id.0, name, texts)
    }

    /// What the files of a host say.
    pub fn of_host(&self, id: HostId, name: &str, texts: &Texts) -> Result<&Vars, Vec<Problem>> {
        self.hosts.of(id.0, name, texts)
    }
}

impl Shelf {
    fn new(folder: PathBuf, entities: usize) -> Self {
        Self {
            folder,
            names: OnceLock::new(),
            read: std::iter::repeat_with(OnceLock::new).take(entities).collect(),
        }
    }

    fn of(&self, id: usize, name: &str, texts: &Texts) -> Result<&Vars, Vec<Problem>> {
        let Some(read) = self.read.get(id) else {
            return Err(Vec::new());
        };
        match read.get_or_init(|| self.read(name, texts)) {
            Ok(vars) => Ok(vars),
            Err(problems) => Err(problems.clone()),
        }
    }

    fn read(&self, name: &str, texts: &Texts) -> Result<Vars, Vec<Problem>> {
        let mut vars = Vars::new();
        for file in self.files(name, texts)? {
            vars.extend(read(&file, texts)?);
        }
        Ok(vars)
    }

    /// The files of a name: the first of `name`, `name.yml`, `name.yaml`, `name.json` that is there.
    fn files(&self, name: &str, texts: &Texts) -> Result<Vec<PathBuf>, Vec<Problem>> {
        let names = self.names.get_or_init(|| self.list(texts));
        let names = names.as_ref().map_err(|problem| vec![problem.clone()])?;
        // A name from the root is that of a chroot.
        if names.is_empty() || name.starts_with('/') {
            return Ok(Vec::new());
        }
        let candidates = std::iter::once(name.to_owned()).chain(EXTENSIONS.iter().map(|end| format!("{name}.{end}")));
        for candidate in candidates {
            if !candidate.contains('/') && !names.contains(&candidate) {
                continue;
            }
            let path = self.folder.join(&candidate);
            match texts.world.kind(&path) {
                Some(Kind::Folder) => return in_folder(&path, texts, 0),
                Some(Kind::File { .. }) => return Ok(vec![path]),
                None if names.contains(&candidate) => texts.warn([out_of_reach(&path)]),
                None => {}
            }
        }
        Ok(Vec::new())
    }

    /// No folder is as good as an empty one; one that this user may not read could hold anything.
    fn list(&self, texts: &Texts) -> Result<HashSet<String>, Problem> {
        match texts.world.list(&self.folder) {
            Ok(names) => Ok(names.into_iter().collect()),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(HashSet::new()),
            Err(error) => Err(unreadable(&self.folder, &error)),
        }
    }
}

fn unreadable(folder: &Path, error: &std::io::Error) -> Problem {
    let problem = Problem::new(format!("cannot read the folder {}: {error}", folder.display()));
    problem.hint("variables in it could matter to any host")
}

/// What Ansible passes over in silence.
fn out_of_reach(path: &Path) -> Problem {
    let problem = Problem::new(format!(
        "{} is not read: it leads nowhere, or out of reach",
        path.display()
    ));
    problem.hint("mend the link, or take it away")
}

/// All vars files in a folder, by the order of their names' bytes.
fn in_folder(folder: &Path, texts: &Texts, depth: usize) -> Result<Vec<PathBuf>, Vec<Problem>> {
    let says = |message: String| vec![Problem::new(format!("{}: {message}", folder.display()))];
    if depth >= MAX_DEPTH {
        return Err(says(format!("folders are nested more than {MAX_DEPTH} deep")));
    }
    let names = texts
        .world
        .list(folder)
        .map_err(|error| vec![unreadable(folder, &error)])?;
    let mut files = Vec::new();
    for name in names
        .iter()
        .filter(|name| !name.starts_with('.') && !name.ends_with('~'))
    {
        let path = folder.join(name);
        let extension = path.extension();
        let is_meant = extension.is_none_or(|extension| EXTENSIONS.iter().any(|known| extension == *known));
        match texts.world.kind(&path) {
            Some(Kind::Folder) if extension.is_none() => files.extend(in_folder(&path, texts, depth + 1)?),
            Some(Kind::File { .. }) if is_meant => files.push(path),
            None if is_meant => texts.warn([out_of_reach(&path)]),
            _ => {}
        }
    }
    Ok(files)
}

/// The variables of a file in YAML or JSON; of an empty one, none.
fn read(file: &Path, texts: &Texts) -> Result<Vars, Vec<Problem>> {
    let root = texts.document(file)?;
    if is_falsy(&root.value) {
        return Ok(Vars::new());
    }
    from_map(&root).map_err(|problem| vec![problem])
}

/// The variables of a file that must hold some.
pub(super) fn read_map(file: &Path, texts: &Texts) -> Result<Vars, Vec<Problem>> {
    from_map(&texts.document(file)?).map_err(|problem| vec![problem])
}

/// The entries of a map of variables. Names that are no text are those that JSON would give them.
pub(super) fn from_map(root: &Node) -> Result<Vars, Problem> {
    let Value::Map(entries) = &root.value else {
        let message = format!("variables are a map, and this is {}", root.value.kind());
        return Err(Problem::at(&root.at, message));
    };
    Ok(entries
        .iter()
        .map(|(key, value)| (key_text(key), value.clone()))
        .collect())
}

/// A key as Python's `json.dumps` writes those that are no text.
pub(super) fn key_text(key: &Node) -> String {
    match &key.value {
        Value::String(text) | Value::Timestamp(text) | Value::Vault(text) => text.clone(),
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => python::float(*value),
        Value::List(_) | Value::Map(_) => key.raw().to_owned(),
    }
}
