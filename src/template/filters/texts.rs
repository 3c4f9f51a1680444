//! Text.

use minijinja::value::{Tuple, ValueKind, from_args};
use minijinja::{Error, Value};

use super::Table;
use crate::template::calls::{Call, fault, integer, list};
use crate::template::output::MAX_TEXT;
use crate::template::python;
use crate::template::source::PERCENT;

pub(super) const FILTERS: Table = &[
    (PERCENT, percent),
    ("center", center),
    ("comment", comment),
    ("pprint", pprint),
    ("quote", quote),
    ("replace", replace),
    ("split", split),
    ("string", string),
    ("strftime", no_clock),
    ("to_datetime", no_clock),
    ("truncate", truncate),
    ("urldecode", urldecode),
    ("urlencode", urlencode),
];

fn no_clock(_: &mut Call) -> Result<Value, Error> {
    Err(fault("times are not available in templates"))
}

fn string(call: &mut Call) -> Result<Value, Error> {
    call.done(0)?;
    Ok(Value::from(call.subject()?))
}

fn pprint(call: &mut Call) -> Result<Value, Error> {
    call.done(1)?;
    Ok(Value::from(python::repr(&call.value)?))
}

/// As `shlex.quote`.
fn quote(call: &mut Call) -> Result<Value, Error> {
    call.done(0)?;
    let text = if call.value.is_none() {
        String::new()
    } else {
        call.subject()?
    };
    let safe = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    Ok(Value::from(if !text.is_empty() && text.chars().all(safe) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\"'\"'"))
    }))
}

fn split(call: &mut Call) -> Result<Value, Error> {
    let separator = call.text(0, "sep")?;
    let most = call.integer(1, "maxsplit")?.unwrap_or(-1);
    call.done(2)?;
    pieces(&call.subject()?, separator.as_deref(), most)
}

/// As Python's `split`: at white space without a separator.
fn pieces(text: &str, separator: Option<&str>, most: i64) -> Result<Value, Error> {
    let most = usize::try_from(most).map_or(usize::MAX, |most| most.saturating_add(1));
    let parts: Vec<&str> = match separator {
        Some("") => return Err(fault("the separator must not be empty")),
        Some(separator) => text.splitn(most, separator).collect(),
        None if most == usize::MAX => text.split_whitespace().collect(),
        None => words(text, most),
    };
    Ok(parts.into_iter().map(Value::from).collect())
}

/// The first words, and the rest as it is.
fn words(text: &str, most: usize) -> Vec<&str> {
    let (mut rest, mut parts) = (text.trim_start(), Vec::new());
    while !rest.is_empty() {
        let end = rest.find(char::is_whitespace).filter(|_| parts.len() + 1 < most);
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        parts.push(word);
        rest = after.trim_start();
    }
    parts
}

fn padding(width: i64, text: &str) -> Result<usize, Error> {
    let missing = usize::try_from(width)
        .unwrap_or_default()
        .saturating_sub(text.chars().count());
    if missing > MAX_TEXT {
        return Err(fault("this text is too wide"));
    }
    Ok(missing)
}

fn center(call: &mut Call) -> Result<Value, Error> {
    let width = call.integer(0, "width")?.unwrap_or(80);
    call.done(1)?;
    centered(&call.subject()?, width, " ")
}

/// The odd one of an odd number of blanks stands where Python puts it.
fn centered(text: &str, width: i64, filler: &str) -> Result<Value, Error> {
    let missing = padding(width, text)?;
    let left = missing / 2 + (missing & usize::try_from(width).unwrap_or_default() & 1);
    Ok(Value::from(format!(
        "{}{text}{}",
        filler.repeat(left),
        filler.repeat(missing - left)
    )))
}

fn replace(call: &mut Call) -> Result<Value, Error> {
    let (old, new) = (call.required_text(0, "old")?, call.required_text(1, "new")?);
    let count = call.integer(2, "count")?.and_then(|count| usize::try_from(count).ok());
    call.done(3)?;
    let text = call.subject()?;
    let grown = text.len().saturating_add(1).saturating_mul(new.len().max(1));
    if grown > MAX_TEXT && text.matches(&old).count().saturating_mul(new.len()) > MAX_TEXT {
        return Err(fault("this text gets too long"));
    }
    Ok(Value::from(text.replacen(&old, &new, count.unwrap_or(usize::MAX))))
}

/// As Jinja2's: text is cut at a word, unless it is only a little too long.
fn truncate(call: &mut Call) -> Result<Value, Error> {
    let size = |index: usize, name: &str, default: usize| {
        Ok::<_, Error>(
            call.integer(index, name)?
                .map_or(default, |size| usize::try_from(size).unwrap_or_default()),
        )
    };
    let (length, leeway) = (size(0, "length", 255)?, size(3, "leeway", 5)?);
    let cuts_words = call.flag(1, "killwords")?;
    let end = call.text(2, "end")?.unwrap_or_else(|| "...".to_owned());
    call.done(4)?;
    let text = call.subject()?;
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(Value::from(text));
    }
    let kept = length
        .checked_sub(end.chars().count())
        .ok_or_else(|| fault("`length` must leave room for `end`"))?;
    let cut: String = text.chars().take(kept).collect();
    let words = if cuts_words {
        cut.as_str()
    } else {
        cut.rsplit_once(' ').map_or(cut.as_str(), |(words, _)| words)
    };
    Ok(Value::from(format!("{words}{end}")))
}

/// In a query made of a map, a blank is a plus.
fn urlencode(call: &mut Call) -> Result<Value, Error> {
    call.done(0)?;
    let is_text = call.value.as_str().is_some();
    let encoded =
        Value::from_function(minijinja::filters::urlencode).call(call.state, std::slice::from_ref(&call.value))?;
    Ok(match encoded.as_str() {
        Some(text) if !is_text => Value::from(text.replace("%20", "+")),
        _ => encoded,
    })
}

fn urldecode(call: &mut Call) -> Result<Value, Error> {
    call.done(0)?;
    let text = call.subject()?.replace('+', " ");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        let byte = code.filter(|code| *first == b'%' && !code.starts_with('+'));
        let byte = byte.and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = byte.and_then(|_| after.get(2..)).unwrap_or(after);
    }
    Ok(Value::from(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Styles of comments: beginning, decoration, end.
const COMMENTS: &[(&str, &str, &str, &str)] = &[
    ("plain", "", "# ", ""),
    ("erlang", "", "% ", ""),
    ("c", "", "// ", ""),
    ("cblock", "/*", " * ", " */"),
    ("xml", "<!--", " - ", "-->"),
];

fn comment(call: &mut Call) -> Result<Value, Error> {
    let style = call.text(0, "style")?.unwrap_or_else(|| "plain".to_owned());
    let known = COMMENTS.iter().find(|(name, _, _, _)| *name == style);
    let &(_, beginning, decoration, end) =
        known.ok_or_else(|| fault("comments are plain, erlang, c, cblock or xml"))?;
    let option =
        |name: &str, default: &str| Ok::<_, Error>(call.text(usize::MAX, name)?.unwrap_or_else(|| default.to_owned()));
    let decoration = option("decoration", decoration)?;
    let (beginning, end) = (option("beginning", beginning)?, option("end", end)?);
    let edge = decoration.trim_end();
    let (prefix, postfix) = (option("prefix", edge)?, option("postfix", edge)?);
    let count = |name: &str| Ok::<_, Error>(call.integer(usize::MAX, name)?.unwrap_or(1).clamp(0, 1000));
    let (before, after) = (count("prefix_count")?, count("postfix_count")?);
    call.done(1)?;
    let mut lines = Vec::new();
    lines.extend((!beginning.is_empty()).then_some(beginning));
    lines.extend((0..before).filter(|_| !prefix.is_empty()).map(|_| prefix.clone()));
    let text = call.subject()?;
    let mut written = text.split('\n').peekable();
    while let Some(line) = written.next() {
        let blank = line.is_empty() && written.peek().is_some();
        lines.push(if blank {
            decoration.trim_end().to_owned()
        } else {
            format!("{decoration}{line}")
        });
    }
    lines.extend((0..after).map(|_| postfix.clone()));
    lines.extend((!end.is_empty()).then_some(end));
    Ok(Value::from(lines.join("\n")))
}

/// `'text' % values`: the engine's `format`, which does the same.
fn percent(call: &mut Call) -> Result<Value, Error> {
    let values = call.required(0, "values")?;
    let mut arguments = vec![call.value.clone()];
    if values.is_tuple() {
        arguments.extend(list(&values)?);
    } else {
        arguments.push(values);
    }
    Value::from_function(minijinja::filters::format).call(call.state, &arguments)
}

/// Methods of Python's strings and lists that the engine has not; none for all others.
pub(in super::super) fn method(value: &Value, name: &str, arguments: &[Value]) -> Option<Result<Value, Error>> {
    match value.kind() {
        ValueKind::String => text_method(value.as_str().unwrap_or_default(), name, arguments),
        ValueKind::Seq | ValueKind::Iterable if name == "index" => Some(index(value, arguments)),
        _ => None,
    }
}

fn index(value: &Value, arguments: &[Value]) -> Result<Value, Error> {
    let (wanted,): (&Value,) = from_args(arguments)?;
    let place = list(value)?.iter().position(|item| item == wanted);
    place
        .map(Value::from)
        .ok_or_else(|| fault("the list does not hold the value"))
}

fn text_method(text: &str, name: &str, arguments: &[Value]) -> Option<Result<Value, Error>> {
    let width = || {
        arguments
            .first()
            .map_or_else(|| Err(fault("a width is missing")), |width| integer(width, "width"))
    };
    let filler = || arguments.get(1).and_then(Value::as_str).unwrap_or(" ");
    let word = |index: usize| arguments.get(index).and_then(Value::as_str);
    let result = match name {
        "casefold" => Ok(Value::from(text.to_lowercase())),
        "center" => width().and_then(|width| centered(text, width, filler())),
        "encode" => Ok(Value::from_bytes(text.as_bytes().to_vec())),
        "expandtabs" => Ok(Value::from(text.replace('\t', "        "))),
        "index" => found(text, word(0), text.find(word(0).unwrap_or_default())),
        "ljust" => {
            width().and_then(|width| Ok(Value::from(format!("{text}{}", filler().repeat(padding(width, text)?)))))
        }
        "partition" => partition(text, word(0), text.split_once(word(0).unwrap_or_default()), true),
        "removeprefix" => Ok(Value::from(
            text.strip_prefix(word(0).unwrap_or_default()).unwrap_or(text),
        )),
        "removesuffix" => Ok(Value::from(
            text.strip_suffix(word(0).unwrap_or_default()).unwrap_or(text),
        )),
        "rindex" => found(text, word(0), text.rfind(word(0).unwrap_or_default())),
        "rjust" => {
            width().and_then(|width| Ok(Value::from(format!("{}{text}", filler().repeat(padding(width, text)?)))))
        }
        "rpartition" => partition(text, word(0), text.rsplit_once(word(0).unwrap_or_default()), false),
        "rsplit" => rsplit(text, word(0), arguments.get(1)),
        "swapcase" => Ok(Value::from(text.chars().map(swapped).collect::<String>())),
        "zfill" => width().and_then(|width| zfill(text, width)),
        _ => return None,
    };
    Some(result)
}

fn swapped(c: char) -> String {
    if c.is_uppercase() {
        c.to_lowercase().collect()
    } else {
        c.to_uppercase().collect()
    }
}

/// A place in bytes as one in characters.
fn found(text: &str, part: Option<&str>, place: Option<usize>) -> Result<Value, Error> {
    part.ok_or_else(|| fault("a text is missing"))?;
    let before = place
        .and_then(|place| text.get(..place))
        .ok_or_else(|| fault("the text does not hold the part"))?;
    Ok(Value::from(before.chars().count()))
}

fn partition(text: &str, separator: Option<&str>, parts: Option<(&str, &str)>, first: bool) -> Result<Value, Error> {
    let separator = separator
        .filter(|text| !text.is_empty())
        .ok_or_else(|| fault("a separator is missing"))?;
    let parts = match parts {
        Some((before, behind)) => [before, separator, behind],
        None if first => [text, "", ""],
        None => ["", "", text],
    };
    Ok(Value::from(Tuple::from(parts.map(Value::from))))
}

fn rsplit(text: &str, separator: Option<&str>, most: Option<&Value>) -> Result<Value, Error> {
    let most = most.map_or(Ok(-1), |most| integer(most, "maxsplit"))?;
    let most = usize::try_from(most).map_or(usize::MAX, |most| most.saturating_add(1));
    let mut parts: Vec<&str> = match separator {
        Some("") => return Err(fault("the separator must not be empty")),
        Some(separator) => text.rsplitn(most, separator).collect(),
        None => text
            .trim()
            .rsplitn(most, char::is_whitespace)
            .filter(|part| !part.is_empty())
            .collect(),
    };
    parts.reverse();
    Ok(parts.into_iter().map(Value::from).collect())
}

fn zfill(text: &str, width: i64) -> Result<Value, Error> {
    let zeros = "0".repeat(padding(width, text)?);
    let sign = text.chars().next().filter(|c| matches!(c, '+' | '-'));
    Ok(Value::from(match sign {
        Some(sign) => format!("{sign}{zeros}{}", text.get(1..).unwrap_or_default()),
        None => format!("{zeros}{text}"),
    }))
}
