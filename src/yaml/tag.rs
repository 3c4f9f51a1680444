//! Tags: what Ansible's loader makes of values that have one.

use super::{Node, Style, Value, scalar, time};

/// What `!!` stands for.
pub(super) const CORE: &str = "tag:yaml.org,2002:";

/// A tag that Ansible knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    /// `!` alone: the value is what it would be without quotes.
    Plain,
    /// `!unsafe`: the same, and no text in it is a template.
    Unsafe,
    /// `!vault` and `!vault-encrypted`.
    Vault,
    Str,
    Int,
    Float,
    Bool,
    Null,
    Timestamp,
    Seq,
    Map,
    Set,
    /// `!!omap` and `!!pairs`.
    Pairs,
}

impl Tag {
    /// The tag of a full name.
    ///
    /// # Errors
    /// Ansible does not know it, or has no use for its values.
    pub fn of(name: &str) -> Result<Self, String> {
        let Some(core) = name.strip_prefix(CORE) else {
            return match name {
                "!" => Ok(Self::Plain),
                "!unsafe" => Ok(Self::Unsafe),
                "!vault" | "!vault-encrypted" => Ok(Self::Vault),
                _ => Err(format!("the tag `{name}` is not known")),
            };
        };
        Ok(match core {
            "str" | "python/unicode" => Self::Str,
            "int" => Self::Int,
            "float" => Self::Float,
            "bool" => Self::Bool,
            "null" => Self::Null,
            "timestamp" => Self::Timestamp,
            "seq" => Self::Seq,
            "map" | "python/dict" => Self::Map,
            "set" => Self::Set,
            "omap" | "pairs" => Self::Pairs,
            "binary" => return Err("the tag `!!binary` makes bytes, which no variable can hold".to_owned()),
            core => return Err(format!("the tag `!!{core}` is not known")),
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "!",
            Self::Unsafe => "!unsafe",
            Self::Vault => "!vault",
            Self::Str => "!!str",
            Self::Int => "!!int",
            Self::Float => "!!float",
            Self::Bool => "!!bool",
            Self::Null => "!!null",
            Self::Timestamp => "!!timestamp",
            Self::Seq => "!!seq",
            Self::Map => "!!map",
            Self::Set => "!!set",
            Self::Pairs => "!!pairs",
        }
    }

    fn refuses(self, kind: &str) -> String {
        format!("the tag `{}` cannot stand before {kind}", self.name())
    }

    /// What a scalar with this tag is.
    ///
    /// # Errors
    /// The tag does not fit the text.
    pub fn scalar(self, text: &str) -> Result<Value, String> {
        let refused = || self.refuses(&format!("`{}`", shortened(text)));
        match self {
            Self::Plain | Self::Unsafe => scalar::resolve(text),
            Self::Vault => match scalar::resolve(text)? {
                Value::String(text) => Ok(Value::Vault(text)),
                other => Err(self.refuses(other.kind())),
            },
            Self::Str => Ok(Value::String(text.to_owned())),
            Self::Int => scalar::tagged_integer(text).ok_or_else(refused),
            Self::Float => scalar::tagged_float(text).map(Value::Float).ok_or_else(refused),
            Self::Bool => scalar::tagged_boolean(text).map(Value::Bool).ok_or_else(refused),
            Self::Null => Ok(Value::Null),
            Self::Timestamp => time::iso(text).map(Value::Timestamp).map_err(str::to_owned),
            Self::Seq | Self::Map | Self::Set | Self::Pairs => Err(refused()),
        }
    }

    /// What a list or map with this tag is.
    ///
    /// # Errors
    /// The tag does not fit the value.
    pub fn collection(self, value: Value) -> Result<Value, String> {
        match (self, value) {
            (Self::Plain | Self::Unsafe, value)
            | (Self::Seq, value @ Value::List(_))
            | (Self::Map, value @ Value::Map(_)) => Ok(value),
            (Self::Set, Value::Map(entries)) => Ok(Value::List(entries.iter().map(|(key, _)| key.clone()).collect())),
            (Self::Pairs, Value::List(items)) => items
                .iter()
                .map(pair)
                .collect::<Option<_>>()
                .map(Value::List)
                .ok_or_else(|| "every entry under this tag is a map with one key".to_owned()),
            (_, value) => Err(self.refuses(value.kind())),
        }
    }
}

/// The entry of a map with one entry, as a list of two.
fn pair(node: &Node) -> Option<Node> {
    let Value::Map(entries) = &node.value else { return None };
    let [(key, value)] = &**entries else { return None };
    Some(Node {
        value: Value::List([key.clone(), value.clone()].into()),
        ..node.clone()
    })
}

fn shortened(text: &str) -> String {
    let start: String = text.chars().take(40).collect();
    if start.len() < text.len() { start + "…" } else { start }
}

/// A copy of which no text is a template.
pub(crate) fn made_unsafe(node: &Node) -> Node {
    let value = match &node.value {
        Value::List(items) => Value::List(items.iter().map(made_unsafe).collect()),
        Value::Map(entries) => Value::Map(
            entries
                .iter()
                .map(|(key, value)| (made_unsafe(key), made_unsafe(value)))
                .collect(),
        ),
        other => other.clone(),
    };
    let style = if matches!(value, Value::String(_)) {
        Style::Unsafe
    } else {
        node.style
    };
    Node {
        value,
        at: node.at.clone(),
        style,
    }
}
