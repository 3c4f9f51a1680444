//! Reads a file of rules as people and tools write them for `iptables-restore`: all that it takes on a host without rules
//! (iptables 1.8, iptables-restore(8)), where a snapshot of a host holds what `iptables-save` prints and nothing else.
//!
//! Built-in chains need not be declared, chains are also made by `-N`, rules inserted by `-I`, policies set by `-P`, and
//! a rule for several addresses becomes a rule for each. Commands that change what is there (`-D`, `-R`, `-E`) are errors:
//! a rule set says what is to be there.

mod line;
mod notes;
mod open;

use super::parse::{Fault, ParseError, excerpt};
use super::ruleset::{Ruleset, Table};
use super::spelling::spelled;
use notes::Notes;
use open::Open;

/// The tables and their built-in chains.
const TABLES: [(&str, &[&str]); 5] = [
    ("filter", &["INPUT", "FORWARD", "OUTPUT"]),
    ("nat", &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
    ("mangle", &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]),
    ("raw", &["PREROUTING", "OUTPUT"]),
    ("security", &["INPUT", "FORWARD", "OUTPUT"]),
];

/// A file of rules, with the comments that people wrote into it.
#[derive(Debug, Default)]
pub(super) struct File {
    tables: Vec<Content>,
    /// After the last table.
    end: Vec<String>,
}

/// A table with its comments.
#[derive(Debug)]
struct Content {
    table: Table,
    notes: Notes,
}

impl File {
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut reader = Reader::default();
        let mut lines = 0;
        for (index, line) in text.split_terminator('\n').enumerate() {
            lines = index + 1;
            reader.line(line).map_err(|(at, message)| ParseError {
                line: lines,
                column: at + 1,
                message,
            })?;
        }
        if let Some(open) = &reader.open {
            return Err(ParseError {
                line: lines,
                column: 1,
                message: format!("table {} does not end in COMMIT", open.name()),
            });
        }
        reader.done.end = reader.pending;
        Ok(reader.done)
    }

    /// The rules alone.
    pub fn ruleset(self) -> Ruleset {
        Ruleset {
            tables: self.tables.into_iter().map(|content| content.table).collect(),
            ..Ruleset::default()
        }
    }

    /// The canonical text: each rule as `iptables-save` would write it, comments above what they stood above.
    pub fn text(&self, counters: bool) -> String {
        let mut lines = Vec::new();
        for content in &self.tables {
            content.print(counters, &mut lines);
        }
        lines.extend(self.end.iter().cloned());
        lines.push(String::new());
        lines.join("\n")
    }
}

impl Content {
    fn print(&self, counters: bool, lines: &mut Vec<String>) {
        let count = |(packets, bytes): (u64, u64)| format!("[{packets}:{bytes}]");
        lines.extend(self.notes.table.iter().cloned());
        lines.push(format!("*{}", self.table.name));
        for chain in &self.table.chains {
            lines.extend(self.notes.of_chain(&chain.name).iter().cloned());
            let policy = chain.policy.as_deref().unwrap_or("-");
            let numbers = count(if counters { chain.counters } else { (0, 0) });
            lines.push(format!(":{} {policy} {numbers}", chain.name));
        }
        for chain in &self.table.chains {
            for (index, rule) in chain.rules.iter().enumerate() {
                lines.extend(self.notes.of_rule(&chain.name, index).iter().cloned());
                let numbers = rule.counters.filter(|_| counters);
                let numbers = numbers.map_or(String::new(), |numbers| count(numbers) + " ");
                lines.push(numbers + &spelled(&chain.name, rule));
            }
        }
        lines.extend(self.notes.end.iter().cloned());
        lines.push("COMMIT".to_owned());
    }
}

#[derive(Default)]
struct Reader {
    done: File,
    open: Option<Open>,
    /// Comments that await what they stand above.
    pending: Vec<String>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), Fault> {
        if let Some(before) = line.strip_suffix('\r') {
            let fault = "the line ends in CR LF, as on Windows, which iptables-restore does not take";
            return Err((before.chars().count(), fault.to_owned()));
        }
        if line.is_empty() {
            return Ok(());
        }
        if line.starts_with('#') {
            self.comment(line);
            return Ok(());
        }
        let Some(open) = &mut self.open else {
            return self.table(line);
        };
        if line == "COMMIT" {
            return self.commit();
        }
        if line.starts_with('*') {
            return Err((0, format!("table {} does not end in COMMIT", open.name())));
        }
        open.line(line, &mut self.pending)
    }

    /// What `iptables-save` says of itself is no news.
    fn comment(&mut self, line: &str) {
        let clean: String = line.chars().filter(|c| *c == '\t' || !c.is_control()).collect();
        let own = ["# Generated by ", "# Completed on "];
        if !own.iter().any(|own| clean.starts_with(own)) {
            self.pending.push(clean.trim_end().to_owned());
        }
    }

    fn table(&mut self, line: &str) -> Result<(), Fault> {
        let Some(name) = line.strip_prefix('*') else {
            return Err((0, format!("outside of a table: {}", excerpt(line))));
        };
        let name = name.trim_matches([' ', '\t']);
        let Some((name, builtin)) = TABLES.into_iter().find(|(known, _)| *known == name) else {
            return Err((1, format!("not a table of iptables: {}", excerpt(name))));
        };
        if self.done.tables.iter().any(|done| done.table.name == name) {
            return Err((
                0,
                format!("table {name} comes twice: the second would take the rules of the first away"),
            ));
        }
        let table = Table {
            name: name.to_owned(),
            chains: Vec::new(),
        };
        let notes = Notes::above(std::mem::take(&mut self.pending));
        self.open = Some(Open::new(Content { table, notes }, builtin));
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Fault> {
        let Some(open) = self.open.take() else {
            return Err((0, "COMMIT without a table".to_owned()));
        };
        let mut content = open.committed();
        content.notes.end = std::mem::take(&mut self.pending);
        self.done.tables.push(content);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
