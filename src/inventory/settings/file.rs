//! `ansible.cfg` as Python's `configparser` reads it for Ansible: `;` begins a comment after a blank, deeper lines go
//! on with a value, names of options are lower case, `[DEFAULT]` stands behind all sections, nothing is interpolated.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::problem::{Location, Problem, Source};

/// The section behind all others.
const DEFAULT: &str = "DEFAULT";

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub text: String,
    pub at: Location,
}

/// Sections, and their options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct File {
    sections: IndexMap<String, IndexMap<String, Entry>>,
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// The first line that is neither a section nor an option, or that says again what was said.
    pub fn parse(source: &Arc<Source>) -> Result<Self, Problem> {
        let mut reader = Reader {
            file: Self::default(),
            section: None,
            option: None,
            indent: 0,
        };
        let mut start = 0;
        for line in source.text.split('\n') {
            let at = Location {
                source: Arc::clone(source),
                span: start..start + line.len(),
            };
            reader.line(line, &at)?;
            start += line.len() + 1;
        }
        Ok(reader.file.trimmed())
    }

    /// An option of a section; none at all where the section is not there.
    pub fn get(&self, section: &str, option: &str) -> Option<&Entry> {
        let own = self.sections.get(section)?;
        own.get(option).or_else(|| self.sections.get(DEFAULT)?.get(option))
    }

    fn trimmed(mut self) -> Self {
        for entry in self.sections.values_mut().flat_map(IndexMap::values_mut) {
            entry.text.truncate(entry.text.trim_end().len());
        }
        self
    }
}

struct Reader {
    file: File,
    section: Option<String>,
    option: Option<String>,
    indent: usize,
}

impl Reader {
    fn line(&mut self, line: &str, at: &Location) -> Result<(), Problem> {
        let (text, has_comment) = without_comment(line);
        let value = text.trim();
        if value.is_empty() {
            if !has_comment {
                self.go_on("");
            }
            return Ok(());
        }
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        if indent > self.indent && self.go_on(value) {
            return Ok(());
        }
        self.indent = indent;
        match section(value) {
            Some(name) => self.begin(name, at),
            None => self.set(value, at),
        }
    }

    /// One more line of the last value, if there is one.
    fn go_on(&mut self, line: &str) -> bool {
        let entry = self.option.as_ref().zip(self.section.as_ref());
        let entry = entry.and_then(|(option, section)| self.file.sections.get_mut(section)?.get_mut(option));
        let is_there = entry.is_some();
        if let Some(entry) = entry {
            entry.text.push('\n');
            entry.text.push_str(line);
        }
        is_there
    }

    fn begin(&mut self, name: &str, at: &Location) -> Result<(), Problem> {
        self.option = None;
        self.section = Some(name.to_owned());
        if self.file.sections.contains_key(name) && name != DEFAULT {
            return Err(Problem::at(at, format!("section [{name}] is there already")));
        }
        self.file.sections.entry(name.to_owned()).or_default();
        Ok(())
    }

    fn set(&mut self, line: &str, at: &Location) -> Result<(), Problem> {
        let section = self.section.as_ref().and_then(|name| self.file.sections.get_mut(name));
        let section = section.ok_or_else(|| Problem::at(at, "an option stands before the first [section]"))?;
        let (option, value) = line
            .split_once(['=', ':'])
            .filter(|(option, _)| !option.trim().is_empty())
            .ok_or_else(|| Problem::at(at, "this is neither [section] nor option = value"))?;
        let option = option.trim_end().to_lowercase();
        let entry = Entry {
            text: value.trim().to_owned(),
            at: at.clone(),
        };
        if section.insert(option.clone(), entry).is_some() {
            return Err(Problem::at(at, format!("{option} is set already")));
        }
        self.option = Some(option);
        Ok(())
    }
}

/// A line without its comment, and whether it has one.
fn without_comment(line: &str) -> (&str, bool) {
    if line.trim_start().starts_with(['#', ';']) {
        return ("", true);
    }
    let begins = |(at, _): &(usize, &str)| {
        line.get(..*at)
            .is_some_and(|front| front.ends_with(char::is_whitespace))
    };
    match line.match_indices(';').find(begins) {
        Some((at, _)) => (line.get(..at).unwrap_or_default(), true),
        None => (line, false),
    }
}

fn section(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix('[')?.rsplit_once(']')?;
    (!name.is_empty()).then_some(name)
}
