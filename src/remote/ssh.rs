//! SSH by the user's own `ssh`: their configuration, agent and `known_hosts`, and a master of ours for each login.
//!
//! Every login is a new TCP connection: a check that shares one proves nothing, for that flow is in conntrack
//! already. So options of ours that matter stand first on the command line, where ssh takes the first value.

mod config;
mod known_hosts;
mod log;
mod session;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use super::ways::{Order, Race, nobody};
use super::{Login, LoginError, Remote};
use crate::inventory::{Connection as Spec, HostKeyChecking};
use crate::report::sanitise;

use config::{addresses, effective_config, user_options};
use known_hosts::KnownHosts;
use log::{host_key, last_words, peer};
pub use session::Connection;
use session::Entrance;

/// Who listens to a dialogue: verbosity and line.
pub type Heard = Arc<dyn Fn(u8, String) + Send + Sync>;

/// One host, as the user's ssh would reach it.
pub struct Ssh {
    spec: Spec,
    config: HashMap<String, String>,
    addresses: Vec<IpAddr>,
    /// What `known_hosts` is asked for, whatever port we come in by.
    known: KnownHosts,
    heard: Heard,
    entrance: Arc<Entrance>,
}

impl Ssh {
    /// Asks `ssh -G` what the user's configuration makes of this host, and resolves its name.
    ///
    /// # Errors
    /// When ssh refuses the options, the name does not resolve, or the host is behind a proxy (not supported yet).
    pub async fn resolve(spec: &Spec, heard: Heard) -> Result<Self, LoginError> {
        let config = effective_config(spec).await?;
        let get = |key: &str| config.get(key).filter(|value| value.as_str() != "none").cloned();
        if let Some(proxy) = get("proxyjump").or_else(|| get("proxycommand")) {
            return Err(LoginError::Unreachable {
                message: format!(
                    "it is reached through a proxy ({}), which is not supported yet",
                    sanitise(&proxy)
                ),
                hint: Some("run portmap-deploy where the host can be reached directly".to_owned()),
            });
        }
        let name = get("hostname").unwrap_or_else(|| spec.host.clone());
        let port = config.get("port").and_then(|port| port.parse().ok()).unwrap_or(22);
        let family = config.get("addressfamily").map_or("any", String::as_str);
        let addresses = addresses(&name, family).await?;
        let known = KnownHosts::of(&config, &name, port).await;
        Ok(Self {
            entrance: Arc::new(Entrance::new(spec, get("user").unwrap_or_default())),
            spec: spec.clone(),
            config,
            addresses,
            known,
            heard,
        })
    }

    async fn master(&self, at: SocketAddr, quick: bool, limit: Duration) -> Result<Master, LoginError> {
        let dir =
            socket_dir().map_err(|error| local(format!("cannot make a folder for the control socket: {error}")))?;
        let log = dir.path().join("log");
        let socket = dir.path().join("s");
        let mut command = self.command(at, &socket, &log, quick, limit);
        // The process goes to the background once it is logged in; until then it is ours to end.
        let mut child = command
            .spawn()
            .map_err(|error| local(format!("cannot run ssh: {error}")))?;
        let ended = timeout(limit + Duration::from_secs(2), child.wait()).await;
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        match ended {
            Ok(Ok(status)) if status.success() => Ok(Master {
                socket,
                dir,
                peer: peer(&text).unwrap_or(at),
                host_key: host_key(&text),
            }),
            _ => {
                let _ = child.kill().await;
                Err(self.explain(&text, at))
            }
        }
    }

    fn command(&self, at: SocketAddr, socket: &Path, log: &Path, quick: bool, limit: Duration) -> Command {
        let mut command = Command::new("ssh");
        // Ctrl-C is for us to answer: in our process group it would end ssh in the middle of a proof.
        command.process_group(0);
        command.args(["-M", "-N", "-f", "-o", "LogLevel=DEBUG1"]);
        for option in MASTER_OPTIONS {
            command.args(["-o", option]);
        }
        let seconds = limit.as_secs().max(1);
        command.arg("-o").arg(format!("ConnectTimeout={seconds}"));
        command.arg("-o").arg(format!("HostKeyAlias={}", self.known.name));
        let checking = self.spec.host_key_checking.as_ssh();
        command.arg("-o").arg(format!("StrictHostKeyChecking={checking}"));
        command.arg("-o").arg(format!("Port={}", at.port()));
        command.arg("-o").arg(if at.is_ipv4() {
            "AddressFamily=inet"
        } else {
            "AddressFamily=inet6"
        });
        if let Some(order) = self
            .quick_key_exchange()
            .filter(|_| quick && !self.entrance.is_secret())
        {
            command.arg("-o").arg(format!("KexAlgorithms={order}"));
        }
        command.args(user_options(&self.spec));
        // Of options the first counts, of these two the last.
        command.arg("-S").arg(socket).arg("-E").arg(log);
        command.arg("--").arg(&self.spec.host);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// The user's own list with the cheap exchange first, if it is in it: for connections that carry no secret.
    fn quick_key_exchange(&self) -> Option<String> {
        const QUICK: &str = "curve25519-sha256";
        let own = self.config.get("kexalgorithms")?;
        let rest = own.split(',').filter(|name| *name != QUICK);
        own.split(',')
            .any(|name| name == QUICK)
            .then(|| [QUICK].into_iter().chain(rest).collect::<Vec<_>>().join(","))
    }

    /// Without a known key the first to answer is believed.
    async fn order(&self) -> Order {
        let believes = self.spec.host_key_checking == HostKeyChecking::AcceptNew && !self.known.is_known().await;
        if believes { Order::Listed } else { Order::Quickest }
    }

    /// Says so where the host's key is known under the name that it has at another port.
    async fn also_known(&self, refusal: LoginError, ports: &[u16]) -> LoginError {
        match (refusal, self.known.other_name(ports).await) {
            (LoginError::HostKey { message, hint }, Some((name, port))) => {
                let also = format!("known_hosts has a key for {name}: if that is this host, set ansible_port: {port}");
                let hint = hint.into_iter().chain([also]).collect::<Vec<_>>().join("; ");
                LoginError::HostKey {
                    message,
                    hint: Some(hint),
                }
            }
            (refusal, _) => refusal,
        }
    }

    fn explain(&self, log: &str, at: SocketAddr) -> LoginError {
        let said = |what: &str| log.contains(what);
        let message = last_words(log, &format!("ssh to {at} got no answer in time"));
        if said("Host key verification failed")
            || said("HOST IDENTIFICATION HAS CHANGED")
            || said("host key is known for")
        {
            return LoginError::HostKey {
                message: format!("host key of {at}: {message}"),
                hint: Some(self.known.advice(said("HAS CHANGED"), at, self.spec.user.as_deref())),
            };
        }
        let hint = said("Permission denied")
            .then(|| "check ansible_user, ansible_ssh_private_key_file and your ssh agent".to_owned());
        LoginError::Unreachable {
            message: format!("ssh to {at}: {message}"),
            hint,
        }
    }
}

impl Remote for Ssh {
    fn management_port(&self) -> u16 {
        self.config.get("port").and_then(|port| port.parse().ok()).unwrap_or(22)
    }

    fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    fn name(&self) -> &str {
        &self.known.name
    }

    async fn known_keys(&self) -> &[String] {
        self.known.keys().await
    }

    async fn command_line(&self, port: u16) -> String {
        config::command_line(&self.spec, port, self.known.alias_for(port).await)
    }

    async fn login(
        &self,
        addresses: &[IpAddr],
        ports: &[u16],
        quick: bool,
        limit: Duration,
    ) -> Result<Login, LoginError> {
        let mut race = Race::start(addresses, ports, self.order().await, limit);
        let mut refusal = None;
        let mut tried = Vec::new();
        while let Some(attempt) = race.next().await {
            if attempt.failure.is_some() {
                tried.push(attempt);
                continue;
            }
            match self.master(attempt.at, quick, limit).await {
                Ok(master) => {
                    let opened = timeout(limit, self.open(master)).await;
                    return opened.unwrap_or_else(|_| Err(local(format!("{} opens no session", attempt.at))));
                }
                // Another sshd may live on this port: the next candidate may be the right one.
                Err(error) => refusal = Some(error),
            }
        }
        Err(match refusal {
            Some(refusal) => self.also_known(refusal, ports).await.with_tried(&tried),
            None => nobody(&tried),
        })
    }
}

const MASTER_OPTIONS: [&str; 16] = [
    "BatchMode=yes",
    "FingerprintHash=sha256",
    "ControlPersist=60",
    "ControlMaster=yes",
    "RemoteCommand=none",
    "RequestTTY=no",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "UpdateHostKeys=no",
    "VisualHostKey=no",
    "CanonicalizeHostname=no",
    "ConnectionAttempts=1",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
];

/// A master process of ours, known by its control socket.
pub struct Master {
    socket: PathBuf,
    dir: TempDir,
    peer: SocketAddr,
    host_key: Option<String>,
}

/// A control path must be short (108 bytes with what ssh appends) and its folder ours alone.
fn socket_dir() -> std::io::Result<TempDir> {
    let base = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|dir| dir.is_dir() && dir.as_os_str().len() < 40);
    tempfile::Builder::new()
        .prefix("pm-")
        .rand_bytes(8)
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir_in(base.unwrap_or_else(|| PathBuf::from("/tmp")))
}

fn local(message: String) -> LoginError {
    LoginError::Unreachable { message, hint: None }
}
