//! How the program was called, as its journal tells it: enough to call it again, and no passwords.

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches};

/// The command and its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Invocation {
    /// The command, then options by their long names, then what has none.
    pub arguments: Vec<String>,
    /// How many extra variables were left out.
    pub withheld: usize,
}

/// What is done without a command.
const DEFAULT: &str = "deploy";

/// The option whose values may be secret.
const EXTRA_VARS: &str = "extra_vars";

impl Invocation {
    pub fn of(command: &clap::Command, matches: &ArgMatches) -> Self {
        let (name, matches) = matches.subcommand().unwrap_or((DEFAULT, matches));
        let command = command.find_subcommand(name).unwrap_or(command);
        let mut said = Self::default();
        let mut last = Vec::new();
        for argument in command.get_arguments().filter(|argument| is_given(argument, matches)) {
            match argument.get_long() {
                Some(long) => said.option(long, argument, matches),
                None => last.extend(values(argument, matches)),
            }
        }
        said.arguments.insert(0, name.to_owned());
        if last.iter().any(|word| word.starts_with('-')) {
            said.arguments.push("--".to_owned());
        }
        said.arguments.append(&mut last);
        said
    }

    fn option(&mut self, long: &str, argument: &Arg, matches: &ArgMatches) {
        match argument.get_action() {
            ArgAction::SetTrue => self.arguments.push(format!("--{long}")),
            ArgAction::Count => {
                let times = matches.get_count(argument.get_id().as_str());
                self.arguments.extend((0..times).map(|_| format!("--{long}")));
            }
            _ => {
                for value in values(argument, matches) {
                    if argument.get_id() == EXTRA_VARS && seems_secret(&value) {
                        self.withheld += 1;
                    } else {
                        self.arguments.push(format!("--{long}={value}"));
                    }
                }
            }
        }
    }
}

fn is_given(argument: &Arg, matches: &ArgMatches) -> bool {
    let action = argument.get_action();
    let is_kept = matches!(
        action,
        ArgAction::Set | ArgAction::Append | ArgAction::SetTrue | ArgAction::Count
    );
    is_kept
        && matches!(
            matches.value_source(argument.get_id().as_str()),
            Some(ValueSource::CommandLine | ValueSource::EnvVariable)
        )
}

fn values(argument: &Arg, matches: &ArgMatches) -> Vec<String> {
    let raw = matches.get_raw(argument.get_id().as_str()).into_iter().flatten();
    raw.map(|value| value.to_string_lossy().into_owned()).collect()
}

/// Whether variables (not the name of a file of them) look like they hold a password.
fn seems_secret(variables: &str) -> bool {
    const WORDS: [&str; 9] = [
        "pass",
        "pwd",
        "secret",
        "token",
        "credential",
        "api_key",
        "apikey",
        "private",
        "vault",
    ];
    let lower = variables.to_lowercase();
    !lower.trim_start().starts_with('@') && WORDS.iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::super::args::Args;
    use super::*;

    fn said(line: &str) -> Invocation {
        let words = shlex::split(&format!("portmap-deploy {line}")).expect("words");
        Args::read(words.into_iter().map(Into::into))
            .expect("sound arguments")
            .1
    }

    #[test]
    fn what_was_said_can_be_said_again() {
        for (line, expected) in [
            ("-i a,b", "deploy --inventory=a,b"),
            (
                "-i x.yaml -i 'y z' -f 5 --serial 1,25% -vv -b site.yaml other.yaml",
                "deploy --inventory=x.yaml '--inventory=y z' --forks=5 --serial=1 '--serial=25%' --become --verbose --verbose site.yaml other.yaml",
            ),
            ("remove -l 'web*,!web3' --force", "remove '--limit=web*,!web3' --force"),
            ("deploy -i x -- --odd", "deploy --inventory=x -- --odd"),
        ] {
            let first = said(line);
            let written = shlex::try_join(first.arguments.iter().map(String::as_str)).expect("words");
            let mut sorted: Vec<_> = shlex::split(&written).expect("words");
            let mut wanted: Vec<_> = shlex::split(expected).expect("words");
            assert_eq!(sorted.first(), wanted.first());
            assert_eq!(said(&written), first, "{line}");
            sorted.sort();
            wanted.sort();
            assert_eq!(sorted, wanted, "{line}");
        }
    }

    #[test]
    fn passwords_are_not_kept() {
        let said = said(
            "-i x -e ansible_become_password=hunter2 -e '{\"db\": {\"Token\": \"hunter2\"}}' -e port=22 -e @passwords.yaml",
        );
        assert_eq!(said.withheld, 2);
        assert!(!said.arguments.iter().any(|word| word.contains("hunter2")), "{said:?}");
        assert!(said.arguments.contains(&"--extra-vars=port=22".to_owned()));
        assert!(said.arguments.contains(&"--extra-vars=@passwords.yaml".to_owned()));
    }
}
