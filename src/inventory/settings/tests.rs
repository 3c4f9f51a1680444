use std::collections::HashMap;
use std::io;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::*;
use crate::world::Answer;

/// What the real ansible-core reads; see the script beside it.
const RECORDED: &str = include_str!("../../../tests/cases/settings/recorded.json");

#[derive(Deserialize)]
struct Recorded {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    files: HashMap<String, String>,
    variables: HashMap<String, String>,
    set: Option<Map<String, Value>>,
    error: Option<String>,
}

#[derive(Default)]
struct Machine {
    files: HashMap<String, String>,
    variables: HashMap<String, String>,
    is_public: bool,
}

impl World for Machine {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let text = self.files.get(path.to_str().unwrap());
        text.map(|text| text.clone().into_bytes())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, _: &Path) -> io::Result<Vec<String>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        if self.files.contains_key(path.to_str().unwrap()) {
            return Some(Kind::File { executable: false });
        }
        let is_folder = path == Path::new("/site") || self.files.keys().any(|file| Path::new(file).starts_with(path));
        is_folder.then_some(Kind::Folder)
    }

    fn is_world_writable(&self, folder: &Path) -> bool {
        self.is_public && folder == Path::new("/site")
    }

    fn run(&self, _: &Path, _: &[&str]) -> io::Result<Answer> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn find_program(&self, _: &str) -> Option<PathBuf> {
        None
    }

    fn variable(&self, name: &str) -> Option<String> {
        if name == "HOME" {
            return Some("/home/me".to_owned());
        }
        self.variables.get(name).cloned()
    }

    fn current_folder(&self) -> PathBuf {
        "/site".into()
    }
}

fn machine(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Machine {
    let own = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    Machine {
        files: own(files),
        variables: own(variables),
        is_public: false,
    }
}

/// What is set, by the names of the fields.
fn set(settings: &Settings) -> Map<String, Value> {
    let mut set = Map::new();
    set.insert("file".to_owned(), json!(settings.file));
    macro_rules! add {
        ($($name:ident $key:literal),* $(,)?) => {
            $(if let Some(setting) = &settings.$name {
                set.insert($key.to_owned(), json!(setting.value));
            })*
        };
    }
    add!(
        inventory "inventory",
        remote_user "remote_user",
        remote_port "remote_port",
        private_key_file "private_key_file",
        forks "forks",
        timeout "timeout",
        host_key_checking "host_key_checking",
        r#become "become",
        become_method "become_method",
        become_user "become_user",
        become_ask_pass "become_ask_pass",
        ssh_args "ssh_args",
        ssh_common_args "ssh_common_args",
        ssh_extra_args "ssh_extra_args",
        vault_password_file "vault_password_file",
        vault_identity_list "vault_identity_list",
        ask_vault_pass "ask_vault_pass",
        inventory_ignore_extensions "inventory_ignore_extensions",
        inventory_ignore_patterns "inventory_ignore_patterns",
        yaml_valid_extensions "yaml_valid_extensions",
        any_errors_fatal "any_errors_fatal",
        playbook_dir "playbook_dir",
    );
    set
}

/// An empty text sets nothing here; to most of Ansible it means as much.
fn without_empty(set: Map<String, Value>) -> Map<String, Value> {
    set.into_iter().filter(|(_, value)| *value != json!("")).collect()
}

#[test]
fn settings_are_what_ansible_reads() {
    let recorded: Recorded = serde_json::from_str(RECORDED).unwrap();
    let mut faults = Vec::new();
    for case in recorded.cases {
        let what = format!("{:?} {:?}", case.files, case.variables);
        let machine = Machine {
            files: case.files,
            variables: case.variables,
            is_public: false,
        };
        match (Settings::read(&machine), case.set.map(without_empty)) {
            (Err(_), None) => {}
            (Ok(settings), Some(expected)) if set(&settings) == expected => {}
            (Ok(settings), expected) => faults.push(format!(
                "{what}: {:?} and not {expected:?} {:?}",
                set(&settings),
                case.error
            )),
            (Err(problems), expected) => faults.push(format!("{what}: {problems:?} and not {expected:?}")),
        }
    }
    assert!(faults.is_empty(), "{} differ:\n{}", faults.len(), faults.join("\n"));
}

/// What is said, and where: errors, else warnings.
fn said(machine: &Machine) -> (Vec<String>, Vec<String>) {
    let show = |problems: &[Problem]| problems.iter().map(ToString::to_string).collect();
    match Settings::read(machine) {
        Ok(settings) => (vec![], show(&settings.warnings)),
        Err(problems) => (show(&problems), vec![]),
    }
}

fn of_file(text: &str) -> (Vec<String>, Vec<String>) {
    said(&machine(&[("/site/ansible.cfg", text)], &[]))
}

#[test]
fn a_public_folder_has_no_configuration() {
    let files = [
        ("/site/ansible.cfg", "[defaults]\nforks = 3\n"),
        ("/home/me/.ansible.cfg", "[defaults]\nforks = 4\n"),
    ];
    let mut public = machine(&files, &[]);
    public.is_public = true;
    let settings = Settings::read(&public).unwrap();
    assert_eq!(settings.forks.unwrap().value, 4);
    let warnings: Vec<_> = settings
        .warnings
        .iter()
        .map(|problem| problem.message.as_str())
        .collect();
    assert_eq!(
        warnings,
        ["/site/ansible.cfg is left out: anybody may write to its folder"]
    );

    let mut named = machine(&files, &[("ANSIBLE_CONFIG", "ansible.cfg")]);
    named.is_public = true;
    assert_eq!(said(&named), (vec![], vec![]), "whoever names it means it");

    let mut without = machine(&[], &[]);
    without.is_public = true;
    assert_eq!(said(&without), (vec![], vec![]));
}

#[test]
fn a_named_file_that_is_not_there_is_no_silence() {
    let (_, warnings) = said(&machine(&[], &[("ANSIBLE_CONFIG", "none.cfg")]));
    assert_eq!(
        warnings,
        ["ANSIBLE_CONFIG: /site/none.cfg cannot be read; it is left out"]
    );
}

#[test]
fn settings_say_who_set_them() {
    let machine = machine(
        &[("/site/ansible.cfg", "[defaults]\nforks = 3\nremote_user = bob\n")],
        &[("ANSIBLE_FORKS", "4")],
    );
    let settings = Settings::read(&machine).unwrap();
    assert_eq!(settings.forks.unwrap().origin.to_string(), "ANSIBLE_FORKS");
    assert_eq!(
        settings.remote_user.unwrap().origin.to_string(),
        "/site/ansible.cfg:3:1"
    );
}

#[test]
fn faults_of_the_file_are_shown_where_they_are() {
    for (text, expected) in [
        (
            "forks = 1",
            "an option stands before the first [section] (/site/ansible.cfg:1:1)",
        ),
        (
            "[defaults]\nx\n",
            "this is neither [section] nor option = value (/site/ansible.cfg:2:1)",
        ),
        ("[defaults]\na=1\nA=2\n", "a is set already (/site/ansible.cfg:3:1)"),
        (
            "[a]\n[b]\n[a]\n",
            "section [a] is there already (/site/ansible.cfg:3:1)",
        ),
        (
            "[defaults]\nforks = few\n",
            "`few` is no whole number (/site/ansible.cfg:2:1)",
        ),
        (
            "[defaults]\nhash_behaviour = merge\n",
            "`merge` is not supported: dictionaries replace each other; use the filter combine to merge them (/site/ansible.cfg:2:1)",
        ),
    ] {
        assert_eq!(of_file(text), (vec![expected.to_owned()], vec![]), "{text}");
    }
}

#[test]
fn what_would_change_the_result_is_refused() {
    let refused = [
        ("ANSIBLE_HASH_BEHAVIOUR", "merge"),
        ("ANSIBLE_PRECEDENCE", "groups_inventory,all_inventory"),
        ("ANSIBLE_PLAYBOOK_VARS_ROOT", "bottom"),
        ("ANSIBLE_TRANSFORM_INVALID_GROUP_CHARS", "always"),
        ("ANSIBLE_TRANSPORT", "local"),
        ("ANSIBLE_RUN_TAGS", "a"),
        ("ANSIBLE_SKIP_TAGS", "a"),
    ];
    for (name, value) in refused {
        let (problems, _) = said(&machine(&[], &[(name, value)]));
        assert_eq!(problems.len(), 1, "{name}");
        assert!(
            problems[0].starts_with(&format!("{name}: `{value}` is not supported: ")),
            "{problems:?}"
        );
    }
}

#[test]
fn what_is_not_obeyed_is_warned_about() {
    let warned = [
        (
            "ANSIBLE_INVENTORY_ENABLED",
            "yaml,ini",
            "enable_plugins without host_list is not obeyed",
        ),
        ("ANSIBLE_VARS_ENABLED", "mine", "vars_plugins_enabled is not obeyed"),
        ("ANSIBLE_BECOME_EXE", "/opt/sudo", "become_exe is not obeyed"),
        ("ANSIBLE_SUDO_FLAGS", "-E", "become_flags is not obeyed"),
        ("ANSIBLE_SSH_EXECUTABLE", "/opt/ssh", "ssh_executable is not obeyed"),
        ("ANSIBLE_VAULT_ID_MATCH", "yes", "vault_id_match is not obeyed"),
        (
            "ANSIBLE_BECOME",
            "si",
            "`si` is neither yes nor no; Ansible takes it for no",
        ),
        (
            "ANSIBLE_HOST_KEY_CHECKING",
            "False",
            "host_key_checking is off: keys of hosts that are not known are accepted",
        ),
    ];
    for (name, value, expected) in warned {
        assert_eq!(
            said(&machine(&[], &[(name, value)])),
            (vec![], vec![format!("{name}: {expected}")])
        );
    }
}

#[test]
fn what_is_said_as_it_is_anyway_is_no_news() {
    let text = "[defaults]\nhash_behaviour = replace\nforce_valid_group_names = ignore\ntransport = smart\nvault_id_match = no\n\
                precedence = all_inventory, groups_inventory, all_plugins_inventory, all_plugins_play, groups_plugins_inventory, groups_plugins_play\n\
                host_key_checking = True\n[inventory]\nenable_plugins = host_list, script, auto, yaml, ini, toml, amazon.aws.aws_ec2\n\
                [privilege_escalation]\nbecome_flags = -H -S -n\nbecome_exe = sudo\n[tags]\nrun = all\n";
    assert_eq!(of_file(text), (vec![], vec![]));
}

proptest::proptest! {
    #[test]
    fn no_file_is_too_strange(text in "([\\[\\]a-z=:;# \t\n$~{}\"',é]|\\[defaults\\]\n|forks|inventory){0,60}") {
        let _ = of_file(&text);
        let _ = said(&machine(&[], &[("ANSIBLE_INVENTORY", &text), ("ANSIBLE_CONFIG", &text), ("ANSIBLE_FORKS", &text)]));
    }
}
