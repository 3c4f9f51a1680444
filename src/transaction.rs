//! Placeholder.
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::inventory::HostSpec;
use crate::report::{EndState, HostReport, RunEvent};

/// Options.
#[derive(Debug, Clone)]
pub struct Options {
    /// Window.
    pub rollback_after: Duration,
    /// Connect.
    pub timeout: Duration,
    /// Run.
    pub run_id: String,
    /// Who.
    pub operator: String,
}

/// Deploys.
pub async fn deploy(_host: &HostSpec, _options: &Options, _events: &UnboundedSender<RunEvent>) -> HostReport {
    HostReport::new(EndState::Failed).because("the transaction is not built yet")
}
