//! Lists and maps, of blocks and of brackets.

use std::ops::Range;

use super::{Builder, Built, MAX_DEPTH, Properties, too_deep};
use crate::problem::Problem;
use crate::yaml::scan::{Kind, Result, Stop, Token};
use crate::yaml::tag::Tag;
use crate::yaml::{Node, Style, Value};

/// A key and its value.
pub(super) type Pair = (Built, Built);

/// A list or map under way.
pub(super) struct Open<'s> {
    properties: Properties<'s>,
    start: usize,
    /// Where its last value ends.
    end: usize,
    nodes: usize,
    depth: usize,
}

/// Reads the next item of a list or map that is open, or its end. It is told whether the item is the first.
pub(super) type Next<'s, T> = fn(&mut Builder<'s>, &mut Open<'s>, bool) -> Result<Option<T>>;

impl Open<'_> {
    fn add(&mut self, built: &Built) {
        self.nodes = self.nodes.saturating_add(built.nodes);
        self.depth = self.depth.max(built.depth + 1);
        self.end = self.end.max(built.node.at.span.end);
    }
}

impl<'s> Builder<'s> {
    fn open(&mut self, properties: Properties<'s>) -> Result<Open<'s>> {
        let token = self.scanner.peek()?;
        let Range { start, end } = token.span;
        // A list that is not indented has no token of its own.
        if !matches!(token.kind, Kind::Entry) {
            self.scanner.take()?;
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Stop::from(Problem::at(
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

    fn close(&mut self, open: &Open<'s>, value: Value) -> Result<Built> {
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

    pub(super) fn list(&mut self, properties: Properties<'s>, next: Next<'s, Built>) -> Result<Built> {
        let mut open = self.open(properties)?;
        let mut items = Vec::new();
        while let Some(built) = next(self, &mut open, items.is_empty())? {
            open.add(&built);
            items.push(self.value(built)?);
        }
        self.close(&open, Value::List(items.into()))
    }

    pub(super) fn map(&mut self, properties: Properties<'s>, next: Next<'s, Pair>) -> Result<Built> {
        let mut open = self.open(properties)?;
        let mut entries = Vec::new();
        while let Some((key, value)) = next(self, &mut open, entries.is_empty())? {
            open.add(&key);
            open.add(&value);
            let value = self.value(value)?;
            entries.push((key, value));
        }
        let entries = self.findings.map(entries)?;
        self.close(&open, Value::Map(entries.into()))
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

    pub(super) fn block_entry(&mut self, _: &mut Open<'s>, _: bool) -> Result<Option<Built>> {
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

    pub(super) fn indentless_entry(&mut self, _: &mut Open<'s>, _: bool) -> Result<Option<Built>> {
        if !self.next_is(|kind| matches!(kind, Kind::Entry))? {
            return Ok(None);
        }
        let span = self.scanner.take()?.span;
        let ends = |kind: &Kind<'_>| matches!(kind, Kind::Entry | Kind::Key | Kind::Value | Kind::BlockEnd);
        self.node_unless(ends, span.end, true, false).map(Some)
    }

    pub(super) fn block_pair(&mut self, _: &mut Open<'s>, _: bool) -> Result<Option<Pair>> {
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

    pub(super) fn flow_entry(&mut self, open: &mut Open<'s>, is_first: bool) -> Result<Option<Built>> {
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

    pub(super) fn flow_pair(&mut self, open: &mut Open<'s>, is_first: bool) -> Result<Option<Pair>> {
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
