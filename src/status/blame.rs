//! Who made a host drift, as far as anybody can tell from it.

use crate::plan::{Begun, Kept, Observed, Outcome};

/// `other`: the generation in force that is not the host's own, where there is one.
pub(super) fn blame(observed: &Observed, kept: &Kept, other: Option<u32>) -> String {
    let begun = other.and_then(|other| kept.changes.iter().rfind(|change| change.generation == other));
    if let Some(files) = observed.saved.as_ref().filter(|_| other.is_some()) {
        return format!("rules that another tool had saved: {files}");
    }
    if let Some(begun) = begun {
        return by_run(begun);
    }
    if observed.firewalld {
        return "not by portmap-deploy; firewalld runs there, and takes away all rules that are not its own when it reloads"
            .to_owned();
    }
    "not by portmap-deploy".to_owned()
}

fn by_run(begun: &Begun) -> String {
    let end = match begun.ended {
        Some((_, Outcome::Confirmed)) => "was confirmed",
        Some((_, Outcome::Undone(_))) => "was undone",
        Some((_, Outcome::Abandoned)) => "was given up",
        None => "has no end in the host's ledger",
    };
    format!(
        "{} (run {}), whose generation {} {end}",
        begun.operator, begun.run, begun.generation
    )
}
