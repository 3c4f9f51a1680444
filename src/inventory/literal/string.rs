//! Quoted text: prefixes, escapes, three quotes, and several in a row.

use super::{Item, Kind, NoLiteral, Read, Reader};
use crate::problem::Problem;
use crate::yaml::{Style, Value};

/// Whether letters before a quote are a prefix that leaves a literal: `f` makes an expression.
pub(super) fn is_prefix(letters: &str) -> bool {
    ["r", "u", "b", "br", "rb"]
        .iter()
        .any(|prefix| prefix.eq_ignore_ascii_case(letters))
}

/// How the text between the quotes is to be read.
#[derive(Clone, Copy)]
struct Mode {
    raw: bool,
    bytes: bool,
}

/// Text while it is read: bytes may be anything until their end.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    /// A character that no text can hold.
    has_surrogate: bool,
}

impl Buffer {
    fn push(&mut self, c: char) {
        self.bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn push_code(&mut self, code: u32, mode: Mode) -> Read<()> {
        if mode.bytes {
            // Octal escapes beyond a byte lose their highest bit.
            self.bytes.push((code & 0xff) as u8);
        } else if (0xd800..0xe000).contains(&code) {
            self.has_surrogate = true;
        } else {
            self.push(char::from_u32(code).ok_or(NoLiteral)?);
        }
        Ok(())
    }
}

impl Reader<'_> {
    /// One string, or several in a row: they are one.
    pub(super) fn strings(&mut self) -> Read<Item> {
        let start = self.at;
        let mut buffer = Buffer::default();
        let mode = self.string(&mut buffer)?;
        let mut end = self.at;
        self.spaces();
        while self.begins_string() {
            if self.string(&mut buffer)?.bytes != mode.bytes {
                return Err(NoLiteral);
            }
            end = self.at;
            self.spaces();
        }
        self.at = end;
        let text = String::from_utf8(buffer.bytes);
        if buffer.has_surrogate || text.is_err() {
            let at = (self.place)(start..end);
            self.refuse_at(&at, "the text holds what is no character".to_owned());
        }
        // Ansible takes what was bytes for no template.
        let (style, kind) = if mode.bytes {
            (Style::Unsafe, Kind::Bytes)
        } else {
            (Style::Quoted, Kind::Other)
        };
        Ok(self.item(start, Value::String(text.unwrap_or_default()), style, kind))
    }

    fn begins_string(&self) -> bool {
        let rest = self.rest();
        rest.find(['"', '\''])
            .and_then(|quote| rest.get(..quote))
            .is_some_and(|letters| letters.is_empty() || is_prefix(letters))
    }

    fn string(&mut self, buffer: &mut Buffer) -> Read<Mode> {
        let rest = self.rest();
        let letters = rest.find(['"', '\'']).ok_or(NoLiteral)?;
        let (prefix, quoted) = rest.split_at(letters);
        let has = |letter: char| prefix.to_ascii_lowercase().contains(letter);
        let mode = Mode {
            raw: has('r'),
            bytes: has('b'),
        };
        let one = quoted.get(..1).ok_or(NoLiteral)?;
        let three = quoted.get(..3).filter(|three| *three == one.repeat(3));
        let quote = three.unwrap_or(one);
        self.at += letters + quote.len();
        self.until(quote, mode, buffer)?;
        Ok(mode)
    }

    /// The text up to the quote, and over it.
    fn until(&mut self, quote: &str, mode: Mode, buffer: &mut Buffer) -> Read<()> {
        loop {
            let rest = self.rest();
            if rest.starts_with(quote) {
                self.at += quote.len();
                return Ok(());
            }
            let c = rest.chars().next().ok_or(NoLiteral)?;
            if mode.bytes && !c.is_ascii() {
                return Err(NoLiteral);
            }
            self.at += c.len_utf8();
            match (c, mode.raw) {
                ('\\', true) => self.raw_escape(mode, buffer)?,
                ('\\', false) => self.escape(mode, buffer)?,
                _ => buffer.push(c),
            }
        }
    }

    fn next(&mut self, mode: Mode) -> Read<char> {
        let c = self.rest().chars().next().ok_or(NoLiteral)?;
        self.at += c.len_utf8();
        if mode.bytes && !c.is_ascii() {
            return Err(NoLiteral);
        }
        Ok(c)
    }

    /// The backslash stays, and what is behind it ends nothing.
    fn raw_escape(&mut self, mode: Mode, buffer: &mut Buffer) -> Read<()> {
        buffer.push('\\');
        let c = self.next(mode)?;
        buffer.push(c);
        Ok(())
    }

    fn escape(&mut self, mode: Mode, buffer: &mut Buffer) -> Read<()> {
        let start = self.at;
        let c = self.next(mode)?;
        let simple = match c {
            '\\' | '\'' | '"' => c,
            'a' => '\x07',
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            '0'..='7' => return self.octal(start, mode, buffer),
            'x' => return self.code(2, mode, buffer),
            'u' if !mode.bytes => return self.code(4, mode, buffer),
            'U' if !mode.bytes => return self.code(8, mode, buffer),
            'N' if !mode.bytes => return self.named(start),
            // Python warns of others, and leaves them.
            _ => {
                buffer.push('\\');
                c
            }
        };
        buffer.push(simple);
        Ok(())
    }

    fn octal(&mut self, start: usize, mode: Mode, buffer: &mut Buffer) -> Read<()> {
        while self.at < start + 3 && matches!(self.peek(), Some(b'0'..=b'7')) {
            self.at += 1;
        }
        let digits = self.text.get(start..self.at).ok_or(NoLiteral)?;
        let code = u32::from_str_radix(digits, 8).map_err(|_| NoLiteral)?;
        buffer.push_code(code, mode)
    }

    fn code(&mut self, length: usize, mode: Mode, buffer: &mut Buffer) -> Read<()> {
        let digits = self.rest().get(..length).ok_or(NoLiteral)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NoLiteral);
        }
        self.at += length;
        let code = u32::from_str_radix(digits, 16).map_err(|_| NoLiteral)?;
        buffer.push_code(code, mode)
    }

    /// A character by its Unicode name: there is no table of them here.
    fn named(&mut self, start: usize) -> Read<()> {
        if !self.takes_name() {
            return Err(NoLiteral);
        }
        if self.refusal.is_none() {
            let at = (self.place)(start - 1..self.at);
            let problem = Problem::at(&at, "characters cannot be written by their names");
            self.refusal = Some(problem.hint("write the character itself, or its number as `\\u2022`"));
        }
        Ok(())
    }

    fn takes_name(&mut self) -> bool {
        let name = self.rest().strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let Some((name, _)) = name.filter(|(name, _)| !name.is_empty()) else {
            return false;
        };
        self.at += name.len() + 2;
        true
    }
}
