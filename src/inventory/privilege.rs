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

/// Other ways to root than `sudo` to root, which this program does not follow.
pub(super) fn refuse_unsupported(variables: &mut Variables<'_>) {
    refuse_others(
        variables,
        &["ansible_become_method"],
        "only sudo is supported",
        |value| ["sudo", "ansible.builtin.sudo"].contains(&value),
    );
    refuse_others(
        variables,
        &["ansible_become_user", "ansible_sudo_user"],
        "rules are root's: only root is supported",
        |value| value == "root",
    );
    refuse_others(
        variables,
        &["ansible_become_exe", "ansible_sudo_exe"],
        "only `sudo`, as the host's PATH finds it, is supported",
        |value| ["", "sudo"].contains(&value),
    );
    refuse_others(
        variables,
        &["ansible_become_flags", "ansible_sudo_flags"],
        "options for sudo are not supported, but for -H, -S and -n, which change nothing here",
        |value| value.split_whitespace().all(|flag| ["-H", "-S", "-n"].contains(&flag)),
    );
}

fn refuse_others(variables: &mut Variables<'_>, names: &[&str], why: &str, is_fine: impl Fn(&str) -> bool) {
    for name in names {
        let Some(node) = variables.find(&[name]) else { continue };
        if !node.as_str().is_some_and(&is_fine) {
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
