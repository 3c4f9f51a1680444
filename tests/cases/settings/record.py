#!/usr/bin/env python3
"""Records how an installed ansible-core reads ansible.cfg and its variables.

Run it with that ansible-core's Python, in this folder: it writes recorded.json, which the unit tests of
src/inventory/settings.rs read. There the working folder is /site and the home /home/me.
"""

import json
import os
import tempfile

import ansible.release
from ansible import constants
from ansible.config.manager import ConfigManager
from ansible.plugins.loader import connection_loader

connection_loader.get("ssh", class_only=True)
SSH_OPTIONS = constants.config.get_configuration_definitions("connection", "ssh")

# Our name, Ansible's, and whether it belongs to the ssh plugin.
SETTINGS = [
    ("inventory", "DEFAULT_HOST_LIST", False),
    ("remote_user", "DEFAULT_REMOTE_USER", False),
    ("remote_port", "DEFAULT_REMOTE_PORT", False),
    ("private_key_file", "DEFAULT_PRIVATE_KEY_FILE", False),
    ("forks", "DEFAULT_FORKS", False),
    ("timeout", "DEFAULT_TIMEOUT", False),
    ("host_key_checking", "host_key_checking", True),
    ("become", "DEFAULT_BECOME", False),
    ("become_method", "DEFAULT_BECOME_METHOD", False),
    ("become_user", "DEFAULT_BECOME_USER", False),
    ("become_ask_pass", "DEFAULT_BECOME_ASK_PASS", False),
    ("ssh_args", "ssh_args", True),
    ("ssh_common_args", "ssh_common_args", True),
    ("ssh_extra_args", "ssh_extra_args", True),
    ("vault_password_file", "DEFAULT_VAULT_PASSWORD_FILE", False),
    ("vault_identity_list", "DEFAULT_VAULT_IDENTITY_LIST", False),
    ("ask_vault_pass", "DEFAULT_ASK_VAULT_PASS", False),
    ("inventory_ignore_extensions", "INVENTORY_IGNORE_EXTS", False),
    ("inventory_ignore_patterns", "INVENTORY_IGNORE_PATTERNS", False),
    ("yaml_valid_extensions", "YAML_FILENAME_EXTENSIONS", False),
    ("any_errors_fatal", "ANY_ERRORS_FATAL", False),
    ("playbook_dir", "PLAYBOOK_DIR", False),
]


def defaults(*lines):
    return {"/site/ansible.cfg": "\n".join(["[defaults]", *lines, ""])}


# Files, and variables.
CASES = [
    ({}, {}),
    ({"/site/ansible.cfg": ""}, {}),
    (defaults("forks = 7", "remote_user = bob"), {}),
    (defaults("forks=7", "forks_ = 8", "FORKS2: 9", "Remote_User: bob"), {}),
    (defaults("forks = 7 ; seven", "remote_user = bob;by", "timeout = 5 # five"), {}),
    (defaults("# forks = 7", " ; forks = 8", "remote_user = a#b"), {}),
    (defaults("remote_user = a ;b ; c", "inventory = a;b ;c"), {}),
    (defaults("forks =", "remote_user ="), {}),
    (defaults("remote_user = \"bob\"", "private_key_file = ~/.ssh/key"), {}),
    (defaults("remote_user = 'bob\"", "private_key_file = $KEYS/a b"), {"KEYS": "/keys"}),
    (defaults("remote_user = %(x)s%%", "private_key_file = ${KEYS}/../k"), {"KEYS": "/keys/x"}),
    (defaults("private_key_file = $NONE/k"), {}),
    (defaults("private_key_file = {{CWD}}/k"), {}),
    (defaults("inventory = hosts"), {}),
    (defaults("inventory = hosts, ../b , /c/./d,~/e"), {}),
    (defaults("inventory = hosts,"), {}),
    (defaults("inventory = a,", "  b,", "  # remark", "  c", "", "forks = 3"), {}),
    (defaults("inventory = a,", "  b,", "", "  c", "forks = 3"), {}),
    (defaults("  forks = 3", "  timeout = 4"), {}),
    (defaults("  forks = 3", "timeout = 4"), {}),
    (defaults("forks = 3", "  timeout = 4"), {}),
    (defaults("remote_user = a", "  b", "\tc"), {}),
    (defaults("forks = 3", "forks = 4"), {}),
    (defaults("forks = 3", "Forks = 4"), {}),
    (defaults("forks = 3", "[defaults]", "timeout = 4"), {}),
    (defaults("nothing"), {}),
    (defaults("= 3"), {}),
    (defaults("forks = many"), {}),
    (defaults("forks = 7.0"), {}),
    (defaults("forks = 7.5"), {}),
    (defaults("forks = 1e1"), {}),
    (defaults("forks = 1_0"), {}),
    (defaults("forks = -1"), {}),
    (defaults("forks = \"7\""), {}),
    (defaults("forks = 0x10"), {}),
    (defaults("forks = 007"), {}),
    *[(defaults(f"host_key_checking = {word}", f"ask_vault_pass = {word}"), {}) for word in ["yes", "No", "TRUE", "t", "1", "0", "2", "on", "off", "\"yes\"", "maybe", ""]],
    ({"/site/ansible.cfg": "forks = 3\n"}, {}),
    ({"/site/ansible.cfg": "\ufeff[defaults]\nforks = 3\n"}, {}),
    ({"/site/ansible.cfg": "[defaults]\r\nforks = 3\r\nremote_user = bob\r\n"}, {}),
    ({"/site/ansible.cfg": "[defaults] ; here\nforks = 3\n"}, {}),
    ({"/site/ansible.cfg": "[defaults]x\nforks = 3\n"}, {}),
    ({"/site/ansible.cfg": "[Defaults]\nforks = 3\n"}, {}),
    ({"/site/ansible.cfg": "[ defaults ]\nforks = 3\n"}, {}),
    ({"/site/ansible.cfg": "[]\nforks = 3\n"}, {}),
    ({"/site/ansible.cfg": "[DEFAULT]\nforks = 3\n[defaults]\ntimeout = 4\n"}, {}),
    ({"/site/ansible.cfg": "[DEFAULT]\nforks = 3\n[other]\ntimeout = 4\n"}, {}),
    ({"/site/ansible.cfg": "[DEFAULT]\nforks = 3\n[defaults]\nforks = 4\n[DEFAULT]\ntimeout = 4\n"}, {}),
    ({"/site/ansible.cfg": "[privilege_escalation]\nbecome = yes\nbecome_method = su\nbecome_user = admin\nbecome_ask_pass = true\n"}, {}),
    ({"/site/ansible.cfg": "[defaults]\nbecome = yes\nssh_args = -4\n"}, {}),
    ({"/site/ansible.cfg": "[ssh_connection]\nssh_args = -4 -o A=\"b c\"\nssh_common_args = '-o X=y'\nssh_extra_args = -v ; more\n"}, {}),
    ({"/site/ansible.cfg": "[ssh_connection]\nhost_key_checking = no\n[defaults]\nhost_key_checking = yes\n"}, {}),
    ({"/site/ansible.cfg": "[ssh_connection]\nhost_key_checking = no\n"}, {"ANSIBLE_HOST_KEY_CHECKING": "yes"}),
    ({}, {"ANSIBLE_HOST_KEY_CHECKING": "yes", "ANSIBLE_SSH_HOST_KEY_CHECKING": "no"}),
    ({"/site/ansible.cfg": "[inventory]\nignore_extensions = .a, .b\nignore_patterns = ^x,'y'\n[defaults]\ninventory_ignore_extensions = .c\n"}, {}),
    (defaults("inventory_ignore_extensions = ~, .orig", "inventory_ignore_patterns = \\.x$", "yaml_valid_extensions = .yml, '.yaml'"), {}),
    (defaults("vault_password_file = pass", "vault_identity_list = a@b, c@prompt", "any_errors_fatal = on", "playbook_dir = plays", "remote_port = 2222"), {}),
    (defaults("forks = 7", "remote_user = bob", "inventory = a"), {"ANSIBLE_FORKS": "9", "ANSIBLE_REMOTE_USER": "\"eve\"", "ANSIBLE_INVENTORY": "b,/c"}),
    (defaults("forks = 7"), {"ANSIBLE_FORKS": ""}),
    (defaults("forks = 7"), {"ANSIBLE_FORKS": "x"}),
    ({}, {"ANSIBLE_BECOME": "1", "ANSIBLE_BECOME_METHOD": "sudo", "ANSIBLE_BECOME_USER": "x", "ANSIBLE_BECOME_ASK_PASS": "y", "ANSIBLE_SSH_ARGS": "-C", "ANSIBLE_SSH_COMMON_ARGS": "-J b", "ANSIBLE_SSH_EXTRA_ARGS": "-6"}),
    ({}, {"ANSIBLE_VAULT_PASSWORD_FILE": "~/v", "ANSIBLE_VAULT_IDENTITY_LIST": "a@b", "ANSIBLE_ASK_VAULT_PASS": "true", "ANSIBLE_TIMEOUT": "3", "ANSIBLE_REMOTE_PORT": "22", "ANSIBLE_PRIVATE_KEY_FILE": "k", "ANSIBLE_PLAYBOOK_DIR": "p"}),
    ({}, {"ANSIBLE_INVENTORY_IGNORE": ".x", "ANSIBLE_INVENTORY_IGNORE_REGEX": "a,b", "ANSIBLE_YAML_FILENAME_EXT": ".y", "ANSIBLE_ANY_ERRORS_FATAL": "no"}),
    ({"/home/me/.ansible.cfg": "[defaults]\ninventory = mine\nforks = 2\n"}, {}),
    ({"/home/me/.ansible.cfg": "[defaults]\nforks = 2\n", "/site/ansible.cfg": "[defaults]\nforks = 3\n"}, {}),
    ({"/site/other.cfg": "[defaults]\nforks = 4\n", "/site/ansible.cfg": "[defaults]\nforks = 3\n"}, {"ANSIBLE_CONFIG": "other.cfg"}),
    ({"/site/sub/ansible.cfg": "[defaults]\ninventory = hosts\n", "/site/ansible.cfg": "[defaults]\nforks = 3\n"}, {"ANSIBLE_CONFIG": "sub"}),
    ({"/site/sub/x.ini": "[defaults]\ninventory = hosts\n"}, {"ANSIBLE_CONFIG": "$SUB/x.ini", "SUB": "sub"}),
    ({"/home/me/c.cfg": "[defaults]\nforks = 6\n"}, {"ANSIBLE_CONFIG": "~/c.cfg"}),
    ({"/site/ansible.cfg": "[defaults]\nforks = 3\n"}, {"ANSIBLE_CONFIG": "none.cfg"}),
    ({"/site/ansible.cfg": "[defaults]\nforks = 3\n"}, {"ANSIBLE_CONFIG": ""}),
    ({"/site/x.yml": "[defaults]\nforks = 3\n"}, {"ANSIBLE_CONFIG": "x.yml"}),
    ({"/site/x.conf": "[defaults]\nforks = 3\n"}, {"ANSIBLE_CONFIG": "x.conf"}),
]


def record(root, files, variables):
    for path, text in files.items():
        os.makedirs(os.path.dirname(root + path), exist_ok=True)
        with open(root + path, "w", newline="") as file:
            file.write(text)
    case = {"files": files, "variables": variables}
    kept = dict(os.environ)
    os.environ.update({"HOME": f"{root}/home/me", **variables})
    try:
        manager = ConfigManager()
        manager.initialize_plugin_configuration_definitions("connection", "ssh", SSH_OPTIONS)
        case["set"] = {"file": manager._config_file and manager._config_file.removeprefix(root)}
        for ours, name, of_ssh in SETTINGS:
            plugin = {"plugin_type": "connection", "plugin_name": "ssh"} if of_ssh else {}
            value, origin = manager.get_config_value_and_origin(name, **plugin)
            if origin != "default":
                case["set"][ours] = json.loads(json.dumps(value).replace(root, ""))
    except Exception as error:  # whatever it is, Ansible refuses to start
        case.pop("set", None)
        case["error"] = f"{type(error).__name__}: {error}".replace(root, "")
    os.environ.clear()
    os.environ.update(kept)
    return case


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    for name in [name for name in os.environ if name.startswith("ANSIBLE_")]:
        del os.environ[name]
    cases = []
    for files, variables in CASES:
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(f"{root}/site")
            os.makedirs(f"{root}/home/me")
            os.chdir(f"{root}/site")
            cases.append(record(root, files, variables))
            os.chdir(here)
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    with open(os.path.join(here, "recorded.json"), "w", encoding="utf-8") as file:
        file.write(f'{{"ansible-core": "{ansible.release.__version__}", "cases": [\n{lines}\n]}}\n')


main()
