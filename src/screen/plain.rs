use crate::report::{self, EndState, HostReport, RunEvent};

/// The lines of an event where there is no terminal: `host | step | detail`. `verbosity` is the number of `-v`.
#[must_use]
pub fn plain_lines(event: &RunEvent, verbosity: u8) -> Vec<String> {
    match event {
        RunEvent::Step { host, step, detail } => vec![joined(host, &step.to_string(), detail)],
        RunEvent::TimerArmed { host, window } => {
            vec![joined(
                host,
                "arm",
                &format!("rollback timer runs: {}", report::time(*window)),
            )]
        }
        RunEvent::Warning { host, text } => vec![joined(host, "warning", text)],
        RunEvent::Dialogue { host, level, line } if *level <= verbosity => vec![joined(host, "ssh", line)],
        RunEvent::HostFinished { host, report } => vec![joined(host, report.state.words(), &ending(report))],
        RunEvent::Interrupted { running, again } => vec![interrupted(*running, *again)],
        RunEvent::BatchFinished { batch, verdict } => vec![format!("batch {batch} | {verdict}")],
        RunEvent::Stopping { why } => vec![format!("stopping: {why}")],
        RunEvent::RevertStarted { hosts, why } => vec![format!("taking back {} hosts: {why}", hosts.len())],
        RunEvent::HostUnhealthy { host, report } | RunEvent::HostReverted { host, report } => {
            vec![joined(host, report.state.words(), &ending(report))]
        }
        RunEvent::Started { .. }
        | RunEvent::BatchStarted(_)
        | RunEvent::SoakStarted { .. }
        | RunEvent::SoakFinished { .. }
        | RunEvent::PauseStarted { .. }
        | RunEvent::PauseFinished { .. }
        | RunEvent::HostReverting { .. }
        | RunEvent::HostStarted { .. }
        | RunEvent::TimerStopped { .. }
        | RunEvent::Dialogue { .. }
        | RunEvent::Finished => vec![],
    }
}

fn joined(host: &str, step: &str, detail: &str) -> String {
    if detail.is_empty() {
        format!("{host} | {step}")
    } else {
        format!("{host} | {step} | {detail}")
    }
}

/// The reason of a host's end, or what there is to say of a good one: `generation 17, 2 logins, 0.41 s`.
pub(super) fn ending(report: &HostReport) -> String {
    if let Some(reason) = &report.reason {
        return reason.clone();
    }
    if report.state == EndState::Skipped {
        return String::new();
    }
    let generation = report
        .generation
        .map(|generation| format!("generation {generation}, "))
        .unwrap_or_default();
    let logins = if report.connections == 1 { "login" } else { "logins" };
    format!(
        "{generation}{} {logins}, {}",
        report.connections,
        report::time(report.elapsed)
    )
}

fn interrupted(running: usize, again: bool) -> String {
    let hosts = if running == 1 { "host" } else { "hosts" };
    match (running, again) {
        (0, _) => "interrupted".to_owned(),
        (_, false) => format!(
            "interrupted: no host starts any more, waiting for {running} running {hosts}; interrupt again to leave \
             them to their rollback timers"
        ),
        (_, true) => format!("interrupted again: {running} running {hosts} left to their rollback timers"),
    }
}
