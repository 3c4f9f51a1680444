//! Real runs to lab hosts in a terminal.

use super::support::lab::Lab;
use super::support::run::variables;
use super::tmux::Terminal;

/// The line of sh that runs the program for the lab.
fn line(lab: &Lab, args: &[&str]) -> String {
    let command = lab.controller(args);
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<String> = words
        .map(|word| format!("'{}'", word.to_str().expect("UTF-8")))
        .collect();
    // Nothing of the tests' environment but what the terminal itself says.
    format!(
        "clear; env -i TERM=\"$TERM\" HOME='{}' PATH=\"$PATH\" {}",
        lab.home().display(),
        words.join(" ")
    )
}

/// What was seen of a run, without its recap but for the totals; the same in each run: each number is `#`, and however
/// wide it is changes nothing.
fn normal(text: &str) -> String {
    let recap = text.find("\nHOST ").unwrap_or(text.len());
    let (run, recap) = text.split_at(recap);
    let totals = recap.lines().find(|line| line.contains(" hosts in "));
    let lines = run.trim_end().lines().chain(totals);
    lines.fold(String::new(), |text, line| text + &numberless(line.trim_end()) + "\n")
}

fn numberless(line: &str) -> String {
    let mut normal = String::new();
    for word in line.split(' ') {
        let number = word.chars().any(|c| c.is_ascii_digit()) && !word.starts_with("host");
        match word {
            "" if normal.ends_with("  ") => continue,
            _ if number => normal.extend(["#"]),
            word => normal.push_str(word),
        }
        normal.push(' ');
    }
    normal.trim_end().to_owned()
}

#[test]
fn three_hosts() {
    let lab = Lab::up(3, "nft");
    let inventory = lab.inventory();
    let mappings = variables(&lab, "portmap: ['2222:22']\nportmap_rollback_after: 12s");
    let playbook = lab.home().join("play.yaml");
    let play = "- hosts: all\n  serial: [1, 2]\n  pause: confirm\n";
    std::fs::write(&playbook, play).unwrap();
    let sources = ["-i", inventory.to_str().unwrap(), "-i", mappings.to_str().unwrap()];
    let playbook = playbook.to_str().unwrap();
    let asked = "go on with batch 2 (2 hosts)? [y/N]";

    // An interrupt ends a question at once, and the run with it.
    let terminal = Terminal::new(80, 24, &line(&lab, &[&sources[..], &[playbook]].concat()));
    terminal.until_it_says(asked);
    terminal.types(&["C-c"]);
    terminal.until_it_says("[exit 99]");
    let interrupted = terminal.history();
    drop(terminal);

    // host3's new port is blocked on the way: it waits for its proof, and is interrupted then.
    let block = "nft add table inet cloud; \
         nft add chain inet cloud forward '{ type filter hook forward priority 0; }'; \
         nft add rule inet cloud forward ip daddr ADDRESS tcp dport 2222 drop";
    let address = lab.address("host3", 4).to_string();
    assert!(lab.upstream(&block.replace("ADDRESS", &address)).status.success());
    let terminal = Terminal::new(80, 24, &line(&lab, &[&sources[..], &[playbook]].concat()));
    terminal.until_it_says(asked);
    terminal.types(&["y", "Enter"]);
    let running = terminal.until("host3 verifies alone", |text| {
        text.contains("✔ confirmed    host2") && text.contains("the old ones still open")
    });
    terminal.types(&["C-c"]);
    terminal.until_it_says("[exit 99]");
    let history = terminal.history();
    drop(terminal);
    for drawn in ["━", "─", "⏱", "^C"] {
        assert!(!history.contains(drawn), "{drawn} is left:\n{history}");
    }

    lab.unblock();
    let terminal = Terminal::new(160, 50, &line(&lab, &[&sources[..], &["--forks", "1"]].concat()));
    let confirmed = terminal.until_it_says("[exit 0]");
    let pictures = [interrupted, running, history, confirmed].map(|text| normal(&text));
    insta::assert_snapshot!(pictures.join("--\n"));
}
