//! What a program prints when it is run.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::is_no_program;
use crate::inventory::data::Data;
use crate::problem::{Problem, Source};
use crate::world::{Answer, World};

/// The most characters and lines that are shown of what it says beside its answer.
const SHOWN: usize = 1000;
const SHOWN_LINES: usize = 10;

/// Whether there was anything to run.
pub(super) enum Answered {
    /// All that it printed, called after the program and the option.
    Text(Arc<Source>),
    NoProgram,
}

/// Runs a program to its end. What it says on standard error is a warning.
pub(super) fn ask(
    program: &Path,
    arguments: &[&str],
    option: &str,
    world: &dyn World,
    data: &mut Data,
) -> Result<Answered, Problem> {
    let name = format!("{} {option}", program.display());
    let answer = match world.run(program, arguments) {
        Ok(answer) => answer,
        Err(error) if is_no_program(&error) => return Ok(Answered::NoProgram),
        Err(error) => return Err(not_run(&name, &error)),
    };
    if answer.status != Some(0) {
        return Err(failed(&name, &answer));
    }
    if let Some(said) = excerpt(&answer.stderr) {
        data.warnings.push(Problem::new(format!("`{name}` says: {said}")));
    }
    match String::from_utf8(answer.stdout) {
        Ok(text) => Ok(Answered::Text(Source::new(name, text))),
        Err(error) => {
            let message = format!(
                "`{name}` printed what is no UTF-8, at byte {}",
                error.utf8_error().valid_up_to()
            );
            Err(Problem::new(message))
        }
    }
}

fn not_run(name: &str, error: &io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::TimedOut => Problem::new(format!("`{name}` did not end in time"))
            .hint("run it by hand to see what it waits for: it gets no input"),
        io::ErrorKind::FileTooLarge => Problem::new(format!("`{name}` prints more than any inventory needs")),
        io::ErrorKind::NotFound => Problem::new(format!("cannot run `{name}`: {error}"))
            .hint("look at its first line: the interpreter that it names is not there"),
        io::ErrorKind::PermissionDenied => Problem::new(format!("cannot run `{name}`: {error}"))
            .hint("if it is no script but a text, take away its mode: chmod -x"),
        _ => Problem::new(format!("cannot run `{name}`: {error}")),
    }
}

fn failed(name: &str, answer: &Answer) -> Problem {
    let problem = Problem::new(match answer.status {
        Some(status) => format!("`{name}` failed with exit status {status}"),
        None => format!("`{name}` was ended by a signal"),
    });
    match excerpt(&answer.stderr) {
        Some(said) => problem.hint(format!("it said: {said}")),
        None => problem.hint("it did not say why; if it is no script but a text, take away its mode: chmod -x"),
    }
}

/// The end of a text, where programs say what went wrong; nothing for a blank one.
fn excerpt(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.trim().lines().collect();
    let last = lines.get(lines.len().saturating_sub(SHOWN_LINES)..)?.join("; ");
    let skipped = last.chars().count().saturating_sub(SHOWN);
    let shown: String = last.chars().skip(skipped).collect();
    (!shown.is_empty()).then_some(shown)
}
