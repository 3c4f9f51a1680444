//! Draws the ways of two packets through netfilter, for a terminal and as SVG.
//!
//! What is drawn comes from [`crate::firewall::explain`], which reads it off the packets' traces; here is only how it looks.

mod svg;
mod terminal;
#[cfg(test)]
mod tests;

use crate::firewall::explain::{End, Note, Picture, Role};
use crate::report::sanitise;

pub use svg::svg;
pub use terminal::{Pen, terminal};

/// A picture, and what it is of.
#[derive(Debug, Clone, Copy)]
pub struct Sheet<'a> {
    /// The ways.
    pub picture: &'a Picture,
    /// Whose rules these are, a phrase: `the rules in rules.v4`.
    pub of: &'a str,
}

impl Sheet<'_> {
    fn title(&self) -> String {
        let Picture {
            port,
            to_port,
            protocol,
            family,
            ..
        } = self.picture;
        format!("{port} → {to_port}/{protocol} over {}", family.name())
    }
}

/// What heads the two lanes.
fn heads(picture: &Picture) -> [String; 2] {
    [
        format!("redirected: a client calls {}", picture.port),
        format!("direct: a client calls {}", picture.to_port),
    ]
}

/// The chain of a rule, and that it only counts.
fn label(note: &Note) -> Option<String> {
    let chain = note.chain.as_deref().map(sanitise);
    match (chain, note.role) {
        (Some(chain), Role::Counts) => Some(format!("{chain}, only counts")),
        (None, Role::Counts) => Some("only counts".to_owned()),
        (chain, _) => chain,
    }
}

/// A rule without what it says twice: `-p tcp -m tcp` is `-p tcp`.
fn shown(note: &Note) -> String {
    let text = sanitise(&note.text);
    if text.contains('"') {
        return text;
    }
    ["tcp", "udp"]
        .into_iter()
        .filter(|name| text.contains(&format!("-p {name} ")))
        .fold(text.clone(), |text, name| text.replace(&format!("-m {name} "), ""))
}

fn end(end: &End) -> String {
    match end {
        End::Delivered { port } => format!("delivered to the service at {port}"),
        End::Forwarded => "goes on to another host".to_owned(),
        End::Dropped => "dropped".to_owned(),
        End::Rejected => "rejected".to_owned(),
        End::Unknown { reason } => format!("unknown: {}", sanitise(reason)),
    }
}

/// Words into lines of at most `width` characters; longer words are cut.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let mut lines = vec![String::new()];
    // A target stays with its option.
    let joined = text.replace(" -j ", " -j\u{a0}");
    for word in joined.split(' ').filter(|word| !word.is_empty()) {
        let mut word: Vec<char> = word.chars().map(|c| if c == '\u{a0}' { ' ' } else { c }).collect();
        loop {
            let used = lines.last().map_or(0, |line| line.chars().count());
            let gap = usize::from(used > 0);
            if used + gap + word.len() <= width {
                if let Some(line) = lines.last_mut() {
                    line.extend((gap > 0).then_some(' '));
                    line.extend(word);
                }
                break;
            }
            if used > 0 {
                lines.push(String::new());
                continue;
            }
            let rest = word.split_off(width.min(word.len()));
            if let Some(line) = lines.last_mut() {
                line.extend(word);
            }
            lines.push(String::new());
            word = rest;
        }
    }
    lines
}
