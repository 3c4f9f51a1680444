//! Text becomes tokens, as libyaml cuts them: Ansible reads through that library, and its YAML 1.1 differs in many
//! corners from what the specifications say.
//!
//! What stands before a `:` on one line is a key only in hindsight. So the scanner remembers where such a "simple
//! key" may have begun, and puts the tokens that begin a map and its key there when the `:` comes.

mod block;
mod gap;
mod keys;
mod plain;
mod quoted;
mod tag;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use self::keys::SimpleKey;
use crate::problem::{Location, Problem, Source};

/// A problem that ends the reading; small, for it is part of every result.
#[derive(Debug)]
pub(super) struct Stop(pub Box<Problem>);

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

pub(super) type Result<T> = std::result::Result<T, Stop>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Quoted,
    Block,
}

#[derive(Debug, Clone)]
pub(super) enum Kind<'s> {
    StreamEnd,
    /// `%YAML`, with whether this version can be read.
    Version {
        is_known: bool,
    },
    /// `%TAG`.
    TagPrefix {
        handle: &'s str,
        prefix: String,
    },
    DocumentStart,
    DocumentEnd,
    BlockList,
    BlockMap,
    BlockEnd,
    FlowList,
    FlowListEnd,
    FlowMap,
    FlowMapEnd,
    /// `-`
    Entry,
    /// `,`
    FlowEntry,
    Key,
    Value,
    Alias(&'s str),
    Anchor(&'s str),
    Tag {
        handle: &'s str,
        suffix: String,
    },
    Scalar(Cow<'s, str>, Form),
}

#[derive(Debug, Clone)]
pub(super) struct Token<'s> {
    pub kind: Kind<'s>,
    pub span: Range<usize>,
}

pub(super) struct Scanner<'s> {
    pub source: &'s Arc<Source>,
    at: usize,
    line: usize,
    /// Where the line begins; columns are bytes, which differ from characters only where no column counts.
    line_start: usize,
    tokens: VecDeque<Token<'s>>,
    /// How many tokens were taken.
    taken: usize,
    /// The first token is final: no token will come before it.
    is_ready: bool,
    /// The simple key that may be under way, for each flow collection that is open and for what is around them.
    keys: Vec<Option<SimpleKey>>,
    key_allowed: bool,
    /// The column of the innermost block collection, and those around it.
    indent: Option<usize>,
    indents: Vec<Option<usize>>,
}

impl<'s> Scanner<'s> {
    pub fn new(source: &'s Arc<Source>) -> Self {
        let at = if source.text.starts_with('\u{feff}') { 3 } else { 0 };
        Self {
            source,
            at,
            line: 0,
            line_start: at,
            tokens: VecDeque::new(),
            taken: 0,
            is_ready: false,
            keys: vec![None],
            key_allowed: true,
            indent: None,
            indents: Vec::new(),
        }
    }

    /// The next token, which stays.
    pub fn peek(&mut self) -> Result<&Token<'s>> {
        if !self.is_ready {
            while self.needs_more()? {
                self.fetch()?;
            }
            self.is_ready = true;
        }
        let end = self.at;
        self.tokens
            .front()
            .ok_or_else(|| self.problem(end..end, "it ends too early"))
    }

    /// The next token.
    pub fn take(&mut self) -> Result<Token<'s>> {
        self.peek()?;
        self.is_ready = false;
        self.taken += 1;
        let end = self.at;
        self.tokens
            .pop_front()
            .ok_or_else(|| self.problem(end..end, "it ends too early"))
    }

    pub fn location(&self, span: Range<usize>) -> Location {
        Location {
            source: Arc::clone(self.source),
            span,
        }
    }

    pub fn problem(&self, span: Range<usize>, message: &str) -> Stop {
        let message = format!("this is not YAML: {message}");
        Stop::from(Problem::at(&self.location(span), message))
    }

    /// A problem with the character that the scanner stands at.
    fn problem_here(&self, message: &str) -> Stop {
        let rest = self.source.text.get(self.at..).unwrap_or_default();
        let length = rest.chars().next().map_or(0, char::len_utf8);
        self.problem(self.at..self.at + length, message)
    }

    /// Whether the first token may still become a key, or there is none.
    fn needs_more(&mut self) -> Result<bool> {
        if self.tokens.is_empty() {
            return Ok(true);
        }
        self.forget_stale_keys()?;
        Ok(self.keys.iter().flatten().any(|key| key.token == self.taken))
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.source.text.as_bytes().get(self.at + ahead).copied()
    }

    fn slice(&self, range: Range<usize>) -> &'s str {
        self.source.text.get(range).unwrap_or_default()
    }

    /// How many bytes the line break there has; none where there is none.
    fn break_length(&self, ahead: usize) -> usize {
        let byte = |more| self.byte(ahead + more);
        match byte(0) {
            Some(b'\n') => 1,
            Some(b'\r') => 1 + usize::from(byte(1) == Some(b'\n')),
            Some(0xc2) if byte(1) == Some(0x85) => 2,
            Some(0xe2) if byte(1) == Some(0x80) && matches!(byte(2), Some(0xa8 | 0xa9)) => 3,
            _ => 0,
        }
    }

    fn is_break(&self) -> bool {
        self.break_length(0) > 0
    }

    fn is_blank(&self) -> bool {
        matches!(self.byte(0), Some(b' ' | b'\t'))
    }

    /// Whether a blank, a line break or the end stands there.
    fn is_space(&self, ahead: usize) -> bool {
        match self.byte(ahead) {
            None | Some(b' ' | b'\t' | b'\n' | b'\r') => true,
            Some(0xc2 | 0xe2) => self.break_length(ahead) > 0,
            _ => false,
        }
    }

    fn column(&self) -> usize {
        self.at.saturating_sub(self.line_start)
    }

    fn is_flow(&self) -> bool {
        self.keys.len() > 1
    }

    /// Passes a line break, if there is one, and returns what it stands for.
    fn pass_break(&mut self) -> &'s str {
        let length = self.break_length(0);
        if length == 0 {
            return "";
        }
        self.at += length;
        self.line += 1;
        self.line_start = self.at;
        if length == 3 {
            self.slice(self.at - 3..self.at)
        } else {
            "\n"
        }
    }

    fn pass_blanks(&mut self) {
        while self.is_blank() {
            self.at += 1;
        }
    }

    fn pass_comment(&mut self) {
        if self.byte(0) == Some(b'#') {
            while self.byte(0).is_some() && !self.is_break() {
                self.at += 1;
            }
        }
    }

    /// `---` or `...` at the beginning of a line.
    fn document_indicator(&self) -> Option<Kind<'s>> {
        if self.column() != 0 || !matches!(self.byte(0), Some(b'-' | b'.')) || !self.is_space(3) {
            return None;
        }
        match self.slice(self.at..self.at + 3) {
            "---" => Some(Kind::DocumentStart),
            "..." => Some(Kind::DocumentEnd),
            _ => None,
        }
    }

    fn pass_to_token(&mut self) {
        loop {
            if self.column() == 0 && self.slice(self.at..self.at + 3) == "\u{feff}" {
                self.at += 3;
                self.line_start += 2;
            }
            let tabs = self.is_flow() || !self.key_allowed;
            while self.byte(0) == Some(b' ') || (tabs && self.byte(0) == Some(b'\t')) {
                self.at += 1;
            }
            self.pass_comment();
            if !self.is_break() {
                return;
            }
            self.pass_break();
            if !self.is_flow() {
                self.key_allowed = true;
            }
        }
    }

    /// Cuts the next token, and those that it implies.
    fn fetch(&mut self) -> Result<()> {
        self.pass_to_token();
        self.forget_stale_keys()?;
        self.close_blocks(Some(self.column()));
        let Some(byte) = self.byte(0) else {
            return self.stream_end();
        };
        if byte == b'%' && self.column() == 0 {
            self.end_blocks()?;
            let token = self.directive()?;
            self.tokens.push_back(token);
            return Ok(());
        }
        if let Some(kind) = self.document_indicator() {
            self.end_blocks()?;
            self.push(kind, 3);
            return Ok(());
        }
        let before_space = self.is_flow() || self.is_space(1);
        match byte {
            b'[' => self.open_flow(Kind::FlowList),
            b'{' => self.open_flow(Kind::FlowMap),
            b']' => self.close_flow(Kind::FlowListEnd),
            b'}' => self.close_flow(Kind::FlowMapEnd),
            b',' => self.flow_entry(),
            b'-' if self.is_space(1) => self.entry(),
            b'?' if before_space => self.key(),
            b':' if before_space => self.value(),
            _ => self.content(byte),
        }
    }

    /// A scalar, or what stands before one.
    fn content(&mut self, byte: u8) -> Result<()> {
        let in_flow = self.is_flow();
        if matches!(byte, b'|' | b'>') && !in_flow {
            self.forget_key()?;
            self.key_allowed = true;
            let token = self.block_scalar(byte == b'|')?;
            self.tokens.push_back(token);
            return Ok(());
        }
        let starts_plain = match byte {
            b'-' => !matches!(self.byte(1), Some(b' ' | b'\t')),
            b'?' | b':' => !in_flow,
            b'\t' | b'#' | b'|' | b'>' | b'%' | b'@' | b'`' => false,
            _ => true,
        };
        if !starts_plain {
            return Err(self.problem_here("no value starts with this character"));
        }
        self.remember_key()?;
        self.key_allowed = false;
        let token = match byte {
            b'*' | b'&' => self.anchor(byte == b'*')?,
            b'!' => self.tag()?,
            b'\'' | b'"' => self.quoted_scalar(byte)?,
            _ => self.plain_scalar()?,
        };
        self.tokens.push_back(token);
        Ok(())
    }

    fn push(&mut self, kind: Kind<'s>, length: usize) {
        let start = self.at;
        self.at += length;
        self.tokens.push_back(Token {
            kind,
            span: start..self.at,
        });
    }

    fn stream_end(&mut self) -> Result<()> {
        // No key goes on beyond the last line.
        self.line += 1;
        self.line_start = self.at;
        self.end_blocks()?;
        self.push(Kind::StreamEnd, 0);
        Ok(())
    }

    /// Before what stands outside of all block collections.
    fn end_blocks(&mut self) -> Result<()> {
        self.close_blocks(None);
        self.forget_key()?;
        self.key_allowed = false;
        Ok(())
    }

    fn open_flow(&mut self, kind: Kind<'s>) -> Result<()> {
        self.remember_key()?;
        self.keys.push(None);
        self.key_allowed = true;
        self.push(kind, 1);
        Ok(())
    }

    fn close_flow(&mut self, kind: Kind<'s>) -> Result<()> {
        self.forget_key()?;
        if self.is_flow() {
            self.keys.pop();
        }
        self.key_allowed = false;
        self.push(kind, 1);
        Ok(())
    }

    fn flow_entry(&mut self) -> Result<()> {
        self.forget_key()?;
        self.key_allowed = true;
        self.push(Kind::FlowEntry, 1);
        Ok(())
    }
}
