//! What a plan rests on: a host's rules by what they mean, its own generation, its key.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{Hash as _, Hasher};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Managed, Observed};
use crate::firewall::Chain;

/// How many bytes of a digest tell chains apart.
const DIGEST: usize = 16;

/// What was found on a host when its change was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    /// The generation that it kept as its own.
    pub generation: Option<u32>,
    /// The fingerprint of its key, where the login told it.
    pub key: Option<String>,
    /// The tool that has each family's rules.
    pub tools: BTreeMap<String, String>,
    /// What its chains mean, by `FAMILY TABLE CHAIN`: the beginning of a SHA-256, in hexadecimal digits. Counters, the order
    /// of matches and chains that decide nothing do not count.
    pub chains: BTreeMap<String, String>,
}

impl Observed {
    /// What a plan for this host rests on; `key` is the fingerprint of the host's.
    #[must_use]
    pub fn basis(&self, key: Option<&str>) -> Basis {
        let tool = |managed: &Managed| (managed.view.family.name().to_owned(), managed.tool.clone());
        Basis {
            generation: self.current,
            key: key.map(str::to_owned),
            tools: self.families.iter().map(tool).collect(),
            chains: self.families.iter().flat_map(chains).collect(),
        }
    }
}

impl Basis {
    /// How a host differs from what it was when it was planned, a sentence each.
    #[must_use]
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.key != now.key {
            found.push("the host's key is another".to_owned());
        }
        if self.generation != now.generation {
            let name = |number: Option<u32>| number.map_or("none".to_owned(), |number| number.to_string());
            found.push(format!(
                "its generation was {}, and is {} now",
                name(self.generation),
                name(now.generation)
            ));
        }
        if self.tools != now.tools {
            found.push("its rules are in other tools".to_owned());
        }
        for (place, was) in &self.chains {
            match now.chains.get(place) {
                Some(is) if is == was => {}
                Some(_) => found.push(format!("the rules of {place} are others")),
                None => found.push(format!("{place} is empty or gone")),
            }
        }
        let new = now.chains.keys().filter(|place| !self.chains.contains_key(*place));
        found.extend(new.map(|place| format!("{place} was empty or not there")));
        found
    }
}

fn chains(managed: &Managed) -> Vec<(String, String)> {
    let family = managed.view.family.name();
    let mut found = Vec::new();
    for table in &managed.view.ruleset.tables {
        // Looking with some tools makes tables that hold nothing.
        let decides = |chain: &&Chain| !(chain.rules.is_empty() && chain.policy.as_deref() == Some("ACCEPT"));
        let places = table.chains.iter().filter(decides);
        found.extend(places.map(|chain| (format!("{family} {} {}", table.name, chain.name), digest(chain))));
    }
    found
}

fn digest(chain: &Chain) -> String {
    let mut meaning = Meaning(Sha256::new());
    chain.policy.hash(&mut meaning);
    for rule in chain.rules.iter() {
        rule.meaning().hash(&mut meaning);
    }
    let digest = meaning.0.finalize();
    digest.iter().take(DIGEST).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A digest of what values say to be told apart; the same for all runs of one build.
struct Meaning(Sha256);

impl Hasher for Meaning {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::sections;

    fn basis(rules: &str) -> Basis {
        let rules = format!("*filter\n:INPUT DROP [1:2]\n{rules}COMMIT\n");
        let nft = "rules 4 iptables iptables v1.8.9 (nf_tables)";
        Observed::read(&sections(&[(nft, &rules)]))
            .unwrap()
            .basis(Some("SHA256:a"))
    }

    #[test]
    fn spelling_and_counters_are_no_difference_and_all_else_is() {
        let first = basis("[3:4] -A INPUT -p tcp -m tcp --dport 22 -m comment --comment x -j ACCEPT\n");
        let same = basis("[9:9] -A INPUT -m comment --comment x -p tcp -m tcp --dport 22 -j ACCEPT\n");
        assert_eq!(first.differences(&same), [] as [&str; 0]);
        for (rules, expected) in [
            (
                "-A INPUT -p tcp -m tcp --dport 23 -j ACCEPT\n",
                "the rules of IPv4 filter INPUT are others",
            ),
            (
                "[3:4] -A INPUT -p tcp -m tcp --dport 22 -m comment --comment x -j ACCEPT\n:new - [0:0]\n",
                "IPv4 filter new was empty or not there",
            ),
        ] {
            assert_eq!(first.differences(&basis(rules)), [expected]);
        }
        let other = Basis {
            key: Some("SHA256:b".to_owned()),
            generation: Some(3),
            ..first.clone()
        };
        assert_eq!(
            first.differences(&other),
            ["the host's key is another", "its generation was none, and is 3 now"]
        );
    }
}
