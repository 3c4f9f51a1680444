//! Matches that depend on luck, on time, or on what came before.

use super::Test;
use super::words::Choice;

/// Modules that are always both ways possible, and why.
const REASONS: [(&str, &str); 30] = [
    ("bpf", "bpf: what the packet holds is not told"),
    ("cluster", "cluster: which node is to answer is not told"),
    ("condition", "condition: what its file says is not told"),
    ("connrate", "connrate: how fast the connection is is not told"),
    ("cpu", "cpu: which one handles the packet is luck"),
    ("devgroup", "devgroup: the groups of interfaces are not told"),
    ("dscp", "dscp: the packet's class of service is not told"),
    ("dstlimit", "dstlimit: depends on the rate of packets"),
    ("eui64", "eui64: the sender's hardware address is not told"),
    ("fuzzy", "fuzzy: depends on the rate of packets"),
    ("geoip", "geoip: which country an address is of is not told"),
    ("hashlimit", "hashlimit: depends on the rate of packets"),
    ("hl", "hl: the packet's hop limit is not told"),
    ("ipvs", "ipvs: which connections are balanced is not told"),
    ("l2tp", "l2tp: what the packet holds is not told"),
    ("limit", "limit: depends on the rate of packets"),
    ("nth", "nth: depends on the packets before"),
    ("osf", "osf: the sender's system is not told"),
    ("psd", "psd: depends on the packets before"),
    ("quota", "quota: depends on the bytes before"),
    ("quota2", "quota2: depends on the bytes before"),
    ("random", "random: luck"),
    ("rateest", "rateest: depends on the rate of packets"),
    ("realm", "realm: the realms of routes are not told"),
    ("socket", "socket: which sockets are open is not told"),
    ("tcpmss", "tcpmss: the packet's maximum segment size is not told"),
    ("tos", "tos: the packet's class of service is not told"),
    ("ttl", "ttl: the packet's lifetime is not told"),
    ("u32", "u32: what the packet holds is not told"),
    ("unclean", "unclean: what the packet holds is not told"),
];

pub(super) fn reason(module: &str) -> Option<&'static str> {
    let found = REASONS.iter().find(|(name, _)| *name == module);
    found.map(|(_, reason)| *reason)
}

/// Modules some of whose options leave nothing to chance.
pub(super) fn together(module: &str, choices: &[Choice<'_>]) -> Option<Test> {
    let of = |name: &str| choices.iter().find(|choice| choice.name == name);
    Some(match module {
        "recent" => match of("--set") {
            Some(set) => Test::Fixed(!set.negated),
            None => Test::Maybe("recent: depends on the packets before"),
        },
        "time"
            if choices
                .iter()
                .all(|choice| matches!(choice.name, "--kerneltz" | "--utc" | "--localtz")) =>
        {
            Test::Fixed(true)
        }
        "time" => Test::Maybe("time: depends on the time of day"),
        "statistic" => statistic(of("--probability"), of("--every")),
        "connlimit" => match (of("--connlimit-above"), of("--connlimit-upto")) {
            (Some(above), _) if above.value() == "4294967295" => Test::Fixed(above.negated),
            (_, Some(upto)) if upto.value() == "4294967295" => Test::Fixed(!upto.negated),
            _ => Test::Maybe("connlimit: how many connections there are is not told"),
        },
        _ => return None,
    })
}

fn statistic(probability: Option<&Choice<'_>>, every: Option<&Choice<'_>>) -> Test {
    let luck = Test::Maybe("statistic: luck");
    let share = probability.and_then(|choice| Some((choice, choice.value().parse::<f64>().ok()?)));
    match (share, every) {
        (Some((choice, share)), _) if share >= 1.0 => Test::Fixed(!choice.negated),
        (Some((choice, share)), _) if share <= 0.0 => Test::Fixed(choice.negated),
        (None, Some(choice)) if choice.value() == "1" => Test::Fixed(!choice.negated),
        _ => luck,
    }
}
