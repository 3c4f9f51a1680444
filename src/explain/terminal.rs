//! Two lanes of boxes side by side, in characters.

use console::{Style, measure_text_width};

use super::{Sheet, end, heads, label, shown, wrapped};
use crate::firewall::explain::{End, Lane, Note, Role, Stage};

/// Between the lanes.
const GAP: usize = 2;

/// No wider than reads well.
const WIDEST: usize = 120;

/// The least that two lanes need.
const NARROWEST: usize = 60;

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pen {
    /// Columns.
    pub width: usize,
    /// Colours.
    pub color: bool,
    /// More than ASCII.
    pub unicode: bool,
}

/// The picture, line by line.
#[must_use]
pub fn terminal(sheet: &Sheet<'_>, pen: Pen) -> String {
    let width = pen.width.clamp(NARROWEST, WIDEST);
    let drawing = Drawing {
        pen,
        lane: (width - GAP) / 2,
        ports: (sheet.picture.port, sheet.picture.to_port),
    };
    let title = drawing.ascii(&format!("{}: {}", sheet.title(), crate::report::sanitise(sheet.of)));
    let mut lines: Vec<String> = wrapped(&title, width);
    lines.push(String::new());
    let [left, right] = [(&sheet.picture.mapped, 0), (&sheet.picture.direct, 1)].map(|(lane, which)| {
        let head = heads(sheet.picture);
        let head = head.get(which).map_or("", String::as_str);
        drawing.lane(lane, head)
    });
    lines.extend(drawing.beside(&left, &right));
    lines.iter().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// The lines of one station, and how high it is to be at least.
type Blocks = Vec<Vec<String>>;

struct Drawing {
    pen: Pen,
    /// Columns of a lane.
    lane: usize,
    /// The mapped port, and the one behind it.
    ports: (u16, u16),
}

impl Drawing {
    fn ascii(&self, text: &str) -> String {
        if self.pen.unicode {
            return text.to_owned();
        }
        let plain = text.replace('→', "->").replace('…', "...");
        plain.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
    }

    fn paint(&self, style: Style, text: &str) -> String {
        style
            .force_styling(self.pen.color && !text.is_empty())
            .apply_to(text)
            .to_string()
    }

    fn line(&self) -> &'static str {
        if self.pen.unicode { "─" } else { "-" }
    }

    fn corner(&self, unicode: &'static str) -> &'static str {
        if self.pen.unicode { unicode } else { "+" }
    }

    fn side(&self) -> &'static str {
        if self.pen.unicode { "│" } else { "|" }
    }

    /// Each station of a lane, its head first and its end last.
    fn lane(&self, lane: &Lane, head: &str) -> Blocks {
        let mut blocks = vec![vec![self.paint(Style::new().bold(), &self.ascii(head))]];
        for (index, stage) in lane.stages.iter().enumerate() {
            blocks.push(self.station(stage, index == 0));
        }
        let closing = format!(
            "{}{}{}",
            self.corner("└"),
            self.line().repeat(self.lane - 2),
            self.corner("┘")
        );
        let (sign, style) = self.sign(&lane.end);
        let mut last = vec![closing];
        let told = wrapped(&self.ascii(&end(&lane.end)), self.lane - 4);
        for (index, line) in told.iter().enumerate() {
            let sign = if index == 0 { sign } else { " " };
            last.push(self.paint(style.clone(), &format!(" {sign} {line}")));
        }
        blocks.push(last);
        blocks
    }

    fn sign(&self, end: &End) -> (&'static str, Style) {
        let pick = |unicode, ascii| if self.pen.unicode { unicode } else { ascii };
        match end {
            End::Delivered { .. } => (pick("✔", "+"), Style::new().green().bold()),
            End::Forwarded => (pick("→", ">"), Style::new().bold()),
            End::Dropped | End::Rejected => (pick("✘", "x"), Style::new().red().bold()),
            End::Unknown { .. } => ("?", Style::new().yellow().bold()),
        }
    }

    fn station(&self, stage: &Stage, first: bool) -> Vec<String> {
        let (left, right) = if first { ("┌", "┐") } else { ("├", "┤") };
        let arrow = if self.pen.unicode { "▼" } else { "v" };
        let port = self.port(stage.before);
        let name = stage.kind.name();
        let used = 3 + name.len() + 1 + 1 + arrow.chars().count() + 1 + measure_text_width(&port) + 1 + 1 + 1;
        let fill = self.line().repeat(self.lane.saturating_sub(used));
        let name = self.paint(Style::new().bold(), name);
        let mut lines = vec![format!(
            "{}{} {name} {fill} {arrow} {port} {}{}",
            self.corner(left),
            self.line(),
            self.line(),
            self.corner(right)
        )];
        let dim = Style::new().dim();
        if stage.before != stage.after {
            let (from, to) = (self.port(stage.before), self.port(stage.after));
            let arrow = if self.pen.unicode { "→" } else { "->" };
            lines.push(self.row(&format!("port {from} {arrow} {to}")));
        }
        if stage.notes.is_empty() && !matches!(stage.kind.name(), "socket" | "next host") {
            lines.push(self.row(&self.paint(dim, "no rule for it")));
        }
        lines.extend(stage.notes.iter().flat_map(|note| self.note(note)));
        lines
    }

    fn port(&self, port: Option<u16>) -> String {
        let Some(port) = port else { return "?".to_owned() };
        let style = match port {
            port if port == self.ports.0 => Style::new().cyan().bold(),
            port if port == self.ports.1 => Style::new().yellow().bold(),
            _ => Style::new().bold(),
        };
        self.paint(style, &port.to_string())
    }

    fn note(&self, note: &Note) -> Vec<String> {
        let pick = |unicode, ascii| if self.pen.unicode { unicode } else { ascii };
        let (sign, style) = match note.role {
            Role::Plain => (pick("·", "-"), Style::new()),
            Role::Rewrites => (pick("⇒", "="), Style::new().magenta()),
            Role::LetsIn => (pick("✔", "+"), Style::new().green()),
            Role::Closes => (pick("✘", "x"), Style::new().red()),
            Role::Counts => ("#", Style::new()),
            Role::Maybe => ("?", Style::new().yellow()),
        };
        let inner = self.lane - 6;
        let chain = label(note).into_iter().flat_map(|chain| {
            let lines = wrapped(&self.ascii(&chain), inner);
            lines.into_iter().map(|line| self.paint(Style::new().dim(), &line))
        });
        let text = wrapped(&self.ascii(&shown(note)), inner);
        let text = text.into_iter().map(|line| self.paint(style.clone(), &line));
        let lines: Vec<String> = chain.chain(text).collect();
        lines
            .iter()
            .enumerate()
            .map(|(index, line)| {
                let sign = if index == 0 {
                    self.paint(style.clone(), sign)
                } else {
                    " ".to_owned()
                };
                self.row(&format!("{sign} {line}"))
            })
            .collect()
    }

    /// A line of text between the sides of a box.
    fn row(&self, text: &str) -> String {
        let side = self.side();
        let blank = " ".repeat(self.lane.saturating_sub(4 + measure_text_width(text)));
        format!("{side} {text}{blank} {side}")
    }

    /// Station beside station: the lower of two is filled up.
    fn beside(&self, left: &Blocks, right: &Blocks) -> Vec<String> {
        let mut lines = Vec::new();
        let count = left.len().max(right.len());
        for index in 0..count {
            let both = [(left, index), (right, index)].map(|(blocks, index)| {
                let block = blocks.get(index).cloned().unwrap_or_default();
                // Inside of a box, what is filled up has sides.
                let open = index > 0 && index + 1 < blocks.len();
                (block, open)
            });
            let height = both.iter().map(|(block, _)| block.len()).max().unwrap_or_default();
            for row in 0..height {
                let cells = both.each_ref().map(|(block, open)| match block.get(row) {
                    Some(line) => line.clone(),
                    None if *open => self.row(""),
                    None => String::new(),
                });
                let [left, right] = cells;
                let blank = " ".repeat((self.lane + GAP).saturating_sub(measure_text_width(&left)));
                lines.push(format!("{left}{blank}{right}"));
            }
        }
        lines
    }
}
