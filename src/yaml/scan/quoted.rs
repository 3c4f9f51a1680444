//! Scalars in quotes.

use super::gap::Gap;
use super::{Form, Kind, Result, Scanner, Token};

impl<'s> Scanner<'s> {
    pub(super) fn quoted_scalar(&mut self, quote: u8) -> Result<Token<'s>> {
        let start = self.at;
        self.at += 1;
        let first = self.at;
        self.pass_unescaped(quote, true);
        let text = if self.is_closing(quote) {
            self.slice(first..self.at).into()
        } else {
            self.at = first;
            self.folded(quote, start)?.into()
        };
        self.at += 1;
        Ok(Token {
            kind: Kind::Scalar(text, Form::Quoted),
            span: start..self.at,
        })
    }

    fn is_closing(&self, quote: u8) -> bool {
        self.byte(0) == Some(quote) && (quote == b'"' || self.byte(1) != Some(quote))
    }

    /// Passes characters that stand for themselves.
    fn pass_unescaped(&mut self, quote: u8, with_blanks: bool) {
        while let Some(byte) = self.byte(0) {
            match byte {
                b'\n' | b'\r' => return,
                b' ' | b'\t' if !with_blanks => return,
                b'\\' if quote == b'"' => return,
                0xc2 | 0xe2 if self.is_break() => return,
                _ if byte == quote => return,
                _ => self.at += 1,
            }
        }
    }

    /// Text with escapes or line breaks.
    fn folded(&mut self, quote: u8, start: usize) -> Result<String> {
        let mut text = String::new();
        loop {
            if self.document_indicator().is_some() {
                return Err(self.problem_here("a document cannot end within quotes"));
            }
            if self.byte(0).is_none() {
                return Err(self.problem(start..start + 1, "this quote is never closed"));
            }
            let is_escaped = self.quoted_words(quote, &mut text)?;
            if self.is_closing(quote) {
                return Ok(text);
            }
            self.quoted_gap(is_escaped).fold(&mut text);
        }
    }

    /// Reads up to a blank, a line break or the closing quote. Returns whether an escaped line break ended it.
    fn quoted_words(&mut self, quote: u8, text: &mut String) -> Result<bool> {
        loop {
            let start = self.at;
            self.pass_unescaped(quote, false);
            text.push_str(self.slice(start..self.at));
            if self.byte(0) == Some(b'\\') && quote == b'"' {
                if self.break_length(1) > 0 {
                    self.at += 1;
                    self.pass_break();
                    return Ok(true);
                }
                text.push(self.escaped()?);
            } else if self.byte(0) == Some(quote) && !self.is_closing(quote) {
                text.push('\'');
                self.at += 2;
            } else {
                return Ok(false);
            }
        }
    }

    fn quoted_gap(&mut self, is_escaped: bool) -> Gap<'s> {
        let start = self.at;
        self.pass_blanks();
        let mut gap = Gap::new(self.slice(start..self.at), is_escaped);
        while self.is_break() {
            gap.add(self.pass_break());
            self.pass_blanks();
        }
        gap
    }

    /// The character that an escape stands for.
    fn escaped(&mut self) -> Result<char> {
        let character = match self.byte(1) {
            Some(b'0') => '\0',
            Some(b'a') => '\u{7}',
            Some(b'b') => '\u{8}',
            Some(b't' | b'\t') => '\t',
            Some(b'n') => '\n',
            Some(b'v') => '\u{b}',
            Some(b'f') => '\u{c}',
            Some(b'r') => '\r',
            Some(b'e') => '\u{1b}',
            Some(b' ') => ' ',
            Some(b'"') => '"',
            Some(b'/') => '/',
            Some(b'\\') => '\\',
            Some(b'N') => '\u{85}',
            Some(b'_') => '\u{a0}',
            Some(b'L') => '\u{2028}',
            Some(b'P') => '\u{2029}',
            Some(b'x') => return self.escaped_code(2),
            Some(b'u') => return self.escaped_code(4),
            Some(b'U') => return self.escaped_code(8),
            _ => {
                return Err(self.problem_here("a backslash within double quotes is doubled, or the quotes single ones"));
            }
        };
        self.at += 2;
        Ok(character)
    }

    fn escaped_code(&mut self, digits: usize) -> Result<char> {
        let code = self.slice(self.at + 2..self.at + 2 + digits);
        let is_code = code.len() == digits && code.bytes().all(|digit| digit.is_ascii_hexdigit());
        let character = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
        let Some(character) = character.filter(|_| is_code) else {
            return Err(self.problem_here("this escape stands for no character"));
        };
        self.at += 2 + digits;
        Ok(character)
    }
}
