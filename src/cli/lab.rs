//! `portmap-deploy lab`: rehearsal hosts on this machine.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::lab::{self, Backend, Backends, Error, HostRequest, Lab, Request};

/// `lab ...`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which lab; there may be several.
    #[arg(long = "lab", value_name = "NAME", default_value = "default", global = true)]
    name: String,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Bring up hosts: each with its own addresses, file system, sshd and netfilter.
    Up(Up),
    /// End the hosts and remove every trace of them.
    Down,
    /// Show the hosts, and whether they run.
    Status,
    /// Print an inventory of the hosts.
    Inventory,
    /// Run a command as root on a host.
    Exec {
        /// Its name.
        host: String,
        /// The command and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// Run a command as root on the router in front of the hosts.
    Upstream {
        /// The command and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// Lose all packets from and to a host.
    Cut {
        /// Its name.
        host: String,
    },
    /// Undo a cut.
    Heal {
        /// Its name.
        host: String,
    },
    /// The process that makes latency; started by `up`.
    #[command(hide = true)]
    Relay {
        #[arg(long)]
        upstream: i32,
        #[arg(long)]
        near: String,
        #[arg(long, value_parser = duration)]
        delay: Duration,
    },
}

#[derive(Debug, Args)]
struct Up {
    /// How many hosts, named host1, host2, ...
    #[arg(long, value_name = "N")]
    hosts: usize,
    /// Which iptables the hosts have [default: this machine's].
    #[arg(long)]
    backend: Option<BackendName>,
    /// What a round trip to a host takes longer, such as 20ms.
    #[arg(long, value_parser = duration, default_value = "0ms")]
    latency: Duration,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BackendName {
    Nft,
    Legacy,
    /// nft on the first host, legacy on the second, and so on.
    Mixed,
}

/// Does what `lab ...` asks for.
///
/// # Errors
/// Those of [`crate::lab`].
pub fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let name = &arguments.name;
    match &arguments.action {
        Action::Up(options) => up(name, options),
        Action::Down => down(name),
        Action::Status => status(name),
        Action::Inventory => say(&lab::inventory(name)?),
        Action::Exec { host, command } => Err(replace(load(name)?.exec(host, command)?)),
        Action::Upstream { command } => Err(replace(load(name)?.exec_upstream(command)?)),
        Action::Cut { host } => load(name)?.cut(host).map(|()| ExitCode::SUCCESS),
        Action::Heal { host } => load(name)?.heal(host).map(|()| ExitCode::SUCCESS),
        Action::Relay { upstream, near, delay } => relay(*upstream, near, *delay),
    }
}

fn up(name: &str, options: &Up) -> Result<ExitCode, Error> {
    require_root()?;
    let lab = lab::up(&Request {
        name: name.to_owned(),
        hosts: (1..=options.hosts).map(|n| HostRequest { name: format!("host{n}"), user: None }).collect(),
        sources: Vec::<PathBuf>::new(),
        backends: match options.backend {
            None => Backends::Machine,
            Some(BackendName::Nft) => Backends::All(Backend::Nft),
            Some(BackendName::Legacy) => Backends::All(Backend::Legacy),
            Some(BackendName::Mixed) => Backends::Mixed,
        },
        latency: options.latency,
    })?;
    say(&table(&lab, &lab.cut_hosts()?))
}

/// # Errors
/// [`Error::NotRoot`], with this very command after `sudo`.
fn require_root() -> Result<(), Error> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let words: Vec<_> = std::env::args().collect();
    let words = shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "));
    Err(Error::NotRoot { command: format!("sudo {words}") })
}

fn down(name: &str) -> Result<ExitCode, Error> {
    require_root()?;
    if lab::down(name)? { Ok(ExitCode::SUCCESS) } else { say(&format!("there is no lab `{name}`\n")) }
}

fn load(name: &str) -> Result<Lab, Error> {
    require_root()?;
    lab::load(name)
}

fn status(name: &str) -> Result<ExitCode, Error> {
    let lab = load(name)?;
    say(&table(&lab, &lab.cut_hosts().unwrap_or_default()))
}

fn table(lab: &Lab, cut: &[&lab::Host]) -> String {
    let row = |host: &lab::Host| {
        let state = match host.member.init.is_alive() {
            false => "dead",
            true if cut.contains(&host) => "cut",
            true => "up",
        };
        let ipv6 = host.ipv6.map_or_else(|| "-".to_owned(), |ip| ip.to_string());
        let backend = host.backend.map_or("machine's", Backend::name);
        format!("{:<16} {:<5} {:<10} {:<15} {:<26} {}\n", host.name, state, backend, host.ipv4, ipv6, host.user)
    };
    lab.hosts.iter().map(row).collect()
}

/// Becomes the command; returns only when that fails.
fn replace(mut command: std::process::Command) -> Error {
    Error::Io { action: "run nsenter".to_owned(), source: command.exec() }
}

fn relay(upstream: i32, near: &str, delay: Duration) -> Result<ExitCode, Error> {
    let carried = lab::relay(upstream, near, delay);
    carried.map_err(|source| Error::Io { action: "carry packets".to_owned(), source })?;
    Ok(ExitCode::SUCCESS)
}

fn say(text: &str) -> Result<ExitCode, Error> {
    let said = io::stdout().lock().write_all(text.as_bytes());
    said.map_err(|source| Error::Io { action: "write to stdout".to_owned(), source })?;
    Ok(ExitCode::SUCCESS)
}

/// `20ms`, `1.5s`, `250us`.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return Err("a number with a unit is needed, such as 20ms".to_owned()),
    };
    let seconds = number.parse::<f64>().map_err(|error| error.to_string())? * scale;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if duration <= Duration::from_secs(10) => Ok(duration),
        _ => Err("0 to 10 s are possible".to_owned()),
    }
}
