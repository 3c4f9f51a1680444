//! Settings of Ansible that are not obeyed, and what is said about each.

use super::Names;
use super::value::unquoted;

/// What becomes of a setting that is not obeyed.
pub(super) enum Rule {
    /// Only these values mean what the program does; any other is refused.
    Only(&'static [&'static str], &'static str),
    /// All of these words have to be in the list, or a warning says so.
    Needs(&'static [&'static str], &'static str),
    /// Anything but these values is warned about.
    Ignored(&'static [&'static str], &'static str),
}

impl Rule {
    /// What to say about a value, and whether it is refused.
    pub fn verdict(&self, value: &str) -> Option<(String, bool)> {
        let list: Vec<&str> = value.split(',').map(|word| unquoted(word.trim())).collect();
        match self {
            Self::Only(known, what) => {
                let joined = list.join(",");
                (!known.contains(&joined.as_str())).then(|| (format!("`{value}` is not supported: {what}"), true))
            }
            Self::Needs(needed, what) => {
                let missing = needed.iter().find(|word| {
                    !list
                        .iter()
                        .any(|item| item.trim_start_matches("ansible.builtin.") == **word)
                })?;
                Some((format!("{what} without {missing} is not obeyed"), false))
            }
            Self::Ignored(silent, what) => {
                (!value.is_empty() && !silent.contains(&value)).then(|| (format!("{what} is not obeyed"), false))
            }
        }
    }
}

const NO: &[&str] = &["n", "no", "off", "0", "false", "f"];

/// Settings that would change what Ansible does and that are not obeyed.
pub(super) const RULES: &[(Names, Rule)] = &[
    (
        Names(&["ANSIBLE_HASH_BEHAVIOUR"], &[("defaults", "hash_behaviour")]),
        Rule::Only(
            &["replace"],
            "dictionaries replace each other; use the filter combine to merge them",
        ),
    ),
    (
        Names(&["ANSIBLE_PRECEDENCE"], &[("defaults", "precedence")]),
        Rule::Only(
            &[
                "all_inventory,groups_inventory,all_plugins_inventory,all_plugins_play,groups_plugins_inventory,groups_plugins_play",
            ],
            "variables have Ansible's default precedence",
        ),
    ),
    (
        Names(&["ANSIBLE_PLAYBOOK_VARS_ROOT"], &[("defaults", "playbook_vars_root")]),
        Rule::Only(&["top"], "variables are those beside the playbook"),
    ),
    (
        Names(
            &["ANSIBLE_TRANSFORM_INVALID_GROUP_CHARS"],
            &[("defaults", "force_valid_group_names")],
        ),
        Rule::Only(&["never", "ignore"], "names of groups stay as they are written"),
    ),
    (
        Names(&["ANSIBLE_TRANSPORT"], &[("defaults", "transport")]),
        Rule::Only(&["ssh", "smart", "ansible.builtin.ssh"], "hosts are reached by ssh"),
    ),
    (
        Names(&["ANSIBLE_INVENTORY_ENABLED"], &[("inventory", "enable_plugins")]),
        Rule::Needs(&["host_list", "script", "auto", "yaml", "ini"], "enable_plugins"),
    ),
    (
        Names(&["ANSIBLE_VARS_ENABLED"], &[("defaults", "vars_plugins_enabled")]),
        Rule::Ignored(
            &["host_group_vars", "ansible.builtin.host_group_vars"],
            "vars_plugins_enabled",
        ),
    ),
    (
        Names(&["ANSIBLE_VARS_PLUGIN_STAGE"], &[("vars_host_group_vars", "stage")]),
        Rule::Ignored(&["all"], "stage of host_group_vars"),
    ),
    (
        Names(&["ANSIBLE_RUN_VARS_PLUGINS"], &[("defaults", "run_vars_plugins")]),
        Rule::Ignored(&["demand"], "run_vars_plugins"),
    ),
    (
        Names(
            &["ANSIBLE_INVENTORY_PLUGIN_EXTS"],
            &[("inventory_plugin_yaml", "yaml_valid_extensions")],
        ),
        Rule::Ignored(&[], "yaml_valid_extensions of one plugin"),
    ),
    (
        Names(
            &["ANSIBLE_DUPLICATE_YAML_DICT_KEY"],
            &[("defaults", "duplicate_dict_key")],
        ),
        Rule::Ignored(&["warn", "ignore"], "duplicate_dict_key"),
    ),
    (
        Names(&["ANSIBLE_RUN_TAGS"], &[("tags", "run")]),
        Rule::Only(&["", "all"], "tags are chosen on the command line"),
    ),
    (
        Names(&["ANSIBLE_SKIP_TAGS"], &[("tags", "skip")]),
        Rule::Only(&[""], "tags are chosen on the command line"),
    ),
    (
        Names(&["ANSIBLE_ASK_PASS"], &[("defaults", "ask_pass")]),
        Rule::Ignored(NO, "ask_pass: ssh itself asks for passwords, and"),
    ),
    (
        Names(
            &["ANSIBLE_CONNECTION_PASSWORD_FILE"],
            &[("defaults", "connection_password_file")],
        ),
        Rule::Ignored(&[], "connection_password_file"),
    ),
    (
        Names(
            &["ANSIBLE_BECOME_PASSWORD_FILE"],
            &[("defaults", "become_password_file")],
        ),
        Rule::Ignored(&[], "become_password_file"),
    ),
    (
        Names(
            &["ANSIBLE_BECOME_EXE", "ANSIBLE_SUDO_EXE"],
            &[
                ("privilege_escalation", "become_exe"),
                ("sudo_become_plugin", "executable"),
            ],
        ),
        Rule::Ignored(&["sudo"], "become_exe"),
    ),
    (
        Names(
            &["ANSIBLE_BECOME_FLAGS", "ANSIBLE_SUDO_FLAGS"],
            &[
                ("privilege_escalation", "become_flags"),
                ("sudo_become_plugin", "flags"),
            ],
        ),
        Rule::Ignored(&["-h -s -n", "-h -s"], "become_flags"),
    ),
    (
        Names(&["ANSIBLE_SUDO_USER"], &[("sudo_become_plugin", "user")]),
        Rule::Ignored(&["root"], "the user of the sudo plugin"),
    ),
    (
        Names(&["ANSIBLE_SSH_EXECUTABLE"], &[("ssh_connection", "ssh_executable")]),
        Rule::Ignored(&["ssh"], "ssh_executable"),
    ),
    (
        Names(&["ANSIBLE_PKCS11_PROVIDER"], &[("ssh_connection", "pkcs11_provider")]),
        Rule::Ignored(&[], "pkcs11_provider"),
    ),
    (
        Names(&["ANSIBLE_VAULT_ID_MATCH"], &[("defaults", "vault_id_match")]),
        Rule::Ignored(NO, "vault_id_match"),
    ),
    (
        Names(&["ANSIBLE_VAULT_IDENTITY"], &[("defaults", "vault_identity")]),
        Rule::Ignored(&["default"], "vault_identity"),
    ),
];
