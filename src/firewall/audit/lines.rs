//! In which line of its text a rule stands.

use std::collections::HashMap;

use crate::firewall::words::{self, Word};

/// The lines of each chain's rules, in the order of the rules, and of each chain itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines {
    rules: HashMap<(String, String), Vec<usize>>,
    chains: HashMap<(String, String), usize>,
}

impl Lines {
    /// Of the text that a rule set was read from.
    pub fn of(text: &str) -> Self {
        let mut lines = Self::default();
        let mut table = String::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('*') {
                name.trim().clone_into(&mut table);
            } else if let Some(rest) = line.strip_prefix(':') {
                let chain = rest.split_whitespace().next().unwrap_or_default();
                lines.chains.insert((table.clone(), chain.to_owned()), index + 1);
            } else {
                lines.command(&table, line, index + 1);
            }
        }
        lines
    }

    /// Which line, from 1: of the chain itself for number 0.
    pub fn line(&self, table: &str, chain: &str, number: usize) -> Option<usize> {
        let key = (table.to_owned(), chain.to_owned());
        match number.checked_sub(1) {
            None => self.chains.get(&key).copied(),
            Some(index) => self.rules.get(&key)?.get(index).copied(),
        }
    }

    /// `[1:2] -A CHAIN …`, `-I CHAIN 3 …`, `-P CHAIN …`, `-F CHAIN`.
    fn command(&mut self, table: &str, line: &str, number: usize) {
        let rule = match line.strip_prefix('[') {
            Some(rest) => rest.split_once(']').map_or("", |(_, rule)| rule),
            None => line,
        };
        let Ok(words) = words::split(rule) else { return };
        let [command, chain, rest @ ..] = words.as_slice() else {
            return;
        };
        let key = (table.to_owned(), chain.text.clone());
        match command.text.as_str() {
            "-A" | "--append" => {
                let rules = self.rules.entry(key).or_default();
                rules.extend(vec![number; copies(rest)]);
            }
            "-I" | "--insert" => {
                let at = rest
                    .first()
                    .and_then(|word| word.text.parse::<usize>().ok())
                    .unwrap_or(1);
                let rules = self.rules.entry(key).or_default();
                let at = at.saturating_sub(1).min(rules.len());
                rules.splice(at..at, vec![number; copies(rest)]);
            }
            "-P" | "--policy" => {
                self.chains.insert(key, number);
            }
            "-F" | "--flush" => {
                self.rules.remove(&key);
            }
            _ => {}
        }
    }
}

/// A rule for several addresses is a rule for each.
fn copies(words: &[Word]) -> usize {
    let counts = words.windows(2).filter_map(|pair| {
        let [option, value] = pair else { return None };
        let is_address = matches!(
            option.text.as_str(),
            "-s" | "--source" | "--src" | "-d" | "--destination" | "--dst"
        );
        is_address.then(|| value.text.split(',').count())
    });
    counts.product::<usize>().clamp(1, 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_and_policies_are_found_again() {
        let text = "# x\n*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n\
            [3:4] -A INPUT -j ACCEPT\n-A INPUT -s 10.0.0.1,10.0.0.2 -j DROP\n-I INPUT -j LOG\nCOMMIT\n";
        let lines = Lines::of(text);
        let found: Vec<_> = (0..6).map(|number| lines.line("filter", "INPUT", number)).collect();
        assert_eq!(found, [Some(6), Some(9), Some(7), Some(8), Some(8), None]);
        assert_eq!(lines.line("nat", "PREROUTING", 0), Some(3));
        assert_eq!(lines.line("nat", "INPUT", 1), None);
    }

    #[test]
    fn they_are_those_that_the_reader_sees() {
        let text = "*filter\n:MINE - [0:0]\n-P INPUT DROP\n-A MINE -j ACCEPT\n-I MINE 2 -j DROP\n-I MINE -s 1.1.1.1,2.2.2.2 -j DROP\nCOMMIT\n";
        let ruleset = crate::firewall::Ruleset::parse_file(text).unwrap();
        let lines = Lines::of(text);
        let texts: Vec<&str> = text.lines().collect();
        let rules = ruleset.rules("filter", "MINE");
        for (index, rule) in rules.iter().enumerate() {
            let line = texts[lines.line("filter", "MINE", index + 1).unwrap() - 1];
            assert_eq!(
                line.contains("ACCEPT"),
                rule.leads_to() == Some("ACCEPT"),
                "{line} {rule}"
            );
        }
        assert_eq!(rules.len(), 4);
        assert_eq!(lines.line("filter", "INPUT", 0), Some(3));
    }
}
