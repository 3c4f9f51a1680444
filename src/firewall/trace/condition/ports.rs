//! Ports, by number and by the names of services.

use super::{Facts, Holds, protocol};
use crate::firewall::{PortSpan, Side};

/// Ports of one end, or of either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ports {
    side: Side,
    spans: Vec<PortSpan>,
}

impl Ports {
    pub fn new(side: Side, spans: Vec<PortSpan>) -> Self {
        Self { side, spans }
    }

    pub fn contain(&self, port: u16) -> bool {
        self.spans.iter().any(|span| span.contains(port))
    }

    /// Packets of protocols without ports have none that a rule could mean: those rules name a protocol that has.
    pub fn hold(&self, facts: &Facts) -> Holds<'static> {
        if facts.protocol.is_some_and(|number| !protocol::has_ports(number)) {
            return Holds::No;
        }
        let source = || self.end(facts.source_port, "the packet's source port is not told");
        let destination = || self.end(facts.destination_port, "the packet's destination port is not known");
        match self.side {
            Side::Source => source(),
            Side::Destination => destination(),
            Side::Either => destination().or(source()),
        }
    }

    fn end(&self, port: Option<u16>, reason: &'static str) -> Holds<'static> {
        let every = || self.spans.iter().any(|span| span.first == 0 && span.last == u16::MAX);
        match port {
            None if every() => Holds::Yes,
            port => Holds::told(port.map(|port| self.contain(port)), reason),
        }
    }
}

/// A port, or `first:last`, or `first-last`; either may be a service's name or missing. The kernel takes spans that end before
/// they begin, which hold no port.
pub(in crate::firewall::trace) fn service_span(text: &str) -> Option<PortSpan> {
    let (first, last) = text
        .split_once([':', '-'])
        .filter(|_| port(text).is_none())
        .unwrap_or((text, text));
    let first = if first.is_empty() { 0 } else { port(first)? };
    let last = if last.is_empty() { u16::MAX } else { port(last)? };
    (!text.is_empty()).then_some(PortSpan { first, last })
}

/// A port by number, or by the name that IANA gives the service on both tcp and udp.
fn port(text: &str) -> Option<u16> {
    let named = || SERVICES.iter().find(|(name, _)| *name == text).map(|(_, port)| *port);
    text.parse().ok().or_else(named)
}

/// Names that `/etc/services` has everywhere, and for one port alone.
const SERVICES: [(&str, u16); 64] = [
    ("echo", 7),
    ("discard", 9),
    ("daytime", 13),
    ("chargen", 19),
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("mail", 25),
    ("time", 37),
    ("whois", 43),
    ("nicname", 43),
    ("tacacs", 49),
    ("domain", 53),
    ("bootps", 67),
    ("bootpc", 68),
    ("tftp", 69),
    ("gopher", 70),
    ("finger", 79),
    ("http", 80),
    ("www", 80),
    ("www-http", 80),
    ("kerberos", 88),
    ("pop3", 110),
    ("pop-3", 110),
    ("sunrpc", 111),
    ("portmapper", 111),
    ("auth", 113),
    ("ident", 113),
    ("nntp", 119),
    ("ntp", 123),
    ("epmap", 135),
    ("netbios-ns", 137),
    ("netbios-dgm", 138),
    ("netbios-ssn", 139),
    ("imap", 143),
    ("imap2", 143),
    ("snmp", 161),
    ("snmptrap", 162),
    ("snmp-trap", 162),
    ("bgp", 179),
    ("irc", 194),
    ("ldap", 389),
    ("https", 443),
    ("microsoft-ds", 445),
    ("isakmp", 500),
    ("printer", 515),
    ("rtsp", 554),
    ("nntps", 563),
    ("submission", 587),
    ("ipp", 631),
    ("ldaps", 636),
    ("domain-s", 853),
    ("rsync", 873),
    ("imaps", 993),
    ("pop3s", 995),
    ("openvpn", 1194),
    ("nfs", 2049),
    ("mysql", 3306),
    ("postgresql", 5432),
    ("sip", 5060),
    ("amqp", 5672),
    ("http-alt", 8080),
];
