//! Targets that rewrite addresses and ports.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Effect, Options};
use crate::firewall::trace::condition::{of_family, service_span};
use crate::firewall::{Family, PortSpan};

/// `PORT` or `FIRST-LAST`, by number or by the service's name.
fn ports(text: &str) -> Option<PortSpan> {
    let open = text.starts_with('-') || text.ends_with('-') || text.contains(':');
    service_span(text).filter(|span| !open && span.first <= span.last)
}

/// `PORT`, `FIRST-LAST` or `FIRST-LAST/BASE`.
fn shifted(text: &str) -> Option<(PortSpan, Option<u16>)> {
    match text.split_once('/') {
        Some((span, base)) => Some((ports(span)?, Some(ports(base)?.first))),
        None => Some((ports(text)?, None)),
    }
}

pub(super) fn redirect(options: &Options<'_>) -> Option<Effect> {
    let span = match options.value("--to-ports").or_else(|| options.value("--to-port")) {
        Some(text) => Some(ports(text)?),
        None => None,
    };
    Some(Effect::Redirect {
        ports: span,
        random: options.has("--random") || options.has("--random-fully"),
    })
}

/// `ADDRESS`, `ADDRESS/PREFIX` or `ADDRESS/MASK`.
pub(super) fn network(text: &str, family: Family) -> Option<IpNet> {
    let net = match text.split_once('/') {
        None => of_family(text, family)?.into(),
        Some((address, mask)) => match mask.parse() {
            Ok(prefix) => IpNet::new(of_family(address, family)?, prefix).ok()?,
            Err(_) => IpNet::with_netmask(of_family(address, family)?, of_family(mask, family)?).ok()?,
        },
    };
    Some(net.trunc())
}

/// Addresses and ports.
type Range = (Option<(IpAddr, IpAddr)>, Option<(PortSpan, Option<u16>)>);

/// `ADDRESS[-ADDRESS][:PORT[-PORT]]`, of IPv6 in brackets where ports follow.
fn range(text: &str, family: Family) -> Option<Range> {
    let (addresses, span) = match family {
        Family::V4 => text
            .split_once(':')
            .map_or((text, None), |(one, span)| (one, Some(span))),
        Family::V6 => match text.strip_prefix('[') {
            // `:PORT`; `::1` is an address.
            None => match text.strip_prefix(':').filter(|span| shifted(span).is_some()) {
                Some(span) => ("", Some(span)),
                None => (text, None),
            },
            Some(rest) => {
                let (addresses, span) = rest.split_once(']')?;
                (addresses, span.strip_prefix(':'))
            }
        },
    };
    let addresses = addresses.trim_matches(['[', ']']);
    let one = |text: &str| of_family(text, family);
    let addresses = match addresses.split_once('-') {
        _ if addresses.is_empty() => None,
        Some((first, last)) => Some((one(first)?, one(last)?)),
        None => Some((one(addresses)?, one(addresses)?)),
    };
    let span = match span {
        Some(span) => Some(shifted(span)?),
        None => None,
    };
    Some((addresses, span))
}

/// Old kernels took several.
fn only<'a>(mut given: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    given.next().filter(|_| given.next().is_none())
}

pub(super) fn dnat(options: &Options<'_>, family: Family) -> Option<Effect> {
    let (addresses, span) = range(only(options.values("--to-destination"))?, family)?;
    Some(Effect::Dnat {
        addresses,
        ports: span.map(|(span, _)| span),
        base: span.and_then(|(_, base)| base),
        random: options.has("--random"),
    })
}

pub(super) fn snat(options: &Options<'_>, family: Family) -> Option<Effect> {
    let (addresses, span) = range(only(options.values("--to-source"))?, family)?;
    Some(Effect::Snat {
        addresses,
        ports: span.map(|(span, _)| span),
    })
}
