//! For people: hosts to which the same happens once, what changes in their rules and who reaches what.

use std::fmt::Write as _;

use console::{Style, measure_text_width, pad_str};

use super::groups::{Chain, Group, What, groups};
use super::names::folded;
use super::reach::ReachLine;
use super::{Previews, State};
use crate::plan::DiffLine;
use crate::report::{Look, sanitise, time};

/// Where there is no terminal.
const WIDTH: usize = 80;

/// The most hosts of a group that are named.
const MOST_NAMES: usize = 8;

/// What is to be shown, and how.
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    /// Width and colours.
    pub look: Look,
    /// What of our rules comes and goes.
    pub rules: bool,
    /// Every host that is named, however many do the same.
    pub all: bool,
}

/// The text, with colours if the look has them.
#[must_use]
pub fn text(previews: &Previews, shown: Shown) -> String {
    let width = shown.look.width.map_or(WIDTH, usize::from).max(WIDTH / 2);
    let page = Page { shown, width };
    let mut text = String::new();
    for group in groups(previews) {
        text += &page.group(&group);
        text.push('\n');
    }
    text + &page.totals(previews)
}

struct Page {
    shown: Shown,
    width: usize,
}

impl Page {
    fn paint(&self, style: Style, text: &str) -> String {
        let colored = self.shown.look.color && !text.is_empty();
        style.force_styling(colored).apply_to(text).to_string()
    }

    fn group(&self, group: &Group<'_>) -> String {
        let What {
            state,
            reasons,
            rules,
            reach,
            warnings,
            hint,
        } = &group.what;
        let title = format!("{}: {}", self.names(&group.hosts), state.words());
        let mut text = String::new();
        self.wrapped(&mut text, "", &style(*state).bold(), &title);
        for reason in reasons {
            self.wrapped(&mut text, "  ", &Style::new(), reason);
        }
        if self.shown.rules {
            rules.iter().for_each(|chain| self.chain(&mut text, chain));
        }
        self.reach(&mut text, reach);
        for warning in warnings {
            let warning = format!("warning: {warning}");
            self.wrapped(&mut text, "  ", &Style::new().yellow(), &warning);
        }
        if let Some(hint) = hint {
            self.wrapped(&mut text, "  ", &Style::new(), &format!("hint: {hint}"));
        }
        text
    }

    fn names(&self, hosts: &[&str]) -> String {
        let names: Vec<String> = hosts.iter().map(|host| sanitise(host)).collect();
        if let ([_], _) | (_, true) = (hosts, self.shown.all) {
            return names.join(", ");
        }
        let folded = folded(&names);
        let (named, left) = folded.split_at(folded.len().min(MOST_NAMES));
        let named: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
        let more = match left.iter().map(|(_, count)| count).sum::<usize>() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{}{more} ({} hosts)", named.join(", "), hosts.len())
    }

    fn chain(&self, text: &mut String, chain: &Chain) {
        let families: Vec<_> = chain.families.iter().map(|family| family.name()).collect();
        let _ = writeln!(text, "  {} {}  ({})", chain.table, chain.chain, families.join(", "));
        for line in &chain.lines {
            match line {
                DiffLine::Added(rule) => self.wrapped(text, "    + ", &Style::new().green(), rule),
                DiffLine::Removed(rule) => self.wrapped(text, "    - ", &Style::new().red(), rule),
            }
        }
    }

    fn reach(&self, text: &mut String, lines: &[ReachLine]) {
        let label = |line: &ReachLine| match line.who.as_str() {
            "" => format!("{}:", line.service),
            who => format!("{} ({who}):", line.service),
        };
        let widest = lines.iter().map(|line| measure_text_width(&label(line))).max();
        for line in lines {
            let label = pad_str(&label(line), widest.unwrap_or_default(), console::Alignment::Left, None).into_owned();
            let style = if line.before == line.after {
                Style::new().dim()
            } else {
                Style::new().bold()
            };
            self.wrapped(text, "  ", &style, &format!("{label} {}", line.change()));
        }
    }

    /// A line of words, with a lead; what does not fit goes on below it, indented as much and a little more.
    fn wrapped(&self, text: &mut String, lead: &str, style: &Style, line: &str) {
        let indent = " ".repeat(lead.len() + 2);
        let mut rest = lead.to_owned();
        let mut is_first = true;
        for word in line.split(' ') {
            let begins = rest.trim().is_empty() || (is_first && rest == lead);
            if !begins && measure_text_width(&rest) + 1 + measure_text_width(word) > self.width {
                let _ = writeln!(text, "{}", self.paint(style.clone(), &rest));
                rest.clone_from(&indent);
                rest += word;
            } else {
                if !begins {
                    rest.push(' ');
                }
                rest += word;
            }
            is_first = false;
        }
        let _ = writeln!(text, "{}", self.paint(style.clone(), &rest));
    }

    fn totals(&self, previews: &Previews) -> String {
        let counts: Vec<String> = State::ALL
            .into_iter()
            .map(|state| (state, previews.count(state)))
            .filter(|(_, count)| *count > 0)
            .map(|(state, count)| self.paint(style(state), &format!("{count} {}", state.words())))
            .collect();
        let hosts = previews.hosts.len();
        let (noun, interrupted) = (
            if hosts == 1 { "host" } else { "hosts" },
            if previews.interrupted { "interrupted: " } else { "" },
        );
        let batches = match previews.batches.as_slice() {
            [] | [_] => String::new(),
            many => format!(" in {} batches", many.len()),
        };
        let line = format!(
            "{interrupted}{}; {hosts} {noun}{batches}, looked at in {}",
            counts.join(", "),
            time(previews.elapsed)
        );
        let mut text = String::new();
        self.wrapped(&mut text, "", &Style::new(), &line);
        text
    }
}

fn style(state: State) -> Style {
    match state {
        State::Unchanged => Style::new().green(),
        State::Changes => Style::new().yellow(),
        State::Refused | State::Failed | State::Unreachable => Style::new().red(),
    }
}
