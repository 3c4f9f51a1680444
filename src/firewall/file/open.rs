//! The lines between a table and its `COMMIT`: chains, and commands of iptables(8).

use std::collections::HashMap;
use std::sync::Arc;

use super::super::parse::{self, Fault, excerpt};
use super::super::rule::{self, Rule};
use super::super::ruleset::Chain;
use super::super::words::Word;
use super::Content;
use super::line::{Line, rules};

/// A table that is being read.
pub(super) struct Open {
    content: Content,
    builtin: &'static [&'static str],
    /// Where its chains are.
    places: HashMap<String, usize>,
}

impl Open {
    pub fn new(content: Content, builtin: &'static [&'static str]) -> Self {
        Self {
            content,
            builtin,
            places: HashMap::new(),
        }
    }

    /// The table's name.
    pub fn name(&self) -> &str {
        &self.content.table.name
    }

    /// The table as it was read, its built-in chains first.
    pub fn committed(mut self) -> Content {
        let builtin = self.builtin;
        let chains = &mut self.content.table.chains;
        chains.sort_by_key(|chain| !builtin.contains(&chain.name.as_str()));
        self.content
    }

    /// A chain or a command.
    pub fn line(&mut self, line: &str, pending: &mut Vec<String>) -> Result<(), Fault> {
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
        Arc::make_mut(&mut there.rules).splice(at..at, inserted);
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
            self.chain(chain)?.rules = Arc::default();
            self.content.notes.forget_rules(&chain.text);
            return Ok(());
        }
        for chain in &mut self.content.table.chains {
            chain.rules = Arc::default();
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
        let mut left = chains
            .iter()
            .flat_map(|other| other.rules.iter())
            .filter_map(Rule::leads_to);
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
        rules: Arc::default(),
    }
}
