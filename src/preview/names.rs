//! Names of hosts as Ansible's ranges: `web[01:50].example.com`.

/// So many names in a row are a range.
const FEWEST: usize = 3;

/// Names, and ranges of names that follow one another: each with how many hosts it stands for.
pub(super) fn folded(names: &[String]) -> Vec<(String, usize)> {
    let mut folded = Vec::new();
    let mut rest = names;
    while let [first, others @ ..] = rest {
        let (range, count) = range(first, others);
        match range {
            Some(range) if count >= FEWEST => {
                folded.push((range, count));
                rest = others.get(count - 1..).unwrap_or_default();
            }
            _ => {
                folded.push((first.clone(), 1));
                rest = others;
            }
        }
    }
    folded
}

/// The longest range that begins with a name, and how many names are in it.
fn range(first: &str, others: &[String]) -> (Option<String>, usize) {
    let Some(Numbered { before, digits, after }) = others.first().and_then(|second| varying(first, second)) else {
        return (None, 1);
    };
    let (mut last, mut count) = (digits.to_owned(), 1);
    for other in others {
        let Some(next) = following(&last) else { break };
        if *other != format!("{before}{next}{after}") {
            break;
        }
        last = next;
        count += 1;
    }
    (Some(format!("{before}[{digits}:{last}]{after}")), count)
}

/// A name around a number in it.
struct Numbered<'a> {
    before: &'a str,
    digits: &'a str,
    after: &'a str,
}

/// The number of a name where another name differs.
fn varying<'a>(name: &'a str, other: &str) -> Option<Numbered<'a>> {
    let same = name
        .bytes()
        .zip(other.bytes())
        .take_while(|(one, two)| one == two)
        .count();
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let before = same
        - bytes
            .get(..same)?
            .iter()
            .rev()
            .take_while(|byte| is_digit(byte))
            .count();
    let length = bytes.get(before..)?.iter().take_while(|byte| is_digit(byte)).count();
    (length > 0).then_some(())?;
    Some(Numbered {
        before: name.get(..before)?,
        digits: name.get(before..before + length)?,
        after: name.get(before + length..)?,
    })
}

/// The number after one, as wide where that begins with 0.
fn following(digits: &str) -> Option<String> {
    let next = digits.parse::<u64>().ok()?.checked_add(1)?;
    Some(if digits.starts_with('0') {
        format!("{next:0width$}", width = digits.len())
    } else {
        next.to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(names: &str) -> String {
        let names: Vec<String> = names.split(' ').map(str::to_owned).collect();
        let folded: Vec<String> = folded(&names).into_iter().map(|(name, _)| name).collect();
        folded.join(" ")
    }

    #[test]
    fn names_in_a_row_are_ranges_as_ansible_writes_them() {
        for (names, expected) in [
            ("web1 web2 web3", "web[1:3]"),
            ("web1 web2", "web1 web2"),
            ("web8 web9 web10 web11", "web[8:11]"),
            ("web08 web09 web10 web11", "web[08:11]"),
            ("web8 web09 web10", "web8 web09 web10"),
            ("a1.x b1.x b2.x b3.x c", "a1.x b[1:3].x c"),
            ("dc2-h1 dc2-h2 dc2-h3 dc3-h1", "dc2-h[1:3] dc3-h1"),
            ("web1 web3 web5", "web1 web3 web5"),
            ("a b c", "a b c"),
            ("1 2 3", "[1:3]"),
            ("ü1é ü2é ü3é", "ü[1:3]é"),
            ("web1 web1 web1", "web1 web1 web1"),
            (
                "99999999999999999999999 99999999999999999999999 x",
                "99999999999999999999999 99999999999999999999999 x",
            ),
        ] {
            assert_eq!(shown(names), expected);
        }
    }
}
