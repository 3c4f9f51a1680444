//! Small rule sets, and what becomes of packets in them.

mod census;
mod nat;
mod possible;
mod routing;
mod tables;

use super::*;

/// Rules, a host and packets that differ in little.
pub(super) struct Case {
    rules: Ruleset,
    host: Host,
    packet: Packet,
}

/// A tcp packet from outside to port 22 of a host of which nothing else is told.
pub(super) fn rules(text: &str) -> Case {
    let text: String = text.lines().flat_map(|line| [line.trim(), "\n"]).collect();
    Case {
        rules: Ruleset::parse(&text).unwrap(),
        host: Host::default(),
        packet: Packet {
            family: Family::V4,
            protocol: "tcp".to_owned(),
            source: Some("203.0.113.9".parse().unwrap()),
            destination: Some("192.0.2.1".parse().unwrap()),
            source_port: Some(40000),
            destination_port: Some(22),
            in_interface: Some("eth0".to_owned()),
            state: State::New,
        },
    }
}

/// Rules of filter INPUT, with a policy of DROP.
pub(super) fn input(lines: &str) -> Case {
    let lines = lines.trim();
    rules(&format!(
        "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:a - [0:0]\n:b - [0:0]\n:c - [0:0]\n{lines}\nCOMMIT"
    ))
}

/// Rules of the nat table, below which INPUT accepts the ports that `accepts` names.
pub(super) fn nat(lines: &str, accepts: &str) -> Case {
    let lines = lines.trim();
    rules(&format!(
        "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:a - [0:0]\n{lines}\nCOMMIT\n\
         *filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n{accepts}\nCOMMIT"
    ))
}

impl Case {
    pub fn to(mut self, address: &str, port: u16) -> Self {
        self.packet.destination = Some(address.parse().unwrap());
        self.packet.destination_port = Some(port);
        self
    }

    pub fn port(mut self, port: u16) -> Self {
        self.packet.destination_port = Some(port);
        self
    }

    pub fn from(mut self, address: &str) -> Self {
        self.packet.source = Some(address.parse().unwrap());
        self
    }

    pub fn whoever(mut self) -> Self {
        self.packet.source = None;
        self
    }

    pub fn by(mut self, interface: &str) -> Self {
        self.packet.in_interface = (!interface.is_empty()).then(|| interface.to_owned());
        self
    }

    pub fn state(mut self, state: State) -> Self {
        self.packet.state = state;
        self
    }

    pub fn six(mut self) -> Self {
        self.packet.family = Family::V6;
        self.packet.source = Some("2001:db8:9::9".parse().unwrap());
        self.packet.destination = Some("2001:db8::1".parse().unwrap());
        self
    }

    /// `eth0 192.0.2.1/24 192.0.2.2/24`.
    pub fn interface(mut self, line: &str) -> Self {
        let mut words = line.split(' ');
        let name = words.next().unwrap().to_owned();
        self.host
            .interfaces
            .push((name, words.map(|net| net.parse().unwrap()).collect()));
        self
    }

    pub fn trace(&self) -> Seen {
        let tracer = Tracer::new(&self.rules, &self.host);
        let trace = tracer.trace(&self.packet);
        Seen {
            verdict: trace.verdict,
            to: trace.destination.map(|address| address.to_string()),
            port: trace.destination_port,
            local: trace.local,
            reason: trace.reason.clone(),
            deciding: trace.steps.iter().filter(|step| step.decides).map(name).collect(),
            sure: trace.steps.iter().all(|step| step.certain),
            path: trace.steps.iter().map(name).collect(),
        }
    }

    #[track_caller]
    pub fn is(&self, verdict: Verdict) -> Seen {
        let seen = self.trace();
        assert_eq!(seen.verdict, verdict, "{seen:?}\n{}", self.rules);
        seen
    }
}

fn name(step: &Step<'_>) -> String {
    format!("{} {} {}", step.table, step.chain, step.number)
}

/// What was found, in short.
#[derive(Debug)]
pub(super) struct Seen {
    pub verdict: Verdict,
    pub to: Option<String>,
    pub port: Option<u16>,
    pub local: Option<bool>,
    pub reason: Option<String>,
    pub deciding: Vec<String>,
    pub sure: bool,
    pub path: Vec<String>,
}

impl Seen {
    #[track_caller]
    pub fn at(self, address: &str, port: u16) -> Self {
        assert_eq!((self.to.as_deref(), self.port), (Some(address), Some(port)), "{self:?}");
        self
    }

    #[track_caller]
    pub fn by(self, step: &str) -> Self {
        assert_eq!(self.deciding, [step], "{self:?}");
        self
    }
}
