//! What is kept of labs between commands: a folder each below `/run/portmap-deploy-lab`.
//!
//! `NAME/lab.json` says what runs, `NAME/ssh` holds what it takes to log in, `NAME/log` what members complained of
//! while starting, `NAME/root` is where each member mounts its own. A link `.network-N` to a lab's name reserves
//! its addresses.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::network::{Network, unrouted};
use super::ssh::Access;
use super::{Error, Lab, booted, tool};

const BASE: &str = "/run/portmap-deploy-lab";

/// How long the kernel may take to end a member.
const PATIENCE: Duration = Duration::from_secs(10);

/// A lab's folder; unless [kept](Folder::keep) it goes with this value, and so does the reserved network.
#[derive(Debug)]
pub(super) struct Folder {
    name: String,
    kept: bool,
}

impl Folder {
    pub(super) fn create(name: &str) -> Result<Self, Error> {
        check_name(name)?;
        make_dir(Path::new(BASE), 0o755, true)?;
        let path = path(name);
        if path.exists() {
            return Err(Error::Exists(name.to_owned()));
        }
        // Others may pass through to `ssh`, which is its owner's, and see nothing on the way.
        make_dir(&path, 0o711, false)?;
        let folder = Self {
            name: name.to_owned(),
            kept: false,
        };
        make_dir(&path.join("ssh"), 0o700, false)?;
        make_dir(&path.join("log"), 0o700, false)?;
        make_dir(&path.join("root"), 0o700, false)?;
        Ok(folder)
    }

    pub(super) fn path(&self) -> PathBuf {
        path(&self.name)
    }

    /// Takes a network that neither another lab nor this network namespace uses.
    pub(super) fn reserve_network(&self) -> Result<Network, Error> {
        for network in unrouted()? {
            match symlink(&self.name, reservation(network)) {
                Ok(()) => return Ok(network),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => {
                    return Err(Error::Io {
                        action: format!("write to {BASE}"),
                        source,
                    });
                }
            }
        }
        Err(Error::NoNetwork)
    }

    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.kept {
            // Nobody is left to tell; `lab down` tries again.
            let _ = remove(&self.name);
        }
    }
}

/// Writes what `lab down` and the others need to know.
pub(super) fn save(lab: &Lab) -> Result<(), Error> {
    let text = serde_json::to_vec_pretty(lab)
        .map_err(io::Error::from)
        .map_err(Error::io("describe the lab"))?;
    write_private(&path(&lab.name).join("lab.json"), &text)
}

/// Changes what is known of a lab; several may do so at a time.
pub(super) fn update(name: &str, change: impl FnOnce(&mut Lab)) -> Result<(), Error> {
    let lock = fs::File::open(path(name)).and_then(|folder| {
        flock(&folder, FlockOperation::LockExclusive)?;
        Ok(folder)
    });
    let _lock = lock.map_err(Error::io(format!("lock {}", path(name).display())))?;
    let mut lab = load(name)?;
    change(&mut lab);
    save(&lab)
}

/// A lab's folder, made or not.
pub(super) fn folder(name: &str) -> PathBuf {
    path(name)
}

fn path(name: &str) -> PathBuf {
    Path::new(BASE).join(name)
}

fn reservation(network: Network) -> PathBuf {
    Path::new(BASE).join(format!(".network-{}", network.0))
}

fn check_name(name: &str) -> Result<(), Error> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if plain && (1..=32).contains(&name.len()) {
        Ok(())
    } else {
        Err(Error::Name(name.to_owned()))
    }
}

fn make_dir(path: &Path, mode: u32, may_exist: bool) -> Result<(), Error> {
    let result = match fs::create_dir(path) {
        Err(error) if may_exist && error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        created => created.and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode))),
    };
    result.map_err(Error::io(format!("make {}", path.display())))
}

/// Writes a file that only its owner may read, whole or not at all.
pub(super) fn write_private(path: &Path, text: &[u8]) -> Result<(), Error> {
    let write = || {
        let folder = path.parent().unwrap_or(Path::new(BASE));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        io::Write::write_all(&mut file, text)?;
        file.persist(path).map_err(io::Error::from)
    };
    write()
        .map(drop)
        .map_err(Error::io(format!("write {}", path.display())))
}

/// The labs that are there, up or half made.
///
/// # Errors
/// The folder cannot be read; that it is missing is no error.
pub fn names() -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(BASE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io(format!("read {BASE}")))?,
    };
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| check_name(name).is_ok())
        .collect();
    names.sort();
    Ok(names)
}

/// The lab of that name.
///
/// # Errors
/// [`Error::NoSuchLab`], or its state cannot be read.
pub fn load(name: &str) -> Result<Lab, Error> {
    check_name(name)?;
    let file = path(name).join("lab.json");
    let text = match fs::read(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(no_such_lab(name)),
        text => text.map_err(Error::io(format!("read {}", file.display())))?,
    };
    serde_json::from_slice(&text)
        .map_err(io::Error::from)
        .map_err(Error::io(format!("understand {}", file.display())))
}

fn no_such_lab(name: &str) -> Error {
    let mut others = names().unwrap_or_default();
    others.retain(|other| other != name);
    Error::NoSuchLab {
        name: name.to_owned(),
        others,
    }
}

/// The inventory of a lab that is up; needs no root where the lab was brought up with sudo by the same user.
///
/// # Errors
/// [`Error::NoSuchLab`], or it is another user's.
pub fn inventory(name: &str) -> Result<String, Error> {
    check_name(name)?;
    let file = Access::of(&path(name)).inventory();
    match fs::read_to_string(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(no_such_lab(name)),
        text => text.map_err(Error::io(format!("read {}", file.display()))),
    }
}

/// Ends everything of a lab and forgets it. `false`: there was nothing. A lab that was left half made, because
/// `lab up` was killed, has ended by itself (its members ended with it) and is only forgotten.
///
/// # Errors
/// Something does not end or cannot be removed. It may be called again.
pub fn down(name: &str) -> Result<bool, Error> {
    check_name(name)?;
    match load(name) {
        Ok(lab) => end(&lab)?,
        Err(Error::NoSuchLab { .. }) => {}
        Err(error) => return Err(error),
    }
    remove(name)
}

fn end(lab: &Lab) -> Result<(), Error> {
    // At once, while the end of the namespace would take the kernel a moment. The relay's goes with the relay.
    let delete = ["ip", "link", "delete", "uplink"].map(str::to_owned);
    if let Ok(mut command) = lab.exec_upstream(&delete) {
        let _ = tool::output(&mut command);
    }
    if let Some(relay) = lab.relay {
        relay.end(PATIENCE).map_err(Error::io("end the relay"))?;
    }
    let members = lab.hosts.iter().map(|host| host.member).chain([lab.upstream]);
    std::thread::scope(|scope| {
        let ends: Vec<_> = members
            .map(|member| scope.spawn(move || member.end(PATIENCE)))
            .collect();
        ends.into_iter()
            .try_for_each(|end| end.join().unwrap_or_else(|_| Err(io::Error::other("panicked"))))
    })
    .map_err(Error::io("end the hosts"))
}

/// Removes the folder and the reserved networks; `false`: there were none.
fn remove(name: &str) -> Result<bool, Error> {
    booted::unplug_all(name)?;
    let reserved = fs::read_dir(BASE)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()));
    let found = match fs::remove_dir_all(path(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        removed => removed
            .map(|()| true)
            .map_err(Error::io(format!("remove {}", path(name).display())))?,
    };
    for link in reserved.filter(|link| fs::read_link(link).is_ok_and(|lab| lab == Path::new(name))) {
        fs::remove_file(&link).map_err(Error::io(format!("remove {}", link.display())))?;
    }
    // The last one out; it is not empty where other labs are.
    let _ = fs::remove_dir(BASE);
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_the_folder() {
        for bad in ["", ".", "..", "a/b", ".network-1", "a b", "ä", &"x".repeat(33)] {
            assert!(matches!(check_name(bad), Err(Error::Name(_))), "{bad:?}");
            assert!(matches!(load(bad), Err(Error::Name(_))), "{bad:?}");
            assert!(matches!(down(bad), Err(Error::Name(_))), "{bad:?}");
        }
        check_name("rehearsal-2").unwrap();
    }
}
