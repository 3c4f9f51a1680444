//! Paths and addresses of the web, as text: nothing is looked up but the home folder.

use minijinja::value::Tuple;
use minijinja::{Error, Value};

use super::Table;
use crate::template::calls::{Call, fault, only_list};
use crate::template::python;

pub(super) const FILTERS: Table = &[
    ("basename", basename),
    ("commonpath", commonpath),
    ("dirname", dirname),
    ("expanduser", expanduser),
    ("normpath", normpath),
    ("path_join", path_join),
    ("relpath", relpath),
    ("splitext", splitext),
    ("urlsplit", urlsplit),
    ("win_basename", win_basename),
    ("win_dirname", win_dirname),
];

fn basename(call: &mut Call) -> Result<Value, Error> {
    call.done(0)?;
    let path = call.subject()?;
    Ok(Value::from(path.rsplit('/').next().unwrap_or_default()))
}

fn dirname(call: &mut Call) -> Result<Value, Error> {
    call.done(0)?;
    let path = call.subject()?;
    let head = path
        .get(..=path.rfind('/').unwrap_or(usize::MAX - 1))
        .unwrap_or_default();
    let trimmed = head.trim_end_matches('/');
    Ok(Value::from(if trimmed.is_empty() { head } else { trimmed }))
}

fn is_win_separator(c: char) -> bool {
    matches!(c, '/' | '\\')
}

fn win_basename(call: &mut Call) -> Result<Value, Error> {
    call.done(0)?;
    let path = call.subject()?;
    let behind_drive = path.split_once(':').map_or(path.as_str(), |(_, rest)| rest);
    Ok(Value::from(
        behind_drive.rsplit(is_win_separator).next().unwrap_or_default(),
    ))
}

fn win_dirname(call: &mut Call) -> Result<Value, Error> {
    call.done(0)?;
    let path = call.subject()?;
    let head = path
        .rfind(is_win_separator)
        .and_then(|at| path.get(..=at))
        .unwrap_or_default();
    let trimmed = head.trim_end_matches(is_win_separator);
    Ok(Value::from(if trimmed.is_empty() || trimmed.ends_with(':') {
        head
    } else {
        trimmed
    }))
}

fn splitext(call: &mut Call) -> Result<Value, Error> {
    call.done(0)?;
    let path = call.subject()?;
    let name = path.rfind('/').map_or(0, |at| at + 1);
    let dot = path.rfind('.').filter(|at| *at > name);
    // Leading dots belong to the name.
    let dot = dot.filter(|at| {
        path.get(name..*at)
            .is_some_and(|stem| !stem.bytes().all(|byte| byte == b'.'))
    });
    let (stem, end) = path.split_at(dot.unwrap_or(path.len()));
    Ok(Value::from(Tuple::from([Value::from(stem), Value::from(end)])))
}

fn expanduser(call: &mut Call) -> Result<Value, Error> {
    call.done(0)?;
    let path = call.subject()?;
    let home = call.context()?.shared.engine.world.variable("HOME");
    let rest = path
        .strip_prefix('~')
        .filter(|rest| rest.is_empty() || rest.starts_with('/'));
    Ok(Value::from(match (rest, home) {
        (Some(rest), Some(home)) => match format!("{}{rest}", home.trim_end_matches('/')) {
            expanded if expanded.is_empty() => "/".to_owned(),
            expanded => expanded,
        },
        _ => path,
    }))
}

/// A path without `.`, `..` and doubled slashes, as far as text tells.
fn normal(path: &str) -> String {
    // POSIX gives exactly two leading slashes a meaning of their own.
    let root = if path.starts_with("//") && !path.starts_with("///") {
        "//"
    } else if path.starts_with('/') {
        "/"
    } else {
        ""
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match parts.last() {
            Some(last) if part == ".." && *last != ".." => {
                parts.pop();
            }
            None if part == ".." && !root.is_empty() => {}
            _ => parts.push(part),
        }
    }
    match format!("{root}{}", parts.join("/")) {
        path if path.is_empty() => ".".to_owned(),
        path => path,
    }
}

fn normpath(call: &mut Call) -> Result<Value, Error> {
    call.done(0)?;
    Ok(Value::from(normal(&call.subject()?)))
}

fn relpath(call: &mut Call) -> Result<Value, Error> {
    let start = call.text(0, "start")?.unwrap_or_else(|| ".".to_owned());
    call.done(1)?;
    let here = call.context()?.shared.engine.world.current_folder();
    let absolute = |path: &str| normal(&here.join(path).to_string_lossy());
    let (path, start) = (absolute(&call.subject()?), absolute(&start));
    let parts = |path: &str| -> Vec<String> {
        path.split('/')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let (path, start) = (parts(&path), parts(&start));
    let common = path
        .iter()
        .zip(&start)
        .take_while(|(ours, theirs)| ours == theirs)
        .count();
    let up = start.iter().skip(common).map(|_| "..");
    let steps: Vec<&str> = up.chain(path.iter().skip(common).map(String::as_str)).collect();
    Ok(Value::from(if steps.is_empty() {
        ".".to_owned()
    } else {
        steps.join("/")
    }))
}

fn path_join(call: &mut Call) -> Result<Value, Error> {
    call.done(0)?;
    if call.value.as_str().is_some() {
        return Ok(call.value.clone());
    }
    let mut joined = String::new();
    for part in only_list(&call.value, "what is joined")? {
        let part = python::text(&part)?;
        if part.starts_with('/') {
            joined = part;
        } else if joined.is_empty() || joined.ends_with('/') {
            joined += &part;
        } else {
            joined = format!("{joined}/{part}");
        }
    }
    Ok(Value::from(joined))
}

fn commonpath(call: &mut Call) -> Result<Value, Error> {
    call.done(0)?;
    let paths: Vec<String> = only_list(&call.value, "this")?
        .iter()
        .map(python::text)
        .collect::<Result<_, _>>()?;
    let Some(first) = paths.first() else {
        return Err(fault("an empty list has no common path"));
    };
    let is_absolute = first.starts_with('/');
    if paths.iter().any(|path| path.starts_with('/') != is_absolute) {
        return Err(fault("absolute and relative paths have nothing in common"));
    }
    let parts = |path: &String| -> Vec<String> {
        path.split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .map(str::to_owned)
            .collect()
    };
    let mut common = parts(first);
    for path in &paths {
        let same = common
            .iter()
            .zip(&parts(path))
            .take_while(|(ours, theirs)| ours == theirs)
            .count();
        common.truncate(same);
    }
    Ok(Value::from(format!(
        "{}{}",
        if is_absolute { "/" } else { "" },
        common.join("/")
    )))
}

fn urlsplit(call: &mut Call) -> Result<Value, Error> {
    let query = call.text(0, "query")?.unwrap_or_default();
    call.done(2)?;
    let url = call.subject()?;
    let parts = url_parts(&url)?;
    if query.is_empty() {
        return Ok(Value::from_pairs(parts));
    }
    let found = parts
        .into_iter()
        .find(|(name, _)| *name == query)
        .map(|(_, value)| value);
    found.ok_or_else(|| fault("a URL has fragment, hostname, netloc, password, path, port, query, scheme and username"))
}

fn url_parts(url: &str) -> Result<[(&'static str, Value); 9], Error> {
    let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
    let is_scheme = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    let (scheme, rest) = rest
        .split_once(':')
        .filter(|(scheme, _)| is_scheme(scheme))
        .unwrap_or(("", rest));
    let (netloc, rest) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len())),
        None => ("", rest),
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (user, host) = netloc
        .rsplit_once('@')
        .map_or((None, netloc), |(user, host)| (Some(user), host));
    let (name, password) = match user.map(|user| {
        user.split_once(':')
            .map_or((user, None), |(name, rest)| (name, Some(rest)))
    }) {
        Some((name, password)) => (Some(name), password),
        None => (None, None),
    };
    let (host, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => host
            .split_once(':')
            .map_or((host, None), |(host, port)| (host, Some(port))),
    };
    let port = port.filter(|port| !port.is_empty()).map(str::parse::<u16>).transpose();
    let port = port.map_err(|_| fault("the port of the URL is none"))?;
    let or_none = |text: Option<&str>| text.map_or(Value::from(()), Value::from);
    Ok([
        ("fragment", Value::from(fragment)),
        (
            "hostname",
            or_none(Some(host.to_lowercase()).filter(|host| !host.is_empty()).as_deref()),
        ),
        ("netloc", Value::from(netloc)),
        ("password", or_none(password)),
        ("path", Value::from(path)),
        ("port", port.map_or(Value::from(()), Value::from)),
        ("query", Value::from(query)),
        ("scheme", Value::from(scheme.to_lowercase())),
        ("username", or_none(name)),
    ])
}
