//! Arguments in, exit code out.

mod lab;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

/// Port mappings for fleets of Linux hosts, applied over SSH, proven from outside, undone when not proven.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Rehearsal hosts on this machine.
    Lab(lab::Arguments),
}

/// Runs the program with its arguments (the first is the program's name).
pub fn run(args: impl IntoIterator<Item = std::ffi::OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(args) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let Command::Lab(arguments) = arguments.command;
    lab::run(&arguments).unwrap_or_else(|error| fail(&error))
}

/// Says what went wrong, why, and what to do.
fn fail(error: &crate::lab::Error) -> ExitCode {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "error: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let _ = writeln!(stderr, "  caused by: {error}");
        cause = error.source();
    }
    if let Some(hint) = error.hint() {
        let _ = writeln!(stderr, "hint: {hint}");
    }
    ExitCode::from(1)
}
