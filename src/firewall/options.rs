//! The options of one rule: those that we understand become typed matches, the rest stays word for word with the
//! module that it was written after.

use super::parse::{Fault, excerpt};
use super::rule::{Match, Target};
use super::values::{SYN, Typed, typed};
use super::words::Word;

pub(super) struct Options {
    pub matches: Vec<Match>,
    pub target: Target,
}

/// Modules all of whose options are listed in `typed`; a bare `-m` of one of them says nothing by itself.
const TYPED: [&str; 9] = [
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

/// Where options that are not understood belong.
enum Context {
    Module(String, Vec<String>),
    Target,
}

struct Reader<'a> {
    words: std::iter::Peekable<std::slice::Iter<'a, Word>>,
    context: Context,
    done: Options,
}

pub(super) fn read(words: &[Word]) -> Result<Options, Fault> {
    let mut reader = Reader {
        words: words.iter().peekable(),
        context: Context::Module(String::new(), Vec::new()),
        done: Options {
            matches: Vec::new(),
            target: Target::None,
        },
    };
    while let Some(word) = reader.words.next() {
        reader.word(word)?;
    }
    reader.enter(Context::Target);
    Ok(reader.done)
}

impl Reader<'_> {
    fn word(&mut self, word: &Word) -> Result<(), Fault> {
        let negated = word.is("!") && self.words.peek().is_some_and(|next| next.is_option());
        let option = if negated { self.words.next() } else { Some(word) };
        match option {
            Some(option) if option.is_option() => self.option(option, negated),
            _ => {
                self.keep(word);
                Ok(())
            }
        }
    }

    fn option(&mut self, option: &Word, negated: bool) -> Result<(), Fault> {
        let name = option.text.as_str();
        match name {
            "-m" | "--match" => {
                let module = self.value(option)?.text.clone();
                self.enter(Context::Module(module, Vec::new()));
            }
            "-j" | "--jump" => {
                let name = self.value(option)?.text.clone();
                self.enter(Context::Target);
                self.done.target = Target::Jump {
                    name,
                    options: Vec::new(),
                };
            }
            "-g" | "--goto" => {
                let name = self.value(option)?.text.clone();
                self.enter(Context::Target);
                self.done.target = Target::Goto(name);
            }
            _ if matches!(self.context, Context::Target) && !is_general(name) => self.unknown(option, negated),
            _ => return self.condition(option, negated),
        }
        Ok(())
    }

    fn condition(&mut self, option: &Word, mut negated: bool) -> Result<(), Fault> {
        let count = arity(&option.text);
        if count == 0 {
            let typed = if option.text == "--syn" { Some(SYN) } else { None };
            match typed {
                Some(typed) => self.push(typed, negated),
                None => self.unknown(option, negated),
            }
            return Ok(());
        }
        if is_general(&option.text) {
            self.enter(Context::Module(String::new(), Vec::new()));
        }
        if self.words.peek().is_some_and(|next| next.is("!")) {
            self.words.next();
            negated = true;
        }
        let first = self.value(option)?.text.clone();
        let second = if count == 2 {
            Some(self.value(option)?.text.clone())
        } else {
            None
        };
        match typed(&option.text, &first, second.as_deref()) {
            Some(Typed::Always) if !negated => {}
            Some(Typed::Match(one)) => self.push(one, negated),
            _ => {
                self.unknown(option, negated);
                self.words_of([Some(first), second].into_iter().flatten());
            }
        }
        Ok(())
    }

    fn value(&mut self, option: &Word) -> Result<&Word, Fault> {
        self.words
            .next()
            .ok_or_else(|| (option.at, format!("{} without a value", excerpt(&option.text))))
    }

    fn push(&mut self, one: Match, negated: bool) {
        self.done
            .matches
            .push(if negated { Match::Not(Box::new(one)) } else { one });
    }

    fn unknown(&mut self, option: &Word, negated: bool) {
        self.words_of(negated.then(|| "!".to_owned()));
        self.keep(option);
    }

    fn keep(&mut self, word: &Word) {
        self.words_of([word.text.clone()]);
    }

    fn words_of(&mut self, new: impl IntoIterator<Item = String>) {
        match (&mut self.context, &mut self.done.target) {
            (Context::Module(_, words), _) => words.extend(new),
            (Context::Target, Target::Jump { options, .. }) => options.extend(new),
            (Context::Target, _) => {
                let words = new.into_iter().collect::<Vec<_>>();
                if !words.is_empty() {
                    self.done.matches.push(Match::Other {
                        module: String::new(),
                        words,
                    });
                }
            }
        }
    }

    /// Ends the module at hand: what it holds beyond typed options is one more condition.
    fn enter(&mut self, next: Context) {
        let Context::Module(module, words) = std::mem::replace(&mut self.context, next) else {
            return;
        };
        if !words.is_empty() || !(module.is_empty() || TYPED.contains(&module.as_str())) {
            self.done.matches.push(Match::Other { module, words });
        }
    }
}

/// Options that belong to no module.
fn is_general(name: &str) -> bool {
    matches!(
        name,
        "-p" | "--protocol"
            | "--proto"
            | "-s"
            | "--source"
            | "--src"
            | "-d"
            | "--destination"
            | "--dst"
            | "-i"
            | "--in-interface"
            | "-o"
            | "--out-interface"
    )
}

/// How many values an option that we understand takes; 0 for every other.
fn arity(name: &str) -> usize {
    match name {
        "--tcp-flags" => 2,
        "--sport"
        | "--source-port"
        | "--dport"
        | "--destination-port"
        | "--sports"
        | "--source-ports"
        | "--dports"
        | "--destination-ports"
        | "--ports"
        | "--ctstate"
        | "--state"
        | "--comment"
        | "--ctorigdstport"
        | "--src-type"
        | "--dst-type"
        | "--mss"
        | "--length" => 1,
        _ => usize::from(is_general(name)),
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
        assert_eq!(
            read("-p tcp --dport ssh").matches.len(),
            2,
            "service names are kept as unknown"
        );
    }
}
