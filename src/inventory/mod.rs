//! Placeholder.
use std::sync::Arc;
use std::time::Duration;

use crate::mapping::MappingSet;
use crate::problem::{Problem, Source};

/// How to reach a host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connection {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: Option<u16>,
    /// User.
    pub user: Option<String>,
    /// Key.
    pub private_key_file: Option<String>,
    /// Options.
    pub common_args: Vec<String>,
    /// Options.
    pub extra_args: Vec<String>,
    /// sudo.
    pub r#become: bool,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostSpec {
    /// Name.
    pub name: String,
    /// How.
    pub connection: Connection,
    /// What.
    pub mappings: MappingSet,
    /// Whether `portmap` is set.
    pub has_portmap: bool,
    /// Window.
    pub rollback_after: Option<Duration>,
}

/// Loads.
///
/// # Errors
/// All problems.
pub fn load(_sources: Vec<Arc<Source>>, _limit: Option<&str>) -> Result<Vec<HostSpec>, Vec<Problem>> {
    Ok(vec![])
}
