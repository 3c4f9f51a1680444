//! Regular expressions as Python's `re` reads them, run by `fancy-regex` within bounds.

use fancy_regex::{Captures, Regex, RegexBuilder};
use minijinja::value::Tuple;
use minijinja::{Error, Value};

use super::Table;
use crate::template::calls::{Call, fault};
use crate::template::output::MAX_TEXT;

pub(super) const FILTERS: Table = &[
    ("regex_escape", escape),
    ("regex_findall", find_all),
    ("regex_replace", replace),
    ("regex_search", search),
];

/// Steps of a search with look-around or back references.
const MAX_STEPS: usize = 200_000;

/// Matches of one expression in one text.
const MAX_MATCHES: usize = 100_000;

/// An expression, compiled.
///
/// # Errors
/// It is none, or too large.
pub(in super::super) fn compile(pattern: &str, ignore_case: bool, multiline: bool) -> Result<Regex, Error> {
    RegexBuilder::new(&translated(pattern, multiline))
        .case_insensitive(ignore_case)
        .multi_line(multiline)
        .backtrack_limit(MAX_STEPS)
        .build()
        .map_err(|_| fault("this regular expression cannot be read"))
}

/// Python's syntax where it means something else here: `\Z`, `$` before a last line end, and brackets in brackets.
fn translated(pattern: &str, multiline: bool) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut characters = pattern.chars().peekable();
    let mut class: Option<usize> = None;
    while let Some(c) = characters.next() {
        match (c, class) {
            ('\\', _) => match characters.next() {
                Some('Z') if class.is_none() => out += "\\z",
                Some(next) => out.extend(['\\', next]),
                None => out.push('\\'),
            },
            ('$', None) if !multiline => out += "(?=\\n?\\z)",
            ('[', None) => {
                class = Some(out.len() + 1);
                out.push('[');
                if characters.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                // The first bracket closes nothing.
                if characters.next_if_eq(&']').is_some() {
                    out += "\\]";
                }
            }
            ('[', Some(_)) => out += "\\[",
            ('&' | '~', Some(_)) => out.extend(['\\', c]),
            (']', Some(_)) => {
                class = None;
                out.push(']');
            }
            _ => out.push(c),
        }
    }
    out
}

fn too_hard(_: fancy_regex::Error) -> Error {
    fault("this regular expression takes too long")
}

/// Whether an expression is found in a text.
///
/// # Errors
/// The expression is none, or takes too long.
pub(in super::super) fn matches(pattern: &str, text: &str) -> Result<bool, Error> {
    compile(pattern, false, false)?.is_match(text).map_err(too_hard)
}

fn escape(call: &mut Call) -> Result<Value, Error> {
    let kind = call.text(0, "re_type")?;
    call.done(1)?;
    let special: &str = match kind.as_deref() {
        None | Some("python") => "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}",
        Some("posix_basic") => "].[^$*\\",
        Some(_) => return Err(fault("`re_type` is python or posix_basic")),
    };
    let text = call.subject()?;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if special.contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    Ok(Value::from(out))
}

fn find_all(call: &mut Call) -> Result<Value, Error> {
    let pattern = call.required_text(0, "regex")?;
    let (multiline, ignore_case) = (call.flag(1, "multiline")?, call.flag(2, "ignorecase")?);
    call.done(3)?;
    let (regex, text) = (compile(&pattern, ignore_case, multiline)?, call.subject()?);
    let mut found = Vec::new();
    for captures in all(&regex, &text)? {
        found.push(match captures.len() {
            1 => group(&captures, 0, ""),
            2 => group(&captures, 1, ""),
            groups => Value::from(Tuple::from(
                (1..groups).map(|index| group(&captures, index, "")).collect::<Vec<_>>(),
            )),
        });
    }
    Ok(Value::from(found))
}

/// All that Python finds: an empty match may stand right behind another.
fn all<'t>(regex: &Regex, text: &'t str) -> Result<Vec<Captures<'t, str>>, Error> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(captures) = regex.captures_from_pos(text, at).map_err(too_hard)? {
        let (start, end) = captures.get(0).map_or((at, at), |all| (all.start(), all.end()));
        found.push(captures);
        if found.len() > MAX_MATCHES {
            return Err(fault(format!(
                "the regular expression matches more than {MAX_MATCHES} times"
            )));
        }
        at = match text.get(end..).and_then(|rest| rest.chars().next()) {
            _ if end > start => end,
            Some(next) => end + next.len_utf8(),
            None => break,
        };
    }
    Ok(found)
}

fn group(captures: &Captures<'_, str>, index: usize, missing: &str) -> Value {
    Value::from(captures.get(index).map_or(missing, |found| found.as_str()))
}

fn search(call: &mut Call) -> Result<Value, Error> {
    let pattern = call.required_text(0, "regex")?;
    let (ignore_case, multiline) = (
        call.flag(usize::MAX, "ignorecase")?,
        call.flag(usize::MAX, "multiline")?,
    );
    call.done(usize::MAX)?;
    let (regex, text) = (compile(&pattern, ignore_case, multiline)?, call.subject()?);
    let Some(captures) = regex.captures(text.as_str()).map_err(too_hard)? else {
        return Ok(Value::from(()));
    };
    let wanted = call.positional.get(1..).unwrap_or_default();
    if wanted.is_empty() {
        return Ok(group(&captures, 0, ""));
    }
    let one = |wanted: &Value| {
        let name = wanted.as_str().and_then(|name| name.strip_prefix('\\'));
        let name = name.ok_or_else(|| fault("a group is written \\1 or \\g<name>"))?;
        named(
            &captures,
            name.strip_prefix("g<")
                .and_then(|name| name.strip_suffix('>'))
                .unwrap_or(name),
        )
        .map(|found| found.map_or(Value::from(()), Value::from))
    };
    wanted
        .iter()
        .map(one)
        .collect::<Result<Vec<Value>, Error>>()
        .map(Value::from)
}

/// What a group of a number or name holds.
fn named<'t>(captures: &Captures<'t, str>, name: &str) -> Result<Option<&'t str>, Error> {
    let found = match name.parse::<usize>() {
        Ok(index) if index < captures.len() => captures.get(index),
        Err(_) if captures.name(name).is_some() => captures.name(name),
        _ => return Err(fault("the regular expression has no such group")),
    };
    Ok(found.map(|found| found.as_str()))
}

fn replace(call: &mut Call) -> Result<Value, Error> {
    let pattern = call.text(0, "pattern")?.unwrap_or_default();
    let replacement = call.text(1, "replacement")?.unwrap_or_default();
    let (ignore_case, multiline) = (call.flag(2, "ignorecase")?, call.flag(3, "multiline")?);
    let count = usize::try_from(call.integer(4, "count")?.unwrap_or(0)).unwrap_or(0);
    let wanted = usize::try_from(call.integer(5, "mandatory_count")?.unwrap_or(0)).unwrap_or(0);
    call.done(6)?;
    let (regex, text) = (compile(&pattern, ignore_case, multiline)?, call.subject()?);
    let (mut out, mut done, mut replaced) = (String::new(), 0, 0);
    for captures in all(&regex, &text)? {
        let Some(found) = captures.get(0) else { continue };
        if (count > 0 && replaced == count) || out.len() > MAX_TEXT {
            break;
        }
        out += text.get(done..found.start()).unwrap_or_default();
        expand(&captures, &replacement, &mut out)?;
        done = found.end();
        replaced += 1;
    }
    if wanted > 0 && wanted != replaced {
        return Err(fault(format!(
            "the regular expression must match {wanted} times, and matches {replaced} times"
        )));
    }
    out += text.get(done..).unwrap_or_default();
    Ok(Value::from(out))
}

/// Writes a replacement with its groups: `\1`, `\g<1>`, `\g<name>`, `\n`.
fn expand(captures: &Captures<'_, str>, replacement: &str, out: &mut String) -> Result<(), Error> {
    let mut rest = replacement;
    while let Some((before, escape)) = rest.split_once('\\') {
        *out += before;
        let name = escape.strip_prefix("g<").and_then(|name| name.split_once('>'));
        let digits = escape.bytes().take(2).take_while(u8::is_ascii_digit).count();
        rest = if let Some((name, after)) = name {
            *out += named(captures, name)?.unwrap_or_default();
            after
        } else if digits > 0 {
            let (number, after) = escape.split_at(digits);
            *out += named(captures, number)?.unwrap_or_default();
            after
        } else {
            let mut after = escape.chars();
            match after.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some('\\') => out.push('\\'),
                Some(c) if c.is_ascii_alphabetic() => return Err(fault("the replacement holds an unknown escape")),
                Some(c) => out.extend(['\\', c]),
                None => return Err(fault("the replacement ends with a backslash")),
            }
            after.as_str()
        };
    }
    *out += rest;
    Ok(())
}
