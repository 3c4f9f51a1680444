//! Reads `iptables-save` text line by line.

use std::collections::HashMap;
use std::sync::Arc;

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
    /// Where the open table's chains are: hosts of containers have thousands.
    places: HashMap<String, usize>,
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
        self.places.clear();
        Ok(())
    }

    fn chain(&mut self, line: &str) -> Result<(), Fault> {
        let table = self
            .open
            .as_mut()
            .ok_or_else(|| (0, "a chain outside of a table".to_owned()))?;
        let chain = chain(line).ok_or_else(|| (0, format!("not a chain: {}", excerpt(line))))?;
        if self.places.insert(chain.name.clone(), table.chains.len()).is_some() {
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
        let place = self.places.get(&name).and_then(|place| table.chains.get_mut(*place));
        let chain = place.ok_or_else(|| (3, format!("no chain {}", excerpt(&name))))?;
        Arc::make_mut(&mut chain.rules).push(rule);
        Ok(())
    }
}

/// `:NAME POLICY [packets:bytes]`; the nft variant also takes `:NAME [packets:bytes]`.
pub(super) fn chain(line: &str) -> Option<Chain> {
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
        rules: Arc::default(),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fault(text: &str) -> (usize, usize) {
        let error = Ruleset::parse(text).expect_err(text);
        (error.line, error.column)
    }

    fn table(rules: &str) -> String {
        format!("*filter\n:INPUT ACCEPT [0:0]\n:MINE - [0:0]\n{rules}COMMIT\n")
    }

    #[test]
    fn reads_what_iptables_save_prints() {
        let text = "# Generated by iptables-save\n*filter\n:INPUT DROP [12:3456]\n:MINE - [0:0]\n\
                    [3:180] -A INPUT -j MINE\n-A MINE -j RETURN\nCOMMIT\n# Completed\n*nat\nCOMMIT\n";
        let ruleset = Ruleset::parse(text).unwrap();
        let input = ruleset.chain("filter", "INPUT").unwrap();
        assert_eq!((input.policy.as_deref(), input.counters), (Some("DROP"), (12, 3456)));
        assert_eq!(input.rules[0].counters, Some((3, 180)));
        assert_eq!(input.rules[0].raw, "-A INPUT -j MINE");
        assert_eq!(ruleset.chain("filter", "MINE").unwrap().policy, None);
        assert!(ruleset.table("nat").unwrap().chains.is_empty());
        assert_eq!(Ruleset::parse("").unwrap(), Ruleset::default());
    }

    #[test]
    fn reads_what_iptables_restore_takes() {
        assert!(Ruleset::parse("* mangle\n:A [0:0]\n:B ACCEPT\nCOMMIT").is_ok());
    }

    #[test]
    fn errors_in_the_stream_are_found() {
        assert_eq!(fault("*filter\n:INPUT ACCEPT [0:0]\n"), (2, 1));
        assert_eq!(fault("*filter\n*nat\nCOMMIT\n"), (2, 1));
        assert_eq!(fault("*filter\nCOMMIT \n"), (2, 1));
        assert_eq!(fault("*filter\r\nCOMMIT\r\n"), (1, 2));
        assert_eq!(
            fault("iptables-save v1.8.9 (nf_tables): Could not fetch rule set generation id\n"),
            (1, 1)
        );
        assert_eq!(fault("*filter\nsudo: unable to resolve host\nCOMMIT\n"), (2, 1));
        assert_eq!(fault("COMMIT\n"), (1, 1));
        assert_eq!(fault("-A INPUT -j DROP\n"), (1, 1));
        assert_eq!(fault(":INPUT ACCEPT [0:0]\n"), (1, 1));
        assert_eq!(fault(&table("-N OTHER\n")), (4, 1));
        assert_eq!(fault(&table("-I INPUT -j DROP\n")), (4, 1));
        assert_eq!(fault(&table("-A OTHER -j DROP\n")), (4, 4));
        assert_eq!(fault(&table("[1:x] -A INPUT -j DROP\n")), (4, 1));
        assert_eq!(
            fault(&table("[1:2] -A INPUT -m comment --comment \"x -j DROP\n")),
            (4, 37)
        );
        assert_eq!(fault(&table("-A INPUT -s\n")), (4, 10));
        assert_eq!(fault(&table(":MINE - [0:0]\n")), (4, 2));
        assert_eq!(fault("*filter\nCOMMIT\n*filter\nCOMMIT\n"), (3, 1));
        assert_eq!(fault("*filter\n:A B C D\nCOMMIT\n"), (2, 1));
    }

    #[test]
    fn warnings_of_the_nft_variant_are_seen() {
        let legacy = Ruleset::parse(&format!("{LEGACY_WARNING}\n*filter\nCOMMIT\n")).unwrap();
        assert!(legacy.warns_of_legacy && legacy.incompatible.is_empty());
        let native = Ruleset::parse("# Table `nat' is incompatible, use 'nft' tool.\n").unwrap();
        assert_eq!(native.incompatible, ["nat"]);
    }

    #[test]
    fn an_empty_table_has_no_rules() {
        let has = |text: &str| Ruleset::parse(text).unwrap().has_rules();
        assert!(!has(""));
        assert!(!has("*filter\n:INPUT ACCEPT [9:9]\n:MINE - [0:0]\nCOMMIT\n"));
        assert!(has("*filter\n:INPUT DROP [0:0]\nCOMMIT\n"));
        assert!(has(&table("-A MINE -j DROP\n")));
    }

    #[test]
    fn messages_hold_no_control_characters() {
        let message = Ruleset::parse("\u{1b}[2Jx\n").unwrap_err().to_string();
        assert!(!message.chars().any(char::is_control), "{message:?}");
    }

    fn rules() -> impl Strategy<Value = String> {
        let word = prop_oneof![
            "-(m|j|g|p|s|d|i|o) ?[a-zA-Z0-9.:/+]{0,9}",
            "--(dport|sports|ports|ctstate|comment|mss|syn|tcp-flags|dst-type|x) ?[A-Za-z0-9:,]{0,9}",
            "\"([^\"\\\\\\p{Cc}]|\\\\.){0,9}\"",
            Just("!".to_owned()),
            "[^ \"\\p{Cc}]{1,9}",
        ];
        let rule = prop::collection::vec(word, 0..9).prop_map(|words| format!("-A INPUT {}\n", words.join(" ")));
        prop::collection::vec(rule, 0..5).prop_map(|rules| table(&rules.concat()))
    }

    proptest! {
        #[test]
        fn printing_reads_back(text in rules()) {
            if let Ok(ruleset) = Ruleset::parse(&text) {
                prop_assert_eq!(Ruleset::parse(&ruleset.to_string()), Ok(ruleset));
            }
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let text = String::from_utf8_lossy(&bytes);
            let _ = Ruleset::parse(&text);
            let _ = Ruleset::parse(&table(&format!("-A INPUT {text}\n")));
        }
    }
}
