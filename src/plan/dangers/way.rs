//! Whether operators can log in after a change, from where they are.

use super::look::{Fate, Knock, Look, Outcome, When};
use super::{Danger, Kind, Way};
use crate::firewall::Family;
use crate::mapping::Protocol;
use crate::plan::is_mapped;

impl Look<'_> {
    /// What stands between the operator and sshd after the change.
    pub fn way_in(&self, way: Way) -> Option<Danger> {
        let (family, sshd) = (self.family_of_login()?, self.observed.sshd?);
        let port = self.port_on_the_host(family, way, sshd);
        let outcome = self.outcome(family, When::After, self.login(family, port));
        let danger = |kind, sentence: String, hint: String| {
            Some(Danger {
                kind,
                family: Some(family),
                sentence,
                rule: outcome.rule.clone(),
                refuses: kind != Kind::Unknown,
                hint,
            })
        };
        let ways = self.words(family, port);
        match &outcome.fate {
            Fate::Taken if outcome.is_as_sent && is_mapped(port, self.set) => danger(
                Kind::CutOff,
                format!("{ways} would not be redirected, and so be cut off from sshd"),
                not_for_us(port),
            ),
            Fate::Taken => danger(
                Kind::CutOff,
                format!("{ways} would be cut off from sshd"),
                "let that through before the rule, or map a port that it lets through".to_owned(),
            ),
            Fate::SentOn => danger(
                Kind::CutOff,
                format!("{ways} would be sent on to another host"),
                "map a port that nothing else takes".to_owned(),
            ),
            Fate::Delivered { port: to, address } if *to == sshd => {
                match address.filter(|address| !self.hears(*address, sshd)) {
                    Some(address) => danger(
                        Kind::CutOff,
                        format!(
                            "{ways} would come to {address}, where sshd does not listen: it listens at {}",
                            self.bound(sshd)
                        ),
                        format!(
                            "REDIRECT leads to the first address of the interface: let sshd listen there too (ListenAddress {address})"
                        ),
                    ),
                    None => None,
                }
            }
            Fate::Delivered { port: to, address } if self.listens(*to, *address) => danger(
                Kind::Unknown,
                format!(
                    "{ways} would come to port {to}, where not the sshd of this login listens ({sshd}); the proof will show whether it is an sshd"
                ),
                format!("if it is none, map the port to {sshd}"),
            ),
            Fate::Delivered { port: to, .. } if *to == port => danger(
                Kind::CutOff,
                format!("{ways} would not be redirected, and nothing listens there: sshd is on port {sshd}"),
                match outcome.rule {
                    Some(_) => "take that rule away, or let it leave out this port".to_owned(),
                    None => format!(
                        "no mapping of {port} applies to what comes from here: look at its source and interface"
                    ),
                },
            ),
            Fate::Delivered { port: to, .. } => danger(
                Kind::CutOff,
                format!("{ways} would come to port {to}, where nothing listens: sshd is on port {sshd}"),
                format!("map {port} to {sshd}, or let sshd listen on {to}"),
            ),
            // The rules that it met are not those that it depends on: the reason names the match.
            Fate::Unknown(why) => Some(Danger {
                kind: Kind::Unknown,
                family: Some(family),
                sentence: format!(
                    "whether {ways} still gets to sshd is not known ({why}); the host's timer brings the old rules back if it does not"
                ),
                rule: None,
                refuses: false,
                hint: "log in by another way as well, or look at the host's rules first".to_owned(),
            }),
        }
    }

    fn login(&self, family: Family, port: u16) -> Knock<'static> {
        Knock {
            source: self.here(family),
            ..Knock::at(Protocol::Tcp, port)
        }
    }

    fn words(&self, family: Family, port: u16) -> String {
        let here = self
            .here(family)
            .map_or_else(String::new, |here| format!("from {here} "));
        format!("what comes {here}to port {port}")
    }

    /// The port that the host sees: somebody before it may send on what ssh dials.
    fn port_on_the_host(&self, family: Family, way: Way, sshd: u16) -> u16 {
        // By a port that will be mapped somebody may have come whose mapping was taken back since.
        if way.after != way.now || way.now == sshd || is_mapped(way.after, self.set) {
            return way.after;
        }
        match self.outcome(family, When::Before, self.login(family, way.now)) {
            Outcome {
                fate: Fate::Delivered { port, .. },
                ..
            } if port != sshd => sshd,
            _ => way.now,
        }
    }
}

fn not_for_us(port: u16) -> String {
    format!("no mapping of {port} applies to what comes from here: look at its source and interface")
}
