//! What a packet is like: its length, its text, its class, its headers.

use super::words::Choice;
use super::{Facts, Holds, Test, protocol};
use crate::firewall::Family;

/// Lengths that a packet of ours may have, headers included (`xt_length.c`); a SYN has nothing behind its options.
fn lengths(facts: &Facts) -> (u32, u32) {
    let header = if facts.family == Family::V4 { 20 } else { 40 };
    let (least, most) = match facts.protocol {
        Some(protocol::TCP) => (20, 60),
        Some(protocol::UDP | protocol::ICMP | protocol::ICMPV6 | protocol::UDPLITE) => (8, MOST),
        _ => (0, MOST),
    };
    (header + least, (header + most).min(MOST))
}

const MOST: u32 = 65535;

/// `length --length FIRST:LAST`.
pub(super) fn length(facts: &Facts, first: u16, last: u16) -> Holds<'static> {
    let (shortest, longest) = lengths(facts);
    let (first, last) = (u32::from(first), u32::from(last));
    if first > last {
        Holds::No
    } else if first <= shortest && longest <= last {
        Holds::Yes
    } else if last < shortest || longest < first {
        Holds::No
    } else {
        Holds::Maybe("length: the packet's length is not told")
    }
}

/// `string`: a text that a packet may hold (`xt_string.c`, which looks at headers as well).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    length: usize,
    /// Whether it is text that nobody would look for in headers: letters, digits and the like, and not just a few.
    plain: bool,
    from: u32,
}

impl Text {
    /// Out of the options of `-m string`; `true` with it: turned round.
    pub fn read(words: &[String]) -> Option<(Self, bool)> {
        let after = |name: &str| {
            let at = words.iter().position(|word| word == name)?;
            Some((at, words.get(at + 1)?))
        };
        let (at, bytes) = match after("--string") {
            Some((at, text)) => (at, text.as_bytes().to_vec()),
            None => after("--hex-string").and_then(|(at, text)| Some((at, hex(text)?)))?,
        };
        let negated = at
            .checked_sub(1)
            .and_then(|before| words.get(before))
            .is_some_and(|word| word == "!");
        let from = after("--from").map_or(Some(0), |(_, text)| super::number(text))?;
        let text = Self {
            length: bytes.len(),
            plain: bytes.len() >= 6 && bytes.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' '),
            from,
        };
        Some((text, negated))
    }

    /// A SYN holds no text of an application.
    pub fn holds(&self, facts: &Facts) -> Holds<'static> {
        let (_, most) = lengths(facts);
        let fits = usize::try_from(most).is_ok_and(|most| self.length <= most) && self.from < most;
        if !fits || (self.plain && facts.protocol == Some(protocol::TCP)) {
            return Holds::No;
        }
        Holds::Maybe("string: what the packet holds is not told")
    }
}

/// Text in which `|0a 0b|` stands for bytes; a backslash takes the next character as it is.
fn hex(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut digits = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (&mut digits, character) {
            (None, '|') => digits = Some(String::new()),
            (Some(inside), '|') => {
                bytes.extend(pairs(inside)?);
                digits = None;
            }
            (Some(inside), digit) if digit.is_ascii_hexdigit() => inside.push(digit),
            (Some(_), ' ') => {}
            (Some(_), _) => return None,
            (None, '\\') => bytes.extend(characters.next()?.to_string().bytes()),
            (None, other) => bytes.extend(other.to_string().bytes()),
        }
    }
    digits.is_none().then_some(bytes)
}

fn pairs(digits: &str) -> Option<Vec<u8>> {
    let bytes = digits.as_bytes().chunks(2);
    bytes
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// `ecn`: a plain SYN has neither flag of a sender that would negotiate.
pub(super) fn ecn(choice: &Choice<'_>) -> Option<Test> {
    match choice.name {
        "--ecn-tcp-cwr" | "--ecn-tcp-ece" => Some(Test::Fixed(choice.negated)),
        "--ecn-ip-ect" => Some(Test::Maybe("ecn: the packet's class of service is not told")),
        _ => None,
    }
}

/// `ipv6header`: the packet has the header of its protocol alone (`ip6t_ipv6header.c`).
pub(super) fn headers(choices: &[Choice<'_>]) -> Option<Test> {
    let choice = choices.iter().find(|choice| choice.name == "--header")?;
    let wanted = choice
        .value()
        .split(',')
        .try_fold(0, |sum, name| Some(sum | header(name)?))?;
    let soft = choices.iter().any(|choice| choice.name == "--soft");
    let holds = if soft {
        let turned = if choice.negated { u8::MAX } else { 0 };
        (PROTOCOL ^ wanted ^ turned) & wanted == 0
    } else {
        (PROTOCOL == wanted) != choice.negated
    };
    Some(Test::Plain(holds))
}

const PROTOCOL: u8 = 1;

fn header(name: &str) -> Option<u8> {
    Some(match name.to_ascii_lowercase().as_str() {
        "hop" | "hop-by-hop" | "0" => 128,
        "dst" | "ipv6-opts" | "60" => 64,
        "route" | "ipv6-route" | "43" => 32,
        "frag" | "ipv6-frag" | "44" => 16,
        "auth" | "ah" | "51" => 8,
        "esp" | "50" => 4,
        "none" | "ipv6-nonxt" | "59" => 2,
        "prot" | "proto" | "255" => PROTOCOL,
        _ => return None,
    })
}

/// Whether a packet has its protocol's header and no other: ESP, AH and no-next-header are headers of their own.
pub(super) fn is_plain(facts: &Facts) -> Option<bool> {
    facts
        .protocol
        .map(|number| !matches!(number, 50 | 51 | 59 | 0 | 43 | 44 | 60))
}
