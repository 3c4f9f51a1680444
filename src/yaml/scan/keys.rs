//! Simple keys, and the block collections that indentation opens and ends.

use super::{Kind, Result, Scanner, Stop, Token};

/// A simple key must end on its line, and within as many characters.
const LONGEST_KEY: usize = 1024;

/// Where a simple key may have begun.
#[derive(Clone, Copy)]
pub(super) struct SimpleKey {
    /// Nothing but a key can stand there.
    is_required: bool,
    /// The number of its first token.
    pub token: usize,
    pub at: usize,
    line: usize,
    pub column: usize,
}

impl<'s> Scanner<'s> {
    pub(super) fn entry(&mut self) -> Result<()> {
        self.begin_block(Kind::BlockList, "a list entry cannot begin here")?;
        self.forget_key()?;
        self.key_allowed = true;
        self.push(Kind::Entry, 1);
        Ok(())
    }

    pub(super) fn key(&mut self) -> Result<()> {
        self.begin_block(Kind::BlockMap, "a key cannot begin here")?;
        self.forget_key()?;
        self.key_allowed = !self.is_flow();
        self.push(Kind::Key, 1);
        Ok(())
    }

    pub(super) fn value(&mut self) -> Result<()> {
        if let Some(key) = self.keys.last_mut().and_then(Option::take) {
            let place = key.token.saturating_sub(self.taken);
            let token = |kind| Token {
                kind,
                span: key.at..key.at,
            };
            self.tokens.insert(place.min(self.tokens.len()), token(Kind::Key));
            if self.opens_block(key.column) {
                self.tokens.insert(place.min(self.tokens.len()), token(Kind::BlockMap));
            }
            self.key_allowed = false;
        } else {
            self.begin_block(Kind::BlockMap, "a `:` that ends a key cannot stand here")?;
            self.key_allowed = !self.is_flow();
        }
        self.push(Kind::Value, 1);
        Ok(())
    }

    /// Begins a block collection here, unless one of this indentation is open.
    pub(super) fn begin_block(&mut self, kind: Kind<'s>, otherwise: &str) -> Result<()> {
        if self.is_flow() {
            return Ok(());
        }
        if !self.key_allowed {
            return Err(self.problem_here(otherwise));
        }
        if self.opens_block(self.column()) {
            self.push(kind, 0);
        }
        Ok(())
    }

    pub(super) fn opens_block(&mut self, column: usize) -> bool {
        let opens = !self.is_flow() && self.indent < Some(column);
        if opens {
            self.indents.push(self.indent);
            self.indent = Some(column);
        }
        opens
    }

    /// Ends the block collections that are indented more than this.
    pub(super) fn close_blocks(&mut self, column: Option<usize>) {
        while !self.is_flow() && self.indent > column {
            self.push(Kind::BlockEnd, 0);
            self.indent = self.indents.pop().flatten();
        }
    }

    pub(super) fn remember_key(&mut self) -> Result<()> {
        if !self.key_allowed {
            return Ok(());
        }
        self.forget_key()?;
        let key = SimpleKey {
            is_required: !self.is_flow() && self.indent == Some(self.column()),
            token: self.taken + self.tokens.len(),
            at: self.at,
            line: self.line,
            column: self.column(),
        };
        if let Some(last) = self.keys.last_mut() {
            *last = Some(key);
        }
        Ok(())
    }

    pub(super) fn forget_key(&mut self) -> Result<()> {
        match self.keys.last_mut().and_then(Option::take) {
            Some(key) if key.is_required => Err(self.no_colon(key)),
            _ => Ok(()),
        }
    }

    pub(super) fn forget_stale_keys(&mut self) -> Result<()> {
        for place in 0..self.keys.len() {
            let Some(key) = self.keys.get(place).copied().flatten() else {
                continue;
            };
            if key.line < self.line || self.is_too_long(key.at) {
                if key.is_required {
                    return Err(self.no_colon(key));
                }
                if let Some(key) = self.keys.get_mut(place) {
                    *key = None;
                }
            }
        }
        Ok(())
    }

    pub(super) fn is_too_long(&self, start: usize) -> bool {
        let bytes = self.at - start;
        bytes > LONGEST_KEY && (bytes > 4 * LONGEST_KEY || self.slice(start..self.at).chars().count() > LONGEST_KEY)
    }

    pub(super) fn no_colon(&self, key: SimpleKey) -> Stop {
        let line = self.slice(key.at..self.at).lines().next().unwrap_or_default();
        self.problem(
            key.at..key.at + line.trim_end().len(),
            "this is a key, and no `:` follows it",
        )
    }
}
