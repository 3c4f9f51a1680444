//! Reads `iptables-save` text line by line.

use super::rule::Rule;
use super::ruleset::{Chain, Ruleset, Table};

pub(super) const LEGACY_WARNING: &str =
    "# Warning: iptables-legacy tables present, use iptables-legacy-save to see them";

/// Text that `iptables-save` did not print. Line and column count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ParseError {
    /// Which line.
    pub line: usize,
    /// Which character of it.
    pub column: usize,
    /// What is wrong with it.
    pub message: String,
}

/// What is wrong in a line, and at which character from 0.
pub(super) type Fault = (usize, String);

#[derive(Default)]
struct Reader {
    done: Ruleset,
    open: Option<Table>,
}

pub(super) fn ruleset(text: &str) -> Result<Ruleset, ParseError> {
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
    match reader.open {
        Some(table) => Err(ParseError {
            line: lines,
            column: 1,
            message: format!("table {} does not end in COMMIT", table.name),
        }),
        None => Ok(reader.done),
    }
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), Fault> {
        match line.chars().next() {
            None => Ok(()),
            Some('#') => {
                self.comment(line);
                Ok(())
            }
            Some('*') => self.table(line),
            Some(':') => self.chain(line),
            Some('-' | '[') => self.rule(line),
            _ if line == "COMMIT" => self.commit(),
            _ => Err((0, format!("not a line of iptables-save: {}", excerpt(line)))),
        }
    }

    fn comment(&mut self, line: &str) {
        if line.starts_with("# Warning:") && line.contains("legacy tables present") {
            self.done.warns_of_legacy = true;
        }
        let table = line
            .strip_prefix("# Table `")
            .and_then(|rest| rest.split_once("' is incompatible"));
        self.done.incompatible.extend(table.map(|(name, _)| name.to_owned()));
    }

    fn table(&mut self, line: &str) -> Result<(), Fault> {
        let name = line.trim_start_matches('*').trim_matches([' ', '\t']);
        if let Some(open) = &self.open {
            return Err((0, format!("table {} does not end in COMMIT", open.name)));
        }
        if name.is_empty() || !name.chars().all(|character| character.is_ascii_alphanumeric()) {
            return Err((1, format!("not a table name: {}", excerpt(name))));
        }
        if self.done.table(name).is_some() {
            return Err((0, format!("table {name} comes twice")));
        }
        self.open = Some(Table {
            name: name.to_owned(),
            chains: Vec::new(),
        });
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Fault> {
        let table = self
            .open
            .take()
            .ok_or_else(|| (0, "COMMIT without a table".to_owned()))?;
        self.done.tables.push(table);
        Ok(())
    }

    fn chain(&mut self, line: &str) -> Result<(), Fault> {
        let table = self
            .open
            .as_mut()
            .ok_or_else(|| (0, "a chain outside of a table".to_owned()))?;
        let chain = chain(line).ok_or_else(|| (0, format!("not a chain: {}", excerpt(line))))?;
        if table.chains.iter().any(|known| known.name == chain.name) {
            return Err((1, format!("chain {} comes twice", chain.name)));
        }
        table.chains.push(chain);
        Ok(())
    }

    fn rule(&mut self, line: &str) -> Result<(), Fault> {
        let table = self
            .open
            .as_mut()
            .ok_or_else(|| (0, "a rule outside of a table".to_owned()))?;
        let (name, rule) = Rule::read(line)?;
        let chain = table.chains.iter_mut().find(|chain| chain.name == name);
        let chain = chain.ok_or_else(|| (3, format!("no chain {}", excerpt(&name))))?;
        chain.rules.push(rule);
        Ok(())
    }
}

/// `:NAME POLICY [packets:bytes]`; the nft variant also takes `:NAME [packets:bytes]`.
fn chain(line: &str) -> Option<Chain> {
    let mut words = line
        .strip_prefix(':')?
        .split([' ', '\t'])
        .filter(|word| !word.is_empty());
    let name = words.next()?.to_owned();
    let mut policy = None;
    let mut numbers = (0, 0);
    match (words.next(), words.next(), words.next()) {
        (Some(only), None, None) if only.starts_with('[') => numbers = counters(only)?,
        (Some(word), None, None) => policy = Some(word),
        (Some(word), Some(count), None) => (policy, numbers) = (Some(word), counters(count)?),
        _ => return None,
    }
    let policy = policy.filter(|policy| *policy != "-").map(str::to_owned);
    let sound = |text: &str| !text.chars().any(char::is_control);
    let all = sound(&name) && policy.as_deref().is_none_or(sound);
    all.then_some(Chain {
        name,
        policy,
        counters: numbers,
        rules: Vec::new(),
    })
}

/// `[packets:bytes]`.
pub(super) fn counters(word: &str) -> Option<(u64, u64)> {
    let (packets, bytes) = word.strip_prefix('[')?.strip_suffix(']')?.split_once(':')?;
    Some((packets.parse().ok()?, bytes.parse().ok()?))
}

/// The beginning of untrusted text, fit for a message.
pub(super) fn excerpt(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(60)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(60).is_some() {
        short.push('…');
    }
    format!("`{short}`")
}
