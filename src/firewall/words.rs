//! Splits a line into words as `iptables-restore` does (iptables 1.8 `xshared.c`, `add_param_to_argv`): blanks
//! part words, double quotes hold them together, a backslash inside quotes takes the next character as it is. The quote at
//! the end of a part ends the word: `"a"b` are two.

/// One word. A quoted word is never an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub text: String,
    pub quoted: bool,
    /// Where it starts, in characters from 0.
    pub at: usize,
}

impl Word {
    /// Whether this is the bare word `text`.
    pub fn is(&self, text: &str) -> bool {
        !self.quoted && self.text == text
    }

    /// Whether this could be an option.
    pub fn is_option(&self) -> bool {
        !self.quoted && self.text.len() > 1 && self.text.starts_with('-')
    }
}

/// The words of a line, or the place of a quote that is never closed.
pub(super) fn split(line: &str) -> Result<Vec<Word>, usize> {
    let mut words = Vec::new();
    let mut characters = line.chars().enumerate().peekable();
    while let Some(&(at, character)) = characters.peek() {
        if character == ' ' || character == '\t' {
            characters.next();
        } else {
            words.push(word(at, &mut characters)?);
        }
    }
    Ok(words)
}

fn word(at: usize, characters: &mut std::iter::Peekable<impl Iterator<Item = (usize, char)>>) -> Result<Word, usize> {
    let mut word = Word {
        text: String::new(),
        quoted: false,
        at,
    };
    let mut open = None;
    while let Some(&(place, character)) = characters.peek() {
        match (open, character) {
            (None, ' ' | '\t') => break,
            (None, '"') => {
                open = Some(place);
                word.quoted = true;
            }
            (Some(_), '"') => {
                characters.next();
                return Ok(word);
            }
            (Some(_), '\\') => {
                characters.next();
                word.text.extend(characters.peek().map(|&(_, escaped)| escaped));
            }
            _ => word.text.push(character),
        }
        characters.next();
    }
    open.map_or(Ok(word), Err)
}

/// Writes a word so that it reads back as it is. Control characters but tabs cannot be written and are left out.
pub(super) fn quote(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_.:/@+,%".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    quoted(text)
}

/// Writes a value of an option: one that looks like an option itself in quotes.
pub(super) fn value(text: &str) -> String {
    let plain =
        |character: char| character.is_ascii_alphanumeric() || "-_.:/@+,%=|[]*^~;{}()#&<>?$".contains(character);
    if text.is_empty() || text.starts_with('-') || !text.chars().all(plain) {
        return quoted(text);
    }
    text.to_owned()
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text
        .chars()
        .filter(|character| *character == '\t' || !character.is_control())
    {
        if character == '"' || character == '\\' {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(line: &str) -> Vec<String> {
        split(line)
            .unwrap_or_default()
            .into_iter()
            .map(|word| word.text)
            .collect()
    }

    #[test]
    fn splits_like_iptables() {
        assert_eq!(
            texts(r#"-m comment --comment "a \"b\" \\ -j DROP" -j X"#),
            ["-m", "comment", "--comment", r#"a "b" \ -j DROP"#, "-j", "X"]
        );
        assert_eq!(texts("a\t b  "), ["a", "b"]);
        assert_eq!(texts(r#"--string "" x"#), ["--string", "", "x"]);
        assert_eq!(
            texts(r#""a"b "c"-d "" "" e"f g"h"#),
            ["a", "b", "c", "-d", "", "", "ef g", "h"]
        );
        assert_eq!(split(r#"a "b"#), Err(2));
    }

    proptest! {
        #[test]
        fn quoting_reads_back(text in "[^\\p{Cc}]{0,20}") {
            prop_assert_eq!(texts(&quote(&text)), vec![text.clone()]);
            prop_assert_eq!(texts(&value(&text)), vec![text]);
        }
        #[test]
        fn never_panics(text in ".*") {
            let _ = split(&text);
        }
    }
}
