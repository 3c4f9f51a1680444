//! SSH by the user's own `ssh`: their configuration, agent and `known_hosts`, and a master of ours for each login.
//!
//! Every login is a new TCP connection: a check that shares one proves nothing, for that flow is in conntrack
//! already. So options of ours that matter stand first on the command line, where ssh takes the first value.

mod arguments;
mod bastion;
mod beside;
mod config;
mod jump;
mod known_hosts;
mod leads;
mod log;
mod master;
mod mux;
mod proxy_command;
mod session;
mod sockets;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::route::{By, Peer, Route, Tunnel};
use super::ways::{Order, Race, nobody};
use super::{Login, LoginError, Remote};
use crate::inventory::{Connection as Spec, HostKeyChecking};

use arguments::without_jump;
use bastion::through;
use config::{addresses, command_line, effective_config, user_options};
use jump::Tokens;
use known_hosts::KnownHosts;
use log::{host_key, is_about_host_key, last_words, offending, peer, unrecorded};
use master::{Place, master_command};
use session::Entrance;

pub use bastion::{Bastion, Bastions};
pub use beside::{Ran, Sessions};
pub use leads::{Leads, leads};
pub use mux::Channel;
pub use proxy_command::{Piped, ProxyCommand};
pub use session::Connection;
pub use sockets::sweep;

/// Who listens to a dialogue: verbosity and line.
pub type Heard = Arc<dyn Fn(u8, String) + Send + Sync>;

/// One host, as the user's ssh would reach it.
pub struct Ssh {
    spec: Spec,
    config: HashMap<String, String>,
    route: Route,
    /// What `known_hosts` is asked for, whatever port we come in by.
    known: KnownHosts,
    heard: Heard,
    entrance: Arc<Entrance>,
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
        let tunnel = |by| {
            Route::Through(Tunnel {
                name: name.trim_matches(['[', ']']).into(),
                by,
            })
        };
        let tokens = Tokens::of(&config, &spec.host);
        let route = if let Some(jump) = get("proxyjump") {
            tunnel(By::Bastion(bastions.behind(&jump, &tokens, port, spec).await?))
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
        let known = KnownHosts::of(&config, &name, port).await;
        Ok(Self {
            entrance: Arc::new(Entrance::new(spec, get("user").unwrap_or_default())),
            spec: spec.clone(),
            config,
            route,
            known,
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
            unrecorded: unrecorded(&text),
        })
    }

    fn command(&self, at: &Peer, place: &Place, before: Option<&Place>, quick: bool, limit: Duration) -> Command {
        let mut command = master_command();
        for option in MASTER_OPTIONS {
            command.args(["-o", option]);
        }
        let seconds = limit.as_secs().max(1);
        command.arg("-o").arg(format!("ConnectTimeout={seconds}"));
        command.arg("-o").arg(format!("HostKeyAlias={}", self.known.name));
        let checking = self.spec.host_key_checking.as_ssh();
        command.arg("-o").arg(format!("StrictHostKeyChecking={checking}"));
        command.arg("-o").arg(format!("Port={}", at.port()));
        if let Some(address) = at.address() {
            if !self.route.addresses().contains(&address) {
                // Not one that the host's name stands for: the host told of it.
                command.arg("-o").arg(format!("HostName={address}"));
            }
            command.arg("-o").arg(if address.is_ipv4() {
                "AddressFamily=inet"
            } else {
                "AddressFamily=inet6"
            });
        }
        if let Some(order) = self
            .quick_key_exchange()
            .filter(|_| quick && !self.entrance.is_secret())
        {
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

    /// Without a known key the first to answer is believed.
    async fn order(&self) -> Order {
        let believes = self.spec.host_key_checking == HostKeyChecking::AcceptNew && !self.known.is_known().await;
        if believes { Order::Listed } else { Order::Quickest }
    }

    /// Says so where the host's key is known under the name that it has at another port.
    async fn also_known(&self, refusal: LoginError, ports: &[u16]) -> LoginError {
        match (refusal, self.known.other_name(ports).await) {
            (LoginError::HostKey { message, hint }, Some((name, port))) if !message.contains("HAS CHANGED") => {
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

    fn explain(&self, log: &str, proxy: &str, at: &Peer) -> LoginError {
        let said = |what: &str| log.contains(what);
        let message = last_words(log, &format!("ssh to {at} got no answer in time"));
        if is_about_host_key(log) {
            return LoginError::HostKey {
                message: format!("host key of {at}: {message}"),
                hint: Some(self.known.advice(
                    offending(log),
                    &command_line(&self.spec, at.port(), Some(&self.known.name)),
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
}

impl Remote for Ssh {
    fn management_port(&self) -> u16 {
        self.config.get("port").and_then(|port| port.parse().ok()).unwrap_or(22)
    }

    fn route(&self) -> &Route {
        &self.route
    }

    fn name(&self) -> &str {
        &self.known.name
    }

    async fn known_keys(&self) -> &[String] {
        self.known.keys().await
    }

    async fn command_line(&self, port: u16) -> String {
        command_line(&self.spec, port, self.known.alias_for(port).await)
    }

    async fn login(&self, route: &Route, ports: &[u16], quick: bool, limit: Duration) -> Result<Login, LoginError> {
        if let Some(By::Bastion(bastion)) = route.tunnel().map(|tunnel| &tunnel.by) {
            bastion.link(limit).await?;
        }
        let mut race = Race::start(route, ports, self.order().await, limit);
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

/// A master process of ours.
pub struct Master {
    place: Place,
    peer: Peer,
    host_key: Option<String>,
    /// Why the key of a new host is not in `known_hosts`.
    unrecorded: Option<String>,
}

fn local(message: String) -> LoginError {
    LoginError::Unreachable { message, hint: None }
}
