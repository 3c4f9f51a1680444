//! Port mappings for fleets of Linux hosts, applied over SSH, proven from outside, undone when not proven.
//!
//! Text of an inventory becomes hosts with mappings ([`inventory`], [`mapping`]); mappings and a host's live
//! rules become a change ([`firewall`], [`plan`]), which can be looked at before anything is touched ([`preview`]); a playbook
//! says which hosts come in which order, if one is given ([`playbook`]); a rollout decides which host comes when
//! ([`rollout`]), a transaction carries one host from its old rules to the proven new ones ([`transaction`]), the controller
//! remembers by which ports it reached it ([`memory`]) and what every run did ([`journal`]), and run events become a screen
//! and a report ([`screen`], [`report`]). Rules that others made are judged and drawn by the packets that walk through them
//! ([`audit`], [`explain`], [`mod@trace`]). Everything above `remote` is synchronous and free of clocks and I/O; dependencies
//! point from the edge to the core, never back.

pub mod audit;
pub mod checks;
pub mod cli;
pub mod driver;
pub mod explain;
pub mod firewall;
pub mod inventory;
pub mod journal;
pub mod lab;
pub mod machine;
pub mod mapping;
pub mod memory;
pub mod plan;
pub mod playbook;
pub mod preview;
pub mod probe;
pub mod problem;
pub mod proof;
pub mod remote;
pub mod report;
pub mod rollout;
pub mod screen;
pub mod status;
pub mod template;
pub mod trace;
pub mod transaction;
pub mod vault;
pub mod world;
pub mod yaml;

pub use cli::run;
