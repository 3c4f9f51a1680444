//! Anchors, aliases, tags and directives.

use super::{Kind, Result, Scanner, Token};

impl<'s> Scanner<'s> {
    /// Passes the characters of a name: letters, digits, `_` and `-`.
    fn pass_name(&mut self) -> &'s str {
        let start = self.at;
        while self.byte(0).is_some_and(is_name) {
            self.at += 1;
        }
        self.slice(start..self.at)
    }

    /// `&name` or `*name`.
    pub(super) fn anchor(&mut self, is_alias: bool) -> Result<Token<'s>> {
        let start = self.at;
        self.at += 1;
        let name = self.pass_name();
        let ends = self.is_space(0) || self.byte(0).is_some_and(|byte| b"?:,]}%@`".contains(&byte));
        if name.is_empty() || !ends {
            return Err(self.problem_here("the name of an anchor is letters, digits, `_` and `-`"));
        }
        let kind = if is_alias {
            Kind::Alias(name)
        } else {
            Kind::Anchor(name)
        };
        Ok(self.token(kind, start))
    }

    fn token(&self, kind: Kind<'s>, start: usize) -> Token<'s> {
        Token {
            kind,
            span: start..self.at,
        }
    }

    pub(super) fn tag(&mut self) -> Result<Token<'s>> {
        let start = self.at;
        let (handle, suffix) = if self.byte(1) == Some(b'<') {
            self.at += 2;
            let uri = self.uri(true, String::new(), true)?;
            if self.byte(0) != Some(b'>') {
                return Err(self.problem_here("a tag that begins with `!<` ends with `>`"));
            }
            self.at += 1;
            ("", uri)
        } else {
            self.short_tag()?
        };
        if !(self.is_space(0) || self.is_flow() && self.byte(0) == Some(b',')) {
            return Err(self.problem_here("a blank must follow a tag"));
        }
        Ok(self.token(Kind::Tag { handle, suffix }, start))
    }

    /// `!name`, `!!name` or `!handle!name`.
    fn short_tag(&mut self) -> Result<(&'s str, String)> {
        let handle = self.handle();
        if handle.len() > 1 && handle.ends_with('!') {
            return Ok((handle, self.uri(false, String::new(), true)?));
        }
        let name = handle.trim_start_matches('!').to_owned();
        let suffix = self.uri(false, name, false)?;
        Ok(if suffix.is_empty() {
            ("", "!".to_owned())
        } else {
            ("!", suffix)
        })
    }

    /// `!`, `!name` or `!name!`.
    fn handle(&mut self) -> &'s str {
        let start = self.at;
        self.at += 1;
        self.pass_name();
        self.at += usize::from(self.byte(0) == Some(b'!'));
        self.slice(start..self.at)
    }

    /// The characters of a tag, behind those that were read before.
    fn uri(&mut self, is_long: bool, before: String, is_required: bool) -> Result<String> {
        let start = self.at;
        let mut bytes = before.into_bytes();
        while let Some(byte) = self.byte(0) {
            let allowed = is_name(byte) || b";/?:@&=+$.%!~*'()".contains(&byte) || (is_long && b",[]".contains(&byte));
            if !allowed {
                break;
            }
            bytes.push(if byte == b'%' { self.escaped_byte()? } else { byte });
            self.at += 1;
        }
        if is_required && self.at == start {
            return Err(self.problem_here("the name of a tag is missing"));
        }
        String::from_utf8(bytes).map_err(|_| self.problem(start..self.at, "this tag is not UTF-8"))
    }

    /// `%41`; its last character is left.
    fn escaped_byte(&mut self) -> Result<u8> {
        let digits = self.slice(self.at + 1..self.at + 3);
        let byte = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        match u8::from_str_radix(digits, 16) {
            Ok(value) if byte && digits.len() == 2 => {
                self.at += 2;
                Ok(value)
            }
            _ => Err(self.problem_here("two hexadecimal digits must follow `%` in a tag")),
        }
    }

    /// A line that begins with `%`.
    pub(super) fn directive(&mut self) -> Result<Token<'s>> {
        let start = self.at;
        self.at += 1;
        let kind = match self.pass_name() {
            "YAML" => self.version()?,
            "TAG" => self.tag_prefix()?,
            _ => return Err(self.problem(start..self.at, "a line that begins with `%` is `%YAML` or `%TAG`")),
        };
        let token = self.token(kind, start);
        self.pass_blanks();
        self.pass_comment();
        if !self.is_space(0) {
            return Err(self.problem_here("nothing more can stand in this line"));
        }
        self.pass_break();
        Ok(token)
    }

    fn version(&mut self) -> Result<Kind<'s>> {
        self.pass_blanks();
        let start = self.at;
        while self.byte(0).is_some_and(|byte| byte.is_ascii_digit() || byte == b'.') {
            self.at += 1;
        }
        let number = |text: &str| {
            (1..=9)
                .contains(&text.len())
                .then(|| text.parse::<u32>().ok())
                .flatten()
        };
        let version = self.slice(start..self.at).split_once('.');
        let Some((major, minor)) = version.and_then(|(major, minor)| Some((number(major)?, number(minor)?))) else {
            return Err(self.problem(start..self.at, "a version is two numbers, like 1.1"));
        };
        let is_known = major == 1 && (minor == 1 || minor == 2);
        Ok(Kind::Version { is_known })
    }

    fn tag_prefix(&mut self) -> Result<Kind<'s>> {
        self.pass_blanks();
        let start = self.at;
        let handle = if self.byte(0) == Some(b'!') { self.handle() } else { "" };
        if !handle.ends_with('!') || !self.is_blank() {
            return Err(self.problem(start..self.at, "`%TAG` needs a handle, like `!name!`"));
        }
        self.pass_blanks();
        let prefix = self.uri(true, String::new(), true)?;
        Ok(Kind::TagPrefix { handle, prefix })
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}
