//! What `nft` shows of rules beside those of iptables. An accept of iptables does not override them: a packet must pass
//! every base chain of a hook (nft(8), "Chains"). They are only ever looked at.

mod walk;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use super::Family;
use crate::mapping::Protocol;

/// How sentences begin about packets that came to the host and were taken away by somebody's rule.
pub const HOST_RULE: &str = "a rule on the host";

/// No more of one table is read, bytes.
const LARGEST: usize = 1 << 20;

/// The base chains of a host that packets for the host itself pass, with the rules that they lead to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Nft {
    /// The base chains, in the order shown.
    pub chains: Vec<BaseChain>,
    /// By the table's family and name.
    tables: BTreeMap<String, Table>,
}

/// The rules of a table by chain, each a list of statements (libnftables-json(5)).
type Table = BTreeMap<String, Vec<Vec<Value>>>;

/// A base chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseChain {
    /// Family and name of its table, such as `inet firewalld`.
    pub table: String,
    /// Its name.
    pub name: String,
    /// `input`, `prerouting` or `ingress`.
    pub hook: String,
    /// Its priority as `nft` names it, such as `filter + 10`.
    pub priority: String,
    /// Whether it drops what none of its rules decides.
    pub drops: bool,
}

/// A new connection, or datagram, from outside to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival<'a> {
    /// Its family.
    pub family: Family,
    /// Its protocol.
    pub protocol: Protocol,
    /// Where it comes from; `None`: from anywhere.
    pub source: Option<IpAddr>,
    /// The interface that it comes in by; `None`: any but `lo`.
    pub interface: Option<&'a str>,
    /// The port that it is sent to.
    pub port: u16,
    /// The port that it is delivered to.
    pub to_port: u16,
}

/// What a base chain does with an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passes {
    /// It lets it pass.
    Surely,
    /// It takes it away.
    Never,
    /// That depends on what is not modelled or not known.
    Unknown,
}

impl BaseChain {
    /// `inet firewalld filter_INPUT (hook input, priority filter + 10)`.
    #[must_use]
    pub fn describe(&self) -> String {
        let Self {
            table,
            name,
            hook,
            priority,
            ..
        } = self;
        format!("{table} {name} (hook {hook}, priority {priority})")
    }

    /// `TABLE-FAMILY TABLE CHAIN type T hook H priority P; policy X;`
    fn read(line: &str) -> Option<Self> {
        let (names, rest) = line.strip_prefix("chain ")?.split_once(" type ")?;
        let (table, name) = names.rsplit_once(' ')?;
        let (_, rest) = rest.split_once(" hook ")?;
        let (hook, rest) = rest.split_once(" priority ")?;
        let (priority, rest) = rest.split_once(';')?;
        Some(Self {
            table: printable(table),
            name: printable(name),
            hook: printable(hook.split(' ').next()?),
            priority: printable(priority),
            drops: rest.trim().trim_end_matches(';') == "policy drop",
        })
    }
}

impl Nft {
    /// Reads the agent's `nft`: a line for each base chain, a line of JSON for the table of one. What cannot be read counts as
    /// not known.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut nft = Self::default();
        for line in text.lines() {
            if let Some(chain) = BaseChain::read(line) {
                nft.chains.push(chain);
            } else if let Some((name, table)) = table(line) {
                nft.tables.insert(name, table);
            }
        }
        nft
    }

    /// The chains that take some packets away, as far as is known.
    pub fn taking(&self) -> impl Iterator<Item = &BaseChain> {
        self.chains.iter().filter(|chain| self.may_take(chain))
    }

    /// What a chain does with an arrival.
    #[must_use]
    pub fn passes(&self, chain: &BaseChain, arrival: &Arrival<'_>) -> Passes {
        let family = chain.table.split(' ').next().unwrap_or_default();
        let other = match arrival.family {
            Family::V4 => "ip6",
            Family::V6 => "ip",
        };
        if family == other {
            return Passes::Surely;
        }
        match self.tables.get(&chain.table) {
            Some(table) => walk::passes(table, chain, arrival),
            None => Passes::Unknown,
        }
    }

    fn may_take(&self, chain: &BaseChain) -> bool {
        let table = self.tables.get(&chain.table);
        chain.drops || table.is_none_or(|table| walk::may_take(table, &chain.name))
    }
}

/// `table FAMILY NAME {JSON}`.
fn table(line: &str) -> Option<(String, Table)> {
    if line.len() > LARGEST {
        return None;
    }
    let (name, json) = line.strip_prefix("table ")?.split_once(" {")?;
    let document: Value = serde_json::from_str(&format!("{{{json}")).ok()?;
    let mut table = Table::new();
    for entry in document.get("nftables")?.as_array()? {
        if let Some(name) = entry.get("chain").and_then(|chain| chain.get("name")?.as_str()) {
            table.entry(name.to_owned()).or_default();
        } else if let Some(rule) = entry.get("rule") {
            let chain = rule.get("chain")?.as_str()?;
            let statements = rule.get("expr")?.as_array()?.clone();
            table.entry(chain.to_owned()).or_default().push(statements);
        }
    }
    Some((printable(name), table))
}

/// Untrusted text, fit for a message.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests;
