use std::io::Write as _;
use std::time::{Duration, Instant};

use console::Term;

use super::echo::Quiet;
use super::frame::Frame;
use super::{Canvas, Plain, Screen};
use crate::report::RunEvent;

/// Shows a run on standard error: drawn on a terminal, plain lines elsewhere.
pub struct Display {
    kind: Kind,
}

enum Kind {
    Drawn(Box<Drawn>),
    Plain(Plain),
}

/// Tells how long the run has taken.
type Clock = Box<dyn Fn() -> Duration + Send>;

struct Drawn {
    screen: Screen,
    frame: Frame,
    term: Term,
    color: bool,
    clock: Clock,
    quiet: Option<Quiet>,
}

impl Display {
    /// A display whose clock starts now, of a run of at most `forks` hosts at a time. `verbosity` is the number of `-v`,
    /// `color` whether standard error may have colours.
    #[must_use]
    pub fn new(forks: usize, verbosity: u8, color: bool) -> Self {
        let since = Instant::now();
        Self::with_clock(forks, verbosity, color, move || since.elapsed())
    }

    /// The same with a clock of one's own.
    #[must_use]
    pub fn with_clock(forks: usize, verbosity: u8, color: bool, clock: impl Fn() -> Duration + Send + 'static) -> Self {
        let term = Term::stderr();
        let moves = std::env::var_os("TERM").is_some_and(|term| term != "dumb");
        let kind = if term.is_term() && moves {
            let screen = Screen::new(forks, verbosity);
            Kind::Drawn(Box::new(Drawn {
                screen,
                frame: Frame::default(),
                term,
                color,
                clock: Box::new(clock),
                quiet: Quiet::new(),
            }))
        } else {
            Kind::Plain(Plain::new(verbosity))
        };
        Self { kind }
    }

    /// Shows an event.
    pub fn show(&mut self, event: &RunEvent) {
        match &mut self.kind {
            Kind::Drawn(drawn) => drawn.show(event),
            Kind::Plain(plain) => print(&plain.lines(event)),
        }
    }

    /// Moves clocks and countdowns on; to be called some times a second.
    pub fn tick(&mut self) {
        if let Kind::Drawn(drawn) = &mut self.kind {
            drawn.draw(&[]);
        }
    }

    /// Takes the drawn lines away; what was printed for good stays.
    pub fn finish(self) {
        if let Kind::Drawn(mut drawn) = self.kind {
            drawn.finish();
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
    /// The last column stays free: a terminal wraps behind it, each in its own way.
    fn canvas(&self) -> Canvas {
        let (width, height) = self.size();
        Canvas {
            width: width.saturating_sub(1).max(1),
            height,
            color: self.color,
        }
    }

    /// Columns and rows.
    fn size(&self) -> (usize, usize) {
        let (height, width) = self.term.size();
        (width.into(), height.into())
    }

    fn show(&mut self, event: &RunEvent) {
        let asked = self.screen.question().is_some();
        let printed = self.screen.apply(event, (self.clock)(), self.canvas());
        match self.screen.question() {
            Some(question) if !asked => self.ask(&printed, &format!("{question} ")),
            _ => {
                if asked {
                    self.echo(false);
                }
                // Whoever answers ends the line; an interrupt does not.
                if asked && matches!(event, RunEvent::Interrupted { .. }) {
                    self.write("\n");
                }
                self.draw(&printed);
            }
        }
    }

    /// The question takes the place of the lines, the answer is typed behind it.
    fn ask(&mut self, printed: &[String], question: &str) {
        let size = self.size();
        let text = self.frame.draw(printed, vec![], size);
        self.write(&(text + question));
        self.echo(true);
    }

    fn echo(&self, on: bool) {
        if let Some(quiet) = &self.quiet {
            quiet.echo(on);
        }
    }

    fn draw(&mut self, printed: &[String]) {
        // Only its answer can come now, and that ends it.
        if self.screen.question().is_some() {
            return;
        }
        let lines = self.screen.lines((self.clock)(), self.canvas());
        let size = self.size();
        let text = self.frame.draw(printed, lines, size);
        self.write(&text);
    }

    fn finish(&mut self) {
        let rest = self.screen.finish(self.canvas());
        let size = self.size();
        let text = self.frame.draw(&rest, vec![], size);
        self.write(&text);
    }

    /// All at once: nobody sees half of it. A terminal that is gone is no reason to stop a run.
    fn write(&self, text: &str) {
        if !text.is_empty() {
            let _ = self.term.write_str(text);
        }
    }
}
