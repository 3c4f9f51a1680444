//! What the user's own configuration makes of a host: `ssh -G`, and its name resolved.

use std::collections::HashMap;
use std::net::IpAddr;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::local;
use crate::inventory::Connection as Spec;
use crate::remote::LoginError;
use crate::report::sanitise;

/// For what needs no host: reading configuration, resolving a name.
const DEADLINE: Duration = Duration::from_secs(20);

pub(super) fn user_options(spec: &Spec) -> Vec<String> {
    let mut options = spec.common_args.clone();
    options.extend(spec.extra_args.iter().cloned());
    if let Some(user) = &spec.user {
        options.extend(["-o".to_owned(), format!("User={user}")]);
    }
    if let Some(file) = &spec.private_key_file {
        // Not -o IdentityFile: that is split at blanks.
        options.extend(["-i".to_owned(), file.clone()]);
    }
    options
}

/// The command that logs an operator in by this port, quoted for a shell. `alias`: the name in `known_hosts`, where ssh
/// would not find it by itself.
pub(super) fn command_line(spec: &Spec, port: u16, alias: Option<&str>) -> String {
    let alias = alias.map(|name| format!("HostKeyAlias={name}"));
    let port = port.to_string();
    let host = match &spec.user {
        Some(user) => format!("{user}@{}", spec.host),
        None => spec.host.clone(),
    };
    let mut words = vec!["ssh", "-p", &port];
    words.extend(alias.iter().flat_map(|alias| ["-o", alias]));
    words.extend(spec.private_key_file.iter().flat_map(|file| ["-i", file]));
    words.extend(spec.common_args.iter().chain(&spec.extra_args).map(String::as_str));
    words.push(&host);
    shlex::try_join(words).unwrap_or_else(|_| format!("ssh -p {port} {host}"))
}

pub(super) async fn effective_config(spec: &Spec) -> Result<HashMap<String, String>, LoginError> {
    let mut command = Command::new("ssh");
    command.process_group(0).arg("-G");
    if let Some(port) = spec.port {
        command.arg("-o").arg(format!("Port={port}"));
    }
    command
        .args(user_options(spec))
        .arg("--")
        .arg(&spec.host)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(DEADLINE, command.output()).await;
    let output = output
        .map_err(|_| local("ssh -G did not end".to_owned()))?
        .map_err(|error| local(format!("cannot run ssh: {error}")))?;
    if !output.status.success() {
        return Err(local(format!(
            "ssh refuses its options: {}",
            sanitise(String::from_utf8_lossy(&output.stderr).trim())
        )));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut config = HashMap::new();
    for (key, value) in text.lines().filter_map(|line| line.split_once(' ')) {
        config.entry(key.to_owned()).or_insert_with(|| value.to_owned());
    }
    Ok(config)
}

pub(super) async fn addresses(name: &str, family: &str) -> Result<Vec<IpAddr>, LoginError> {
    let found = timeout(DEADLINE, tokio::net::lookup_host((name.trim_matches(['[', ']']), 0))).await;
    let found = found.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
    let mut addresses: Vec<IpAddr> = found
        .map_err(|error| LoginError::Unreachable {
            message: format!("the name {} does not resolve: {error}", sanitise(name)),
            hint: Some("check ansible_host".to_owned()),
        })?
        .map(|address| address.ip())
        .filter(|address| !(family == "inet" && address.is_ipv6() || family == "inet6" && address.is_ipv4()))
        .collect();
    addresses.dedup();
    // Of a link-local address alone nobody could tell on which link: probes would miss the host, or meet another.
    let link_local = |address: &IpAddr| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    if !addresses.is_empty() && addresses.iter().all(link_local) {
        return Err(LoginError::Unreachable {
            message: format!("{} is a link-local address, which is not supported", sanitise(name)),
            hint: Some("name a global or unique local address of the host as ansible_host".to_owned()),
        });
    }
    addresses.retain(|address| !link_local(address));
    Ok(addresses)
}

/// sshd(8), `SSH_KNOWN_HOSTS`: a port other than 22 is written `[host]:port`.
pub(super) fn known_hosts_name(host: &str, port: u16) -> String {
    let host = host.to_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_to_log_in_by() {
        let mut spec = Spec {
            host: "203.0.113.11".to_owned(),
            ..Spec::default()
        };
        assert_eq!(command_line(&spec, 2222, None), "ssh -p 2222 203.0.113.11");
        spec.user = Some("root".to_owned());
        spec.private_key_file = Some("~/keys/my key".to_owned());
        spec.common_args = ["-o".to_owned(), "ProxyJump=bastion".to_owned()].to_vec();
        assert_eq!(
            command_line(&spec, 22, Some("web1")),
            "ssh -p 22 -o 'HostKeyAlias=web1' -i '~/keys/my key' -o 'ProxyJump=bastion' root@203.0.113.11"
        );
    }

    #[test]
    fn one_name_in_known_hosts_as_ssh_writes_it() {
        assert_eq!(known_hosts_name("Web1", 22), "web1");
        assert_eq!(known_hosts_name("2001:DB8::1", 2222), "[2001:db8::1]:2222");
    }
}
