//! Protocol numbers by name, as iptables and `/etc/protocols` have them.

use crate::firewall::Family;

/// Why a match on it goes both ways.
pub(super) const NOT_TOLD: &str = "the packet's protocol is not told";

pub const ICMP: u8 = 1;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const DCCP: u8 = 33;
pub const ICMPV6: u8 = 58;
pub const SCTP: u8 = 132;
pub const UDPLITE: u8 = 136;

/// IANA's names, and those that iptables(8) and `/etc/protocols` of Debian and Red Hat know besides.
const NAMES: [(&str, u8); 67] = [
    ("all", 0),
    ("ip", 0),
    ("hopopt", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ggp", 3),
    ("ipencap", 4),
    ("ipv4", 4),
    ("st", 5),
    ("tcp", 6),
    ("cbt", 7),
    ("egp", 8),
    ("igp", 9),
    ("pup", 12),
    ("udp", 17),
    ("hmp", 20),
    ("xns-idp", 22),
    ("rdp", 27),
    ("iso-tp4", 29),
    ("dccp", 33),
    ("xtp", 36),
    ("ddp", 37),
    ("idpr-cmtp", 38),
    ("ipv6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("idrp", 45),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ipsec-esp", 50),
    ("ipv6-crypt", 50),
    ("ah", 51),
    ("ipsec-ah", 51),
    ("ipv6-auth", 51),
    ("skip", 57),
    ("ipv6-icmp", 58),
    ("icmpv6", 58),
    ("icmp6", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("rspf", 73),
    ("cphb", 73),
    ("vmtp", 81),
    ("eigrp", 88),
    ("ospf", 89),
    ("ospfigp", 89),
    ("ax.25", 93),
    ("ipip", 94),
    ("etherip", 97),
    ("encap", 98),
    ("pim", 103),
    ("ipcomp", 108),
    ("vrrp", 112),
    ("carp", 112),
    ("l2tp", 115),
    ("isis", 124),
    ("sctp", 132),
    ("fc", 133),
    ("mh", 135),
    ("ipv6-mh", 135),
    ("mobility-header", 135),
    ("udplite", 136),
    ("mpls-in-ip", 137),
    ("manet", 138),
    ("shim6", 140),
    ("wesp", 141),
];

/// A protocol's number by its name, in any case, or by its number; 0 for every protocol.
pub fn number(text: &str) -> Option<u8> {
    let by_name = || NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    text.parse().ok().or_else(|| by_name().map(|(_, number)| *number))
}

/// The number of a packet's protocol; over IPv6 `icmp` is `ICMPv6`.
pub fn of_packet(text: &str, family: Family) -> Option<u8> {
    match number(text) {
        Some(ICMP) if family == Family::V6 => Some(ICMPV6),
        Some(0) => None,
        number => number,
    }
}

/// Whether packets of it begin with the ports that they come from and go to.
pub fn has_ports(number: u8) -> bool {
    matches!(number, TCP | UDP | DCCP | SCTP | UDPLITE)
}
