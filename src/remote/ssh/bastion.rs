//! Bastions: one login of ours at each, shared by all hosts of a run, opened when first needed.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::process::Command;
use tokio::sync::Mutex;

use super::arguments::config_file;
use super::config::{effective_config, user_options};
use super::jump::{Hop, Tokens, hops};
use super::log::{last_words, open_failed};
use super::master::{Place, master_command};
use super::mux::{self, Channel, Failure};
use super::{MASTER_OPTIONS, local};
use crate::inventory::{Connection as Spec, HostKeyChecking};
use crate::remote::LoginError;
use crate::remote::route::Refusal;
use crate::report::sanitise;

/// ssh itself gives up at some depth as well; nobody has as many.
const MOST_HOPS: usize = 8;

/// The bastions of a run.
#[derive(Clone, Default)]
pub struct Bastions(Arc<Mutex<HashMap<Key, Arc<Bastion>>>>);

/// How bastions are asked for, and the hops, the nearest first.
type Key = (Manner, Vec<Hop>);

/// What the way to a host has in common with the ways to its bastions: ssh gives the ssh that it jumps with its
/// configuration file, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Manner {
    file: Option<String>,
    checking: HostKeyChecking,
}

impl Manner {
    pub fn of(spec: &Spec) -> Self {
        let file = config_file(&spec.common_args).or_else(|| config_file(&spec.extra_args));
        Self {
            file: file.map(str::to_owned),
            checking: spec.host_key_checking,
        }
    }

    pub fn spec(&self, hop: &Hop) -> Spec {
        let file = self.file.iter().flat_map(|file| ["-F".to_owned(), file.clone()]);
        Spec {
            host: hop.host.clone(),
            port: hop.port,
            user: hop.user.clone(),
            common_args: file.collect(),
            host_key_checking: self.checking,
            ..Spec::default()
        }
    }
}

impl fmt::Debug for Bastions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bastions").finish_non_exhaustive()
    }
}

impl Bastions {
    /// The last bastion of this `ProxyJump`. Nothing is connected yet.
    ///
    /// # Errors
    /// When the text cannot be read, or ssh refuses its configuration of a bastion.
    pub(super) async fn behind(
        &self,
        jump: &str,
        tokens: &Tokens,
        port: u16,
        spec: &Spec,
    ) -> Result<Arc<Bastion>, LoginError> {
        let mut bastions = self.0.lock().await;
        let mut hops = hops(jump, tokens, port).map_err(|why| unusable(jump, &why))?;
        let asked = (Manner::of(spec), hops.clone());
        if let Some(bastion) = bastions.get(&asked) {
            return Ok(Arc::clone(bastion));
        }
        // As ssh does it, the nearest bastion may itself be behind others; those between are behind it.
        while let Some(further) = nearer(hops.first(), &asked.0).await? {
            hops.splice(0..0, further);
            if hops.len() > MOST_HOPS {
                return Err(unusable(jump, "it leads in a circle, or over too many hosts"));
            }
        }
        let mut last: Option<Arc<Bastion>> = None;
        for (index, hop) in hops.iter().enumerate() {
            let way: Vec<Hop> = hops.iter().take(index + 1).cloned().collect();
            let before = last.take();
            let bastion = bastions.entry((asked.0.clone(), way)).or_insert_with(|| {
                Arc::new(Bastion {
                    spec: asked.0.spec(hop),
                    name: hop.to_string(),
                    before,
                    state: Mutex::default(),
                })
            });
            last = Some(Arc::clone(bastion));
        }
        let bastion = last.ok_or_else(|| unusable(jump, "it names no host"))?;
        bastions.insert(asked, Arc::clone(&bastion));
        Ok(bastion)
    }

    /// Ends all connections to bastions.
    pub async fn close(&self) {
        let bastions: Vec<_> = self.0.lock().await.drain().map(|(_, bastion)| bastion).collect();
        for bastion in bastions {
            let link = bastion.state.lock().await.link.take();
            if let Some(place) = link {
                place.close().await;
            }
        }
    }
}

fn unusable(jump: &str, why: &str) -> LoginError {
    local(format!("ProxyJump {}: {}", sanitise(jump), sanitise(why)))
}

/// What the user's configuration puts before a bastion.
async fn nearer(first: Option<&Hop>, manner: &Manner) -> Result<Option<Vec<Hop>>, LoginError> {
    let Some(hop) = first else { return Ok(None) };
    let config = effective_config(&manner.spec(hop)).await?;
    let Some(jump) = config.get("proxyjump").filter(|jump| *jump != "none") else {
        return Ok(None);
    };
    let tokens = Tokens::of(&config, &hop.host);
    let port = config.get("port").and_then(|port| port.parse().ok()).unwrap_or(22);
    hops(jump, &tokens, port).map(Some).map_err(|why| unusable(jump, &why))
}

/// A bastion, and the connection to it that all share.
pub struct Bastion {
    spec: Spec,
    name: String,
    before: Option<Arc<Bastion>>,
    state: Mutex<State>,
}

impl fmt::Debug for Bastion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bastion")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    link: Option<Arc<Place>>,
    failed: Option<(Instant, LoginError)>,
}

impl Bastion {
    /// As the user wrote it: `user@host:port`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Logs in, unless that is done: whoever comes meanwhile waits for the one login.
    ///
    /// # Errors
    /// When there is none, with the bastion's name.
    pub(super) async fn link(&self, limit: Duration) -> Result<Arc<Place>, LoginError> {
        let asked = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(link) = &state.link
            && mux::is_alive(&link.socket()).await
        {
            return Ok(Arc::clone(link));
        }
        state.link = None;
        // Others waited for the same login: fifty hosts do not try it fifty times.
        if let Some((_, error)) = state.failed.as_ref().filter(|(at, _)| *at >= asked) {
            return Err(error.clone());
        }
        match self.log_in(limit).await {
            Ok(place) => Ok(Arc::clone(state.link.insert(Arc::new(place)))),
            Err(error) => {
                state.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn log_in(&self, limit: Duration) -> Result<Place, LoginError> {
        let failed = |error| local(format!("the bastion {}: cannot run ssh: {error}", self.name));
        let place = Place::new().map_err(failed)?;
        let before = match &self.before {
            Some(before) => Some(Box::pin(before.link(limit)).await?),
            None => None,
        };
        let mut command = self.command(&place, before.as_deref(), limit);
        if place.start(&mut command, limit).await.map_err(failed)? {
            return Ok(place);
        }
        Err(self.explain(&place.written(), &place.proxy_wrote()))
    }

    fn command(&self, place: &Place, before: Option<&Place>, limit: Duration) -> Command {
        let mut command = master_command();
        // A bastion that went away is noticed well within a rollback window: of options the first counts.
        command.args(["-o", "ServerAliveInterval=3", "-o", "ServerAliveCountMax=3"]);
        for option in MASTER_OPTIONS {
            command.args(["-o", option]);
        }
        command
            .arg("-o")
            .arg(format!("ConnectTimeout={}", limit.as_secs().max(1)));
        let checking = self.spec.host_key_checking.as_ssh();
        command.arg("-o").arg(format!("StrictHostKeyChecking={checking}"));
        if let Some(before) = before {
            command.args(through(before));
        }
        if let Some(port) = self.spec.port {
            command.arg("-o").arg(format!("Port={port}"));
        }
        command.args(user_options(&self.spec));
        command.arg("-S").arg(place.socket()).arg("-E").arg(place.log());
        command.arg("--").arg(&self.spec.host);
        command
    }

    fn explain(&self, log: &str, proxy: &str) -> LoginError {
        let words = last_words(log, &last_words(proxy, "no answer in time"));
        let message = format!("the bastion {}: {words}", self.name);
        if super::log::is_about_host_key(log) {
            let hint = "compare the key with the bastion's, then log in to it once with ssh, or remove an old key with ssh-keygen -R";
            return LoginError::HostKey {
                message,
                hint: Some(hint.to_owned()),
            };
        }
        let hint = log.contains("Permission denied").then(|| {
            "user and key of a bastion come from ssh_config or the agent; ansible_user and ansible_ssh_private_key_file are the host's".to_owned()
        });
        LoginError::Unreachable { message, hint }
    }

    /// A connection to a host and port, made by the bastion.
    pub(in crate::remote) async fn connect(&self, host: &str, port: u16, limit: Duration) -> Result<Channel, Refusal> {
        let link = self.link(limit).await;
        let link = link.map_err(|error| Refusal::Broken(error.to_string()))?;
        mux::connect(&link.socket(), host, port)
            .await
            .map_err(|failure| match failure {
                Failure::Refused => self.refusal(&link, host, port),
                Failure::Master(error) => Refusal::Broken(format!("the bastion {} is lost: {error}", self.name)),
            })
    }

    /// The master tells only its log why.
    fn refusal(&self, link: &Place, host: &str, port: u16) -> Refusal {
        let why = open_failed(&link.log_end(), host, port);
        match why.map(|why| Refusal::from_words(&why)) {
            Some(Refusal::Broken(why)) if why.contains("prohibited") => Refusal::Broken(format!(
                "the bastion {} forbids it ({why}): see AllowTcpForwarding and PermitOpen in its sshd_config",
                self.name
            )),
            Some(Refusal::Broken(why)) => Refusal::Broken(format!("the bastion {}: {why}", self.name)),
            Some(refusal) => refusal,
            None => Refusal::Broken(format!("the bastion {} does not say why", self.name)),
        }
    }
}

/// Options for an ssh that connects through a master, and by no other way.
pub(super) fn through(master: &Place) -> [String; 4] {
    // The name of the folder holds nothing that a shell reads. A master that is gone leads nowhere.
    let command = format!(
        "ProxyCommand=ssh -F /dev/null -S {} -o ControlMaster=no -o ProxyCommand=false -W '[%h]:%p' -- bastion",
        master.socket().display()
    );
    [
        "-o".to_owned(),
        command,
        "-o".to_owned(),
        "ProxyUseFdpass=no".to_owned(),
    ]
}
