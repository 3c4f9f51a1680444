//! Parser events become nodes.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::map::Findings;
use super::place::Index;
use super::{Document, Node, Style, Value, resolve};
use crate::problem::{Location, Problem, Source};

/// Nesting beyond this is refused: no inventory needs it, and every later step may recurse.
const MAX_DEPTH: usize = 64;
/// Values in a document with its aliases written out; beyond this it is taken for an alias bomb.
const MAX_NODES: usize = 2_000_000;

/// Reads the one document of a text.
///
/// # Errors
/// All tags, unusable keys and bad aliases of the text, and where its syntax ends to be YAML, that place.
pub fn read(source: &Arc<Source>) -> Result<Document, Vec<Problem>> {
    let mut builder = Builder::new(source);
    if let Err(problem) = builder.run() {
        builder.findings.problems.push(problem);
    }
    if !builder.findings.problems.is_empty() {
        return Err(builder.findings.problems);
    }
    let empty = Node {
        value: Value::Null,
        at: builder.index.range(0, 0),
        style: Style::Plain,
    };
    Ok(Document {
        root: builder.root.unwrap_or(empty),
        warnings: builder.findings.warnings,
    })
}

/// A node with what an alias to it costs.
#[derive(Clone)]
pub(super) struct Built {
    pub node: Node,
    nodes: usize,
    depth: usize,
    /// A plain `<<`.
    pub merges: bool,
}

/// A list or map that is still open.
struct Open {
    anchor: usize,
    start: Location,
    is_map: bool,
    items: Vec<Built>,
}

struct Builder<'s> {
    parser: Parser<'s, StrInput<'s>>,
    index: Index,
    open: Vec<Open>,
    anchors: HashMap<usize, Built>,
    root: Option<Node>,
    nodes: usize,
    findings: Findings,
}

impl<'s> Builder<'s> {
    fn new(source: &'s Arc<Source>) -> Self {
        let index = Index::new(source);
        let text = source.text.get(index.begin..).unwrap_or_default();
        Self {
            parser: Parser::new_from_str(text),
            index,
            open: Vec::new(),
            anchors: HashMap::new(),
            root: None,
            nodes: 0,
            findings: Findings::default(),
        }
    }

    fn run(&mut self) -> Result<(), Problem> {
        self.check_characters()?;
        while let Some(event) = self.parser.next_event() {
            let (event, span) = event.map_err(|error| self.syntax(&error))?;
            self.take(event, span)?;
        }
        Ok(())
    }

    /// The characters that `PyYAML` refuses. To the parser a NUL would be the end of the text.
    fn check_characters(&self) -> Result<(), Problem> {
        let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        let Some((at, c)) = self.index.source.text.char_indices().find(|&(_, c)| !allowed(c)) else {
            return Ok(());
        };
        let location = self.index.range(at, at + c.len_utf8());
        Err(Problem::at(
            &location,
            format!("the character {} cannot stand in a YAML file", c.escape_unicode()),
        ))
    }

    fn syntax(&self, error: &ScanError) -> Problem {
        let at = self.index.byte(*error.marker());
        let next = self
            .index
            .source
            .text
            .get(at..)
            .and_then(|rest| rest.chars().next())
            .map_or(0, char::len_utf8);
        Problem::at(
            &self.index.range(at, at + next),
            format!("this is not YAML: {}", error.info()),
        )
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let location = self.behind_anchor(self.index.location(span));
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(Problem::at(&location, "a second document begins here")
                    .hint("an inventory is one document; remove the line `---`, or split the file"))
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), &location);
                self.count(1, &location)?;
                self.add(anchor, scalar(&text, style, location));
                Ok(())
            }
            Event::Alias(anchor) => self.alias(anchor, &location),
            Event::SequenceStart(anchor, tag) => self.begin(anchor, tag.as_deref(), location, false),
            Event::MappingStart(anchor, tag) => self.begin(anchor, tag.as_deref(), location, true),
            Event::SequenceEnd | Event::MappingEnd => {
                self.end(&location);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The parser counts an anchor to the value that it names; messages are about the value.
    fn behind_anchor(&self, location: Location) -> Location {
        let text = location.text();
        let Some(end) = text.strip_prefix('&').and_then(|name| name.find(char::is_whitespace)) else {
            return location;
        };
        let value = text.get(end + 1..).unwrap_or_default().trim_start();
        self.index.range(location.span.end - value.len(), location.span.end)
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, location: &Location) {
        let Some(tag) = tag else { return };
        let name = if tag.is_yaml_core_schema() {
            format!("!!{}", tag.suffix)
        } else {
            tag.to_string()
        };
        let problem = Problem::at(location, format!("the tag `{name}` is not supported yet"));
        self.findings.problems.push(match name.as_str() {
            "!vault" | "!vault-encrypted" => {
                problem.hint("give the value in plain text, or through a variable that is not used here")
            }
            "!!str" => problem.hint("put the value in quotes instead"),
            _ => problem.hint("remove the tag"),
        });
    }

    fn begin(&mut self, anchor: usize, tag: Option<&Tag>, start: Location, is_map: bool) -> Result<(), Problem> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(&start));
        }
        self.refuse_tag(tag, &start);
        self.count(1, &start)?;
        self.open.push(Open {
            anchor,
            start,
            is_map,
            items: Vec::new(),
        });
        Ok(())
    }

    fn end(&mut self, end: &Location) {
        let Some(open) = self.open.pop() else { return };
        let nodes = 1 + open.items.iter().map(|item| item.nodes).sum::<usize>();
        let depth = 1 + open.items.iter().map(|item| item.depth).max().unwrap_or(0);
        let at = self.collection_place(&open, end);
        let value = if open.is_map {
            Value::Map(self.findings.map(open.items).into())
        } else {
            Value::List(open.items.into_iter().map(|item| item.node).collect())
        };
        self.add(
            open.anchor,
            Built {
                node: Node {
                    value,
                    at,
                    style: Style::Collection,
                },
                nodes,
                depth,
                merges: false,
            },
        );
    }

    /// From the start event to the end event of a flow collection; to the last child's end of a block collection,
    /// whose end event stands before the next token.
    fn collection_place(&self, open: &Open, end: &Location) -> Location {
        let start = open.start.span.start;
        let flow = self
            .index
            .source
            .text
            .get(start..)
            .is_some_and(|text| text.starts_with(['[', '{']));
        let last = open.items.iter().map(|item| item.node.at.span.end).max();
        self.index.range(
            start,
            if flow {
                end.span.end
            } else {
                last.unwrap_or(end.span.end)
            },
        )
    }

    fn alias(&mut self, anchor: usize, location: &Location) -> Result<(), Problem> {
        let Some(built) = self.anchors.get(&anchor).cloned() else {
            return Err(Problem::at(
                location,
                "this alias stands inside the value that it names",
            ));
        };
        if self.open.len() + built.depth > MAX_DEPTH {
            return Err(too_deep(location));
        }
        self.count(built.nodes, location)?;
        self.place(built);
        Ok(())
    }

    fn count(&mut self, nodes: usize, location: &Location) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(Problem::at(
                location,
                format!("the file holds more than {MAX_NODES} values with its aliases written out"),
            ));
        }
        Ok(())
    }

    fn add(&mut self, anchor: usize, built: Built) {
        if anchor != 0 {
            self.anchors.insert(anchor, built.clone());
        }
        self.place(built);
    }

    /// Puts a value where it belongs: into the innermost open collection, or at the top.
    fn place(&mut self, built: Built) {
        match self.open.last_mut() {
            Some(open) => open.items.push(built),
            None => self.root = Some(built.node),
        }
    }
}

fn too_deep(location: &Location) -> Problem {
    Problem::at(location, format!("values are nested more than {MAX_DEPTH} deep"))
}

fn scalar(text: &str, style: ScalarStyle, at: Location) -> Built {
    let style = match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
    };
    let at = if style == Style::Quoted { within_quotes(at) } else { at };
    let merges = style == Style::Plain && text == "<<";
    let value = if style == Style::Plain {
        resolve(text)
    } else {
        Value::String(text.to_owned())
    };
    Built {
        node: Node { value, at, style },
        nodes: 1,
        depth: 0,
        merges,
    }
}

/// The parser counts blanks and a comment behind a quoted scalar to it; its place ends at its closing quote.
fn within_quotes(at: Location) -> Location {
    let length = quoted_length(at.text());
    let end = length.map_or(at.span.end, |length| at.span.start + length);
    Location {
        span: at.span.start..end,
        ..at
    }
}

fn quoted_length(text: &str) -> Option<usize> {
    let mut characters = text.char_indices().peekable();
    let (_, quote) = characters.next()?;
    while let Some((at, c)) = characters.next() {
        let doubled = quote == '\'' && characters.peek().is_some_and(|(_, next)| *next == quote);
        if (c == '\\' && quote == '"') || (c == quote && doubled) {
            characters.next();
        } else if c == quote {
            return Some(at + 1);
        }
    }
    None
}
