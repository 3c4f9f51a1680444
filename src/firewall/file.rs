//! Reads a file of rules as people and tools write them for `iptables-restore`: all that it takes on a host without rules
//! (iptables 1.8, iptables-restore(8)), where a snapshot of a host holds what `iptables-save` prints and nothing else.
//!
//! Built-in chains need not be declared, chains are also made by `-N`, rules inserted by `-I`, policies set by `-P`, and
//! a rule for several addresses becomes a rule for each. Commands that change what is there (`-D`, `-R`, `-E`) are errors:
//! a rule set says what is to be there.

mod notes;

use std::collections::HashMap;

use super::parse::{self, Fault, ParseError, excerpt};
use super::rule::{self, Rule};
use super::ruleset::{Chain, Ruleset, Table};
use super::spec::{Opt, Spec};
use super::spelling::{rule_text, spelled};
use super::words::Word;
use notes::Notes;

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
                message: format!("table {} does not end in COMMIT", open.content.table.name),
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
        lines.iter().map(|line| format!("{line}\n")).collect()
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
            return Err((0, format!("table {} does not end in COMMIT", open.content.table.name)));
        }
        open.line(line, &mut self.pending)
    }

    /// What `iptables-save` says of itself is no news.
    fn comment(&mut self, line: &str) {
        let own = ["# Generated by ", "# Completed on "];
        if !own.iter().any(|own| line.starts_with(own)) {
            let whole = line.trim_end();
            self.pending
                .push(whole.chars().filter(|c| *c == '\t' || !c.is_control()).collect());
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
        self.open = Some(Open {
            content: Content { table, notes },
            builtin,
            places: HashMap::new(),
        });
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Fault> {
        let Some(mut open) = self.open.take() else {
            return Err((0, "COMMIT without a table".to_owned()));
        };
        open.content.notes.end = std::mem::take(&mut self.pending);
        let builtin = open.builtin;
        let chains = &mut open.content.table.chains;
        chains.sort_by_key(|chain| !builtin.contains(&chain.name.as_str()));
        self.done.tables.push(open.content);
        Ok(())
    }
}

/// A table that is being read.
struct Open {
    content: Content,
    builtin: &'static [&'static str],
    /// Where its chains are.
    places: HashMap<String, usize>,
}

impl Open {
    fn line(&mut self, line: &str, pending: &mut Vec<String>) -> Result<(), Fault> {
        if line.starts_with(':') {
            let chain = parse::chain(line).ok_or_else(|| (0, format!("not a chain: {}", excerpt(line))))?;
            self.content.notes.on_chain(&chain.name, pending);
            return self.declare(chain);
        }
        let (counters, rest) = rule::counters(line)?;
        let offset = line.chars().count() - rest.chars().count();
        let words = rule::split(rest).map_err(|(at, message)| (at + offset, message))?;
        let line = Line { text: rest, counters };
        self.command(&line, &words, pending)
            .map_err(|(at, message)| (at + offset, message))
    }

    fn declare(&mut self, mut chain: Chain) -> Result<(), Fault> {
        let is_builtin = self.builtin.contains(&chain.name.as_str());
        match (is_builtin, chain.policy.as_deref()) {
            (true, None) => chain.policy = Some("ACCEPT".to_owned()),
            (true, Some("ACCEPT" | "DROP")) => {}
            (true, Some(policy)) => return Err((0, format!("not a policy: {}", excerpt(policy)))),
            // Only the nft variant takes it, and lets it be.
            (false, _) => chain.policy = None,
        }
        match self.find(&chain.name) {
            Some(_) if !is_builtin => Err((1, format!("chain {} comes twice", chain.name))),
            Some(there) => {
                (there.policy, there.counters) = (chain.policy, chain.counters);
                Ok(())
            }
            None => {
                self.push(chain);
                Ok(())
            }
        }
    }

    fn push(&mut self, chain: Chain) {
        let chains = &mut self.content.table.chains;
        self.places.insert(chain.name.clone(), chains.len());
        chains.push(chain);
    }

    fn find(&mut self, name: &str) -> Option<&mut Chain> {
        let place = self.places.get(name)?;
        self.content.table.chains.get_mut(*place)
    }

    /// A chain that was declared, or a built-in one.
    fn chain(&mut self, word: &Word) -> Result<&mut Chain, Fault> {
        let name = &word.text;
        if self.find(name).is_none() && self.builtin.contains(&name.as_str()) {
            self.push(Chain {
                policy: Some("ACCEPT".to_owned()),
                ..empty(name)
            });
        }
        self.find(name)
            .ok_or_else(|| (word.at, format!("no chain {}", excerpt(name))))
    }

    fn command(&mut self, line: &Line<'_>, words: &[Word], pending: &mut Vec<String>) -> Result<(), Fault> {
        let [command, rest @ ..] = words else {
            return Err((0, "an empty line that is not empty: it holds blanks".to_owned()));
        };
        match (command.text.as_str(), rest) {
            ("-A" | "--append", [chain, spec @ ..]) => self.rules(line, chain, Place::End, spec, pending),
            ("-I" | "--insert", [chain, number, spec @ ..]) if is_number(number) => {
                self.rules(line, chain, Place::Number(number), spec, pending)
            }
            ("-I" | "--insert", [chain, spec @ ..]) => self.rules(line, chain, Place::Top, spec, pending),
            ("-N" | "--new-chain", [chain]) => self.new_chain(chain, pending),
            ("-P" | "--policy", [chain, policy]) => self.policy(chain, policy, pending),
            ("-F" | "--flush", [] | [_]) => self.flush(rest.first()),
            ("-X" | "--delete-chain", [] | [_]) => self.delete(rest.first()),
            ("-Z" | "--zero", _) => Ok(()),
            ("-D" | "--delete" | "-R" | "--replace" | "-E" | "--rename-chain", _) => {
                let what = format!(
                    "{} changes what is there: write the rules that are to be there",
                    command.text
                );
                Err((command.at, what))
            }
            ("-A" | "--append" | "-I" | "--insert", []) => Err((command.at, "a rule without a chain".to_owned())),
            _ => Err((
                command.at,
                format!("not a line of a file of rules: {}", excerpt(line.text)),
            )),
        }
    }

    /// The rules that a line makes, appended or inserted.
    fn rules(
        &mut self,
        line: &Line<'_>,
        chain: &Word,
        place: Place<'_>,
        words: &[Word],
        pending: &mut Vec<String>,
    ) -> Result<(), Fault> {
        let rules = rules(line, &chain.text, words)?;
        let there = self.chain(chain)?;
        let (name, end) = (there.name.clone(), there.rules.len());
        let at = place.index(end).ok_or_else(|| {
            let what = format!("{} has {end} rules by then: there is no such place", excerpt(&name));
            (place.column(), what)
        })?;
        let notes = std::mem::take(pending);
        let count = rules.len();
        let inserted = rules.into_iter();
        // iptables inserts them one by one, the last on top.
        let inserted: Vec<_> = match place {
            Place::End => inserted.collect(),
            Place::Top | Place::Number(_) => inserted.rev().collect(),
        };
        there.rules.splice(at..at, inserted);
        self.content.notes.on_rules(&name, at, count, notes);
        Ok(())
    }

    fn new_chain(&mut self, chain: &Word, pending: &mut Vec<String>) -> Result<(), Fault> {
        let name = &chain.text;
        let is_taken = self.find(name).is_some() || self.builtin.contains(&name.as_str());
        if is_taken || name.is_empty() || name.contains([' ', '\t']) {
            return Err((chain.at, format!("no new chain: {}", excerpt(name))));
        }
        self.content.notes.on_chain(name, pending);
        self.push(empty(name));
        Ok(())
    }

    fn policy(&mut self, chain: &Word, policy: &Word, pending: &mut Vec<String>) -> Result<(), Fault> {
        if !self.builtin.contains(&chain.text.as_str()) {
            return Err((
                chain.at,
                format!("{} is not a built-in chain: it has no policy", excerpt(&chain.text)),
            ));
        }
        if !["ACCEPT", "DROP"].contains(&policy.text.as_str()) {
            return Err((policy.at, format!("not a policy: {}", excerpt(&policy.text))));
        }
        self.chain(chain)?.policy = Some(policy.text.clone());
        self.content.notes.on_chain(&chain.text, pending);
        Ok(())
    }

    fn flush(&mut self, chain: Option<&Word>) -> Result<(), Fault> {
        if let Some(chain) = chain {
            self.chain(chain)?.rules.clear();
            self.content.notes.forget_rules(&chain.text);
            return Ok(());
        }
        for chain in &mut self.content.table.chains {
            chain.rules.clear();
            self.content.notes.forget_rules(&chain.name);
        }
        Ok(())
    }

    /// Only chains that are empty and that nothing leads to.
    fn delete(&mut self, chain: Option<&Word>) -> Result<(), Fault> {
        let builtin = self.builtin;
        let chains = &mut self.content.table.chains;
        let goes = |other: &Chain| match chain {
            Some(chain) => other.name == chain.text,
            None => !builtin.contains(&other.name.as_str()),
        };
        let at = chain.map_or(0, |chain| chain.at);
        if let Some(full) = chains.iter().find(|other| goes(other) && !other.rules.is_empty()) {
            return Err((
                at,
                format!("chain {} holds rules: it cannot be deleted", excerpt(&full.name)),
            ));
        }
        let mut left = chains.iter().flat_map(|other| &other.rules).filter_map(Rule::leads_to);
        if let Some(used) = left.find(|name| chains.iter().any(|other| other.name == *name && goes(other))) {
            return Err((at, format!("chain {} is in use: it cannot be deleted", excerpt(used))));
        }
        if let Some(chain) = chain
            && (builtin.contains(&chain.text.as_str()) || !chains.iter().any(goes))
        {
            return Err((at, format!("no chain to delete: {}", excerpt(&chain.text))));
        }
        chains.retain(|other| !goes(other));
        let places = chains
            .iter()
            .enumerate()
            .map(|(place, chain)| (chain.name.clone(), place));
        self.places = places.collect();
        Ok(())
    }
}

/// A line that holds a command.
struct Line<'a> {
    text: &'a str,
    counters: Option<rule::Counts>,
}

/// Where in a chain rules come in.
#[derive(Clone, Copy)]
enum Place<'a> {
    End,
    Top,
    /// Counted from 1.
    Number(&'a Word),
}

impl Place<'_> {
    /// `None`: a chain of so many rules has no such place.
    fn index(self, end: usize) -> Option<usize> {
        match self {
            Self::End => Some(end),
            Self::Top => Some(0),
            Self::Number(word) => {
                let index = word.text.parse::<usize>().ok()?.checked_sub(1)?;
                (index <= end).then_some(index)
            }
        }
    }

    fn column(self) -> usize {
        match self {
            Self::End | Self::Top => 0,
            Self::Number(word) => word.at,
        }
    }
}

fn is_number(word: &Word) -> bool {
    !word.text.is_empty() && word.text.bytes().all(|byte| byte.is_ascii_digit())
}

fn empty(name: &str) -> Chain {
    Chain {
        name: name.to_owned(),
        policy: None,
        counters: (0, 0),
        rules: Vec::new(),
    }
}

/// A rule, or one for each of its addresses.
fn rules(line: &Line<'_>, chain: &str, words: &[Word]) -> Result<Vec<Rule>, Fault> {
    let spec = Spec::read(words)?;
    if let Some(stray) = spec.stray {
        return Err(stray);
    }
    let several = |option: &&Opt| is_address(option) && option.values.iter().any(|value| value.contains(','));
    if let Some(option) = spec.general.iter().find(several) {
        if option.negated {
            let at = words.first().map_or(0, |word| word.at);
            return Err((at, format!("`!` with several addresses in {}", option.name)));
        }
        let read = |spec: Spec| {
            let (_, rule) = Rule::read(&rule_text(chain, &spec))?;
            let counters = rule.counters.or(line.counters);
            Ok(Rule { counters, ..rule })
        };
        return each_address(spec).into_iter().map(read).collect();
    }
    let text = match words.first() {
        Some(first) => line.text.chars().skip(first.at).collect::<String>(),
        None => String::new(),
    };
    let raw = format!(
        "-A {} {}",
        super::words::quote(chain),
        text.trim_end_matches([' ', '\t'])
    );
    Ok(vec![Rule::new(&spec, line.counters, raw.trim_end().to_owned())])
}

fn is_address(option: &Opt) -> bool {
    ["-s", "-d"].contains(&option.name.as_str())
}

/// Sources in turn, each with all destinations.
fn each_address(spec: Spec) -> Vec<Spec> {
    ["-s", "-d"].into_iter().fold(vec![spec], |specs, name| {
        specs.into_iter().flat_map(|spec| each_value(&spec, name)).collect()
    })
}

fn each_value(spec: &Spec, name: &str) -> Vec<Spec> {
    let Some(place) = spec.general.iter().position(|option| option.name == name) else {
        return vec![spec.clone()];
    };
    let values = spec.general.get(place).into_iter().flat_map(|option| &option.values);
    let with = |value: &str| {
        let mut one = spec.clone();
        if let Some(option) = one.general.get_mut(place) {
            option.values = vec![value.to_owned()];
        }
        one
    };
    values.flat_map(|value| value.split(',')).map(with).collect()
}

#[cfg(test)]
mod tests;
