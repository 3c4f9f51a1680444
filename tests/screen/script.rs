//! The program on a real terminal: a pseudo-terminal of script(1), 80 columns wide.

use std::process::{Command, Output};

/// An inventory of one host that nobody reaches.
fn nobody() -> tempfile::NamedTempFile {
    // 192.0.2.0/24 is for documentation (RFC 5737); nothing answers there.
    let text = "all:\n  hosts:\n    web1:\n      ansible_host: 192.0.2.1\n      portmap: ['2222:22']\n";
    let inventory = tempfile::Builder::new().suffix(".yaml").tempfile().expect("a file");
    std::fs::write(inventory.path(), text).expect("written");
    inventory
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_portmap-deploy");

/// Runs the program for that host, with these environment variables.
fn on_a_terminal(variables: &[(&str, &str)]) -> Output {
    let inventory = nobody();
    let command = format!(
        "stty cols 80 rows 24; {PROGRAM} -i {} --timeout 1",
        inventory.path().display()
    );
    Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .envs(variables.iter().copied())
        .output()
        .expect("script(1) of util-linux")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_terminal_gets_a_bar_and_colours() {
    let output = on_a_terminal(&[]);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(text.contains("──\u{1b}[0m 0/1"), "no bar: {text:?}");
    assert!(text.contains("\u{1b}[31munreachable"), "no colour: {text:?}");
    assert!(!text.contains("web1 | connect"), "plain lines: {text:?}");
    // Nothing that was drawn is left: the last that follows the clearing is the recap.
    let end = text.rsplit("HOST").next().expect("a recap");
    assert!(end.contains("1 unreachable") && !end.contains('━'), "{end:?}");
}

#[test]
fn no_color_is_heeded() {
    let text = text(&on_a_terminal(&[("NO_COLOR", "1")]));
    assert!(text.contains("── 0/1"), "no bar: {text:?}");
    let colours: Vec<&str> = text
        .split("\u{1b}[")
        .skip(1)
        .filter(|code| {
            code.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';')
                .starts_with('m')
        })
        .collect();
    assert_eq!(colours, Vec::<&str>::new());
}

#[test]
fn a_terminal_that_cannot_move_its_cursor_gets_plain_lines() {
    let text = text(&on_a_terminal(&[("TERM", "dumb")]));
    assert!(text.contains("web1 | connect"), "{text:?}");
    assert!(!text.contains('─'), "{text:?}");
}

/// Runs the program for that host without a terminal.
fn without_a_terminal(args: &[&str], variables: &[(&str, &str)]) -> (String, String) {
    let inventory = nobody();
    let output = Command::new(PROGRAM)
        .arg("-i")
        .arg(inventory.path())
        .args(["--timeout", "1"])
        .args(args)
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .envs(variables.iter().copied())
        .output()
        .expect("the program");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (text(output.stdout), text(output.stderr))
}

#[test]
fn colours_are_forced_and_forbidden_as_everywhere() {
    let (stdout, stderr) = without_a_terminal(&[], &[]);
    assert!(
        !stdout.contains('\u{1b}') && !stderr.contains('\u{1b}'),
        "{stdout}{stderr}"
    );
    let (stdout, stderr) = without_a_terminal(&[], &[("CLICOLOR_FORCE", "1")]);
    assert!(stdout.contains("\u{1b}[31munreachable"), "{stdout:?}");
    assert!(stderr.contains("web1 | unreachable"), "{stderr:?}");
    let both = [("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")];
    let (stdout, stderr) = without_a_terminal(&[], &both);
    assert!(
        !stdout.contains('\u{1b}') && !stderr.contains('\u{1b}'),
        "{stdout}{stderr}"
    );
    // Errors too.
    let (_, stderr) = without_a_terminal(&["-l", "nobody"], &[("CLICOLOR_FORCE", "1")]);
    assert!(stderr.contains('\u{1b}'), "{stderr:?}");
    let (_, stderr) = without_a_terminal(&["-l", "nobody"], &both);
    assert!(!stderr.contains('\u{1b}'), "{stderr:?}");
}

#[test]
fn github_gets_groups_annotations_and_a_summary() {
    let summary = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(summary.path(), "before\n").expect("written");
    let variables = [("GITHUB_STEP_SUMMARY", summary.path().to_str().expect("UTF-8"))];
    let (stdout, stderr) = without_a_terminal(&["--output", "github"], &variables);
    assert_eq!(stderr, "");
    let commands: Vec<&str> = stdout.lines().filter(|line| line.starts_with("::")).collect();
    assert_eq!(commands[..2], ["::group::1 host", "::endgroup::"], "{stdout}");
    assert!(
        commands[2].starts_with("::error title=web1%3A unreachable::"),
        "{stdout}"
    );
    assert!(
        commands[3].starts_with("::notice title=portmap-deploy::1 unreachable; 1 host in "),
        "{stdout}"
    );
    assert!(stdout.contains("\nweb1 | connect"), "{stdout}");
    let summary = std::fs::read_to_string(summary.path()).expect("readable");
    assert!(summary.starts_with("before\n### portmap-deploy\n"), "{summary}");
    assert!(summary.contains("\n| web1 | unreachable |"), "{summary}");
}
