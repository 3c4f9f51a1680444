//! Keys that Ansible's plays have and that mean nothing, or something else, to a program that runs no tasks.

use crate::inventory::boolean;
use crate::problem::Problem;
use crate::yaml::Node;

const NO_TASKS: (&str, &str) = (
    "this program runs no tasks; it brings hosts to their `portmap`",
    "leave it to a playbook of its own for ansible-playbook",
);

/// What to say of a key, and what to do about it; `None`: Ansible has no such key either.
fn words(key: &str) -> Option<(&'static str, &'static str)> {
    Some(match key {
        "tasks" | "pre_tasks" | "post_tasks" | "handlers" | "roles" | "module_defaults" | "force_handlers"
        | "environment" | "collections" | "run_once" | "no_log" | "debugger" => NO_TASKS,
        "gather_facts" | "gather_subset" | "gather_timeout" | "fact_path" => (
            "this program gathers no facts",
            "remove it; `gather_facts: false` may stay",
        ),
        "strategy" => (
            "hosts of a batch go on independently of each other, always",
            "remove it; `serial` and --forks say how many run at a time",
        ),
        "throttle" => (
            "this program has no tasks to throttle",
            "use `serial`, or --forks on the command line",
        ),
        "connection" => ("all hosts are reached over ssh", "remove it"),
        "user" => ("`user` is an old name", "write `remote_user`"),
        "timeout" => (
            "a play has no time limit of its own",
            "use --timeout for connections, and `rollback_after` for the window in which a change is proven",
        ),
        "ignore_errors" | "ignore_unreachable" => (
            "a failed host is never taken for a good one",
            "use `max_fail_percentage`, `max_failures` or `on_failure: continue`",
        ),
        "check_mode" | "diff" => ("this is not a play's to say", "remove it"),
        "when" => (
            "plays have no conditions",
            "choose hosts by `hosts`, or plays by `tags`",
        ),
        "vars_prompt" => (
            "this program asks for no variables",
            "give them by `vars`, `vars_files` or --extra-vars",
        ),
        "become_pass" | "become_password" => (
            "a password does not belong into a playbook",
            "type it with -K, or set the variable ansible_become_password",
        ),
        "include" | "include_playbook" => ("playbooks are imported", "write `import_playbook`"),
        _ => return None,
    })
}

/// Whether a value of the one key of Ansible's that may stay says what is done anyway.
pub(super) fn is_harmless(gather_facts: &Node) -> bool {
    boolean(gather_facts, "gather_facts") == Ok(false)
}

/// Why a key of Ansible's is refused; `None`: Ansible has no such key.
pub(super) fn refusal(name: &str, key: &Node) -> Option<Problem> {
    let (why, hint) = words(name)?;
    Some(Problem::at(&key.at, format!("`{name}`: {why}")).hint(hint))
}
