//! The lines of a journal that are no run events.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What this version writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// How a run was called: all that is needed to call it again, but for what is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The version of what is written.
    pub format: u32,
    /// The run's id.
    pub run_id: String,
    /// The version of the program.
    pub program: String,
    /// Who called it.
    #[serde(flatten)]
    pub by: Resumption,
    /// The folder in which it was called; arguments that are relative paths are relative to it.
    pub folder: PathBuf,
    /// The command and its arguments, each option by its long name.
    pub arguments: Vec<String>,
    /// How many `--extra-vars` were left out of the arguments: they seemed to hold a password.
    pub withheld: usize,
    /// The names of variables of the environment that settings may have come from.
    pub environment: Vec<String>,
}

/// Who runs it, from the beginning or from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumption {
    /// `ann@laptop`.
    pub operator: String,
    /// The controller.
    pub machine: String,
    /// Its process.
    pub pid: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Record {
    Run(Head),
    Resumed(Resumption),
    /// What every host shall have: a fingerprint of it.
    Desired {
        hosts: BTreeMap<String, String>,
    },
}
