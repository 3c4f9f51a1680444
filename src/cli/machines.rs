//! What the machines of a run are to each other and to this one, looked up before any is touched.

use std::net::{IpAddr, UdpSocket};

use super::error::{self, Error};
use crate::inventory::{Connection, HostSpec};
use crate::playbook::{Run, Way};
use crate::problem::Problem;
use crate::remote::ssh;

/// How many hosts are named.
const SHOWN: usize = 3;

/// The run with bastions after the hosts behind them; warns of hosts that seem to be this machine.
///
/// # Errors
/// Machines that have two names, and bastions that cannot come last.
pub(super) fn ordered(run: Run) -> Result<Run, Error> {
    let twice = run.named_twice();
    if !twice.is_empty() {
        return Err(Error::Problems(twice));
    }
    let ways = ways(&run)?;
    error::warn(&this_machine(&run, &ways));
    run.with_bastions_last(&ways).map_err(Error::Problems)
}

fn ways(run: &Run) -> Result<Vec<Way>, Error> {
    let connections: Vec<&Connection> = run.turns.iter().map(|turn| &turn.host.connection).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let leads = runtime.block_on(ssh::leads(&connections));
    let way = |leads: ssh::Leads| Way {
        hostname: leads.hostname,
        through: leads.through,
    };
    Ok(leads.into_iter().map(way).collect())
}

/// A fault there may end this program itself, and the way to all other hosts.
fn this_machine(run: &Run, ways: &[Way]) -> Vec<Problem> {
    let hosts = run.turns.iter().map(|turn| &turn.host).zip(ways);
    let own = hosts.filter(|(host, way)| way.through.is_empty() && is_own(host));
    let names: Vec<&str> = own.map(|(host, _)| host.name.as_str()).collect();
    let Some(shown) = names.get(..names.len().min(SHOWN)).filter(|shown| !shown.is_empty()) else {
        return vec![];
    };
    let more = match names.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "at an address of this machine itself, from which the run is controlled: {}{more}",
        shown.join(", ")
    );
    let hint = "unless the port is forwarded to another machine, deploy to it from elsewhere, or last";
    vec![Problem::new(message).hint(hint)]
}

fn is_own(host: &HostSpec) -> bool {
    let address = host.connection.host.trim_matches(['[', ']']);
    let literal = address.parse::<IpAddr>().map(|address| address.to_canonical());
    address.eq_ignore_ascii_case("localhost") || literal.is_ok_and(is_here)
}

/// Only addresses of this machine can be bound.
fn is_here(address: IpAddr) -> bool {
    let is_one_machine = !address.is_unspecified() && !address.is_multicast();
    address.is_loopback() || is_one_machine && UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine() {
        let own = |address: &str| {
            let mut host = HostSpec::default();
            address.clone_into(&mut host.connection.host);
            is_own(&host)
        };
        for address in [
            "localhost",
            "LocalHost",
            "127.0.0.1",
            "127.8.8.8",
            "::1",
            "[::1]",
            "::ffff:127.0.0.1",
        ] {
            assert!(own(address), "{address}");
        }
        // Addresses of documentation (RFC 5737, RFC 3849) are nobody's.
        for address in [
            "web1",
            "192.0.2.1",
            "2001:db8::1",
            "0.0.0.0",
            "224.0.0.1",
            "localhost.example",
        ] {
            assert!(!own(address), "{address}");
        }
    }
}
