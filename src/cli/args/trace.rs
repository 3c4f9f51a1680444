//! A packet as arguments say it.

use std::net::IpAddr;
use std::path::PathBuf;

use super::{IpFamily, Login, Sources};
use crate::firewall::Family;
use crate::firewall::trace::{self, State};
use crate::trace::state;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Trace {
    #[command(flatten)]
    pub sources: Sources,
    #[command(flatten)]
    pub login: Login,
    /// The host of the inventory whose live rules the packet meets.
    #[arg(long, value_name = "NAME", conflicts_with = "limit")]
    pub host: Option<String>,
    /// Rules as `iptables-save` or `ip6tables-save` prints them, in place of a host's; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// Answer in JSON. With --rules, and without a packet among the arguments, packets are read from standard input, a
    /// line of JSON each, and a line answers each.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub packet: Packet,
}

/// The packet.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Packet")]
pub(in crate::cli) struct Packet {
    /// Its protocol, by name or number: tcp (a SYN), udp, icmp, … [default: tcp].
    #[arg(long, value_name = "NAME")]
    pub proto: Option<String>,
    /// The port that it goes to.
    #[arg(long, visible_alias = "port", value_name = "PORT")]
    pub dport: Option<u16>,
    /// The port that it comes from.
    #[arg(long, value_name = "PORT")]
    pub sport: Option<u16>,
    /// Where it comes from [default: of a host, the controller as the host sees it; of a file, anywhere].
    #[arg(long, visible_alias = "from", value_name = "ADDRESS")]
    pub src: Option<IpAddr>,
    /// Where it goes [default: the host itself].
    #[arg(long, visible_alias = "to", value_name = "ADDRESS")]
    pub dst: Option<IpAddr>,
    /// The interface that it comes in by [default: the host's default one].
    #[arg(long, value_name = "NAME")]
    pub in_iface: Option<String>,
    /// What conntrack takes it for: NEW, ESTABLISHED, RELATED, INVALID, UNTRACKED [default: NEW].
    #[arg(long, value_name = "STATE", value_parser = state)]
    pub state: Option<State>,
    /// 4 or 6, where no address shows it.
    #[arg(long, value_name = "4|6")]
    pub family: Option<IpFamily>,
}

impl Packet {
    /// Whether no packet is described; the family may be the rules'.
    pub fn says_nothing(&self) -> bool {
        self.proto.is_none()
            && (self.dport, self.sport) == (None, None)
            && (self.src, self.dst) == (None, None)
            && self.in_iface.is_none()
            && self.state.is_none()
    }

    /// With what is not said; `family` where nothing shows it.
    pub fn packet(&self, family: Family) -> trace::Packet {
        let shown = self
            .src
            .or(self.dst)
            .map(|address| if address.is_ipv4() { Family::V4 } else { Family::V6 });
        trace::Packet {
            family: self.family.map(Family::from).or(shown).unwrap_or(family),
            protocol: self.proto.clone().unwrap_or_else(|| "tcp".to_owned()),
            source: self.src,
            destination: self.dst,
            source_port: self.sport,
            destination_port: self.dport,
            in_interface: self.in_iface.clone(),
            state: self.state.unwrap_or_default(),
        }
    }
}
