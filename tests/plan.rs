//! `plan` on lab hosts: what it tells is compared with what a deploy does, by the kernel's rules and by connections; it
//! leaves no trace; plans that are stale are refused.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod support;

#[path = "plan/foretold.rs"]
mod foretold;
#[path = "plan/saved.rs"]
mod saved;

use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

use support::deploy::Run;
use support::lab::Lab;

/// A command of the program for these hosts, `--output json` unless it says otherwise.
fn call(lab: &Lab, command: &[&str], hosts: &[(&str, &str)]) -> Run {
    let folder = lab.inventory_of(hosts);
    let path = |name: &str| folder.join(name).display().to_string();
    let mut prepared = lab.controller(command);
    prepared.args(["-i", &path("login.yaml"), "-i", &path("hosts.yaml"), "--timeout", "3"]);
    if !command.contains(&"--output") {
        prepared.args(["--output", "json"]);
    }
    let began = Instant::now();
    Run::read(&prepared.output().unwrap(), began.elapsed())
}

/// Everything that a look could touch on a host.
fn traces(lab: &Lab, host: &str) -> String {
    let rules = lab.rules(host, 4) + &lab.rules(host, 6);
    let files = "find /etc /var /run /tmp /root /home -xdev \\( -name 'sshd*' -o -name '[bwu]tmp' -o -name 'lastlog*' -o -name '*.pid' \\) \
                 -prune -o -type f -newer /etc/before -print 2>/dev/null | sort";
    rules + &lab.files(host) + &lab.run(host, files)
}

/// What of a file the owner alone may do.
fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
