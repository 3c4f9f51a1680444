//! What ssh wrote to its log: the host's key, and what it complained of.

use std::net::SocketAddr;

use crate::report::sanitise;

/// Where ssh connected in the end: of a name's addresses it takes one itself.
pub(super) fn peer(log: &str) -> Option<SocketAddr> {
    let last = log
        .lines()
        .rev()
        .find_map(|line| line.trim_start_matches("debug1: ").strip_prefix("Connecting to "))?;
    let (address, port) = last.split_once('[')?.1.split_once("] port ")?;
    Some(SocketAddr::new(
        address.parse().ok()?,
        port.trim().trim_end_matches('.').parse().ok()?,
    ))
}

pub(super) fn host_key(log: &str) -> Option<String> {
    let line = log
        .lines()
        .find_map(|line| line.trim_start_matches("debug1: ").strip_prefix("Server host key: "))?;
    Some(sanitise(line.trim()))
}

/// The file that holds another key than the host's: `Offending ED25519 key in FILE:LINE`.
pub(super) fn offending(log: &str) -> Option<&str> {
    let mut lines = log.lines().filter(|line| line.starts_with("Offending "));
    Some(
        lines
            .find_map(|line| line.split_once(" key in "))?
            .1
            .rsplit_once(':')?
            .0,
    )
}

/// What ssh says when it believed a new key and could not write it down.
pub(super) fn unrecorded(log: &str) -> Option<String> {
    let line = log.lines().find(|line| line.starts_with("Failed to add the host"))?;
    Some(sanitise(line))
}

/// Whether a login failed because the host's key is not the known one.
pub(super) fn is_about_host_key(log: &str) -> bool {
    let said = |what: &str| log.contains(what);
    said("Host key verification failed") || said("HOST IDENTIFICATION HAS CHANGED") || said("host key is known for")
}

/// Why a master's other end did not connect to a host and port, the last time that it did not. The log tells first
/// where a connection shall lead, then the number of its channel, then under this number what came of it.
pub(super) fn open_failed(log: &str, host: &str, port: u16) -> Option<String> {
    let target = format!("{host}:{port}");
    let mut ours = false;
    let mut channels = Vec::new();
    let mut why = None;
    for line in log.lines().map(|line| line.trim_start_matches("debug1: ").trim_end()) {
        if let Some(rest) = line.strip_prefix("channel_connect_stdio_fwd") {
            ours = rest.trim_start_matches([':', ' ']) == target;
        }
        let Some((channel, rest)) = line.strip_prefix("channel ").and_then(|rest| rest.split_once(": ")) else {
            continue;
        };
        if rest.starts_with("new ") {
            channels.retain(|known| *known != channel);
            channels.extend(std::mem::take(&mut ours).then_some(channel));
        } else if let Some(reason) = rest
            .strip_prefix("open failed: ")
            .filter(|_| channels.contains(&channel))
        {
            why = Some(reason);
        }
    }
    why.map(sanitise)
}

/// What ssh itself complained of, without its own debugging.
pub(super) fn last_words(log: &str, otherwise: &str) -> String {
    // Its loudest warnings stand in frames of @.
    let unframed = |line| str::trim_matches(line, |c: char| c == '@' || c.is_whitespace());
    let words = log
        .lines()
        .map(unframed)
        .filter(|line| !line.is_empty() && !line.starts_with("debug") && !line.starts_with("OpenSSH_"));
    let words: Vec<String> = words.map(sanitise).collect();
    match words.as_slice() {
        [] => otherwise.to_owned(),
        [.., last] => {
            let telling = words
                .iter()
                .find(|line| line.contains("IDENTIFICATION") || line.contains("host key is known"));
            telling.map_or_else(|| last.clone(), |line| format!("{line} {last}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_key_and_ssh_s_own_complaint_from_between_its_debugging() {
        let log = "OpenSSH_9.2p1\r\ndebug1: Server host key: ssh-ed25519 SHA256:abc\r\nNo ED25519 host key is known for web1 and you have requested strict checking.\r\nHost key verification failed.\r\n";
        let connects = "debug1: Connecting to web1 [2001:db8::1] port 22.\r\ndebug1: Connecting to web1 [192.0.2.1] port 2222.\r\n";
        assert_eq!(peer(connects), "192.0.2.1:2222".parse().ok());
        assert_eq!(peer(log), None);
        assert_eq!(host_key(log).as_deref(), Some("ssh-ed25519 SHA256:abc"));
        let words = last_words(log, "nothing");
        assert!(words.starts_with("No ED25519 host key is known for web1"), "{words}");
        assert!(words.ends_with("Host key verification failed."), "{words}");
        let changed = "Offending ED25519 key in /home/ann/known hosts:3\r\n  remove with:\r\n";
        assert_eq!(
            (offending(changed), offending(log)),
            (Some("/home/ann/known hosts"), None)
        );
        assert_eq!(last_words("debug1: hello\n\n", "nothing"), "nothing");
    }

    #[test]
    fn finds_why_a_bastion_did_not_connect_to_one_of_many() {
        let log = "debug1: channel_connect_stdio_fwd: 10.0.0.7:80\r\n\
            debug1: channel 2: new stdio-forward [stdio-forward] (inactive timeout: 0)\r\n\
            debug1: channel_connect_stdio_fwd: 10.0.0.8:80\r\n\
            debug1: channel 3: new stdio-forward [stdio-forward] (inactive timeout: 0)\r\n\
            channel 3: open failed: connect failed: Connection refused\r\n\
            channel 2: open failed: administratively prohibited: open failed\r\n\
            debug1: channel 2: new mux-control [mux-control] (inactive timeout: 0)\r\n\
            channel 2: open failed: unknown\r\n";
        let why = |host, port| open_failed(log, host, port);
        assert_eq!(
            why("10.0.0.8", 80).as_deref(),
            Some("connect failed: Connection refused")
        );
        assert_eq!(
            why("10.0.0.7", 80).as_deref(),
            Some("administratively prohibited: open failed")
        );
        assert_eq!(why("10.0.0.7", 8), None);
    }
}
