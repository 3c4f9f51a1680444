use std::num::NonZeroUsize;
use std::time::Duration;

use super::Error;
use super::args::{Deploy, Output, Remove};
use crate::inventory::{HostKeyChecking, HostSpec, Password};
use crate::rollout::BatchSize;
use crate::transaction::Goal;

/// The window where neither the command line nor the inventory names one.
const ROLLBACK_AFTER: Duration = Duration::from_secs(30);

/// A run as it was asked for, checked.
#[derive(Debug)]
pub(super) struct Request {
    pub goal: Goal,
    pub inventories: Vec<String>,
    pub limit: Option<String>,
    pub forks: NonZeroUsize,
    pub serial: Vec<BatchSize>,
    pub login: Login,
    pub timeout: Duration,
    pub rollback_after: Option<Duration>,
    pub output: Output,
    pub verbosity: u8,
}

/// What the command line says of the login. As with Ansible, the inventory's variables win.
#[derive(Debug, Default)]
pub(super) struct Login {
    pub user: Option<String>,
    pub r#become: bool,
    pub ask_become_password: bool,
    pub private_key: Option<String>,
    pub common_args: Vec<String>,
    pub host_key_checking: HostKeyChecking,
}

impl Request {
    pub fn deploy(args: Deploy) -> Result<Self, Error> {
        Self::new(Goal::Deploy, args)
    }

    pub fn remove(args: Remove) -> Result<Self, Error> {
        Self::new(Goal::Remove { force: args.force }, args.run)
    }

    fn new(goal: Goal, args: Deploy) -> Result<Self, Error> {
        if args.sources.inventory.is_empty() {
            return Err(Error::NoInventory);
        }
        let common_args = match args.ssh_common_args {
            Some(text) => shlex::split(&text).ok_or(Error::SshArguments(text))?,
            None => vec![],
        };
        let login = Login {
            user: args.user,
            r#become: args.r#become,
            ask_become_password: args.ask_become_pass,
            private_key: args.private_key,
            common_args,
            host_key_checking: args.host_key_checking.into(),
        };
        Ok(Self {
            goal,
            inventories: args.sources.inventory,
            limit: args.sources.limit,
            forks: args.forks,
            serial: args.serial,
            login,
            timeout: args.timeout,
            rollback_after: args.rollback_after,
            output: args.output,
            verbosity: args.verbose,
        })
    }

    /// The host with what the command line (and who typed the password) adds to its login, and its rollback window.
    pub fn complete(&self, mut host: HostSpec, password: Option<&Password>) -> HostSpec {
        self.login.complete(&mut host);
        let to = &mut host.connection;
        to.become_password = to.become_password.take().or_else(|| password.cloned());
        host.rollback_after = Some(self.rollback_after.or(host.rollback_after).unwrap_or(ROLLBACK_AFTER));
        host
    }
}

impl Login {
    fn complete(&self, host: &mut HostSpec) {
        let to = &mut host.connection;
        to.user = to.user.take().or_else(|| self.user.clone());
        to.private_key_file = to.private_key_file.take().or_else(|| self.private_key.clone());
        to.r#become = to.r#become.or(Some(self.r#become));
        to.host_key_checking = self.host_key_checking;
        if to.common_args.is_empty() {
            to.common_args.clone_from(&self.common_args);
        }
    }
}
