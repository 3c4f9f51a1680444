//! Mappings as hosts keep them: one a line, a JSON object each.

use ipnet::IpNet;
use serde::Serialize;

use super::{Direct, Mapping, MappingSet, Protocol};
use crate::problem::{Problem, Source};
use crate::yaml::read_json;

/// The longest text that is read: a host may send what it likes.
const MAX_TEXT: usize = 4 << 20;

/// The long form of a mapping, without what says nothing.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    port: String,
    to_port: String,
    protocol: Protocol,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    source: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<&'a str>,
    direct: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    direct_source: Vec<String>,
    loopback: bool,
}

impl<'a> From<&'a Mapping> for Line<'a> {
    fn from(mapping: &'a Mapping) -> Self {
        let nets = |nets: &[IpNet]| nets.iter().map(IpNet::to_string).collect();
        Self {
            name: mapping.name.as_deref(),
            port: mapping.port.to_string(),
            to_port: mapping.to_port.to_string(),
            protocol: mapping.protocol,
            source: nets(&mapping.source),
            interface: mapping.interface.as_deref(),
            direct: match mapping.direct {
                Direct::Drop => "drop",
                Direct::Reject => "reject",
                Direct::Allow => "allow",
            },
            direct_source: nets(&mapping.direct_source),
            loopback: mapping.loopback,
        }
    }
}

impl MappingSet {
    /// The set as text, a mapping a line; [`MappingSet::from_text`] makes the same set of it.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Text and lists of text: there is nothing in it that JSON cannot say.
        let line = |mapping| serde_json::to_string(&Line::from(mapping)).unwrap_or_default() + "\n";
        self.0.iter().map(line).collect()
    }

    /// Reads what [`MappingSet::to_text`] wrote. The text may come from anybody: what is no valid set is refused.
    ///
    /// # Errors
    /// Everything that is wrong, at its place in the text.
    pub fn from_text(text: &str) -> Result<Self, Vec<Problem>> {
        if text.len() > MAX_TEXT {
            return Err(vec![Problem::new("the mappings are too long to be mappings of ours")]);
        }
        let lines: Vec<&str> = text.lines().collect();
        let list = format!("[{}]", lines.join(",\n"));
        Self::parse(&read_json(&Source::new("mappings", list))?.root)
    }
}
