//! Brings a lab up: everything at once, and nothing left of it where anything fails.

use std::collections::HashSet;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use super::booted::BOOT;
use super::network::{self, MOST_HOSTS, Network};
use super::ssh::Access;
use super::start::{HostStart, Starting, port, script};
use super::state::{self, Folder};
use super::{Error, Host, HostRequest, Lab, Member, Request, tool};

/// How long all of it may take: seconds even on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Brings up a lab and returns when the sshd of every host answers. This process is its life line until then: if
/// it fails or is killed, the members end. Needs root.
///
/// # Errors
/// Anything that keeps a host from coming up; then all of it is gone again.
pub fn up(request: &Request) -> Result<Lab, Error> {
    tool::check()?;
    check(&request.hosts)?;
    let folder = Folder::create(&request.name)?;
    let access = Access::of(&folder.path());
    let mut coming = Coming::start(request, &folder, &access.make_key()?)?;
    let lab = coming.connect(request)?;
    let keys = coming.finish(&lab)?;
    access.write(&lab, &keys)?;
    state::save(&lab)?;
    coming.stay()?;
    folder.keep();
    Ok(lab)
}

fn check(hosts: &[HostRequest]) -> Result<(), Error> {
    if hosts.is_empty() || hosts.len() > MOST_HOSTS {
        return Err(Error::Hosts(format!(
            "a lab has 1 to {MOST_HOSTS} hosts, not {}",
            hosts.len()
        )));
    }
    let mut seen = HashSet::new();
    if let Some(twice) = hosts.iter().find(|host| !seen.insert(&host.name)) {
        return Err(Error::Hosts(format!("two hosts are named `{}`", twice.name)));
    }
    hosts
        .iter()
        .filter_map(|host| host.user.as_deref())
        .try_for_each(check_account)
}

/// Accounts become words of a shell script and lines of `/etc/passwd` (useradd(8): NAME).
fn check_account(name: &str) -> Result<(), Error> {
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let plain = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c));
    if starts && plain && name.len() <= 32 {
        Ok(())
    } else {
        Err(Error::Account(name.to_owned()))
    }
}

/// A lab that is coming up; what is dropped ends.
struct Coming {
    uplink: Option<Uplink>,
    network: Network,
    logs: PathBuf,
    deadline: Instant,
    relay: Option<Starting>,
    upstream: Starting,
    hosts: Vec<Starting>,
}

impl Coming {
    fn start(request: &Request, folder: &Folder, key: &str) -> Result<Self, Error> {
        let (network, logs) = (folder.reserve_network()?, folder.path().join("log"));
        let start = |(index, host): (usize, &HostRequest)| {
            let start = HostStart {
                lab: &request.name,
                name: &host.name,
                index,
                backend: request.backends.of(index),
                user: host.user.as_deref(),
                image: request.image.as_deref(),
                network,
                key,
            };
            start.spawn()
        };
        let mut router = script("upstream", "upstream", &folder.path());
        router.env("LAB_RULES", network::RULES);
        let upstream = Starting::spawn("the router", router, &logs, "upstream")?;
        let hosts = request.hosts.iter().enumerate().map(start).collect::<Result<_, _>>()?;
        let patience = if request.image.is_some() { BOOT } else { PATIENCE };
        Ok(Self {
            uplink: None,
            network,
            logs,
            deadline: Instant::now() + patience,
            relay: None,
            upstream,
            hosts,
        })
    }

    /// Learns everybody's process and makes the links between them.
    fn connect(&mut self, request: &Request) -> Result<Lab, Error> {
        let deadline = self.deadline;
        let upstream = self.upstream.member(deadline)?;
        let members = self
            .hosts
            .iter_mut()
            .map(|host| host.member(deadline))
            .collect::<Result<Vec<_>, _>>()?;
        let hosts: Vec<_> = request
            .hosts
            .iter()
            .zip(members)
            .enumerate()
            .map(|(index, (host, member))| self.host(index, host, request, member))
            .collect();
        let machine = if request.latency.is_zero() {
            Some(std::process::id())
        } else {
            self.start_relay(upstream, request.latency / 2)?;
            None
        };
        tool::fed(&mut batch_on(upstream), &self.network.router(&hosts, machine))?;
        self.uplink = Some(Uplink(Some(self.network.uplink())));
        tool::fed(tool::command("ip").args(["-batch", "-"]), &self.network.machine())?;
        Ok(Lab {
            name: request.name.clone(),
            upstream,
            relay: self.relay.as_ref().map(Starting::process).transpose()?,
            latency: request.latency,
            uplink: self.network.uplink(),
            sources: request.sources.clone(),
            hosts,
        })
    }

    fn host(&self, index: usize, host: &HostRequest, request: &Request, member: Member) -> Host {
        Host {
            name: host.name.clone(),
            user: host.user.clone().unwrap_or_else(|| "root".to_owned()),
            user_is_given: host.user.is_some(),
            backend: request.backends.of(index),
            port: port(index),
            ipv4: self.network.host_ipv4(index),
            ipv6: network::has_ipv6().then(|| self.network.host_ipv6(index)),
            member,
            image: request.image.clone(),
        }
    }

    fn start_relay(&mut self, upstream: Member, delay: Duration) -> Result<(), Error> {
        let program = std::env::current_exe().map_err(Error::io("find this program"))?;
        let mut command = tool::command("setsid");
        command
            .arg(program)
            .args(["lab", "relay", "--upstream", &upstream.init.pid().to_string()])
            .args([
                "--near",
                &self.network.uplink(),
                "--delay",
                &format!("{}us", delay.as_micros()),
            ]);
        let mut relay = Starting::spawn("the relay", command, &self.logs, "relay")?;
        relay.hear("ready", self.deadline)?;
        self.relay = Some(relay);
        Ok(())
    }

    /// Sets all hosts going, waits for each, and returns their SSH host keys.
    fn finish(&mut self, lab: &Lab) -> Result<Vec<String>, Error> {
        let deadline = self.deadline;
        self.upstream.tell("go")?;
        self.hosts.iter_mut().try_for_each(|host| host.tell("go"))?;
        self.upstream.hear("ready", deadline)?;
        let keys = self.hosts.iter_mut().map(|host| {
            let key = host.hear("key", deadline)?;
            host.hear("ready", deadline)?;
            Ok(key)
        });
        let keys = keys.collect::<Result<_, _>>()?;
        await_all(&lab.hosts, &self.hosts, deadline)?;
        Ok(keys)
    }

    fn stay(mut self) -> Result<(), Error> {
        let rest = self.relay.into_iter().chain([self.upstream]);
        rest.chain(self.hosts).try_for_each(Starting::stay)?;
        self.uplink.iter_mut().for_each(|uplink| uplink.0 = None);
        Ok(())
    }
}

/// Our own end of the link, which must not linger until the kernel has buried the other's namespace.
struct Uplink(Option<String>);

impl Drop for Uplink {
    fn drop(&mut self) {
        if let Some(link) = &self.0 {
            let _ = tool::output(tool::command("ip").args(["link", "delete", link]));
        }
    }
}

fn await_all(hosts: &[Host], starting: &[Starting], deadline: Instant) -> Result<(), Error> {
    std::thread::scope(|scope| {
        let waits: Vec<_> = hosts
            .iter()
            .map(|host| scope.spawn(move || await_host(host, deadline)))
            .collect();
        waits.into_iter().zip(starting).try_for_each(|(wait, starting)| {
            let answer = wait.join().unwrap_or_else(|_| Err(io::Error::other("panicked")));
            answer.map_err(|error| starting.failed(&format!("its sshd does not answer: {error}")))
        })
    })
}

/// Until sshd answers on all addresses.
pub(super) fn await_host(host: &Host, deadline: Instant) -> io::Result<()> {
    let addresses = [Some(IpAddr::V4(host.ipv4)), host.ipv6.map(IpAddr::V6)];
    addresses
        .into_iter()
        .flatten()
        .try_for_each(|ip| await_banner(host.member, SocketAddr::new(ip, 22), deadline))
}

fn await_banner(member: Member, address: SocketAddr, deadline: Instant) -> io::Result<()> {
    loop {
        match read_banner(address, deadline) {
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) if !member.init.is_alive() => return Err(io::Error::other("its PID 1 has ended")),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
            Ok(()) => return Ok(()),
        }
    }
}

fn read_banner(address: SocketAddr, deadline: Instant) -> io::Result<()> {
    let left = deadline
        .saturating_duration_since(Instant::now())
        .clamp(Duration::from_millis(1), Duration::from_secs(5));
    let mut stream = TcpStream::connect_timeout(&address, left)?;
    stream.set_read_timeout(Some(left))?;
    let mut banner = [0; 4];
    stream.read_exact(&mut banner)?;
    if &banner == b"SSH-" {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// `ip -batch` on the router; by this machine's program, which knows this machine's process numbers.
pub(super) fn batch_on(upstream: Member) -> Command {
    let mut command = tool::command("nsenter");
    command
        .arg(format!("--net=/proc/{}/ns/net", upstream.init.pid()))
        .args(["ip", "-batch", "-"]);
    command
}
