//! What a rule's target does to a packet.

use std::net::IpAddr;

use crate::firewall::{Family, PortSpan, Target};

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
        let _ = (target, family, table);
        Self::Unknown("nothing is modelled yet".to_owned())
    }
}
