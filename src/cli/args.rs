mod careful;
mod others;
mod trace;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use super::invocation::Invocation;

use crate::inventory::{self, rollback_after};
use crate::transaction::{self, Target};

pub(super) use careful::Careful;
pub(super) use others::{Audit, Explain, Finds, IpFamily, Policy};
pub(super) use trace::{Packet, Trace};

/// Port mappings for fleets of Linux hosts: applied over SSH, proven from outside, undone when not proven.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub(super) struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub deploy: DeployNow,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Bring hosts to their mappings (what is done without a command).
    Deploy(DeployNow),
    /// Take everything of portmap-deploy off hosts again, mappings first, protected as a deploy is.
    Remove(Remove),
    /// Give hosts the mappings of an earlier generation again, protected as a deploy is.
    Rollback(Rollback),
    /// Make changes stay that wait to be confirmed by hand, over a new login to each host.
    Confirm(ByHand),
    /// Undo changes that are pending.
    Cancel(ByHand),
    /// Give pending changes more time before the hosts undo them.
    Extend(Extend),
    /// Show that hosts undo a change that is not confirmed: one that changes nothing is left to their timers.
    Drill(Drill),
    /// Prove from outside that hosts are as a deploy would leave them, and change nothing; exit code 2 when any is not.
    Verify(Verify),
    /// List what runs did, the newest first.
    History(History),
    /// Go on with a run that was interrupted or killed: with the hosts that it has not brought to their end.
    Resume(Resume),
    /// Show what a deploy would do: the rules that come and go, who reaches what before and after; nothing is changed.
    Plan(Plan),
    /// Look at how hosts stand to the inventory, and change nothing; exit code 2 when something is off.
    Status(Status),
    /// Find every REDIRECT of hosts, or of a file of rules, whoever made it, and say what it comes to; exit code 2 when
    /// something is to be done about it.
    Audit(Audit),
    /// Lead a packet through the rules of a host, or of a file, and show what becomes of it, and by which rules.
    Trace(Trace),
    /// Draw how packets go through netfilter: one to a mapped port, and one straight to the port behind it.
    Explain(Explain),
    /// Show what an inventory says, in the forms of `ansible-inventory`.
    Inventory(Inventory),
    /// Rule sets as text, without any host.
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Print a JSON Schema, for editors.
    Schema {
        /// Of what.
        #[arg(default_value = "playbook")]
        what: super::schema::What,
    },
    /// Rehearsal hosts on this machine.
    Lab(super::lab::Arguments),
}

impl Args {
    /// Reads the arguments (the first is the program's name), and notes how a journal tells of them.
    pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<(Self, Invocation), clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(args)?;
        let args = Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        Ok((args, Invocation::of(&command, &matches)))
    }
}

#[derive(Debug, Default, clap::Args)]
pub(super) struct Deploy {
    #[command(flatten)]
    pub hosts: Hosts,
    #[command(flatten)]
    pub careful: Careful,
    #[command(flatten)]
    pub login: Login,
    /// Try it even where the host's rules say that it would lock somebody out, or not work: what would be a refusal is a
    /// warning. The hosts' rollback timers are armed all the same.
    #[arg(long)]
    pub force: bool,
    /// Show the rules that come and go.
    #[arg(short = 'D', long)]
    pub diff: bool,
    /// When the hosts undo a change that was not proven, whatever the inventory says [default: 30s].
    #[arg(long, value_name = "TIME", value_parser = rollback_after)]
    pub rollback_after: Option<Duration>,
    /// Who confirms what was proven: the program, or the operator by `portmap-deploy confirm` before the hosts undo it.
    #[arg(long, value_name = "WHO", default_value = "proven")]
    pub confirm: Confirm,
    /// What is written to standard output.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
}

/// A deploy, or what it would do.
#[derive(Debug, Default, clap::Args)]
pub(super) struct DeployNow {
    #[command(flatten)]
    pub run: Deploy,
    /// Change nothing: show what would be done, over one login to each host.
    #[arg(short = 'C', long)]
    pub check: bool,
    /// Carry out the plan that `plan --save` wrote to this file, where all that it rests on is still so.
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    pub plan: Option<PathBuf>,
}

/// Which hosts are meant, and how many at a time.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Hosts {
    /// Playbooks; without any, all hosts that the limit leaves, in one play.
    #[arg(value_name = "PLAYBOOK")]
    pub playbooks: Vec<PathBuf>,
    #[command(flatten)]
    pub sources: Sources,
    /// Only plays with one of these tags, separated by commas.
    #[arg(short, long, value_name = "TAGS", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// No plays with one of these tags.
    #[arg(long, value_name = "TAGS", value_delimiter = ',')]
    pub skip_tags: Vec<String>,
    /// How many hosts at a time [default: 10].
    #[arg(short, long, value_name = "N")]
    pub forks: Option<NonZeroUsize>,
}

impl Hosts {
    /// Whether neither hosts nor something that names them is given.
    pub fn says_nothing(&self) -> bool {
        self.playbooks.is_empty() && self.sources.says_nothing()
    }
}

/// How to log in to hosts, and what to show of it.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Login {
    /// User to log in as, where the inventory names none.
    #[arg(short, long, value_name = "NAME")]
    pub user: Option<String>,
    /// Become root by sudo, where the inventory does not say.
    #[arg(short, long)]
    pub r#become: bool,
    /// Ask for the password that sudo wants, where the inventory has none.
    #[arg(short = 'K', long)]
    pub ask_become_pass: bool,
    /// Private key for the login, where the inventory names none.
    #[arg(long, value_name = "FILE")]
    pub private_key: Option<String>,
    /// Arguments for ssh, split as a shell would, where the inventory has none.
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    pub ssh_common_args: Option<String>,
    /// What to make of host keys: refuse those of hosts that are not known, or accept and note them. A key that is not the
    /// known one is always refused.
    /// [default: yes]
    #[arg(long, value_name = "WHICH")]
    pub host_key_checking: Option<HostKeyChecking>,
    /// How long to wait for a connection [default: 10s].
    #[arg(short = 'T', long, value_name = "TIME", value_parser = time)]
    pub timeout: Option<Duration>,
    /// Show the dialogue with the hosts; twice: all of it.
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
}

/// Where hosts and their variables come from.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Sources {
    /// Inventory as Ansible takes it: a file, a folder, a script, or names with a comma; may be given several times.
    #[arg(short, long, value_name = "SOURCE")]
    pub inventory: Vec<String>,
    /// Only these hosts: Ansible's patterns of names, groups, globs and `~` regular expressions; `&` keeps, `!` takes away,
    /// `@file` reads them from a file.
    #[arg(short, long, value_name = "PATTERN", overrides_with = "limit")]
    pub limit: Option<String>,
    /// Variables that win over all others: key=value, a map in JSON or YAML, or @FILE; may be given several times.
    #[arg(short, long, value_name = "VARS")]
    pub extra_vars: Vec<String>,
    /// File, or script, with the password of Ansible Vault; may be given several times.
    #[arg(long, visible_alias = "vault-pass-file", value_name = "FILE")]
    pub vault_password_file: Vec<String>,
    /// The same with a vault id, LABEL@FILE, or LABEL@prompt to be asked; may be given several times.
    #[arg(long, value_name = "ID")]
    pub vault_id: Vec<String>,
    /// Ask for the password of Ansible Vault.
    #[arg(short = 'J', long)]
    pub ask_vault_pass: bool,
}

impl Sources {
    /// Whether neither an inventory nor hosts are named.
    pub fn says_nothing(&self) -> bool {
        self.inventory.is_empty() && self.limit.is_none()
    }
}

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[group(id = "question", args = ["list", "host", "graph", "list_hosts", "check"], multiple = false)]
pub(super) struct Inventory {
    #[command(flatten)]
    pub sources: Sources,
    /// Print all hosts and groups, as `ansible-inventory --list`.
    #[arg(long)]
    pub list: bool,
    /// Print the variables of the one host that this pattern matches.
    #[arg(long, value_name = "PATTERN")]
    pub host: Option<String>,
    /// Print the groups as a tree, as `ansible-inventory --graph`.
    #[arg(long)]
    pub graph: bool,
    /// Print the names of the hosts that the limit leaves, one a line.
    #[arg(long)]
    pub list_hosts: bool,
    /// Check what a deploy would need of every host, and print all that is wrong.
    #[arg(long)]
    pub check: bool,
    /// The group that the tree begins with.
    #[arg(requires = "graph")]
    pub group: Option<String>,
    /// In YAML in place of JSON; alone it stands for `--list --yaml`.
    #[arg(short, long, conflicts_with_all = ["graph", "list_hosts", "check"])]
    pub yaml: bool,
    /// With the variables of hosts and groups.
    #[arg(long, requires = "graph")]
    pub vars: bool,
    /// Where `group_vars` and `host_vars` of playbooks are [default: the working folder].
    #[arg(long, value_name = "DIR")]
    pub playbook_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum RulesCommand {
    /// Print a file of rules in one canonical spelling: the kernel loads it to the same rules. Comments are kept, save those of
    /// iptables-save.
    Fmt {
        /// What iptables-save prints or iptables-restore takes, of either family; `-` is standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// With the counters of chains and rules.
        #[arg(long)]
        counters: bool,
    },
    /// Print what a first deploy would load on the inventory's hosts, as iptables-restore takes it; no host is contacted.
    Render {
        #[command(flatten)]
        sources: Sources,
        /// Only this family, so that one host's text can be loaded as it is [default: both].
        #[arg(long, value_name = "4|6")]
        family: Option<IpFamily>,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Status {
    #[command(flatten)]
    pub hosts: Hosts,
    #[command(flatten)]
    pub login: Login,
    #[command(flatten)]
    pub written: Written,
    /// Look again and again, this long after the beginning of the look before, and show what changes; Ctrl-C ends it.
    #[arg(long, value_name = "TIME", value_parser = time, num_args = 0..=1, default_missing_value = "5s")]
    pub watch: Option<Duration>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Plan {
    #[command(flatten)]
    pub hosts: Hosts,
    #[command(flatten)]
    pub careful: Careful,
    #[command(flatten)]
    pub login: Login,
    /// Write the plan to this file, for `deploy --plan`; an older file is replaced as a whole.
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// What is written to standard output.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: Planned,
}

/// What is made of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Planned {
    /// For people.
    Text,
    /// One document.
    Json,
    /// A host a line, as it was looked at.
    Jsonl,
}

impl Output {
    /// The form of a plan; `None`: it has none.
    pub fn planned(self) -> Option<Planned> {
        match self {
            Self::Text => Some(Planned::Text),
            Self::Json => Some(Planned::Json),
            Self::Jsonl => Some(Planned::Jsonl),
            Self::Github => None,
        }
    }
}

/// Where what was found goes.
#[derive(Debug, clap::Args)]
pub(super) struct Written {
    /// In which form.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: Shape,
    /// Write it to this file in place of standard output; an older file is replaced as a whole, never half.
    #[arg(long, value_name = "FILE")]
    pub output_file: Option<PathBuf>,
}

/// What is made of what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Shape {
    /// A table for people.
    Text,
    /// One document at the end.
    Json,
    /// A line for each host, as it comes, and one at the end.
    Jsonl,
    /// JUnit's XML, a test case for each host.
    Junit,
    /// Gauges in Prometheus' text format, for the textfile collector.
    Prometheus,
}

#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    #[command(flatten)]
    pub hosts: Hosts,
    #[command(flatten)]
    pub login: Login,
    #[command(flatten)]
    pub written: Written,
}

#[derive(Debug, clap::Args)]
pub(super) struct Remove {
    #[command(flatten)]
    pub run: Deploy,
}

#[derive(Debug, clap::Args)]
pub(super) struct Rollback {
    #[command(flatten)]
    pub run: Deploy,
    /// Which generation: its number, or the one that was confirmed before the one in force, so that a second rollback
    /// undoes the first.
    #[arg(long, value_name = "GENERATION", default_value = "previous", value_parser = target)]
    pub to: Target,
}

/// Which pending changes are meant.
#[derive(Debug, clap::Args)]
pub(super) struct ByHand {
    #[command(flatten)]
    pub hosts: Hosts,
    #[command(flatten)]
    pub login: Login,
    /// Even where the change is another operator's, or still being proven.
    #[arg(long)]
    pub force: bool,
    /// What is written to standard output.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct Extend {
    #[command(flatten)]
    pub which: ByHand,
    /// How much more time, at most up to ten minutes from now.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub by: Duration,
}

#[derive(Debug, clap::Args)]
pub(super) struct Drill {
    #[command(flatten)]
    pub hosts: Hosts,
    #[command(flatten)]
    pub login: Login,
    /// When the hosts undo the drill.
    #[arg(long, value_name = "TIME", value_parser = rollback_after, default_value = "10s")]
    pub rollback_after: Duration,
    /// What is written to standard output.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Confirm {
    /// This program, once the rules are proven.
    #[default]
    Proven,
    /// The operator.
    Manual,
}

impl From<Confirm> for transaction::Confirm {
    fn from(confirm: Confirm) -> Self {
        match confirm {
            Confirm::Proven => Self::Proven,
            Confirm::Manual => Self::Manual,
        }
    }
}

/// `previous`, or a number.
fn target(text: &str) -> Result<Target, String> {
    if text == "previous" {
        return Ok(Target::Previous);
    }
    let number = text.parse().map_err(|_| "write previous, or a generation's number");
    Ok(Target::Generation(number?))
}

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct History {
    #[command(subcommand)]
    pub command: Option<HistoryCommand>,
    /// Only runs that this host was in, and what became of it.
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// How many runs.
    #[arg(short, long, value_name = "N", default_value = "20")]
    pub number: usize,
    /// What is written to standard output.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: Form,
}

#[derive(Debug, Subcommand)]
pub(super) enum HistoryCommand {
    /// Tell of one run: how it was called, what happened when, what became of each host.
    Show {
        /// Which: its name, or how that begins, or `last`.
        #[arg(default_value = "last")]
        run: String,
        /// What is written to standard output; as JSON: its events.
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        output: Form,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Resume {
    /// Which run: its name, or how that begins [default: the last one that did not finish].
    pub run: Option<String>,
    /// Variables that the run was given and that its journal does not hold, as they seemed to be secret.
    #[arg(short, long, value_name = "VARS")]
    pub extra_vars: Vec<String>,
    /// Try it even where the host's rules say that it would lock somebody out, as `deploy --force` does.
    #[arg(long)]
    pub force: bool,
    /// What is written to standard output [default: as before].
    #[arg(long, value_name = "FORMAT")]
    pub output: Option<Output>,
    /// Show the dialogue with the hosts; twice: all of it.
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
}

/// What is written of what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum HostKeyChecking {
    /// Only hosts whose key is known.
    Yes,
    /// Others too: their key is known from then on.
    AcceptNew,
}

impl From<HostKeyChecking> for inventory::HostKeyChecking {
    fn from(checking: HostKeyChecking) -> Self {
        match checking {
            HostKeyChecking::Yes => Self::Yes,
            HostKeyChecking::AcceptNew => Self::AcceptNew,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Output {
    /// A table for people.
    #[default]
    Text,
    /// One document when the run ends.
    Json,
    /// An event a line, as it happens.
    Jsonl,
    /// Lines, groups and annotations for GitHub Actions, and a summary of the step.
    Github,
}

/// `30s`, `1m 30s`, `500ms`; a bare number is seconds. From one second to a day.
fn time(text: &str) -> Result<Duration, String> {
    let bare = text
        .parse::<u32>()
        .ok()
        .map(|seconds| Duration::from_secs(seconds.into()));
    let spelled = || Duration::try_from(text.parse::<jiff::SignedDuration>().ok()?).ok();
    let time = bare.or_else(spelled).ok_or("write it as 30s, 2m or 1m 30s")?;
    let allowed = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);
    if allowed.contains(&time) {
        Ok(time)
    } else {
        Err("must be from 1s to 24h".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn times() {
        assert_eq!(time("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(time("45"), Ok(Duration::from_secs(45)));
        assert_eq!(time("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(time("1500ms"), Ok(Duration::from_millis(1500)));
        for wrong in ["", "0", "-5s", "500ms", "25h", "soon", "30 parsecs"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
