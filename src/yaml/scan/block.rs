//! Block scalars: `|` and `>`.

use super::{Form, Kind, Result, Scanner, Token};

/// What becomes of the line breaks at the end.
#[derive(Clone, Copy, PartialEq)]
enum Chomping {
    Strip,
    Clip,
    Keep,
}

impl<'s> Scanner<'s> {
    pub(super) fn block_scalar(&mut self, is_literal: bool) -> Result<Token<'s>> {
        let start = self.at;
        self.at += 1;
        let (chomping, increment) = self.block_header()?;
        let mut end = self.at;
        let mut indent = increment.map(|more| more + self.indent.unwrap_or_default());
        let mut text = String::new();
        let mut first = "";
        let mut breaks = self.block_breaks(&mut indent)?;
        let mut was_indented = false;
        while Some(self.column()) == indent && self.byte(0).is_some() {
            // Folding joins two lines, unless one of them is indented further.
            if !is_literal && first == "\n" && !was_indented && !self.is_blank() {
                if breaks.is_empty() {
                    text.push(' ');
                }
            } else {
                text.push_str(first);
            }
            text.push_str(&breaks);
            was_indented = self.is_blank();
            let line = self.at;
            while self.byte(0).is_some() && !self.is_break() {
                self.at += 1;
            }
            text.push_str(self.slice(line..self.at));
            end = self.at;
            first = self.pass_break();
            breaks = self.block_breaks(&mut indent)?;
        }
        if chomping != Chomping::Strip {
            text.push_str(first);
        }
        if chomping == Chomping::Keep {
            text.push_str(&breaks);
        }
        Ok(Token {
            kind: Kind::Scalar(text.into(), Form::Block),
            span: start..end,
        })
    }

    /// The signs behind `|` or `>`: what becomes of the end, and the indentation.
    fn block_header(&mut self) -> Result<(Chomping, Option<usize>)> {
        let mut chomping = Chomping::Clip;
        let mut increment = None;
        while let Some(byte) = self.byte(0) {
            match byte {
                b'+' | b'-' if chomping == Chomping::Clip => {
                    chomping = if byte == b'+' { Chomping::Keep } else { Chomping::Strip };
                }
                b'0' if increment.is_none() => return Err(self.problem_here("the indentation of a block is 1 to 9")),
                b'1'..=b'9' if increment.is_none() => increment = Some(usize::from(byte - b'0')),
                _ => break,
            }
            self.at += 1;
        }
        self.pass_blanks();
        self.pass_comment();
        if !self.is_space(0) {
            return Err(self.problem_here("the text of a block begins on the next line"));
        }
        self.pass_break();
        Ok((chomping, increment))
    }

    /// Passes empty lines and the indentation of the next line, which sets that of the block where it is not known.
    fn block_breaks(&mut self, indent: &mut Option<usize>) -> Result<String> {
        let mut breaks = String::new();
        let mut deepest = 0;
        loop {
            while self.byte(0) == Some(b' ') && indent.is_none_or(|indent| self.column() < indent) {
                self.at += 1;
            }
            deepest = deepest.max(self.column());
            if self.byte(0) == Some(b'\t') && indent.is_none_or(|indent| self.column() < indent) {
                return Err(self.problem_here("a tab cannot indent a line"));
            }
            if !self.is_break() {
                break;
            }
            breaks.push_str(self.pass_break());
        }
        indent.get_or_insert(deepest.max(self.indent.map_or(0, |indent| indent + 1)).max(1));
        Ok(breaks)
    }
}
