//! Tokens become nodes.

mod collection;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::map::Findings;
use super::scan::{Form, Kind, Result, Scanner, Stop, Token};
use super::tag::{self, Tag};
use super::{Document, Node, Style, Value, scalar};
use crate::problem::{Location, Problem, Source};

/// Nesting beyond this is refused: no inventory needs it, and every later step may recurse.
pub(super) const MAX_DEPTH: usize = 64;
/// Values that the aliases of a document stand for; beyond this it is taken for an alias bomb.
const MAX_ALIASED: usize = 2_000_000;
/// Values of a document as it is written, for each of which memory is needed: ten times what ten thousand hosts with
/// twenty variables each take.
pub(super) const MAX_VALUES: usize = 4_000_000;

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
            problems.push(*last.0);
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
    Err(Stop::from(Problem::at(&location, message)))
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

/// What stands before a value.
#[derive(Default)]
pub(super) struct Properties<'s> {
    anchor: Option<&'s str>,
    tag: Option<Tag>,
}

struct Builder<'s> {
    scanner: Scanner<'s>,
    /// Handles of tags, and what they stand for.
    prefixes: Vec<(&'s str, String)>,
    /// Values by their anchors; `None` for one that is still under way.
    anchors: HashMap<&'s str, Option<Built>>,
    aliased: usize,
    values: usize,
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
            values: 0,
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
        Err(Stop::from(
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
        self.values += 1;
        if self.values > MAX_VALUES {
            let span = self.scanner.peek()?.span.clone();
            let message = format!("the file holds more than {MAX_VALUES} values, keys included");
            return Err(self.scanner.problem(span, &message));
        }
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
        let refused = |message: &str| Stop::from(Problem::at(&self.scanner.location(span.clone()), message));
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
}

fn too_deep() -> String {
    format!("values are nested more than {MAX_DEPTH} deep")
}
