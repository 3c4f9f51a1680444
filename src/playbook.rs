//! Playbooks: which hosts come in which plays and batches, and what holds for all hosts of a play.
//!
//! [`Playbook::parse`] reads a list of plays as Ansible does, with the keys that mean something without tasks and some
//! of our own. Keys that shape the rollout are typed here; where a template stands in their place, [`Setting`] keeps
//! it until somebody can render it ([`Play::settle`]). Keys that stand for variables of hosts stay values of YAML, and
//! are checked here as far as no template hides them. [`plan`] brings
//! plays together with an inventory. This module reads no files.

mod check;
mod fields;
mod foreign;
mod import;
mod machines;
mod play;
mod run;
mod setting;
mod value;
mod vars;

use std::path::Path;
use std::sync::Arc;

pub use check::{CHECK_KEYS, Check, HTTP_KEYS, Probe};
pub use import::{IMPORT_KEYS, Read};
pub use machines::Way;
pub use play::{KEYS, Play, Settled};
pub use run::{Options, Run, Turn, plan, without_plays};
pub use setting::{Keyword, Render, Setting};
pub use value::{Hosts, MAX_PAUSE, Tags};

use crate::problem::{Problem, Source};

/// The plays of a file and of those that it imports, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Playbook {
    /// The plays.
    pub plays: Vec<Play>,
    /// What Ansible lets pass and is hardly meant: keys that stand twice.
    pub warnings: Vec<Problem>,
}

impl Playbook {
    /// Reads a playbook that lies at `path`, and through `read` what it imports.
    ///
    /// # Errors
    /// Everything that is wrong with any of the files.
    pub fn parse(source: &Arc<Source>, path: &Path, read: &mut Read<'_>) -> Result<Self, Vec<Problem>> {
        import::playbook(source, path, read)
    }
}
