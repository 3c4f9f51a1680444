use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::{self, ByHand, Deploy, DeployNow, Drill, Output, Remove, Rollback, Shape, Verify, Written};
use super::error::{self, Error};
use super::invocation::Invocation;
use super::sources;
use crate::inventory::{self, HostKeyChecking, HostSpec, ROLLBACK_AFTER, Setting, Settings};
use crate::playbook;
use crate::transaction::{Confirm, Goal, Verdict};
use crate::world::World;

/// How many hosts at a time, where nobody says.
const FORKS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9);
/// How long a connection may take, where nobody says.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A run as it was asked for, checked.
#[derive(Debug)]
pub(super) struct Request {
    pub goal: Goal,
    pub sources: inventory::Request,
    pub playbooks: Vec<PathBuf>,
    pub options: playbook::Options,
    pub login: Login,
    pub timeout: Duration,
    pub rollback_after: Option<Duration>,
    /// Whether refusals are warnings only.
    pub force: bool,
    /// Whether what changes in the hosts' rules is shown.
    pub diff: bool,
    /// The file of the plan to carry out.
    pub plan: Option<PathBuf>,
    pub confirm: Confirm,
    /// What confirms by hand what this run leaves pending, but for the hosts.
    pub confirm_command: String,
    pub output: Output,
    pub verbosity: u8,
    /// How the program was called, for the journal.
    pub invocation: Invocation,
}

/// What the command line and `ansible.cfg` say of the login. As with Ansible, plays and variables win.
#[derive(Debug, Default)]
pub(super) struct Login {
    pub user: Option<String>,
    pub port: Option<u16>,
    pub r#become: bool,
    pub ask_become_password: bool,
    pub private_key: Option<String>,
    /// `ssh_args`: beside the common ones, whoever says those.
    pub ssh_args: Vec<String>,
    pub common_args: Vec<String>,
    pub extra_args: Vec<String>,
    pub host_key_checking: HostKeyChecking,
}

impl Request {
    pub fn deploy(args: Deploy, invocation: Invocation, world: &dyn World) -> Result<Self, Error> {
        Self::new(Goal::Deploy, args, invocation, world)
    }

    /// A deploy as the command line asks for it.
    pub fn deploy_now(args: DeployNow, invocation: Invocation, world: &dyn World) -> Result<Self, Error> {
        Ok(Self {
            plan: args.plan,
            ..Self::deploy(args.run, invocation, world)?
        })
    }

    pub fn remove(args: Remove, invocation: Invocation, world: &dyn World) -> Result<Self, Error> {
        Self::new(Goal::Remove, args.run, invocation, world)
    }

    /// What a look needs to know: the hosts as a deploy would have them.
    pub fn look(
        hosts: args::Hosts,
        login: args::Login,
        invocation: Invocation,
        world: &dyn World,
    ) -> Result<Self, Error> {
        let asked = Deploy {
            hosts,
            login,
            ..Deploy::default()
        };
        Self::deploy(asked, invocation, world)
    }

    /// What an audit needs to know: hosts without mappings too.
    pub fn audit(
        hosts: args::Hosts,
        login: args::Login,
        invocation: Invocation,
        world: &dyn World,
    ) -> Result<Self, Error> {
        let mut request = Self::look(hosts, login, invocation, world)?;
        request.options.mapped_only = false;
        Ok(request)
    }

    pub fn rollback(args: Rollback, invocation: Invocation, world: &dyn World) -> Result<Self, Error> {
        Self::new(Goal::RollBack(args.to), args.run, invocation, world)
    }

    pub fn drill(args: Drill, invocation: Invocation, world: &dyn World) -> Result<Self, Error> {
        let run = Deploy {
            hosts: args.hosts,
            login: args.login,
            rollback_after: Some(args.rollback_after),
            output: args.output,
            ..Deploy::default()
        };
        Self::new(Goal::Drill, run, invocation, world)
    }

    pub fn by_hand(verdict: Verdict, args: ByHand, invocation: Invocation, world: &dyn World) -> Result<Self, Error> {
        let force = args.force;
        let run = Deploy {
            hosts: args.hosts,
            login: args.login,
            output: args.output,
            ..Deploy::default()
        };
        Self::new(Goal::ByHand { verdict, force }, run, invocation, world)
    }

    /// What a deploy would ask for.
    pub fn verify(args: Verify, invocation: Invocation, world: &dyn World) -> Result<Self, Error> {
        let Written { output, output_file } = args.written;
        // The other forms are written at the end.
        let streams = output == Shape::Jsonl && output_file.is_none();
        let asked = Deploy {
            hosts: args.hosts,
            login: args.login,
            output: if streams { Output::Jsonl } else { Output::Text },
            ..Deploy::default()
        };
        Self::deploy(asked, invocation, world)
    }

    fn new(goal: Goal, args: Deploy, invocation: Invocation, world: &dyn World) -> Result<Self, Error> {
        let confirm_command = confirm_command(&args);
        let (hosts, logins) = (args.hosts, args.login);
        if hosts.says_nothing() {
            return Err(Error::NothingAsked);
        }
        let settings = Settings::read(world).map_err(Error::Problems)?;
        error::warn(&settings.warnings);
        let login = Login::new(&logins, &settings)?;
        let options = playbook::Options {
            policy: (&args.careful).into(),
            serial: args.careful.serial,
            rollback_after: args.rollback_after,
            forks: match hosts.forks {
                Some(forks) => forks,
                None => checked(settings.forks.as_ref(), FORKS, |forks| {
                    NonZeroUsize::new(usize::try_from(forks).ok()?)
                })?,
            },
            tags: hosts.tags,
            skip_tags: hosts.skip_tags,
            mapped_only: goal == Goal::Deploy,
        };
        let timeout = match logins.timeout {
            Some(timeout) => timeout,
            None => checked(settings.timeout.as_ref(), TIMEOUT, seconds)?,
        };
        let folder = hosts
            .playbooks
            .first()
            .and_then(|path| path.parent())
            .map(Path::to_owned);
        Ok(Self {
            goal,
            sources: sources::request(hosts.sources, &settings, folder, world)?,
            playbooks: hosts.playbooks,
            options,
            login,
            timeout,
            rollback_after: args.rollback_after,
            force: args.force,
            diff: args.diff,
            plan: None,
            confirm: args.confirm.into(),
            confirm_command,
            output: args.output,
            verbosity: logins.verbose,
            invocation,
        })
    }

    /// Adds what the command line says of its login, and its rollback window.
    pub fn complete(&self, host: &mut HostSpec) {
        self.login.complete(host);
        host.rollback_after = Some(self.rollback_after.or(host.rollback_after).unwrap_or(ROLLBACK_AFTER));
    }
}

impl Login {
    fn new(args: &args::Login, settings: &Settings) -> Result<Self, Error> {
        refuse_other_roots(settings)?;
        let text = |setting: &Option<Setting<String>>| setting.as_ref().map(|setting| setting.value.clone());
        let is_on = |setting: &Option<Setting<bool>>| setting.as_ref().is_some_and(|setting| setting.value);
        let common_args = args.ssh_common_args.clone().or_else(|| text(&settings.ssh_common_args));
        let accepts_new = settings
            .host_key_checking
            .as_ref()
            .is_some_and(|checking| !checking.value);
        let by_settings = if accepts_new {
            HostKeyChecking::AcceptNew
        } else {
            HostKeyChecking::Yes
        };
        let key = settings.private_key_file.as_ref();
        Ok(Self {
            user: args.user.clone().or_else(|| text(&settings.remote_user)),
            port: match &settings.remote_port {
                Some(port) => Some(checked(Some(port), 0, |port| {
                    u16::try_from(port).ok().filter(|port| *port > 0)
                })?),
                None => None,
            },
            r#become: args.r#become || is_on(&settings.r#become),
            ask_become_password: args.ask_become_pass || is_on(&settings.become_ask_pass),
            private_key: args
                .private_key
                .clone()
                .or_else(|| key.map(|key| key.value.to_string_lossy().into_owned())),
            ssh_args: words(text(&settings.ssh_args))?,
            common_args: words(common_args)?,
            extra_args: words(text(&settings.ssh_extra_args))?,
            host_key_checking: args.host_key_checking.map_or(by_settings, Into::into),
        })
    }

    fn complete(&self, host: &mut HostSpec) {
        let to = &mut host.connection;
        to.user = to.user.take().or_else(|| self.user.clone());
        to.port = to.port.or(self.port);
        to.private_key_file = to.private_key_file.take().or_else(|| self.private_key.clone());
        to.r#become = to.r#become.or(Some(self.r#become));
        to.host_key_checking = self.host_key_checking;
        if to.common_args.is_empty() {
            to.common_args.clone_from(&self.common_args);
        }
        let ssh_args = host.ssh_args.take().unwrap_or_else(|| self.ssh_args.clone());
        to.common_args.splice(..0, ssh_args);
        if to.extra_args.is_empty() {
            to.extra_args.clone_from(&self.extra_args);
        }
    }
}

/// The call that confirms by hand on the same hosts: what names them and how to log in. Variables are left out, for they may
/// hold secrets, unless they are in a file.
fn confirm_command(args: &Deploy) -> String {
    let (sources, login) = (&args.hosts.sources, &args.login);
    let mut words = vec!["portmap-deploy".to_owned(), "confirm".to_owned()];
    let mut option = |name: &str, values: &mut dyn Iterator<Item = &String>| {
        for value in values {
            words.extend([name.to_owned(), value.clone()]);
        }
    };
    option("-i", &mut sources.inventory.iter());
    option(
        "-e",
        &mut sources.extra_vars.iter().filter(|vars| vars.starts_with('@')),
    );
    option("--vault-password-file", &mut sources.vault_password_file.iter());
    option("--vault-id", &mut sources.vault_id.iter());
    option("-u", &mut login.user.iter());
    option("--private-key", &mut login.private_key.iter());
    let flags = [
        (sources.ask_vault_pass, "-J"),
        (login.r#become, "-b"),
        (login.ask_become_pass, "-K"),
    ];
    words.extend(flags.iter().filter(|(on, _)| *on).map(|(_, flag)| (*flag).to_owned()));
    // One word even where it begins like an option.
    words.extend(
        login
            .ssh_common_args
            .iter()
            .map(|value| format!("--ssh-common-args={value}")),
    );
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
}

/// Only sudo to root is supported, whoever asks for another way.
fn refuse_other_roots(settings: &Settings) -> Result<(), Error> {
    let others = [
        (
            &settings.become_method,
            ["sudo", "ansible.builtin.sudo"].as_slice(),
            "only sudo is supported",
        ),
        (
            &settings.become_user,
            &["root"],
            "rules are root's: only root is supported",
        ),
    ];
    for (setting, known, why) in others {
        if let Some(setting) = setting
            .as_ref()
            .filter(|setting| !known.contains(&setting.value.as_str()))
        {
            return Err(Error::Problems(vec![setting.origin.problem(why)]));
        }
    }
    Ok(())
}

/// A number of `ansible.cfg` that must do for something, or what counts without one.
fn checked<T>(setting: Option<&Setting<i64>>, default: T, read: impl Fn(i64) -> Option<T>) -> Result<T, Error> {
    let Some(setting) = setting else { return Ok(default) };
    let wrong = || setting.origin.problem(format!("{} will not do here", setting.value));
    read(setting.value).ok_or_else(|| Error::Problems(vec![wrong()]))
}

fn seconds(count: i64) -> Option<Duration> {
    let seconds = u64::try_from(count)
        .ok()
        .filter(|seconds| (1..=24 * 60 * 60).contains(seconds))?;
    Some(Duration::from_secs(seconds))
}

fn words(text: Option<String>) -> Result<Vec<String>, Error> {
    match text {
        Some(text) => shlex::split(&text).ok_or(Error::SshArguments(text)),
        None => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::args::{Args, Command};
    use super::*;
    use crate::world::InMemory;

    #[test]
    fn all_hosts_of_the_settings_are_meant_by_whoever_says_so() {
        let world = InMemory::default().variable("ANSIBLE_INVENTORY", "h1,");
        let asked = |words: &[&str]| {
            let args = Args::parse_from([&["portmap-deploy"], words].concat());
            match args.command {
                Some(Command::Deploy(args)) => Request::deploy_now(args, Invocation::default(), &world),
                Some(Command::Remove(args)) => Request::remove(args, Invocation::default(), &world),
                _ => Request::deploy_now(args.deploy, Invocation::default(), &world),
            }
        };
        for words in [&[][..], &["deploy"], &["remove"], &["remove", "--force"]] {
            assert!(matches!(asked(words), Err(Error::NothingAsked)), "{words:?}");
            assert!(asked(&[words, &["-l", "all"]].concat()).is_ok(), "{words:?}");
        }
    }

    #[test]
    fn arguments_for_every_ssh_stand_before_the_common_ones() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let login = Login {
            ssh_args: words("-F all.conf"),
            common_args: words("-J bastion"),
            ..Login::default()
        };
        let completed = |ssh_args: Option<&str>, common_args: &str| {
            let mut host = HostSpec {
                ssh_args: ssh_args.map(words),
                ..HostSpec::default()
            };
            host.connection.common_args = words(common_args);
            login.complete(&mut host);
            host.connection.common_args.join(" ")
        };
        assert_eq!(completed(None, ""), "-F all.conf -J bastion");
        assert_eq!(completed(None, "-J other"), "-F all.conf -J other");
        assert_eq!(completed(Some("-4"), "-J other"), "-4 -J other");
        assert_eq!(completed(Some(""), ""), "-J bastion");
    }
}
