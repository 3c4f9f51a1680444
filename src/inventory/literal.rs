//! Python literals, as `ast.literal_eval` reads them: what Ansible makes of values in INI files.
//!
//! As in Ansible, tuples and sets become lists, bytes become text, and so do complex numbers and the ellipsis. The
//! elements of a set keep the order in which they are written; Python's order changes from run to run.

mod collection;
mod number;
mod string;

use std::ops::Range;

use crate::problem::{Location, Problem};
use crate::yaml::{Node, Style, Value};

/// Python's parser refuses more.
const MAX_DEPTH: usize = 200;
/// The most values of a file.
const MAX_VALUES: usize = 2_000_000;

/// What Python takes for white space.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// Reads the literals of a file.
#[derive(Debug, Default)]
pub(super) struct Literals {
    values: usize,
}

impl Literals {
    /// The value that a text stands for, at places that `place` knows; `None`: it is no literal, but mere text.
    ///
    /// # Errors
    /// Literals that fail in Python too, and those that hold what a variable cannot.
    pub fn read(&mut self, text: &str, place: &dyn Fn(Range<usize>) -> Location) -> Result<Option<Node>, Problem> {
        // Most values are one word. Python refuses NUL anywhere, even in quotes.
        let is_word = text.starts_with(|c: char| c.is_alphabetic() || c == '/')
            && !text.contains(['"', '\'', '('])
            && !["True", "False", "None"].iter().any(|name| text.starts_with(name));
        if is_word || text.contains('\0') {
            return Ok(None);
        }
        let mut reader = Reader {
            text,
            at: 0,
            depth: 0,
            values: self.values,
            refusal: None,
            place,
        };
        let read = reader.whole();
        if reader.values > MAX_VALUES {
            let at = place(0..text.len());
            return Err(Problem::at(
                &at,
                format!("the file holds more than {MAX_VALUES} values"),
            ));
        }
        let Ok(item) = read else {
            return Ok(None);
        };
        self.values = reader.values;
        reader.refusal.map_or_else(|| Ok(Some(item.node)), Err)
    }
}

/// The text is no literal.
struct NoLiteral;

type Read<T> = Result<T, NoLiteral>;

/// A part of a literal.
struct Item {
    node: Node,
    kind: Kind,
}

/// What else may be done with a part.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// A number, which may take a sign, or an imaginary part behind it.
    Number(Number),
    /// A number with a sign.
    Signed(Number),
    /// Something that Python cannot have in a set or as a key.
    Mutable,
    Bytes,
    /// Complex numbers and the ellipsis, which become text as values but not as keys.
    Odd,
    Other,
}

#[derive(Clone, Copy, PartialEq)]
enum Number {
    Real(f64),
    Imaginary(f64),
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    values: usize,
    /// The first reason why the text is a literal and yet no value. It counts only if the rest is a literal too.
    refusal: Option<Problem>,
    place: &'t dyn Fn(Range<usize>) -> Location,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\x0c')) {
            self.at += 1;
        }
    }

    /// Goes over this byte and the spaces behind it, if it is next.
    fn takes(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
            self.spaces();
        }
        found
    }

    fn item(&mut self, start: usize, value: Value, style: Style, kind: Kind) -> Item {
        self.values += 1;
        let at = (self.place)(start..self.at);
        Item {
            node: Node { value, at, style },
            kind,
        }
    }

    fn list(&mut self, start: usize, items: Vec<Item>, kind: Kind) -> Item {
        let nodes: Vec<Node> = items.into_iter().map(|item| item.node).collect();
        self.item(start, Value::List(nodes.into()), Style::Collection, kind)
    }

    /// An expression and nothing but a comment behind it; commas make it a tuple.
    fn whole(&mut self) -> Read<Item> {
        self.spaces();
        let start = self.at;
        let first = self.sum()?;
        let item = if self.peek() == Some(b',') {
            let items = self.tuple(first, None)?;
            let mut tuple = self.list(start, items, Kind::Other);
            let written = self.text.get(start..self.at).unwrap_or_default().trim_end();
            tuple.node.at = (self.place)(start..start + written.len());
            tuple
        } else {
            first
        };
        if self.rest().is_empty() || self.peek() == Some(b'#') {
            Ok(item)
        } else {
            Err(NoLiteral)
        }
    }

    /// The items of a tuple of which the first was read, up to its end.
    fn tuple(&mut self, first: Item, end: Option<u8>) -> Read<Vec<Item>> {
        let mut items = vec![first];
        while self.takes(b',') && !self.is_end(end) {
            self.bounded()?;
            items.push(self.sum()?);
        }
        Ok(items)
    }

    fn bounded(&self) -> Read<()> {
        if self.values > MAX_VALUES {
            Err(NoLiteral)
        } else {
            Ok(())
        }
    }

    fn is_end(&self, end: Option<u8>) -> bool {
        self.peek() == end || (end.is_none() && self.peek() == Some(b'#'))
    }

    /// A value, or a real number with an imaginary one added to it; and the spaces behind it.
    fn sum(&mut self) -> Read<Item> {
        let start = self.at;
        let left = self.signed()?;
        let minus = match self.peek() {
            Some(b'+') => false,
            Some(b'-') => true,
            _ => return Ok(left),
        };
        let (Kind::Number(Number::Real(real)) | Kind::Signed(Number::Real(real))) = left.kind else {
            return Err(NoLiteral);
        };
        self.at += 1;
        self.spaces();
        let right = self.atom()?;
        let Kind::Number(Number::Imaginary(imaginary)) = right.kind else {
            return Err(NoLiteral);
        };
        let text = if minus {
            number::complex(real - 0.0, 0.0 - imaginary)
        } else {
            number::complex(real + 0.0, 0.0 + imaginary)
        };
        let mut sum = self.item(start, Value::String(text), Style::Plain, Kind::Odd);
        sum.node.at.span.end = right.node.at.span.end;
        Ok(sum)
    }

    fn signed(&mut self) -> Read<Item> {
        let start = self.at;
        let minus = match self.peek() {
            Some(b'+') => false,
            Some(b'-') => true,
            _ => return self.atom(),
        };
        self.at += 1;
        self.spaces();
        let operand = self.atom()?;
        let Kind::Number(number) = operand.kind else {
            return Err(NoLiteral);
        };
        let end = operand.node.at.span.end;
        let written = self.text.get(start..self.at).unwrap_or_default().trim_end();
        let (value, number) = number::signed(operand.node.value, number, minus, written);
        let mut item = self.item(start, value, Style::Plain, Kind::Signed(number));
        item.node.at.span.end = end;
        Ok(item)
    }

    /// What stands on its own, and the spaces behind it.
    fn atom(&mut self) -> Read<Item> {
        let item = match self.peek().ok_or(NoLiteral)? {
            b'[' => self.nested(Self::brackets),
            b'(' => self.nested(Self::parentheses),
            b'{' => self.nested(Self::braces),
            b'.' if self.rest().starts_with("...") => Ok(self.ellipsis()),
            b'0'..=b'9' | b'.' => self.number(),
            b'"' | b'\'' => self.strings(),
            _ => self.word(),
        }?;
        self.spaces();
        Ok(item)
    }

    fn refuse_at(&mut self, at: &Location, message: String) {
        if self.refusal.is_none() {
            self.refusal = Some(Problem::at(at, message));
        }
    }

    fn ellipsis(&mut self) -> Item {
        let start = self.at;
        self.at += 3;
        self.item(start, Value::String("...".to_owned()), Style::Plain, Kind::Odd)
    }

    /// A name that means a value; `set()` is an empty set.
    fn word(&mut self) -> Read<Item> {
        let start = self.at;
        let rest = self.rest();
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        if string::is_prefix(name) && behind.starts_with(['"', '\'']) {
            return self.strings();
        }
        self.at += end;
        let value = match name {
            "None" => Value::Null,
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            "set" => return self.empty_set(start),
            _ => return Err(NoLiteral),
        };
        Ok(self.item(start, value, Style::Plain, Kind::Other))
    }

    fn empty_set(&mut self, start: usize) -> Read<Item> {
        self.spaces();
        if !self.takes(b'(') {
            return Err(NoLiteral);
        }
        self.close(b')')?;
        Ok(self.list(start, Vec::new(), Kind::Mutable))
    }
}

/// What names and numbers consist of.
fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || !c.is_ascii()
}

#[cfg(test)]
mod tests;
