//! What would be better than what was found: the mapping that does it, and rules for whoever does it by hand.

use super::finding::{Remedy, Way};
use super::ground::Ground;
use super::judge::Case;
use super::ports::written;
use super::probe::Met;
use crate::firewall::Family;
use crate::firewall::words::quote;

pub(super) struct Better<'g, 'a> {
    pub ground: &'g Ground<'a>,
    pub case: &'g Case<'a>,
    /// Whether other redirects lead to the same port: a rule that knows one of them would close the others.
    pub shared: bool,
}

impl Better<'_, '_> {
    fn tool(&self) -> &'static str {
        match self.ground.family {
            Family::V4 => "iptables",
            Family::V6 => "ip6tables",
        }
    }

    /// The mapping that stands for the redirect.
    pub fn mapping(&self) -> Option<String> {
        let judged = &self.case.judged;
        let (ports, to) = (judged.port.filter(|span| span.first > 0)?, judged.to_port?);
        if !matches!(judged.protocol.as_str(), "tcp" | "udp") {
            return None;
        }
        let (source, interface) = (self.case.redirect.source(), self.case.redirect.interface());
        if source.is_none() && interface.is_none() {
            let protocol = if judged.protocol == "udp" { "/udp" } else { "" };
            return Some(format!("portmap: [\"{}:{to}{protocol}\"]", written(ports)));
        }
        let mut keys = vec![format!("port: \"{}\"", written(ports)), format!("to_port: {to}")];
        if judged.protocol == "udp" {
            keys.push("protocol: udp".to_owned());
        }
        keys.extend(source.map(|net| format!("source: [\"{net}\"]")));
        keys.extend(
            interface
                .filter(|name| !name.ends_with('+'))
                .map(|name| format!("interface: {name}")),
        );
        Some(format!("portmap: [{{ {} }}]", keys.join(", ")))
    }

    fn ports(&self) -> String {
        self.case
            .judged
            .port
            .map_or_else(String::new, |span| written(span).replace('-', ":"))
    }

    fn to(&self) -> u16 {
        self.case.judged.to_port.unwrap_or_default()
    }

    /// Closes direct access, above everything.
    pub fn guard(&self) -> Remedy {
        let protocol = &self.case.judged.protocol;
        let first = if protocol == "tcp" { " --syn" } else { "" };
        let new = if protocol == "tcp" { "" } else { " --ctstate NEW" };
        let command = format!(
            "{} -I INPUT 1 ! -i lo -p {protocol} --dport {}{first} -m conntrack{new} ! --ctorigdstport {} -j DROP",
            self.tool(),
            self.to(),
            self.ports()
        );
        let by_hand = !self.shared && self.case.judged.port.is_some();
        Remedy {
            sentence: format!(
                "close {} to connections that did not come by the mapped port",
                self.to()
            ),
            mapping: self.mapping(),
            commands: if by_hand { vec![command] } else { vec![] },
        }
    }

    /// Lets mapped connections in, above the rule that closes now.
    pub fn accept(&self) -> Remedy {
        let place = self.place_in_input(self.case.mapped.decider());
        let at = place.map_or_else(|| "-A INPUT".to_owned(), |number| format!("-I INPUT {number}"));
        let command = format!(
            "{} {at} -p {} --dport {} -m conntrack --ctorigdstport {} -j ACCEPT",
            self.tool(),
            self.case.judged.protocol,
            self.to(),
            self.ports()
        );
        let by_hand = self.case.judged.port.is_some() && self.is_closed_by_filter();
        Remedy {
            sentence: format!(
                "accept {} for connections that came by the mapped port, above the rule that closes it",
                self.to()
            ),
            mapping: self.mapping(),
            commands: if by_hand { vec![command] } else { vec![] },
        }
    }

    /// Both.
    pub fn accept_and_guard(&self) -> Remedy {
        let (accept, guard) = (self.accept(), self.guard());
        Remedy {
            sentence: format!("{}, and {}", accept.sentence, guard.sentence),
            mapping: self.mapping(),
            commands: accept.commands.into_iter().chain(guard.commands).collect(),
        }
    }

    fn is_closed_by_filter(&self) -> bool {
        self.case.mapped.decider().is_some_and(|met| met.table == "filter")
    }

    /// Where in INPUT itself the way to a rule begins; none where the policy decided.
    fn place_in_input(&self, decider: Option<&Met>) -> Option<usize> {
        let decider = decider.filter(|met| met.number > 0)?;
        let met = &self.case.mapped.met;
        let end = met.iter().rposition(|one| one == decider)?;
        let before = met.iter().take(end + 1).rev();
        before
            .into_iter()
            .find(|one| one.table == "filter" && one.chain == "INPUT" && one.number > 0)
            .map(|one| one.number)
    }

    /// The redirect above all other rules of nat.
    pub fn redirect_first(&self) -> Remedy {
        let interface = self.case.redirect.interface();
        let interface = interface.map_or_else(String::new, |name| format!("-i {} ", quote(name)));
        let source = self.case.redirect.source();
        let source = source.map_or_else(String::new, |net| format!("-s {net} "));
        let protocol = &self.case.judged.protocol;
        let command = format!(
            "{} -t nat -I PREROUTING 1 {interface}{source}-p {protocol} --dport {} -m addrtype --dst-type LOCAL -j REDIRECT \
             --to-ports {}",
            self.tool(),
            self.ports(),
            self.to()
        );
        let by_hand = self.case.judged.port.is_some();
        Remedy {
            sentence: "redirect at the top of nat PREROUTING, or take another port".to_owned(),
            mapping: self.mapping(),
            commands: if by_hand { vec![command] } else { vec![] },
        }
    }

    /// Who finds what is said to be open directly.
    pub fn exposed(&self) -> Option<String> {
        let judged = &self.case.judged;
        let from = match judged.direct {
            Way::Open if judged.within_rates => "anybody within the rate limits".to_owned(),
            Way::Open => "anybody".to_owned(),
            Way::Some => super::findings::listed(&judged.direct_from),
            Way::Closed | Way::Unknown => return None,
        };
        let by = match judged.by.as_slice() {
            [] => String::new(),
            names => format!(" by {}", names.join(", ")),
        };
        Some(format!(
            "{}/{} over {} to {from}{by}",
            self.to(),
            judged.protocol,
            judged.family.name()
        ))
    }
}
