//! Targets that rewrite addresses and ports.

use std::net::IpAddr;

use super::{Effect, Options};
use crate::firewall::{Family, PortSpan};

/// `PORT` or `FIRST-LAST`.
fn ports(text: &str) -> Option<PortSpan> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(PortSpan { first, last })
}

pub(super) fn redirect(options: &Options<'_>) -> Option<Effect> {
    let span = match options.value("--to-ports").or_else(|| options.value("--to-port")) {
        Some(text) => Some(ports(text)?),
        None => None,
    };
    Some(Effect::Redirect(span))
}

/// Addresses and ports.
type Range = (Option<(IpAddr, IpAddr)>, Option<PortSpan>);

/// `ADDRESS[-ADDRESS][:PORT[-PORT]]`, of IPv6 in brackets where ports follow.
fn range(text: &str, family: Family) -> Option<Range> {
    let (addresses, span) = match family {
        Family::V4 => text
            .split_once(':')
            .map_or((text, None), |(one, span)| (one, Some(span))),
        Family::V6 => match text.strip_prefix('[') {
            None => (text, None),
            Some(rest) => {
                let (addresses, span) = rest.split_once(']')?;
                (addresses, span.strip_prefix(':'))
            }
        },
    };
    let addresses = addresses.trim_matches(['[', ']']);
    let one = |text: &str| text.parse::<IpAddr>().ok();
    let addresses = match addresses.split_once('-') {
        _ if addresses.is_empty() => None,
        Some((first, last)) => Some((one(first)?, one(last)?)),
        None => Some((one(addresses)?, one(addresses)?)),
    };
    let span = match span {
        Some(span) => Some(ports(span)?),
        None => None,
    };
    Some((addresses, span))
}

pub(super) fn dnat(options: &Options<'_>, family: Family) -> Option<Effect> {
    let mut given = options.values("--to-destination");
    let (addresses, ports) = range(given.next()?, family)?;
    given.next().is_none().then_some(Effect::Dnat {
        addresses,
        ports,
        random: options.has("--random"),
    })
}

pub(super) fn snat(options: &Options<'_>, family: Family) -> Option<Effect> {
    let mut given = options.values("--to-source");
    let (addresses, ports) = range(given.next()?, family)?;
    given.next().is_none().then_some(Effect::Snat { addresses, ports })
}
