//! Tokens become nodes.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::map::Findings;
use super::scan::{Form, Kind, Result, Scanner, Token};
use super::tag::{self, Tag};
use super::{Document, Node, Style, Value, scalar};
use crate::problem::{Location, Problem, Source};

/// Nesting beyond this is refused: no inventory needs it, and every later step may recurse.
pub(super) const MAX_DEPTH: usize = 64;
/// Values that the aliases of a document stand for; beyond this it is taken for an alias bomb.
const MAX_ALIASED: usize = 2_000_000;

/// Reads the one document of a YAML text.
///
/// # Errors
/// All tags, unusable keys and values of the text, and where its syntax ends to be YAML, that place.
pub fn read(source: &Arc<Source>) -> std::result::Result<Document, Vec<Problem>> {
    let mut builder = Builder::new(source);
    let root = check_characters(source).and_then(|()| builder.stream());
    let Findings {
        mut problems, warnings, ..
    } = builder.findings;
    match root {
        Ok(root) if problems.is_empty() => Ok(Document { root, warnings }),
        Ok(_) => Err(problems),
        Err(last) => {
            problems.push(*last);
            Err(problems)
        }
    }
}

/// The characters that libyaml refuses.
fn check_characters(source: &Arc<Source>) -> Result<()> {
    let text = source.text.as_str();
    if text
        .bytes()
        .all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~'))
    {
        return Ok(());
    }
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let Some((at, c)) = text.char_indices().find(|&(_, c)| !allowed(c)) else {
        return Ok(());
    };
    let location = Location {
        source: Arc::clone(source),
        span: at..at + c.len_utf8(),
    };
    let message = format!("the character {} cannot stand in a YAML file", c.escape_unicode());
    Err(Box::new(Problem::at(&location, message)))
}

/// A plain scalar that means something by itself as a key, and that is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// `<<`
    Merge,
    /// `=`
    Default,
}

/// A node with what an alias to it costs.
#[derive(Debug, Clone)]
pub(super) struct Built {
    pub node: Node,
    nodes: usize,
    depth: usize,
    pub sign: Option<Sign>,
}

/// A key and its value.
type Pair = (Built, Built);

/// What stands before a value.
#[derive(Default)]
struct Properties<'s> {
    anchor: Option<&'s str>,
    tag: Option<Tag>,
}

/// A list or map under way.
struct Open<'s> {
    properties: Properties<'s>,
    start: usize,
    /// Where its last value ends.
    end: usize,
    nodes: usize,
    depth: usize,
}

struct Builder<'s> {
    scanner: Scanner<'s>,
    /// Handles of tags, and what they stand for.
    prefixes: Vec<(&'s str, String)>,
    /// Values by their anchors; `None` for one that is still under way.
    anchors: HashMap<&'s str, Option<Built>>,
    aliased: usize,
    depth: usize,
    /// How many of the collections that are open have the tag `!unsafe`.
    unsafe_depth: usize,
    findings: Findings,
}

impl<'s> Builder<'s> {
    fn new(source: &'s Arc<Source>) -> Self {
        Self {
            scanner: Scanner::new(source),
            prefixes: Vec::new(),
            anchors: HashMap::new(),
            aliased: 0,
            depth: 0,
            unsafe_depth: 0,
            findings: Findings::default(),
        }
    }

    /// All of the text: nothing, or one document.
    fn stream(&mut self) -> Result<Node> {
        if matches!(self.scanner.peek()?.kind, Kind::StreamEnd) {
            return Ok(self.empty(0).node);
        }
        let is_explicit = self.document_start(true)?.is_some();
        let token = self.scanner.peek()?;
        let at = token.span.start;
        let is_empty = is_explicit
            && matches!(
                token.kind,
                Kind::Version { .. }
                    | Kind::TagPrefix { .. }
                    | Kind::DocumentStart
                    | Kind::DocumentEnd
                    | Kind::StreamEnd
            );
        let root = if is_empty {
            self.empty(at)
        } else {
            self.node(true, false)?
        };
        let root = self.value(root)?;
        while matches!(self.scanner.peek()?.kind, Kind::DocumentEnd) {
            self.scanner.take()?;
        }
        if matches!(self.scanner.peek()?.kind, Kind::StreamEnd) {
            return Ok(root);
        }
        let second = self.document_start(false)?.unwrap_or(at..at);
        Err(Box::new(
            Problem::at(&self.scanner.location(second), "a second document begins here")
                .hint("this file is one document; remove the line `---`, or split the file"),
        ))
    }

    /// Directives and `---`, whose place is returned. Both may be missing from the first document.
    fn document_start(&mut self, is_first: bool) -> Result<Option<Range<usize>>> {
        self.prefixes.clear();
        let mut has_version = false;
        let mut has_directives = false;
        loop {
            let Token { kind, span } = self.scanner.peek()?.clone();
            let fault = match kind {
                Kind::Version { .. } if has_version => "a second `%YAML` for one document",
                Kind::Version { is_known: false } => "only YAML 1.1 and 1.2 are known",
                Kind::TagPrefix { handle, .. } if self.prefixes.iter().any(|(known, _)| *known == handle) => {
                    "a second `%TAG` for one handle"
                }
                Kind::Version { .. } => {
                    has_version = true;
                    ""
                }
                Kind::TagPrefix { handle, prefix } => {
                    self.prefixes.push((handle, prefix));
                    ""
                }
                Kind::DocumentStart => {
                    self.scanner.take()?;
                    return Ok(Some(span));
                }
                _ if is_first && !has_directives => return Ok(None),
                _ => "a document begins with `---`",
            };
            if !fault.is_empty() {
                return Err(self.scanner.problem(span, fault));
            }
            has_directives = true;
            self.scanner.take()?;
        }
    }

    /// A value, where a value must be. Within block collections, and as the value of a key in one, more is allowed.
    fn node(&mut self, is_block: bool, is_indentless: bool) -> Result<Built> {
        if let Kind::Alias(name) = self.scanner.peek()?.kind {
            let span = self.scanner.take()?.span;
            return self.alias(name, &span);
        }
        let (properties, behind) = self.properties()?;
        let token = self.scanner.peek()?;
        match token.kind {
            Kind::Scalar(..) => {
                let Token { kind, span } = self.scanner.take()?;
                let Kind::Scalar(text, form) = kind else {
                    return Err(self.scanner.problem(span, "a value is missing here"));
                };
                let built = self.scalar(&text, form, properties.tag, span)?;
                Ok(self.name(properties.anchor, built))
            }
            Kind::Entry if is_indentless => self.list(properties, Self::indentless_entry),
            Kind::BlockList if is_block => self.list(properties, Self::block_entry),
            Kind::BlockMap if is_block => self.map(properties, Self::block_pair),
            Kind::FlowList => self.list(properties, Self::flow_entry),
            Kind::FlowMap => self.map(properties, Self::flow_pair),
            _ => {
                let next = token.span.clone();
                let Some(at) = behind else {
                    return Err(self.scanner.problem(next, "a value is missing here"));
                };
                // Nothing behind a lone `!` is no null, as it would be behind nothing.
                let tag = properties.tag.map(|tag| if tag == Tag::Plain { Tag::Str } else { tag });
                let built = self.scalar("", Form::Plain, tag, at..at)?;
                Ok(self.name(properties.anchor, built))
            }
        }
    }

    /// An anchor and a tag, in either order, and where they end.
    fn properties(&mut self) -> Result<(Properties<'s>, Option<usize>)> {
        let mut properties = Properties::default();
        let mut behind = None;
        loop {
            match &self.scanner.peek()?.kind {
                Kind::Anchor(name) if properties.anchor.is_none() => {
                    let name = *name;
                    let span = self.scanner.take()?.span;
                    properties.anchor = Some(name);
                    behind = Some(span.end);
                    if self.anchors.insert(name, None).is_some() {
                        return Err(self.scanner.problem(span, "two anchors have this name"));
                    }
                }
                Kind::Tag { .. } if properties.tag.is_none() => {
                    let token = self.scanner.take()?;
                    behind = Some(token.span.end);
                    properties.tag = self.tag(token)?;
                }
                _ => return Ok((properties, behind)),
            }
        }
    }

    /// What a tag stands for; one that nothing stands for is a problem, and the value is read without it.
    fn tag(&mut self, token: Token<'s>) -> Result<Option<Tag>> {
        let Kind::Tag { handle, suffix } = token.kind else {
            return Ok(None);
        };
        let known = self.prefixes.iter().find(|(known, _)| *known == handle);
        let prefix = match (known, handle) {
            (Some((_, prefix)), _) => prefix,
            (None, "" | "!") => handle,
            (None, "!!") => tag::CORE,
            (None, _) => {
                return Err(self
                    .scanner
                    .problem(token.span, "no `%TAG` tells what this tag stands for"));
            }
        };
        let name = format!("{prefix}{suffix}");
        match Tag::of(&name) {
            Ok(tag) => Ok(Some(tag)),
            Err(message) => {
                let problem = Problem::at(&self.scanner.location(token.span), message);
                self.findings.add(problem.hint("remove the tag"))?;
                Ok(None)
            }
        }
    }

    fn scalar(&mut self, text: &str, form: Form, tag: Option<Tag>, span: Range<usize>) -> Result<Built> {
        let at = self.scanner.location(span);
        let mut style = match form {
            Form::Plain => Style::Plain,
            Form::Quoted => Style::Quoted,
            Form::Block => Style::Block,
        };
        let sign = match text {
            "<<" if form == Form::Plain && tag.is_none() => Some(Sign::Merge),
            "=" if form == Form::Plain && tag.is_none() => Some(Sign::Default),
            _ => None,
        };
        let value = match tag {
            Some(tag) => tag.scalar(text),
            None if sign.is_none() && form == Form::Plain => scalar::resolve(text),
            None => Ok(Value::String(text.to_owned())),
        };
        let value = match value {
            Ok(value) => value,
            Err(message) => {
                self.findings.add(Problem::at(&at, message))?;
                Value::Null
            }
        };
        let is_unsafe = self.unsafe_depth > 0 || matches!(tag, Some(Tag::Unsafe));
        if is_unsafe && matches!(value, Value::String(_)) {
            style = Style::Unsafe;
        }
        Ok(Built {
            node: Node { value, at, style },
            nodes: 1,
            depth: 0,
            sign,
        })
    }

    fn empty(&self, at: usize) -> Built {
        Built {
            node: Node {
                value: Value::Null,
                at: self.scanner.location(at..at),
                style: Style::Plain,
            },
            nodes: 1,
            depth: 0,
            sign: None,
        }
    }

    fn name(&mut self, anchor: Option<&'s str>, built: Built) -> Built {
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, Some(built.clone()));
        }
        built
    }

    fn alias(&mut self, name: &'s str, span: &Range<usize>) -> Result<Built> {
        let refused = |message: &str| Box::new(Problem::at(&self.scanner.location(span.clone()), message));
        let mut built = match self.anchors.get(name) {
            Some(Some(built)) => built.clone(),
            Some(None) => return Err(refused("this alias stands inside the value that it names")),
            None => {
                return Err(self
                    .scanner
                    .problem(span.clone(), "no anchor before this alias has its name"));
            }
        };
        if self.depth + built.depth > MAX_DEPTH {
            return Err(refused(&too_deep()));
        }
        self.aliased = self.aliased.saturating_add(built.nodes);
        if self.aliased > MAX_ALIASED {
            return Err(refused(&format!(
                "the aliases up to here stand for more than {MAX_ALIASED} values"
            )));
        }
        if self.unsafe_depth > 0 {
            built.node = tag::made_unsafe(&built.node);
        }
        Ok(built)
    }

    /// A node that is a value: `<<` and `=` are none.
    fn value(&mut self, built: Built) -> Result<Node> {
        if built.sign.is_some() {
            let problem = Problem::at(&built.node.at, format!("a plain `{}` is no value", built.node.raw()));
            self.findings.add(problem.hint("put it in quotes"))?;
        }
        Ok(built.node)
    }

    fn open(&mut self, properties: Properties<'s>) -> Result<Open<'s>> {
        let token = self.scanner.peek()?;
        let Range { start, end } = token.span;
        // A list that is not indented has no token of its own.
        if !matches!(token.kind, Kind::Entry) {
            self.scanner.take()?;
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Box::new(Problem::at(
                &self.scanner.location(start..end.max(start)),
                too_deep(),
            )));
        }
        self.unsafe_depth += usize::from(matches!(properties.tag, Some(Tag::Unsafe)));
        Ok(Open {
            properties,
            start,
            end,
            nodes: 1,
            depth: 1,
        })
    }

    fn close(&mut self, open: Open<'s>, value: Value) -> Result<Built> {
        self.depth -= 1;
        self.unsafe_depth -= usize::from(matches!(open.properties.tag, Some(Tag::Unsafe)));
        let at = self.scanner.location(open.start..open.end.max(open.start));
        let value = match open.properties.tag {
            Some(tag) => tag.collection(value),
            None => Ok(value),
        };
        let value = match value {
            Ok(value) => value,
            Err(message) => {
                self.findings.add(Problem::at(&at, message))?;
                Value::Null
            }
        };
        let style = Style::Collection;
        let built = Built {
            node: Node { value, at, style },
            nodes: open.nodes,
            depth: open.depth,
            sign: None,
        };
        Ok(self.name(open.properties.anchor, built))
    }

    fn list(&mut self, properties: Properties<'s>, next: Next<'s, Built>) -> Result<Built> {
        let mut open = self.open(properties)?;
        let mut items = Vec::new();
        while let Some(built) = next(self, &mut open, items.is_empty())? {
            open.add(&built);
            items.push(self.value(built)?);
        }
        self.close(open, Value::List(items.into()))
    }

    fn map(&mut self, properties: Properties<'s>, next: Next<'s, Pair>) -> Result<Built> {
        let mut open = self.open(properties)?;
        let mut entries = Vec::new();
        while let Some((key, value)) = next(self, &mut open, entries.is_empty())? {
            open.add(&key);
            open.add(&value);
            let value = self.value(value)?;
            entries.push((key, value));
        }
        let entries = self.findings.map(entries)?;
        self.close(open, Value::Map(entries.into()))
    }

    fn next_is(&mut self, test: fn(&Kind<'s>) -> bool) -> Result<bool> {
        Ok(test(&self.scanner.peek()?.kind))
    }

    /// A value, or nothing if a token of this kind comes instead.
    fn node_unless(
        &mut self,
        test: fn(&Kind<'s>) -> bool,
        at: usize,
        is_block: bool,
        is_indentless: bool,
    ) -> Result<Built> {
        if self.next_is(test)? {
            return Ok(self.empty(at));
        }
        self.node(is_block, is_indentless)
    }

    fn block_entry(&mut self, _: &mut Open<'s>, _: bool) -> Result<Option<Built>> {
        let Token { kind, span } = self.scanner.take()?;
        match kind {
            Kind::Entry => {
                let ends = |kind: &Kind<'_>| matches!(kind, Kind::Entry | Kind::BlockEnd);
                self.node_unless(ends, span.end, true, false).map(Some)
            }
            Kind::BlockEnd => Ok(None),
            _ => Err(self.scanner.problem(span, "every entry of this list begins with `- `")),
        }
    }

    fn indentless_entry(&mut self, _: &mut Open<'s>, _: bool) -> Result<Option<Built>> {
        if !self.next_is(|kind| matches!(kind, Kind::Entry))? {
            return Ok(None);
        }
        let span = self.scanner.take()?.span;
        let ends = |kind: &Kind<'_>| matches!(kind, Kind::Entry | Kind::Key | Kind::Value | Kind::BlockEnd);
        self.node_unless(ends, span.end, true, false).map(Some)
    }

    fn block_pair(&mut self, _: &mut Open<'s>, _: bool) -> Result<Option<Pair>> {
        let Token { kind, span } = self.scanner.take()?;
        match kind {
            Kind::Key => {}
            Kind::BlockEnd => return Ok(None),
            _ => {
                return Err(self
                    .scanner
                    .problem(span, "a key is missing here, or the indentation is wrong"));
            }
        }
        let ends = |kind: &Kind<'_>| matches!(kind, Kind::Key | Kind::Value | Kind::BlockEnd);
        let key = self.node_unless(ends, span.end, true, true)?;
        if !self.next_is(|kind| matches!(kind, Kind::Value))? {
            let value = self.empty(key.node.at.span.end);
            return Ok(Some((key, value)));
        }
        let span = self.scanner.take()?.span;
        let value = self.node_unless(ends, span.end, true, true)?;
        Ok(Some((key, value)))
    }

    /// Passes the comma between two entries. Returns false at the end of the collection.
    fn has_flow_entry(&mut self, open: &mut Open<'s>, is_first: bool, end: fn(&Kind<'s>) -> bool) -> Result<bool> {
        if !is_first && !self.next_is(end)? {
            let Token { kind, span } = self.scanner.take()?;
            if !matches!(kind, Kind::FlowEntry) {
                return Err(self
                    .scanner
                    .problem(span, "a `,` or the closing bracket is missing before this"));
            }
        }
        if self.next_is(end)? {
            open.end = self.scanner.take()?.span.end;
            return Ok(false);
        }
        Ok(true)
    }

    fn flow_entry(&mut self, open: &mut Open<'s>, is_first: bool) -> Result<Option<Built>> {
        if !self.has_flow_entry(open, is_first, |kind| matches!(kind, Kind::FlowListEnd))? {
            return Ok(None);
        }
        if self.next_is(|kind| matches!(kind, Kind::Key))? {
            return self.map(Properties::default(), Self::single_pair).map(Some);
        }
        self.node(false, false).map(Some)
    }

    /// The one entry of a map without braces in a list: `[key: value]`.
    fn single_pair(&mut self, open: &mut Open<'s>, is_first: bool) -> Result<Option<Pair>> {
        if !is_first {
            return Ok(None);
        }
        let ends = |kind: &Kind<'_>| matches!(kind, Kind::Value | Kind::FlowEntry | Kind::FlowListEnd);
        let key = if self.next_is(ends)? {
            // libyaml passes this token, so that what follows is mostly refused.
            let at = self.scanner.take()?.span.end;
            self.empty(at)
        } else {
            self.node(false, false)?
        };
        open.end = open.start;
        let ends = |kind: &Kind<'_>| matches!(kind, Kind::FlowEntry | Kind::FlowListEnd);
        let value = self.flow_value(key.node.at.span.end, ends)?;
        Ok(Some((key, value)))
    }

    fn flow_value(&mut self, at: usize, ends: fn(&Kind<'s>) -> bool) -> Result<Built> {
        if !self.next_is(|kind| matches!(kind, Kind::Value))? {
            return Ok(self.empty(at));
        }
        let span = self.scanner.take()?.span;
        self.node_unless(ends, span.end, false, false)
    }

    fn flow_pair(&mut self, open: &mut Open<'s>, is_first: bool) -> Result<Option<Pair>> {
        if !self.has_flow_entry(open, is_first, |kind| matches!(kind, Kind::FlowMapEnd))? {
            return Ok(None);
        }
        if !self.next_is(|kind| matches!(kind, Kind::Key))? {
            let key = self.node(false, false)?;
            let value = self.empty(key.node.at.span.end);
            return Ok(Some((key, value)));
        }
        let span = self.scanner.take()?.span;
        let key = self.node_unless(
            |kind| matches!(kind, Kind::Value | Kind::FlowEntry | Kind::FlowMapEnd),
            span.end,
            false,
            false,
        )?;
        let ends = |kind: &Kind<'_>| matches!(kind, Kind::FlowEntry | Kind::FlowMapEnd);
        let value = self.flow_value(key.node.at.span.end, ends)?;
        Ok(Some((key, value)))
    }
}

/// Reads the next item of a list or map that is open, or its end. It is told whether the item is the first.
type Next<'s, T> = fn(&mut Builder<'s>, &mut Open<'s>, bool) -> Result<Option<T>>;

impl Open<'_> {
    fn add(&mut self, built: &Built) {
        self.nodes = self.nodes.saturating_add(built.nodes);
        self.depth = self.depth.max(built.depth + 1);
        self.end = self.end.max(built.node.at.span.end);
    }
}

fn too_deep() -> String {
    format!("values are nested more than {MAX_DEPTH} deep")
}
