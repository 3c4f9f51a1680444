//! A packet's way through tables and chains, for people.

use std::fmt::Write as _;

use console::Style;

use super::answer::said;
use crate::firewall::trace::{Packet, State, Step, Trace, Verdict};
use crate::report::{Look, sanitise};

/// The width of text where there is no terminal.
const WIDTH: usize = 80;

/// A packet's way, a rule a line: `>` is before what decides, `?` before what applies
/// on some of the packet's ways alone.
#[must_use]
pub fn text(packet: &Packet, trace: &Trace<'_>, look: Look) -> String {
    let paper = Paper {
        width: look.width.map_or(WIDTH, usize::from).max(40),
        color: look.color,
    };
    let mut text = paper.wrapped("", &asked(packet)) + "\n";
    let mut chain = None;
    for step in &trace.steps {
        let here = (step.table, step.chain, step.depth);
        if chain != Some(here) {
            let name = if step.depth == 0 {
                format!("{} {}", step.table, step.chain)
            } else {
                step.chain.to_owned()
            };
            let heading = "  ".repeat(step.depth.min(DEEPEST)) + &sanitise(&name);
            text += &(paper.paint(Style::new().bold(), &heading) + "\n");
            chain = Some(here);
        }
        paper.step(&mut text, step);
    }
    if !trace.steps.is_empty() {
        text.push('\n');
    }
    text + &paper.verdict(trace)
}

/// Deeper chains are indented no more.
const DEEPEST: usize = 12;

struct Paper {
    width: usize,
    color: bool,
}

impl Paper {
    fn paint(&self, style: Style, text: &str) -> String {
        style
            .force_styling(self.color && !text.is_empty())
            .apply_to(text)
            .to_string()
    }

    fn step(&self, text: &mut String, step: &Step<'_>) {
        let (mark, style) = match (step.decides, step.certain) {
            (true, true) => ("> ", Style::new().cyan().bold()),
            (true, false) => ("?>", Style::new().cyan().bold()),
            (false, true) => ("  ", Style::new()),
            (false, false) => ("? ", Style::new().yellow()),
        };
        let number = if step.number == 0 {
            String::new()
        } else {
            step.number.to_string()
        };
        let indent = "  ".repeat(step.depth.min(DEEPEST));
        let before = format!("{indent}{mark} {number:>3} ");
        let lines = self.wrapped(&before, &sanitise(&said(step)));
        *text += &lines
            .lines()
            .map(|line| self.paint(style.clone(), line) + "\n")
            .collect::<String>();
    }

    /// Words after `before`, broken where the line is full; what follows stands under the first word.
    fn wrapped(&self, before: &str, words: &str) -> String {
        let blank = " ".repeat(before.chars().count());
        let (mut text, mut line) = (String::new(), before.to_owned());
        let mut empty = true;
        for word in words.split(' ') {
            let longer = console::measure_text_width(&line) + console::measure_text_width(word) + 1;
            if !empty && longer > self.width {
                let _ = writeln!(text, "{}", line.trim_end());
                line.clone_from(&blank);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line += word;
            empty = false;
        }
        text + line.trim_end() + "\n"
    }

    fn verdict(&self, trace: &Trace<'_>) -> String {
        let style = match trace.verdict {
            Verdict::Accept => Style::new().green(),
            Verdict::Drop | Verdict::Reject => Style::new().red(),
            Verdict::Unknown => Style::new().yellow(),
        };
        let line = match trace.verdict {
            Verdict::Accept => accepted(trace),
            _ => trace
                .reason
                .as_deref()
                .map(|reason| format!(": {}", sanitise(reason)))
                .unwrap_or_default(),
        };
        let lines = self.wrapped("", &format!("{}{line}", trace.verdict));
        lines
            .lines()
            .map(|line| self.paint(style.clone().bold(), line) + "\n")
            .collect()
    }
}

fn accepted(trace: &Trace<'_>) -> String {
    let what = match trace.local {
        Some(true) => ": delivered to this host",
        Some(false) => ": sent on",
        None => ": delivered to this host or sent on",
    };
    let address = trace
        .destination
        .map(|address| format!(", to {address}"))
        .unwrap_or_default();
    let port = trace
        .destination_port
        .map(|port| format!(", port {port}"))
        .unwrap_or_default();
    format!("{what}{address}{port}")
}

/// The packet in words.
fn asked(packet: &Packet) -> String {
    let state = match packet.state {
        State::New => "a new connection",
        State::Established => "a packet of an established connection",
        State::Related => "the first packet of a related connection",
        State::Invalid => "an invalid packet",
        State::Untracked => "an untracked packet",
    };
    let mut text = format!(
        "{}, {} over {}",
        state,
        sanitise(&packet.protocol),
        packet.family.name()
    );
    let from = packet
        .source
        .map_or("anywhere".to_owned(), |address| address.to_string());
    let to = packet
        .destination
        .map_or("this host".to_owned(), |address| address.to_string());
    let _ = write!(text, ", from {from}");
    if let Some(port) = packet.source_port {
        let _ = write!(text, " port {port}");
    }
    let _ = write!(text, " to {to}");
    if let Some(port) = packet.destination_port {
        let _ = write!(text, " port {port}");
    }
    if let Some(name) = &packet.in_interface {
        let _ = write!(text, ", by {}", sanitise(name));
    }
    text
}
