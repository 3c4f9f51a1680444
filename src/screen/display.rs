use std::io::Write as _;
use std::time::{Duration, Instant};

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::echo::QuietInterrupts;
use super::{Canvas, Screen, plain_lines};
use crate::report::RunEvent;

/// Shows a run on standard error: drawn on a terminal, plain lines elsewhere.
pub struct Display {
    kind: Kind,
    verbosity: u8,
}

enum Kind {
    Drawn(Box<Drawn>),
    Plain,
}

struct Drawn {
    screen: Screen,
    term: Term,
    color: bool,
    since: Instant,
    multi: MultiProgress,
    bars: Vec<ProgressBar>,
    /// Held for its end.
    _quiet: Option<QuietInterrupts>,
}

impl Display {
    /// A display whose clock starts now. `verbosity` is the number of `-v`, `color` whether standard error may have
    /// colours.
    #[must_use]
    pub fn new(verbosity: u8, color: bool) -> Self {
        let term = Term::stderr();
        let drawable = term.is_term() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let kind = if drawable {
            Kind::Drawn(Box::new(Drawn::new(verbosity, color, term)))
        } else {
            Kind::Plain
        };
        Self { kind, verbosity }
    }

    /// Shows an event.
    pub fn show(&mut self, event: &RunEvent) {
        match &mut self.kind {
            Kind::Drawn(drawn) => drawn.show(event),
            Kind::Plain => print(&plain_lines(event, self.verbosity)),
        }
    }

    /// Moves clocks and countdowns on; to be called some times a second.
    pub fn tick(&mut self) {
        if let Kind::Drawn(drawn) = &mut self.kind {
            drawn.draw();
        }
    }

    /// Takes the drawn lines away; what was printed for good stays.
    pub fn clear(self) {
        if let Kind::Drawn(drawn) = self.kind {
            drawn.bars.iter().for_each(ProgressBar::finish_and_clear);
            let _ = drawn.multi.clear();
        }
    }
}

/// Standard error that is closed is no reason to stop a run.
fn print(lines: &[String]) {
    let mut stderr = anstream::stderr().lock();
    for line in lines {
        let _ = writeln!(stderr, "{line}");
    }
}

impl Drawn {
    fn new(verbosity: u8, color: bool, term: Term) -> Self {
        let multi = MultiProgress::with_draw_target(ProgressDrawTarget::term(term.clone(), 20));
        Self {
            screen: Screen::new(verbosity),
            term,
            color,
            since: Instant::now(),
            multi,
            bars: vec![],
            _quiet: QuietInterrupts::new(),
        }
    }

    fn canvas(&self) -> Canvas {
        let (height, width) = self.term.size();
        Canvas {
            width: width.into(),
            height: height.into(),
            color: self.color,
        }
    }

    fn now(&self) -> Duration {
        self.since.elapsed()
    }

    fn show(&mut self, event: &RunEvent) {
        let (now, canvas) = (self.now(), self.canvas());
        for line in self.screen.apply(event, now, canvas) {
            let _ = self.multi.println(line);
        }
        self.draw();
    }

    fn draw(&mut self) {
        let lines = self.screen.lines(self.now(), self.canvas());
        while self.bars.len() > lines.len() {
            if let Some(bar) = self.bars.pop() {
                self.multi.remove(&bar);
            }
        }
        while self.bars.len() < lines.len() {
            self.bars
                .push(self.multi.add(ProgressBar::new_spinner().with_style(text_only())));
        }
        for (bar, line) in self.bars.iter().zip(lines) {
            bar.set_message(line);
        }
    }
}

/// A bar that is its message and nothing else.
fn text_only() -> ProgressStyle {
    ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}
