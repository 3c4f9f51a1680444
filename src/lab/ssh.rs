//! What it takes to log in to lab hosts: a key, known host keys, an inventory.

use std::fmt::Write as _;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use super::state::write_private;
use super::{Error, Host, Lab, tool};

/// A lab's folder for logging in.
#[derive(Debug, Clone)]
pub(super) struct Access(PathBuf);

impl Access {
    pub(super) fn of(lab_folder: &Path) -> Self {
        Self(lab_folder.join("ssh"))
    }

    fn key(&self) -> PathBuf {
        self.0.join("key")
    }

    fn known_hosts(&self) -> PathBuf {
        self.0.join("known_hosts")
    }

    pub(super) fn inventory(&self) -> PathBuf {
        self.0.join("inventory.yaml")
    }

    /// Makes the key that may log in and returns its public half.
    pub(super) fn make_key(&self) -> Result<String, Error> {
        let mut keygen = tool::command("ssh-keygen");
        keygen
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "portmap-deploy lab", "-f"])
            .arg(self.key());
        tool::output(&mut keygen)?;
        let public = self.0.join("key.pub");
        let text = std::fs::read_to_string(&public).map_err(Error::io(format!("read {}", public.display())))?;
        Ok(text.trim_end().to_owned())
    }

    /// Writes the rest, and gives all of it to the user who called sudo: the program itself needs no root.
    pub(super) fn write(&self, lab: &Lab, host_keys: &[String]) -> Result<(), Error> {
        write_private(&self.known_hosts(), known_hosts(&lab.hosts, host_keys).as_bytes())?;
        write_private(&self.inventory(), self.render(lab).as_bytes())?;
        let Some((user, group)) = operator() else { return Ok(()) };
        let own = |path: &Path| chown(path, Some(user), Some(group));
        [&self.0, &self.key(), &self.known_hosts(), &self.inventory()]
            .into_iter()
            .try_for_each(|path| own(path))
            .map_err(Error::io(format!("hand over {}", self.0.display())))
    }

    fn render(&self, lab: &Lab) -> String {
        if lab.sources.is_empty() {
            self.complete(lab)
        } else {
            self.overriding(lab)
        }
    }

    fn variables(&self) -> [(&'static str, String); 3] {
        let known = self.known_hosts();
        let options = format!(
            "-o UserKnownHostsFile={} -o GlobalKnownHostsFile=/dev/null -o IdentitiesOnly=yes",
            known.display()
        );
        [
            ("ansible_port", "22".to_owned()),
            (
                "ansible_ssh_private_key_file",
                quoted(&self.key().display().to_string()),
            ),
            ("ansible_ssh_common_args", quoted(&options)),
        ]
    }

    fn complete(&self, lab: &Lab) -> String {
        let mut text = format!(
            "# The hosts of the lab `{}`.\nall:\n  vars:\n    ansible_user: root\n",
            lab.name
        );
        for (name, value) in self.variables() {
            let _ = writeln!(text, "    {name}: {value}");
        }
        text.push_str("  hosts:\n");
        for host in &lab.hosts {
            let _ = writeln!(text, "    {}:\n      ansible_host: {}", key(&host.name), host.ipv4);
        }
        text
    }

    /// Host variables of a later source win over everything in an earlier one.
    fn overriding(&self, lab: &Lab) -> String {
        let mut text = format!(
            "# Where the hosts of your inventory are in the lab `{}`. Use both, this one last:\n",
            lab.name
        );
        text.push_str("#   portmap-deploy");
        for source in &lab.sources {
            let _ = write!(text, " -i {}", source.display());
        }
        let _ = writeln!(text, " -i {}\nall:\n  hosts:", self.inventory().display());
        for host in &lab.hosts {
            let _ = writeln!(text, "    {}:\n      ansible_host: {}", key(&host.name), host.ipv4);
            // The old spellings, which win where an inventory has them.
            let _ = writeln!(
                text,
                "      ansible_ssh_host: {}\n      ansible_ssh_port: 22",
                host.ipv4
            );
            if !host.user_is_given {
                text.push_str("      ansible_user: root\n");
            }
            for (name, value) in self.variables() {
                let _ = writeln!(text, "      {name}: {value}");
            }
            // The way through a bastion is not the way into the lab.
            text.push_str("      ansible_ssh_extra_args: \"\"\n");
        }
        text
    }
}

/// Also on other ports than 22, which mappings may lead to it.
fn known_hosts(hosts: &[Host], keys: &[String]) -> String {
    let line = |(host, key): (&Host, &String)| {
        let addresses = [Some(host.ipv4.to_string()), host.ipv6.map(|ip| ip.to_string())];
        let patterns: Vec<_> = addresses
            .into_iter()
            .flatten()
            .map(|ip| format!("{ip},[{ip}]:*"))
            .collect();
        format!("{} {key}\n", patterns.join(","))
    };
    hosts.iter().zip(keys).map(line).collect()
}

/// A host's name as a key in YAML: in quotes unless nothing could take it for anything but a string.
fn key(name: &str) -> String {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let no_word = name.contains(|c: char| c.is_ascii_digit() || c == '-');
    if starts && plain && no_word {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// JSON's strings are YAML's double-quoted ones.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn operator() -> Option<(u32, u32)> {
    let number = |name| std::env::var(name).ok()?.parse().ok();
    Some((number("SUDO_UID")?, number("SUDO_GID")?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    #[test]
    fn names_that_yaml_would_take_for_something_else_are_quoted() {
        assert_eq!(key("host1"), "host1");
        assert_eq!(key("web-1.example.org"), "web-1.example.org");
        assert_eq!(key("on"), r#""on""#);
        assert_eq!(key("10"), r#""10""#);
        assert_eq!(key("a: b1"), r#""a: b1""#);
    }
}
