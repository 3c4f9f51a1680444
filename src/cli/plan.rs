//! `portmap-deploy plan`, and `deploy --check`: what a deploy would do, before anything is touched.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::unbounded_channel;

use super::args::{self, Planned};
use super::error::{self, Error};
use super::invocation::Invocation;
use super::journaling;
use super::machine;
use super::output_file::OutputFile;
use super::request::Request;
use super::work::Fleetwork;
use super::{deploy, looks, machines};
use crate::playbook::{Run, Turn};
use crate::preview::{self, Asked, Preview, Previews, SavedPlan, Shown, State};
use crate::remote::ssh;
use crate::report::ExitCode;

/// The longest plan that is read, bytes.
const LONGEST: u64 = 256 << 20;

/// Shows what a deploy would do.
pub(super) fn run(args: args::Plan, invocation: Invocation) -> Result<ExitCode, Error> {
    let told = Told {
        form: args.output,
        rules: true,
        save: args.save.map(OutputFile::private).transpose()?,
        all: args.login.verbose > 0,
    };
    let asked = args::Deploy {
        hosts: args.hosts,
        careful: args.careful,
        login: args.login,
        ..args::Deploy::default()
    };
    told.planned(asked, invocation)
}

/// The same by `deploy --check`.
pub(super) fn check(args: args::DeployNow, invocation: Invocation) -> Result<ExitCode, Error> {
    let told = Told {
        form: args.run.output.planned().ok_or(Error::CheckForGithub)?,
        rules: args.run.diff,
        save: None,
        all: args.run.login.verbose > 0,
    };
    told.planned(args.run, invocation)
}

/// Reads a plan, and compares it with what a run asks for.
pub(super) fn saved(path: &Path, run: &Run) -> Result<SavedPlan, Error> {
    let unusable = |why: String| Error::SavedPlan {
        path: path.to_owned(),
        why,
    };
    let text = super::rules_file::content(path, LONGEST).map_err(|error| unusable(error.to_string()))?;
    let plan = SavedPlan::read(&text).map_err(unusable)?;
    match plan.differences(&asked(&run.turns)).as_slice() {
        [] => Ok(plan),
        differences => Err(unusable(format!("it is stale: {}", differences.join("; ")))),
    }
}

fn asked(turns: &[Turn]) -> Vec<Asked> {
    let asked = turns.iter().map(|turn| Asked {
        name: turn.host.name.clone(),
        address: turn.host.connection.host.clone(),
        mappings: turn.host.mappings.to_text(),
    });
    asked.collect()
}

/// Where a plan goes.
struct Told {
    form: Planned,
    rules: bool,
    save: Option<OutputFile>,
    all: bool,
}

impl Told {
    fn planned(self, args: args::Deploy, invocation: Invocation) -> Result<ExitCode, Error> {
        let world = machine();
        let request = Request::deploy(args, invocation, &*world)?;
        let run = machines::ordered(deploy::planned(&request, &world)?)?;
        deploy::say_untouched(&run.untouched);
        deploy::to_its_end(self.look_at(request, run))
    }

    async fn look_at(self, request: Request, run: Run) -> ExitCode {
        let began = Instant::now();
        let names: Vec<String> = run.turns.iter().map(|turn| turn.host.name.clone()).collect();
        let asked = asked(&run.turns);
        let order: Vec<usize> = run.plan.batches().iter().flatten().map(|host| host.0).collect();
        let batches = run.plan.batches().iter().map(Vec::len).collect();
        let (events, received) = unbounded_channel();
        deploy::tell_dialogue(received, request.verbosity);
        ssh::sweep();
        let forks = run.plan.forks();
        let fleet = Arc::new(Fleetwork::new(
            &request,
            &journaling::run_id(),
            run.turns,
            forks,
            events,
        ));
        let (mut found, interrupted) = self.looks(&fleet, &names).await;
        fleet.close().await;
        let hosts = order.into_iter().filter_map(|host| {
            let preview = found.get_mut(host)?.take()?;
            Some((names.get(host)?.clone(), preview))
        });
        let previews = Previews {
            hosts: hosts.collect(),
            batches,
            elapsed: began.elapsed(),
            interrupted,
        };
        self.tell(&previews, &asked)
            .unwrap_or_else(|error| error::print(&error))
    }

    fn tell(&self, previews: &Previews, asked: &[Asked]) -> Result<ExitCode, Error> {
        match self.form {
            Planned::Text => {
                let shown = Shown {
                    look: deploy::look(),
                    rules: self.rules,
                    all: self.all,
                };
                deploy::print(&preview::text(previews, shown));
            }
            Planned::Json => deploy::print(&(preview::document(previews) + "\n")),
            Planned::Jsonl => deploy::print(&(preview::totals_line(previews) + "\n")),
        }
        if let Some(file) = self.save.as_ref().filter(|_| !previews.interrupted) {
            file.replace(&SavedPlan::of(previews, asked).text())?;
        }
        Ok(previews.exit_code())
    }

    /// One login to each host, so many at a time as there are forks; `true`: an interrupt ended it.
    async fn looks(&self, fleet: &Arc<Fleetwork>, names: &[String]) -> (Vec<Option<Preview>>, bool) {
        let mut found: Vec<Option<Preview>> = names.iter().map(|_| None).collect();
        let look = |host| {
            let fleet = Arc::clone(fleet);
            async move { fleet.preview(host).await }
        };
        let interrupted = looks::all(names.len(), look, broken, |host, preview| {
            if let (Planned::Jsonl, Some(name)) = (self.form, names.get(host)) {
                deploy::print(&(preview::host_line(name, &preview) + "\n"));
            }
            if let Some(place) = found.get_mut(host) {
                *place = Some(preview);
            }
        });
        let interrupted = interrupted.await;
        (found, interrupted)
    }
}

/// The state of a host whose task panicked.
fn broken() -> Preview {
    Preview {
        reasons: vec!["a fault in this program".to_owned()],
        hint: Some("please report this fault".to_owned()),
        ..Preview::new(State::Failed)
    }
}
