//! The cipher `AES256` of ansible-vault.

use aes::Aes256;
use aes::cipher::{KeyIvInit as _, StreamCipher as _};
use ctr::Ctr128BE;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Error;

const ROUNDS: u32 = 10_000;
const KEY: usize = 32;
const BLOCK: usize = 16;

/// What is within an encrypted text.
pub(super) struct Sealed {
    salt: Vec<u8>,
    signature: Vec<u8>,
    ciphertext: Vec<u8>,
}

impl Sealed {
    /// Reads the digits of an encrypted text.
    pub fn parse(digits: &[u8]) -> Result<Self, Error> {
        let lines = bytes(digits)?;
        let mut lines = lines.splitn(3, |byte| *byte == b'\n');
        let mut line = || bytes(lines.next().ok_or(Error::Malformed("a part of it is missing"))?);
        Ok(Self {
            salt: line()?,
            signature: line()?,
            ciphertext: line()?,
        })
    }

    /// The plain text; `None` if the password does not fit, or the text was changed.
    pub fn open(&self, password: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let keys = Keys::derive(password, &self.salt);
        if !keys.has_signed(&self.ciphertext, &self.signature) {
            return Ok(None);
        }
        let mut plain = Zeroizing::new(self.ciphertext.clone());
        let (key, iv) = (keys.part::<KEY>(0), keys.part::<BLOCK>(2 * KEY));
        Ctr128BE::<Aes256>::new((&*key).into(), (&*iv).into()).apply_keystream(&mut plain);
        let length = unpadded(&plain).ok_or(Error::Malformed("its padding is wrong"))?;
        plain.truncate(length);
        Ok(Some(plain))
    }
}

/// A key to decrypt with, one to sign with, and where the counter begins.
struct Keys(Zeroizing<[u8; 2 * KEY + BLOCK]>);

impl Keys {
    fn derive(password: &[u8], salt: &[u8]) -> Self {
        let mut keys = Self(Zeroizing::new([0; 2 * KEY + BLOCK]));
        pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, ROUNDS, &mut *keys.0);
        keys
    }

    fn part<const LENGTH: usize>(&self, from: usize) -> Zeroizing<[u8; LENGTH]> {
        let mut part = Zeroizing::new([0; LENGTH]);
        for (to, byte) in part.iter_mut().zip(self.0.iter().skip(from)) {
            *to = *byte;
        }
        part
    }

    /// In constant time.
    fn has_signed(&self, ciphertext: &[u8], signature: &[u8]) -> bool {
        let key = self.part::<KEY>(KEY);
        Hmac::<Sha256>::new_from_slice(&*key)
            .is_ok_and(|hmac| hmac.chain_update(ciphertext).verify_slice(signature).is_ok())
    }
}

/// How long the text is without its padding (PKCS #7); `None` if it has none.
fn unpadded(text: &[u8]) -> Option<usize> {
    let count = *text.last()?;
    let length = text.len().checked_sub(usize::from(count))?;
    let padding = text.get(length..)?;
    let is_padded = text.len().is_multiple_of(BLOCK)
        && (1..=BLOCK).contains(&usize::from(count))
        && padding.iter().all(|byte| *byte == count);
    is_padded.then_some(length)
}

/// The bytes of hexadecimal digits.
fn bytes(digits: &[u8]) -> Result<Vec<u8>, Error> {
    const WRONG: Error = Error::Malformed("it is not made of hexadecimal digits");
    let digit = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
    };
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect::<Option<_>>().ok_or(WRONG)
}
