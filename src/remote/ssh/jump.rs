//! What `ProxyJump` and `ProxyCommand` say: hops, and tokens (`ssh_config(5)`, TOKENS).

use std::collections::HashMap;
use std::fmt;

/// One bastion, as the user wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Hop {
    pub user: Option<String>,
    pub host: String,
    pub port: Option<u16>,
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.port {
            Some(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

/// What the tokens of a host stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tokens {
    /// `%h`: the host's name after `HostName`.
    pub hostname: String,
    /// `%n`: the name that was asked for.
    pub original: String,
    /// `%r`: the user at the host.
    pub user: String,
}

impl Tokens {
    /// From what `ssh -G` says of the host that was asked for by this name.
    pub fn of(config: &HashMap<String, String>, original: &str) -> Self {
        let get = |key: &str| config.get(key).cloned();
        Self {
            hostname: get("hostname").unwrap_or_else(|| original.to_owned()),
            original: original.to_owned(),
            user: get("user").unwrap_or_default(),
        }
    }

    /// A text with its tokens expanded. Whatever is put in must be harmless to a shell, as newer ssh demands of names
    /// (CVE-2023-51385).
    ///
    /// # Errors
    /// The token that there is not, or the value that is not harmless.
    pub fn expand(&self, text: &str, port: u16) -> Result<String, String> {
        let mut expanded = String::with_capacity(text.len());
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                expanded.push(letter);
                continue;
            }
            match letters.next() {
                Some('%') => expanded.push('%'),
                Some('h') => expanded.push_str(harmless(&self.hostname)?),
                Some('n') => expanded.push_str(harmless(&self.original)?),
                Some('r') => expanded.push_str(harmless(&self.user)?),
                Some('p') => expanded.push_str(&port.to_string()),
                other => {
                    return Err(format!(
                        "unknown token %{}",
                        other.map(String::from).unwrap_or_default()
                    ));
                }
            }
        }
        Ok(expanded)
    }
}

/// What ssh(1) refuses in names since 9.6.
fn harmless(value: &str) -> Result<&str, String> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || "'`\"$\\;&<>|(){}".contains(c);
    if value.is_empty() || value.starts_with('-') || value.contains(bad) {
        return Err(format!("{value:?} must not go into a command line"));
    }
    Ok(value)
}

/// The hops of a `ProxyJump`, the nearest first: `[user@]host[:port]` or `ssh://…`, separated by commas.
///
/// # Errors
/// The hop that cannot be read.
pub(super) fn hops(text: &str, tokens: &Tokens, port: u16) -> Result<Vec<Hop>, String> {
    let one = |text: &str| {
        let expanded = tokens.expand(text, port)?;
        hop(&expanded).ok_or_else(|| format!("{text:?} is no jump host"))
    };
    text.split(',').map(one).collect()
}

fn hop(text: &str) -> Option<Hop> {
    let bare = text.strip_prefix("ssh://").unwrap_or(text).trim_end_matches('/');
    let (user, place) = match bare.rsplit_once('@') {
        // A URI may carry parameters of a fingerprint, which ssh ignores.
        Some((user, place)) => (Some(user.split(';').next()?.to_owned()), place),
        None => (None, bare),
    };
    let (host, port) = match place.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']')?;
            (host, rest.strip_prefix(':'))
        }
        None if place.matches(':').count() > 1 => (place, None),
        None => place
            .split_once(':')
            .map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map(str::parse).transpose().ok()?.filter(|port| *port != 0);
    harmless(host).ok()?;
    if let Some(user) = &user {
        harmless(user).ok()?;
    }
    Some(Hop {
        user,
        host: host.to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens {
            hostname: "10.0.0.7".to_owned(),
            original: "web1".to_owned(),
            user: "ann".to_owned(),
        }
    }

    #[test]
    fn jump_hosts_as_ssh_reads_them() {
        let read = |text| {
            let hops = hops(text, &tokens(), 22).unwrap();
            hops.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(read("b"), ["b"]);
        assert_eq!(read("a,u@b:2022"), ["a", "u@b:2022"]);
        assert_eq!(read("u@[2001:db8::1]:33"), ["u@[2001:db8::1]:33"]);
        assert_eq!(read("[2001:db8::1]"), ["2001:db8::1"]);
        assert_eq!(read("ssh://v@b:33/,ssh://c"), ["v@b:33", "c"]);
        assert_eq!(read("jump-%n,%r@c"), ["jump-web1", "ann@c"]);
        for wrong in [
            "",
            "a,",
            "u@",
            "a:x",
            "a:70000",
            "-oProxyCommand=x",
            "a;b",
            "$(x)",
            "[::1",
            "a b",
        ] {
            assert!(hops(wrong, &tokens(), 22).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn tokens_of_a_command() {
        let expand = |text: &str| tokens().expand(text, 2222);
        let command = "ssh -W %h:%p -q %r@bastion-%n # 100%%";
        let expanded = "ssh -W 10.0.0.7:2222 -q ann@bastion-web1 # 100%";
        assert_eq!(expand(command).as_deref(), Ok(expanded));
        assert!(expand("nc %z").is_err() && expand("nc %").is_err());
        for name in ["a;b", "$(id)", "`id`", "-oX", "a b", "", "a|b"] {
            let bad = Tokens {
                hostname: name.to_owned(),
                ..tokens()
            };
            assert!(bad.expand("nc %h %p", 22).is_err(), "{name:?}");
        }
    }
}
