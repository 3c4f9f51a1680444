//! The system that booted hosts run: a Debian or Ubuntu in a folder, made once by `debootstrap` and kept.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::fs::{FlockOperation, flock};

use super::{Error, tool};

const SCRIPT: &str = include_str!("image.sh");

/// What a host needs to boot and to be a host of ours.
const PACKAGES: [&str; 9] = [
    "systemd",
    "systemd-sysv",
    "dbus",
    "libpam-systemd",
    "openssh-server",
    "iptables",
    "iproute2",
    "procps",
    "sudo",
];

/// In a tree that is whole; holds what it was made of.
const STAMP: &str = ".portmap-deploy-lab";

/// Which system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Image {
    /// Packages beside those that every host has. They are installed and not enabled.
    pub packages: Vec<String>,
    /// Where to get packages; `None`: from the distribution itself.
    pub mirror: Option<String>,
}

/// Finds the system in the cache, or makes it there: a minute or two and about 300 MB, once, with network and root.
/// `tell` hears when something is made.
///
/// # Errors
/// `debootstrap` is missing, or it failed.
pub fn image(wanted: &Image, tell: &mut dyn FnMut(&str)) -> Result<PathBuf, Error> {
    if let Some(bad) = wanted.packages.iter().find(|name| !is_package(name)) {
        return Err(Error::Package(bad.clone()));
    }
    let cache = Cache::open()?;
    let release = Release::of_this_machine();
    let mirror = wanted.mirror.as_deref().unwrap_or(release.mirror);
    let base = Recipe {
        name: format!("{}-{}", release.distribution, release.suite),
        packages: PACKAGES.map(str::to_owned).to_vec(),
        base: None,
    };
    let base_tree = cache.get(&base, &release, mirror, tell)?;
    let mut packages = wanted.packages.clone();
    packages.sort();
    packages.dedup();
    if packages.is_empty() {
        return Ok(base_tree);
    }
    let more = Recipe {
        name: format!("{}-{:016x}", base.name, hash(&packages)),
        packages,
        base: Some(base_tree),
    };
    cache.get(&more, &release, mirror, tell)
}

/// deb-control(5), and no option of apt-get.
fn is_package(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.starts_with(plain) && name.chars().all(|c| plain(c) || "+-.".contains(c))
}

fn hash(packages: &[String]) -> u64 {
    let mut hasher = DefaultHasher::new();
    packages.hash(&mut hasher);
    hasher.finish()
}

struct Recipe {
    name: String,
    packages: Vec<String>,
    /// What it is made from; `None`: from nothing.
    base: Option<PathBuf>,
}

impl Recipe {
    fn stamp(&self) -> String {
        format!("{}: {}\n", self.name, self.packages.join(" "))
    }
}

/// The folder of systems. Locked: one makes them at a time, others wait for it and find them.
struct Cache {
    folder: PathBuf,
    _lock: File,
}

impl Cache {
    fn open() -> Result<Self, Error> {
        let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let base = base
            .filter(|path| path.is_absolute())
            .unwrap_or_else(|| "/var/cache".into());
        let folder = base.join("portmap-deploy/lab");
        let open = || {
            fs::create_dir_all(&folder)?;
            let lock = File::create(folder.join(".lock"))?;
            flock(&lock, FlockOperation::LockExclusive)?;
            Ok(lock)
        };
        let lock = open().map_err(Error::io(format!("use {}", folder.display())))?;
        Ok(Self { folder, _lock: lock })
    }

    fn get(
        &self,
        recipe: &Recipe,
        release: &Release,
        mirror: &str,
        tell: &mut dyn FnMut(&str),
    ) -> Result<PathBuf, Error> {
        let tree = self.folder.join(&recipe.name);
        if fs::read_to_string(tree.join(STAMP)).is_ok_and(|stamp| stamp == recipe.stamp()) {
            return Ok(tree);
        }
        tell(&format!(
            "making the system of booted hosts, once: {} with {} from {mirror}",
            recipe.name,
            recipe.packages.join(", ")
        ));
        self.make(recipe, release, mirror, &tree)?;
        Ok(tree)
    }

    /// Whole or not at all: beside the place, then renamed into it.
    fn make(&self, recipe: &Recipe, release: &Release, mirror: &str, tree: &Path) -> Result<(), Error> {
        tool::check_for("debootstrap")?;
        let io = |path: &Path| Error::io(format!("write {}", path.display()));
        self.sweep().map_err(io(&self.folder))?;
        let new = tempfile::Builder::new().prefix(".new-").tempdir_in(&self.folder);
        let new = new.map_err(io(&self.folder))?;
        fs::set_permissions(new.path(), fs::Permissions::from_mode(0o755)).map_err(io(new.path()))?;
        self.run(recipe, release, mirror, new.path())?;
        let place = || {
            fs::write(new.path().join(STAMP), recipe.stamp())?;
            match fs::remove_dir_all(tree) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            fs::rename(new.path(), tree)
        };
        place().map_err(io(tree))
    }

    /// What makers that were killed have left.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(".new-") {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    fn run(&self, recipe: &Recipe, release: &Release, mirror: &str, tree: &Path) -> Result<(), Error> {
        let path = self.folder.join(format!("{}.log", recipe.name));
        let open = || File::create(&path).and_then(|log| Ok((log.try_clone()?, log)));
        let (out, err) = open().map_err(Error::io(format!("write {}", path.display())))?;
        let mut command = tool::command("unshare");
        command
            .args([
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--propagation=private",
                "--",
            ])
            .args(["sh", "-c", SCRIPT, "portmap-lab-image"])
            .env("LAB_TREE", tree)
            .env("LAB_PACKAGES", recipe.packages.join(" "))
            .env("LAB_SUITE", &release.suite)
            .env("LAB_MIRROR", mirror)
            .env("LAB_COMPONENTS", release.components)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err);
        if let Some(base) = &recipe.base {
            command.env("LAB_BASE", base);
        }
        for proxy in ["http_proxy", "https_proxy", "no_proxy"] {
            if let Some(value) = std::env::var_os(proxy) {
                command.env(proxy, value);
            }
        }
        let status = command.status().map_err(Error::io("run unshare"))?;
        if status.success() {
            return Ok(());
        }
        let said = fs::read_to_string(&path).unwrap_or_default();
        let last: Vec<_> = said
            .lines()
            .rev()
            .filter(|line| !line.trim().is_empty())
            .take(3)
            .collect();
        Err(Error::Image {
            reason: last.into_iter().rev().collect::<Vec<_>>().join("; "),
            log: path,
        })
    }
}

/// A release that `debootstrap` can make. The machine's own sources may name others first, which have no such thing.
struct Release {
    distribution: &'static str,
    suite: String,
    mirror: &'static str,
    components: &'static str,
}

impl Release {
    fn of_this_machine() -> Self {
        Self::of(
            &fs::read_to_string("/etc/os-release").unwrap_or_default(),
            std::env::consts::ARCH,
        )
    }

    /// os-release(5). Elsewhere than on Debian and Ubuntu: Debian 12.
    fn of(text: &str, arch: &str) -> Self {
        let value = |key: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            found.map(|value| value.trim_matches('"').to_owned())
        };
        let suite = value("VERSION_CODENAME").filter(|suite| is_package(suite));
        match (value("ID").as_deref(), suite) {
            (Some("ubuntu"), Some(suite)) => Self {
                distribution: "ubuntu",
                suite,
                mirror: if ["x86_64", "x86"].contains(&arch) {
                    "http://archive.ubuntu.com/ubuntu"
                } else {
                    "http://ports.ubuntu.com/ubuntu-ports"
                },
                components: "main,universe",
            },
            (Some("debian"), Some(suite)) => Self::debian(suite),
            _ => Self::debian("bookworm".to_owned()),
        }
    }

    fn debian(suite: String) -> Self {
        Self {
            distribution: "debian",
            suite,
            mirror: "http://deb.debian.org/debian",
            components: "main",
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    #[test]
    fn each_distribution_is_made_from_its_own_mirror() {
        let of = |text, arch| {
            let release = Release::of(text, arch);
            (release.distribution, release.suite, release.mirror)
        };
        let debian = "http://deb.debian.org/debian";
        assert_eq!(
            of("ID=debian\nVERSION_CODENAME=trixie\n", "x86_64"),
            ("debian", "trixie".to_owned(), debian)
        );
        assert_eq!(
            of("ID=\"fedora\"\n", "x86_64"),
            ("debian", "bookworm".to_owned(), debian)
        );
        let ubuntu = "ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n";
        assert_eq!(of(ubuntu, "x86_64").2, "http://archive.ubuntu.com/ubuntu");
        assert_eq!(of(ubuntu, "aarch64").2, "http://ports.ubuntu.com/ubuntu-ports");
    }

    #[test]
    fn a_package_is_no_option() {
        for bad in ["", "-o", "a b", "a/b", "../x", "A", "a;b"] {
            assert!(!is_package(bad), "{bad:?}");
        }
        for good in ["ufw", "libc6", "g++", "python3.11"] {
            assert!(is_package(good), "{good:?}");
        }
    }
}
