//! For people: a table of the redirects, then what was found, each finding once with the hosts that have it.

use std::fmt::Write as _;

use console::{Style, measure_text_width, pad_str};

use super::Overview;
use crate::firewall::audit::{Finding, Judged, Level, Place, Verdict, Way};
use crate::report::{Look, sanitise};

/// Where there is no terminal, and the widest.
const WIDTH: usize = 80;
const WIDEST: usize = 120;

/// The most names of a list that are named.
const MOST_NAMES: usize = 5;

/// The text, with colours if the look has them.
#[must_use]
pub fn text(overview: &Overview, look: Look) -> String {
    let page = Page {
        width: look
            .width
            .map_or(WIDTH, |width| usize::from(width).clamp(WIDTH, WIDEST)),
        color: look.color,
        by_host: !overview.is_of_files(),
    };
    let parts = [
        page.table(overview),
        page.findings(overview),
        page.unseen(overview),
        page.remarks(overview),
        page.totals(overview),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}

struct Page {
    width: usize,
    color: bool,
    /// Whether hosts are named.
    by_host: bool,
}

/// Values with the hosts that have them, in the order in which they came.
fn grouped<T: PartialEq>(all: impl Iterator<Item = (String, T)>) -> Vec<(T, Vec<String>)> {
    let mut groups: Vec<(T, Vec<String>)> = Vec::new();
    for (name, one) in all {
        match groups.iter_mut().find(|(known, _)| *known == one) {
            Some((_, names)) => {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            None => groups.push((one, vec![name])),
        }
    }
    groups
}

fn listed(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().map(String::as_str).take(MOST_NAMES).collect();
    match names.len().saturating_sub(MOST_NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn way(way: Way) -> &'static str {
    match way {
        Way::Open => "open",
        Way::Some => "to some",
        Way::Closed => "closed",
        Way::Unknown => "unknown",
    }
}

impl Page {
    fn paint(&self, style: Style, text: &str) -> String {
        style
            .force_styling(self.color && !text.is_empty())
            .apply_to(text)
            .to_string()
    }

    fn table(&self, overview: &Overview) -> String {
        let judged = overview.reports().flat_map(|(looked, report)| {
            let rows = report.redirects.iter();
            rows.map(|judged| (sanitise(&looked.name), self.row(judged)))
        });
        let mut rows: Vec<Vec<String>> = grouped(judged)
            .into_iter()
            .map(|(mut row, names)| {
                if self.by_host {
                    row.push(listed(&names));
                }
                row
            })
            .collect();
        if rows.is_empty() {
            return String::new();
        }
        let mut header: Vec<String> = ["REDIRECT", "FAMILY", "MAPPED", "DIRECTLY", "VERDICT"]
            .map(str::to_owned)
            .into();
        if self.by_host {
            header.push("HOSTS".to_owned());
        }
        rows.insert(0, header);
        lined_up(&rows)
    }

    fn row(&self, judged: &Judged) -> Vec<String> {
        let by = match judged.by.as_slice() {
            [] => String::new(),
            names => format!(" by {}", listed(names)),
        };
        let dead = matches!(judged.verdict, Verdict::OwnPackets | Verdict::KeepsPort);
        let ways = [judged.mapped, judged.direct].map(|one| if dead { "-" } else { way(one) });
        let mut verdict = self.paint(style(judged.verdict), judged.verdict.words());
        if let Some((mapped, direct)) = judged.operator {
            let _ = write!(verdict, " (from here: {}, {})", way(mapped), way(direct));
        }
        vec![
            sanitise(&(judged.title() + &by)),
            judged.family.name().to_owned(),
            ways[0].to_owned(),
            ways[1].to_owned(),
            verdict,
        ]
    }

    fn findings(&self, overview: &Overview) -> String {
        let all = overview.reports().flat_map(|(looked, report)| {
            let findings = report.findings.iter();
            findings.map(|finding| (sanitise(&looked.name), finding.clone()))
        });
        let mut groups = grouped(all);
        groups.sort_by_key(|(finding, _)| (finding.level, finding.kind));
        let texts: Vec<String> = groups
            .iter()
            .map(|(finding, names)| self.finding(finding, names))
            .collect();
        texts.join("\n")
    }

    fn finding(&self, finding: &Finding, names: &[String]) -> String {
        let label = self.paint(
            of_level(finding.level).bold(),
            &format!("{} {}", finding.kind.code(), finding.level),
        );
        let mut text = self.hanging(&format!("{label}: "), "  ", &finding.message);
        if self.by_host {
            text += &self.hanging("  on: ", "    ", &listed(names));
        }
        if let Some(exposed) = &finding.exposed {
            text += &self.hanging("  exposed: ", "    ", exposed);
        }
        for (role, place) in &finding.rules {
            text += &self.hanging(&format!("  {}: ", sanitise(role)), "    ", &where_(place));
            text += &self.hanging("    ", "      ", &place.rule);
        }
        if !finding.better.sentence.is_empty() {
            let label = self.paint(Style::new().cyan(), "better");
            text += &self.hanging(&format!("  {label}: "), "    ", &finding.better.sentence);
            if let Some(mapping) = &finding.better.mapping {
                let _ = writeln!(text, "    {}", sanitise(mapping));
            }
            let commands = finding.better.commands.iter();
            text += &commands.map(|one| self.command(one)).collect::<String>();
        }
        text
    }

    /// A paragraph whose lines after the first stand further in.
    fn hanging(&self, first: &str, rest: &str, text: &str) -> String {
        let mut lines = vec![first.to_owned()];
        let mut used = measure_text_width(first);
        for word in sanitise(text).split(' ').filter(|word| !word.is_empty()) {
            let width = measure_text_width(word);
            let begun = used > rest.len().max(measure_text_width(first).min(rest.len()));
            if used + width > self.width && begun {
                lines.push(rest.to_owned());
                used = rest.len();
            }
            if let Some(line) = lines.last_mut() {
                line.push_str(word);
                line.push(' ');
            }
            used += width + 1;
        }
        lines.iter().map(|line| line.trim_end().to_owned() + "\n").collect()
    }

    /// A command that a shell takes as it stands, on several lines where it is long.
    fn command(&self, command: &str) -> String {
        const FIRST: &str = "    ";
        let mut lines = vec![FIRST.to_owned()];
        let mut empty = true;
        for word in sanitise(command).split(' ') {
            let used = lines.last().map_or(0, |line| measure_text_width(line));
            if used + measure_text_width(word) + 2 > self.width && !empty {
                lines.push("        ".to_owned());
            }
            if let Some(line) = lines.last_mut() {
                line.push_str(word);
                line.push(' ');
            }
            empty = false;
        }
        let lines: Vec<String> = lines.iter().map(|line| line.trim_end().to_owned()).collect();
        lines.join(" \\\n") + "\n"
    }

    fn unseen(&self, overview: &Overview) -> String {
        let mut text = String::new();
        let unseen = overview
            .looked
            .iter()
            .filter_map(|looked| Some((&looked.name, looked.found.as_ref().err()?)));
        for (name, unseen) in unseen {
            let state = if unseen.unreachable { "unreachable" } else { "failed" };
            let label = format!("{}: {}: ", sanitise(name), self.paint(Style::new().red(), state));
            text += &self.hanging(&label, "  ", &unseen.reason);
            if let Some(hint) = &unseen.hint {
                let label = format!("  {}: ", self.paint(Style::new().cyan(), "hint"));
                text += &self.hanging(&label, "    ", hint);
            }
        }
        text
    }

    fn remarks(&self, overview: &Overview) -> String {
        let all = overview.looked.iter().flat_map(|looked| {
            let remarks = looked.remarks.iter();
            remarks.map(|remark| (sanitise(&looked.name), remark.clone()))
        });
        let line = |(remark, names): (String, Vec<String>)| {
            let first = if self.by_host {
                format!("{}: ", listed(&names))
            } else {
                String::new()
            };
            self.hanging(&first, "  ", &remark)
        };
        grouped(all).into_iter().map(line).collect()
    }

    fn totals(&self, overview: &Overview) -> String {
        let mut verdicts: Vec<(Verdict, usize)> = Vec::new();
        for judged in overview.reports().flat_map(|(_, report)| &report.redirects) {
            match verdicts.iter_mut().find(|(known, _)| *known == judged.verdict) {
                Some((_, count)) => *count += 1,
                None => verdicts.push((judged.verdict, 1)),
            }
        }
        verdicts.sort_unstable();
        let counts: Vec<String> = verdicts
            .iter()
            .map(|(verdict, count)| self.paint(style(*verdict), &format!("{count} {}", verdict.words())))
            .collect();
        let levels = [Level::Error, Level::Warning, Level::Note];
        let levels: Vec<String> = levels
            .into_iter()
            .map(|level| (level, overview.count(level)))
            .filter(|(_, count)| *count > 0)
            .map(|(level, count)| self.paint(of_level(level), &format!("{count} {level}{}", plural(count))))
            .collect();
        let redirects = if counts.is_empty() {
            "no redirects".to_owned()
        } else {
            format!("redirects: {}", counts.join(", "))
        };
        let findings = if levels.is_empty() {
            "nothing found".to_owned()
        } else {
            levels.join(", ")
        };
        let hosts = match (self.by_host, overview.looked.len()) {
            (false, _) => String::new(),
            (true, count) => format!("; {count} host{}", plural(count)),
        };
        let interrupted = if overview.interrupted { "interrupted: " } else { "" };
        format!("{interrupted}{redirects}; {findings}{hosts}\n")
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn of_level(level: Level) -> Style {
    match level {
        Level::Error => Style::new().red(),
        Level::Warning => Style::new().yellow(),
        Level::Note => Style::new().cyan(),
    }
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Right => Style::new().green(),
        Verdict::BothWork | Verdict::NeitherWorks | Verdict::OnlyDirectWorks | Verdict::Dead => Style::new().red(),
        Verdict::Unknown => Style::new().yellow(),
        Verdict::KeepsPort | Verdict::OwnPackets => Style::new(),
    }
}

/// `filter INPUT 3, line 12`.
fn where_(place: &Place) -> String {
    let number = match place.number {
        0 => String::new(),
        number => format!(" {number}"),
    };
    let line = place.line.map_or_else(String::new, |line| format!(", line {line}"));
    format!(
        "{} {}{number} ({}){line}",
        place.table,
        place.chain,
        place.family.name()
    )
}

fn lined_up(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| measure_text_width(cell)).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| pad_str(cell, *width, console::Alignment::Left, None).into_owned())
            .collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}
