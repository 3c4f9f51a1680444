//! Inventories, vaults and playbooks as they lie on disk, down to the rules that hosts run in the end.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::privilege::{PASSWORD, prepare};
use super::support::deploy::Run;
use super::support::deploy::Seen::{Open, Silent};
use super::support::lab::Lab;

const VAULT_PASSWORD: &str = "open sesame\n";

/// What ansible-vault of ansible-core 2.19.14 made of the hosts' sudo password, as `vault_sudo_password`, and
/// `website_port: 8088`.
const VAULT: &str = "\
$ANSIBLE_VAULT;1.1;AES256
34616566633661333335653531373565346532643262613636373632306161633439643763616234
3336396535633863326532373839353035653831656331360a353065663332373632353035326238
64626261333566623866346363303366326466366638646665303966396164616333333235643363
3832316434373364390a363733653937623532623366626135326664626462373934663931333265
62343161613365333463363965626236306336346438623939396530346563363737333038303636
63333564363832366665656464356535623634343765333436306335383632326565363539643563
63623235613236376233353330343137396264343734303533613638353030653365336635353837
38313035656261616232
";

const LOGIN: &str = r#"
ansible_user: deploy
ansible_become: true
ansible_become_password: "{{ vault_sudo_password }}"
"#;

/// Ports of every kind of origin: `ssh_port` of the command line, `website_port` of a vault and of a host, `listens_on` of
/// a file that wins over the play's own.
const SITE: &str = r#"
- name: Canary
  hosts: database
  vars_files: ports.yaml
  portmap:
    - port: "{{ ssh_port }}"
      to_port: 22

- name: The {{ groups['web'] | length }} web servers
  hosts: web
  serial: 1
  order: reverse_sorted
  rollback_after: "{{ window }}s"
  vars:
    listens_on: 1
    window: 20
  vars_files: [ports.yaml]
  portmap:
    - port: "{{ ssh_port }}"
      to_port: 22
    - name: website
      port: "{{ website_port }}"
      to_port: "{{ listens_on }}"
"#;

/// The files of a fleet, in the home of the lab's controller.
struct Files<'l> {
    lab: &'l Lab,
    folder: PathBuf,
}

impl<'l> Files<'l> {
    fn new(lab: &'l Lab) -> Self {
        let folder = lab.home().join("fleet");
        Self { lab, folder }
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Arguments for ssh that make it know the lab's hosts.
    fn ssh_args(&self) -> String {
        format!(
            "-o UserKnownHostsFile={} -o GlobalKnownHostsFile=/dev/null -o IdentitiesOnly=yes",
            self.lab.known_hosts().display()
        )
    }

    /// Deploys; the names of files in arguments are those of the fleet.
    fn deploy(&self, inventory: &str, playbook: &str, args: &[&str]) -> Run {
        let (inventory, playbook) = (self.path(inventory), self.path(playbook));
        self.lab
            .deploy(&[&["-i", inventory.as_str(), playbook.as_str()], args].concat())
    }

    /// No host was logged in to, and none has rules of ours.
    #[track_caller]
    fn expect_untouched(&self) {
        for host in self.lab.hosts() {
            assert_eq!((self.lab.logins(host), self.lab.our_rules(host)), (0, String::new()));
            self.lab.expect_tcp(host, 22, Open);
        }
    }
}

/// Two web servers and a database, with a file of variables of every kind.
fn fleet(lab: &Lab) -> Files<'_> {
    let files = Files::new(lab);
    let address = |host| lab.address(host, 4);
    let mut hosts = String::from("[web]\n");
    for host in ["host1", "host2"] {
        writeln!(hosts, "{host} ansible_host={}", address(host)).unwrap();
    }
    writeln!(hosts, "[database]\nhost3 ansible_host={}", address("host3")).unwrap();
    let (key, ssh_args) = (lab.key().display().to_string(), files.ssh_args());
    writeln!(
        hosts,
        "[all:vars]\nansible_ssh_private_key_file={key}\nansible_ssh_common_args={ssh_args}"
    )
    .unwrap();
    files
        .write("hosts.ini", &hosts)
        .write("group_vars/all/login.yaml", LOGIN)
        .write("group_vars/all/vault.yaml", VAULT)
        .write("host_vars/host2.yml", "website_port: 8089\n")
        .write("ports.yaml", "ssh_port: 2200\nlistens_on: 8080\n")
        .write("vault-password", VAULT_PASSWORD)
        .write("site.yaml", SITE);
    files
}

#[test]
fn a_playbook_reaches_the_rules() {
    let lab = Lab::up(3, "mixed");
    for host in lab.hosts() {
        prepare(&lab, host, ":");
    }
    let _web = ["host1", "host2"].map(|host| lab.serve(host, 8080, host));
    let files = fleet(&lab);

    let run = files.deploy("hosts.ini", "site.yaml", &["-e", "ssh_port=2222"]);
    assert_eq!(run.code, Some(1), "{}", run.said());
    assert!(run.stderr.contains("vault"), "{}", run.said());
    files.expect_untouched();

    let vault_password = files.path("vault-password");
    let args = ["--vault-password-file", &vault_password, "-e", "ssh_port=2222"];
    let run = files.deploy("hosts.ini", "site.yaml", &args);
    for (host, batch) in [("host3", 1), ("host2", 2), ("host1", 3)] {
        run.expect(host, "confirmed")
            .expect_mappings(host, "2222", "open", "closed");
        assert_eq!(run.host(host)["batch"], batch, "{}", run.said());
        lab.expect_sshd(host, 2222);
        lab.expect_tcp(host, 22, Silent);
        assert!(!lab.our_rules(host).contains("2200"), "{}", lab.our_rules(host));
    }
    for (host, port) in [("host1", 8088), ("host2", 8089)] {
        run.expect_mappings(host, &port.to_string(), "open", "closed");
        lab.expect_server(host, port, host);
        lab.expect_tcp(host, 8080, Silent);
        let redirect = format!("--dport {port} -j REDIRECT --to-ports 8080");
        assert_eq!(
            lab.our_rules(host).matches(&redirect).count(),
            2,
            "{}",
            lab.our_rules(host)
        );
    }
    assert!(!lab.our_rules("host3").contains("808"), "{}", lab.our_rules("host3"));
    assert!(!run.said().contains(PASSWORD), "{}", run.said());

    let again = files.deploy("hosts.ini", "site.yaml", &[&args[..], &["-l", "web:!web[0]"]].concat());
    assert_eq!(again.json["hosts"].as_object().unwrap().len(), 1, "{}", again.said());
    again.expect("host2", "unchanged").expect_logins("host2", 1);
}

/// A playbook, and what is said of it.
const REFUSED: [(&str, &str); 5] = [
    (
        "- hosts: all\n  serail: 1\n  portmap: ['2222:22']\n",
        "did you mean `serial`?",
    ),
    ("- hosts: all\n  portmap: ['{{ ssh_prot }}:22']\n", "ssh_prot"),
    (
        "- hosts: all\n  vars_files: nowhere.yaml\n  portmap: ['2222:22']\n",
        "nowhere.yaml",
    ),
    (
        "- hosts: all\n  portmap: ['2222:22']\n- hosts: all\n  portmap: ['2223:22']\n",
        "ask different things",
    ),
    (
        "- hosts: all\n  portmap: ['2222:22']\n- hosts: all\n  portmap: ['2222:22', '2222:23']\n",
        "2222",
    ),
];

/// The inventory is what a script prints.
#[test]
fn a_playbook_with_an_error_touches_nothing() {
    let lab = Lab::up(1, "nft");
    let files = Files::new(&lab);
    let inventory = serde_json::json!({
        "web": {"hosts": ["host1"]},
        "_meta": {"hostvars": {"host1": {
            "ansible_host": lab.address("host1", 4),
            "ansible_user": "root",
            "ansible_ssh_private_key_file": lab.key(),
            "ansible_ssh_common_args": files.ssh_args(),
        }}},
    });
    files.write("fleet", &format!("#!/bin/sh\ncat <<'END'\n{inventory}\nEND\n"));
    fs::set_permissions(files.path("fleet"), fs::Permissions::from_mode(0o755)).unwrap();
    for (playbook, says) in REFUSED {
        files.write("site.yaml", playbook);
        let run = files.deploy("fleet", "site.yaml", &[]);
        assert_eq!(run.code, Some(1), "{playbook}{}", run.said());
        let where_and_what = [says, &files.path("site.yaml:")];
        assert!(
            where_and_what.iter().all(|words| run.stderr.contains(words)),
            "{playbook}{}",
            run.said()
        );
        assert_eq!(run.stdout, "", "{playbook}");
    }
    files.expect_untouched();

    files.write("site.yaml", "- hosts: all\n  portmap: ['{{ 2222 }}:22']\n");
    files.deploy("fleet", "site.yaml", &[]).expect("host1", "confirmed");
    lab.expect_sshd("host1", 2222);
    lab.expect_tcp("host1", 22, Silent);
}
