//! Regular expressions in the syntax of Python's `re`, which is what Ansible's `~` takes.
//!
//! The engine's own syntax differs: sets in sets, `\h`, `\<` or `a**` mean something there and are literals or errors
//! here. So an expression is read as Python reads it and written anew in the words that both understand.

use std::iter::Peekable;
use std::str::Chars;

use fancy_regex::{Regex, RegexBuilder};

/// Far beyond what names of hosts need, and over at once for all hosts of a large inventory.
const MAX_STEPS: usize = 20_000;

/// Why an expression is none, or does not come to an end.
pub(in crate::inventory) type Reason = String;

/// An expression that is compared with the beginning of names.
#[derive(Debug, Clone)]
pub(in crate::inventory) struct Expression(Regex);

impl Expression {
    /// Compiles an expression.
    pub fn new(text: &str) -> Result<Self, Reason> {
        let anchored = Translation::of(text)?;
        RegexBuilder::new(&anchored)
            .backtrack_limit(MAX_STEPS)
            .build()
            .map(Self)
            .map_err(|error| error.to_string())
    }

    /// Whether a name begins as the expression says.
    pub fn matches(&self, name: &str) -> Result<bool, Reason> {
        let too_long = |_| "it takes too long to compare with names".to_owned();
        self.0.is_match(name).map_err(too_long)
    }
}

/// What came last, and so whether it can be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// The beginning of something, or a place and no text.
    Nothing,
    Item,
    Repeat,
}

struct Translation<'t> {
    rest: Peekable<Chars<'t>>,
    written: String,
    last: Last,
    depth: usize,
}

impl<'t> Translation<'t> {
    fn of(text: &'t str) -> Result<String, Reason> {
        let (flags, body) = global_flags(text);
        let mut translation = Self {
            rest: body.chars().peekable(),
            written: String::new(),
            last: Last::Nothing,
            depth: 0,
        };
        while let Some(c) = translation.rest.next() {
            translation.one(c)?;
        }
        if translation.depth > 0 {
            return Err("a parenthesis is not closed".to_owned());
        }
        // A comment of the verbose form would swallow the parenthesis.
        let end = if flags.contains('x') { "\n" } else { "" };
        let global = if flags.is_empty() {
            String::new()
        } else {
            format!("(?{flags})")
        };
        Ok(format!(r"{global}\A(?:{}{end})", translation.written))
    }

    fn one(&mut self, c: char) -> Result<(), Reason> {
        match c {
            '\\' => self.escape(),
            '[' => self.set(),
            '(' => self.open(),
            ')' => self.close(),
            '*' | '+' | '?' => self.repeat(&c.to_string()),
            '{' => self.braces(),
            '|' | '^' | '$' => {
                self.put(&c.to_string(), Last::Nothing);
                Ok(())
            }
            ']' | '}' => {
                self.put(&literal(c), Last::Item);
                Ok(())
            }
            c => {
                self.put(&c.to_string(), Last::Item);
                Ok(())
            }
        }
    }

    fn put(&mut self, text: &str, last: Last) {
        self.written.push_str(text);
        self.last = last;
    }

    /// `*`, `+`, `?` or a number in braces, with what makes it lazy or possessive.
    fn repeat(&mut self, operator: &str) -> Result<(), Reason> {
        match self.last {
            Last::Nothing => return Err(format!("there is nothing that `{operator}` could repeat")),
            Last::Repeat => return Err(format!("`{operator}` repeats what is repeated already")),
            Last::Item => {}
        }
        self.put(operator, Last::Repeat);
        if let Some(mode) = self.rest.next_if(|c| matches!(c, '?' | '+')) {
            self.written.push(mode);
        }
        Ok(())
    }

    /// `{2}`, `{2,}`, `{,3}` and `{2,3}` repeat; any other brace is a brace.
    fn braces(&mut self) -> Result<(), Reason> {
        let mut ahead = self.rest.clone();
        let least = digits(&mut ahead);
        let most = ahead.next_if_eq(&',').map(|_| digits(&mut ahead));
        if ahead.next() != Some('}') || (least.is_empty() && most.is_none()) {
            self.put(&literal('{'), Last::Item);
            return Ok(());
        }
        self.rest = ahead;
        let least = if least.is_empty() { "0" } else { &least };
        match most {
            None => self.repeat(&format!("{{{least}}}")),
            Some(most) => self.repeat(&format!("{{{least},{most}}}")),
        }
    }

    fn open(&mut self) -> Result<(), Reason> {
        self.depth += 1;
        if self.rest.next_if_eq(&'?').is_none() {
            self.put("(", Last::Nothing);
            return Ok(());
        }
        let unknown = || "what follows `(?` is unknown".to_owned();
        match self.rest.next().ok_or_else(unknown)? {
            c @ (':' | '=' | '!' | '>') => self.put(&format!("(?{c}"), Last::Nothing),
            '<' => match self.rest.next() {
                Some(c @ ('=' | '!')) => self.put(&format!("(?<{c}"), Last::Nothing),
                _ => return Err(unknown()),
            },
            'P' => return self.named(),
            '#' => {
                self.depth -= 1;
                return self.until(')').map(drop);
            }
            '(' => {
                let group = self.until(')')?;
                let group = if is_number(&group) {
                    group
                } else {
                    format!("<{}>", name(&group)?)
                };
                self.put(&format!("(?({group})"), Last::Nothing);
            }
            c => {
                let flags = format!("{c}{}", self.until(':')?);
                self.put(&format!("(?{}:", scoped_flags(&flags)?), Last::Nothing);
            }
        }
        Ok(())
    }

    /// `(?P<name>` and `(?P=name)`.
    fn named(&mut self) -> Result<(), Reason> {
        match self.rest.next() {
            Some('<') => {
                let group = self.until('>')?;
                self.put(&format!("(?P<{}>", name(&group)?), Last::Nothing);
            }
            Some('=') => {
                self.depth -= 1;
                let group = self.until(')')?;
                self.put(&format!("(?P={})", name(&group)?), Last::Item);
            }
            _ => return Err("what follows `(?P` is unknown".to_owned()),
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Reason> {
        let unbalanced = || "a parenthesis is closed that was not opened".to_owned();
        self.depth = self.depth.checked_sub(1).ok_or_else(unbalanced)?;
        self.put(")", Last::Item);
        Ok(())
    }

    fn until(&mut self, end: char) -> Result<String, Reason> {
        let mut text = String::new();
        for c in self.rest.by_ref() {
            if c == end {
                return Ok(text);
            }
            text.push(c);
        }
        Err(format!("`{end}` is missing"))
    }

    /// What a backslash means outside of brackets.
    fn escape(&mut self) -> Result<(), Reason> {
        let c = self.rest.next().ok_or("it ends with a backslash")?;
        match c {
            'A' | 'b' | 'B' => self.put(&format!("\\{c}"), Last::Nothing),
            'Z' => self.put(r"\z", Last::Nothing),
            '1'..='9' => self.reference(c)?,
            c => {
                let written = match self.escaped(c)? {
                    Escaped::Class(class) => format!("\\{class}"),
                    Escaped::Char(c) => literal(c),
                };
                self.put(&written, Last::Item);
            }
        }
        Ok(())
    }

    /// A group's number, or a character by three octal digits.
    fn reference(&mut self, first: char) -> Result<(), Reason> {
        let mut number = first.to_string();
        number.extend(self.rest.next_if(char::is_ascii_digit));
        let is_octal = |text: &str| text.chars().all(|c| c.is_digit(8));
        if let Some(third) = self
            .rest
            .next_if(|c| c.is_digit(8) && number.len() == 2 && is_octal(&number))
        {
            number.push(third);
            self.put(&literal(octal(&number)?), Last::Item);
        } else {
            self.put(&format!("(?:\\{number})"), Last::Item);
        }
        Ok(())
    }

    /// What a backslash means in brackets as well as outside.
    fn escaped(&mut self, c: char) -> Result<Escaped, Reason> {
        let escaped = match c {
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => return Ok(Escaped::Class(c)),
            'a' => '\x07',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'x' => self.hexadecimal(2)?,
            'u' => self.hexadecimal(4)?,
            'U' => self.hexadecimal(8)?,
            '0' => {
                let mut number = c.to_string();
                let more = std::iter::from_fn(|| self.rest.next_if(|c| c.is_digit(8)));
                number.extend(more.take(2));
                octal(&number)?
            }
            c if c.is_ascii_alphanumeric() => return Err(format!("`\\{c}` means nothing")),
            c => c,
        };
        Ok(Escaped::Char(escaped))
    }

    fn hexadecimal(&mut self, count: usize) -> Result<char, Reason> {
        let number: String = std::iter::from_fn(|| self.rest.next_if(char::is_ascii_hexdigit))
            .take(count)
            .collect();
        let code = u32::from_str_radix(&number, 16).ok().filter(|_| number.len() == count);
        let wrong = || format!("a character's number has {count} hexadecimal digits");
        code.and_then(char::from_u32).ok_or_else(wrong)
    }

    /// `[...]`, of which every character is written by its number.
    fn set(&mut self) -> Result<(), Reason> {
        let mut written = String::from("[");
        if self.rest.next_if_eq(&'^').is_some() {
            written.push('^');
        }
        let unclosed = || "a bracket is not closed".to_owned();
        let mut is_first = true;
        loop {
            let c = self.rest.next().ok_or_else(unclosed)?;
            if c == ']' && !is_first {
                break;
            }
            is_first = false;
            let begin = self.member(c)?;
            written.push_str(&self.range(&begin)?.unwrap_or_else(|| begin.written()));
        }
        written.push(']');
        self.put(&written, Last::Item);
        Ok(())
    }

    /// The range that begins with a member, if one does.
    fn range(&mut self, begin: &Escaped) -> Result<Option<String>, Reason> {
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('-') || ahead.peek().is_none_or(|c| *c == ']') {
            return Ok(None);
        }
        self.rest = ahead;
        let end = self.rest.next().ok_or("a bracket is not closed")?;
        match (begin, self.member(end)?) {
            (Escaped::Char(begin), Escaped::Char(end)) if *begin <= end => {
                Ok(Some(format!("{}-{}", number(*begin), number(end))))
            }
            _ => Err("a range in brackets ends before it begins".to_owned()),
        }
    }

    fn member(&mut self, c: char) -> Result<Escaped, Reason> {
        if c != '\\' {
            return Ok(Escaped::Char(c));
        }
        match self.rest.next().ok_or("it ends with a backslash")? {
            'b' => Ok(Escaped::Char('\x08')),
            c => self.escaped(c),
        }
    }
}

enum Escaped {
    Class(char),
    Char(char),
}

impl Escaped {
    fn written(&self) -> String {
        match self {
            Self::Class(class) => format!("\\{class}"),
            Self::Char(c) => number(*c),
        }
    }
}

/// Flags that count for all of an expression stand at its very beginning.
fn global_flags(text: &str) -> (String, &str) {
    let (mut flags, mut body) = (String::new(), text);
    while let Some((more, rest)) = body.strip_prefix("(?").and_then(|rest| rest.split_once(')')) {
        if more.is_empty() || !more.chars().all(|c| "imsux".contains(c)) {
            break;
        }
        let new: String = "imsx"
            .chars()
            .filter(|c| more.contains(*c) && !flags.contains(*c))
            .collect();
        flags.push_str(&new);
        body = rest;
    }
    (flags, body)
}

fn scoped_flags(flags: &str) -> Result<String, Reason> {
    let (on, off) = flags.split_once('-').unwrap_or((flags, ""));
    let is_known = on.chars().all(|c| "imsux".contains(c)) && off.chars().all(|c| "imsx".contains(c));
    if !is_known || flags.ends_with('-') {
        return Err(format!("the flags `{flags}` are unknown, or not at the beginning"));
    }
    Ok(flags.replace('u', ""))
}

fn digits(rest: &mut Peekable<Chars<'_>>) -> String {
    std::iter::from_fn(|| rest.next_if(char::is_ascii_digit)).collect()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The name of a group: a name of Python's.
fn name(text: &str) -> Result<&str, Reason> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    if text.is_empty() || text.starts_with(|c: char| c.is_numeric()) || !text.chars().all(is_part) {
        return Err(format!("`{text}` is no name of a group"));
    }
    Ok(text)
}

fn octal(number: &str) -> Result<char, Reason> {
    let code = u32::from_str_radix(number, 8).ok().filter(|code| *code <= 0o377);
    let wrong = || format!("`\\{number}` is no character");
    code.and_then(char::from_u32).ok_or_else(wrong)
}

/// A character by its number, which stands for itself wherever it is.
fn number(c: char) -> String {
    format!("\\x{{{:x}}}", u32::from(c))
}

fn literal(c: char) -> String {
    if c.is_alphanumeric() { c.to_string() } else { number(c) }
}
