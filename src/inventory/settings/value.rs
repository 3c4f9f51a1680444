//! Texts of settings become values as Ansible makes them.

/// A text without the quotes around it.
pub(super) fn unquoted(text: &str) -> &str {
    let inner = |quote: char| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    inner('"')
        .or_else(|| inner('\''))
        .filter(|inner| !inner.ends_with('\\'))
        .unwrap_or(text)
}

/// As Python's `decimal` reads it: `7`, ` 7 `, `7.0`, `1e1`.
pub(super) fn whole(text: &str) -> Option<i64> {
    let text = text.trim().replace('_', "");
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    let exact = || {
        let number: f64 = text.parse().ok()?;
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and far within bounds")]
        (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i64)
    };
    digits(&text).then(|| text.parse().ok().or_else(exact)).flatten()
}
