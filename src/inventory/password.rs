//! A password, kept so that nothing shows it.

use std::fmt;

use zeroize::Zeroizing;

/// A password: zeroed when it is dropped, and silent about itself. (The inventory's own text is the reader's to keep.)
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes this text for a password.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for whoever has to send it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Not even its length.
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn does_not_show_itself() {
        let password = Password::new("geheim".to_owned());
        assert_eq!(
            format!("{password:?} {:#?}", Some(&password)).matches("geheim").count(),
            0
        );
        assert_eq!(password.expose(), "geheim");
    }
}
