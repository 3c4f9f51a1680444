//! JSON as Python's `json` module reads it: with `NaN` and `Infinity`, and of equal keys the last. Ansible tries it
//! before YAML.

use std::ops::Range;
use std::sync::Arc;

use super::build::{MAX_DEPTH, MAX_VALUES};
use super::map::unique;
use super::scan::{Result, Stop};
use super::{Document, Node, Style, Value};
use crate::problem::{Location, Problem, Source};

/// Reads a JSON text, as inventory scripts print it. Objects with the key `__ansible_unsafe` or `__ansible_vault` are
/// the text under it.
///
/// # Errors
/// The place where it ends to be JSON.
pub fn read_json(source: &Arc<Source>) -> std::result::Result<Document, Vec<Problem>> {
    let mut reader = Reader {
        source,
        at: 0,
        depth: 0,
        values: 0,
    };
    match reader.document() {
        Ok(root) => Ok(Document {
            root,
            warnings: Vec::new(),
        }),
        Err(problem) => Err(vec![*problem.0]),
    }
}

struct Reader<'s> {
    source: &'s Arc<Source>,
    at: usize,
    depth: usize,
    values: usize,
}

impl<'s> Reader<'s> {
    fn document(&mut self) -> Result<Node> {
        let root = self.value()?;
        self.pass_blanks();
        if self.byte().is_some() {
            return Err(self.problem("nothing more can stand behind the value"));
        }
        Ok(root)
    }

    fn byte(&self) -> Option<u8> {
        self.source.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'s str {
        self.source.text.get(self.at..).unwrap_or_default()
    }

    fn pass(&mut self, byte: u8) -> bool {
        let is_there = self.byte() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn pass_blanks(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn location(&self, span: Range<usize>) -> Location {
        Location {
            source: Arc::clone(self.source),
            span,
        }
    }

    /// A problem with the character that the reader stands at.
    fn problem(&self, message: &str) -> Stop {
        let length = self.rest().chars().next().map_or(0, char::len_utf8);
        let location = self.location(self.at..self.at + length);
        Stop::from(Problem::at(&location, format!("this is not JSON: {message}")))
    }

    fn value(&mut self) -> Result<Node> {
        self.pass_blanks();
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(self.problem(&format!("it holds more than {MAX_VALUES} values")));
        }
        let start = self.at;
        let (value, style) = match self.byte() {
            Some(b'"') => (Value::String(self.string()?), Style::Quoted),
            Some(b'[') => (self.list()?, Style::Collection),
            Some(b'{') => return self.map(),
            _ => (self.word()?, Style::Plain),
        };
        let at = self.location(start..self.at);
        Ok(Node { value, at, style })
    }

    /// A number, or one of the few words.
    fn word(&mut self) -> Result<Value> {
        const WORDS: [(&str, Value); 6] = [
            ("null", Value::Null),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("NaN", Value::Float(f64::NAN)),
            ("Infinity", Value::Float(f64::INFINITY)),
            ("-Infinity", Value::Float(f64::NEG_INFINITY)),
        ];
        for (word, value) in WORDS {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        self.number().ok_or_else(|| self.problem("a value is missing here"))
    }

    fn number(&mut self) -> Option<Value> {
        let rest = self.rest();
        let whole = usize::from(rest.starts_with('-'));
        let whole = match digits(rest, whole) {
            0 => return None,
            _ if rest.as_bytes().get(whole) == Some(&b'0') => whole + 1,
            count => whole + count,
        };
        let mut end = whole;
        if rest.as_bytes().get(end) == Some(&b'.') && digits(rest, end + 1) > 0 {
            end += 1 + digits(rest, end + 1);
        }
        if matches!(rest.as_bytes().get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(rest.as_bytes().get(end + 1), Some(b'+' | b'-')));
            let count = digits(rest, end + 1 + sign);
            end += if count > 0 { 1 + sign + count } else { 0 };
        }
        let text = rest.get(..end)?;
        self.at += end;
        if end > whole {
            return text.parse().ok().map(Value::Float);
        }
        // As in YAML, what is beyond 128 bits stays text.
        Some(text.parse().map_or_else(|_| Value::String(text.to_owned()), Value::Int))
    }

    fn string(&mut self) -> Result<String> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = self.rest();
            let end = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            let end = end.unwrap_or(rest.len());
            text.push_str(rest.get(..end).unwrap_or_default());
            self.at += end;
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escaped()?),
                Some(_) => return Err(self.problem("a control character within quotes is written as an escape")),
                None => return Err(self.problem("a quote is never closed")),
            }
        }
    }

    fn escaped(&mut self) -> Result<char> {
        let character = match self.rest().as_bytes().get(1) {
            Some(b'u') => return self.escaped_code(),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            _ => return Err(self.problem("there is no such escape")),
        };
        self.at += 2;
        Ok(character)
    }

    /// `\u00e9`, or two of them for one character. Half a pair is no text: Ansible refuses it too.
    fn escaped_code(&mut self) -> Result<char> {
        let codes = [self.code(0), self.code(6)];
        let units = codes.iter().map_while(|code| *code);
        match char::decode_utf16(units).next() {
            Some(Ok(character)) => {
                self.at += 6 * character.len_utf16();
                Ok(character)
            }
            _ => Err(self.problem("this escape stands for no character")),
        }
    }

    /// The number of an escape `\u0000` so many bytes ahead.
    fn code(&self, ahead: usize) -> Option<u16> {
        let digits = self.rest().get(ahead..ahead + 6)?.strip_prefix("\\u")?;
        let is_code = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_code.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
    }

    fn open(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = format!("values are nested more than {MAX_DEPTH} deep");
            return Err(Stop::from(Problem::at(&self.location(self.at..self.at + 1), message)));
        }
        self.at += 1;
        self.pass_blanks();
        Ok(())
    }

    /// Passes the comma behind an item, or the closing bracket: then there is no next item.
    fn has_next(&mut self, closing: u8) -> Result<bool> {
        self.pass_blanks();
        if self.pass(closing) {
            self.depth -= 1;
            return Ok(false);
        }
        if self.pass(b',') {
            self.pass_blanks();
            return Ok(true);
        }
        Err(self.problem("a `,` or the closing bracket is missing here"))
    }

    fn list(&mut self) -> Result<Value> {
        self.open()?;
        let mut items = Vec::new();
        let mut has_next = self.byte() != Some(b']') || self.has_next(b']')?;
        while has_next {
            items.push(self.value()?);
            has_next = self.has_next(b']')?;
        }
        Ok(Value::List(items.into()))
    }

    fn map(&mut self) -> Result<Node> {
        let start = self.at;
        self.open()?;
        let mut entries = Vec::new();
        let mut has_next = self.byte() != Some(b'}') || self.has_next(b'}')?;
        while has_next {
            if self.byte() != Some(b'"') {
                return Err(self.problem("a key in double quotes is missing here"));
            }
            let key = self.value()?;
            self.pass_blanks();
            if !self.pass(b':') {
                return Err(self.problem("a `:` is missing behind the key"));
            }
            entries.push((key, self.value()?));
            has_next = self.has_next(b'}')?;
        }
        let (entries, _) = unique(entries);
        made(entries, self.location(start..self.at))
    }
}

/// A map, or what Ansible writes as one.
fn made(entries: Vec<(Node, Node)>, at: Location) -> Result<Node> {
    let marked = |mark: &str| entries.iter().find(|(key, _)| key.as_str() == Some(mark));
    for mark in ["__ansible_unsafe", "__ansible_vault", "__ansible_type"] {
        let Some((key, value)) = marked(mark) else { continue };
        let text = value.as_str().filter(|_| value.style == Style::Quoted);
        let (value, style) = match (mark, text) {
            ("__ansible_unsafe", Some(text)) => (Value::String(text.to_owned()), Style::Unsafe),
            ("__ansible_vault", Some(text)) => (Value::Vault(text.to_owned()), Style::Quoted),
            ("__ansible_type", _) => {
                return Err(Stop::from(Problem::at(
                    &key.at,
                    "objects of Ansible cannot be read here",
                )));
            }
            _ => {
                return Err(Stop::from(Problem::at(
                    &value.at,
                    format!("only text can stand under `{mark}`"),
                )));
            }
        };
        return Ok(Node { value, at, style });
    }
    Ok(Node {
        value: Value::Map(entries.into()),
        at,
        style: Style::Collection,
    })
}

/// How many digits stand there.
fn digits(text: &str, from: usize) -> usize {
    let bytes = text.as_bytes().iter().skip(from);
    bytes.take_while(|byte| byte.is_ascii_digit()).count()
}
