//! The one name under which `known_hosts` is asked for a host, whatever port we come in by, and the keys that it has.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::config::known_hosts_name;

/// `ssh-keygen -F` reads one file.
const DEADLINE: Duration = Duration::from_secs(5);

/// One line of `known_hosts`, as `ssh-keygen -l -F` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// `ED25519`, `ECDSA`, `RSA`, …
    kind: String,
    fingerprint: String,
    mark: Mark,
}

/// What a line's key is to its hosts; the greater, the more it decides under which name to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    /// `@cert-authority`: it signs their keys.
    Authority,
    /// It is their own.
    Key,
    /// `@revoked`: never to be believed.
    Revoked,
}

/// What the user's `known_hosts` files know of a host.
#[derive(Debug)]
pub(super) struct KnownHosts {
    /// The name of the host in them: the user's own `HostKeyAlias`, else `host` or `[host]:port`.
    pub name: String,
    host: String,
    /// Whether the name is the user's own choice.
    own: bool,
    files: Vec<PathBuf>,
    keys: OnceCell<Vec<String>>,
}

impl KnownHosts {
    /// Reads what `ssh -G` says. `[host]:port` gives way to `host` where only that is known, as with ssh itself.
    pub async fn of(config: &HashMap<String, String>, host: &str, port: u16) -> Self {
        let own = config.get("hostkeyalias").filter(|alias| *alias != "none");
        let mut known = Self {
            name: own.cloned().unwrap_or_else(|| known_hosts_name(host, port)),
            host: host.to_owned(),
            own: own.is_some(),
            files: files(config),
            keys: OnceCell::new(),
        };
        if own.is_none() && port != 22 {
            let plain = known_hosts_name(host, 22);
            if known.best(&plain).await > known.best(&known.name).await {
                known.name = plain;
            }
        }
        known
    }

    /// The fingerprints of the host's keys.
    pub async fn keys(&self) -> &[String] {
        let read = || async {
            let keys = self.own_keys(&self.name).await.into_iter();
            keys.map(|entry| entry.fingerprint).collect()
        };
        self.keys.get_or_init(read).await
    }

    /// Whether there is anything to judge the host's key by.
    pub async fn is_known(&self) -> bool {
        self.best(&self.name).await.is_some()
    }

    /// The name that an operator must give to ssh for a login by this port to find the key.
    pub async fn alias_for(&self, port: u16) -> Option<&str> {
        if self.own {
            // In the user's ssh_config, where ssh finds it too.
            return None;
        }
        let ours = self.own_keys(&self.name).await;
        let there = self.own_keys(&known_hosts_name(&self.host, port)).await;
        let found = if there.is_empty() {
            // Then ssh looks under the plain name for the type of key that it asked for: its first choice.
            let plain = self.entries(&known_hosts_name(&self.host, 22)).await;
            plain
                .iter()
                .any(|entry| entry.kind == "ED25519" && ours.contains(entry))
        } else {
            there.iter().any(|entry| ours.contains(entry))
        };
        (!found).then_some(&self.name)
    }

    /// The first other name, of those that the host has at these ports, under which there is a key.
    pub async fn other_name(&self, ports: &[u16]) -> Option<(String, u16)> {
        if self.own {
            return None;
        }
        for &port in ports {
            let name = known_hosts_name(&self.host, port);
            if name != self.name && !self.own_keys(&name).await.is_empty() {
                return Some((name, port));
            }
        }
        None
    }

    /// What to do when ssh refuses the host's key. `offending`: the file that holds another one. `login`: the command that
    /// asks whether to accept it.
    pub fn advice(&self, offending: Option<&str>, login: &str) -> String {
        let name = &self.name;
        match offending {
            Some(file) => format!(
                "known_hosts has another key for {name}: if the host was made anew, ssh-keygen -R '{name}' -f '{file}' \
                 forgets the old one; if not, somebody else answers there"
            ),
            None => format!(
                "known_hosts is asked for the name {name}; to look at the key and accept it: {login}; or take the keys of \
                 new hosts unseen with --host-key-checking accept-new"
            ),
        }
    }

    async fn best(&self, name: &str) -> Option<Mark> {
        self.entries(name).await.iter().map(|entry| entry.mark).max()
    }

    async fn own_keys(&self, name: &str) -> Vec<Entry> {
        let mut entries = self.entries(name).await;
        entries.retain(|entry| entry.mark == Mark::Key);
        entries
    }

    async fn entries(&self, name: &str) -> Vec<Entry> {
        let mut found = Vec::new();
        for file in &self.files {
            found.extend(parse(&keygen(name, file).await));
        }
        found
    }
}

/// The files that exist. `ssh -G` prints paths without quotes, so one that holds blanks is looked for as a whole.
fn files(config: &HashMap<String, String>) -> Vec<PathBuf> {
    let lists = ["userknownhostsfile", "globalknownhostsfile"];
    let listed = lists.into_iter().filter_map(|key| config.get(key));
    listed
        .flat_map(|list| {
            let whole = Path::new(list).is_file().then(|| PathBuf::from(list));
            let parts = list.split(' ').map(PathBuf::from).filter(|path| path.is_file());
            let parts: Vec<PathBuf> = if whole.is_some() { Vec::new() } else { parts.collect() };
            whole.into_iter().chain(parts)
        })
        .collect()
}

/// Knows hashed names and patterns, as ssh does. Whatever goes wrong, nothing is known: ssh itself is the judge.
async fn keygen(name: &str, file: &Path) -> String {
    let mut command = Command::new("ssh-keygen");
    command
        .process_group(0)
        .args(["-l", "-E", "sha256", "-F", name, "-f"])
        .arg(file)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    match timeout(DEADLINE, command.output()).await {
        Ok(Ok(output)) => String::from_utf8_lossy(&output.stdout).into_owned(),
        _ => String::new(),
    }
}

/// `# Host NAME found: line N [CA|REVOKED]`, then `NAME TYPE FINGERPRINT`.
fn parse(text: &str) -> Vec<Entry> {
    let mut mark = Mark::Key;
    let mut entries = Vec::new();
    for line in text.lines() {
        if line.starts_with("# ") {
            mark = match line.trim_end().rsplit(' ').next() {
                Some("CA") => Mark::Authority,
                Some("REVOKED") => Mark::Revoked,
                _ => Mark::Key,
            };
            continue;
        }
        let words: Vec<&str> = line.split(' ').collect();
        let Some(place) = words.iter().position(|word| word.starts_with("SHA256:")) else {
            continue;
        };
        let word = |place: Option<usize>| {
            place
                .and_then(|place| words.get(place))
                .map_or_else(String::new, |word| (*word).to_owned())
        };
        entries.push(Entry {
            kind: word(place.checked_sub(1)),
            fingerprint: word(Some(place)),
            mark,
        });
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_keys_of_a_name_and_tells_authorities_apart() {
        let text = "# Host web1 found: line 1 \nweb1 ED25519 SHA256:abc\n# Host web1 found: line 4 CA\nweb1 RSA SHA256:def\n# Host web1 found: line 5 REVOKED\nweb1 RSA SHA256:ghi\n# Host web1 found: line 6 \nweb1 RSA SHA256:jkl comment\n";
        let entries = parse(text);
        let entry = |kind: &str, fingerprint: &str, mark| Entry {
            kind: kind.to_owned(),
            fingerprint: fingerprint.to_owned(),
            mark,
        };
        assert_eq!(
            entries,
            [
                entry("ED25519", "SHA256:abc", Mark::Key),
                entry("RSA", "SHA256:def", Mark::Authority),
                entry("RSA", "SHA256:ghi", Mark::Revoked),
                entry("RSA", "SHA256:jkl", Mark::Key)
            ]
        );
        assert_eq!(parse("Host key not found\n"), []);
    }

    #[tokio::test]
    async fn the_name_without_a_port_where_only_that_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key);
        assert!(keygen.status().await.unwrap().success());
        let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
        let file = folder.path().join("known_hosts");
        let config = HashMap::from([("userknownhostsfile".to_owned(), file.display().to_string())]);
        let name = |names: &str| {
            let lines: String = names.split(' ').flat_map(|name| [name, " ", &public]).collect();
            std::fs::write(&file, lines.replace('~', " ")).unwrap();
            let config = config.clone();
            async move { KnownHosts::of(&config, "Web1", 2222).await.name }
        };
        assert_eq!(name("other").await, "[web1]:2222");
        assert_eq!(name("web1").await, "web1");
        assert_eq!(name("web*").await, "web1");
        assert_eq!(name("web1 [web1]:2222").await, "[web1]:2222");
        assert_eq!(name("@cert-authority~web1").await, "web1");
        assert_eq!(name("web1 @cert-authority~*").await, "web1");
        // Its own name is asked as long as that can refuse it.
        assert_eq!(name("web1 @revoked~[web1]:2222").await, "[web1]:2222");
    }

    #[test]
    fn a_path_with_blanks_is_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known hosts");
        std::fs::write(&path, "").unwrap();
        let config = |list: String| HashMap::from([("userknownhostsfile".to_owned(), list)]);
        assert_eq!(files(&config(path.display().to_string())), [path]);
        let plain = folder.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        assert_eq!(files(&config(format!("/nowhere {}", plain.display()))), [plain]);
    }
}
