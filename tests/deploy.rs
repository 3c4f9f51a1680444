//! Whole deploys to lab hosts on the real kernel: the program's own word is never enough, rules are read back and
//! connections made from outside.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod support;

#[path = "deploy/bastion.rs"]
mod bastion;
#[path = "deploy/checks.rs"]
mod checks;
#[path = "deploy/conntrack.rs"]
mod conntrack;
#[path = "deploy/foreign_rules.rs"]
mod foreign_rules;
#[path = "deploy/kinds.rs"]
mod kinds;
#[path = "deploy/known_hosts.rs"]
mod known_hosts;
#[path = "deploy/logins.rs"]
mod logins;
#[path = "deploy/playbooks.rs"]
mod playbooks;
#[path = "deploy/privilege.rs"]
mod privilege;
#[path = "deploy/removed.rs"]
mod removed;
#[path = "deploy/routed.rs"]
mod routed;
#[path = "deploy/second_run.rs"]
mod second_run;
#[path = "deploy/shells.rs"]
mod shells;
#[path = "deploy/truth_table.rs"]
mod truth_table;
#[path = "deploy/update.rs"]
mod update;
#[path = "deploy/verify.rs"]
mod verify;
#[path = "deploy/ways_in.rs"]
mod ways_in;
#[path = "deploy/without_ipv6.rs"]
mod without_ipv6;
#[path = "deploy/without_tcpmss.rs"]
mod without_tcpmss;
