//! The first conntrack rule of a host: connections that are older than it look new, and must live on.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Stdio};

use super::support::deploy::Seen::Silent;
use super::support::lab::Lab;
use crate::on_both_backends;

on_both_backends!(
    sessions_that_are_older_than_conntrack_live_on,
    a_session_by_the_mapped_port_outlives_an_update
);

/// An SSH session that sends back each line.
pub struct Session {
    ssh: Child,
    answers: BufReader<ChildStdout>,
}

impl Session {
    pub fn open(lab: &Lab, family: u8, port: u16) -> Self {
        let mut ssh = lab.ssh("root", lab.address("host1", family));
        ssh.args([
            "-p",
            &port.to_string(),
            "-o",
            "ServerAliveInterval=1",
            "-o",
            "ServerAliveCountMax=5",
            "cat",
        ]);
        let mut ssh = ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = BufReader::new(ssh.stdout.take().unwrap());
        Self { ssh, answers }
    }

    /// Whether it still works.
    pub fn answers(&mut self) -> bool {
        let mut line = String::new();
        let sent = writeln!(self.ssh.stdin.as_mut().unwrap(), "are you there?");
        sent.is_ok() && self.answers.read_line(&mut line).is_ok() && line == "are you there?\n"
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.ssh.stdin.take());
        let _ = self.ssh.wait();
    }
}

fn sessions_that_are_older_than_conntrack_live_on(backend: &str) {
    let lab = Lab::up(1, backend);
    let mut sessions = [4, 6].map(|family| Session::open(&lab, family, 22));
    assert!(sessions.iter_mut().all(Session::answers));
    let known = lab.run(
        "host1",
        "cat /proc/sys/net/netfilter/nf_conntrack_count 2>/dev/null || echo 0",
    );
    assert_eq!(known.trim(), "0", "conntrack is warm: this test shows nothing");

    let run = lab.deploys("portmap: ['2222:22']");
    // Had its first session frozen, the deploy would have had to log in again.
    run.expect("host1", "confirmed").expect_logins("host1", 2);
    assert!(!run.stderr.contains("contact lost"), "{}", run.said());
    lab.expect_tcp("host1", 22, Silent);
    for session in &mut sessions {
        assert!(session.answers());
    }
}

fn a_session_by_the_mapped_port_outlives_an_update(backend: &str) {
    let lab = Lab::up(1, backend);
    lab.deploys("portmap: ['2222:22']").expect("host1", "confirmed");
    let mut sessions = [4, 6].map(|family| Session::open(&lab, family, 2222));
    assert!(sessions.iter_mut().all(Session::answers));
    lab.deploys("portmap: ['2200:22'], portmap_previous_ports: [2222]")
        .expect("host1", "confirmed");
    for session in &mut sessions {
        assert!(session.answers());
    }
}
