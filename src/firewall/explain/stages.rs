//! From the steps of a trace to the stages of netfilter that a packet came by.

use crate::firewall::trace::{Packet, State, Step, Trace, Verdict};
use crate::firewall::{Ruleset, Target};

/// A station on the way of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StageKind {
    /// The packet comes in by an interface.
    Arrives,
    /// raw PREROUTING.
    Raw,
    /// Connection tracking notes where the packet was sent to.
    Conntrack,
    /// mangle PREROUTING.
    Mangle,
    /// nat PREROUTING.
    Nat,
    /// To this host, or on to another.
    Routing,
    /// mangle INPUT.
    MangleInput,
    /// filter INPUT.
    FilterInput,
    /// nat INPUT.
    NatInput,
    /// mangle FORWARD.
    MangleForward,
    /// filter FORWARD.
    FilterForward,
    /// mangle and nat POSTROUTING.
    Postrouting,
    /// The service.
    Socket,
    /// Another host.
    NextHost,
}

impl StageKind {
    /// The stations of a packet to this host, in order.
    const LOCAL: [Self; 10] = [
        Self::Arrives,
        Self::Raw,
        Self::Conntrack,
        Self::Mangle,
        Self::Nat,
        Self::Routing,
        Self::MangleInput,
        Self::FilterInput,
        Self::NatInput,
        Self::Socket,
    ];

    /// The stations of a packet to another one.
    const ROUTED: [Self; 10] = [
        Self::Arrives,
        Self::Raw,
        Self::Conntrack,
        Self::Mangle,
        Self::Nat,
        Self::Routing,
        Self::MangleForward,
        Self::FilterForward,
        Self::Postrouting,
        Self::NextHost,
    ];

    /// Its name, as netfilter has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Arrives => "arrives",
            Self::Raw => "raw PREROUTING",
            Self::Conntrack => "conntrack",
            Self::Mangle => "mangle PREROUTING",
            Self::Nat => "nat PREROUTING",
            Self::Routing => "routing",
            Self::MangleInput => "mangle INPUT",
            Self::FilterInput => "filter INPUT",
            Self::NatInput => "nat INPUT",
            Self::MangleForward => "mangle FORWARD",
            Self::FilterForward => "filter FORWARD",
            Self::Postrouting => "POSTROUTING",
            Self::Socket => "socket",
            Self::NextHost => "next host",
        }
    }

    /// The station at which a rule of a table stands, below a built-in chain.
    fn of(table: &str, hook: &str) -> Option<Self> {
        Some(match (table, hook) {
            ("raw", _) => Self::Raw,
            ("mangle", "PREROUTING") => Self::Mangle,
            ("nat", "PREROUTING") => Self::Nat,
            ("mangle", "INPUT") => Self::MangleInput,
            ("filter" | "security", "INPUT") => Self::FilterInput,
            ("nat", "INPUT") => Self::NatInput,
            ("mangle", "FORWARD") => Self::MangleForward,
            ("filter" | "security", "FORWARD") => Self::FilterForward,
            (_, "POSTROUTING") => Self::Postrouting,
            _ => return None,
        })
    }
}

/// A station, and what happened there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Which.
    pub kind: StageKind,
    /// The port that the packet was going to when it came; `None`: not known.
    pub before: Option<u16>,
    /// The same when it left.
    pub after: Option<u16>,
    /// What happened.
    pub notes: Vec<Note>,
    /// Whether it came no further.
    pub ends: bool,
}

/// Something that happened at a station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The rule's chain, where that is not the station's own.
    pub chain: Option<String>,
    /// The rule, or a sentence.
    pub text: String,
    /// What it means for the packet.
    pub role: Role,
}

/// What something means for a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Nothing much.
    Plain,
    /// The packet is another from here on.
    Rewrites,
    /// It may pass, here or for good.
    LetsIn,
    /// It ends here.
    Closes,
    /// It was counted.
    Counts,
    /// Nobody can tell.
    Maybe,
}

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// A service of this host gets it, at this port.
    Delivered {
        /// Which.
        port: u16,
    },
    /// It goes on to another host.
    Forwarded,
    /// It vanishes.
    Dropped,
    /// It is answered with an error.
    Rejected,
    /// It cannot be told.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl End {
    pub(super) fn of(trace: &Trace<'_>) -> Self {
        match (trace.verdict, trace.local, trace.destination_port) {
            (Verdict::Accept, Some(true), Some(port)) => Self::Delivered { port },
            (Verdict::Accept, Some(false), _) => Self::Forwarded,
            (Verdict::Drop, ..) => Self::Dropped,
            (Verdict::Reject, ..) => Self::Rejected,
            (Verdict::Accept | Verdict::Unknown, ..) => Self::Unknown {
                reason: trace
                    .reason
                    .clone()
                    .unwrap_or_else(|| "the rules leave it open".to_owned()),
            },
        }
    }
}

const BUILT_IN: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

/// The stations that a packet came by.
pub(super) fn stages(ruleset: &Ruleset, packet: &Packet, trace: &Trace<'_>) -> Vec<Stage> {
    let found = stations(ruleset, trace);
    let routed = trace.local == Some(false)
        || found
            .iter()
            .any(|(kind, _)| matches!(kind, StageKind::MangleForward | StageKind::FilterForward));
    let way = if routed { StageKind::ROUTED } else { StageKind::LOCAL };
    let last = match trace.verdict {
        Verdict::Accept => None,
        _ => found.iter().map(|(kind, _)| *kind).max(),
    };
    let untracked = packet.state == State::Untracked || found.iter().any(|(_, step)| is_notrack(step));
    let mut port = packet.destination_port;
    let mut stages = Vec::new();
    for kind in way {
        let before = port;
        let steps: Vec<&Step<'_>> = found
            .iter()
            .filter(|(of, _)| *of == kind)
            .map(|(_, step)| *step)
            .collect();
        if kind == StageKind::Nat {
            port = steps.iter().find_map(|step| rewritten(step, port)).unwrap_or(port);
        }
        let ends = last == Some(kind);
        let notes = match kind {
            StageKind::Arrives => vec![arrival(packet)],
            StageKind::Conntrack => vec![memory(packet, untracked)],
            StageKind::Routing => vec![route(routed)],
            StageKind::Socket => vec![plain(listener(port))],
            StageKind::NextHost => vec![],
            _ => steps.iter().filter_map(|step| note(ruleset, step, trace)).collect(),
        };
        stages.push(Stage {
            kind,
            before,
            after: port,
            notes,
            ends,
        });
        if ends {
            break;
        }
    }
    stages
}

/// Each step with its station: a rule of a user's chain belongs to the built-in chain that led there.
fn stations<'t, 'a>(ruleset: &Ruleset, trace: &'t Trace<'a>) -> Vec<(StageKind, &'t Step<'a>)> {
    let mut hook = ("", "PREROUTING");
    let mut found = Vec::new();
    for step in &trace.steps {
        if BUILT_IN.contains(&step.chain) {
            hook = (step.table, step.chain);
        } else if hook.0 != step.table {
            hook = (step.table, entry(ruleset, step.table, hook.1));
        }
        found.extend(StageKind::of(step.table, hook.1).map(|kind| (kind, step)));
    }
    found
}

/// The built-in chain by which a packet came into a table, where no rule of it says.
fn entry(ruleset: &Ruleset, table: &str, before: &str) -> &'static str {
    let has = |chain: &&&str| ruleset.chain(table, chain).is_some();
    let after = BUILT_IN.iter().position(|chain| *chain == before).unwrap_or_default();
    BUILT_IN.iter().skip(after).find(has).copied().unwrap_or("INPUT")
}

fn is_notrack(step: &Step<'_>) -> bool {
    step.certain
        && step.rule.is_some_and(|rule| match &rule.target {
            Target::Jump { name, options } => {
                name == "NOTRACK" || name == "CT" && options.iter().any(|word| word == "--notrack")
            }
            _ => false,
        })
}

/// The port after a step that rewrites it.
#[expect(clippy::option_option, reason = "rewritten, and perhaps to a port that is not known")]
fn rewritten(step: &Step<'_>, port: Option<u16>) -> Option<Option<u16>> {
    let Target::Jump { name, options } = &step.rule?.target else {
        return None;
    };
    let value = |option: &str| {
        let at = options.iter().position(|word| word == option)?;
        options.get(at + 1).map(String::as_str)
    };
    let ports = match name.as_str() {
        "REDIRECT" => value("--to-ports"),
        "DNAT" => value("--to-destination").and_then(|to| match to.rsplit_once(':') {
            Some((before, ports)) if before.ends_with(']') || !before.contains(':') => Some(ports),
            _ => None,
        }),
        _ => return None,
    };
    if !step.certain {
        return Some(None);
    }
    Some(match ports {
        None => port,
        Some(ports) => {
            let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
            match (first.parse::<u16>(), last.parse::<u16>(), port) {
                (Ok(first), Ok(last), Some(port)) if (first..=last).contains(&port) => Some(port),
                (Ok(first), ..) => Some(first),
                _ => None,
            }
        }
    })
}

fn plain(text: String) -> Note {
    Note {
        chain: None,
        text,
        role: Role::Plain,
    }
}

fn arrival(packet: &Packet) -> Note {
    let from = packet
        .source
        .map_or_else(|| "anybody".to_owned(), |address| address.to_string());
    let by = packet
        .in_interface
        .as_ref()
        .map_or_else(String::new, |name| format!(", by {name}"));
    let first = if packet.protocol == "tcp" { " SYN" } else { "" };
    plain(format!("{}{first} from {from}{by}", packet.protocol))
}

fn memory(packet: &Packet, untracked: bool) -> Note {
    let port = packet
        .destination_port
        .map_or_else(|| "?".to_owned(), |port| port.to_string());
    if untracked {
        return Note {
            chain: None,
            text: "does not look at it: nat is not asked".to_owned(),
            role: Role::Closes,
        };
    }
    plain(format!("new connection; remembers ctorigdstport {port}"))
}

fn listener(port: Option<u16>) -> String {
    port.map_or_else(
        || "a service of this host".to_owned(),
        |port| format!("the service that listens on {port}"),
    )
}

fn route(routed: bool) -> Note {
    plain(
        if routed {
            "to another host: FORWARD"
        } else {
            "to this host: INPUT"
        }
        .to_owned(),
    )
}

/// What a step is worth telling; jumps only lead to others.
fn note(ruleset: &Ruleset, step: &Step<'_>, trace: &Trace<'_>) -> Option<Note> {
    let own = !BUILT_IN.contains(&step.chain);
    let chain = own.then(|| step.chain.to_owned());
    let Some(rule) = step.rule else {
        let policy = ruleset
            .chain(step.table, step.chain)
            .and_then(|chain| chain.policy.clone());
        return step.decides.then(|| Note {
            chain,
            text: format!("no rule decides: policy {}", policy.unwrap_or_default()),
            role: if policy_closes(ruleset, step) {
                Role::Closes
            } else {
                Role::LetsIn
            },
        });
    };
    let target = rule.leads_to();
    let jumps = target.is_some_and(|name| ruleset.chain(step.table, name).is_some());
    if jumps && step.certain && !step.decides {
        return None;
    }
    let means = match target {
        _ if !step.certain => Role::Maybe,
        _ if step.decides => Role::from(trace.verdict),
        Some("REDIRECT" | "DNAT" | "NETMAP" | "SNAT" | "MASQUERADE" | "TPROXY") => Role::Rewrites,
        Some("ACCEPT" | "RETURN") => Role::LetsIn,
        Some("DROP" | "REJECT" | "NOTRACK") => Role::Closes,
        None => Role::Counts,
        Some(_) => Role::Plain,
    };
    Some(Note {
        chain,
        text: rule.spec().to_owned(),
        role: means,
    })
}

fn policy_closes(ruleset: &Ruleset, step: &Step<'_>) -> bool {
    let chain = ruleset.chain(step.table, step.chain);
    chain
        .and_then(|chain| chain.policy.as_deref())
        .is_some_and(|policy| policy == "DROP")
}
