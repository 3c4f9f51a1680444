//! Why a session never came to its dialogue, in words: what sudo and the login shell complain of.

use crate::remote::dialogue::Lost;

/// No answer: why, and what the login itself complained of.
pub(super) struct Silence {
    pub lost: Lost,
    /// What the command said on stderr, the last lines.
    pub complaints: Vec<String>,
    /// Who logged in.
    pub user: String,
    /// It becomes root by sudo.
    pub sudo: bool,
    /// sudo had not let us in yet.
    pub entering: bool,
}

/// What is wrong with the rights of a login.
struct Refusal {
    sentence: String,
    hint: String,
}

/// What sudo says (in English: we ask it to), and what that means.
const SUDO: [(&[&str], Case); 10] = [
    (
        &[
            "incorrect password attempt",
            "incorrect authentication attempt",
            "Authentication failed",
        ],
        Case::WrongPassword,
    ),
    (
        &[
            "password is required",
            "authentication is required",
            "terminal is required to read",
        ],
        Case::WantsPassword,
    ),
    (&["must have a tty"], Case::WantsTerminal),
    (
        &[
            "not in the sudoers",
            "is not allowed to",
            "may not run sudo",
            "I'm afraid I can't do that",
        ],
        Case::MayNot,
    ),
    (
        &[
            "account validation",
            "expired",
            "account is locked",
            "account management",
        ],
        Case::Account,
    ),
    (
        &[
            "sudo: sh: command not found",
            "sudo: sh: not found",
            "sudo: unable to execute",
        ],
        Case::NoShell,
    ),
    (
        &[
            "sudo: command not found",
            "sudo: Command not found",
            "sudo: not found",
            "sudo': No such",
            "sudo’: No such",
        ],
        Case::Missing,
    ),
    (&["can't execute 'sudo'", "sudo: No such file"], Case::Missing),
    (&["sudo:", "sudo-rs:"], Case::Other),
    // The session on a terminal; a login's noise may say so too, so this comes last.
    (&["stty:", "PTY allocation request failed"], Case::WantsTerminal),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    WrongPassword,
    WantsPassword,
    WantsTerminal,
    MayNot,
    Account,
    NoShell,
    Missing,
    Other,
}

impl Silence {
    pub fn sentence(&self) -> String {
        if let Some(refusal) = self.refusal() {
            return refusal.sentence;
        }
        let said = self.complaints.join(" ");
        if said.is_empty() {
            self.lost.to_string()
        } else {
            format!("{}: {said}", self.lost)
        }
    }

    pub fn hint(&self) -> Option<String> {
        self.refusal().map(|refusal| refusal.hint)
    }

    /// Whether once more could lock an account.
    pub fn is_wrong_password(&self) -> bool {
        self.case().is_some_and(|(case, _)| case == Case::WrongPassword)
    }

    /// The case, and the line that tells it.
    fn case(&self) -> Option<(Case, &str)> {
        if matches!(self.lost, Lost::WrongPassword) {
            return Some((Case::WrongPassword, ""));
        }
        if !self.sudo {
            return None;
        }
        SUDO.iter().find_map(|(words, case)| {
            let tells = |line: &&String| words.iter().any(|word| line.contains(word));
            let line = self.complaints.iter().rev().find(tells)?;
            Some((*case, line.as_str()))
        })
    }

    fn refusal(&self) -> Option<Refusal> {
        if let Some((case, line)) = self.case() {
            return Some(refusal(case, line, &self.user));
        }
        (self.entering && matches!(self.lost, Lost::Silent(_))).then(|| Refusal {
            sentence: format!("sudo does not let {} in, nor asks by our prompt: {}", self.user, self.last()),
            hint: format!(
                "a PAM module of the host asks in its own words or for more than a password; in sudoers: Defaults:{0} passprompt_override, or {NOPASSWD}",
                self.user
            ),
        })
    }

    fn last(&self) -> &str {
        self.complaints.last().map_or("it says nothing", String::as_str)
    }
}

/// A right for the one program that is run.
const NOPASSWD: &str = "USER ALL=(root) NOPASSWD: /bin/sh";

fn refusal(case: Case, line: &str, user: &str) -> Refusal {
    let (sentence, hint) = match case {
        Case::WrongPassword => (
            format!("sudo: wrong password for {user}"),
            "it was sent once and is not tried again; check ansible_become_password, or type it anew with -K"
                .to_owned(),
        ),
        Case::WantsPassword => (
            format!("sudo wants a password for {user}: {line}"),
            format!("give it with -K or ansible_become_password, or let sudoers ask for none: {NOPASSWD}"),
        ),
        Case::WantsTerminal => (
            format!("sudo insists on a terminal, and there is none that could be used: {line}"),
            format!("add to the host's sudoers: Defaults:{user} !requiretty"),
        ),
        Case::MayNot => (
            format!("sudo does not let {user} be root: {line}"),
            format!("add to the host's sudoers: {user} ALL=(root) ALL, or log in as another user (ansible_user)"),
        ),
        Case::Account => (
            format!("sudo refuses the account of {user}: {line}"),
            "renew or unlock the account on the host: chage, passwd, faillock".to_owned(),
        ),
        Case::NoShell => (
            format!("sudo finds no shell: {line}"),
            "let secure_path in the host's sudoers hold /usr/bin and /bin".to_owned(),
        ),
        Case::Missing => (
            format!("sudo is not installed, or {user} does not find it: {line}"),
            "install sudo, or log in as root (ansible_user: root); doas and su are not supported".to_owned(),
        ),
        Case::Other => (
            format!("sudo failed: {line}"),
            format!("try on the host, as {user}: sudo -n sh -c id"),
        ),
    };
    Refusal { sentence, hint }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn silence(lost: Lost, lines: &[&str]) -> Silence {
        Silence {
            entering: matches!(lost, Lost::Silent(_)),
            lost,
            complaints: lines.iter().map(|&line| line.to_owned()).collect(),
            user: "ann".to_owned(),
            sudo: true,
        }
    }

    #[test]
    fn every_complaint_of_sudo_has_its_remedy() {
        for (line, says, remedy) in [
            ("sudo: 1 incorrect password attempt", "wrong password for ann", "-K"),
            ("sudo: a password is required", "wants a password for ann", "NOPASSWD"),
            (
                "sudo: interactive authentication is required",
                "wants a password",
                "ansible_become_password",
            ),
            (
                "sudo: sorry, you must have a tty to run sudo",
                "terminal",
                "Defaults:ann !requiretty",
            ),
            ("sh: 1: stty: not found", "terminal", "!requiretty"),
            ("ann is not in the sudoers file.", "does not let ann be root", "sudoers"),
            (
                "Sorry, user ann is not allowed to execute '/bin/sh -c x' as root on web1.",
                "does not let ann be root",
                "sudoers",
            ),
            (
                "sudo: Account or password is expired, reset your password and try again",
                "refuses the account",
                "chage",
            ),
            (
                "The account is locked due to 3 failed logins.",
                "refuses the account",
                "faillock",
            ),
            (
                "sudo: account validation failure, is your account locked?",
                "refuses the account",
                "passwd",
            ),
            ("sudo: sh: command not found", "no shell", "secure_path"),
            (
                "env: 'sudo': No such file or directory",
                "not installed",
                "install sudo",
            ),
            ("env: ‘sudo’: No such file or directory", "not installed", "doas"),
            (
                "env: can't execute 'sudo': No such file or directory",
                "not installed",
                "install sudo",
            ),
            (
                "sudo: /etc/sudo.conf is owned by uid 7, should be 0",
                "sudo failed",
                "as ann",
            ),
        ] {
            let silence = silence(Lost::Ended, &["stty: noise of a profile", line]);
            assert!(silence.sentence().contains(says), "{line}: {}", silence.sentence());
            assert!(
                silence.hint().unwrap_or_default().contains(remedy),
                "{line}: {:?}",
                silence.hint()
            );
        }
    }

    #[test]
    fn a_question_of_another_kind_is_told() {
        let silence = silence(Lost::Silent(Duration::from_secs(20)), &["Verification code:"]);
        assert!(
            silence.sentence().contains("Verification code:"),
            "{}",
            silence.sentence()
        );
        assert!(silence.hint().unwrap_or_default().contains("passprompt_override"));
    }

    #[test]
    fn other_ends_have_the_last_words() {
        let mut silence = silence(Lost::Ended, &["This account has expired."]);
        silence.sudo = false;
        assert_eq!(silence.sentence(), "the connection ended: This account has expired.");
        assert_eq!(silence.hint(), None);
    }
}
