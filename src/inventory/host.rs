//! What a deploy needs to know of one host, read from its variables and checked.

use std::time::Duration;

use super::precedence::HostVars;
use super::variables::{OURS, Render, Variables, is_ours, text, window};
use super::{Password, privilege};
use crate::mapping::{MappingSet, port};
use crate::problem::{Problem, is_unprintable, nearest};
use crate::yaml::{Node, Value};

/// How to reach a host. Everything else (keys, jump hosts, known hosts) is the user's `ssh_config`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connection {
    /// Name or address for ssh: `ansible_host`, else the inventory's name.
    pub host: String,
    /// `ansible_port`; `None`: ssh's own choice.
    pub port: Option<u16>,
    /// `ansible_user`; `None`: ssh's own choice.
    pub user: Option<String>,
    /// `ansible_ssh_private_key_file`, as written: a leading `~` is for ssh to expand.
    pub private_key_file: Option<String>,
    /// The words of `ansible_ssh_common_args`.
    pub common_args: Vec<String>,
    /// The words of `ansible_ssh_extra_args`.
    pub extra_args: Vec<String>,
    /// `ansible_become`: whether to become root by sudo; `None`: the inventory does not say.
    pub r#become: Option<bool>,
    /// `ansible_become_password`: what sudo is told when it asks; an empty one: nothing.
    pub become_password: Option<Password>,
    /// What to make of host keys; the inventory says nothing of it.
    pub host_key_checking: HostKeyChecking,
}

/// What to make of host keys, as `StrictHostKeyChecking` of ssh. A key that is not the known one is always refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum HostKeyChecking {
    /// A host whose key is not known is refused.
    #[default]
    Yes,
    /// It is believed, and its key is known from then on.
    AcceptNew,
}

impl HostKeyChecking {
    /// The word that ssh has for it.
    #[must_use]
    pub fn as_ssh(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::AcceptNew => "accept-new",
        }
    }
}

/// What a deploy needs to know of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSpec {
    /// The inventory's name of it.
    pub name: String,
    /// How to reach it.
    pub connection: Connection,
    /// Its mappings.
    pub mappings: MappingSet,
    /// Whether the variable `portmap` exists: an empty list asks for no mappings, no variable asks for nothing.
    pub has_portmap: bool,
    /// The rollback window that the inventory asks for.
    pub rollback_after: Option<Duration>,
    /// The words of `ansible_ssh_args`, which stand before the common ones; `None`: the inventory does not say.
    pub ssh_args: Option<Vec<String>>,
    /// `portmap_previous_ports`: more ports at which to look for the host's sshd.
    pub previous_ports: Vec<u16>,
}

impl HostSpec {
    /// Reads a host's variables.
    ///
    /// # Errors
    /// Everything that is wrong with them, wrong values and unsupported ones alike.
    pub(super) fn from_vars(host: &HostVars<'_>, render: &Render<'_>) -> Result<Self, Vec<Problem>> {
        let mut variables = Variables::of(host, render);
        refuse_misspelt(&mut variables);
        refuse_unsupported(&mut variables);
        let connection = connection(host, &mut variables);
        let ssh_args = words(&mut variables, "ansible_ssh_args");
        let mappings = mappings(&mut variables);
        let rollback_after = variables.read(&["portmap_rollback_after"], window);
        let previous_ports = previous_ports(&mut variables);
        if !variables.problems.is_empty() {
            let place = |problem: &Problem| problem.at.as_ref().map(|at| (at.source.name.clone(), at.span.start));
            variables.problems.sort_by_key(place);
            return Err(variables.problems);
        }
        let has_portmap = host.get("portmap").is_some();
        Ok(Self {
            name: host.name.to_owned(),
            connection,
            mappings,
            has_portmap,
            rollback_after,
            ssh_args,
            previous_ports,
        })
    }
}

/// Of old and new spellings the `ansible_ssh_` one wins, as in Ansible.
fn connection(host: &HostVars<'_>, variables: &mut Variables<'_>) -> Connection {
    Connection {
        host: address(host, variables),
        port: variables.read(&["ansible_ssh_port", "ansible_port"], |node| port(node, "ansible_port")),
        user: variables.read(&["ansible_ssh_user", "ansible_user"], |node| {
            checked(node, "ansible_user", is_bad_in_user)
        }),
        private_key_file: variables.read(&["ansible_ssh_private_key_file", "ansible_private_key_file"], |node| {
            checked(node, "ansible_ssh_private_key_file", char::is_control)
        }),
        common_args: words(variables, "ansible_ssh_common_args").unwrap_or_default(),
        extra_args: words(variables, "ansible_ssh_extra_args").unwrap_or_default(),
        r#become: privilege::wanted(variables),
        become_password: privilege::password(variables),
        host_key_checking: HostKeyChecking::default(),
    }
}

/// `ansible_host`, else the host's own name, which then must do as an address.
fn address(host: &HostVars<'_>, variables: &mut Variables<'_>) -> String {
    const NAMES: [&str; 2] = ["ansible_ssh_host", "ansible_host"];
    if host.name.chars().any(is_unprintable) {
        let message = "the name of a host holds a control or invisible character";
        variables.problems.push(Problem::at(host.at, message));
    }
    let wrong = match host.name.chars().find(|&c| is_bad_in_host(c)) {
        Some(bad) => Some(format!("it holds {:?}", bad.to_string())),
        None if host.name.starts_with('-') => Some("it begins with `-`".to_owned()),
        None => None,
    };
    if let Some(wrong) = wrong.filter(|_| !variables.has(&NAMES)) {
        let problem = Problem::at(host.at, format!("{} is no address: {wrong}", host.name));
        variables
            .problems
            .push(problem.hint("write the address as `ansible_host`, and the user as `ansible_user`"));
    }
    variables
        .read(&NAMES, |node| checked(node, "ansible_host", is_bad_in_host))
        .unwrap_or_else(|| host.name.to_owned())
}

/// What ssh(1) itself refuses in a host name since 9.6, and an `@`, which would smuggle in a user.
fn is_bad_in_host(c: char) -> bool {
    c.is_whitespace() || is_unprintable(c) || "'`\"$\\;&<>|(){},@/".contains(c)
}

/// What ssh(1) itself refuses in a user name.
fn is_bad_in_user(c: char) -> bool {
    c.is_whitespace() || is_unprintable(c) || "'`\"$\\;&<>|(){}".contains(c)
}

fn checked(node: &Node, what: &str, is_bad: impl Fn(char) -> bool) -> Result<String, Problem> {
    let text = text(node, what)?;
    if text.starts_with('-') {
        return Err(Problem::at(
            &node.at,
            format!("{what} begins with `-`: ssh would read it as an option"),
        ));
    }
    match text.chars().find(|&c| is_bad(c)) {
        Some(c) => Err(Problem::at(&node.at, format!("{what} holds {:?}", c.to_string()))),
        None => Ok(text.to_owned()),
    }
}

fn words(variables: &mut Variables<'_>, name: &str) -> Option<Vec<String>> {
    let split = |node: &Node| match node.as_str() {
        Some("") => Ok(Vec::new()),
        _ => shlex::split(text(node, name)?).ok_or_else(|| {
            Problem::at(
                &node.at,
                format!("{name}: a quotation mark or backslash has no partner"),
            )
        }),
    };
    variables.read(&[name], split)
}

fn mappings(variables: &mut Variables<'_>) -> MappingSet {
    match variables.find_even_null("portmap").as_ref().map(MappingSet::parse) {
        Some(Ok(set)) => set,
        Some(Err(problems)) => {
            variables.problems.extend(problems);
            MappingSet::default()
        }
        None => MappingSet::default(),
    }
}

fn previous_ports(variables: &mut Variables<'_>) -> Vec<u16> {
    let Some(node) = variables.find(&["portmap_previous_ports"]) else {
        return Vec::new();
    };
    let one = [node.clone()];
    let items = if let Value::List(items) = &node.value {
        items
    } else {
        one.as_slice()
    };
    let mut ports = Vec::new();
    for item in items {
        match port(item, "portmap_previous_ports") {
            Ok(port) => ports.push(port),
            Err(problem) => variables.problems.push(problem),
        }
    }
    ports
}

/// One typo in `portmap` opens a port, or leaves one open.
fn refuse_misspelt(variables: &mut Variables<'_>) {
    let misspelt = |(name, node): (&str, &Node)| {
        let problem = Problem::at(&node.at, format!("there is no variable `{name}`"));
        let hint = format!("did you mean `{}`?", nearest(name, &OURS).unwrap_or("portmap"));
        (is_ours(name) && !OURS.contains(&name)).then(|| problem.hint(hint))
    };
    let problems: Vec<Problem> = variables.all().filter_map(misspelt).collect();
    variables.problems.extend(problems);
}

/// Variables that change how Ansible connects, and for which the command line or `ssh_config` has to say it here.
const NOT_OBEYED: [(&str, &str); 7] = [
    ("ansible_timeout", "use --timeout"),
    ("ansible_ssh_timeout", "use --timeout"),
    ("ansible_host_key_checking", "use --host-key-checking"),
    ("ansible_ssh_host_key_checking", "use --host-key-checking"),
    ("ansible_ssh_executable", "the ssh that PATH has is used"),
    (
        "ansible_ssh_private_key",
        "write it to a file, and name that in ansible_ssh_private_key_file",
    ),
    (
        "ansible_ssh_password_mechanism",
        "logging in with a password is not supported",
    ),
];

/// What to say of a host's variables that are not obeyed and stop nothing.
pub(super) fn not_obeyed(host: &HostVars<'_>) -> impl Iterator<Item = Problem> {
    NOT_OBEYED.into_iter().filter_map(|(name, hint)| {
        let var = host.get(name)?;
        let problem = Problem::at(&var.node.at, format!("the variable {name} is not obeyed"));
        Some(problem.hint(hint))
    })
}

/// Variables that change how Ansible connects, in ways that this program does not follow.
fn refuse_unsupported(variables: &mut Variables<'_>) {
    privilege::refuse_login_passwords(variables);
    if let Some(node) = variables.find(&["ansible_connection"])
        && !node
            .as_str()
            .is_some_and(|value| ["ssh", "smart", "ansible.builtin.ssh"].contains(&value))
    {
        let problem = Problem::at(&node.at, "ansible_connection: only connections over ssh are supported");
        variables.problems.push(problem);
    }
    privilege::refuse_unsupported(variables);
}
