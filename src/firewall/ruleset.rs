//! A family's tables, chains and rules, as `iptables-save` prints them.

use std::fmt;
use std::sync::Arc;

use super::file::File;
use super::parse::{self, ParseError};
use super::rule::Rule;

/// What one `iptables-save` or `ip6tables-save` printed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ruleset {
    /// The tables, in the order printed.
    pub tables: Vec<Table>,
    /// Whether it warns that legacy tables exist beside the nft ones.
    pub warns_of_legacy: bool,
    /// Tables that hold nftables rules that `iptables-save` cannot print.
    pub incompatible: Vec<String>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// `filter`, `nat`, `mangle`, `raw` or `security`.
    pub name: String,
    /// Its chains, in the order printed.
    pub chains: Vec<Chain>,
}

/// One chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// What a built-in chain does with packets that no rule decides; `None` for other chains.
    pub policy: Option<String>,
    /// Packets and bytes that the policy decided.
    pub counters: (u64, u64),
    /// Its rules, in order. Rule sets that differ in a few chains share the others.
    pub rules: Arc<Vec<Rule>>,
}

impl Ruleset {
    /// Reads the output of `iptables-save`, with or without `-c`.
    ///
    /// # Errors
    /// Any line that `iptables-save` does not print, and a table that does not end in `COMMIT`: an error message
    /// that got into the stream, or a snapshot that was cut off.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parse::ruleset(text)
    }

    /// Reads a file of rules as `iptables-restore` takes it on a host without any: beside what `iptables-save` prints,
    /// built-in chains that are not declared, `-N`, `-I`, `-P`, `-F`, `-X`, several addresses in one rule.
    ///
    /// # Errors
    /// Any line that `iptables-restore` does not take, as far as that can be told without a kernel, and commands that
    /// change rules in place of stating them (`-D`, `-R`, `-E`).
    pub fn parse_file(text: &str) -> Result<Self, ParseError> {
        Ok(File::parse(text)?.ruleset())
    }

    /// The table of that name.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// A chain of a table.
    #[must_use]
    pub fn chain(&self, table: &str, name: &str) -> Option<&Chain> {
        self.table(table)?.chains.iter().find(|chain| chain.name == name)
    }

    /// The rules of a chain; none where there is no such chain.
    #[must_use]
    pub fn rules(&self, table: &str, chain: &str) -> &[Rule] {
        self.chain(table, chain).map_or(&[], |chain| &chain.rules)
    }

    /// Whether anything here decides about packets. A table without rules whose policies are ACCEPT does not: only
    /// looking with `iptables-legacy -S` creates such tables.
    #[must_use]
    pub fn has_rules(&self) -> bool {
        let decides =
            |chain: &Chain| !chain.rules.is_empty() || chain.policy.as_ref().is_some_and(|policy| policy != "ACCEPT");
        self.tables.iter().flat_map(|table| &table.chains).any(decides)
    }
}

impl fmt::Display for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.warns_of_legacy {
            writeln!(f, "{}", parse::LEGACY_WARNING)?;
        }
        for table in &self.incompatible {
            writeln!(f, "# Table `{table}' is incompatible, use 'nft' tool.")?;
        }
        self.tables.iter().try_for_each(|table| write!(f, "{table}"))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "*{}", self.name)?;
        for chain in &self.chains {
            let (packets, bytes) = chain.counters;
            writeln!(
                f,
                ":{} {} [{packets}:{bytes}]",
                chain.name,
                chain.policy.as_deref().unwrap_or("-")
            )?;
        }
        for rule in self.chains.iter().flat_map(|chain| chain.rules.iter()) {
            writeln!(f, "{rule}")?;
        }
        writeln!(f, "COMMIT")
    }
}
