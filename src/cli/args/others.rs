//! Looks at rules that others made.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::ValueEnum;

use super::{Hosts, Login, Sources};
use crate::firewall::Family;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Audit {
    #[command(flatten)]
    pub hosts: Hosts,
    #[command(flatten)]
    pub login: Login,
    /// Look at rules as `iptables-save` prints them, in place of hosts; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// The same of `ip6tables-save`, beside the other or alone.
    #[arg(long, value_name = "FILE")]
    pub rules6: Option<PathBuf>,
    /// Of which family the file of --rules is, where it does not show.
    #[arg(long, value_name = "4|6", requires = "rules")]
    pub family: Option<IpFamily>,
    /// The interface by which everybody comes, where it is not the host's default one.
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    #[command(flatten)]
    pub written: AuditWritten,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Explain {
    /// The mapping, as an inventory has it: `2222:22`, `80:8080/tcp`.
    #[arg(value_name = "MAPPING", required_unless_present = "host", conflicts_with = "host")]
    pub mapping: Option<String>,
    #[command(flatten)]
    pub sources: Sources,
    /// A mapping of this host of the inventory; nothing is asked of the host itself.
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// The mapping with this port [default: the first one].
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Through these rules, as `iptables-save` or `ip6tables-save` print them, in place of those that portmap-deploy makes;
    /// `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// What INPUT does with what no rule decides, on the host for which portmap-deploy makes rules.
    #[arg(long, value_name = "POLICY", default_value = "drop", conflicts_with = "rules")]
    pub policy: Policy,
    /// The family of the packets [default: that of the rules, else 4].
    #[arg(long, value_name = "4|6")]
    pub family: Option<IpFamily>,
    /// Where the packets come from [default: anywhere, or who may use the mapping].
    #[arg(long, value_name = "ADDRESS")]
    pub from: Option<IpAddr>,
    /// The interface by which they come.
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    /// Draw it into this file as SVG, in place of the terminal.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// What becomes of what no rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Policy {
    /// It is dropped.
    Drop,
    /// It is accepted.
    Accept,
}

/// Where an audit goes.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct AuditWritten {
    /// In which form.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: Finds,
    /// Write it to this file in place of standard output; an older file is replaced as a whole, never half.
    #[arg(long, value_name = "FILE")]
    pub output_file: Option<PathBuf>,
}

/// What is made of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Finds {
    /// For people.
    Text,
    /// One document.
    Json,
    /// SARIF 2.1.0, for code scanners and their viewers.
    Sarif,
}

/// An address family by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum IpFamily {
    /// IPv4.
    #[value(name = "4")]
    V4,
    /// IPv6.
    #[value(name = "6")]
    V6,
}

impl From<IpFamily> for Family {
    fn from(family: IpFamily) -> Self {
        match family {
            IpFamily::V4 => Self::V4,
            IpFamily::V6 => Self::V6,
        }
    }
}
