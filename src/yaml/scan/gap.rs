//! What stands between two words of a scalar.

/// Blanks, with line breaks among them or not.
#[derive(Default)]
pub(super) struct Gap<'s> {
    /// The blanks before the first line break.
    blanks: &'s str,
    /// The first line break stands behind a `\` and counts for nothing.
    is_escaped: bool,
    /// The first line break otherwise, or none.
    first: &'s str,
    /// The line breaks after the first.
    more: String,
}

impl<'s> Gap<'s> {
    pub fn new(blanks: &'s str, is_escaped: bool) -> Self {
        Self {
            blanks,
            is_escaped,
            ..Self::default()
        }
    }

    pub fn has_break(&self) -> bool {
        self.is_escaped || !self.first.is_empty()
    }

    /// Adds a line break.
    pub fn add(&mut self, line_break: &'s str) {
        if self.has_break() {
            self.more.push_str(line_break);
        } else {
            self.first = line_break;
        }
    }

    /// Writes what the gap stands for: one line break is a space, of several the first falls away.
    pub fn fold(&self, into: &mut String) {
        match self.first {
            "" if !self.is_escaped => into.push_str(self.blanks),
            "\n" if self.more.is_empty() => into.push(' '),
            "\n" => into.push_str(&self.more),
            other => {
                into.push_str(other);
                into.push_str(&self.more);
            }
        }
    }
}
