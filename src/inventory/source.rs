//! Where inventories come from: what is given with `-i` becomes hosts and groups, one source after the other. As
//! Ansible's `InventoryManager.parse_source` with the plugins that are enabled unless told otherwise, in their order:
//! `host_list`, `script`, `auto`, `yaml`, `ini`.
//!
//! Stricter in two points: a source that cannot be read is an error, and a script that ran and failed is not tried as
//! a text of another kind.

mod document;
mod ini;
mod list;
mod plugin;
mod script;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use document::is_falsy;

use super::Request;
use super::data::{Data, Origin};
use super::pattern::Expression;
use super::text::Texts;
use crate::problem::{Problem, Source};
use crate::world::Kind;

/// Folders within folders are read to this depth: links may lead in a circle.
const MAX_DEPTH: usize = 32;

/// Ansible's `INVENTORY_IGNORE_EXTS`.
const IGNORED: [&str; 12] = [
    ".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry",
];
/// Ansible's `YAML_FILENAME_EXTENSIONS`.
const YAML: [&str; 3] = [".yml", ".yaml", ".json"];

/// Which names in folders are no sources, beside hidden files and folders of variables.
#[derive(Debug, Clone, Default)]
pub struct Ignored {
    /// Ends of names, in place of Ansible's own.
    extensions: Option<Vec<String>>,
    patterns: Vec<Expression>,
}

impl Ignored {
    /// Names with these ends, and names in which one of these regular expressions is found anywhere.
    ///
    /// # Errors
    /// What is wrong with an expression.
    pub fn new(extensions: Option<Vec<String>>, patterns: &[String]) -> Result<Self, String> {
        let anywhere = |pattern: &String| {
            let expression = Expression::new(&format!("(?s:.*?)(?:{pattern})"));
            expression.map_err(|why| format!("`{pattern}` is no regular expression: {why}"))
        };
        Ok(Self {
            extensions,
            patterns: patterns.iter().map(anywhere).collect::<Result<_, _>>()?,
        })
    }

    fn holds(&self, name: &str) -> bool {
        let ends = |end: &str| name.ends_with(end);
        let by_extension = match &self.extensions {
            Some(extensions) => extensions.iter().any(|end| ends(end)),
            None => IGNORED.into_iter().any(ends),
        };
        name.starts_with('.')
            || ["host_vars", "group_vars", "vars_plugins"].contains(&name)
            || by_extension
            || self.patterns.iter().any(|pattern| pattern.matches(name) != Ok(false))
    }
}

/// Reads sources into one set of data.
pub(super) struct Reader<'t> {
    texts: &'t Texts,
    pub data: Data,
    ignored: &'t Ignored,
    yaml_extensions: Option<&'t [String]>,
    is_too_deep: bool,
}

impl<'t> Reader<'t> {
    pub fn new(texts: &'t Texts, request: &'t Request) -> Self {
        Self {
            texts,
            data: Data::default(),
            ignored: &request.ignored,
            yaml_extensions: request.yaml_extensions.as_deref(),
            is_too_deep: false,
        }
    }

    /// Adds a source as it is given with `-i`.
    pub fn add(&mut self, source: &str) -> Result<(), Vec<Problem>> {
        let path = Path::new(source);
        match self.texts.world.kind(path) {
            None if source.contains(',') => {
                self.data.current = None;
                list::read(&Source::new("-i", source), &mut self.data)
            }
            None => Err(vec![missing(source)]),
            Some(_) => self.path(path, 0),
        }
    }

    fn path(&mut self, path: &Path, depth: usize) -> Result<(), Vec<Problem>> {
        match self.texts.world.kind(path) {
            Some(Kind::Folder) => self.folder(path, depth),
            Some(Kind::File { executable }) => self.file(path, executable),
            None => Err(vec![Problem::new(format!("{} does not exist", path.display()))]),
        }
    }

    fn folder(&mut self, folder: &Path, depth: usize) -> Result<(), Vec<Problem>> {
        if depth >= MAX_DEPTH {
            self.is_too_deep = true;
            let message = format!("{}: folders are nested more than {MAX_DEPTH} deep", folder.display());
            return Err(vec![Problem::new(message)]);
        }
        let names = self.texts.world.list(folder).map_err(|error| {
            let message = format!("cannot read the folder {}: {error}", folder.display());
            vec![Problem::new(message)]
        })?;
        let sources: Vec<&String> = names.iter().filter(|name| !self.ignored.holds(name)).collect();
        let mut problems = Vec::new();
        for name in &sources {
            problems.extend(self.path(&folder.join(name), depth + 1).err().into_iter().flatten());
            // Two links in a circle would lead to more folders than anybody can enter.
            if self.is_too_deep {
                return Err(problems);
            }
        }
        if sources.is_empty() {
            problems.push(Problem::new(format!(
                "the folder {} holds no inventory",
                folder.display()
            )));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn file(&mut self, path: &Path, executable: bool) -> Result<(), Vec<Problem>> {
        self.data.current = Some(Arc::new(self.origin(path)));
        let done = executable && self.script(path)?;
        let result = if done { Ok(()) } else { self.text(path) };
        self.data.current = None;
        result
    }

    /// As Ansible's `inventory_file` and `inventory_dir`.
    fn origin(&self, path: &Path) -> Origin {
        let file = self.texts.absolute(path);
        let folder = file.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        Origin { file, folder }
    }

    /// Whether the file could be run, and all went well.
    fn script(&mut self, path: &Path) -> Result<bool, Vec<Problem>> {
        script::read(path, &*self.texts.world, &mut self.data)
    }

    /// A file that is YAML by its extension, or has none, is read as that; whatever fails so is tried as INI.
    fn text(&mut self, path: &Path) -> Result<(), Vec<Problem>> {
        let source = self.texts.read(path).map_err(|problem| vec![problem])?;
        if path.extension().is_some_and(|extension| extension == "toml") {
            let problem = Problem::new(format!("{}: inventories in TOML are not supported", source.name));
            return Err(vec![
                problem.hint("convert it: ansible-inventory --list --yaml -i FILE"),
            ]);
        }
        if !self.may_be_yaml(path) {
            return ini::read(&source, &mut self.data);
        }
        match document::read(&source, &mut self.data) {
            Ok(()) => Ok(()),
            Err(document::Refused::Plugin(plugin)) => plugin::read(path, &plugin, &*self.texts.world, &mut self.data),
            Err(document::Refused::Empty) => ini::read(&source, &mut self.data),
            Err(document::Refused::Wrong(problems)) => {
                self.ini_after_yaml(&source, problems, path.extension().is_some())
            }
        }
    }

    /// By its extension; a file without any may be YAML as well.
    fn may_be_yaml(&self, path: &Path) -> bool {
        let Some(extension) = path.extension() else { return true };
        let is = |known: &str| known.strip_prefix('.').is_some_and(|known| extension == known);
        match self.yaml_extensions {
            Some(known) => known.iter().any(|known| is(known)),
            None => YAML.into_iter().any(is),
        }
    }

    /// Of a file that is neither, the problems are those of what it seems to be.
    fn ini_after_yaml(
        &mut self,
        source: &Arc<Source>,
        problems: Vec<Problem>,
        said_yaml: bool,
    ) -> Result<(), Vec<Problem>> {
        match ini::read(source, &mut self.data) {
            Ok(()) if !said_yaml => Ok(()),
            Ok(()) => {
                let why = problems.into_iter().next().map(|problem| problem.to_string());
                let message = format!("{} is read as INI, since it is no YAML inventory", source.name);
                self.data.warnings.push(Problem::new(match why {
                    Some(why) => format!("{message}: {why}"),
                    None => message,
                }));
                Ok(())
            }
            Err(as_ini) if seems_ini(&source.text) => Err(as_ini),
            Err(_) => Err(problems),
        }
    }
}

fn missing(source: &str) -> Problem {
    let problem = Problem::new(format!("the inventory {source} does not exist"));
    // A host by its name alone would be a list of one.
    if source.contains(['/', '.']) {
        problem
    } else {
        problem.hint(format!("a list of hosts has a comma: -i {source},"))
    }
}

/// Whether the first line that says something is a section of INI.
fn seems_ini(text: &str) -> bool {
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with(['#', ';']))
        .is_some_and(|line| line.starts_with('[') && line.ends_with(']') && !line.contains([',', '"', '{']))
}
