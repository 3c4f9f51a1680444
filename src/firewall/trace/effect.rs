//! What a rule's target does to a packet.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::firewall::{Family, PortSpan, Target};

mod marks;
mod nat;
mod options;

use super::condition::{masked, number, of_family};
use options::Options;

/// What becomes of a packet that a rule applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// It goes on to the next rule, as it is.
    Nothing,
    Accept,
    Drop,
    Reject,
    /// Back to the chain that led here.
    Return,
    /// Through another chain of the table, and on after it. What is no chain either is a target that is not known.
    Jump(String),
    /// Through another chain, which returns to our caller.
    Goto(String),
    /// The mark becomes `(mark & !mask) ^ value`, and it goes on.
    Mark {
        value: u32,
        mask: u32,
    },
    /// The mark becomes one that is not known, and it goes on.
    SomeMark,
    /// The connection's mark becomes `(mark & !mask) ^ value`, where there is a connection (`Facts::is_tracked`).
    Connmark {
        value: u32,
        mask: u32,
    },
    /// The packet's mark goes to its connection: `(connmark & !ctmask) ^ (mark & nfmask)`.
    SaveMark {
        ctmask: u32,
        nfmask: u32,
    },
    /// The connection's mark goes to the packet: `(mark & !nfmask) ^ (connmark & ctmask)`.
    RestoreMark {
        ctmask: u32,
        nfmask: u32,
    },
    /// Something is added to this set, or taken out of it, and it goes on.
    ChangeSet(String),
    /// Conntrack does not look at it: no nat, state UNTRACKED.
    Notrack,
    /// The destination becomes the incoming interface's own address, and the port one of these: its own where that is one
    /// of them, else the first, or with `random` any.
    Redirect {
        ports: Option<PortSpan>,
        random: bool,
    },
    /// Addresses from first to last, ports; with `base`, the port becomes `first + (port - base) % length`.
    Dnat {
        addresses: Option<(IpAddr, IpAddr)>,
        ports: Option<PortSpan>,
        base: Option<u16>,
        random: bool,
    },
    Snat {
        addresses: Option<(IpAddr, IpAddr)>,
        ports: Option<PortSpan>,
    },
    /// The network's part of the destination (of the source in POSTROUTING and INPUT) becomes this one.
    Netmap(IpNet),
    Masquerade,
    /// Delivered to a local socket at this port (0: the packet's own) without rewriting, and accepted in this table; dropped
    /// where no socket listens there. The mark becomes `(mark & !mask) ^ value` of `(value, mask)`.
    Tproxy {
        port: u16,
        address: Option<IpAddr>,
        mark: Option<(u32, u32)>,
    },
    /// Not modelled; the reason names it.
    Unknown(String),
}

impl Effect {
    /// Reads a target of a rule in a table. A name that is no target is a chain.
    pub fn read(target: &Target, family: Family, table: &str) -> Self {
        match target {
            Target::None => Self::Nothing,
            Target::Goto(chain) => Self::Goto(chain.clone()),
            Target::Jump { name, options } => {
                jump(name, &Options::read(options), family, table).unwrap_or_else(|| unknown(name, options))
            }
        }
    }
}

fn unknown(name: &str, options: &[String]) -> Effect {
    let text = std::iter::once(name).chain(options.iter().map(String::as_str));
    Effect::Unknown(text.collect::<Vec<_>>().join(" "))
}

/// `None`: not modelled.
fn jump(name: &str, options: &Options<'_>, family: Family, table: &str) -> Option<Effect> {
    Some(match name {
        "ACCEPT" => Effect::Accept,
        "DROP" => Effect::Drop,
        "REJECT" => Effect::Reject,
        "RETURN" => Effect::Return,
        "NOTRACK" => Effect::Notrack,
        "CT" => connection(options),
        "MARK" => marks::mark(options)?,
        "CONNMARK" => marks::connmark(options)?,
        "HMARK" | "IPMARK" => Effect::SomeMark,
        "SET" if options.has("--map-set") => Effect::SomeMark,
        "SET" if options.has("--add-set") && options.has("--del-set") => return None,
        "SET" => Effect::ChangeSet(
            options
                .value("--add-set")
                .or_else(|| options.value("--del-set"))?
                .to_owned(),
        ),
        "REDIRECT" => nat::redirect(options)?,
        "DNAT" => nat::dnat(options, family)?,
        "SNAT" => nat::snat(options, family)?,
        "NETMAP" => Effect::Netmap(nat::network(options.value("--to")?, family)?),
        "MASQUERADE" => Effect::Masquerade,
        "TPROXY" => tproxy(options, family)?,
        "TTL" | "HL" => lifetime(options, table)?,
        name if PASSES_ON.contains(&name) => Effect::Nothing,
        name if DECIDES_OTHERWISE.contains(&name) => return None,
        chain => Effect::Jump(chain.to_owned()),
    })
}

/// Targets that leave a packet's way as it is: they log, count, copy, or change what no match that is modelled looks at.
const PASSES_ON: [&str; 22] = [
    "ACCOUNT",
    "AUDIT",
    "CHECKSUM",
    "CLASSIFY",
    "CONNSECMARK",
    "DSCP",
    "ECN",
    "IDLETIMER",
    "LED",
    "LOG",
    "LOGMARK",
    "NFLOG",
    "RATEEST",
    "SECMARK",
    "TCPMSS",
    "TCPOPTSTRIP",
    "TEE",
    "TOS",
    "TRACE",
    "ULOG",
    "ACCT",
    "PKTSTAT",
];

/// Targets of netfilter, of old kernels and of xtables-addons that take packets where no rule says.
const DECIDES_OTHERWISE: [&str; 23] = [
    "BALANCE",
    "CHAOS",
    "CLUSTERIP",
    "CTMARK",
    "DELUDE",
    "DNETMAP",
    "DNPT",
    "ECHO",
    "IMQ",
    "IPV4OPTSSTRIP",
    "MIRROR",
    "NFQUEUE",
    "PROTO",
    "QUEUE",
    "RAWDNAT",
    "RAWSNAT",
    "ROUTE",
    "SAME",
    "SNPT",
    "STEAL",
    "SYNPROXY",
    "SYSRQ",
    "TARPIT",
];

/// `CT` gives the packet a zone, a helper, a timeout or events, or takes it out of conntrack's sight.
fn connection(options: &Options<'_>) -> Effect {
    if options.has("--notrack") {
        Effect::Notrack
    } else {
        Effect::Nothing
    }
}

/// A lifetime of 1 and less ends a packet that is to be forwarded.
fn lifetime(options: &Options<'_>, table: &str) -> Option<Effect> {
    let set = options.value("--ttl-set").or_else(|| options.value("--hl-set"));
    let less = options.value("--ttl-dec").or_else(|| options.value("--hl-dec"));
    let lives = set.is_none_or(|text| number(text).is_some_and(|hops| hops > 1))
        && less.is_none_or(|text| number(text).is_some_and(|hops| hops <= 4));
    (lives && table == "mangle").then_some(Effect::Nothing)
}

fn tproxy(options: &Options<'_>, family: Family) -> Option<Effect> {
    let address = match options.value("--on-ip") {
        Some(text) => Some(of_family(text, family)?).filter(|address| !address.is_unspecified()),
        None => None,
    };
    let mark = match options.value("--tproxy-mark") {
        Some(text) => Some(masked(text)?),
        None => None,
    };
    let port = options.value("--on-port").unwrap_or("0").parse().ok()?;
    Some(Effect::Tproxy { port, address, mark })
}

#[cfg(test)]
mod tests;
