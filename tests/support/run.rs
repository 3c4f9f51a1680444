//! One run of the program under test, watched while it runs: its events as they come, its end judged by what hosts
//! really run.

#![allow(dead_code, reason = "each test crate uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::must_use_candidate,
    reason = "a test that cannot go on fails"
)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::lab::{Lab, said};

/// Nothing that a test waits for takes longer, on a loaded machine too.
const PATIENCE: Duration = Duration::from_secs(90);

/// What stands on every host beforehand: rules of others, which nothing may touch.
pub const FOREIGN: &str = "
    iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    iptables -A INPUT -i lo -j ACCEPT
    iptables -N f2b-sshd
    iptables -A f2b-sshd -s 203.0.113.9 -j REJECT
    iptables -A f2b-sshd -j RETURN
    iptables -A INPUT -p tcp --dport 22 -j f2b-sshd
    iptables -A INPUT -p tcp --dport 22 -m comment --comment 'the \"way in\"' -j ACCEPT
    iptables -P INPUT DROP
    iptables -t nat -A POSTROUTING -s 10.9.0.0/16 ! -o lo -j MASQUERADE
    ip6tables -A INPUT -p tcp --dport 9999 -j DROP";

/// Variables for all hosts of the lab, as a second inventory.
pub fn variables(lab: &Lab, yaml: &str) -> PathBuf {
    let file = tempfile::Builder::new()
        .prefix("vars")
        .suffix(".yaml")
        .tempfile_in(lab.home())
        .unwrap();
    let (_, path) = file.keep().unwrap();
    let lines = yaml.replace('\n', "\n    ");
    std::fs::write(&path, format!("all:\n  vars:\n    {lines}\n")).unwrap();
    path
}

/// A deploy of these mappings (a flow sequence) to the hosts of the lab, told of in `jsonl`.
pub fn deploy(lab: &Lab, portmap: &str, args: &[&str]) -> Command {
    deploy_as(lab, "jsonl", portmap, args)
}

/// The same with another `--output`.
pub fn deploy_as(lab: &Lab, output: &str, portmap: &str, args: &[&str]) -> Command {
    let extra = variables(lab, &format!("portmap: {portmap}"));
    let mut command = lab.controller(&["--output", output, "-i"]);
    command.arg(lab.inventory()).arg("-i").arg(extra).args(args);
    command
}

/// A run under way.
pub struct Run {
    child: Child,
    events: Receiver<Value>,
    seen: Vec<Value>,
    stderr: Option<JoinHandle<String>>,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None`: by a signal.
    pub code: Option<i32>,
    /// All its events.
    pub events: Vec<Value>,
    /// What it said on standard error.
    pub stderr: String,
}

impl Run {
    /// Starts a command with `--output jsonl`.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, events) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or_else(|why| panic!("no JSON: {why}: {line}"));
                if sender.send(event).is_err() {
                    break;
                }
            }
        });
        let mut errors = child.stderr.take().unwrap();
        let stderr = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = errors.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Self {
            child,
            events,
            seen: Vec::new(),
            stderr: Some(stderr),
        }
    }

    /// The next event; `None` when there are no more.
    pub fn next(&mut self) -> Option<Value> {
        match self.events.recv_timeout(PATIENCE) {
            Ok(event) => {
                self.seen.push(event.clone());
                Some(event)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no event for long, after {:#?}", self.seen),
        }
    }

    /// Waits for the first event that `wanted` is true of.
    pub fn until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        while let Some(event) = self.next() {
            if wanted(&event) {
                return event;
            }
        }
        let end = self.collect();
        panic!("the run ended without {what}: {end:#?}");
    }

    /// Waits for a host's step.
    pub fn step(&mut self, host: &str, step: &str) {
        self.until(step, |event| {
            event["event"] == "step" && event["host"] == host && event["step"] == step
        });
    }

    /// Sends the program (nobody else) a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Sends its process group a signal, as a terminal does.
    pub fn signal_group(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        rustix::process::kill_process_group(pid, signal).unwrap();
    }

    /// `kill -9`.
    pub fn kill(mut self) -> Ended {
        self.signal(Signal::KILL);
        self.collect()
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        self.collect()
    }

    fn collect(&mut self) -> Ended {
        while self.next().is_some() {}
        let status = self.child.wait().unwrap();
        // Processes of ssh that outlive a killed program hold its stderr no longer than themselves.
        let stderr = self.stderr.take().map(|text| text.join().unwrap()).unwrap_or_default();
        Ended {
            code: status.code(),
            events: std::mem::take(&mut self.seen),
            stderr,
        }
    }
}

/// Runs to the end.
pub fn run(command: Command) -> Ended {
    Run::start(command).end()
}

impl Ended {
    /// The report on a host.
    pub fn host(&self, name: &str) -> &Value {
        let is_it = |event: &&Value| event["event"] == "host_finished" && event["host"] == name;
        self.events
            .iter()
            .find(is_it)
            .unwrap_or_else(|| panic!("{name} has no end: {self:#?}"))
    }

    /// Its end state.
    pub fn state(&self, host: &str) -> &str {
        self.host(host)["state"].as_str().unwrap()
    }

    /// Why.
    pub fn reason(&self, host: &str) -> &str {
        self.host(host)["reason"].as_str().unwrap_or_default()
    }

    /// Steps of a host in their order.
    pub fn steps(&self, host: &str) -> Vec<&str> {
        let steps = self
            .events
            .iter()
            .filter(|event| event["event"] == "step" && event["host"] == host);
        steps.filter_map(|event| event["step"].as_str()).collect()
    }

    /// The end state and the exit code must be these.
    #[track_caller]
    pub fn expect(self, host: &str, state: &str, code: i32) -> Self {
        assert!(
            self.state(host) == state && self.code == Some(code),
            "not {state} with exit code {code}: {self:#?}"
        );
        self
    }
}

/// The rules of a host in both families, without counters, comments of the tool, and empty tables.
pub fn rules(lab: &Lab, host: &str) -> String {
    tidy(&lab.run(host, "iptables-save; echo; ip6tables-save"))
}

/// Without counters, comments of the tool, and empty tables.
pub fn tidy(text: &str) -> String {
    let mut tables = Vec::new();
    let mut table: Vec<&str> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let chain = line.starts_with(':').then(|| line.rsplit_once(" [")).flatten();
        table.push(chain.map_or(line, |(chain, _)| chain).trim_end());
        if line == "COMMIT" {
            let empty = table
                .iter()
                .all(|line| !line.starts_with("-A") && (!line.starts_with(':') || line.ends_with(" ACCEPT")));
            if !empty {
                tables.push(table.join("\n"));
            }
            table.clear();
        }
    }
    tables.join("\n") + "\n"
}

/// What of ours is in a host's rules: chains and rules that name them.
pub fn ours(rules: &str) -> Vec<&str> {
    rules.lines().filter(|line| line.contains("PORTMAP")).collect()
}

/// Waits for something to become true.
#[track_caller]
pub fn await_true(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether sshd answers on a port with its banner, over a new connection.
pub fn sshd_answers(lab: &Lab, host: &str, family: u8, port: u16) -> bool {
    let address = SocketAddr::new(lab.address(host, family), port);
    lab.within(|| {
        let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_millis(700)) else {
            return false;
        };
        let mut banner = [0; 4];
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.read_exact(&mut banner).is_ok() && &banner == b"SSH-"
    })
}

/// A new login by this port over IPv4 must work.
#[track_caller]
pub fn logs_in(lab: &Lab, host: &str, port: u16) {
    let mut ssh = lab.ssh("root", lab.address(host, 4));
    let hostname = said(ssh.args([
        "-o",
        "ControlPath=none",
        "-o",
        "ConnectTimeout=20",
        "-p",
        &port.to_string(),
        "hostname",
    ]));
    assert_eq!(hostname.trim(), host);
}

/// The transaction's files that are left on a host: none but what tells late askers who won.
pub fn leftovers(lab: &Lab, host: &str) -> String {
    let find = "find /run/portmap-deploy /var/lib/portmap-deploy ! -type d 2>/dev/null | \
        grep -Ev '/(t[0-9a-f]*[.](confirmed|undone|by|answered|boot)|ledger|current|agent[.]sh)$|/gen-[0-9]+/' || :";
    lab.run(host, find)
}

/// The host runs the proven new rules of 2222:22 alone, and nothing of any transaction is under way.
#[track_caller]
pub fn runs_the_mapping(lab: &Lab, host: &str) {
    let rules = rules(lab, host);
    let generations: BTreeSet<_> = ours(&rules)
        .iter()
        .flat_map(|line| line.split_whitespace())
        .filter_map(|word| {
            word.strip_prefix(':')
                .unwrap_or(word)
                .strip_prefix("PORTMAP-")?
                .split_once('-')
        })
        .map(|(_, generation)| generation.to_owned())
        .collect();
    assert_eq!(generations.len(), 1, "{host}: {generations:?} {rules}");
    assert_eq!(leftovers(lab, host), "", "{host}");
    for family in [4, 6] {
        assert!(
            sshd_answers(lab, host, family, 2222),
            "{host}: 2222 is closed over IPv{family}\n{rules}"
        );
        assert!(
            !sshd_answers(lab, host, family, 22),
            "{host}: 22 is open over IPv{family}\n{rules}"
        );
    }
    logs_in(lab, host, 2222);
}

/// The host runs `old` again, can be reached as before, and nothing of any transaction is under way.
#[track_caller]
pub fn runs_as_before(lab: &Lab, host: &str, old: &str) {
    assert_eq!(rules(lab, host), old, "{host}: not the old rules");
    assert_eq!(leftovers(lab, host), "", "{host}");
    logs_in(lab, host, 22);
}

/// Something for each host of a lab at the same time.
pub fn on_all<T: Send>(lab: &Lab, work: impl Fn(&str, usize) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let work = &work;
        let hosts = lab.hosts().into_iter().enumerate();
        let threads: Vec<_> = hosts
            .map(|(index, host)| scope.spawn(move || work(host, index)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
