//! The comments of a table, by what they stand above.

use std::collections::HashMap;

#[derive(Debug, Default)]
pub(super) struct Notes {
    pub table: Vec<String>,
    chains: HashMap<String, Vec<String>>,
    /// Of each chain's rules, in their order.
    rules: HashMap<String, Vec<Vec<String>>>,
    /// Above `COMMIT`.
    pub end: Vec<String>,
}

impl Notes {
    pub fn above(table: Vec<String>) -> Self {
        Self {
            table,
            ..Self::default()
        }
    }

    pub fn on_chain(&mut self, chain: &str, notes: &mut Vec<String>) {
        if !notes.is_empty() {
            self.chains.entry(chain.to_owned()).or_default().append(notes);
        }
    }

    /// On the first of so many rules that come in at a place.
    pub fn on_rules(&mut self, chain: &str, at: usize, count: usize, notes: Vec<String>) {
        let rules = self.rules.entry(chain.to_owned()).or_default();
        let at = at.min(rules.len());
        let mut new = vec![Vec::new(); count];
        if let Some(first) = new.first_mut() {
            *first = notes;
        }
        rules.splice(at..at, new);
    }

    pub fn forget_rules(&mut self, chain: &str) {
        self.rules.remove(chain);
    }

    pub fn of_chain(&self, chain: &str) -> &[String] {
        self.chains.get(chain).map_or(&[], Vec::as_slice)
    }

    pub fn of_rule(&self, chain: &str, index: usize) -> &[String] {
        let notes = self.rules.get(chain).and_then(|rules| rules.get(index));
        notes.map_or(&[], Vec::as_slice)
    }
}
