//! Scalars without quotes.

use super::gap::Gap;
use super::{Form, Kind, Result, Scanner, Token};

impl<'s> Scanner<'s> {
    pub(super) fn plain_scalar(&mut self) -> Result<Token<'s>> {
        let start = self.at;
        let mut end = start;
        // Only text over several lines is not as written.
        let mut folded: Option<String> = None;
        let mut gap = Gap::default();
        while self.byte(0) != Some(b'#') && self.document_indicator().is_none() {
            let word = self.at;
            self.pass_words()?;
            if self.at > word {
                if gap.has_break() && folded.is_none() {
                    folded = Some(self.slice(start..end).to_owned());
                }
                if let Some(text) = &mut folded {
                    gap.fold(text);
                    text.push_str(self.slice(word..self.at));
                }
                end = self.at;
                gap = Gap::default();
            }
            if !self.is_blank() && !self.is_break() {
                break;
            }
            gap = self.plain_gap()?;
            if !self.is_flow() && Some(self.column()) <= self.indent {
                break;
            }
        }
        if gap.has_break() {
            self.key_allowed = true;
        }
        let text = folded.map_or_else(|| self.slice(start..end).into(), Into::into);
        Ok(Token {
            kind: Kind::Scalar(text, Form::Plain),
            span: start..end,
        })
    }

    /// Passes characters up to a blank, or what ends the scalar.
    fn pass_words(&mut self) -> Result<()> {
        let in_flow = self.is_flow();
        while let Some(byte) = self.byte(0) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => break,
                0xc2 | 0xe2 if self.is_break() => break,
                b':' if self.is_space(1) => break,
                b':' if in_flow && self.byte(1).is_some_and(|next| b",?[]{}".contains(&next)) => {
                    return Err(self.problem_here("a blank must follow this `:`"));
                }
                b',' | b'[' | b']' | b'{' | b'}' if in_flow => break,
                _ => self.at += 1,
            }
        }
        Ok(())
    }

    /// Passes blanks and line breaks.
    fn plain_gap(&mut self) -> Result<Gap<'s>> {
        let start = self.at;
        self.pass_blanks();
        let mut gap = Gap::new(self.slice(start..self.at), false);
        while self.is_break() {
            gap.add(self.pass_break());
            while self.is_blank() {
                if self.byte(0) == Some(b'\t') && Some(self.column()) <= self.indent {
                    return Err(self.problem_here("a tab cannot indent a line"));
                }
                self.at += 1;
            }
        }
        Ok(gap)
    }
}
