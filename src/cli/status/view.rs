use std::io::{self, IsTerminal as _, Write as _};

use indicatif::ProgressBar;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::mpsc::UnboundedReceiver;

use super::super::args::Form;
use super::super::deploy;
use super::super::error::Error;
use super::super::output_file::OutputFile;
use crate::report::{self, Look, RunEvent};
use crate::screen;
use crate::status::{self, Frame, Overview, Showing, Status};

/// Changes that are remembered, for screens that grow.
const MOST_NEWS: usize = 100;

/// Where looks go: a file, standard output, a terminal that is drawn anew each time.
pub(super) struct View {
    form: Form,
    file: Option<OutputFile>,
    verbosity: u8,
    /// Looks follow one another.
    watches: bool,
    /// Standard output is a terminal to draw on.
    draws: bool,
    progress: ProgressBar,
    last: Option<Overview>,
    news: Vec<(Timestamp, String)>,
    /// When the next look begins; `None`: it is under way.
    pub next: Option<Timestamp>,
}

impl View {
    pub fn new(form: Form, file: Option<OutputFile>, watches: bool, verbosity: u8) -> Self {
        let to_terminal = form == Form::Text && file.is_none() && io::stdout().is_terminal();
        let drawable = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self {
            form,
            file,
            verbosity,
            watches,
            draws: watches && to_terminal && drawable,
            progress: ProgressBar::hidden(),
            last: None,
            news: Vec::new(),
            next: None,
        }
    }

    /// Prints the dialogue with the hosts for whoever wants to see it.
    pub fn tell_dialogue(&self, mut events: UnboundedReceiver<RunEvent>) {
        let verbosity = if self.draws { 0 } else { self.verbosity };
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                for line in screen::plain_lines(&event.sanitised(), verbosity) {
                    let _ = writeln!(anstream::stderr(), "{line}");
                }
            }
        });
    }

    /// A look begins.
    pub fn begins(&mut self, hosts: usize) {
        if !self.watches && self.verbosity == 0 {
            // Hides itself where standard error is no terminal.
            self.progress = ProgressBar::new(hosts as u64);
        }
        self.tick();
    }

    /// A host was looked at.
    pub fn host(&mut self, name: &str, status: &Status) {
        self.progress.inc(1);
        if self.form == Form::Jsonl && self.file.is_none() {
            deploy::print(&(status::host_line(name, status) + "\n"));
        }
    }

    /// A look has ended.
    pub fn ended(&mut self, overview: &Overview) -> Result<(), Error> {
        self.progress.finish_and_clear();
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
                deploy::print(&"\n".repeat(self.showing().height.unwrap_or_default().into()));
            }
            self.tick();
        } else if self.form == Form::Text && !first {
            self.tell(&news);
        } else if self.form == Form::Jsonl {
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

    fn text(&self, overview: &Overview, now: Timestamp) -> String {
        match self.form {
            Form::Text => status::table(overview, &self.showing()),
            Form::Json => status::document(overview) + "\n",
            Form::Jsonl => {
                let hosts = overview.hosts.iter();
                let lines = hosts.map(|(name, status)| status::host_line(name, status) + "\n");
                lines.collect::<String>() + &status::totals_line(overview) + "\n"
            }
            Form::Junit => report::junit("portmap-deploy status", &status::findings(overview), overview.elapsed),
            Form::Prometheus => report::exposition(&status::gauges(overview, now)),
        }
    }

    fn showing(&self) -> Showing {
        let plain = Look {
            width: None,
            color: false,
        };
        let look = if self.file.is_some() { plain } else { deploy::look() };
        // The last row stays free: a line's end there would move all others up.
        let height = look.width.map(|_| console::Term::stdout().size().0.saturating_sub(1));
        Showing {
            look,
            height,
            all: self.verbosity > 0,
            zone: TimeZone::system(),
        }
    }
}

/// Over what was drawn before, in one go: nothing flickers (ECMA-48: CUP, EL, ED).
fn drawn(lines: &[String]) -> String {
    let lines = lines.iter().flat_map(|line| [line.as_str(), "\x1b[K\r\n"]);
    let lines: String = lines.collect();
    format!("\x1b[H{lines}\x1b[J")
}
