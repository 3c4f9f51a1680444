use std::error::Error as _;
use std::io::Write as _;

use console::Style;

use crate::problem::{self, Problem, Severity};
use crate::report::{ExitCode, sanitise};

/// Why the program ends before it touches a host.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("no inventory given")]
    NoInventory,
    #[error("nothing is asked for: no inventory, no playbook, no limit")]
    NothingAsked,
    #[error("the inventory has errors")]
    Problems(Vec<Problem>),
    #[error("--ssh-common-args: the quotes do not match: {0}")]
    SshArguments(String),
    #[error("-K: cannot ask for the password: there is no terminal")]
    NoTerminal(#[source] std::io::Error),
    #[error("a play wants to ask before its batches (`pause: confirm`), and standard input is no terminal")]
    NobodyToAsk,
    #[error("cannot ask for the vault password: there is no terminal")]
    NoVaultTerminal(#[source] std::io::Error),
    #[error("no vault password was given")]
    NoVaultPassword,
    #[error("-K: no password was given")]
    NoPassword,
    #[error("cannot write to {}", path.display())]
    OutputFile {
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{0} is no address of {1}, of which the packet is")]
    OtherFamily(std::net::IpAddr, &'static str),
    #[error("cannot carry out the plan in {}: {why}", path.display())]
    SavedPlan {
        path: std::path::PathBuf,
        /// One sentence.
        why: String,
    },
    #[error("--check has no form for GitHub Actions")]
    CheckForGithub,
    #[error("cannot read the rules in {}", path.display())]
    RulesFile {
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("--rules stands in place of hosts, and hosts are named as well")]
    RulesAndHosts,
    #[error("--rules - and packets: both on standard input")]
    RulesAndPackets,
    #[error("--host {0}: no host of that name is in the inventory, or several match")]
    NotOneHost(String),
    #[error("{0}")]
    NoMapping(String),
    #[error("--rules6: both files are of IPv6: {0}")]
    SameFamily(String),
    #[error("--watch: one document after the other on standard output is none that can be read")]
    WatchedDocuments,
    #[error(transparent)]
    Lab(#[from] crate::lab::Error),
    #[error(transparent)]
    Journal(#[from] crate::journal::Error),
    #[error(transparent)]
    Resume(#[from] super::resume::Refusal),
    #[error("cannot start the asynchronous runtime")]
    Runtime(#[source] std::io::Error),
}

impl Error {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Lab(error) => error.hint(),
            Self::Journal(error) => error.hint().map(str::to_owned),
            Self::Resume(refusal) => refusal.hint(),
            _ => self.fixed_hint().map(str::to_owned),
        }
    }

    fn fixed_hint(&self) -> Option<&'static str> {
        match self {
            Self::NothingAsked => {
                Some("name an inventory: -i hosts.yaml; all hosts of the one in ansible.cfg are -l all")
            }
            Self::NoInventory => Some("name one: -i hosts.yaml, or `inventory = …` in ansible.cfg"),
            Self::NoPassword
            | Self::NoVaultPassword
            | Self::Problems(_)
            | Self::Runtime(_)
            | Self::Lab(_)
            | Self::Journal(_)
            | Self::Resume(_)
            | Self::OutputFile { .. } => None,
            Self::OtherFamily(..) => {
                Some("give both addresses of one family; --family 4 or 6 says of which the packet is")
            }
            Self::SavedPlan { .. } => Some("plan again: portmap-deploy plan --save FILE"),
            Self::CheckForGithub => Some("take --output text, json or jsonl"),
            Self::RulesFile { .. } => Some("name a file with the output of iptables-save, or - for standard input"),
            Self::RulesAndHosts => Some("leave out -i and -l, or leave out --rules"),
            Self::RulesAndPackets => Some("name a file of rules, or say of one packet what it is: --dport 2222"),
            Self::NotOneHost(_) => Some("portmap-deploy inventory --list-hosts names them"),
            Self::NoMapping(_) => Some("--port names the port that clients connect to; --family 6 asks for IPv6"),
            Self::SameFamily(_) => Some("give the rules of IPv4 by --rules; --family 4 says so where it does not show"),
            Self::WatchedDocuments => {
                Some("let --output-file name a file that is replaced each time, or take --output jsonl, a line each")
            }
            Self::NoVaultTerminal(_) => Some("run it in a terminal, or give --vault-password-file"),
            Self::NobodyToAsk => Some("run it on a terminal, or give a time in its place, such as --pause 60s"),
            Self::NoTerminal(_) => Some(
                "run it in a terminal, set ansible_become_password in the inventory, or let sudo ask for none (NOPASSWD)",
            ),
            Self::SshArguments(_) => Some("quote as in a shell: --ssh-common-args '-o \"ProxyCommand nc %h %p\"'"),
        }
    }
}

/// Prints the error with its causes and hint to standard error: the one place where errors are printed.
pub(super) fn print(error: &Error) -> ExitCode {
    let mut stderr = anstream::stderr().lock();
    // A closed standard error leaves the exit code to tell.
    let _ = stderr.write_all(text(error, color()).as_bytes());
    ExitCode::Error
}

/// Says what is odd in the inventories and stops nothing.
pub(super) fn warn(problems: &[Problem]) {
    if !problems.is_empty() {
        let text = problem::render(problems, Severity::Warning, color()) + "\n";
        let _ = anstream::stderr().write_all(text.as_bytes());
    }
}

/// Says something worth saying, beside what was asked for.
pub(super) fn note(text: &str) {
    let _ = writeln!(anstream::stderr(), "note: {text}");
}

/// Says why there is no answer of a host.
pub(super) fn host(name: &str, reason: &str, hint: Option<&str>) {
    let hint = hint
        .map(|hint| format!("  hint: {}\n", sanitise(hint)))
        .unwrap_or_default();
    let _ = write!(
        anstream::stderr(),
        "error: {}: {}\n{hint}",
        sanitise(name),
        sanitise(reason)
    );
}

/// Whether standard error may have colours.
pub(super) fn color() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}

fn text(error: &Error, color: bool) -> String {
    if let Error::Problems(problems) = error {
        return problem::render(problems, Severity::Error, color) + "\n";
    }
    let label = |style: Style, word: &str| style.force_styling(color).apply_to(word).to_string();
    let causes = std::iter::successors(error.source(), |&cause| cause.source())
        .map(|cause| format!("  {} {cause}\n", label(Style::new().yellow(), "caused by:")));
    let hint = error
        .hint()
        .map(|hint| format!("  {} {hint}\n", label(Style::new().cyan(), "hint:")));
    let first = format!("{} {error}\n", label(Style::new().red().bold(), "error:"));
    std::iter::once(first).chain(causes).chain(hint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_why_and_what_to_do() {
        let source = std::io::Error::from(std::io::ErrorKind::NotFound);
        insta::assert_snapshot!(text(&Error::NoTerminal(source), false), @r"
        error: -K: cannot ask for the password: there is no terminal
          caused by: entity not found
          hint: run it in a terminal, set ansible_become_password in the inventory, or let sudo ask for none (NOPASSWD)
        ");
    }
}
