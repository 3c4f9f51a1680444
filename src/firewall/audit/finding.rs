//! What an audit says, as values.

use std::fmt;

use ipnet::IpNet;
use serde::Serialize;

use crate::firewall::{Family, PortSpan};

/// A kind of finding. Its code never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The mapped port works, and so does its target directly.
    BothWork,
    /// The mapped port does not work, nor does its target directly.
    NeitherWorks,
    /// The mapped port does not work, and its target is open directly.
    OnlyDirect,
    /// What becomes of the packets cannot be told.
    Unknown,
    /// An earlier rule of nat takes the packets.
    Shadowed,
    /// Conntrack is told not to look: nat is never asked.
    Notrack,
    /// The target port is closed over IPv4 and open over IPv6.
    OpenOverIpv6,
    /// It also takes packets that the host only routes.
    TakesRouted,
    /// An earlier rule accepts what a later one is there to close.
    GuardVoid,
    /// A rule that would accept stands after one that has closed already.
    AcceptTooLate,
    /// A jail of fail2ban watches a port that no packet has any more.
    JailOnMappedPort,
    /// Something works for some sources alone.
    SomeSources,
    /// It redirects only what the host itself sends.
    OwnPackets,
}

impl Kind {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 13] = [
        Self::BothWork,
        Self::NeitherWorks,
        Self::OnlyDirect,
        Self::Unknown,
        Self::Shadowed,
        Self::Notrack,
        Self::OpenOverIpv6,
        Self::TakesRouted,
        Self::GuardVoid,
        Self::AcceptTooLate,
        Self::JailOnMappedPort,
        Self::SomeSources,
        Self::OwnPackets,
    ];

    /// `PM001` and so on.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::BothWork => "PM001",
            Self::NeitherWorks => "PM002",
            Self::OnlyDirect => "PM003",
            Self::Unknown => "PM004",
            Self::Shadowed => "PM005",
            Self::Notrack => "PM006",
            Self::OpenOverIpv6 => "PM007",
            Self::TakesRouted => "PM008",
            Self::GuardVoid => "PM009",
            Self::AcceptTooLate => "PM010",
            Self::JailOnMappedPort => "PM011",
            Self::SomeSources => "PM012",
            Self::OwnPackets => "PM013",
        }
    }

    /// One word of letters, as SARIF names rules.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BothWork => "BothWork",
            Self::NeitherWorks => "NeitherWorks",
            Self::OnlyDirect => "OnlyDirectWorks",
            Self::Unknown => "Unknown",
            Self::Shadowed => "RedirectShadowed",
            Self::Notrack => "RedirectWithoutConntrack",
            Self::OpenOverIpv6 => "OpenOverIpv6",
            Self::TakesRouted => "RedirectTakesRoutedPackets",
            Self::GuardVoid => "GuardVoid",
            Self::AcceptTooLate => "AcceptTooLate",
            Self::JailOnMappedPort => "JailOnMappedPort",
            Self::SomeSources => "SomeSources",
            Self::OwnPackets => "OwnPacketsOnly",
        }
    }

    /// What it means, a sentence.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::BothWork => "The mapped port works, and the port behind it is open directly as well.",
            Self::NeitherWorks => "The mapped port does not work: its packets are redirected and then dropped.",
            Self::OnlyDirect => "The mapped port does not work, and the port behind it is open directly.",
            Self::Unknown => "What becomes of the packets depends on something that is not modelled or not known.",
            Self::Shadowed => "The REDIRECT never gets the packets: an earlier rule of nat decides about them.",
            Self::Notrack => "The REDIRECT never gets the packets: without conntrack the nat table is not asked.",
            Self::OpenOverIpv6 => "The port behind a mapping is closed over IPv4 and open over IPv6.",
            Self::TakesRouted => "The REDIRECT also takes packets that the host only routes to others.",
            Self::GuardVoid => "An earlier rule accepts what a later one is there to close.",
            Self::AcceptTooLate => "A rule that would accept stands after one that has dropped or rejected already.",
            Self::JailOnMappedPort => {
                "A jail of fail2ban watches the mapped port, which INPUT does not see: it bans nobody."
            }
            Self::SomeSources => "The mapped port, or the port behind it, is open to some sources alone.",
            Self::OwnPackets => "The rule redirects what the host itself sends, and nothing that comes in.",
        }
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something is open that should not be, or does not work.
    Error,
    /// Something is not as it seems.
    Warning,
    /// Worth knowing; no finding by itself.
    Note,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// Where a rule is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Place {
    /// Whose.
    pub family: Family,
    /// `nat`, `filter`, …
    pub table: String,
    /// The chain.
    pub chain: String,
    /// Which rule of the chain, from 1; 0: the policy.
    pub number: usize,
    /// The line of the text that it was read from.
    pub line: Option<usize>,
    /// The rule as it was printed, or the policy.
    pub rule: String,
}

/// How far new connections get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// To the service, whoever calls.
    Open,
    /// To the service, from some sources alone.
    Some,
    /// Nowhere.
    Closed,
    /// It cannot be told.
    Unknown,
}

/// What a redirect comes to: the rows of the README's truth table, and what is beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The mapped port works, the port behind it is closed.
    Right,
    /// Both are closed.
    NeitherWorks,
    /// Both are open.
    BothWork,
    /// The mapped port is closed, the port behind it open.
    OnlyDirectWorks,
    /// The packets never come to the rule.
    Dead,
    /// It leads to the port that the packets have already.
    KeepsPort,
    /// It is about what the host itself sends.
    OwnPackets,
    /// It cannot be told.
    Unknown,
}

impl Verdict {
    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::NeitherWorks => "neither works",
            Self::BothWork => "both work",
            Self::OnlyDirectWorks => "only direct works",
            Self::Dead => "dead",
            Self::KeepsPort => "keeps the port",
            Self::OwnPackets => "own packets only",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn of(mapped: Way, direct: Way) -> Self {
        match (mapped, direct) {
            (Way::Unknown, _) | (_, Way::Unknown) => Self::Unknown,
            (Way::Open | Way::Some, Way::Closed | Way::Some) => Self::Right,
            (Way::Open | Way::Some, Way::Open) => Self::BothWork,
            (Way::Closed, Way::Closed | Way::Some) => Self::NeitherWorks,
            (Way::Closed, Way::Open) => Self::OnlyDirectWorks,
        }
    }
}

/// One redirect, judged.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Judged {
    /// Whose packets.
    pub family: Family,
    /// `tcp`, `udp`, …
    pub protocol: String,
    /// The ports that it takes; `None`: every one.
    #[serde(serialize_with = "ports")]
    pub port: Option<PortSpan>,
    /// Where packets arrive, or would.
    pub to_port: Option<u16>,
    /// The interfaces for which this holds; none: for all.
    pub by: Vec<String>,
    /// How far connections to the mapped port get.
    pub mapped: Way,
    /// How far direct connections to the port behind it get.
    pub direct: Way,
    /// What that makes it.
    pub verdict: Verdict,
    /// Who gets to the mapped port, where not everybody does.
    #[serde(serialize_with = "nets")]
    pub mapped_from: Vec<IpNet>,
    /// Who gets to the port behind it directly, where not everybody does.
    #[serde(serialize_with = "nets")]
    pub direct_from: Vec<IpNet>,
    /// The same for the operator's own address, where that is known: mapped and direct.
    pub operator: Option<(Way, Way)>,
    /// Whether it holds for those alone who are within rate limits and on no list.
    pub within_rates: bool,
    /// Why it cannot be told.
    pub reason: Option<String>,
    /// The rule.
    pub rule: Place,
}

#[expect(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands fields over so"
)]
fn ports<S: serde::Serializer>(span: &Option<PortSpan>, serializer: S) -> Result<S::Ok, S::Error> {
    match span {
        None => serializer.serialize_none(),
        Some(span) => serializer.serialize_some(&super::ports::written(*span)),
    }
}

fn nets<S: serde::Serializer>(nets: &[IpNet], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(nets.iter().map(ToString::to_string))
}

impl Judged {
    /// `2222 → 22/tcp`.
    #[must_use]
    pub fn title(&self) -> String {
        let port = self.port.map_or_else(|| "any".to_owned(), super::ports::written);
        let to = self.to_port.map_or_else(|| "?".to_owned(), |port| port.to_string());
        format!("{port} → {to}/{}", self.protocol)
    }
}

/// What would be better.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize)]
pub struct Remedy {
    /// One sentence.
    pub sentence: String,
    /// The mapping that does it, as an inventory has it.
    pub mapping: Option<String>,
    /// What does it by hand, to be run as root in this order.
    pub commands: Vec<String>,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Finding {
    /// Which kind.
    pub kind: Kind,
    /// How bad.
    pub level: Level,
    /// Whose packets.
    pub family: Family,
    /// One sentence.
    pub message: String,
    /// What is reachable directly, from whom.
    pub exposed: Option<String>,
    /// The rules that it is about, each with what it does; the first is where it shows.
    pub rules: Vec<(String, Place)>,
    /// What would be better.
    pub better: Remedy,
}

/// What an audit of one host, or one file, says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Every redirect.
    pub redirects: Vec<Judged>,
    /// What is not as it should be, the worst first.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether something is to be done about it: notes alone are not that.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.iter().all(|finding| finding.level == Level::Note)
    }
}
