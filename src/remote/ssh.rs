//! SSH by the user's own `ssh`: their configuration, agent and `known_hosts`, and a master of ours for each login.
//!
//! Every login is a new TCP connection: a check that shares one proves nothing, for that flow is in conntrack
//! already. So options of ours that matter stand first on the command line, where ssh takes the first value.

mod arguments;
mod bastion;
mod config;
mod jump;
mod log;
mod master;
mod mux;
mod proxy_command;
mod sockets;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openssh::{Session, Stdio as MuxStdio};
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::dialogue::{Dialogue, LOADER};
use super::route::{By, Peer, Route, Tunnel};
use super::ways::{Attempt, Race};
use super::{Login, LoginError, Remote};
use crate::inventory::Connection as Spec;
use crate::report::sanitise;

use arguments::{config_file, without_jump};
use bastion::through;
use config::{addresses, effective_config, known_hosts_name, user_options};
use jump::Tokens;
use log::{host_key, is_about_host_key, last_words, peer};
use master::{Place, master_command};

pub use bastion::{Bastion, Bastions};
pub use mux::Channel;
pub use proxy_command::{Piped, ProxyCommand};
pub use sockets::sweep;

/// Who listens to a dialogue: verbosity and line.
pub type Heard = Arc<dyn Fn(u8, String) + Send + Sync>;

/// One host, as the user's ssh would reach it.
pub struct Ssh {
    spec: Spec,
    config: HashMap<String, String>,
    route: Route,
    /// The one name under which `known_hosts` is asked, whatever port we come in by.
    alias: String,
    heard: Heard,
}

impl Ssh {
    /// Asks `ssh -G` what the user's configuration makes of this host, and resolves its name, unless that is for a proxy
    /// to do. `bastions`: those of the run.
    ///
    /// # Errors
    /// When ssh refuses the options, the name does not resolve, or its proxy cannot be used.
    pub async fn resolve(spec: &Spec, bastions: &Bastions, heard: Heard) -> Result<Self, LoginError> {
        let config = effective_config(spec).await?;
        let get = |key: &str| config.get(key).filter(|value| value.as_str() != "none").cloned();
        let name = get("hostname").unwrap_or_else(|| spec.host.clone());
        let port = config.get("port").and_then(|port| port.parse().ok()).unwrap_or(22);
        let alias = get("hostkeyalias").unwrap_or_else(|| known_hosts_name(&name, port));
        let tunnel = |by| {
            Route::Through(Tunnel {
                name: name.trim_matches(['[', ']']).into(),
                by,
            })
        };
        let tokens = Tokens::of(&config, &spec.host);
        let route = if let Some(jump) = get("proxyjump") {
            let file = config_file(&spec.common_args).or_else(|| config_file(&spec.extra_args));
            tunnel(By::Bastion(bastions.behind(&jump, &tokens, port, file).await?))
        } else if let Some(template) = get("proxycommand") {
            if get("proxyusefdpass").is_some_and(|value| value == "yes") {
                return Err(local(
                    "ProxyUseFdpass is not supported: use a ProxyCommand without it".to_owned(),
                ));
            }
            tunnel(By::Command(Arc::new(ProxyCommand { template, tokens })))
        } else {
            let family = config.get("addressfamily").map_or("any", String::as_str);
            Route::Direct(addresses(&name, family).await?)
        };
        Ok(Self {
            spec: spec.clone(),
            config,
            route,
            alias,
            heard,
        })
    }

    async fn master(&self, at: &Peer, quick: bool, limit: Duration) -> Result<Master, LoginError> {
        let place =
            Place::new().map_err(|error| local(format!("cannot make a folder for the control socket: {error}")))?;
        let before = match self.route.tunnel().map(|tunnel| &tunnel.by) {
            Some(By::Bastion(bastion)) => Some(bastion.link(limit).await?),
            _ => None,
        };
        let mut command = self.command(at, &place, before.as_deref(), quick, limit);
        let done = place.start(&mut command, limit).await;
        let text = place.written();
        if !done.map_err(|error| local(format!("cannot run ssh: {error}")))? {
            return Err(self.explain(&text, &place.proxy_wrote(), at));
        }
        let direct = self.route.tunnel().is_none();
        let reached = peer(&text).filter(|_| direct).map(Peer::Address);
        Ok(Master {
            place,
            peer: reached.unwrap_or_else(|| at.clone()),
            host_key: host_key(&text),
        })
    }

    fn command(&self, at: &Peer, place: &Place, before: Option<&Place>, quick: bool, limit: Duration) -> Command {
        let mut command = master_command();
        for option in MASTER_OPTIONS {
            command.args(["-o", option]);
        }
        let seconds = limit.as_secs().max(1);
        command.arg("-o").arg(format!("ConnectTimeout={seconds}"));
        command.arg("-o").arg(format!("HostKeyAlias={}", self.alias));
        command.arg("-o").arg(format!("Port={}", at.port()));
        if let Some(address) = at.address() {
            command.arg("-o").arg(if address.is_ipv4() {
                "AddressFamily=inet"
            } else {
                "AddressFamily=inet6"
            });
        }
        if let Some(order) = self.quick_key_exchange().filter(|_| quick) {
            command.arg("-o").arg(format!("KexAlgorithms={order}"));
        }
        let options = user_options(&self.spec);
        match before {
            // -J beside a ProxyCommand is an error, the option of that name is passed over.
            Some(before) => command.args(through(before)).args(without_jump(&options)),
            None => command.args(options),
        };
        // Of options the first counts, of these two the last.
        command.arg("-S").arg(place.socket()).arg("-E").arg(place.log());
        command.arg("--").arg(&self.spec.host);
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

    fn explain(&self, log: &str, proxy: &str, at: &Peer) -> LoginError {
        let said = |what: &str| log.contains(what);
        let message = last_words(log, &format!("ssh to {at} got no answer in time"));
        if is_about_host_key(log) {
            return LoginError::HostKey {
                message: format!("host key of {at}: {message}"),
                hint: Some(format!(
                    "known_hosts is asked for the name {}; compare the key with the host's, then add it with ssh-keyscan -p {} {} or ssh-keygen -R for an old one",
                    self.alias,
                    at.port(),
                    at.host()
                )),
            };
        }
        let hint = said("Permission denied")
            .then(|| "check ansible_user, ansible_ssh_private_key_file and your ssh agent".to_owned());
        let proxy = Some(last_words(proxy, "")).filter(|words| !words.is_empty());
        let proxy = proxy.map_or_else(String::new, |words| format!(" (ProxyCommand: {words})"));
        LoginError::Unreachable {
            message: format!("ssh to {at}: {message}{proxy}"),
            hint,
        }
    }

    async fn open(&self, master: Master) -> Result<Login, LoginError> {
        let at = master.peer.clone();
        let session = Session::resume_mux(master.place.socket().into_boxed_path(), None);
        let loader = if self.spec.r#become {
            format!("exec sudo -n -- {LOADER}")
        } else {
            format!("exec {LOADER}")
        };
        let mut child = Arc::new(session)
            .arc_raw_command(loader)
            .stdin(MuxStdio::piped())
            .stdout(MuxStdio::piped())
            .stderr(MuxStdio::piped())
            .spawn()
            .await
            .map_err(|error| local(format!("cannot open a session on {at}: {error}")))?;
        let (Some(input), Some(output), Some(errors)) =
            (child.stdin().take(), child.stdout().take(), child.stderr().take())
        else {
            return Err(local("ssh gave no streams".to_owned()));
        };
        let heard = Arc::clone(&self.heard);
        let dialogue = Dialogue::new(input, output, nonce(), move |level, line| heard(level, line));
        let (stderr, collecting) = collect(errors);
        let connection = Connection {
            master,
            stderr,
            collecting,
            _child: Some(Box::new(child)),
        };
        Ok(Login {
            dialogue,
            port: at.port(),
            peer: at,
            host_key: connection.master.host_key.clone(),
            connection,
        })
    }
}

impl Remote for Ssh {
    fn management_port(&self) -> u16 {
        self.config.get("port").and_then(|port| port.parse().ok()).unwrap_or(22)
    }

    fn route(&self) -> &Route {
        &self.route
    }

    async fn login(&self, route: &Route, ports: &[u16], quick: bool, limit: Duration) -> Result<Login, LoginError> {
        if let Some(By::Bastion(bastion)) = route.tunnel().map(|tunnel| &tunnel.by) {
            bastion.link(limit).await?;
        }
        let mut race = Race::start(route, ports, limit);
        let mut refusal = None;
        let mut tried = Vec::new();
        while let Some(attempt) = race.next().await {
            if attempt.failure.is_some() {
                tried.push(attempt);
                continue;
            }
            match self.master(&attempt.at, quick, limit).await {
                Ok(master) => {
                    let opened = timeout(limit, self.open(master)).await;
                    return opened.unwrap_or_else(|_| Err(local(format!("{} opens no session", attempt.at))));
                }
                // Another sshd may live on this port: the next candidate may be the right one.
                Err(error) => refusal = Some(error),
            }
        }
        Err(refusal.unwrap_or_else(|| nobody(&tried)))
    }
}

const MASTER_OPTIONS: [&str; 16] = [
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
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

/// A master process of ours.
pub struct Master {
    place: Place,
    peer: Peer,
    host_key: Option<String>,
}

/// What keeps a login's connection; closed by [`Connection::close`].
pub struct Connection {
    master: Master,
    stderr: Arc<Mutex<String>>,
    collecting: JoinHandle<()>,
    _child: Option<Box<dyn Send + Sync>>,
}

impl Connection {
    /// What the command wrote to its stderr (sudo's complaints come there), at most a few lines. Of a command that has
    /// ended, all of it; of one that runs on, what came so far.
    pub async fn complaint(&mut self) -> String {
        if !self.collecting.is_finished() {
            let _ = timeout(Duration::from_millis(500), &mut self.collecting).await;
        }
        let text = self.stderr.lock().map(|text| text.clone()).unwrap_or_default();
        sanitise(text.trim())
    }

    /// Ends the connection. Whatever does not end in time ends by itself when it has been idle for a minute.
    pub async fn close(self) {
        self.master.place.close().await;
    }
}

fn collect(mut errors: impl tokio::io::AsyncRead + Send + Unpin + 'static) -> (Arc<Mutex<String>>, JoinHandle<()>) {
    let text = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&text);
    let collecting = tokio::spawn(async move {
        let mut chunk = [0; 512];
        while let Ok(read @ 1..) = errors.read(&mut chunk).await {
            let Ok(mut text) = sink.lock() else { return };
            if text.len() < 4096 {
                text.push_str(&String::from_utf8_lossy(chunk.get(..read).unwrap_or_default()));
            }
        }
    });
    (text, collecting)
}

fn nobody(tried: &[Attempt]) -> LoginError {
    let attempts: Vec<String> = tried
        .iter()
        .map(|attempt| format!("{}: {}", attempt.at, attempt.failure.as_deref().unwrap_or_default()))
        .collect();
    LoginError::Unreachable {
        message: format!("no way in ({})", attempts.join(", ")),
        hint: Some("check that the host is up and which port its sshd is reached by; tried are ansible_port, mappings to it, and portmap_previous_ports".to_owned()),
    }
}

fn local(message: String) -> LoginError {
    LoginError::Unreachable { message, hint: None }
}

/// 128 random bits for each login: no text that a host prints by itself can hold it.
fn nonce() -> String {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        bytes = fastrand::u128(..).to_le_bytes();
    }
    bytes
        .iter()
        .fold(String::from("PM"), |text, byte| format!("{text}{byte:02x}"))
}
