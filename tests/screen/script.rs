//! The program on a real terminal: a pseudo-terminal of script(1), 80 columns wide.

use std::process::{Command, Output};

/// Runs the program for one host that nobody reaches, with these environment variables.
fn on_a_terminal(variables: &[(&str, &str)]) -> Output {
    // 192.0.2.0/24 is for documentation (RFC 5737); nothing answers there.
    let text = "all:\n  hosts:\n    web1:\n      ansible_host: 192.0.2.1\n      portmap: ['2222:22']\n";
    let inventory = tempfile::Builder::new().suffix(".yaml").tempfile().expect("a file");
    std::fs::write(inventory.path(), text).expect("written");
    let program = env!("CARGO_BIN_EXE_portmap-deploy");
    let command = format!(
        "stty cols 80 rows 24; {program} -i {} --timeout 1",
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
