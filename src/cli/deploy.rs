use std::fs::OpenOptions;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::args::{ByHand, DeployNow, Drill, Output, Remove, Rollback};
use super::error::{self, Error};
use super::invocation::Invocation;
use super::journaling::{self, Begun};
use super::machine;
use super::machines;
use super::plan;
use super::request::Request;
use super::work::Fleetwork;
use crate::driver;
use crate::inventory::{self, Fleet, HostSpec, Password};
use crate::journal::Journal;
use crate::playbook::{self, Playbook, Run};
use crate::preview::SavedPlan;
use crate::remote::ssh;
use crate::report::{self, ExitCode, Look, Outcome, RunEvent};
use crate::rollout::{HostId, RolloutPlan};
use crate::screen::Display;
use crate::transaction::{Goal, Verdict};
use crate::world::World;

/// How often clocks and countdowns on the screen move.
const TICK: Duration = Duration::from_millis(100);

/// Deploys what the arguments ask for.
pub(super) fn run(args: DeployNow, invocation: Invocation) -> Result<ExitCode, Error> {
    if args.check {
        return plan::check(args, invocation);
    }
    let world = machine();
    let request = Request::deploy_now(args, invocation, &*world)?;
    let run = rolled_out(&request, &world)?;
    say_untouched(&run.untouched);
    let saved = saved(&request, &run)?;
    let begun = Begun::anew(&request, &run);
    carry_out(request, run, begun, saved)
}

/// The plan that is to be carried out, if it is one for this run.
pub(super) fn saved(request: &Request, run: &Run) -> Result<Option<SavedPlan>, Error> {
    request.plan.as_deref().map(|path| plan::saved(path, run)).transpose()
}

/// Takes this program off the hosts that the arguments name.
pub(super) fn remove(args: Remove, invocation: Invocation) -> Result<ExitCode, Error> {
    all_hosts(|world| Request::remove(args, invocation, world))
}

/// Gives the hosts that the arguments name the mappings of an earlier generation.
pub(super) fn rollback(args: Rollback, invocation: Invocation) -> Result<ExitCode, Error> {
    all_hosts(|world| Request::rollback(args, invocation, world))
}

/// Lets the hosts' timers undo a change that changes nothing.
pub(super) fn drill(args: Drill, invocation: Invocation) -> Result<ExitCode, Error> {
    all_hosts(|world| Request::drill(args, invocation, world))
}

/// Decides about changes that are pending.
pub(super) fn by_hand(verdict: Verdict, args: ByHand, invocation: Invocation) -> Result<ExitCode, Error> {
    all_hosts(|world| Request::by_hand(verdict, args, invocation, world))
}

/// Those without mappings too: they may have had some.
fn all_hosts(request: impl FnOnce(&dyn World) -> Result<Request, Error>) -> Result<ExitCode, Error> {
    let world = machine();
    let request = request(&*world)?;
    let run = rolled_out(&request, &world)?;
    let begun = Begun::anew(&request, &run);
    carry_out(request, run, begun, None)
}

/// A run that changes hosts, in the order that is safe.
pub(super) fn rolled_out(request: &Request, world: &Arc<dyn World>) -> Result<Run, Error> {
    let run = machines::ordered(sound(request, world)?)?;
    if run.plan.asks() && !io::stdin().is_terminal() {
        return Err(Error::NobodyToAsk);
    }
    with_password(request, run)
}

/// A run in the order of its plays.
pub(super) fn planned(request: &Request, world: &Arc<dyn World>) -> Result<Run, Error> {
    with_password(request, sound(request, world)?)
}

/// Only when everything is sound is the password asked for.
fn with_password(request: &Request, mut run: Run) -> Result<Run, Error> {
    if request.login.ask_become_password {
        let password = ask_become_password()?;
        for turn in &mut run.turns {
            let own = &mut turn.host.connection.become_password;
            *own = own.take().or_else(|| Some(password.clone()));
        }
    }
    Ok(run)
}

/// The run, its hosts complete but for a password that is asked for.
fn sound(request: &Request, world: &Arc<dyn World>) -> Result<Run, Error> {
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
    for turn in &mut run.turns {
        request.complete(&mut turn.host);
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

pub(super) fn carry_out(request: Request, run: Run, begun: Begun, saved: Option<SavedPlan>) -> Result<ExitCode, Error> {
    to_its_end(rollout(request, run, begun, saved))
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

async fn rollout(request: Request, run: Run, begun: Begun, saved: Option<SavedPlan>) -> ExitCode {
    let started = Instant::now();
    let Run { turns, plan, .. } = run;
    let Begun {
        run_id,
        journal,
        earlier,
    } = begun;
    let names: Vec<String> = turns.iter().map(|turn| turn.host.name.clone()).collect();
    let (events, received) = unbounded_channel();
    let _ = events.send(started_event(&run_id, &plan, &names));
    let showing = tokio::spawn(show(received, Viewer::new(&request, plan.forks(), journal)));
    ssh::sweep();
    let work = Fleetwork::new(&request, &run_id, turns, plan.forks(), events.clone()).by(saved);
    let work = Arc::new(work);
    let outcome = driver::drive(names, plan, earlier, Arc::clone(&work), events).await;
    work.close().await;
    // Only a fault of the display itself could end it with an error; the run's result is worth more.
    let journal = showing.await.ok().flatten();
    let retry = journal.and_then(|journal| journaling::end(journal, &outcome));
    print_end(request.output, &run_id, &outcome, started.elapsed());
    if let Some(file) = retry.filter(|_| request.output == Output::Text) {
        print(&next(request.goal, outcome.interrupted, &file));
    }
    outcome.exit_code()
}

/// How hosts that did not come to a good end are tried again; a run that was interrupted can be gone on with.
fn next(goal: Goal, interrupted: bool, file: &str) -> String {
    let command = match goal {
        Goal::Deploy | Goal::Revert { .. } => "",
        Goal::Remove => " remove",
        Goal::RollBack(_) => " rollback",
        Goal::Drill => " drill",
        Goal::ByHand { verdict, .. } => match verdict {
            Verdict::Confirm => " confirm",
            Verdict::Cancel => " cancel",
            Verdict::Extend(_) => " extend",
        },
    };
    let resume = if interrupted {
        "to go on: portmap-deploy resume\n"
    } else {
        ""
    };
    format!("{resume}to retry: portmap-deploy{command} … --limit @{file}\n")
}

pub(super) fn started_event(run_id: &str, plan: &RolloutPlan, names: &[String]) -> RunEvent {
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

/// What becomes of the events.
pub(super) struct Viewer {
    display: Display,
    lines: bool,
    verbosity: u8,
    journal: Option<Journal>,
}

impl Viewer {
    pub(super) fn new(request: &Request, forks: usize, journal: Option<Journal>) -> Self {
        Self {
            journal,
            display: match request.output {
                Output::Github => Display::for_github(request.verbosity),
                _ => Display::new(forks, request.verbosity, error::color()),
            },
            lines: request.output == Output::Jsonl,
            verbosity: request.verbosity,
        }
    }

    fn take(&mut self, event: &RunEvent) {
        if let Some(journal) = &mut self.journal {
            journal.event(event);
        }
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

/// Shows events until the run has finished, and hands its journal back.
pub(super) async fn show(mut events: UnboundedReceiver<RunEvent>, mut viewer: Viewer) -> Option<Journal> {
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
    viewer.display.finish();
    viewer.journal
}

pub(super) fn print_end(output: Output, run_id: &str, outcome: &Outcome, elapsed: Duration) {
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
        Output::Github => {
            print(&report::annotations(outcome, elapsed));
            summarise(&report::step_summary(outcome, elapsed));
        }
    }
}

/// Adds to the summary of the step, where GitHub Actions names a file for that.
fn summarise(text: &str) {
    let Some(file) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty()) else {
        return;
    };
    let append = || {
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(file)?
            .write_all(text.as_bytes())
    };
    if let Err(error) = append() {
        let _ = writeln!(
            anstream::stderr(),
            "the summary of the step could not be written: {error}"
        );
    }
}

/// How standard output wants its text.
pub(super) fn look() -> Look {
    let stdout = io::stdout();
    let color = anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
    let size = stdout.is_terminal().then(|| console::Term::stdout().size());
    Look {
        width: size.map(|(_, columns)| columns),
        rows: size.map(|(rows, _)| rows),
        color,
    }
}

/// Prints the dialogue with the hosts for whoever wants to see it.
pub(super) fn tell_dialogue(mut events: UnboundedReceiver<RunEvent>, verbosity: u8) {
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if let RunEvent::Dialogue { host, level, line } = event.sanitised()
                && level <= verbosity
            {
                let _ = writeln!(anstream::stderr(), "{host} | ssh | {line}");
            }
        }
    });
}

/// A reader that went away does not make the run a failure.
pub(super) fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
