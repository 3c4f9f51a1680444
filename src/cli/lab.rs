//! `portmap-deploy lab`: rehearsal hosts on this machine.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::error::Error;
use super::{demo, deploy};
use crate::inventory::HostSpec;
use crate::lab::{self, Backend, Backends, HostRequest, Image, Lab, Request};

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
        #[arg(
            required = true,
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "COMMAND"
        )]
        command: Vec<String>,
    },
    /// Run a command as root on the router in front of the hosts.
    Upstream {
        /// The command and its arguments.
        #[arg(
            required = true,
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "COMMAND"
        )]
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
    /// Shut a booted host down and start it again.
    Reboot {
        /// Its name.
        host: String,
        /// Pull its plug instead of shutting it down.
        #[arg(long)]
        hard: bool,
    },
    /// Make the system that `up --boot` needs, and print where it is.
    Image(System),
    /// Watch the main job on rehearsal hosts: deploy, deploy again, a mistake that is undone.
    Demo {
        /// Already in a network namespace of its own.
        #[arg(long, hide = true)]
        inside: bool,
    },
    /// A web server for the demo.
    #[command(hide = true)]
    Serve {
        #[arg(long)]
        port: u16,
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

/// What booted hosts are.
#[derive(Debug, Args)]
struct System {
    /// More Debian packages on the hosts, installed and not enabled, such as ufw,fail2ban.
    #[arg(long, value_name = "PACKAGES", value_delimiter = ',')]
    packages: Vec<String>,
    /// Where to get packages [default: the distribution's own archive].
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
}

#[derive(Debug, Args)]
struct Up {
    /// How many hosts, named host1, host2, ...
    #[arg(
        long,
        value_name = "N",
        required_unless_present = "inventory",
        conflicts_with = "inventory"
    )]
    hosts: Option<usize>,
    /// Rehearse this inventory: its hosts and their variables, at addresses of the lab. May be given several times.
    #[arg(short, long, value_name = "FILE")]
    inventory: Vec<String>,
    /// Only these hosts of the inventory: names, groups and globs.
    #[arg(short, long, value_name = "PATTERN", requires = "inventory")]
    limit: Option<String>,
    /// Which iptables the hosts have [default: this machine's].
    #[arg(long)]
    backend: Option<BackendName>,
    /// What a round trip to a host takes longer, such as 20ms.
    #[arg(long, value_parser = duration, default_value = "0ms")]
    latency: Duration,
    /// Boot whole systems (Debian or Ubuntu, as this machine) with systemd, instead of showing this machine's files.
    #[arg(long)]
    boot: bool,
    #[command(flatten)]
    system: System,
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
        Action::Cut { host } => {
            load(name)?.cut(host)?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Heal { host } => {
            load(name)?.heal(host)?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Reboot { host, hard } => {
            require_root()?;
            lab::reboot(name, host, *hard)?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Image(system) => {
            require_root()?;
            say(&format!("{}\n", image(system)?.display()))
        }
        Action::Demo { inside } => {
            require_root()?;
            let name = if name == "default" { "demo" } else { name };
            if *inside { demo::inside(name) } else { demo::run(name) }
        }
        Action::Serve { port } => demo::serve(*port),
        Action::Relay { upstream, near, delay } => relay(*upstream, near, *delay),
    }
}

fn up(name: &str, options: &Up) -> Result<ExitCode, Error> {
    require_root()?;
    let system = &options.system;
    if !options.boot && (!system.packages.is_empty() || system.mirror.is_some()) {
        return Err(lab::Error::Hosts("--packages and --mirror are about booted hosts: add --boot".to_owned()).into());
    }
    let lab = lab::up(&Request {
        name: name.to_owned(),
        hosts: hosts(options)?,
        sources: absolute(&options.inventory)?,
        backends: match options.backend {
            None => Backends::Machine,
            Some(BackendName::Nft) => Backends::All(Backend::Nft),
            Some(BackendName::Legacy) => Backends::All(Backend::Legacy),
            Some(BackendName::Mixed) => Backends::Mixed,
        },
        latency: options.latency,
        image: options.boot.then(|| image(system)).transpose()?,
    })?;
    let _ = writeln!(io::stderr(), "{}", next_steps(&lab));
    say(&table(&lab, &lab.cut_hosts()?))
}

fn image(system: &System) -> Result<PathBuf, Error> {
    let wanted = Image {
        packages: system.packages.clone(),
        mirror: system.mirror.clone(),
    };
    let tree = lab::image(&wanted, &mut |line| {
        let _ = writeln!(io::stderr(), "{line}");
    })?;
    Ok(tree)
}

fn next_steps(lab: &Lab) -> String {
    let program = match lab.name.as_str() {
        "default" => "portmap-deploy lab".to_owned(),
        name => format!("portmap-deploy lab --lab {name}"),
    };
    format!(
        "inventory: {program} inventory >lab.yaml\na shell: sudo {program} exec {} sh\nthe end: sudo {program} down\n",
        lab.hosts.first().map_or("HOST", |host| host.name.as_str())
    )
}

/// The hosts to make, by number or by inventory.
fn hosts(options: &Up) -> Result<Vec<HostRequest>, Error> {
    if let Some(count) = options.hosts {
        let host = |n| HostRequest {
            name: format!("host{n}"),
            user: None,
        };
        // More than any lab may have is refused there; no need to name millions first.
        return Ok((1..=count.min(1000)).map(host).collect());
    }
    let request = |host: HostSpec| HostRequest {
        name: host.name,
        user: host.connection.user,
    };
    let hosts = deploy::load(&options.inventory, options.limit.as_deref())?;
    Ok(hosts.into_iter().map(request).collect())
}

/// `lab inventory` names these files wherever it is typed.
fn absolute(paths: &[String]) -> Result<Vec<PathBuf>, Error> {
    let absolute = paths.iter().map(std::path::absolute).collect::<io::Result<_>>();
    absolute.map_err(|source| io_error("find the inventory", source))
}

pub(super) fn io_error(action: &str, source: io::Error) -> Error {
    lab::Error::Io {
        action: action.to_owned(),
        source,
    }
    .into()
}

/// # Errors
/// [`lab::Error::NotRoot`], with this very command after `sudo`.
fn require_root() -> Result<(), Error> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let words: Vec<_> = std::env::args().collect();
    let words = shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "));
    Err(lab::Error::NotRoot {
        command: format!("sudo {words}"),
    }
    .into())
}

fn down(name: &str) -> Result<ExitCode, Error> {
    require_root()?;
    if lab::down(name)? {
        Ok(ExitCode::SUCCESS)
    } else {
        say(&format!("there is no lab `{name}`\n"))
    }
}

fn load(name: &str) -> Result<Lab, Error> {
    require_root()?;
    Ok(lab::load(name)?)
}

fn status(name: &str) -> Result<ExitCode, Error> {
    let lab = load(name)?;
    say(&table(&lab, &lab.cut_hosts().unwrap_or_default()))
}

fn table(lab: &Lab, cut: &[&lab::Host]) -> String {
    let width = lab
        .hosts
        .iter()
        .map(|host| host.name.len())
        .max()
        .unwrap_or_default()
        .max(4);
    let line = |[name, state, iptables, ipv4, ipv6, user]: [&str; 6]| {
        format!("{name:<width$} {state:<5} {iptables:<9} {ipv4:<14} {ipv6:<25} {user}\n")
    };
    let row = |host: &lab::Host| {
        let state = match host.member.init.is_alive() {
            false => "dead",
            true if cut.contains(&host) => "cut",
            true => "up",
        };
        let iptables = match (host.backend, &host.image) {
            (Some(backend), _) => backend.name(),
            (None, Some(_)) => "its own",
            (None, None) => "machine's",
        };
        let ipv6 = host.ipv6.map_or_else(|| "-".to_owned(), |ip| ip.to_string());
        line([&host.name, state, iptables, &host.ipv4.to_string(), &ipv6, &host.user])
    };
    let header = line(["host", "state", "iptables", "IPv4", "IPv6", "user"]);
    std::iter::once(header).chain(lab.hosts.iter().map(row)).collect()
}

/// Becomes the command; returns only when that fails.
fn replace(mut command: std::process::Command) -> Error {
    io_error("run nsenter", command.exec())
}

fn relay(upstream: i32, near: &str, delay: Duration) -> Result<ExitCode, Error> {
    let carried = lab::relay(upstream, near, delay);
    carried.map_err(|source| io_error("carry packets", source))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn say(text: &str) -> Result<ExitCode, Error> {
    let said = io::stdout().lock().write_all(text.as_bytes());
    said.map_err(|source| io_error("write to stdout", source))?;
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
