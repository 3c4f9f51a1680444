use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::args::{Deploy, Output, Remove};
use super::error::{self, Error};
use super::machine;
use super::request::Request;
use super::work::Fleetwork;
use crate::driver::{self, Earlier};
use crate::inventory::{self, Fleet, HostSpec, Password};
use crate::playbook::{self, Playbook, Run};
use crate::remote::ssh;
use crate::report::{self, ExitCode, Look, Outcome, RunEvent};
use crate::rollout::{HostId, RolloutPlan};
use crate::screen::Display;
use crate::world::World;

/// How often clocks and countdowns on the screen move.
const TICK: Duration = Duration::from_millis(100);

/// Deploys what the arguments ask for.
pub(super) fn run(args: Deploy) -> Result<ExitCode, Error> {
    let world = machine();
    let request = Request::deploy(args, &*world)?;
    let run = planned(&request, &world)?;
    say_untouched(&run.untouched);
    carry_out(request, run)
}

/// Takes this program off the hosts that the arguments name. Those without mappings too: they may have had some.
pub(super) fn remove(args: Remove) -> Result<ExitCode, Error> {
    let world = machine();
    let request = Request::remove(args, &*world)?;
    let run = planned(&request, &world)?;
    carry_out(request, run)
}

/// The run, its hosts complete. Only when everything is sound is the password asked for.
pub(super) fn planned(request: &Request, world: &Arc<dyn World>) -> Result<Run, Error> {
    let fleet = Fleet::load(&request.sources, world).map_err(Error::Problems)?;
    let playbooks = playbooks(&request.playbooks, &fleet)?;
    let folder = request.sources.playbook_folder.clone().unwrap_or_default();
    let run = if playbooks.is_empty() {
        playbook::without_plays(&fleet, &request.options, &folder)
    } else {
        playbook::plan(&playbooks, &fleet, &request.options, |below| {
            fastrand::usize(..below.max(1))
        })
    };
    let mut run = run.map_err(Error::Problems)?;
    error::warn(&fleet.take_warnings());
    if run.turns.is_empty() && run.untouched.is_empty() {
        return Err(Error::Problems(vec![fleet.nobody()]));
    }
    let password = request
        .login
        .ask_become_password
        .then(ask_become_password)
        .transpose()?;
    for turn in &mut run.turns {
        request.complete(&mut turn.host, password.as_ref());
    }
    Ok(run)
}

fn playbooks(paths: &[PathBuf], fleet: &Fleet) -> Result<Vec<Playbook>, Error> {
    let mut playbooks = Vec::new();
    for path in paths {
        let source = fleet.read(path).map_err(|problem| Error::Problems(vec![problem]))?;
        let mut read = |path: &Path| fleet.read(path).map_err(|problem| problem.message);
        let playbook = Playbook::parse(&source, path, &mut read).map_err(Error::Problems)?;
        error::warn(&playbook.warnings);
        playbooks.push(playbook);
    }
    Ok(playbooks)
}

fn carry_out(request: Request, run: Run) -> Result<ExitCode, Error> {
    to_its_end(rollout(request, run))
}

pub(super) fn to_its_end(work: impl Future<Output = ExitCode>) -> Result<ExitCode, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let ended = runtime.block_on(work);
    // Somebody may still be asked something: the answer no longer matters.
    runtime.shutdown_background();
    Ok(ended)
}

/// Ansible's own words, on the terminal itself: standard input and output may be files.
fn ask_become_password() -> Result<Password, Error> {
    rpassword::prompt_password("BECOME password: ")
        .map(Password::new)
        .map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted | io::ErrorKind::UnexpectedEof => Error::NoPassword,
            _ => Error::NoTerminal(error),
        })
}

/// The hosts of inventories; says what is odd in them.
pub(super) fn load(inventories: &[String], limit: Option<&str>) -> Result<Vec<HostSpec>, Error> {
    let request = inventory::Request {
        inventory: inventories.to_vec(),
        limit: limit.into_iter().map(str::to_owned).collect(),
        ..inventory::Request::default()
    };
    let loaded = inventory::load(&request, &machine()).map_err(Error::Problems)?;
    error::warn(&loaded.warnings);
    Ok(loaded.hosts)
}

pub(super) fn say_untouched(names: &[String]) {
    if names.is_empty() {
        return;
    }
    let names = report::sanitise(&names.join(", "));
    let _ = writeln!(anstream::stderr(), "not touched, no `portmap` variable: {names}");
}

async fn rollout(request: Request, run: Run) -> ExitCode {
    let started = Instant::now();
    let Run { turns, plan, .. } = run;
    let run_id = run_id();
    let names: Vec<String> = turns.iter().map(|turn| turn.host.name.clone()).collect();
    let (events, received) = unbounded_channel();
    let _ = events.send(started_event(&run_id, &plan, &names));
    let showing = tokio::spawn(show(received, Viewer::new(&request)));
    ssh::sweep();
    let work = Arc::new(Fleetwork::new(&request, &run_id, turns, plan.forks(), events.clone()));
    let outcome = driver::drive(names, plan, Earlier::default(), Arc::clone(&work), events).await;
    work.close().await;
    // Only a fault of the display itself could end it with an error; the run's result is worth more.
    let _ = showing.await;
    print_end(request.output, &run_id, &outcome, started.elapsed());
    outcome.exit_code()
}

fn started_event(run_id: &str, plan: &RolloutPlan, names: &[String]) -> RunEvent {
    let name = |id: &HostId| names.get(id.0).cloned();
    let batches = plan
        .batches()
        .iter()
        .map(|batch| batch.iter().filter_map(name).collect())
        .collect();
    RunEvent::Started {
        run_id: run_id.to_owned(),
        batches,
    }
}

/// The run's id: its time, for people, and a random end, for runs of the same second.
pub(super) fn run_id() -> String {
    format!(
        "{}-{:08x}",
        jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ"),
        fastrand::u32(..)
    )
}

/// What becomes of the events.
struct Viewer {
    display: Display,
    lines: bool,
    verbosity: u8,
}

impl Viewer {
    fn new(request: &Request) -> Self {
        Self {
            display: Display::new(request.verbosity, error::color()),
            lines: request.output == Output::Jsonl,
            verbosity: request.verbosity,
        }
    }

    fn take(&mut self, event: &RunEvent) {
        let hidden = matches!(event, RunEvent::Dialogue { level, .. } if *level > self.verbosity);
        if hidden {
            return;
        }
        if self.lines
            && let Some(line) = report::event_line(event)
        {
            print(&(line + "\n"));
        }
        self.display.show(event);
    }
}

/// Shows events until the run has finished.
async fn show(mut events: UnboundedReceiver<RunEvent>, mut viewer: Viewer) {
    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                None | Some(RunEvent::Finished) => break,
                Some(event) => viewer.take(&event.sanitised()),
            },
            _ = ticks.tick() => viewer.display.tick(),
        }
    }
    viewer.display.clear();
}

fn print_end(output: Output, run_id: &str, outcome: &Outcome, elapsed: Duration) {
    match output {
        Output::Text => {
            let look = look();
            // Apart from what was printed of the run, where both are on one terminal.
            let gap = if look.width.is_some() && !outcome.hosts.is_empty() {
                "\n"
            } else {
                ""
            };
            print(&(gap.to_owned() + &report::recap(outcome, elapsed, look)));
        }
        Output::Json => print(&(report::document(run_id, outcome) + "\n")),
        Output::Jsonl => print(&(report::finished_line(run_id, outcome) + "\n")),
    }
}

/// How standard output wants its text.
pub(super) fn look() -> Look {
    let stdout = io::stdout();
    let color = anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
    let width = stdout.is_terminal().then(|| console::Term::stdout().size().1);
    Look { width, color }
}

/// A reader that went away does not make the run a failure.
pub(super) fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
