//! Playbooks.

#![expect(dead_code, reason = "these types are described, never made")]

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::inventory::Vars;
use super::portmap::Portmap;
use super::value::{
    BatchSize, Count, File, Flag, HostOrder, Integer, Name, Never, OneOrMany, Pattern, Pause, Percentage, Policy, Port,
    Retries, Root, Status, Sudo, SudoOptions, SudoProgram, TagList, Template, Templated, Text, Time, Url, Window,
    given,
};

/// The names that a play's variables may have.
const VARIABLE: &str = "^(?!(true|false|none|True|False|None|not)$)[A-Za-z_][A-Za-z0-9_]*$";

/// A playbook: plays, done one after the other.
#[derive(JsonSchema)]
#[schemars(title = "Playbook", extend("minItems" = 1))]
pub(super) struct Playbook(Vec<Entry>);

/// A play, or the import of a file with plays.
struct Entry;

impl JsonSchema for Entry {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Entry".into()
    }

    /// By a condition, not by `anyOf`: an editor's message then is about the one that was meant.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "if": { "anyOf": [
                { "required": ["import_playbook"] },
                { "required": ["ansible.builtin.import_playbook"] },
                { "required": ["ansible.legacy.import_playbook"] },
            ] },
            "then": generator.subschema_for::<Import>(),
            "else": generator.subschema_for::<Play>(),
        })
    }
}

/// The plays of another file.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("maxProperties" = 4))]
struct Import {
    /// The file, relative to this one.
    #[schemars(rename = "import_playbook", transform = given)]
    file: Option<File>,
    /// The same.
    #[schemars(rename = "ansible.builtin.import_playbook", transform = given)]
    builtin: Option<File>,
    /// The same.
    #[schemars(rename = "ansible.legacy.import_playbook", transform = given)]
    legacy: Option<File>,
    /// A name for people.
    name: Option<Name>,
    /// Variables for all plays of the file; they win over the plays' own.
    #[schemars(extend("propertyNames" = { "pattern": VARIABLE }))]
    vars: Option<Vars>,
    /// Tags for all plays of the file.
    tags: Option<Tags>,
}

/// Some hosts, the mappings that they get, and in what order.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Play {
    /// A name for people.
    name: Option<Name>,
    /// The hosts: groups, names, globs, `~regex`, `group[0]`; `:` or `,` joins, `&` keeps, `!` takes away.
    #[schemars(example = &"all", example = &"web:!web[0]")]
    hosts: Hosts,
    /// Variables for templates; they win over those of the inventory.
    #[schemars(extend("propertyNames" = { "pattern": VARIABLE }))]
    vars: Option<Vars>,
    /// Files with more variables; of a list in the list, the first that exists.
    vars_files: Option<OneOrMany<OneOrMany<Text>>>,
    /// The mappings of all hosts of the play, in place of the inventory's variable `portmap`.
    #[schemars(transform = given)]
    portmap: Option<Mappings>,
    /// How many hosts have their turn together: a number, a share such as "25%", or a list of both whose last one repeats;
    /// 0 is all that are left. All at once unless given.
    #[schemars(transform = given, example = 1, example = &"25%", example = [1, 5, 10])]
    serial: Option<Templated<OneOrMany<Templated<BatchSize>>>>,
    /// The order of hosts.
    #[schemars(extend("default" = "inventory"))]
    order: Option<Templated<HostOrder>>,
    /// How many of a hundred hosts of a batch may fail.
    max_fail_percentage: Option<Templated<Percentage>>,
    /// How many hosts of the play may fail, whatever share of a batch they are.
    max_failures: Option<Templated<Count>>,
    /// Whether the first failure ends the play.
    #[schemars(extend("default" = false))]
    any_errors_fatal: Option<Templated<Flag>>,
    /// What happens when more hosts failed than may: no other starts (`stop`), all go on (`continue`), or changed hosts get
    /// their old rules back, those of the batch or all of the run.
    #[schemars(extend("default" = "stop"))]
    on_failure: Option<Templated<Policy>>,
    /// What is between two batches: a time, or `confirm` to be asked.
    #[schemars(example = &"30s", example = &"confirm")]
    pause: Option<Templated<Pause>>,
    /// How long a batch is watched before the next one.
    #[schemars(example = &"5m")]
    soak: Option<Templated<Time>>,
    /// What has to hold before a host's change is confirmed.
    verify: Option<Verify>,
    /// How long a host waits for the proof of a change before it undoes it: 5 to 600 seconds, or a time such as 30s.
    #[schemars(extend("default" = "30s"))]
    rollback_after: Option<Templated<Window>>,
    /// The user to log in as, where no variable `ansible_user` says.
    remote_user: Option<Text>,
    /// The port of the hosts' sshd, where no variable `ansible_port` says.
    port: Option<Templated<Port>>,
    /// Whether to become root by sudo, where no variable `ansible_become` says.
    r#become: Option<Templated<Flag>>,
    /// Whom to become.
    #[schemars(extend("default" = "root"))]
    become_user: Option<Templated<Root>>,
    /// How to become root.
    #[schemars(extend("default" = "sudo"))]
    become_method: Option<Templated<Sudo>>,
    /// The program for it.
    #[schemars(extend("default" = "sudo"))]
    become_exe: Option<Templated<SudoProgram>>,
    /// Options for it, of which those of Ansible change nothing.
    become_flags: Option<Templated<SudoOptions>>,
    /// Words by which plays are chosen: a list, or a text with commas.
    #[schemars(transform = given)]
    tags: Option<Tags>,
    /// Accepted for playbooks that Ansible reads too: no facts are gathered.
    #[schemars(transform = given)]
    gather_facts: Option<Never>,
}

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum Hosts {
    One(Pattern),
    Many(#[schemars(extend("minItems" = 1))] Vec<Pattern>),
}

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum Mappings {
    Written(Portmap),
    Template(Template),
}

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum Tags {
    Words(TagList),
    List(Vec<Tag>),
}

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum Tag {
    Word(Text),
    Number(Integer),
}

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum Verify {
    Checks(#[schemars(extend("maxItems" = 64))] Vec<Item>),
    Template(Template),
}

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum Item {
    Ssh(Login),
    Check(Check),
    Template(Template),
}

/// A new login.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "lowercase")]
enum Login {
    Ssh,
}

/// A check: one of `ssh`, `tcp`, `closed`, `http`, `command`, `remote_command`, and how patient it is.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [
    { "required": ["ssh"] },
    { "required": ["tcp"] },
    { "required": ["closed"] },
    { "required": ["http"] },
    { "required": ["command"] },
    { "required": ["remote_command"] },
]))]
struct Check {
    /// A new login; it has no value.
    ssh: Option<()>,
    /// A port of the host that answers from here.
    #[schemars(transform = given)]
    tcp: Option<Templated<Port>>,
    /// A port of the host that does not.
    #[schemars(transform = given)]
    closed: Option<Templated<Port>>,
    #[schemars(transform = given)]
    http: Option<Templated<Http>>,
    /// A program on this machine that ends with 0: its words, or a text that is split as a shell would; no shell runs it.
    #[schemars(transform = given, example = &"curl -fsS http://203.0.113.7/")]
    command: Option<Words>,
    /// A program on the host that ends with 0.
    #[schemars(transform = given, example = &"systemctl is-active nginx")]
    remote_command: Option<Words>,
    /// How long one try may take, up to 10 minutes.
    #[schemars(extend("default" = "5s"))]
    timeout: Option<Templated<Time>>,
    /// How often it is tried again.
    #[schemars(extend("default" = 0))]
    retries: Option<Templated<Retries>>,
    /// The wait before it is tried again.
    #[schemars(extend("default" = "1s"))]
    delay: Option<Templated<Time>>,
}

/// A request, and the answer that is good.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Http {
    /// What is asked for.
    url: Templated<Url>,
    /// The status of the answer, or several that are good.
    #[schemars(extend("default" = 200))]
    status: Option<Templated<OneOrMany<Templated<Status>>>>,
    /// What the answer's body must hold.
    contains: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum Words {
    Text(Text),
    Words(#[schemars(extend("minItems" = 1))] Vec<String>),
}
