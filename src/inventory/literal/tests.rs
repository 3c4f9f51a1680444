use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::problem::Source;

fn read(text: &str) -> Result<Option<Node>, Problem> {
    let source = Source::new("value", text);
    let place = |span| Location {
        source: Arc::clone(&source),
        span,
    };
    Literals::default().read(text, &place)
}

fn node(text: &str) -> Node {
    read(text).expect("a value").expect("a literal")
}

/// The text of every scalar, as written.
fn raws(node: &Node) -> Vec<&str> {
    match &node.value {
        Value::List(items) => items.iter().flat_map(raws).collect(),
        Value::Map(entries) => entries
            .iter()
            .flat_map(|(key, value)| [raws(key), raws(value)].concat())
            .collect(),
        _ => vec![node.raw()],
    }
}

#[test]
fn parts_know_their_places() {
    let list = node(" [1, 'a' \"b\", {-2 : (1 + 2j ,)}, set()] # more");
    assert_eq!(raws(&list), ["1", "'a' \"b\"", "-2", "1 + 2j"]);
    assert_eq!(list.raw(), "[1, 'a' \"b\", {-2 : (1 + 2j ,)}, set()]");
    assert_eq!(node("80, 443 , # x").raw(), "80, 443 ,");
    assert_eq!(node("( ( 1 ) )").raw(), "1");
}

#[test]
fn styles_tell_quotes_and_bytes() {
    let styles = ["'a'", "1", "[1]", "b'a'", "..."].map(|text| node(text).style);
    let expected = [
        Style::Quoted,
        Style::Plain,
        Style::Collection,
        Style::Unsafe,
        Style::Plain,
    ];
    assert_eq!(styles, expected);
}

#[test]
fn what_no_variable_can_hold_is_refused_only_in_a_literal() {
    for text in [
        "{[]}",
        "{[]: 1}",
        "{b'a': 1}",
        "{(1,): 2}",
        "{1j: 1}",
        "'\\ud800'",
        "b'\\xff'",
        "'\\N{BULLET}'",
    ] {
        assert!(read(text).is_err(), "{text}");
        assert_eq!(read(&format!("{text} x")), Ok(None), "{text}");
    }
}

#[test]
fn a_file_holds_so_many_values() {
    let text = format!("[{}]", "0,".repeat(MAX_VALUES));
    assert!(read(&text).is_err_and(|problem| problem.message.contains("more than")));
}

proptest! {
    #[test]
    fn any_text_is_read(text in "[-+0-9a-fxojTrue'\"\\\\{}\\[\\](),:. _#é]{0,40}") {
        if let Ok(Some(node)) = read(&text) {
            prop_assert!(text.contains(node.raw()));
        }
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = read(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn whole_numbers_and_text_come_back(number: i128, text in "[^\\\\'\\x00]*") {
        let number_value = node(&number.to_string()).value;
        // Python negates what it could read without the sign.
        if number != i128::MIN {
            prop_assert_eq!(number_value, Value::Int(number));
        }
        prop_assert_eq!(node(&format!("'{text}'")).value, Value::String(text));
    }
}
