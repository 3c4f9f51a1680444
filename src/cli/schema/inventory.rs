//! Inventories, and files of variables in them.

#![expect(dead_code, reason = "these types are described, never made")]

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::portmap::Portmap;
use super::value::{Anything, Flag, OneOrMany, Port, Root, Sudo, Template, Templated, Text, Window, given};

/// An inventory as Ansible reads it: groups by their names, `all` among them.
#[derive(JsonSchema)]
#[schemars(title = "Inventory")]
pub(super) struct Inventory(Option<BTreeMap<String, Option<Group>>>);

/// A group: its hosts, the groups below it, and variables for all of them.
#[derive(JsonSchema)]
struct Group {
    /// Hosts by their names, each with variables of its own or with nothing; a name may hold ranges, as in `web[01:20]`.
    hosts: Option<Hosts>,
    /// Groups below this one, by their names.
    children: Option<Children>,
    /// Variables of all hosts of the group.
    vars: Option<Vars>,
}

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum Hosts {
    One(String),
    Many(BTreeMap<String, Option<Vars>>),
}

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum Children {
    One(String),
    Many(BTreeMap<String, Option<Group>>),
}

/// Variables. Those that are not named here are for your templates.
#[derive(JsonSchema)]
#[schemars(title = "Variables", extend("patternProperties" = {
    "^(?!portmap(_rollback_after|_previous_ports)?$)[Pp][Oo][Rr][Tt][Ss]?[_-]?[Mm][Aa][Pp]([Ss]|[_-].*)?$": false
}))]
pub(super) struct Vars {
    #[schemars(transform = given)]
    portmap: Option<Mappings>,
    /// How long a host waits for the proof of a change before it undoes it: 5 to 600 seconds, or a time such as 30s.
    #[schemars(extend("default" = "30s"))]
    portmap_rollback_after: Option<Templated<Window>>,
    /// More ports at which to look for the host's sshd.
    #[schemars(example = [2222])]
    portmap_previous_ports: Option<Templated<OneOrMany<Templated<Port>>>>,
    /// The address or name to connect to, where the host's name in the inventory is none.
    ansible_host: Option<Text>,
    /// The port of the host's sshd, before or after the change: the other is found.
    #[schemars(extend("default" = 22))]
    ansible_port: Option<Templated<Port>>,
    /// The user to log in as.
    ansible_user: Option<Text>,
    /// The key to log in with.
    ansible_ssh_private_key_file: Option<Text>,
    /// Arguments for ssh in place of the setting `ssh_args`, split as a shell would.
    #[schemars(example = &"-o ControlPersist=no")]
    ansible_ssh_args: Option<String>,
    /// Arguments for ssh beside those, split as a shell would.
    #[schemars(example = &"-o ProxyJump=bastion.example.com")]
    ansible_ssh_common_args: Option<String>,
    /// More arguments for ssh.
    ansible_ssh_extra_args: Option<String>,
    /// Whether to become root by sudo.
    ansible_become: Option<Templated<Flag>>,
    /// What sudo is told when it asks. Better typed with -K, or encrypted.
    ansible_become_password: Option<Anything>,
    /// How to become root.
    #[schemars(extend("default" = "sudo"))]
    ansible_become_method: Option<Templated<Sudo>>,
    /// Whom to become.
    #[schemars(extend("default" = "root"))]
    ansible_become_user: Option<Templated<Root>>,
}

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum Mappings {
    Written(Portmap),
    Template(Template),
}
