//! What `nft` shows of rules beside those of iptables. An accept of iptables does not override them: a packet must pass
//! every base chain of a hook (nft(8), "Chains"). They are only ever looked at.

/// How sentences begin about packets that came to the host and were taken away by somebody's rule.
pub const HOST_RULE: &str = "a rule on the host";

/// A base chain that may take away packets for the host itself.
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
        } = self;
        format!("{table} {name} (hook {hook}, priority {priority})")
    }
}

/// Words of rules that may end in a packet's loss. A jump may lead to one.
const TAKING: [&str; 7] = ["drop", "reject", "jump", "goto", "vmap", "queue", "synproxy"];

/// Reads `nft list chain` of several chains and finds those that may take packets away.
#[must_use]
pub fn base_chains(text: &str) -> Vec<BaseChain> {
    let mut found: Vec<BaseChain> = Vec::new();
    let (mut table, mut name) = ("", "");
    let mut open: Option<BaseChain> = None;
    for line in text.lines() {
        let line = line.trim();
        if let Some(rest) = opened(line, "table ") {
            table = rest;
        } else if let Some(rest) = opened(line, "chain ") {
            name = rest;
            open = None;
        } else if let Some((hook, priority, policy)) = base(line) {
            let chain = BaseChain {
                table: printable(table),
                name: printable(name),
                hook: printable(hook),
                priority: printable(priority),
            };
            if policy == "drop" {
                found.push(chain);
            } else {
                open = Some(chain);
            }
        } else if takes_away(line) {
            found.extend(open.take());
        }
    }
    found
}

fn opened<'a>(line: &'a str, what: &str) -> Option<&'a str> {
    Some(line.strip_prefix(what)?.strip_suffix('{')?.trim_end())
}

/// `type filter hook input priority filter + 10; policy accept;`: hook, priority, policy.
fn base(line: &str) -> Option<(&str, &str, &str)> {
    let (_, rest) = line.strip_prefix("type ")?.split_once(" hook ")?;
    let (hook, rest) = rest.split_once(" priority ")?;
    let (priority, rest) = rest.split_once(';')?;
    let policy = rest.trim().strip_prefix("policy ").unwrap_or("accept");
    let hook = hook.split(' ').next()?;
    Some((hook, priority, policy.trim_end_matches(';').trim()))
}

fn takes_away(rule: &str) -> bool {
    // Comments are in quotes.
    let unquoted = rule.split('"').step_by(2);
    unquoted
        .flat_map(|part| part.split([' ', ';']))
        .any(|word| TAKING.contains(&word))
}

/// Untrusted text, fit for a message.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(text: &str) -> Vec<String> {
        base_chains(text).iter().map(BaseChain::describe).collect()
    }

    #[test]
    fn chains_that_may_take_packets_away_are_found() {
        let text = "table inet firewalld {\n\tchain filter_INPUT {\n\t\ttype filter hook input priority filter + 10; policy accept;\n\
                    \t\tct state { established, related } accept\n\t\tjump filter_INPUT_ZONES\n\t\treject with icmpx admin-prohibited\n\t}\n}\n\
                    table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n";
        assert_eq!(
            described(text),
            [
                "inet firewalld filter_INPUT (hook input, priority filter + 10)",
                "inet filter input (hook input, priority filter)"
            ]
        );
    }

    #[test]
    fn chains_that_only_accept_and_count_are_not() {
        let text = "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority 0; policy accept;\n\
                    \t\ttcp dport 22 counter packets 1 bytes 60 accept comment \"never drop ; reject\"\n\t}\n}\n";
        assert!(described(text).is_empty());
        assert!(
            described("table inet filter {\n\tchain input {\n\t\ttype filter hook input priority 0;\n\t}\n}\n")
                .is_empty()
        );
        assert!(described("nonsense\n}\n\"\n").is_empty());
    }
}
