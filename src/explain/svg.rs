//! The same as SVG: text stays text, nothing is loaded, nothing runs, and its own background makes it readable on any page.

mod shapes;

use std::io;

use quick_xml::Writer;

use shapes::Type;

use super::{Sheet, end, heads, label, shown, wrapped};
use crate::firewall::explain::{End, Lane, Note, Picture, Role, Stage};
use crate::report::sanitise;

const MARGIN: u32 = 28;
const LANE: u32 = 484;
/// Between the lanes, where the stations are named.
const SPINE: u32 = 172;
const WIDTH: u32 = 2 * MARGIN + 2 * LANE + SPINE;
const TOP: u32 = 128;
/// Between two stations: an arrow with the port on it.
const GAP: u32 = 34;
const LINE: u32 = 17;
const PADDING: u32 = 11;
const END: u32 = 44;

/// Characters of a rule in a card.
const CHARACTERS: usize = 62;

const INK: &str = "#1f2328";
const FAINT: &str = "#656d76";
const PAPER: &str = "#f6f8fa";
const CARD: &str = "#ffffff";
const EDGE: &str = "#d0d7de";
const GREEN: &str = "#1a7f37";
const RED: &str = "#cf222e";
const AMBER: &str = "#9a6700";
const BLUE: &str = "#0969da";
const PURPLE: &str = "#8250df";

/// The picture as a document of its own.
#[must_use]
pub fn svg(sheet: &Sheet<'_>) -> String {
    let mut canvas = Canvas {
        writer: Writer::new_with_indent(Vec::new(), b' ', 2),
        ports: (sheet.picture.port, sheet.picture.to_port),
    };
    // Writing to memory fails of nothing.
    let _ = canvas.sheet(sheet);
    String::from_utf8(canvas.writer.into_inner()).unwrap_or_default() + "\n"
}

/// Where the stations stand.
struct Rows {
    /// Top and height of each.
    rows: Vec<(u32, u32)>,
    height: u32,
}

impl Rows {
    fn of(picture: &Picture) -> Self {
        let count = picture.mapped.stages.len().max(picture.direct.stages.len());
        let mut top = TOP;
        let mut rows = Vec::new();
        for index in 0..count {
            let lanes = [&picture.mapped, &picture.direct];
            let heights = lanes.iter().filter_map(|lane| lane.stages.get(index)).map(height);
            let height = heights.max().unwrap_or_default();
            rows.push((top, height));
            top += height + GAP;
        }
        Self {
            rows,
            height: top + END + MARGIN + 24,
        }
    }
}

/// The lines of a card: a rule's chain in small print, a rule, what it means.
enum Line {
    Chain(String),
    Text(String, Role),
    Nothing,
    Ports(Option<u16>, Option<u16>),
}

fn lines(stage: &Stage) -> Vec<Line> {
    let mut lines = Vec::new();
    if stage.before != stage.after {
        lines.push(Line::Ports(stage.before, stage.after));
    }
    for note in &stage.notes {
        lines.extend(of_note(note));
    }
    if lines.is_empty() {
        lines.push(Line::Nothing);
    }
    lines
}

fn of_note(note: &Note) -> impl Iterator<Item = Line> {
    let chain = label(note).map(Line::Chain).into_iter();
    let role = note.role;
    let text = wrapped(&shown(note), CHARACTERS)
        .into_iter()
        .map(move |line| Line::Text(line, role));
    chain.collect::<Vec<_>>().into_iter().chain(text)
}

fn height(stage: &Stage) -> u32 {
    let count = u32::try_from(lines(stage).len()).unwrap_or(u32::MAX / LINE / 2);
    count * LINE + 2 * PADDING
}

fn ink(role: Role) -> &'static str {
    match role {
        Role::Plain | Role::Counts => INK,
        Role::Rewrites => PURPLE,
        Role::LetsIn => GREEN,
        Role::Closes => RED,
        Role::Maybe => AMBER,
    }
}

struct Canvas {
    writer: Writer<Vec<u8>>,
    /// The mapped port, and the one behind it.
    ports: (u16, u16),
}

impl Canvas {
    fn sheet(&mut self, sheet: &Sheet<'_>) -> io::Result<()> {
        let picture = sheet.picture;
        let rows = Rows::of(picture);
        let view = format!("0 0 {WIDTH} {}", rows.height);
        let (width, height) = (WIDTH.to_string(), rows.height.to_string());
        let attributes = [
            ("xmlns", "http://www.w3.org/2000/svg"),
            ("viewBox", view.as_str()),
            ("width", width.as_str()),
            ("height", height.as_str()),
            ("role", "img"),
            ("aria-labelledby", "title description"),
        ];
        let mut writer = std::mem::replace(&mut self.writer, Writer::new(Vec::new()));
        writer
            .create_element("svg")
            .with_attributes(attributes)
            .write_inner_content(|inner| {
                let mut canvas = Canvas {
                    writer: Writer::new_with_indent(Vec::new(), b' ', 2),
                    ports: self.ports,
                };
                canvas.content(sheet, &rows)?;
                let content = canvas.writer.into_inner();
                inner.get_mut().push(b'\n');
                inner.get_mut().extend(content);
                Ok::<(), io::Error>(())
            })?;
        self.writer = writer;
        Ok(())
    }

    fn content(&mut self, sheet: &Sheet<'_>, rows: &Rows) -> io::Result<()> {
        let picture = sheet.picture;
        self.named("title", "title", &sheet.title())?;
        self.named("desc", "description", &told(sheet))?;
        self.rect((0, 0, WIDTH, rows.height), 14, PAPER, EDGE)?;
        let middle = WIDTH / 2;
        self.text((middle, 42), &sheet.title(), Type::sans(22, 700, INK, "middle"))?;
        self.text((middle, 66), &sanitise(sheet.of), Type::sans(13, 400, FAINT, "middle"))?;
        let heads = heads(picture);
        for (which, head) in heads.iter().enumerate() {
            let x = left(which) + LANE / 2;
            self.text((x, 106), head, Type::sans(15, 600, INK, "middle"))?;
        }
        self.spine(picture, rows)?;
        for (which, lane) in [&picture.mapped, &picture.direct].into_iter().enumerate() {
            self.lane(lane, left(which), rows)?;
        }
        Ok(())
    }

    /// The names of the stations, down the middle.
    fn spine(&mut self, picture: &Picture, rows: &Rows) -> io::Result<()> {
        let x = WIDTH / 2;
        for (index, (top, height)) in rows.rows.iter().enumerate() {
            let lanes = [&picture.mapped, &picture.direct];
            let mut names: Vec<&str> = lanes
                .iter()
                .filter_map(|lane| Some(lane.stages.get(index)?.kind.name()))
                .collect();
            names.dedup();
            let name = names.join(" / ");
            self.text((x, top + height / 2 + 5), &name, Type::sans(13, 600, FAINT, "middle"))?;
        }
        Ok(())
    }

    fn lane(&mut self, lane: &Lane, x: u32, rows: &Rows) -> io::Result<()> {
        let middle = x + LANE / 2;
        let mut bottom = TOP;
        for (index, (stage, (top, height))) in lane.stages.iter().zip(&rows.rows).enumerate() {
            if index > 0 {
                self.arrow(middle, bottom, *top, stage.before)?;
            }
            self.card(stage, (x, *top, LANE, *height))?;
            bottom = top + height;
        }
        let last = lane.stages.last().and_then(|stage| stage.after);
        let delivered = matches!(lane.end, End::Delivered { .. } | End::Forwarded);
        self.arrow(middle, bottom, bottom + GAP, last.filter(|_| delivered))?;
        self.end(lane, x, bottom + GAP)
    }

    fn card(&mut self, stage: &Stage, (x, top, width, height): (u32, u32, u32, u32)) -> io::Result<()> {
        let lines = lines(stage);
        let edge = match stage
            .notes
            .iter()
            .map(|note| note.role)
            .find(|role| !matches!(role, Role::Plain | Role::Counts))
        {
            Some(role) => ink(role),
            None => EDGE,
        };
        let fill = if matches!(lines.as_slice(), [Line::Nothing]) {
            PAPER
        } else {
            CARD
        };
        self.rect((x, top, width, height), 8, fill, edge)?;
        let used = u32::try_from(lines.len()).unwrap_or_default() * LINE;
        // In the middle of a card that the other lane made higher.
        let mut y = top + (height.saturating_sub(used)) / 2 + 13;
        for line in lines {
            match line {
                Line::Chain(name) => self.text((x + 14, y), &name, Type::sans(11, 400, FAINT, "start"))?,
                Line::Text(text, role) => self.text((x + 14, y), &text, Type::mono(ink(role)))?,
                Line::Nothing => self.text((x + 14, y), "no rule for it", Type::sans(12, 400, FAINT, "start"))?,
                Line::Ports(from, to) => {
                    let text = format!("port {} → {}", written(from), written(to));
                    self.text((x + 14, y), &text, Type::sans(13, 700, PURPLE, "start"))?;
                }
            }
            y += LINE;
        }
        Ok(())
    }

    /// From station to station, with the port that the packet goes to.
    fn arrow(&mut self, x: u32, from: u32, to: u32, port: Option<u16>) -> io::Result<()> {
        let (x_, from_, to_) = (x.to_string(), (from + 1).to_string(), (to - 7).to_string());
        let line = [
            ("x1", x_.as_str()),
            ("x2", x_.as_str()),
            ("y1", from_.as_str()),
            ("y2", to_.as_str()),
            ("stroke", FAINT),
            ("stroke-width", "1.5"),
        ];
        self.writer.create_element("line").with_attributes(line).write_empty()?;
        let points = format!("{},{} {},{} {},{}", x - 5, to - 8, x + 5, to - 8, x, to - 1);
        let head = [("points", points.as_str()), ("fill", FAINT)];
        self.writer
            .create_element("polygon")
            .with_attributes(head)
            .write_empty()?;
        let Some(port) = port else { return Ok(()) };
        let (fill, ink) = match port {
            port if port == self.ports.0 => ("#ddf4ff", BLUE),
            port if port == self.ports.1 => ("#fff8c5", AMBER),
            _ => ("#eaeef2", INK),
        };
        let text = port.to_string();
        let width = 22 + 8 * u32::try_from(text.len()).unwrap_or_default();
        let y = from.midpoint(to) - 12;
        self.rect((x + 12, y, width, 20), 10, fill, ink)?;
        self.text((x + 12 + width / 2, y + 14), &text, Type::sans(12, 700, ink, "middle"))
    }

    fn end(&mut self, lane: &Lane, x: u32, top: u32) -> io::Result<()> {
        let (fill, ink) = match lane.end {
            End::Delivered { .. } => ("#dafbe1", GREEN),
            End::Forwarded => ("#ddf4ff", BLUE),
            End::Dropped | End::Rejected => ("#ffebe9", RED),
            End::Unknown { .. } => ("#fff8c5", AMBER),
        };
        self.rect((x, top, LANE, END), 22, fill, ink)?;
        self.sign(&lane.end, (x + 26, top + END / 2), ink)?;
        let told = end(&lane.end);
        let parts = wrapped(&told, 52);
        let mut first = parts.first().cloned().unwrap_or_default();
        if parts.len() > 1 {
            first.push('…');
        }
        self.text((x + 46, top + 27), &first, Type::sans(14, 700, ink, "start"))
    }

    /// A tick, a cross, an arrow or a question mark.
    fn sign(&mut self, end: &End, (x, y): (u32, u32), ink: &'static str) -> io::Result<()> {
        let path = match end {
            End::Delivered { .. } => format!("M{} {y} l5 5 l9 -10", x - 6),
            End::Forwarded => format!("M{} {y} h13 m-5 -5 l5 5 l-5 5", x - 7),
            End::Dropped | End::Rejected => format!("M{} {} l10 10 m0 -10 l-10 10", x - 5, y - 5),
            End::Unknown { .. } => return self.text((x, y + 6), "?", Type::sans(18, 700, ink, "middle")),
        };
        let attributes = [
            ("d", path.as_str()),
            ("fill", "none"),
            ("stroke", ink),
            ("stroke-width", "2.5"),
            ("stroke-linecap", "round"),
            ("stroke-linejoin", "round"),
        ];
        self.writer
            .create_element("path")
            .with_attributes(attributes)
            .write_empty()?;
        Ok(())
    }
}

/// The left edge of a lane.
fn left(which: usize) -> u32 {
    if which == 0 { MARGIN } else { MARGIN + LANE + SPINE }
}

fn written(port: Option<u16>) -> String {
    port.map_or_else(|| "?".to_owned(), |port| port.to_string())
}

/// For whoever does not see it.
fn told(sheet: &Sheet<'_>) -> String {
    let lanes = [&sheet.picture.mapped, &sheet.picture.direct].map(|lane| {
        let stages: Vec<&str> = lane.stages.iter().map(|stage| stage.kind.name()).collect();
        format!("A packet to {}: {}; {}.", lane.port, stages.join(", "), end(&lane.end))
    });
    format!("{}. {}", sanitise(sheet.of), lanes.join(" "))
}
