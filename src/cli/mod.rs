//! Arguments in, exit code out. The only place that knows clap and that prints errors.

mod args;
mod audit;
mod demo;
mod deploy;
mod error;
mod explain;
mod history;
mod inventory;
mod invocation;
mod journaling;
mod lab;
mod looks;
mod machines;
mod output_file;
mod plan;
mod request;
mod resume;
mod rules;
mod rules_file;
mod schema;
mod sources;
mod status;
mod trace;
mod verify;
mod work;

use std::ffi::OsString;
use std::sync::Arc;

use args::{Args, Command};

use crate::journal::{Journals, Retries};
use crate::machine::Machine;
use crate::report::ExitCode;
use crate::transaction::Verdict;
use crate::world::World;

/// Runs the program with its arguments (the first is the program's name).
pub fn run(args: impl IntoIterator<Item = OsString>) -> std::process::ExitCode {
    let (args, invocation) = match Args::read(args) {
        Ok(args) => args,
        Err(answer) => return answer_of_clap(&answer).into(),
    };
    let result = match args.command {
        None => deploy::run(args.deploy, invocation).map(Into::into),
        Some(Command::Deploy(deploy)) => deploy::run(deploy, invocation).map(Into::into),
        Some(Command::Remove(remove)) => deploy::remove(remove, invocation).map(Into::into),
        Some(Command::Rollback(rollback)) => deploy::rollback(rollback, invocation).map(Into::into),
        Some(Command::Confirm(which)) => deploy::by_hand(Verdict::Confirm, which, invocation).map(Into::into),
        Some(Command::Cancel(which)) => deploy::by_hand(Verdict::Cancel, which, invocation).map(Into::into),
        Some(Command::Extend(extend)) => {
            deploy::by_hand(Verdict::Extend(extend.by), extend.which, invocation).map(Into::into)
        }
        Some(Command::Drill(drill)) => deploy::drill(drill, invocation).map(Into::into),
        Some(Command::Verify(arguments)) => verify::run(arguments, invocation).map(Into::into),
        Some(Command::History(arguments)) => history::run(arguments).map(Into::into),
        Some(Command::Resume(arguments)) => resume::run(&arguments).map(Into::into),
        Some(Command::Plan(arguments)) => plan::run(arguments, invocation).map(Into::into),
        Some(Command::Status(arguments)) => status::run(arguments, invocation).map(Into::into),
        Some(Command::Audit(arguments)) => audit::run(arguments, invocation).map(Into::into),
        Some(Command::Trace(arguments)) => trace::run(arguments, invocation).map(Into::into),
        Some(Command::Explain(arguments)) => explain::run(&arguments).map(Into::into),
        Some(Command::Inventory(arguments)) => inventory::run(arguments).map(Into::into),
        Some(Command::Rules(command)) => rules::run(command).map(Into::into),
        Some(Command::Lab(arguments)) => lab::run(&arguments),
        Some(Command::Schema { what }) => Ok(schema::run(what).into()),
    };
    result.unwrap_or_else(|error| error::print(&error).into())
}

/// Help and version are answers, all else an error before any host was touched.
fn answer_of_clap(answer: &clap::Error) -> ExitCode {
    // A closed standard output or error changes nothing of the exit code.
    let _ = answer.print();
    if answer.use_stderr() {
        ExitCode::Error
    } else {
        ExitCode::Done
    }
}

/// The machine as inventories see it, and limits.
fn machine() -> Arc<dyn World> {
    Arc::new(Retries::new(Machine::default(), Journals::of_user()))
}
