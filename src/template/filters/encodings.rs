//! Text made of bytes: base 64, hashes, identifiers.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use md5::Md5;
use minijinja::{Error, Value};
use sha1::{Digest, Sha1};
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::Table;
use crate::template::calls::{Call, fault};

pub(super) const FILTERS: Table = &[
    ("b64decode", b64decode),
    ("b64encode", b64encode),
    ("checksum", |call| hashed::<Sha1>(call)),
    ("hash", hash),
    ("md5", |call| hashed::<Md5>(call)),
    ("sha1", |call| hashed::<Sha1>(call)),
    ("to_uuid", to_uuid),
];

/// Ansible's own namespace of identifiers (its `to_uuid` filter says which).
const NAMESPACE: &str = "361e6d51-faec-444a-9079-341386da8e2e";

/// Whether the URL alphabet is asked for; text is UTF-8.
fn urlsafe(call: &Call) -> Result<bool, Error> {
    let encoding = call.text(0, "encoding")?.unwrap_or_else(|| "utf-8".to_owned());
    let urlsafe = call.flag(1, "urlsafe")?;
    call.done(2)?;
    if !["utf-8", "utf8", "ascii"].contains(&encoding.to_lowercase().as_str()) {
        return Err(fault("text is UTF-8 here; other encodings are not known"));
    }
    Ok(urlsafe)
}

fn b64encode(call: &mut Call) -> Result<Value, Error> {
    let engine = if urlsafe(call)? { URL_SAFE } else { STANDARD };
    Ok(Value::from(engine.encode(call.subject()?)))
}

/// As Python's: what is no part of the alphabet is skipped.
fn b64decode(call: &mut Call) -> Result<Value, Error> {
    let urlsafe = urlsafe(call)?;
    let known = |c: &char| c.is_ascii_alphanumeric() || "+/=".contains(*c);
    let standard = |c: char| match c {
        '-' if urlsafe => '+',
        '_' if urlsafe => '/',
        c => c,
    };
    let text: String = call.subject()?.chars().map(standard).filter(known).collect();
    let bytes = STANDARD.decode(text).map_err(|_| fault("this is not base 64"))?;
    let text = String::from_utf8(bytes).map_err(|_| fault("what is encoded is not UTF-8 text"))?;
    Ok(Value::from(text))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn hashed<D: Digest>(call: &mut Call) -> Result<Value, Error> {
    call.done(0)?;
    Ok(Value::from(hex(&D::digest(call.subject()?))))
}

fn hash(call: &mut Call) -> Result<Value, Error> {
    let kind = call.text(0, "hashtype")?.unwrap_or_else(|| "sha1".to_owned());
    call.done(1)?;
    let text = call.subject()?;
    let digest = match kind.to_lowercase().as_str() {
        "md5" => hex(&Md5::digest(text)),
        "sha1" => hex(&Sha1::digest(text)),
        "sha224" => hex(&Sha224::digest(text)),
        "sha256" => hex(&Sha256::digest(text)),
        "sha384" => hex(&Sha384::digest(text)),
        "sha512" => hex(&Sha512::digest(text)),
        _ => return Err(fault("hashes are md5, sha1, sha224, sha256, sha384 and sha512")),
    };
    Ok(Value::from(digest))
}

/// A UUID of version 5 (RFC 9562).
fn to_uuid(call: &mut Call) -> Result<Value, Error> {
    let namespace = call.text(0, "namespace")?.unwrap_or_else(|| NAMESPACE.to_owned());
    call.done(1)?;
    let digits: Vec<char> = namespace.chars().filter(|c| !"-{}".contains(*c)).collect();
    let wrong = || fault("`namespace` must be a UUID");
    if digits.len() != 32 {
        return Err(wrong());
    }
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).map_err(|_| wrong());
    let mut hash = Sha1::new();
    hash.update(digits.chunks(2).map(byte).collect::<Result<Vec<u8>, Error>>()?);
    hash.update(call.subject()?);
    let mut bytes: Vec<u8> = hash.finalize().iter().take(16).copied().collect();
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = match index {
            6 => (*byte & 0x0f) | 0x50,
            8 => (*byte & 0x3f) | 0x80,
            _ => *byte,
        };
    }
    let text = hex(&bytes);
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    let parts = [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)];
    Ok(Value::from(parts.join("-")))
}
