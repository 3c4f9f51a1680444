//! What `ansible-vault` encrypted: files and values, formats 1.1 and 1.2, with AES256.
//!
//! A text of a header and lines of hexadecimal digits, which again hold three lines of them: a salt, an HMAC-SHA256
//! of the ciphertext, and the ciphertext (AES-256 in counter mode, padded). The keys come from the password through
//! PBKDF2. Like Ansible, this reads any version number, and takes the vault id for a hint only: it is not signed.
//!
//! Finding the keys takes milliseconds by design, so callers keep what they decrypted. This module knows nothing of
//! files and prompts; plain text and passwords are in no message, and zeroed after use.

mod cipher;

use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

use cipher::Sealed;

/// What every encrypted text begins with.
const HEADER: &[u8] = b"$ANSIBLE_VAULT";
/// The vault id of texts that name none.
const DEFAULT_ID: &str = "default";

/// Why a text was not decrypted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// It does not begin as encrypted texts do, or holds other characters than they do.
    #[error("this is not encrypted by ansible-vault")]
    NotEncrypted,
    /// It begins as one, and what follows is damaged.
    #[error("this encrypted text is damaged: {0}")]
    Malformed(&'static str),
    /// Only `AES256` can be read.
    #[error("the cipher `{0}` of this encrypted text is not supported, only AES256")]
    UnknownCipher(String),
    /// It would take a password, and there is none.
    #[error("no vault password was given")]
    NoSecrets,
    /// The passwords do not fit, or the text was changed.
    #[error("no vault password fits this encrypted text")]
    NoneFits,
    /// A password file or script has nothing to say.
    #[error("the vault password is empty")]
    EmptyPassword,
}

/// Whether a file or value is to be decrypted.
#[must_use]
pub fn is_encrypted(data: &[u8]) -> bool {
    data.starts_with(HEADER) && data.is_ascii()
}

/// The password that a script printed.
///
/// # Errors
/// It printed none.
pub fn script_password(output: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    password(stripped(output, |byte| matches!(byte, b'\r' | b'\n')))
}

/// The password that was typed.
///
/// # Errors
/// Nothing was typed.
pub fn typed_password(input: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    if input.is_empty() {
        return Err(Error::EmptyPassword);
    }
    Ok(Zeroizing::new(stripped(input, is_blank).to_vec()))
}

fn password(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    if text.is_empty() {
        return Err(Error::EmptyPassword);
    }
    Ok(Zeroizing::new(text.to_vec()))
}

/// What Python takes for a blank in bytes.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn stripped(mut text: &[u8], falls_away: impl Fn(u8) -> bool) -> &[u8] {
    while let [first, rest @ ..] = text
        && falls_away(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && falls_away(*last)
    {
        text = rest;
    }
    text
}

struct Secret {
    id: String,
    password: Zeroizing<Vec<u8>>,
}

/// The passwords that the user gave, in order, each with its vault id.
#[derive(Default)]
pub struct Secrets(Vec<Secret>);

/// Without the passwords.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|secret| &secret.id)).finish()
    }
}

impl Secrets {
    /// Adds a password; without an id, for texts that name none.
    pub fn add(&mut self, id: Option<&str>, password: Zeroizing<Vec<u8>>) {
        let id = id.unwrap_or(DEFAULT_ID).to_owned();
        self.0.push(Secret { id, password });
    }

    /// Whether no password was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The password in a password file, which may itself be encrypted with one of these.
    ///
    /// # Errors
    /// It holds none, or cannot be decrypted.
    pub fn file_password(&self, content: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let text = stripped(content, is_blank);
        if is_encrypted(text) {
            script_password(&self.decrypt(text)?)
        } else {
            password(text)
        }
    }

    /// The plain text of an encrypted one, by the first password that fits: those of its vault id are tried first,
    /// and then all others.
    ///
    /// # Errors
    /// See [`enum@Error`].
    pub fn decrypt(&self, text: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let envelope = Envelope::parse(text)?;
        if self.0.is_empty() {
            return Err(Error::NoSecrets);
        }
        let sealed = Sealed::parse(&envelope.body)?;
        let (named, others): (Vec<&Secret>, Vec<&Secret>) = self.0.iter().partition(|secret| secret.id == envelope.id);
        for secret in named.into_iter().chain(others) {
            if let Some(plain) = sealed.open(&secret.password)? {
                return Ok(plain);
            }
        }
        Err(Error::NoneFits)
    }
}

/// The header and the lines behind it, joined.
struct Envelope {
    id: String,
    body: Vec<u8>,
}

impl Envelope {
    fn parse(text: &[u8]) -> Result<Self, Error> {
        if !is_encrypted(text) {
            return Err(Error::NotEncrypted);
        }
        let mut lines = text.split(|byte| matches!(byte, b'\r' | b'\n'));
        let header = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        let mut parts = header
            .split(';')
            .skip(2)
            .map(|part| part.trim_matches(|c: char| c.is_ascii() && is_blank(c as u8)));
        match parts.next() {
            Some("AES256") => {}
            Some(other) => return Err(Error::UnknownCipher(other.chars().take(40).collect())),
            None => return Err(Error::Malformed("its header is not complete")),
        }
        Ok(Self {
            id: parts.next().unwrap_or(DEFAULT_ID).to_owned(),
            body: lines.flatten().copied().collect(),
        })
    }
}

#[cfg(test)]
mod tests;
