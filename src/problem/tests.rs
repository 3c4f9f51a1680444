use proptest::prelude::*;

use super::*;

fn place(text: &str, span: Range<usize>) -> Location {
    Location {
        source: Source::new("hosts.yaml", text),
        span,
    }
}

#[test]
fn a_problem_shows_its_line_its_caret_and_the_way_out() {
    let problem = Problem::at(&place("a: 1\nportmap: 2222:22\n", 14..21), "this is no mapping")
        .label("a number")
        .hint("use quotes");
    let expected = "\
error: this is no mapping
 --> hosts.yaml:2:10
  |
2 | portmap: 2222:22
  |          ^^^^^^^ a number
  |
  = help: use quotes";
    assert_eq!(render(&[problem], Severity::Error, false), expected);
}

#[test]
fn warnings_say_so_and_problems_stand_apart() {
    let problems = [Problem::new("one"), Problem::new("two")];
    assert_eq!(
        render(&problems, Severity::Warning, false),
        "warning: one\n\nwarning: two"
    );
    assert_eq!(render(&[], Severity::Error, false), "");
}

#[test]
fn of_very_many_problems_the_first_are_shown_and_the_rest_counted() {
    let shown = render(&vec![Problem::new("one"); 203], Severity::Error, false);
    assert_eq!(shown.matches("error: one").count(), 200);
    assert!(shown.ends_with("\n\nand 3 more"), "{shown}");
}

#[test]
fn colour_is_asked_for() {
    let problem = [Problem::at(&place("x", 0..1), "wrong")];
    assert!(render(&problem, Severity::Error, true).contains("\u{1b}["));
    assert!(!render(&problem, Severity::Error, false).contains('\u{1b}'));
}

#[test]
fn of_a_place_of_many_lines_the_first_is_shown() {
    let shown = render(
        &[Problem::at(&place("a:\n  b: 1\r\n  c: 2\n", 5..17), "wrong")],
        Severity::Error,
        false,
    );
    assert!(shown.ends_with("2 |   b: 1\n  |   ^^^^"), "{shown}");
}

#[test]
fn carets_stand_under_wide_and_unprintable_text() {
    let text = "n: \"\u{9b}31m\u{1b}\u{200b}日本\" x";
    let start = text.find('x').unwrap_or_default();
    let shown = render(
        &[Problem::at(&place(text, start..start + 1), "wrong")],
        Severity::Error,
        false,
    );
    assert!(shown.contains("hosts.yaml:1:15\n"), "{shown}");
    assert!(
        shown.ends_with("1 | n: \"¿31m?\u{fffd}日本\" x\n  |                 ^"),
        "{shown}"
    );
}

#[test]
fn places_have_lines_and_columns_in_characters() {
    let text = "größe: 1\nä: 🚀x";
    let at = text.find('x').unwrap_or_default();
    assert_eq!(place(text, at..at + 1).to_string(), "hosts.yaml:2:5");
    assert_eq!(
        Problem::at(&place(text, 0..1), "wr\u{7}ong").to_string(),
        "wr\\u{7}ong (hosts.yaml:1:1)"
    );
}

#[test]
fn debug_output_keeps_the_text_of_the_source_to_itself() {
    assert_eq!(
        format!("{:?}", place("ansible_password: hunter2", 0..3)),
        "hosts.yaml[0..3]"
    );
}

#[test]
fn the_nearest_word_is_found_and_no_far_one() {
    let known = ["port", "to_port", "protocol", "source"];
    let cases = [
        ("to-prot", Some("to_port")),
        ("Proto", Some("protocol")),
        ("sources", Some("source")),
        ("zebra", None),
        ("", None),
    ];
    for (written, expected) in cases {
        assert_eq!(nearest(written, &known), expected, "{written}");
    }
    assert_eq!(nearest("port", &[]), None);
}

proptest! {
    /// Whatever a file holds and wherever a place points, nothing panics and no control character gets out.
    #[test]
    fn nothing_that_moves_the_cursor_is_printed(
        name in any::<String>(), text in any::<String>(), message in any::<String>(), start in 0..80_usize, end in 0..80_usize,
    ) {
        let at = Location { source: Source::new(name, text), span: start..end };
        let problem = Problem::at(&at, message.clone()).label(message.clone()).hint(message);
        let shown = render(std::slice::from_ref(&problem), Severity::Error, false);
        prop_assert!(!shown.chars().any(|c| c != '\n' && is_unprintable(c)), "{shown:?}");
        prop_assert!(!problem.to_string().chars().any(is_unprintable));
    }
}

#[test]
fn what_was_encrypted_is_not_quoted() {
    let problem = |source: Arc<Source>| {
        let at = Location { source, span: 3..12 };
        Problem::at(&at, "`hunter2:x` is not a mapping").hint("write `[\"hunter2:x\"]`")
    };
    let secret = problem(Source::secret("s.yml", "a: hunter2:x"));
    let shown = render(std::slice::from_ref(&secret), Severity::Error, false) + &secret.to_string();
    assert!(!shown.contains("hunter2") && shown.contains("s.yml:1:4"), "{shown}");
    let open = render(&[problem(Source::new("o.yml", "a: hunter2:x"))], Severity::Error, false);
    assert_eq!(open.matches("hunter2").count(), 3, "{open}");
}
