//! Marks of packets and of connections (`xt_mark.c`, `xt_connmark.c`).

use super::{Effect, Options};
use crate::firewall::trace::condition::{masked, number};

/// How a mark becomes another: `(mark & !mask) ^ value`.
fn change(options: &Options<'_>) -> Option<(u32, u32)> {
    if let Some(text) = options.value("--set-xmark") {
        return masked(text);
    }
    if let Some(text) = options.value("--set-mark") {
        return masked(text).map(|(value, mask)| (value, value | mask));
    }
    if let Some(text) = options.value("--and-mark") {
        return number(text).map(|bits| (0, !bits));
    }
    if let Some(text) = options.value("--or-mark") {
        return number(text).map(|bits| (bits, bits));
    }
    let bits = number(options.value("--xor-mark")?)?;
    Some((bits, 0))
}

pub(super) fn mark(options: &Options<'_>) -> Option<Effect> {
    change(options).map(|(value, mask)| Effect::Mark { value, mask })
}

pub(super) fn connmark(options: &Options<'_>) -> Option<Effect> {
    let mask = |name: &str| options.value(name).map_or(Some(u32::MAX), number);
    let both = mask("--mask")?;
    let ctmask = mask("--ctmask")? & both;
    let nfmask = mask("--nfmask")? & both;
    if options.has("--save-mark") {
        return Some(Effect::SaveMark { ctmask, nfmask });
    }
    if options.has("--restore-mark") {
        return Some(Effect::RestoreMark { ctmask, nfmask });
    }
    change(options).map(|(value, mask)| Effect::Connmark { value, mask })
}
