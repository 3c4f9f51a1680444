//! One name in `known_hosts` for all ways in, and host keys as strict as ssh itself, whatever port is logged in by.

use std::path::{Path, PathBuf};

use super::support::deploy::Run;
use super::support::deploy::Seen::Silent;
use super::support::lab::{Lab, said};
use crate::on_both_backends;

on_both_backends!(a_host_known_by_another_type_of_key_than_ssh_would_ask_for);

/// A host, and a `known_hosts` of its own for it.
struct Strict {
    lab: Lab,
    file: PathBuf,
}

impl Strict {
    fn up(backend: &str, hosts: usize) -> Self {
        let lab = Lab::up(hosts, backend);
        let file = lab.home().join("known hosts");
        Self { lab, file }
    }

    /// The address of `host1`, or its entry at a port.
    fn name(&self, port: u16) -> String {
        let address = self.lab.address("host1", 4);
        if port == 22 {
            address.to_string()
        } else {
            format!("[{address}]:{port}")
        }
    }

    fn key(&self, host: &str, kind: &str) -> String {
        let key = self.lab.run(host, &format!("cat /etc/ssh/ssh_host_{kind}_key.pub"));
        key.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// Makes these the only lines: names with keys.
    fn knows(&self, lines: &[(String, String)]) {
        let lines = lines.iter().flat_map(|(name, key)| [name, " ", key, "\n"]);
        let text: String = lines.collect();
        std::fs::write(&self.file, text).unwrap();
    }

    /// As `HashKnownHosts` has it.
    fn hashes(&self) {
        said(self.lab.command("ssh-keygen").args(["-H", "-f"]).arg(&self.file));
    }

    fn known(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap()
    }

    fn deploys(&self, variables: &str, args: &[&str]) -> Run {
        let options = format!(
            r#"ansible_ssh_common_args: "-o 'UserKnownHostsFile=\"{}\"' -o GlobalKnownHostsFile=/dev/null -o IdentitiesOnly=yes -o HashKnownHosts=no""#,
            self.file.display()
        );
        let variables = format!("{variables}, {options}");
        self.lab.deploy_to(&[("host1", &variables)], args)
    }

    /// A run that must neither log in nor change anything; its hint.
    #[track_caller]
    fn is_refused(&self, variables: &str, args: &[&str], reason: &str) -> String {
        let (rules, logins, known) = (self.lab.rules("host1", 4), self.lab.logins("host1"), self.known());
        let run = self.deploys(variables, args);
        run.expect("host1", "unreachable");
        assert!(run.reason("host1").contains(reason), "{}", run.said());
        assert_eq!(self.lab.rules("host1", 4), rules);
        assert_eq!(self.lab.logins("host1"), logins);
        assert_eq!(self.known(), known);
        run.host("host1")["hint"].as_str().unwrap_or_default().to_owned()
    }

    /// The command of the recap must log in, with neither a question nor a key that is not known.
    #[track_caller]
    fn logs_in_as_told(&self, run: &Run) {
        let login = run.host("host1")["login"]
            .as_str()
            .unwrap_or_else(|| panic!("{}", run.said()));
        let strictly = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes ";
        let line = login.replacen("ssh ", strictly, 1) + " hostname";
        let hostname = said(self.lab.command("sh").args(["-c", &line]));
        assert_eq!(hostname.trim(), "host1", "{line}");
    }
}

const MAPPINGS: &str = "portmap: ['2222:22']";

fn a_host_known_by_another_type_of_key_than_ssh_would_ask_for(backend: &str) {
    let host = Strict::up(backend, 1);
    host.lab.run(
        "host1",
        "ssh-keygen -q -t ecdsa -N '' -f /etc/ssh/ssh_host_ecdsa_key && \
         ssh-keygen -q -t rsa -N '' -f /etc/ssh/ssh_host_rsa_key && \
         printf 'HostKey /etc/ssh/ssh_host_%s_key\\n' ecdsa rsa >>/etc/ssh/sshd_config && \
         kill -HUP \"$(cat /run/sshd.pid)\"",
    );
    let only = |kind: &str| host.knows(&[(host.name(22), host.key("host1", kind))]);
    only("rsa");
    let run = host.deploys(MAPPINGS, &[]);
    run.expect("host1", "confirmed").expect_logins("host1", 2);
    host.lab.expect_tcp("host1", 22, Silent);
    host.logs_in_as_told(&run);
    // What was remembered under one type is found under the other, and replaced.
    only("ecdsa");
    host.deploys("portmap: ['2200:22']", &[]).expect("host1", "confirmed");
    host.knows(&[
        (host.name(22), host.key("host1", "rsa")),
        (host.name(22), host.key("host1", "ecdsa")),
    ]);
    host.deploys("portmap: []", &[]).expect("host1", "confirmed");
    host.lab.expect_sshd("host1", 22);
}

#[test]
fn a_host_known_by_its_name_with_a_port() {
    let host = Strict::up("nft", 1);
    let key = host.key("host1", "ed25519");
    host.lab.run(
        "host1",
        "sed -i 's/^Port .*/Port 2022/' /etc/ssh/sshd_config; kill -HUP \"$(cat /run/sshd.pid)\"",
    );
    host.knows(&[(host.name(2022), key.clone()), (host.name(2222), somebodys())]);
    let run = host.deploys("ansible_port: 2022, portmap: ['2222:2022']", &[]);
    run.expect("host1", "confirmed").expect_logins("host1", 2);
    host.lab.expect_sshd("host1", 2222);
    host.lab.expect_tcp("host1", 2022, Silent);
    host.logs_in_as_told(&run);
    host.deploys("ansible_port: 2022, portmap: ['2222:2022']", &[])
        .expect("host1", "unchanged");
    // The name is the strict one: nobody else's key will do under it, even if the host's own is known by another.
    host.knows(&[(host.name(2022), somebodys()), (host.name(22), key)]);
    let hint = host.is_refused("ansible_port: 2022, portmap: ['2222:2022']", &[], "HAS CHANGED");
    assert!(hint.contains(&format!("ssh-keygen -R '{}'", host.name(2022))), "{hint}");
}

#[test]
fn an_old_entry_of_somebody_else_at_the_new_port_is_not_asked() {
    let host = Strict::up("legacy", 1);
    let key = host.key("host1", "ed25519");
    host.knows(&[(host.name(2222), somebodys()), (host.name(22), key)]);
    let run = host.deploys(MAPPINGS, &[]);
    run.expect("host1", "confirmed").expect_logins("host1", 2);
    // ssh itself would ask for [host]:2222.
    host.logs_in_as_told(&run);
    host.deploys(MAPPINGS, &[]).expect("host1", "unchanged");
    // Only the stale entry may not let anybody in.
    host.knows(&[(host.name(22), somebodys())]);
    let hint = host.is_refused(MAPPINGS, &[], "HAS CHANGED");
    assert!(hint.contains("somebody else answers"), "{hint}");
}

#[test]
fn a_host_known_by_a_port_that_is_not_the_inventory_s() {
    let host = Strict::up("nft", 1);
    let key = host.key("host1", "ed25519");
    host.knows(&[(host.name(2222), key.clone())]);
    let hint = host.is_refused(MAPPINGS, &[], "host key is known for");
    assert!(hint.contains("set ansible_port: 2222"), "{hint}");
    assert!(hint.contains("accept-new"), "{hint}");
    // As it says.
    let by_2222 = "ansible_port: 2222, portmap: ['2222:22']";
    host.deploys(by_2222, &[]).expect("host1", "confirmed");
    host.lab.expect_tcp("host1", 22, Silent);
    // As with ssh, the name without a port will do where the one with it is not known; not where it is another's.
    host.knows(&[(host.name(22), key.clone())]);
    host.hashes();
    host.deploys(by_2222, &[]).expect("host1", "unchanged");
    host.knows(&[(host.name(22), key), (host.name(2222), somebodys())]);
    host.is_refused(by_2222, &[], "HAS CHANGED");
}

#[test]
fn the_user_s_own_name_for_a_host() {
    let host = Strict::up("nft", 1);
    let (key, address) = (host.key("host1", "ed25519"), host.lab.address("host1", 4));
    let folder = host.lab.home().join(".ssh");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config"), format!("Host {address}\n  HostKeyAlias mine\n")).unwrap();
    host.knows(&[("mine".to_owned(), key), (host.name(22), somebodys())]);
    let run = host.deploys(MAPPINGS, &[]);
    run.expect("host1", "confirmed");
    host.logs_in_as_told(&run);
    host.knows(&[("mine".to_owned(), somebodys())]);
    host.is_refused(MAPPINGS, &[], "HAS CHANGED");
}

#[test]
fn new_hosts_are_believed_once_when_asked_to() {
    let host = Strict::up("nft", 1);
    let key = host.key("host1", "ed25519");
    host.knows(&[]);
    host.is_refused(MAPPINGS, &[], "host key is known for");
    let believing = ["--host-key-checking", "accept-new"];
    let run = host.deploys(MAPPINGS, &believing);
    run.expect("host1", "confirmed").expect_logins("host1", 2);
    assert_eq!(host.known(), format!("{} {key}\n", host.name(22)));
    host.logs_in_as_told(&run);
    // From then on it is known, by its one name.
    host.deploys(MAPPINGS, &["--host-key-checking", "yes"])
        .expect("host1", "unchanged");
    host.knows(&[(host.name(22), somebodys())]);
    host.is_refused(MAPPINGS, &believing, "HAS CHANGED");
}

#[test]
fn a_new_host_whose_key_cannot_be_noted_is_told_of() {
    let mut host = Strict::up("nft", 1);
    host.file = PathBuf::from("/proc/none");
    let run = host.deploys(MAPPINGS, &["--host-key-checking", "accept-new"]);
    run.expect("host1", "confirmed");
    let warnings = run.warnings("host1");
    assert!(
        warnings.contains("could not be noted") && warnings.contains("/proc/none"),
        "{warnings}"
    );
}

#[test]
fn who_answers_by_the_port_of_ssh_is_believed_and_nobody_who_is_quicker_elsewhere() {
    let host = Strict::up("nft", 2);
    let key = host.key("host1", "ed25519");
    let (one, two) = (host.lab.address("host1", 4), host.lab.address("host2", 4));
    let table = format!(
        "nft add table ip cloud; \
         nft add chain ip cloud pre '{{ type nat hook prerouting priority -100; }}'; \
         nft add rule ip cloud pre iifname uplink ip daddr {one} tcp dport 2222 dnat to {two}:22"
    );
    assert!(host.lab.upstream(&table).status.success());
    // It answers, a second late: every other SYN is lost.
    host.lab.run(
        "host1",
        "iptables -t raw -A PREROUTING -p tcp --dport 22 --syn -m statistic --mode nth --every 2 --packet 0 -j DROP",
    );
    host.knows(&[]);
    let run = host.deploys(
        "portmap: ['2222:22'], portmap_rollback_after: 15",
        &["--host-key-checking", "accept-new"],
    );
    run.expect("host1", "rolled_back");
    assert_eq!(host.known(), format!("{} {key}\n", host.name(22)), "{}", run.said());
    assert_eq!(host.lab.logins("host2"), 0);
}

/// Where no key tells hosts apart, a port of old may lead to another one by now.
#[test]
fn nobody_is_believed_at_a_port_that_is_only_remembered() {
    let mut host = Strict::up("nft", 2);
    host.file = PathBuf::from("/dev/null");
    let believing = ["--host-key-checking", "accept-new"];
    host.deploys(MAPPINGS, &believing).expect("host1", "confirmed");
    let (one, two) = (host.lab.address("host1", 4), host.lab.address("host2", 4));
    let table = format!(
        "nft add table ip cloud; \
         nft add chain ip cloud pre '{{ type nat hook prerouting priority -100; }}'; \
         nft add rule ip cloud pre iifname uplink ip daddr {one} tcp dport 2222 dnat to {two}:22"
    );
    assert!(host.lab.upstream(&table).status.success());
    let run = host.deploys("portmap: ['80:8080']", &believing);
    run.expect("host1", "unreachable");
    assert_eq!(
        (host.lab.logins("host2"), host.lab.our_rules("host2")),
        (0, String::new())
    );
}

/// A key of nobody's.
fn somebodys() -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let mut keygen = std::process::Command::new("ssh-keygen");
    said(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&file));
    public(&file)
}

fn public(file: &Path) -> String {
    let text = std::fs::read_to_string(file.with_extension("pub")).unwrap();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}
