//! The program as it is called: exit codes, and what goes to standard output and standard error.

#![expect(clippy::expect_used, reason = "a test stops where something is not as expected")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

fn program(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portmap-deploy"))
        .args(args)
        // Not among the journals of whoever runs the tests.
        .env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .output()
        .expect("the program runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// An inventory with this text, gone when dropped.
fn inventory(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    file
}

#[test]
fn help_and_version_are_answers() {
    for args in [&["--help"][..], &["-h"], &["--version"], &["deploy", "--help"]] {
        let output = program(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stderr.is_empty() && !output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn bad_arguments_are_errors_before_any_host() {
    let wrong: &[&[&str]] = &[
        &["--no-such-option"],
        &["-i", "x.yaml", "--forks", "0"],
        &["-i", "x.yaml", "--serial", "-1"],
        &["-i", "x.yaml", "--output", "xml"],
        &["-i", "x.yaml", "--rollback-after", "soon"],
        &["-i", "x.yaml", "--ssh-common-args", "-o 'open"],
        &["deploy", "-i"],
    ];
    for args in wrong {
        let output = program(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(stderr(&output).starts_with("error: "), "{args:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn the_password_is_asked_for_on_a_terminal_only_and_after_the_inventory_was_read() {
    let ask = |text: &str| {
        let file = inventory(text);
        // Away from the terminal that the tests may run on.
        let output = Command::new("setsid")
            .args(["-w", env!("CARGO_BIN_EXE_portmap-deploy"), "-K", "-i"])
            .arg(file.path())
            .output()
            .expect("the program runs");
        assert_eq!(output.status.code(), Some(1));
        stderr(&output)
    };
    let said = ask("all: {hosts: {h: {portmap: ['2222:22']}}}");
    assert!(
        said.contains("no terminal") && said.contains("ansible_become_password"),
        "{said}"
    );
    let said = ask("all: {hosts: {h: {portmap: [2222:22]}}}");
    assert!(!said.contains("no terminal") && said.contains("2222:22"), "{said}");
}

#[test]
fn who_asks_for_nothing_is_told_so() {
    for args in [&[][..], &["deploy"]] {
        let output = program(args);
        assert_eq!(output.status.code(), Some(1));
        let said = stderr(&output);
        assert!(said.starts_with("error: nothing is asked for: "), "{said}");
        assert!(said.contains("\n  hint: name an inventory: -i hosts.yaml"), "{said}");
    }
}

#[test]
fn without_an_inventory_there_is_a_hint() {
    // No settings of whoever runs the tests.
    let settings = tempfile::Builder::new().suffix(".cfg").tempfile().expect("a file");
    for args in [
        &["-l", "x"][..],
        &["site.yaml"],
        &["remove", "-l", "x"],
        &["inventory", "--list"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_portmap-deploy"))
            .args(args)
            .env("ANSIBLE_CONFIG", settings.path())
            .env_remove("ANSIBLE_INVENTORY")
            .output()
            .expect("the program runs");
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let said = stderr(&output);
        assert!(
            said.starts_with("error: no inventory given\n  hint: name one: "),
            "{args:?}: {said}"
        );
    }
}

#[test]
fn an_inventory_that_is_not_there_is_named() {
    let output = program(&["-i", "/no/such/hosts.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "error: the inventory /no/such/hosts.yaml does not exist\n"
    );
}

#[test]
fn hosts_without_mappings_are_said_and_left_alone() {
    let file = inventory("all:\n  hosts:\n    db1: {}\n    db2: {}\n");
    let path = file.path().to_str().expect("UTF-8");
    let output = program(&["-i", path]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "not touched, no `portmap` variable: db1, db2\n");
    assert_eq!(stdout(&output), "no hosts, nothing to do\n");
}

#[test]
fn a_host_that_nobody_reaches_is_reported_on_every_output() {
    // 192.0.2.0/24 is for documentation (RFC 5737); nothing answers there.
    let file = inventory("all:\n  hosts:\n    web1:\n      ansible_host: 192.0.2.1\n      portmap: ['2222:22']\n");
    let path = file.path().to_str().expect("UTF-8");
    let call = |format| program(&["-i", path, "--timeout", "1", "--output", format]);

    let text = call("text");
    assert_eq!(text.status.code(), Some(4), "{}", stderr(&text));
    assert!(stdout(&text).contains("unreachable"), "{}", stdout(&text));
    assert!(stderr(&text).starts_with("web1 | "), "{}", stderr(&text));

    let json = call("json");
    let document: serde_json::Value = serde_json::from_slice(&json.stdout).expect("one document");
    assert_eq!(document["exit_code"], 4);
    assert_eq!(document["hosts"]["web1"]["state"], "unreachable");
    assert_eq!(document["totals"]["unreachable"], 1);

    let jsonl = stdout(&call("jsonl"));
    let lines: Vec<serde_json::Value> = jsonl
        .lines()
        .map(|line| serde_json::from_str(line).expect("a document a line"))
        .collect();
    let kinds: Vec<&str> = lines.iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!(kinds[..3], ["started", "batch_started", "host_started"]);
    assert_eq!(
        kinds[kinds.len() - 3..],
        ["host_finished", "batch_finished", "finished"]
    );
}

#[test]
fn rules_are_spelled_one_way_and_faults_shown_with_their_place() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("UTF-8");
    let fmt = |text: &str, more: &[&str]| {
        std::fs::write(file.path(), text).expect("written");
        program(&[&["rules", "fmt", path], more].concat())
    };
    let text = "*filter\n[3:4] -A INPUT --jump DROP -s 10.0.0.1\nCOMMIT\n";
    let told = fmt(text, &[]);
    assert_eq!(told.status.code(), Some(0), "{}", stderr(&told));
    assert_eq!(
        stdout(&told),
        "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 10.0.0.1/32 -j DROP\nCOMMIT\n"
    );
    let counted = stdout(&fmt(text, &["--counters"]));
    assert!(counted.contains("\n[3:4] -A INPUT -s "), "{counted}");

    let wrong = fmt("*filter\n-A INPUT --dport 22\nCOMMIT\n", &[]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(wrong.stdout.is_empty());
    let said = stderr(&wrong);
    assert!(
        said.starts_with("error: unknown option `--dport`\n") && said.contains(&format!("{path}:2:10")),
        "{said}"
    );
    assert!(
        said.contains("\n2 | -A INPUT --dport 22\n  |          ^^^^^^^"),
        "{said}"
    );

    let absent = program(&["rules", "fmt", "/no/such/rules"]);
    assert_eq!(absent.status.code(), Some(1));
    assert!(
        stderr(&absent).starts_with("error: cannot read the rules in /no/such/rules\n  caused by: "),
        "{}",
        stderr(&absent)
    );
}

#[test]
fn rules_are_read_from_standard_input() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portmap-deploy"))
        .args(["rules", "fmt", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(b"*nat\n-A NOWHERE\nCOMMIT\n").expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("standard input:2:4"), "{}", stderr(&output));
}

#[test]
fn rules_of_a_first_deploy_are_rendered_host_by_host() {
    let file =
        inventory("all: {hosts: {a: {portmap: ['2222:22']}, b: {portmap: []}, c: {}, d: {portmap: ['80:8080']}}}");
    let path = file.path().to_str().expect("UTF-8");
    let all = program(&["rules", "render", "-i", path]);
    assert_eq!(all.status.code(), Some(0), "{}", stderr(&all));
    assert_eq!(stderr(&all), "not touched, no `portmap` variable: c\n");
    let said = stdout(&all);
    let titles: Vec<&str> = said.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(
        titles,
        [
            "# a, IPv4: iptables-restore --noflush",
            "# a, IPv6: ip6tables-restore --noflush",
            "# b, IPv4: iptables-restore --noflush (no mappings, no rules)",
            "# b, IPv6: ip6tables-restore --noflush (no mappings, no rules)",
            "# d, IPv4: iptables-restore --noflush",
            "# d, IPv6: ip6tables-restore --noflush",
        ]
    );
    let one = stdout(&program(&["rules", "render", "-i", path, "-l", "d", "--family", "6"]));
    assert!(
        one.starts_with(titles[5]) && said.ends_with(&one) && one.lines().filter(|line| *line == "COMMIT").count() == 2
    );
    let nothing = program(&["rules", "render"]);
    assert_eq!(nothing.status.code(), Some(1));
}

/// The repository's README.
fn readme() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("a README")
}

#[test]
fn the_readme_names_every_option_and_no_other() {
    let commands = [
        "remove",
        "rollback",
        "confirm",
        "cancel",
        "extend",
        "drill",
        "history",
        "resume",
        "status",
        "verify",
        "rules fmt",
        "rules render",
        "audit",
        "explain",
        "trace",
    ];
    let help = commands.map(|command| {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        stdout(&program(&words))
    });
    let help = stdout(&program(&["--help"])) + &help.concat();
    let options = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        words
            .filter(|word| word.starts_with("--") && !word.starts_with("---") && word.len() > 2)
            .map(str::to_owned)
            .collect()
    };
    let readme = readme();
    let section = readme
        .split("## Options")
        .nth(1)
        .and_then(|rest| rest.split("\n## ").next())
        .expect("its options");
    let mut told = options(section);
    told.extend(["--help", "--version", "--verbose"].map(str::to_owned));
    assert_eq!(options(&help), told);
}

/// The blocks of YAML in the README.
fn blocks(readme: &str) -> Vec<&str> {
    let ends = |rest: &'_ str| rest.find("```").unwrap_or(rest.len());
    readme
        .split("```yaml\n")
        .skip(1)
        .map(|rest| &rest[..ends(rest)])
        .collect()
}

#[test]
fn the_readmes_playbook_is_the_one_in_the_repository() {
    let playbook = include_str!("../playbooks/site.yaml");
    let readme = readme();
    let shown = blocks(&readme)[1];
    assert!(shown.starts_with("- name: ") && playbook.ends_with(shown), "{shown}");
}

#[test]
fn the_readmes_inventory_is_sound() {
    let readme = readme();
    let file = inventory(blocks(&readme)[0]);
    let path = file.path().to_str().expect("UTF-8");
    // No host of it is meant to be touched here: the limit leaves none, and says so.
    let output = program(&["-i", path, "-l", "nobody"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("nobody"), "{}", stderr(&output));
    assert_eq!(stderr(&output).matches("error").count(), 1, "{}", stderr(&output));
}

/// Ansible itself is not needed: a program of its name answers, and is told the source alone.
#[test]
fn a_plugins_configuration_is_handed_to_ansible_where_it_is_installed() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("aws_ec2.yml");
    std::fs::write(&source, "plugin: amazon.aws.aws_ec2\n").expect("written");
    let listed = |path: &str| {
        Command::new(env!("CARGO_BIN_EXE_portmap-deploy"))
            .args(["inventory", "--list-hosts", "-i"])
            .arg(&source)
            .env("PATH", path)
            .output()
            .expect("the program runs")
    };
    let without = listed("/nonexistent");
    assert_eq!(without.status.code(), Some(1));
    assert!(stderr(&without).contains("amazon.aws.aws_ec2"), "{}", stderr(&without));

    let ansible = folder.path().join("ansible-inventory");
    let script =
        "#!/bin/sh\n[ \"$1 $2\" = '--list --export' ] && echo \"{\\\"all\\\": {\\\"hosts\\\": [\\\"${3##*/}\\\"]}}\"\n";
    std::fs::write(&ansible, script).expect("written");
    std::fs::set_permissions(&ansible, PermissionsExt::from_mode(0o755)).expect("a mode");
    let with = listed(&format!("{}:/usr/bin:/bin", folder.path().display()));
    assert_eq!(
        String::from_utf8_lossy(&with.stdout),
        "aws_ec2.yml\n",
        "{}",
        stderr(&with)
    );
}
