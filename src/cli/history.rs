//! What runs did.

use jiff::tz::TimeZone;

use super::args::{Form, History, HistoryCommand};
use super::deploy::{look, print};
use super::error::Error;
use crate::journal::{self, Journals, Past, Style};
use crate::report::{ExitCode, HostReport, Look};

/// Tells of runs as the arguments want it.
pub(super) fn run(args: History) -> Result<ExitCode, Error> {
    let journals = Journals::of_user();
    match args.command {
        Some(HistoryCommand::Show { run, output }) => show(&journals, &run, output)?,
        None => list(&journals, &args)?,
    }
    Ok(ExitCode::Done)
}

fn show(journals: &Journals, asked: &str, form: Form) -> Result<(), Error> {
    let run = journals.find(asked)?;
    match form {
        // Every host is told of, however short the terminal is.
        Form::Text => print(&journal::shown(
            &journals.read(&run)?,
            &style(),
            Look { rows: None, ..look() },
        )),
        Form::Json => print(&format!("{:#}\n", serde_json::Value::Array(journals.events(&run)?))),
    }
    Ok(())
}

fn list(journals: &Journals, args: &History) -> Result<(), Error> {
    let runs = journals.list()?;
    if runs.is_empty() && args.output == Form::Text {
        return Err(journal::Error::NoRuns.into());
    }
    // One that cannot be read (or is gone by now) does not hide the others.
    let pasts = runs.iter().filter_map(|run| journals.read(run).ok());
    match &args.host {
        None => {
            let pasts: Vec<Past> = pasts.take(args.number).collect();
            print_runs(pasts, args.output);
        }
        Some(name) => {
            let of_host = |past: Past| past.host_report(name).map(|report| (past, report));
            print_host(pasts.filter_map(of_host).take(args.number).collect(), args.output);
        }
    }
    Ok(())
}

fn print_runs(pasts: Vec<Past>, form: Form) {
    match form {
        Form::Text => print(&journal::runs(&pasts, &style())),
        Form::Json => print_document(&pasts.into_iter().map(|past| (past, None)).collect::<Vec<_>>()),
    }
}

fn print_host(pasts: Vec<(Past, HostReport)>, form: Form) {
    match form {
        Form::Text => print(&journal::runs_of_host(&pasts, &style())),
        Form::Json => print_document(
            &pasts
                .into_iter()
                .map(|(past, host)| (past, Some(host)))
                .collect::<Vec<_>>(),
        ),
    }
}

fn print_document(pasts: &[(Past, Option<HostReport>)]) {
    print(&(journal::document(pasts) + "\n"));
}

fn style() -> Style {
    Style {
        zone: TimeZone::system(),
        color: look().color,
    }
}
