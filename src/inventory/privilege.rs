//! How a login becomes root: Ansible's `become` variables, of which only sudo to root is supported.

use super::password::Password;
use super::variables::{Variables, boolean};
use crate::problem::Problem;
use crate::yaml::{Node, Value};

/// What Ansible's sudo takes for its password, the name that wins first.
const PASSWORDS: [&str; 3] = ["ansible_sudo_pass", "ansible_become_pass", "ansible_become_password"];

/// `ansible_become`; `None` where the inventory does not say.
pub(super) fn wanted(variables: &mut Variables<'_>) -> Option<bool> {
    variables.read(&["ansible_become"], |node| boolean(node, "ansible_become"))
}

/// The password for sudo. An empty one says that there is none, whatever the command line says.
pub(super) fn password(variables: &mut Variables<'_>) -> Option<Password> {
    let (name, node) = variables.secret(&PASSWORDS)?;
    match read(&node) {
        Ok(password) => Some(password),
        Err((why, hint)) => {
            // Its place is told in words: a shown line would show the password.
            let problem = Problem::new(format!("{name} at {}: {why}", node.at)).hint(hint);
            variables.problems.push(problem);
            None
        }
    }
}

fn read(node: &Node) -> Result<Password, (&'static str, &'static str)> {
    let Value::String(text) = &node.value else {
        return Err(("YAML does not read it as a text", "write the password in quotes"));
    };
    if text.contains(['\n', '\r', '\0']) {
        return Err((
            "it holds a line break or a null",
            "sudo reads one line: write the password in quotes, on one line",
        ));
    }
    Ok(Password::new(text.clone()))
}

/// Why a value of `become_method`, `become_user`, `become_exe` or `become_flags` is not supported; `None`: it is.
pub(crate) fn unsupported(keyword: &str, value: &str) -> Option<&'static str> {
    let (is_fine, why) = match keyword {
        "become_method" => (
            ["sudo", "ansible.builtin.sudo"].contains(&value),
            "only sudo is supported",
        ),
        "become_user" => (value == "root", "rules are root's: only root is supported"),
        "become_exe" => (
            ["", "sudo"].contains(&value),
            "only `sudo`, as the host's PATH finds it, is supported",
        ),
        "become_flags" => (
            value.split_whitespace().all(|flag| ["-H", "-S", "-n"].contains(&flag)),
            "options for sudo are not supported, but for -H, -S and -n, which change nothing here",
        ),
        _ => (true, ""),
    };
    (!is_fine).then_some(why)
}

/// Other ways to root than `sudo` to root, which this program does not follow.
pub(super) fn refuse_unsupported(variables: &mut Variables<'_>) {
    const NAMES: [(&str, &str); 7] = [
        ("ansible_become_method", "become_method"),
        ("ansible_become_user", "become_user"),
        ("ansible_sudo_user", "become_user"),
        ("ansible_become_exe", "become_exe"),
        ("ansible_sudo_exe", "become_exe"),
        ("ansible_become_flags", "become_flags"),
        ("ansible_sudo_flags", "become_flags"),
    ];
    for (name, keyword) in NAMES {
        let Some(node) = variables.find(&[name]) else { continue };
        // What is no text at all is as wrong as a text that nothing supports.
        if let Some(why) = unsupported(keyword, node.as_str().unwrap_or("-")) {
            variables.problems.push(Problem::at(&node.at, format!("{name}: {why}")));
        }
    }
}

/// Passwords of the login itself. Their places are told in words, as above.
pub(super) fn refuse_login_passwords(variables: &mut Variables<'_>) {
    let names = ["ansible_password", "ansible_ssh_pass", "ansible_ssh_password"];
    if let Some((name, node)) = variables.secret(&names) {
        let problem = Problem::new(format!(
            "{name} at {}: logging in with a password is not supported",
            node.at
        ));
        variables.problems.push(problem.hint("use a key, and ssh-agent"));
    }
}
