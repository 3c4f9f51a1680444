//! Runs of 50 and 500 hosts, and questions, told to the display and seen in a terminal.

use super::feed;
use super::tmux::Terminal;

fn scene(columns: usize, rows: usize, name: &str) -> Terminal {
    Terminal::new(columns, rows, &feed::line(name))
}

/// Nothing that was drawn is left when the run is over.
#[track_caller]
fn is_tidy(terminal: &Terminal) {
    let history = terminal.history();
    for drawn in ["━", "─", "⏱", "more running"] {
        assert!(!history.contains(drawn), "{drawn} is left:\n{history}");
    }
}

fn end(terminal: &Terminal) -> String {
    let text = terminal.until_it_says("[exit 0]");
    is_tidy(terminal);
    text
}

fn five_hundred(columns: usize, rows: usize) -> [String; 3] {
    let terminal = scene(columns, rows, "500");
    let soak = terminal.at("soak");
    terminal.go("soak");
    let middle = terminal.at("middle");
    terminal.go("middle");
    [soak, middle, end(&terminal)]
}

#[test]
fn five_hundred_hosts_in_80_columns() {
    insta::assert_snapshot!(five_hundred(80, 24).join("--\n"));
}

#[test]
fn five_hundred_hosts_in_160_columns() {
    insta::assert_snapshot!(five_hundred(160, 50).join("--\n"));
}

fn fifty(columns: usize, rows: usize) -> [String; 3] {
    let terminal = scene(columns, rows, "50");
    let middle = terminal.at("middle");
    terminal.go("middle");
    let back = terminal.at("back");
    terminal.go("back");
    [middle, back, end(&terminal)]
}

#[test]
fn fifty_hosts_in_80_columns() {
    insta::assert_snapshot!(fifty(80, 24).join("--\n"));
}

#[test]
fn fifty_hosts_in_160_columns() {
    insta::assert_snapshot!(fifty(160, 50).join("--\n"));
}

/// After each change nothing is torn or left on the screen.
#[test]
fn a_terminal_that_changes_its_size() {
    let terminal = scene(100, 30, "50");
    terminal.at("middle");
    let mut pictures = vec![];
    for (columns, rows) in [(61, 30), (130, 30), (81, 40), (90, 24)] {
        terminal.resize(columns, rows);
        let bar = columns / 4;
        pictures.push(terminal.until("drawn anew", |text| {
            text.contains(" 2/50 ") && text.matches(['─', '━']).count() == bar
        }));
    }
    terminal.go("middle");
    terminal.at("back");
    terminal.go("back");
    // What a terminal has moved out of its upper end while it broke lines cannot be reached any more.
    let end = terminal.until_it_says("[exit 0]");
    assert!(!end.contains('⏱') && !end.contains('━'), "{end}");
    pictures.push(end);
    insta::assert_snapshot!(pictures.join("--\n"));
}

#[test]
fn a_terminal_of_ten_rows() {
    insta::assert_snapshot!(fifty(80, 10).join("--\n"));
}

#[test]
fn a_question_and_its_answers() {
    let asked = "go on with batch 2 (2 hosts)? [y/N]";
    let answered = |keys: &[&str]| {
        let terminal = scene(80, 24, "question");
        // What is typed before it is asked is not seen and does not count.
        terminal.at("before");
        terminal.types(&["y", "Enter"]);
        terminal.go("before");
        let question = terminal.until_it_says(asked);
        terminal.types(keys);
        let end = end(&terminal);
        assert!(
            question.trim_end().ends_with(asked),
            "drawn below the question:\n{question}"
        );
        assert!(!end.contains("^C") && !end.contains("^D"), "{end}");
        end
    };
    let said = ["yes Enter", "Enter", "n Enter", "C-d", "y C-d C-d"].map(|keys| {
        let end = answered(&keys.split(' ').collect::<Vec<_>>());
        let from = end.find("batch 1 is done; go on").unwrap();
        let upto = end.find("HOST").unwrap();
        format!("{keys}:\n{}", &end[from..upto])
    });
    insta::assert_snapshot!(said.join("--\n"));
}
