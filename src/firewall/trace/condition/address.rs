//! Addresses: `-s`, `-d` with any mask, and ranges (`xt_iprange.c`).

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Facts, Holds};
use crate::firewall::{Family, Side};

/// Addresses as numbers: bits that must be as given, where the mask has ones (which need not be in a row), or all from one
/// to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Net {
    Masked { value: u128, mask: u128 },
    Range { first: u128, last: u128 },
}

/// Addresses that are in one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Nets(Vec<Net>);

impl From<IpNet> for Nets {
    fn from(net: IpNet) -> Self {
        let mask = bits(net.netmask());
        Self(vec![Net::Masked {
            value: bits(net.addr()) & mask,
            mask,
        }])
    }
}

/// An address as a number.
pub(super) fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl Net {
    /// `ADDRESS`, `ADDRESS/PREFIX` or `ADDRESS/MASK`. Host names are not read.
    pub fn read(text: &str, family: Family) -> Option<Self> {
        let (address, mask) = text.split_once('/').unwrap_or((text, ""));
        let value = bits(of_family(address, family)?);
        let width: u32 = if family == Family::V4 { 32 } else { 128 };
        let ones = u128::MAX >> (128 - width);
        let mask = match mask.parse::<u32>() {
            _ if mask.is_empty() => ones,
            Ok(prefix) if prefix <= width => ones & !ones.checked_shr(prefix).unwrap_or(0),
            Ok(_) => return None,
            Err(_) => bits(of_family(mask, family)?),
        };
        Some(Self::Masked {
            value: value & mask,
            mask,
        })
    }

    /// `FIRST-LAST` or one address.
    pub fn range(text: &str, family: Family) -> Option<Self> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Some(Self::Range {
            first: bits(of_family(first, family)?),
            last: bits(of_family(last, family)?),
        })
    }

    pub fn contains(self, address: u128) -> bool {
        match self {
            Self::Masked { value, mask } => address & mask == value,
            Self::Range { first, last } => (first..=last).contains(&address),
        }
    }
}

pub(in crate::firewall::trace) fn of_family(text: &str, family: Family) -> Option<IpAddr> {
    text.parse()
        .ok()
        .filter(|address: &IpAddr| address.is_ipv4() == (family == Family::V4))
}

impl Nets {
    pub fn new(nets: Vec<Net>) -> Self {
        Self(nets)
    }

    /// Several with commas between them, as `iptables-restore` takes them.
    pub fn read(text: &str, family: Family) -> Option<Self> {
        text.split(',')
            .map(|one| Net::read(one, family))
            .collect::<Option<_>>()
            .map(Self)
    }

    pub fn contain(&self, address: IpAddr) -> bool {
        let address = bits(address);
        self.0.iter().any(|net| net.contains(address))
    }

    pub fn hold(&self, side: Side, facts: &Facts) -> Holds<'static> {
        let source = || Holds::told(facts.source.map(|one| self.contain(one)), SOURCE);
        let destination = || Holds::told(facts.destination.map(|one| self.contain(one)), DESTINATION);
        match side {
            Side::Source => source(),
            Side::Destination => destination(),
            Side::Either => source().or(destination()),
        }
    }
}

const SOURCE: &str = "the packet's source is not told";
const DESTINATION: &str = "the packet's destination is not known";
