//! A request from this machine: straight to the server, whatever proxies the environment names, and no further than its
//! first answer.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Timeout, http::Response};

use super::within;

/// Of an answer's body this much is looked at.
const MOST: u64 = 1 << 20;

/// A URL without user, password, query and fragment: those may be secret.
pub(super) fn shown(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = bare.split_once("://") else {
        return bare.to_owned();
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// Asks, and looks at the answer.
pub(super) async fn asked(url: &str, status: &[u16], contains: Option<&str>, limit: Duration) -> Result<(), String> {
    let (url, status, contains) = (url.to_owned(), status.to_vec(), contains.map(str::to_owned));
    let asking = tokio::task::spawn_blocking(move || ask(&url, &status, contains.as_deref(), limit));
    match timeout(limit, asking).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err("a fault in this program ended the request".to_owned()),
        Err(_) => Err(format!("no whole answer {}", within(limit))),
    }
}

fn ask(url: &str, status: &[u16], contains: Option<&str>, limit: Duration) -> Result<(), String> {
    let mut response = agent(limit).get(url).call().map_err(|error| words(&error, limit))?;
    let got = response.status().as_u16();
    if !status.contains(&got) {
        let wanted: Vec<String> = status.iter().map(u16::to_string).collect();
        return Err(format!("status {got}, not {}", wanted.join(" or ")));
    }
    match contains {
        Some(wanted) => look(&mut response, wanted, limit),
        None => Ok(()),
    }
}

/// The client's own time limit comes wrapped, and of another kind.
fn is_late(error: &std::io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<ureq::Error>());
    error.kind() == std::io::ErrorKind::TimedOut || matches!(cause, Some(ureq::Error::Timeout(_)))
}

fn look(response: &mut Response<Body>, wanted: &str, limit: Duration) -> Result<(), String> {
    let mut body = Vec::new();
    let mut reader = response.body_mut().as_reader().take(MOST);
    reader.read_to_end(&mut body).map_err(|error| {
        if is_late(&error) {
            format!("no whole answer {}", within(limit))
        } else {
            format!("the answer broke off: {error}")
        }
    })?;
    let found = wanted.is_empty() || body.windows(wanted.len()).any(|part| part == wanted.as_bytes());
    if found {
        Ok(())
    } else {
        Err(format!(
            "the answer ({} bytes) does not hold what `contains` asks for",
            body.len()
        ))
    }
}

fn agent(limit: Duration) -> Agent {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(provider);
    Agent::config_builder()
        .tls_config(tls.build())
        .timeout_global(Some(limit))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent(concat!("portmap-deploy/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

fn words(error: &ureq::Error, limit: Duration) -> String {
    match error {
        ureq::Error::Timeout(Timeout::Resolve) => format!("its name is not known {}", within(limit)),
        ureq::Error::Timeout(_) => format!("no answer {}", within(limit)),
        ureq::Error::HostNotFound => "its name is not known".to_owned(),
        ureq::Error::Io(error) => error.to_string(),
        // It would name the whole address.
        ureq::Error::BadUri(_) => "this is not a url".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_is_not_shown() {
        for (url, expected) in [
            ("http://192.0.2.1:80/", "http://192.0.2.1:80/"),
            ("https://ann:secret@h/a/b?token=x#y", "https://h/a/b"),
            ("http://h?token=a@b", "http://h"),
            ("http://a@b@[2001:db8::1]:8/x@y", "http://[2001:db8::1]:8/x@y"),
        ] {
            assert_eq!(shown(url), expected);
        }
    }
}
