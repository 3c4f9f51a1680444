//! Arguments in, exit code out. The only place that knows clap and that prints errors.

mod args;
mod demo;
mod deploy;
mod error;
mod inventory;
mod lab;
mod output_file;
mod request;
mod schema;
mod sources;
mod status;
mod work;

use std::ffi::OsString;
use std::sync::Arc;

use clap::Parser;

use args::{Args, Command};

use crate::machine::Machine;
use crate::report::ExitCode;
use crate::world::World;

/// Runs the program with its arguments (the first is the program's name).
pub fn run(args: impl IntoIterator<Item = OsString>) -> std::process::ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(answer) => return answer_of_clap(&answer).into(),
    };
    let result = match args.command {
        None => deploy::run(args.deploy).map(Into::into),
        Some(Command::Deploy(deploy)) => deploy::run(deploy).map(Into::into),
        Some(Command::Remove(remove)) => deploy::remove(remove).map(Into::into),
        Some(Command::Status(arguments)) => status::run(arguments).map(Into::into),
        Some(Command::Inventory(arguments)) => inventory::run(arguments).map(Into::into),
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

/// The machine as inventories see it.
fn machine() -> Arc<dyn World> {
    Arc::new(Machine::default())
}
