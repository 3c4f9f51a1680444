//! Folders for control sockets.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

const PREFIX: &str = "pm-";

/// A folder of a run that was killed is left alone for so long: its masters end by themselves.
const LEFT_ALONE: Duration = Duration::from_secs(5 * 60);

/// A control path must be short (108 bytes with what ssh appends) and its folder ours alone. Its name goes into command
/// lines, so it holds nothing that a shell or ssh reads.
pub(super) fn socket_dir() -> std::io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix(&format!("{PREFIX}{}-", std::process::id()))
        .rand_bytes(8)
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir_in(base())
}

fn base() -> PathBuf {
    let plain = |dir: &PathBuf| {
        let name = dir.as_os_str().as_encoded_bytes();
        name.len() < 40 && name.iter().all(|c| c.is_ascii_alphanumeric() || b"/._-".contains(c))
    };
    std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|dir| dir.is_absolute() && dir.is_dir() && plain(dir))
        .unwrap_or_else(|| PathBuf::from("/tmp"))
}

/// Removes the folders that killed runs of this user left: their process is gone, nobody listens on their socket, and
/// they are not fresh. What cannot be told is left.
pub fn sweep() {
    let Ok(entries) = std::fs::read_dir(base()) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if is_left_over(&path) {
            // Somebody else may sweep at the same time.
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

fn is_left_over(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let process = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split_once('-'))
        .and_then(|(id, _)| id.parse::<u32>().ok());
    let Some(process) = process else { return false };
    let Ok(folder) = std::fs::symlink_metadata(path) else {
        return false;
    };
    let ours = folder.is_dir() && folder.uid() == rustix::process::getuid().as_raw() && folder.mode() & 0o777 == 0o700;
    let age = folder
        .modified()
        .ok()
        .and_then(|at| SystemTime::now().duration_since(at).ok());
    ours && age.is_some_and(|age| age > LEFT_ALONE)
        && !Path::new(&format!("/proc/{process}")).exists()
        // Processes are numbered apart in containers that share a folder.
        && UnixStream::connect(path.join("s")).is_err()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn folder(within: &Path, name: &str, mode: u32) -> PathBuf {
        let path = within.join(name);
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn aged(path: PathBuf) -> PathBuf {
        let then = SystemTime::now() - LEFT_ALONE - Duration::from_secs(5);
        std::fs::File::open(&path).unwrap().set_modified(then).unwrap();
        path
    }

    #[test]
    fn only_what_nobody_uses_any_more_is_swept() {
        let within = tempfile::tempdir().unwrap();
        let gone = u32::MAX;
        let left = aged(folder(within.path(), &format!("pm-{gone}-abc"), 0o700));
        assert!(is_left_over(&left));
        let listens = folder(within.path(), &format!("pm-{gone}-listens"), 0o700);
        let _listener = UnixListener::bind(listens.join("s")).unwrap();
        assert!(!is_left_over(&aged(listens)));
        let kept = [
            aged(folder(within.path(), &format!("pm-{}-abc", std::process::id()), 0o700)),
            folder(within.path(), &format!("pm-{gone}-fresh"), 0o700),
            aged(folder(within.path(), &format!("pm-{gone}-wide"), 0o755)),
            aged(folder(within.path(), "pm-abcdefgh", 0o700)),
            aged(folder(within.path(), "other", 0o700)),
        ];
        for path in kept {
            assert!(!is_left_over(&path), "{path:?}");
        }
        let link = within.path().join(format!("pm-{gone}-link"));
        std::os::unix::fs::symlink(&left, &link).unwrap();
        assert!(!is_left_over(&link));
    }
}
