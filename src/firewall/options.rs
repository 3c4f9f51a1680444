//! What the options of one rule say: those that we understand become typed matches, the rest stays word for word with the
//! module that it belongs to.

use super::rule::{Match, Target};
use super::spec::{Aim, Module, Opt, Spec};
use super::values::{Typed, typed};

/// Modules all of whose conditions are in their options; without any they say nothing.
const SILENT: [&str; 9] = [
    "tcp",
    "udp",
    "conntrack",
    "state",
    "comment",
    "multiport",
    "addrtype",
    "tcpmss",
    "length",
];

/// Modules some of whose options become typed, beside the silent ones.
const TYPED: [&str; 2] = ["sctp", "dccp"];

/// The conditions of a rule: first those of no module.
pub(super) fn matches(spec: &Spec) -> Vec<Match> {
    let mut matches = Vec::new();
    for option in &spec.general {
        match condition(option) {
            Said::Nothing => {}
            Said::Match(one) => matches.push(one),
            Said::Unknown if option.name == "-c" => {}
            Said::Unknown => matches.push(other("", option.words())),
        }
    }
    for module in &spec.modules {
        conditions(module, &mut matches);
    }
    let goto = spec.target.iter().filter(|target| target.goto);
    matches.extend(
        goto.flat_map(|target| &target.options)
            .map(|option| other("", option.words())),
    );
    matches
}

/// What the rule does.
pub(super) fn target(spec: &Spec) -> Target {
    match &spec.target {
        None => Target::None,
        Some(Aim { goto: true, name, .. }) => Target::Goto(name.clone()),
        Some(Aim { name, options, .. }) => Target::Jump {
            name: name.clone(),
            options: options.iter().flat_map(Opt::words).collect(),
        },
    }
}

/// The counters that the rule itself sets (`-c`).
pub(super) fn counters(spec: &Spec) -> Option<(u64, u64)> {
    let option = spec.general.iter().find(|option| option.name == "-c")?;
    let [packets, bytes] = option.values.as_slice() else {
        return None;
    };
    Some((packets.parse().ok()?, bytes.parse().ok()?))
}

enum Said {
    /// It is true of every packet.
    Nothing,
    Match(Match),
    Unknown,
}

/// What a module asks for beyond typed options is one more condition.
fn conditions(module: &Module, matches: &mut Vec<Match>) {
    let name = module.name.as_str();
    let silent = SILENT.contains(&name);
    let readable = (silent || TYPED.contains(&name)) && !changes_others(module);
    let mut words = Vec::new();
    for option in &module.options {
        match if readable { condition(option) } else { Said::Unknown } {
            Said::Nothing => {}
            Said::Match(one) => matches.push(one),
            Said::Unknown => words.extend(option.words()),
        }
    }
    if !words.is_empty() || !silent {
        matches.push(other(name, words));
    }
}

/// Whether an option of the module changes what its others mean: addrtype's, on addresses of one interface alone.
fn changes_others(module: &Module) -> bool {
    let limits = |option: &Opt| option.name.starts_with("--limit-iface");
    module.name == "addrtype" && module.options.iter().any(limits)
}

fn condition(option: &Opt) -> Said {
    let typed = match option.values.as_slice() {
        [first] => typed(&option.name, first, None),
        [first, second] => typed(&option.name, first, Some(second)),
        _ => None,
    };
    match (typed, option.negated) {
        (Some(Typed::Always), false) => Said::Nothing,
        (Some(Typed::Match(one)), false) => Said::Match(one),
        (Some(Typed::Match(one)), true) => Said::Match(Match::Not(Box::new(one))),
        (Some(Typed::Always), true) | (None, _) => Said::Unknown,
    }
}

fn other(module: &str, words: impl IntoIterator<Item = String>) -> Match {
    Match::Other {
        module: module.to_owned(),
        words: words.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::Rule;
    use super::*;

    fn read(spec: &str) -> Rule {
        Rule::from_spec(spec).unwrap()
    }

    #[track_caller]
    fn same(one: &str, other: &str) {
        assert!(read(one).same(&read(other)), "{:?}\n{:?}", read(one), read(other));
    }

    #[test]
    fn spellings_of_one_rule_mean_the_same() {
        same("-p tcp --dport 22 -j DROP", "-p tcp -m tcp --dport 22 -j DROP");
        same("-s 1.2.3.4 -j DROP", "-s 1.2.3.4/32 -j DROP");
        same("-s 10.1.2.3/255.0.0.0", "-s 10.0.0.0/8");
        same("-s 0.0.0.0/0 -p all -i + -j X", "-j X");
        same("-s ! 10.0.0.1 -p 6", "-p tcp ! -s 10.0.0.1/32");
        same("-p tcp -m tcp --dport ! 22", "-p tcp -m tcp ! --dport 22");
        same("-p tcp --syn", "-p tcp -m tcp --tcp-flags SYN,ACK,FIN,RST SYN");
        same("-m state --state NEW", "-m conntrack --ctstate NEW");
        same(
            "-m conntrack --ctstate RELATED,ESTABLISHED",
            "-m conntrack --ctstate ESTABLISHED,RELATED",
        );
        same("-s 2001:DB8:0::1 -j DROP", "-s 2001:db8::1/128 -j DROP");
        same("-j DROP -p udp --dport 53", "-p udp -m udp --dport 53 -j DROP");
        same(
            "-m comment --comment a -m comment --comment \"a\"",
            "-m comment --comment a -m comment --comment a",
        );
    }

    #[test]
    fn different_rules_differ() {
        for (one, other) in [
            ("-p tcp -j DROP", "-p tcp -j ACCEPT"),
            ("-j X", "-g X"),
            ("-p tcp --dport 22", "-p tcp ! --dport 22"),
            ("-m comment --comment a", "-m comment --comment b"),
            ("-j REJECT", "-j REJECT --reject-with tcp-reset"),
            ("-m limit --limit 1/s", "-m limit --limit 2/s"),
            ("-m socket", ""),
            ("-m socket --x ! --y", "-m socket --x --y"),
        ] {
            assert!(!read(one).same(&read(other)), "{one} | {other}");
        }
    }

    #[test]
    fn comments_are_not_read_as_options() {
        let rule = read(r#"-m comment --comment "x -j DROP # \"y\"" -m comment --comment -g -j ACCEPT"#);
        assert_eq!(
            rule.target,
            Target::Jump {
                name: "ACCEPT".to_owned(),
                options: Vec::new()
            }
        );
        assert_eq!(rule.comments().collect::<Vec<_>>(), [r#"x -j DROP # "y""#, "-g"]);
    }

    #[test]
    fn unknown_words_stay_with_their_module() {
        let rule = read("-m recent ! --update --name x -m set --match-set bans src -j SET --add-set a src");
        let other = |module: &str, words: &[&str]| Match::Other {
            module: module.to_owned(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
        };
        assert_eq!(
            rule.matches,
            [
                other("recent", &["!", "--update", "--name", "x"]),
                other("set", &["--match-set", "bans", "src"])
            ]
        );
        let options = ["--add-set", "a", "src"].map(str::to_owned).to_vec();
        assert_eq!(
            rule.target,
            Target::Jump {
                name: "SET".to_owned(),
                options
            }
        );
    }
}
