//! Through which hosts a host is reached, as far as ssh's arguments and configuration say: asked before a run, of all of
//! its hosts, and so of `ssh -G` only where that could tell more.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::arguments::{config_file, walk};
use super::bastion::Manner;
use super::config::effective_config;
use super::jump::{Hop, Tokens, hops};
use crate::inventory::Connection as Spec;

/// How many ask `ssh -G` at a time.
const AT_A_TIME: usize = 8;
/// As deep as ssh itself follows `Include`.
const MOST_INCLUDES: usize = 16;
/// As many hops as there may be one behind the other.
const MOST_HOPS: usize = 8;

/// How a host is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leads {
    /// What ssh makes of the host's address, where it was asked.
    pub hostname: Option<String>,
    /// The hosts that it is reached through: what each was called, what ssh makes of that, and its port.
    pub through: Vec<(Vec<String>, Option<u16>)>,
}

/// How these hosts are reached, in their order. What cannot be told is left out: it shows at the login.
pub async fn leads(specs: &[&Spec]) -> Vec<Leads> {
    let mut proxies = Proxies::default();
    let asked: Vec<bool> = specs
        .iter()
        .map(|spec| said(spec).is_none() && proxies.may_be_in(config_file_of(spec).as_deref()))
        .collect();
    let configs = configs(specs, &asked).await;
    let mut hops = Hops::default();
    let mut all = Vec::new();
    for (spec, config) in specs.iter().zip(configs) {
        let said = said(spec).or_else(|| of_config(config.as_ref()?));
        let tokens = Tokens::of(config.as_ref().unwrap_or(&HashMap::new()), &spec.host);
        let near = said.map_or_else(Vec::new, |said| said.hops(&tokens, spec.port.unwrap_or(22)));
        all.push(Leads {
            hostname: config.and_then(|config| config.get("hostname").cloned()),
            through: hops.through(&Manner::of(spec), near).await,
        });
    }
    all
}

/// What `ssh -G` says of those that it is asked about.
async fn configs(specs: &[&Spec], asked: &[bool]) -> Vec<Option<HashMap<String, String>>> {
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let mut tasks = JoinSet::new();
    for (index, (spec, _)) in specs.iter().zip(asked).enumerate().filter(|(_, (_, asked))| **asked) {
        let (spec, places) = ((*spec).clone(), Arc::clone(&places));
        tasks.spawn(async move {
            let _place = places.acquire().await;
            (index, effective_config(&spec).await.ok())
        });
    }
    let mut configs = vec![None; specs.len()];
    for (index, config) in tasks.join_all().await {
        if let Some(place) = configs.get_mut(index) {
            *place = config;
        }
    }
    configs
}

/// What leads to a host.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Jump(String),
    Command(String),
}

impl Said {
    fn of(jump: Option<&str>, command: Option<&str>) -> Option<Self> {
        let is_some = |text: &&str| !text.eq_ignore_ascii_case("none");
        match (jump, command) {
            (Some(jump), _) if is_some(&jump) => Some(Self::Jump(jump.to_owned())),
            (_, Some(command)) if is_some(&command) => Some(Self::Command(command.to_owned())),
            (None, None) => None,
            _ => Some(Self::Nothing),
        }
    }

    fn hops(&self, tokens: &Tokens, port: u16) -> Vec<Hop> {
        let found = match self {
            Self::Nothing => return vec![],
            Self::Jump(jump) => hops(jump, tokens, port),
            Self::Command(command) => tokens
                .expand(command, port)
                .map(|command| of_command(&command, tokens, port)),
        };
        // What cannot be read is an error of the login.
        found.unwrap_or_default()
    }
}

/// What a host's own arguments say, of which ssh takes the first.
fn said(spec: &Spec) -> Option<Said> {
    let arguments: Vec<String> = spec.common_args.iter().chain(&spec.extra_args).cloned().collect();
    let mut found = None;
    walk(&arguments, |flag, value, _| {
        let said = match (flag, value) {
            ('J', Some(jump)) => Said::of(Some(jump), None),
            ('o', Some(option)) => of_option(option),
            _ => None,
        };
        found = found.take().or(said);
    });
    found
}

fn of_option(option: &str) -> Option<Said> {
    let (key, value) = option.trim().split_once(['=', ' ', '\t'])?;
    let value = value.trim_start_matches(['=', ' ', '\t']);
    match key.trim().to_lowercase().as_str() {
        "proxyjump" => Said::of(Some(value), None),
        "proxycommand" => Said::of(None, Some(value)),
        _ => None,
    }
}

fn of_config(config: &HashMap<String, String>) -> Option<Said> {
    let get = |key: &str| config.get(key).map(String::as_str);
    Said::of(get("proxyjump"), get("proxycommand"))
}

/// The host that `ssh -W` goes to; of other commands nobody knows where they lead.
fn of_command(command: &str, tokens: &Tokens, port: u16) -> Vec<Hop> {
    let words = shlex::split(command).unwrap_or_default();
    let Some((program, arguments)) = words.split_first() else {
        return vec![];
    };
    if Path::new(program).file_name().is_none_or(|name| name != "ssh") {
        return vec![];
    }
    let (mut forwards, mut at, mut before, mut host) = (false, None, None, None);
    walk(arguments, |flag, value, word| match flag {
        'W' => forwards = true,
        'p' => at = value.and_then(|port| port.parse().ok()),
        'J' => before = value,
        '\0' => host = host.or(Some(word)),
        _ => {}
    });
    let text = before
        .into_iter()
        .chain(host.filter(|_| forwards))
        .collect::<Vec<_>>()
        .join(",");
    let mut found = hops(&text, tokens, port).unwrap_or_default();
    if let Some(last) = found.last_mut() {
        last.port = last.port.or(at);
    }
    found
}

/// What is known of hops: most hosts share them.
#[derive(Default)]
struct Hops(HashMap<(Manner, Hop), HashMap<String, String>>);

impl Hops {
    /// Hops with what ssh makes of them, and with those before the nearest.
    async fn through(&mut self, manner: &Manner, near: Vec<Hop>) -> Vec<(Vec<String>, Option<u16>)> {
        let mut left = near;
        let mut through = Vec::new();
        while !left.is_empty() && through.len() < MOST_HOPS {
            let mut further = Vec::new();
            for (index, hop) in left.iter().enumerate() {
                let config = self.config(manner, hop).await;
                let resolved = config.get("hostname").cloned();
                let port = hop.port.or_else(|| config.get("port")?.parse().ok());
                if index == 0 {
                    let tokens = Tokens::of(config, &hop.host);
                    further = of_config(config).map_or_else(Vec::new, |said| said.hops(&tokens, port.unwrap_or(22)));
                }
                through.push(([hop.host.clone()].into_iter().chain(resolved).collect(), port));
            }
            left = further;
        }
        through
    }

    async fn config(&mut self, manner: &Manner, hop: &Hop) -> &HashMap<String, String> {
        let key = (manner.clone(), hop.clone());
        if !self.0.contains_key(&key) {
            let config = effective_config(&manner.spec(hop)).await.unwrap_or_default();
            self.0.insert(key.clone(), config);
        }
        self.0.entry(key).or_default()
    }
}

fn config_file_of(spec: &Spec) -> Option<PathBuf> {
    let file = config_file(&spec.common_args).or_else(|| config_file(&spec.extra_args));
    file.map(PathBuf::from)
}

/// Whether configuration files speak of proxies at all, by the file that `-F` names.
#[derive(Default)]
struct Proxies(HashMap<Option<PathBuf>, bool>);

impl Proxies {
    fn may_be_in(&mut self, file: Option<&Path>) -> bool {
        let key = file.map(Path::to_owned);
        let read = || file.map_or_else(mentioned_anywhere, |file| mentions(file, Path::new("."), 0));
        *self.0.entry(key).or_insert_with(read)
    }
}

/// The files that ssh reads by itself.
fn mentioned_anywhere() -> bool {
    let home = std::env::home_dir().unwrap_or_default().join(".ssh");
    let system = Path::new("/etc/ssh");
    mentions(&home.join("config"), &home, 0) || mentions(&system.join("ssh_config"), system, 0)
}

/// Whether a file, or one that it includes, speaks of proxies. Where that would be hard to tell: yes.
fn mentions(file: &Path, folder: &Path, depth: usize) -> bool {
    if depth > MOST_INCLUDES {
        return true;
    }
    let Ok(text) = std::fs::read(file) else { return false };
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines().map(|line| line.trim().to_lowercase());
    let has_proxy = lines.any(|line| line.starts_with("proxy"));
    has_proxy
        || text
            .lines()
            .filter_map(included)
            .any(|names| includes(&names, folder, depth))
}

/// The names after `Include`.
fn included(line: &str) -> Option<Vec<String>> {
    let line = line.trim();
    let (key, rest) = (line.get(..7)?, line.get(7..)?);
    if !key.eq_ignore_ascii_case("include") {
        return None;
    }
    shlex::split(rest.trim_start_matches(['=', ' ', '\t']))
}

fn includes(names: &[String], folder: &Path, depth: usize) -> bool {
    names.iter().any(|name| {
        let path = match name.strip_prefix("~/") {
            Some(rest) => std::env::home_dir().unwrap_or_default().join(rest),
            None => folder.join(name),
        };
        let is_pattern = |path: &Path| path.to_string_lossy().contains(['*', '?', '[', '%', '$']);
        match path.parent() {
            // All files of a folder are at least those that a pattern means.
            Some(parent) if is_pattern(&path) => is_pattern(parent) || any_in(parent, folder, depth),
            _ => mentions(&path, folder, depth + 1),
        }
    })
}

fn any_in(parent: &Path, folder: &Path, depth: usize) -> bool {
    let files = std::fs::read_dir(parent).into_iter().flatten().flatten();
    files.into_iter().any(|file| mentions(&file.path(), folder, depth + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(common_args: &str, extra_args: &str) -> Spec {
        Spec {
            host: "10.0.0.7".to_owned(),
            common_args: shlex::split(common_args).unwrap(),
            extra_args: shlex::split(extra_args).unwrap(),
            ..Spec::default()
        }
    }

    fn hops_of(spec: &Spec) -> Option<Vec<String>> {
        let tokens = Tokens::of(&HashMap::new(), &spec.host);
        let hops = said(spec)?.hops(&tokens, 22);
        Some(hops.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_arguments_lead_through() {
        let table: [(&str, &str, Option<&[&str]>); 14] = [
            ("-C -4", "", None),
            ("-J b", "", Some(&["b"])),
            ("-qJa,u@b:2022", "", Some(&["a", "u@b:2022"])),
            ("-o ProxyJump=b", "", Some(&["b"])),
            ("-o 'proxyjump b'", "", Some(&["b"])),
            ("-4", "-o 'ProxyJump = b'", Some(&["b"])),
            ("-J none", "-J b", Some(&[])),
            ("-J a", "-J b", Some(&["a"])),
            ("-o ProxyCommand='ssh -W %h:%p -q u@b'", "", Some(&["u@b"])),
            (
                "-o ProxyCommand='/usr/bin/ssh -p 2022 b -W [%h]:%p'",
                "",
                Some(&["b:2022"]),
            ),
            ("-o ProxyCommand='ssh -J a -W %h:%p b'", "", Some(&["a", "b"])),
            ("-o ProxyCommand='ssh b nc %h %p'", "", Some(&[])),
            ("-o ProxyCommand='nc -X 5 %h %p'", "", Some(&[])),
            ("-J 'a;b'", "", Some(&[])),
        ];
        for (common, extra, expected) in table {
            let found = hops_of(&spec(common, extra));
            let expected = expected.map(|hops| hops.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(found, expected, "{common} {extra}");
        }
    }

    #[test]
    fn whether_configuration_speaks_of_proxies() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let speaks = || mentions(&folder.path().join("config"), folder.path(), 0);
        assert!(!speaks());
        write(
            "config",
            "Host *\n  ForwardAgent no\n# ProxyJump b\nInclude more.d/*.conf missing\n",
        );
        assert!(!speaks());
        std::fs::create_dir(folder.path().join("more.d")).unwrap();
        write("more.d/a.conf", "User x\n");
        assert!(!speaks());
        write("more.d/b.conf", "Match all\n\tproxyJump=b\n");
        assert!(speaks());
        write("more.d/b.conf", "");
        write("config", "include=config\n");
        assert!(speaks(), "a circle");
    }
}
