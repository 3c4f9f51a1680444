//! The texts of files that users write: read, decrypted where they are encrypted, and held against bad bytes.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::problem::{Problem, Source};
use crate::vault::{self, Secrets};
use crate::world::{MAX_BYTES, World};
use crate::yaml::{self, Node};

/// The most warnings that are kept: nobody reads more.
const MAX_WARNINGS: usize = 1000;

/// Reads texts for the whole inventory.
#[derive(Clone)]
pub(crate) struct Texts {
    pub world: Arc<dyn World>,
    /// The passwords of encrypted files.
    pub secrets: Arc<Secrets>,
    /// What should be said of files that were read.
    warnings: Arc<Mutex<Vec<Problem>>>,
}

impl Texts {
    pub fn new(world: &Arc<dyn World>, secrets: &Arc<Secrets>) -> Self {
        Self {
            world: Arc::clone(world),
            secrets: Arc::clone(secrets),
            warnings: Arc::default(),
        }
    }

    /// The value that a file holds in JSON or YAML.
    pub fn document(&self, path: &Path) -> Result<Node, Vec<Problem>> {
        let source = self.read(path).map_err(|problem| vec![problem])?;
        let document = yaml::load(&source)?;
        self.warn(document.warnings);
        Ok(document.root)
    }

    /// Keeps what should be said.
    pub fn warn(&self, problems: impl IntoIterator<Item = Problem>) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        for problem in problems {
            // Several plays may ask the same of the same file.
            if warnings.len() < MAX_WARNINGS && !warnings.contains(&problem) {
                warnings.push(problem);
            }
        }
    }

    /// What should be said since this was asked last, each thing once: an inventory in the working folder has its vars
    /// files read twice.
    pub fn take_warnings(&self) -> Vec<Problem> {
        let mut warnings = std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner));
        let mut said = HashSet::new();
        warnings.retain(|problem| said.insert((problem.to_string(), problem.hint.clone())));
        warnings
    }

    /// A file's text.
    ///
    /// # Errors
    /// It cannot be read, is no UTF-8, or no password decrypts it.
    pub fn read(&self, path: &Path) -> Result<Arc<Source>, Problem> {
        let bytes = self.world.read(path).map_err(|error| unreadable(path, &error))?;
        let name = path.display().to_string();
        if vault::is_encrypted(&bytes) {
            let text = self.secrets.decrypt(&bytes).map_err(|error| closed(path, &error))?;
            let text = std::str::from_utf8(&text).map_err(|_| {
                Problem::new(format!("{name} is not UTF-8 text once it is decrypted")).hint("save it as UTF-8")
            })?;
            return Ok(Source::secret(name, text));
        }
        let text = String::from_utf8(bytes).map_err(|error| not_text(path, &error))?;
        Ok(Source::new(name, text))
    }

    /// The text of an encrypted value, for templates.
    pub fn decrypt(&self, text: &str) -> Result<String, String> {
        let plain = self
            .secrets
            .decrypt(text.as_bytes())
            .map_err(|error| match hint(&error) {
                Some(hint) => format!("{error}: {hint}"),
                None => error.to_string(),
            })?;
        String::from_utf8(plain.to_vec()).map_err(|_| "it is not UTF-8 text once it is decrypted".to_owned())
    }

    /// The path from the root.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        let mut absolute = PathBuf::new();
        for part in self.world.current_folder().join(path).components() {
            match part {
                std::path::Component::CurDir => {}
                std::path::Component::ParentDir => {
                    absolute.pop();
                }
                other => absolute.push(other),
            }
        }
        absolute
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::FileTooLarge => Problem::new(format!(
            "{path} has more than {} MB, which no inventory needs",
            MAX_BYTES / 1024 / 1024
        )),
        io::ErrorKind::PermissionDenied => {
            Problem::new(format!("cannot read {path}: {error}")).hint(format!("look at its mode: ls -l {path}"))
        }
        _ => Problem::new(format!("cannot read {path}: {error}")),
    }
}

/// Why an encrypted file stays closed.
fn closed(path: &Path, error: &vault::Error) -> Problem {
    let problem = Problem::new(format!("cannot decrypt {}: {error}", path.display()));
    match hint(error) {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

fn hint(error: &vault::Error) -> Option<&'static str> {
    match error {
        vault::Error::NoSecrets => Some("give it with --vault-password-file or --ask-vault-pass"),
        vault::Error::NoneFits => Some("give the right one with --vault-password-file, --vault-id or --ask-vault-pass"),
        _ => None,
    }
}

fn not_text(path: &Path, error: &std::string::FromUtf8Error) -> Problem {
    let at = error.utf8_error().valid_up_to();
    let line = error.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
    Problem::new(format!("{} is not UTF-8 text: line {line}", path.display())).hint("save it as UTF-8")
}
