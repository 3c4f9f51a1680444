//! `--extra-vars`: `key=value …`, a map in JSON or YAML, or `@file`. As Ansible's `load_extra_vars` and `parse_kv`.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::data::Vars;
use super::text::Texts;
use super::vars_files;
use crate::problem::{Location, Problem, Source};
use crate::yaml::{self, Node, Style, Value};

/// What Ansible calls words that set nothing.
const RAW: &str = "_raw_params";

/// The variables of all options together; the last one of a name wins.
pub(super) fn read(options: &[String], texts: &Texts) -> Result<Vars, Vec<Problem>> {
    let mut vars = Vars::new();
    for option in options.iter().filter(|option| !option.is_empty()) {
        vars.extend(one(option, texts)?);
    }
    Ok(vars)
}

fn one(option: &str, texts: &Texts) -> Result<Vars, Vec<Problem>> {
    let source = Source::new("--extra-vars", option);
    if let Some(file) = option.strip_prefix('@') {
        return vars_files::read_map(Path::new(file), texts);
    }
    if option.starts_with(['/', '.']) {
        let problem = Problem::new(format!("--extra-vars {option} is a file by its looks"));
        return Err(vec![problem.hint(format!("put an @ before it: -e @{option}"))]);
    }
    if option.starts_with(['[', '{']) {
        let root = yaml::load(&source)?.root;
        return vars_files::from_map(&root).map_err(|problem| vec![problem]);
    }
    pairs(&source, texts).map_err(|problem| vec![problem])
}

fn pairs(source: &Arc<Source>, texts: &Texts) -> Result<Vars, Problem> {
    let mut vars = Vars::new();
    let mut raw = Vec::new();
    for span in words(source)? {
        let at = Location {
            source: Arc::clone(source),
            span,
        };
        let word = decoded(at.text());
        let Some((key, value)) = divided(&word) else {
            let problem = Problem::at(&at, format!("`{word}` sets nothing"));
            texts.warn([problem.hint("write key=value")]);
            raw.push(word.replace("\\=", "="));
            continue;
        };
        let value = Value::String(unquoted(value.trim()).to_owned());
        let style = Style::Plain;
        vars.insert(key.trim().to_owned(), Node { value, at, style });
    }
    if vars.is_empty() && raw.is_empty() {
        raw.push(source.text.clone());
    }
    if !raw.is_empty() {
        let at = Location {
            source: Arc::clone(source),
            span: 0..source.text.len(),
        };
        let value = Value::String(raw.join(" "));
        let style = Style::Plain;
        vars.insert(RAW.to_owned(), Node { value, at, style });
    }
    Ok(vars)
}

/// Key and value around the first `=` that is neither the first character nor escaped.
fn divided(word: &str) -> Option<(&str, &str)> {
    let stands_alone = |at: &usize| *at > 0 && !word.get(..*at).unwrap_or_default().ends_with('\\');
    let at = word.match_indices('=').map(|(at, _)| at).find(stands_alone)?;
    Some((word.get(..at)?, word.get(at + 1..)?))
}

/// Without the quotes around it.
fn unquoted(text: &str) -> &str {
    let inner = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    match inner('"').or_else(|| inner('\'')) {
        Some(inner) if !inner.ends_with('\\') => inner,
        _ => text,
    }
}

/// What is open at some place of the text.
#[derive(Default)]
struct Open {
    quote: Option<char>,
    /// `{{`, `{%`, `{#`.
    blocks: [usize; 3],
}

impl Open {
    fn is_some(&self) -> bool {
        self.quote.is_some() || self.blocks.iter().any(|depth| *depth > 0)
    }

    fn read(&mut self, token: &str) {
        let mut before = None;
        for c in token.chars() {
            if "'\"".contains(c) && before != Some('\\') {
                match self.quote {
                    Some(quote) if quote == c => self.quote = None,
                    Some(_) => {}
                    None => self.quote = Some(c),
                }
            }
            before = Some(c);
        }
        let pairs = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")];
        for (depth, (open, close)) in self.blocks.iter_mut().zip(pairs) {
            *depth = (*depth + token.matches(open).count()).saturating_sub(token.matches(close).count());
        }
    }
}

/// The words of a text: blanks and line ends divide it outside of quotes and templates. A lone backslash is none.
fn words(source: &Arc<Source>) -> Result<Vec<Range<usize>>, Problem> {
    let mut words: Vec<Range<usize>> = Vec::new();
    let (mut open, mut start) = (Open::default(), 0);
    for piece in source.text.split_inclusive([' ', '\n']) {
        let token = piece.trim_end_matches([' ', '\n']);
        let span = start..start + token.len();
        start += piece.len();
        if token.is_empty() || (token == "\\" && open.quote.is_none()) {
            continue;
        }
        let was_open = open.is_some();
        open.read(token);
        match words.last_mut() {
            Some(word) if was_open => word.end = span.end,
            _ => words.push(span),
        }
    }
    if open.is_some() {
        let at = Location {
            source: Arc::clone(source),
            span: words.last().cloned().unwrap_or_default(),
        };
        return Err(Problem::at(&at, "a quotation mark or a `{{` has no partner"));
    }
    Ok(words)
}

/// With `\n`, `\x41`, `\u00e9` and the like read as in Python; names of characters (`\N{…}`) stay.
fn decoded(text: &str) -> String {
    let mut decoded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, behind) = rest.split_at(at);
        decoded.push_str(before);
        let (c, length) = escape(behind).unwrap_or(('\\', 1));
        decoded.push(c);
        rest = behind.get(length..).unwrap_or_default();
    }
    decoded + rest
}

/// The character that an escape stands for, and its length.
fn escape(text: &str) -> Option<(char, usize)> {
    let kind = text.chars().nth(1)?;
    let digits = match kind {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => {
            let plain = [('\\', '\\'), ('\'', '\''), ('"', '"'), ('a', '\u{7}'), ('b', '\u{8}')];
            let more = [('f', '\u{c}'), ('n', '\n'), ('r', '\r'), ('t', '\t'), ('v', '\u{b}')];
            let found = plain.into_iter().chain(more).find(|(escape, _)| *escape == kind);
            return found.map(|(_, c)| (c, 2));
        }
    };
    let hex = text
        .get(2..2 + digits)
        .filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    let c = char::from_u32(u32::from_str_radix(hex, 16).ok()?)?;
    Some((c, 2 + digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{InMemory, World};

    /// `name=value` of each variable, in order.
    fn shown(options: &[&str]) -> Vec<String> {
        let world = InMemory::default()
            .file("v.yml", "{a: from file, b: [1]}")
            .file("l.yml", "[1]");
        let world: Arc<dyn World> = Arc::new(world);
        let texts = Texts::new(&world, &Arc::default());
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        match read(&options, &texts) {
            Ok(vars) => vars
                .iter()
                .map(|(name, node)| format!("{name}={}", node.as_str().unwrap_or(node.value.kind())))
                .collect(),
            Err(problems) => problems
                .into_iter()
                .map(|problem| format!("error: {}", problem.message))
                .collect(),
        }
    }

    /// As ansible-core 2.19 answers.
    #[test]
    fn pairs_are_those_of_ansible() {
        let cases: [(&str, &[&str]); 13] = [
            ("a=1 b=2", &["a=1", "b=2"]),
            ("a=1   b=2 ", &["a=1", "b=2"]),
            ("a='x y' b=\"z\"", &["a=x y", "b=z"]),
            ("a=x=y", &["a=x=y"]),
            ("a={{ b | default('x y') }} c=d", &["a={{ b | default('x y') }}", "c=d"]),
            ("a=", &["a="]),
            ("a='it\\'s'", &["a=it's"]),
            ("a=x\\ty", &["a=x\ty"]),
            ("a=\\x41\\u00e9", &["a=Aé"]),
            ("a=1\nb=2", &["a=1", "b=2"]),
            ("a=1 \\\nb=2", &["a=1", "b=2"]),
            ("word", &["_raw_params=word"]),
            ("=x", &["_raw_params==x"]),
        ];
        for (option, expected) in cases {
            assert_eq!(shown(&[option]), expected, "{option}");
        }
    }

    #[test]
    fn maps_and_files() {
        assert_eq!(shown(&["{\"a\": \"x\", \"b\": 1}"]), ["a=x", "b=a number"]);
        assert_eq!(shown(&["{a: x}", "a=y"]), ["a=y"]);
        assert_eq!(shown(&["@v.yml"]), ["a=from file", "b=a list"]);
        assert_eq!(shown(&["@l.yml"]), ["error: variables are a map, and this is a list"]);
        assert_eq!(shown(&["[1]"]), ["error: variables are a map, and this is a list"]);
        assert!(shown(&["./v.yml"])[0].starts_with("error: --extra-vars ./v.yml is a file"));
        assert!(shown(&["@none"])[0].starts_with("error: cannot read none"));
        assert!(shown(&["a='x"])[0].starts_with("error: a quotation mark"));
    }
}
