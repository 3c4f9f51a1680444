//! Where hosts and variables come from: what the command line says, and what `ansible.cfg` says where it does not.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::args::Sources;
use super::error::Error;
use crate::inventory::{Request, Settings};
use crate::problem::Problem;
use crate::vault::{self, Secrets};
use crate::world::{Kind, World};

/// What to load.
pub(super) fn request(
    sources: Sources,
    settings: &Settings,
    playbook_folder: Option<PathBuf>,
    world: &dyn World,
) -> Result<Request, Error> {
    let secrets = secrets(&sources, settings, world)?;
    let inventory = match &settings.inventory {
        Some(setting) if sources.inventory.is_empty() => setting.value.iter().map(|path| text(path)).collect(),
        _ => sources.inventory,
    };
    if inventory.is_empty() {
        return Err(Error::NoInventory);
    }
    Ok(Request {
        inventory,
        limit: sources.limit.into_iter().collect(),
        extra_vars: sources.extra_vars,
        playbook_folder: playbook_folder.or_else(|| settings.playbook_dir.as_ref().map(|dir| dir.value.clone())),
        secrets: Arc::new(secrets),
        ignored: settings
            .ignored_sources()
            .map_err(|problem| Error::Problems(vec![problem]))?,
        yaml_extensions: settings
            .yaml_valid_extensions
            .as_ref()
            .map(|setting| setting.value.clone()),
    })
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A place that a vault password comes from, with its vault id.
struct Place {
    id: Option<String>,
    /// None: the terminal.
    file: Option<String>,
}

impl Place {
    /// `label@source` or a source; `prompt` is the terminal.
    fn of(text: &str) -> Self {
        let (id, source) = match text.split_once('@') {
            Some((id, source)) => (Some(id.to_owned()), source),
            None => (None, text),
        };
        let file = ![PROMPT, "prompt_ask_vault_pass"].contains(&source);
        Self {
            id,
            file: file.then(|| source.to_owned()),
        }
    }
}

const PROMPT: &str = "prompt";

/// The vault passwords: of vault ids first, then of password files, then typed.
fn secrets(sources: &Sources, settings: &Settings, world: &dyn World) -> Result<Secrets, Error> {
    let listed = settings
        .vault_identity_list
        .iter()
        .flat_map(|setting| setting.value.iter());
    let mut places: Vec<Place> = listed.chain(&sources.vault_id).map(|text| Place::of(text)).collect();
    let mut files = sources.vault_password_file.clone();
    if files.is_empty() {
        files.extend(settings.vault_password_file.iter().map(|setting| text(&setting.value)));
    }
    let of_file = |file| Place {
        id: None,
        file: Some(file),
    };
    places.extend(files.into_iter().map(of_file));
    if sources.ask_vault_pass || settings.ask_vault_pass.as_ref().is_some_and(|setting| setting.value) {
        places.push(Place::of(PROMPT));
    }
    let mut secrets = Secrets::default();
    for place in places {
        let password = password(&place, &secrets, world)?;
        secrets.add(place.id.as_deref(), password);
    }
    Ok(secrets)
}

fn password(place: &Place, secrets: &Secrets, world: &dyn World) -> Result<Zeroizing<Vec<u8>>, Error> {
    let Some(file) = &place.file else {
        return typed(place.id.as_deref());
    };
    let read = match world.kind(Path::new(file)) {
        Some(Kind::File { executable: true }) => run(file, place.id.as_deref(), world),
        Some(Kind::File { executable: false }) => world
            .read(Path::new(file))
            .map_err(|error| error.to_string())
            .and_then(|content| secrets.file_password(&content).map_err(|error| error.to_string())),
        Some(Kind::Folder) => Err("it is a folder".to_owned()),
        None => Err("there is no such file".to_owned()),
    };
    read.map_err(|why| {
        Error::Problems(vec![Problem::new(format!(
            "cannot read the vault password in {file}: {why}"
        ))])
    })
}

/// What a script prints. One whose name ends in `-client` is told the vault id, as by Ansible.
fn run(file: &str, id: Option<&str>, world: &dyn World) -> Result<Zeroizing<Vec<u8>>, String> {
    let is_client = Path::new(file)
        .file_stem()
        .is_some_and(|stem| stem.to_string_lossy().ends_with("-client"));
    let id = id.unwrap_or("default");
    let arguments: &[&str] = if is_client { &["--vault-id", id] } else { &[] };
    let answer = world
        .run(Path::new(file), arguments)
        .map_err(|error| error.to_string())?;
    let printed = Zeroizing::new(answer.stdout);
    match answer.status {
        Some(0) => vault::script_password(&printed).map_err(|error| error.to_string()),
        Some(status) => Err(format!("it ended with status {status}: {}", answer.stderr.trim())),
        None => Err("a signal ended it".to_owned()),
    }
}

/// Ansible's own words, on the terminal itself.
fn typed(id: Option<&str>) -> Result<Zeroizing<Vec<u8>>, Error> {
    let prompt = match id {
        Some(id) => format!("Vault password ({id}): "),
        None => "Vault password: ".to_owned(),
    };
    let password = rpassword::prompt_password(prompt).map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted | io::ErrorKind::UnexpectedEof => Error::NoVaultPassword,
        _ => Error::NoVaultTerminal(error),
    })?;
    let password = Zeroizing::new(password);
    vault::typed_password(password.as_bytes()).map_err(|_| Error::NoVaultPassword)
}
