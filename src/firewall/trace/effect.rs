//! What a rule's target does to a packet.

use std::net::IpAddr;

use crate::firewall::{Family, PortSpan, Target};

mod marks;
mod nat;
mod options;

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
    /// Through another chain of the table, and on after it.
    Jump(String),
    /// Through another chain, which returns to our caller.
    Goto(String),
    /// The mark becomes `(mark & !mask) ^ value`, and it goes on.
    Mark {
        value: u32,
        mask: u32,
    },
    /// The same with the connection's mark.
    Connmark {
        value: u32,
        mask: u32,
    },
    /// Marks are copied: `(to & !to_mask) ^ (from & from_mask)`.
    SaveMark {
        ctmask: u32,
        nfmask: u32,
    },
    RestoreMark {
        ctmask: u32,
        nfmask: u32,
    },
    /// Conntrack does not look at it: no nat, state UNTRACKED.
    Notrack,
    /// The destination becomes the incoming interface's own address, and the port one of these.
    Redirect(Option<PortSpan>),
    /// Addresses from first to last, ports.
    Dnat {
        addresses: Option<(IpAddr, IpAddr)>,
        ports: Option<PortSpan>,
        random: bool,
    },
    Snat {
        addresses: Option<(IpAddr, IpAddr)>,
        ports: Option<PortSpan>,
    },
    Masquerade,
    /// Delivered to a local socket at this port without rewriting.
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
            Target::Jump { name, options } => jump(name, &Options::read(options), family, table),
        }
    }
}

fn jump(name: &str, options: &Options<'_>, family: Family, table: &str) -> Effect {
    let known = match name {
        "ACCEPT" => Some(Effect::Accept),
        "DROP" => Some(Effect::Drop),
        "REJECT" => Some(Effect::Reject),
        "RETURN" => Some(Effect::Return),
        "LOG" | "NFLOG" | "ULOG" | "AUDIT" | "TRACE" | "CHECKSUM" | "CLASSIFY" | "RATEEST" | "LED" | "IDLETIMER"
        | "TEE" | "TCPMSS" | "TCPOPTSTRIP" | "SECMARK" | "CONNSECMARK" | "SET" | "DSCP" | "TOS" | "ECN" | "TTL"
        | "HL" => Some(Effect::Nothing),
        "NOTRACK" => Some(Effect::Notrack),
        "CT" => Some(connection(options)),
        "MARK" => marks::mark(options),
        "CONNMARK" => marks::connmark(options),
        "REDIRECT" => nat::redirect(options),
        "DNAT" => nat::dnat(options, family),
        "SNAT" => nat::snat(options, family),
        "MASQUERADE" => Some(Effect::Masquerade),
        "TPROXY" => tproxy(options, family),
        "NETMAP" | "NFQUEUE" | "QUEUE" | "CLUSTERIP" | "HMARK" | "SYNPROXY" | "SNPT" | "DNPT" | "MIRROR" | "SAME"
        | "CTMARK" => None,
        chain => Some(Effect::Jump(chain.to_owned())),
    };
    let _ = table;
    known.unwrap_or_else(|| Effect::Unknown(format!("target {name}")))
}

/// `CT` gives the packet a zone, a helper, a timeout or events, or takes it out of conntrack's sight.
fn connection(options: &Options<'_>) -> Effect {
    if options.has("--notrack") {
        Effect::Notrack
    } else {
        Effect::Nothing
    }
}

fn tproxy(options: &Options<'_>, family: Family) -> Option<Effect> {
    let address = options.value("--on-ip").map(str::parse::<IpAddr>).transpose().ok()?;
    let unspecified = address.is_some_and(|address| address.is_unspecified());
    let _ = family;
    Some(Effect::Tproxy {
        port: options
            .value("--on-port")
            .map(str::parse)
            .transpose()
            .ok()?
            .unwrap_or(0),
        address: address.filter(|_| !unspecified),
        mark: match options.value("--tproxy-mark") {
            Some(text) => Some(super::condition::masked(text)?),
            None => None,
        },
    })
}
