//! What `ansible.cfg` and the `ANSIBLE_*` variables set, found and read as Ansible does.
//!
//! Settings that count for this program become values. Of the others, those that would change what Ansible does with
//! an inventory or how it connects are refused or warned about when they are set; nothing differs in silence.

mod file;
mod paths;
mod rules;
mod value;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::file::File;
use self::paths::Paths;
use self::rules::RULES;
use self::value::{unquoted, whole};
use super::source::Ignored;
use crate::problem::{Location, Problem, Source};
use crate::world::{Kind, World};

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A variable of the environment.
    Variable(&'static str),
    /// A place in a configuration file.
    File(Location),
}

/// `ANSIBLE_FORKS`, or `ansible.cfg:3:1`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => f.write_str(name),
            Self::File(at) => at.fmt(f),
        }
    }
}

impl Origin {
    /// A problem with the value that was set there.
    pub fn problem(&self, message: impl fmt::Display) -> Problem {
        match self {
            Self::Variable(name) => Problem::new(format!("{name}: {message}")),
            Self::File(at) => Problem::at(at, message.to_string()),
        }
    }
}

/// A value that somebody set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value, in Ansible's type.
    pub value: T,
    /// Who set it.
    pub origin: Origin,
}

/// What is set; `None`: nobody set it, and the program's own default counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// `inventory`: absolute paths.
    pub inventory: Option<Setting<Vec<PathBuf>>>,
    /// `remote_user`.
    pub remote_user: Option<Setting<String>>,
    /// `remote_port`.
    pub remote_port: Option<Setting<i64>>,
    /// `private_key_file`, absolute.
    pub private_key_file: Option<Setting<PathBuf>>,
    /// `forks`.
    pub forks: Option<Setting<i64>>,
    /// `timeout` of a connection, in seconds.
    pub timeout: Option<Setting<i64>>,
    /// `host_key_checking`; false: an unknown key is accepted, a changed one never.
    pub host_key_checking: Option<Setting<bool>>,
    /// `become`.
    pub r#become: Option<Setting<bool>>,
    /// `become_method`.
    pub become_method: Option<Setting<String>>,
    /// `become_user`.
    pub become_user: Option<Setting<String>>,
    /// `become_ask_pass`.
    pub become_ask_pass: Option<Setting<bool>>,
    /// `ssh_args`; Ansible's default for it (compression and shared connections) is left out.
    pub ssh_args: Option<Setting<String>>,
    /// `ssh_common_args`.
    pub ssh_common_args: Option<Setting<String>>,
    /// `ssh_extra_args`.
    pub ssh_extra_args: Option<Setting<String>>,
    /// `vault_password_file`, absolute.
    pub vault_password_file: Option<Setting<PathBuf>>,
    /// `vault_identity_list`: `label@source` or a source.
    pub vault_identity_list: Option<Setting<Vec<String>>>,
    /// `ask_vault_pass`.
    pub ask_vault_pass: Option<Setting<bool>>,
    /// `inventory_ignore_extensions`: ends of names that a folder's sources do not have.
    pub inventory_ignore_extensions: Option<Setting<Vec<String>>>,
    /// `inventory_ignore_patterns`: regular expressions of such names.
    pub inventory_ignore_patterns: Option<Setting<Vec<String>>>,
    /// `yaml_valid_extensions`.
    pub yaml_valid_extensions: Option<Setting<Vec<String>>>,
    /// `any_errors_fatal`.
    pub any_errors_fatal: Option<Setting<bool>>,
    /// `playbook_dir`, absolute: for commands without a playbook.
    pub playbook_dir: Option<Setting<PathBuf>>,
    /// What should be said and stops nothing.
    pub warnings: Vec<Problem>,
}

/// The names of a setting: variables, and sections and options of the file; of several the last that is set wins.
struct Names(&'static [&'static str], &'static [(&'static str, &'static str)]);

impl Settings {
    /// Which names in inventory folders are no sources.
    ///
    /// # Errors
    /// A pattern that is no regular expression.
    pub fn ignored_sources(&self) -> Result<Ignored, Problem> {
        let extensions = self
            .inventory_ignore_extensions
            .as_ref()
            .map(|setting| setting.value.clone());
        let Some(patterns) = &self.inventory_ignore_patterns else {
            return Ignored::new(extensions, &[]).map_err(Problem::new);
        };
        Ignored::new(extensions, &patterns.value).map_err(|why| patterns.origin.problem(why))
    }

    /// Finds the configuration file and reads it and the environment.
    ///
    /// # Errors
    /// A file that is none, values that are none, and settings that would change the result and are not implemented.
    pub fn read(world: &dyn World) -> Result<Self, Vec<Problem>> {
        let mut warnings = Vec::new();
        let source = find(world, &mut warnings).map_err(|problem| vec![problem])?;
        let file = match &source {
            Some((_, source)) => File::parse(source).map_err(|problem| vec![problem])?,
            None => File::default(),
        };
        let path = source.map(|(path, _)| path);
        let folder = path.as_deref().and_then(Path::parent).map(Path::to_owned);
        let mut reader = Reader {
            world,
            file: &file,
            folder,
            warnings,
            problems: Vec::new(),
        };
        let settings = reader.settings(path);
        reader.judge();
        if !reader.problems.is_empty() {
            return Err(reader.problems);
        }
        Ok(Self {
            warnings: reader.warnings,
            ..settings
        })
    }
}

/// The configuration file: the one that `ANSIBLE_CONFIG` names, else that of the working folder, the user, the system.
fn find(world: &dyn World, warnings: &mut Vec<Problem>) -> Result<Option<(PathBuf, Arc<Source>)>, Problem> {
    let paths = Paths { world, base: None };
    let named = world.variable("ANSIBLE_CONFIG").map(|text| {
        let path = paths.resolve(&text);
        if world.kind(&path) == Some(Kind::Folder) {
            path.join("ansible.cfg")
        } else {
            path
        }
    });
    let here = world.current_folder();
    let own = here.join("ansible.cfg");
    let is_public = world.is_world_writable(&here);
    let candidates = [
        named.clone(),
        (!is_public).then(|| own.clone()),
        Some(paths.resolve("~/.ansible.cfg")),
        Some("/etc/ansible/ansible.cfg".into()),
    ];
    let mut found = candidates
        .into_iter()
        .flatten()
        .filter(|path| world.kind(path).is_some());
    let read = found.find_map(|path| Some((world.read(&path).ok()?, path)));
    let path = read.as_ref().map(|(_, path)| path);
    if let Some(named) = named.as_ref().filter(|named| path != Some(named)) {
        let message = format!("ANSIBLE_CONFIG: {} cannot be read; it is left out", named.display());
        warnings.push(Problem::new(message));
    }
    if is_public && path != named.as_ref().or(Some(&own)) && world.kind(&own).is_some() {
        let message = format!("{} is left out: anybody may write to its folder", own.display());
        warnings.push(Problem::new(message).hint("name it by ANSIBLE_CONFIG, or take the right to write away"));
    }
    read.map(|(bytes, path)| load(bytes, path)).transpose()
}

fn load(bytes: Vec<u8>, path: PathBuf) -> Result<(PathBuf, Arc<Source>), Problem> {
    let name = path.display().to_string();
    if !path.extension().is_some_and(|end| end == "cfg" || end == "ini") {
        let problem = Problem::new(format!("{name} is no configuration file"));
        return Err(problem.hint("its name ends with .cfg or .ini"));
    }
    let text = String::from_utf8(bytes).map_err(|_| Problem::new(format!("{name} is not UTF-8")))?;
    Ok((path, Source::new(name, text)))
}

struct Reader<'r> {
    world: &'r dyn World,
    file: &'r File,
    folder: Option<PathBuf>,
    warnings: Vec<Problem>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn settings(&mut self, file: Option<PathBuf>) -> Settings {
        const SSH: &str = "ssh_connection";
        const BECOME: &str = "privilege_escalation";
        Settings {
            file,
            inventory: self.paths(&Names(&["ANSIBLE_INVENTORY"], &[("defaults", "inventory")])),
            remote_user: self.text(&Names(&["ANSIBLE_REMOTE_USER"], &[("defaults", "remote_user")])),
            remote_port: self.number(&Names(&["ANSIBLE_REMOTE_PORT"], &[("defaults", "remote_port")])),
            private_key_file: self.path(&Names(
                &["ANSIBLE_PRIVATE_KEY_FILE"],
                &[("defaults", "private_key_file")],
            )),
            forks: self.number(&Names(&["ANSIBLE_FORKS"], &[("defaults", "forks")])),
            timeout: self.number(&Names(&["ANSIBLE_TIMEOUT"], &[("defaults", "timeout")])),
            host_key_checking: self.host_key_checking(),
            r#become: self.flag(&Names(&["ANSIBLE_BECOME"], &[(BECOME, "become")])),
            become_method: self.text(&Names(&["ANSIBLE_BECOME_METHOD"], &[(BECOME, "become_method")])),
            become_user: self.text(&Names(&["ANSIBLE_BECOME_USER"], &[(BECOME, "become_user")])),
            become_ask_pass: self.flag(&Names(&["ANSIBLE_BECOME_ASK_PASS"], &[(BECOME, "become_ask_pass")])),
            ssh_args: self.text(&Names(&["ANSIBLE_SSH_ARGS"], &[(SSH, "ssh_args")])),
            ssh_common_args: self.text(&Names(&["ANSIBLE_SSH_COMMON_ARGS"], &[(SSH, "ssh_common_args")])),
            ssh_extra_args: self.text(&Names(&["ANSIBLE_SSH_EXTRA_ARGS"], &[(SSH, "ssh_extra_args")])),
            ..self.files()
        }
    }

    /// The settings about files of the inventory and of the vault.
    fn files(&mut self) -> Settings {
        Settings {
            vault_password_file: self.path(&Names(
                &["ANSIBLE_VAULT_PASSWORD_FILE"],
                &[("defaults", "vault_password_file")],
            )),
            vault_identity_list: self.list(&Names(
                &["ANSIBLE_VAULT_IDENTITY_LIST"],
                &[("defaults", "vault_identity_list")],
            )),
            ask_vault_pass: self.flag(&Names(&["ANSIBLE_ASK_VAULT_PASS"], &[("defaults", "ask_vault_pass")])),
            inventory_ignore_extensions: self.list(&Names(
                &["ANSIBLE_INVENTORY_IGNORE"],
                &[
                    ("defaults", "inventory_ignore_extensions"),
                    ("inventory", "ignore_extensions"),
                ],
            )),
            inventory_ignore_patterns: self.list(&Names(
                &["ANSIBLE_INVENTORY_IGNORE_REGEX"],
                &[
                    ("defaults", "inventory_ignore_patterns"),
                    ("inventory", "ignore_patterns"),
                ],
            )),
            yaml_valid_extensions: self.list(&Names(
                &["ANSIBLE_YAML_FILENAME_EXT"],
                &[("defaults", "yaml_valid_extensions")],
            )),
            any_errors_fatal: self.flag(&Names(
                &["ANSIBLE_ANY_ERRORS_FATAL"],
                &[("defaults", "any_errors_fatal")],
            )),
            playbook_dir: self.path(&Names(&["ANSIBLE_PLAYBOOK_DIR"], &[("defaults", "playbook_dir")])),
            ..Settings::default()
        }
    }

    fn host_key_checking(&mut self) -> Option<Setting<bool>> {
        let setting = self.flag(&Names(
            &["ANSIBLE_HOST_KEY_CHECKING", "ANSIBLE_SSH_HOST_KEY_CHECKING"],
            &[
                ("defaults", "host_key_checking"),
                ("ssh_connection", "host_key_checking"),
            ],
        ))?;
        if !setting.value {
            let message = "host_key_checking is off: keys of hosts that are not known are accepted";
            let hint = "other than in Ansible, a key that has changed is refused all the same";
            self.warnings.push(setting.origin.problem(message).hint(hint));
        }
        Some(setting)
    }

    /// What is set, as written.
    fn raw(&self, names: &Names) -> Option<Setting<String>> {
        let variables = names.0.iter().rev().filter_map(|name| {
            let value = self.world.variable(name)?;
            let origin = Origin::Variable(name);
            Some(Setting { value, origin })
        });
        let entries = names.1.iter().rev().filter_map(|(section, option)| {
            let entry = self.file.get(section, option)?;
            let (value, origin) = (entry.text.clone(), Origin::File(entry.at.clone()));
            Some(Setting { value, origin })
        });
        variables.chain(entries).next()
    }

    /// A text; quotes around it count in the file only.
    fn text(&self, names: &Names) -> Option<Setting<String>> {
        let Setting { value, origin } = self.raw(names)?;
        let value = match origin {
            Origin::File(_) => unquoted(&value).to_owned(),
            Origin::Variable(_) => value,
        };
        (!value.is_empty()).then_some(Setting { value, origin })
    }

    /// Whatever is no word for yes is no.
    fn flag(&mut self, names: &Names) -> Option<Setting<bool>> {
        let Setting { value, origin } = self.raw(names)?;
        let word = value.trim().to_lowercase();
        let yes = ["y", "yes", "on", "1", "true", "t"].contains(&word.as_str());
        if !yes && !["n", "no", "off", "0", "false", "f", ""].contains(&word.as_str()) {
            let message = format!("`{value}` is neither yes nor no; Ansible takes it for no");
            self.warnings.push(origin.problem(message));
        }
        Some(Setting { value: yes, origin })
    }

    /// A whole number; an empty variable sets nothing.
    fn number(&mut self, names: &Names) -> Option<Setting<i64>> {
        let Setting { value, origin } = self.raw(names)?;
        if value.is_empty() && matches!(origin, Origin::Variable(_)) {
            return None;
        }
        let number = whole(&value);
        if number.is_none() {
            self.problems
                .push(origin.problem(format!("`{value}` is no whole number")));
        }
        number.map(|value| Setting { value, origin })
    }

    fn list(&self, names: &Names) -> Option<Setting<Vec<String>>> {
        let Setting { value, origin } = self.raw(names)?;
        let value = value.split(',').map(|item| unquoted(item.trim()).to_owned()).collect();
        Some(Setting { value, origin })
    }

    /// An empty path is none, where Ansible would take the folder.
    fn path(&self, names: &Names) -> Option<Setting<PathBuf>> {
        let Setting { value, origin } = self.raw(names)?;
        let value = (!value.is_empty()).then(|| self.resolve(&value, &origin))?;
        Some(Setting { value, origin })
    }

    fn paths(&self, names: &Names) -> Option<Setting<Vec<PathBuf>>> {
        let Setting { value, origin } = self.raw(names)?;
        let paths = value.split(',').map(|path| self.resolve(path.trim(), &origin));
        let value = (!value.is_empty()).then(|| paths.collect())?;
        Some(Setting { value, origin })
    }

    /// Paths in the file are relative to it, those in variables to the working folder.
    fn resolve(&self, path: &str, origin: &Origin) -> PathBuf {
        let base = match origin {
            Origin::File(_) => self.folder.as_deref(),
            Origin::Variable(_) => None,
        };
        Paths {
            world: self.world,
            base,
        }
        .resolve(path)
    }

    /// Speaks up about what is set and not obeyed.
    fn judge(&mut self) {
        for (names, rule) in RULES {
            let Some(setting) = self.raw(names) else { continue };
            let value = unquoted(setting.value.trim()).to_lowercase();
            match rule.verdict(&value) {
                None => {}
                Some((message, true)) => self.problems.push(setting.origin.problem(message)),
                Some((message, false)) => self.warnings.push(setting.origin.problem(message)),
            }
        }
    }
}

#[cfg(test)]
mod tests;
