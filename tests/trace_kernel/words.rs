//! The words of random rules: conditions and targets.

use fastrand::Rng;
use portmap_deploy::firewall::Family;

use super::pools::{address, choose, net, port, port_words};

/// Where a rule is to stand.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The family.
    pub family: Family,
    /// The table.
    pub table: &'static str,
    /// The built-in chain that leads there.
    pub hook: &'static str,
    /// Whether anything goes: conditions that depend on what is not told as well.
    pub all: bool,
}

impl Place {
    fn is_v4(self) -> bool {
        self.family == Family::V4
    }
}

/// `-p` and what depends on it.
pub struct Protocol {
    /// Empty: any.
    pub name: &'static str,
    /// With a blank at its end, where it is not empty.
    pub text: String,
}

/// `-j` or `-g` and what follows.
pub struct Target {
    /// The protocol that it is for.
    pub needs: Option<&'static str>,
    /// The words.
    pub text: String,
}

/// A protocol, or none.
pub fn protocol(rng: &mut Rng, family: Family, needs: Option<&'static str>) -> Protocol {
    let icmp = if family == Family::V4 { "icmp" } else { "ipv6-icmp" };
    let name = needs.unwrap_or_else(|| choose(rng, &["tcp", "tcp", "tcp", "udp", "udp", icmp, "sctp", "", "", "!"]));
    let text = match name {
        "" => String::new(),
        "!" => format!("! -p {} ", choose(rng, &["tcp", "udp", icmp, "47"])),
        _ => format!("-p {name} "),
    };
    Protocol { name, text }
}

fn not(rng: &mut Rng) -> &'static str {
    if rng.u32(..4) == 0 { "! " } else { "" }
}

/// A condition: which kind it is, and its words with a blank at the end.
pub fn condition(rng: &mut Rng, place: Place, protocol: &str) -> (&'static str, String) {
    let not = not(rng);
    let has_ports = matches!(protocol, "tcp" | "udp" | "sctp");
    match rng.u32(..if place.all { 24 } else { 18 }) {
        0..=2 if has_ports => ("dport", format!("-m {protocol} {not}--dport {} ", port_words(rng))),
        3 if has_ports => ("multiport", multiport(rng, not)),
        4 if has_ports => ("sport", format!("-m {protocol} {not}--sport {} ", port_words(rng))),
        5 if protocol == "tcp" => ("flags", format!("{not}{} ", choose(rng, FLAGS))),
        0..=2 if protocol.contains("icmp") => ("icmp", icmp(rng, place, not)),
        0 | 1 => ("s", format!("{not}-s {} ", net(rng, place.family))),
        2 | 3 => ("d", format!("{not}-d {} ", net(rng, place.family))),
        4..=6 => ("if", interface(rng, place, not)),
        7..=8 if place.table != "raw" => ("state", state(rng)),
        7..=12 => ("conntrack", conntrack(rng, place, has_ports, not)),
        13 => ("addrtype", addrtype(rng, place)),
        14 => ("iprange", iprange(rng, place)),
        15 => ("mark", format!("-m mark {not}--mark {} ", mark(rng))),
        16 => ("connmark", format!("-m connmark {not}--mark {} ", mark(rng))),
        17 => ("comment", "-m comment --comment \"a -j DROP\" ".to_owned()),
        _ => untold(rng, place, protocol, not),
    }
}

const FLAGS: &[&str] = &[
    "--syn",
    "--tcp-flags SYN,ACK,FIN,RST SYN",
    "--tcp-flags SYN,ACK SYN,ACK",
    "--tcp-flags ALL NONE",
    "--tcp-flags ALL SYN",
    "--tcp-flags RST RST",
    "--tcp-flags SYN,RST SYN",
    "--tcp-flags ACK ACK",
    "--tcp-flags FIN,SYN FIN,SYN",
];

fn multiport(rng: &mut Rng, not: &str) -> String {
    let side = choose(rng, &["--dports", "--dports", "--sports", "--ports"]);
    let ports: Vec<_> = (0..rng.usize(1..4)).map(|_| port_words(rng)).collect();
    format!("-m multiport {not}{side} {} ", ports.join(","))
}

fn icmp(rng: &mut Rng, place: Place, not: &str) -> String {
    let types: &[&str] = if place.is_v4() {
        &[
            "8",
            "echo-request",
            "3",
            "0",
            "echo-reply",
            "8/0",
            "8/1",
            "3/4",
            "11",
            "255",
        ]
    } else {
        &["128", "echo-request", "1", "129", "128/0", "135", "2"]
    };
    let (module, option) = if place.is_v4() {
        ("icmp", "icmp")
    } else {
        ("icmp6", "icmpv6")
    };
    format!("-m {module} {not}--{option}-type {} ", choose(rng, types))
}

fn interface(rng: &mut Rng, place: Place, not: &str) -> String {
    let name = choose(rng, &["eth0", "eth0", "eth1", "eth+", "e+", "lo", "wlan0", "eth2"]);
    let option = match place.hook {
        "POSTROUTING" => "-o",
        "FORWARD" => choose(rng, &["-i", "-o"]),
        _ => "-i",
    };
    format!("{not}{option} {name} ")
}

fn state(rng: &mut Rng) -> String {
    let states = choose(
        rng,
        &[
            "NEW",
            "NEW,ESTABLISHED",
            "ESTABLISHED,RELATED",
            "INVALID",
            "UNTRACKED",
            "NEW,UNTRACKED",
        ],
    );
    format!("-m state {}--state {states} ", not(rng))
}

/// The port that an echo comes from is its number, which is not told.
fn conntrack(rng: &mut Rng, place: Place, has_ports: bool, not: &str) -> String {
    let words = match rng.u32(..16) {
        0..=3 => format!("{not}--ctstate {}", choose(rng, STATES)),
        4..=6 => format!("{not}--ctorigdstport {}", port(rng)),
        7 => format!("{not}--ctorigdst {}", net(rng, place.family)),
        8 => format!("{not}--ctorigsrc {}", net(rng, place.family)),
        9 => format!("{not}--ctreplsrc {}", net(rng, place.family)),
        10 => format!("{not}--ctrepldst {}", net(rng, place.family)),
        11 if has_ports || place.all => format!("{not}--ctreplsrcport {}", port_words(rng)),
        12 => format!("--ctdir {}", choose(rng, &["ORIGINAL", "REPLY"])),
        13 => format!("{not}--ctproto {}", choose(rng, &["tcp", "udp", "6", "17"])),
        14 => format!(
            "{not}--ctstatus {}",
            choose(rng, &["NONE", "SEEN_REPLY", "ASSURED", "CONFIRMED", "EXPECTED"])
        ),
        _ => format!(
            "--ctstate NEW {not}--ctorigdstport {} --ctdir ORIGINAL",
            port_words(rng)
        ),
    };
    format!("-m conntrack {words} ")
}

const STATES: &[&str] = &[
    "NEW",
    "NEW",
    "ESTABLISHED",
    "ESTABLISHED,RELATED",
    "INVALID",
    "UNTRACKED",
    "DNAT",
    "SNAT",
    "NEW,DNAT",
    "RELATED",
    "NEW,UNTRACKED",
];

fn addrtype(rng: &mut Rng, place: Place) -> String {
    let types: &[&str] = if place.is_v4() {
        &[
            "LOCAL",
            "LOCAL",
            "UNICAST",
            "BROADCAST",
            "MULTICAST",
            "LOCAL,BROADCAST",
            "UNICAST,MULTICAST",
        ]
    } else {
        &["LOCAL", "LOCAL", "UNICAST", "MULTICAST", "LOCAL,MULTICAST"]
    };
    let kind = choose(rng, types);
    let side = choose(rng, &["--dst-type", "--dst-type", "--src-type"]);
    format!("-m addrtype {}{side} {kind} ", not(rng))
}

fn iprange(rng: &mut Rng, place: Place) -> String {
    let (mut first, mut last) = (address(rng, place.family), address(rng, place.family));
    if first > last {
        std::mem::swap(&mut first, &mut last);
    }
    let side = choose(rng, &["--src-range", "--dst-range"]);
    format!("-m iprange {}{side} {first}-{last} ", not(rng))
}

fn mark(rng: &mut Rng) -> &'static str {
    choose(
        rng,
        &["0", "0x1", "0x2", "0x3", "0x1/0x1", "0x2/0x2", "0/0x1", "0x10/0xf0"],
    )
}

/// Conditions on what is not told of a packet.
fn untold(rng: &mut Rng, place: Place, protocol: &str, not: &str) -> (&'static str, String) {
    let mut words: Vec<(&'static str, String)> = vec![
        (
            "length",
            format!(
                "-m length {not}--length {} ",
                choose(rng, &["0:100", "40", "500:", "48:60"])
            ),
        ),
        ("limit", "-m limit --limit 1/hour --limit-burst 3 ".to_owned()),
        ("statistic", "-m statistic --mode random --probability 0.5 ".to_owned()),
        (
            "recent",
            format!(
                "-m recent {} ",
                choose(rng, &["--set", "--rcheck --seconds 60", "--update", "--remove"])
            ),
        ),
        (
            "hashlimit",
            "-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name h "
                .to_owned(),
        ),
        (
            "string",
            format!("-m string {not}--string {} --algo bm ", choose(rng, &["PmTk", "other"])),
        ),
        (
            "u32",
            format!("-m u32 {not}--u32 \"{}\" ", choose(rng, &["0&0xFF=0:255", "4&0x1=1"])),
        ),
        ("time", "-m time --timestart 00:00 --timestop 12:00 ".to_owned()),
        ("connlimit", "-m connlimit --connlimit-above 2 ".to_owned()),
        ("dscp", format!("-m dscp {not}--dscp 0x05 ")),
        ("tos", format!("-m tos {not}--tos 0x10 ")),
        (
            "set",
            format!(
                "-m set {not}--match-set {} ",
                choose(rng, &["nets src", "nets dst", "ports src,dst"])
            ),
        ),
    ];
    if place.is_v4() {
        words.push((
            "ttl",
            format!("-m ttl {} ", choose(rng, &["--ttl-eq 64", "--ttl-lt 10", "--ttl-gt 5"])),
        ));
    } else {
        words.push((
            "hl",
            format!("-m hl {} ", choose(rng, &["--hl-eq 64", "--hl-lt 10", "--hl-gt 5"])),
        ));
        words.push(("frag", "-m frag --fragmore ".to_owned()));
        words.push(("rt", "-m rt --rt-type 0 ".to_owned()));
    }
    if protocol == "tcp" {
        words.push((
            "tcpmss",
            format!("-m tcpmss {not}--mss {} ", choose(rng, &["1460", "0:1000"])),
        ));
        words.push(("option", format!("{not}--tcp-option {} ", choose(rng, &["2", "8"]))));
    }
    if place.hook == "PREROUTING" && place.table != "nat" {
        words.push((
            "rpfilter",
            format!("-m rpfilter {} ", choose(rng, &["--invert", "--loose", ""])),
        ));
    }
    if matches!(place.hook, "PREROUTING" | "INPUT" | "FORWARD") {
        words.push(("mac", format!("-m mac {not}--mac-source 02:00:00:00:00:01 ")));
        words.push(("policy", "-m policy --dir in --pol none ".to_owned()));
    }
    if matches!(place.hook, "PREROUTING" | "INPUT") && matches!(protocol, "tcp" | "udp") {
        words.push(("socket", "-m socket ".to_owned()));
    }
    let place = rng.usize(..words.len());
    words.swap_remove(place)
}

/// A target that this place allows.
pub fn target(rng: &mut Rng, place: Place, later: &[String]) -> Target {
    let plain = |text: &str| Target {
        needs: None,
        text: text.to_owned(),
    };
    if rng.u32(..3) == 0 && !later.is_empty() {
        let chain = &later[rng.usize(..later.len())];
        return plain(&format!("-{} {chain}", choose(rng, &["j", "j", "j", "g"])));
    }
    match (rng.u32(..10), place.table, place.hook) {
        (0, ..) => plain("-j RETURN"),
        (1, ..) => plain(choose(
            rng,
            &["", "-j LOG --log-prefix \"x: \"", "-j NFLOG --nflog-group 7"],
        )),
        (2 | 3, ..) => plain("-j ACCEPT"),
        (4, "filter" | "security" | "mangle" | "raw", _) => plain("-j DROP"),
        (5..=6, "filter", _) => super::targets::reject(rng, place),
        (_, "filter" | "security", _) => plain(choose(rng, &["-j ACCEPT", "-j DROP", "-j DROP"])),
        (_, "nat", _) => super::targets::nat(rng, place),
        (5, "raw", "PREROUTING") => plain(choose(rng, &["-j NOTRACK", "-j CT --notrack"])),
        _ => super::targets::mangle(rng, place),
    }
}
