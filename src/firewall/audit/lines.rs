//! In which line of its text a rule stands.

use std::collections::HashMap;

/// Table and chain, number of the rule from 1, 0 the chain's own line: which line, from 1.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines(HashMap<(String, String, usize), usize>);

impl Lines {
    /// Of the text that a rule set was read from.
    pub fn of(text: &str) -> Self {
        let mut places = HashMap::new();
        let mut numbers: HashMap<(String, String), usize> = HashMap::new();
        let mut table = String::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('*') {
                name.trim().clone_into(&mut table);
            } else if let Some(rest) = line.strip_prefix(':') {
                let chain = rest.split_whitespace().next().unwrap_or_default();
                places.insert((table.clone(), chain.to_owned(), 0), index + 1);
            } else if let Some(chain) = appended(line) {
                let number = numbers.entry((table.clone(), chain.clone())).or_default();
                *number += 1;
                places.insert((table.clone(), chain, *number), index + 1);
            }
        }
        Self(places)
    }

    pub fn line(&self, table: &str, chain: &str, number: usize) -> Option<usize> {
        self.0.get(&(table.to_owned(), chain.to_owned(), number)).copied()
    }
}

/// The chain of `[1:2] -A CHAIN …`.
fn appended(line: &str) -> Option<String> {
    let rule = match line.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.1.trim_start(),
        None => line,
    };
    let mut words = rule.split_whitespace();
    let first = words.next()?;
    if !matches!(first, "-A" | "--append") {
        return None;
    }
    Some(words.next()?.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_and_policies_are_found_again() {
        let text = "# x\n*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n\
            [3:4] -A INPUT -j ACCEPT\n-A INPUT -j DROP\nCOMMIT\n";
        let lines = Lines::of(text);
        assert_eq!(lines.line("filter", "INPUT", 0), Some(6));
        assert_eq!(lines.line("filter", "INPUT", 1), Some(7));
        assert_eq!(lines.line("filter", "INPUT", 2), Some(8));
        assert_eq!(lines.line("nat", "PREROUTING", 0), Some(3));
        assert_eq!(lines.line("nat", "INPUT", 1), None);
    }
}
