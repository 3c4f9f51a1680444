use std::io::{self, IsTerminal as _};

use console::Term;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::mpsc::UnboundedReceiver;

use super::super::args::Shape;
use super::super::deploy;
use super::super::error::Error;
use super::super::output_file::OutputFile;
use crate::report::{self, Look, RunEvent};
use crate::status::{self, Frame, Overview, Showing, Status};

/// Changes that are remembered, for screens that grow.
const MOST_NEWS: usize = 100;

/// Where looks go: a file, standard output, a terminal that is drawn anew each time.
pub(super) struct View {
    form: Shape,
    file: Option<OutputFile>,
    verbosity: u8,
    /// Looks follow one another.
    watches: bool,
    /// Standard output is a terminal to draw on.
    draws: bool,
    /// Where to show how far a look is.
    progress: Option<Progress>,
    last: Option<Overview>,
    news: Vec<(Timestamp, String)>,
    /// When the next look begins; `None`: it is under way.
    pub next: Option<Timestamp>,
}

impl View {
    pub fn new(form: Shape, file: Option<OutputFile>, watches: bool, verbosity: u8) -> Self {
        let to_terminal = form == Shape::Text && file.is_none() && io::stdout().is_terminal();
        let drawable = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self {
            form,
            file,
            verbosity,
            watches,
            draws: watches && to_terminal && drawable,
            progress: None,
            last: None,
            news: Vec::new(),
            next: None,
        }
    }

    /// Prints the dialogue with the hosts for whoever wants to see it.
    pub fn tell_dialogue(&self, events: UnboundedReceiver<RunEvent>) {
        deploy::tell_dialogue(events, if self.draws { 0 } else { self.verbosity });
    }

    /// A look begins.
    pub fn begins(&mut self, hosts: usize) {
        if !self.watches && self.verbosity == 0 {
            self.progress = Progress::of(hosts);
        }
        self.tick();
    }

    /// A host was looked at.
    pub fn host(&mut self, name: &str, status: &Status) {
        if let Some(progress) = &mut self.progress {
            progress.one_more();
        }
        if self.form == Shape::Jsonl && self.file.is_none() {
            deploy::print(&(status::host_line(name, status) + "\n"));
        }
    }

    /// A look has ended.
    pub fn ended(&mut self, overview: &Overview) -> Result<(), Error> {
        if let Some(progress) = self.progress.take() {
            progress.clear();
        }
        let now = Timestamp::now();
        let news = self
            .last
            .as_ref()
            .map_or_else(Vec::new, |last| status::news(last, overview));
        let first = self.last.replace(overview.clone()).is_none();
        if let Some(file) = &self.file {
            return file.replace(&self.text(overview, now));
        }
        let news: Vec<_> = news.into_iter().map(|line| (now, line)).collect();
        if self.draws {
            self.news.extend(news);
            let surplus = self.news.len().saturating_sub(MOST_NEWS);
            self.news.drain(..surplus);
            if first {
                // What stands on the screen moves up and is kept.
                deploy::print(&"\n".repeat(self.showing().look.rows.unwrap_or_default().into()));
            }
            self.tick();
        } else if self.form == Shape::Text && !first {
            self.tell(&news);
        } else if self.form == Shape::Jsonl {
            deploy::print(&(status::totals_line(overview) + "\n"));
        } else {
            deploy::print(&self.text(overview, now));
        }
        Ok(())
    }

    /// Only what has changed: whoever reads this has read what was before.
    fn tell(&self, news: &[(Timestamp, String)]) {
        let showing = self.showing();
        let lines = news.iter().map(|(at, what)| status::told(*at, what, &showing) + "\n");
        deploy::print(&lines.collect::<String>());
    }

    /// The clock moves.
    pub fn tick(&self) {
        let Some(overview) = self.last.as_ref().filter(|_| self.draws) else {
            return;
        };
        let showing = self.showing();
        let lines = status::frame(
            Frame {
                overview,
                news: &self.news,
                now: Timestamp::now(),
                next: self.next,
            },
            &showing,
        );
        deploy::print(&drawn(&lines));
    }

    /// No look follows. The terminal has written `^C` where the next prompt would stand.
    pub fn leave(&self) {
        if self.draws && self.last.is_some() {
            deploy::print("\n");
        }
    }

    fn text(&self, overview: &Overview, now: Timestamp) -> String {
        match self.form {
            Shape::Text => status::table(overview, &self.showing()),
            Shape::Json => status::document(overview) + "\n",
            Shape::Jsonl => {
                let hosts = overview.hosts.iter();
                let lines = hosts.map(|(name, status)| status::host_line(name, status) + "\n");
                lines.collect::<String>() + &status::totals_line(overview) + "\n"
            }
            Shape::Junit => report::junit("portmap-deploy status", &status::findings(overview), overview.elapsed),
            Shape::Prometheus => report::exposition(&status::gauges(overview, now)),
        }
    }

    fn showing(&self) -> Showing {
        let plain = Look {
            width: None,
            rows: None,
            color: false,
        };
        let look = if self.file.is_some() { plain } else { deploy::look() };
        // The last row stays free: a line's end there would move all others up.
        let rows = look.rows.map(|rows| rows.saturating_sub(1));
        Showing {
            look: Look { rows, ..look },
            all: self.verbosity > 0,
            zone: TimeZone::system(),
        }
    }
}

/// A line of standard error that tells how far a look is.
struct Progress {
    term: Term,
    done: usize,
    hosts: usize,
}

impl Progress {
    /// `None` where standard error is no terminal.
    fn of(hosts: usize) -> Option<Self> {
        let term = Term::stderr();
        term.is_term().then_some(Self { term, done: 0, hosts })
    }

    fn one_more(&mut self) {
        self.done += 1;
        let _ = self.term.clear_line();
        let _ = self
            .term
            .write_str(&format!("looked at {} of {}", self.done, self.hosts));
    }

    fn clear(self) {
        let _ = self.term.clear_line();
    }
}

/// Over what was drawn before, in one go: nothing flickers (ECMA-48: CUP, EL, ED).
fn drawn(lines: &[String]) -> String {
    let lines = lines.iter().flat_map(|line| [line.as_str(), "\x1b[K\r\n"]);
    let lines: String = lines.collect();
    format!("\x1b[H{lines}\x1b[J")
}
