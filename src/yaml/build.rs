//! Parser events become nodes.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

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
        builder.problems.push(problem);
    }
    if !builder.problems.is_empty() {
        return Err(builder.problems);
    }
    let empty = Node {
        value: Value::Null,
        at: builder.index.range(0, 0),
        style: Style::Plain,
    };
    Ok(Document {
        root: builder.root.unwrap_or(empty),
        warnings: builder.warnings,
    })
}

/// Bytes of the parser's places. It counts characters; lines and columns are what it counts most reliably.
struct Index {
    source: Arc<Source>,
    /// Where the YAML begins: behind a byte order mark.
    begin: usize,
    lines: Vec<usize>,
}

impl Index {
    fn new(source: &Arc<Source>) -> Self {
        let begin = if source.text.starts_with('\u{feff}') {
            '\u{feff}'.len_utf8()
        } else {
            0
        };
        let bytes = source.text.as_bytes();
        let ends_line = |&(at, byte): &(usize, &u8)| {
            *byte == b'\n' || (*byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'))
        };
        let breaks = bytes
            .iter()
            .enumerate()
            .filter(ends_line)
            .map(|(at, _)| at + 1);
        Self {
            source: Arc::clone(source),
            begin,
            lines: std::iter::once(begin).chain(breaks).collect(),
        }
    }

    fn byte(&self, marker: Marker) -> usize {
        let end = self.source.text.len();
        let Some(&start) = self.lines.get(marker.line().saturating_sub(1)) else {
            return end;
        };
        let line = self.source.text.get(start..).unwrap_or_default();
        line.char_indices()
            .nth(marker.col())
            .map_or(end, |(offset, _)| start + offset)
    }

    fn range(&self, start: usize, end: usize) -> Location {
        Location {
            source: Arc::clone(&self.source),
            span: start..end.max(start),
        }
    }

    fn location(&self, span: Span) -> Location {
        self.range(self.byte(span.start), self.byte(span.end))
    }
}

/// A node with what an alias to it costs.
#[derive(Clone)]
struct Built {
    node: Node,
    nodes: usize,
    depth: usize,
    /// A plain `<<`.
    merges: bool,
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
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
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
            problems: Vec::new(),
            warnings: Vec::new(),
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
        let Some((at, c)) = self
            .index
            .source
            .text
            .char_indices()
            .find(|&(_, c)| !allowed(c))
        else {
            return Ok(());
        };
        let location = self.index.range(at, at + c.len_utf8());
        Err(Problem::at(
            &location,
            format!(
                "the character {} cannot stand in a YAML file",
                c.escape_unicode()
            ),
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
        let location = self.index.location(span);
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
            Event::SequenceStart(anchor, tag) => {
                self.begin(anchor, tag.as_deref(), location, false)
            }
            Event::MappingStart(anchor, tag) => self.begin(anchor, tag.as_deref(), location, true),
            Event::SequenceEnd | Event::MappingEnd => {
                self.end(&location);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, location: &Location) {
        let Some(tag) = tag else { return };
        let name = if tag.is_yaml_core_schema() {
            format!("!!{}", tag.suffix)
        } else {
            tag.to_string()
        };
        let problem = Problem::at(location, format!("the tag `{name}` is not supported yet"));
        self.problems.push(match name.as_str() {
            "!vault" | "!vault-encrypted" => problem
                .hint("give the value in plain text, or through a variable that is not used here"),
            "!!str" => problem.hint("put the value in quotes instead"),
            _ => problem.hint("remove the tag"),
        });
    }

    fn begin(
        &mut self,
        anchor: usize,
        tag: Option<&Tag>,
        start: Location,
        is_map: bool,
    ) -> Result<(), Problem> {
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
            Value::Map(self.map(open.items).into())
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

    /// A map's entries: merged ones first, then its own, as `PyYAML` does.
    fn map(&mut self, items: Vec<Built>) -> Vec<(Node, Node)> {
        let mut merged = Entries::default();
        let mut own = Entries::default();
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            if key.merges {
                self.merge(&value.node, &mut merged);
            } else if let Some(earlier) = self.insert(&mut own, key.node.clone(), value.node) {
                self.warnings.push(duplicate(&key.node, &earlier));
            }
        }
        for (key, value) in own.list {
            self.insert(&mut merged, key, value);
        }
        merged.list
    }

    /// The keys of a map, or of several, of which the first wins.
    fn merge(&mut self, value: &Node, into: &mut Entries) {
        let maps = match &value.value {
            Value::List(maps) => maps.iter().rev().collect(),
            _ => vec![value],
        };
        for map in maps {
            let Value::Map(entries) = &map.value else {
                let message = format!("`<<` merges maps, and this is {}", map.value.kind());
                self.problems.push(Problem::at(&map.at, message));
                continue;
            };
            for (key, value) in entries.iter() {
                self.insert(into, key.clone(), value.clone());
            }
        }
    }

    fn insert(&mut self, entries: &mut Entries, key: Node, value: Node) -> Option<Location> {
        let Some(id) = identity(&key.value) else {
            self.problems.push(Problem::at(
                &key.at,
                format!("{} cannot be a key", key.value.kind()),
            ));
            return None;
        };
        entries.insert(id, key, value)
    }
}

/// The entries of a map under way.
#[derive(Default)]
struct Entries {
    list: Vec<(Node, Node)>,
    places: HashMap<String, usize>,
}

impl Entries {
    /// The last value of a key wins and keeps the first one's position. Returns where the key stood before.
    fn insert(&mut self, id: String, key: Node, value: Node) -> Option<Location> {
        let next = self.list.len();
        let place = *self.places.entry(id).or_insert(next);
        if let Some(entry) = self.list.get_mut(place) {
            let earlier = std::mem::replace(entry, (key, value));
            return Some(earlier.0.at);
        }
        self.list.push((key, value));
        None
    }
}

/// What makes two keys the same; `None` for lists and maps, which cannot be keys.
fn identity(value: &Value) -> Option<String> {
    match value {
        Value::List(_) | Value::Map(_) => None,
        Value::String(text) => Some(format!("s{text}")),
        other => Some(format!("{other:?}")),
    }
}

fn duplicate(key: &Node, earlier: &Location) -> Problem {
    Problem::at(
        &key.at,
        format!(
            "the key `{}` stands twice in one map; the last one wins",
            key.raw()
        ),
    )
    .label(format!("first at {earlier}"))
}

fn too_deep(location: &Location) -> Problem {
    Problem::at(
        location,
        format!("values are nested more than {MAX_DEPTH} deep"),
    )
}

fn scalar(text: &str, style: ScalarStyle, at: Location) -> Built {
    let style = match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
    };
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
