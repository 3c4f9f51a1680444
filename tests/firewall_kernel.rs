//! The texts that `firewall` writes, against the real kernel: every shape of foreign rules in `cases/rulesets`, both
//! backends, both families, in network namespaces of their own. Needs root, `ip` and iptables.
#![expect(clippy::expect_used, reason = "a test ends where its surroundings fail")]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use portmap_deploy::firewall::{
    Change, Family, Generation, Mark, Ruleset, Standing, TableInput, Undo, View, after, change, fresh, installed,
    loosened, standing,
};
use portmap_deploy::mapping::MappingSet;
use portmap_deploy::problem::Source;
use portmap_deploy::yaml;

/// A network namespace and the iptables of one backend and family in it.
struct Host {
    namespace: String,
    backend: &'static str,
    family: Family,
}

impl Host {
    fn new(backend: &'static str, family: Family) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("pm-fw-{}-{number}", std::process::id());
        let made = Command::new("ip").args(["netns", "add", &namespace]).status();
        assert!(made.expect("ip runs").success(), "this test needs root");
        Self {
            namespace,
            backend,
            family,
        }
    }

    fn command(&self, tool: &str) -> Command {
        let family = if self.family == Family::V4 { "" } else { "6" };
        let tool = if tool.is_empty() {
            String::new()
        } else {
            format!("-{tool}")
        };
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.namespace])
            .arg(format!("ip{family}tables-{}{tool}", self.backend));
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .stdin(Stdio::null());
        command
    }

    fn save(&self) -> String {
        let output = self.command("save").output().expect("iptables-save runs");
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    fn ruleset(&self) -> Ruleset {
        Ruleset::parse(&self.save()).expect("iptables-save prints what we read")
    }

    fn view(&self) -> View {
        View {
            family: self.family,
            ruleset: self.ruleset(),
            nat: true,
        }
    }

    /// Runs `iptables-restore` and hands back what it complained about.
    fn restore(&self, arguments: &[&str], text: &str) -> Result<(), String> {
        let mut command = self.command("restore");
        command.args(["-w", "10"]).args(arguments).stdin(Stdio::piped());
        let mut child = command.spawn().expect("iptables-restore runs");
        child
            .stdin
            .take()
            .expect("piped")
            .write_all(text.as_bytes())
            .expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            Ok(())
        } else {
            Err(format!("{complaint}\n{text}"))
        }
    }

    fn add(&self, text: &str) {
        if let Err(complaint) = self.restore(&["--noflush"], text) {
            panic!("{} {:?}: {complaint}", self.backend, self.family);
        }
    }

    /// One iptables command; whether it worked.
    fn run(&self, table: &str, arguments: &str) -> bool {
        let words = arguments.split(' ');
        let status = self.command("").args(["-w", "10", "-t", table]).args(words).output();
        status.expect("iptables runs").status.success()
    }

    /// `TABLE<TAB>arguments`, one iptables command each, whether it works or not.
    fn run_each(&self, lines: &[String]) {
        let family = if self.family == Family::V4 { "" } else { "6" };
        let tool = format!("ip{family}tables-{}", self.backend);
        let script = "tool=$1; shift; for line; do $tool -w 10 -t $line 2>/dev/null; done; true";
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, "sh", "-c", script, "sh", &tool]);
        assert!(command.args(lines).status().expect("sh runs").success());
    }

    fn clean(&self, change: &Change) {
        for TableInput { tries, .. } in &change.clean {
            self.add(tries.first().expect("something to try"));
        }
    }

    /// What the host script does with an undo.
    fn undo(&self, undo: &Undo, generation: Generation) {
        let _ = self.restore(&["--noflush"], &undo.loosen);
        for table in &undo.tables {
            let done = table
                .levels
                .iter()
                .any(|level| self.restore(&["--noflush"], level).is_ok());
            assert!(done, "no level of {} could be loaded", table.table);
        }
        for line in &undo.rejump {
            let [table, wanted, arguments] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            if !self.save().lines().any(|line| line == wanted) {
                self.run(table, arguments);
            }
        }
        self.compare_wanted(undo, generation);
        self.run_each(&undo.after);
    }

    fn compare_wanted(&self, undo: &Undo, generation: Generation) {
        let new = format!("-{generation}");
        for table in &undo.tables {
            let output = self
                .command("save")
                .args(["-t", table.table])
                .output()
                .expect("iptables-save runs");
            let live = String::from_utf8(output.stdout).expect("text");
            let ours = live
                .lines()
                .filter(|line| line.starts_with("-A") && line.contains("PORTMAP-"));
            let mut ours: Vec<_> = ours.filter(|line| !line.contains(&new)).collect();
            ours.sort_unstable();
            assert_eq!(ours, table.want, "{}", table.table);
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.namespace]).status();
    }
}

/// Rules without counters, comments and empty tables: what must be byte for byte the same.
fn essence(text: &str) -> String {
    let ruleset = Ruleset::parse(text).expect("readable");
    let mut essence = String::new();
    for table in ruleset.tables {
        let alone = Ruleset {
            tables: vec![table.clone()],
            ..Ruleset::default()
        };
        if alone.has_rules() || table.chains.iter().any(|chain| chain.policy.is_none()) {
            let _ = write!(essence, "{table}");
        }
    }
    let counters = |line: &str| {
        line.starts_with(':')
            .then(|| line.rsplit_once(' ').map(|(chain, _)| chain.to_owned()))
    };
    essence
        .lines()
        .map(|line| counters(line).flatten().unwrap_or_else(|| line.to_owned()) + "\n")
        .collect()
}

/// What of it is not ours.
fn foreign(text: &str) -> String {
    let others = text.lines().filter(|line| !line.contains("PORTMAP-"));
    essence(&(others.collect::<Vec<_>>().join("\n") + "\n"))
}

fn mappings(text: &str) -> MappingSet {
    let source = Source::new("test", text);
    let document = yaml::read(&source).expect("yaml");
    MappingSet::parse(&document.root).expect("valid mappings")
}

fn mark(family: Family) -> Mark {
    let source = if family == Family::V4 {
        "192.0.2.1"
    } else {
        "2001:db8::1"
    };
    Mark {
        mss: Some(777),
        udp_length: Some(133),
        source: Some(source.parse().expect("an address")),
    }
}

const FIRST: &str = r#"
- {port: 2222, to_port: 22, direct_source: [10.0.0.0/8, "fd00::/8"]}
- {port: 80, to_port: 8080, direct: reject, loopback: true}
- {port: 53, to_port: 5353, protocol: udp, direct: reject}
- {port: "8000-8002", to_port: "9000-9002", source: [192.0.2.0/24, "2001:db8::/32"], interface: eth0}
- {port: 2022, to_port: 22, direct_source: [10.0.0.0/8, "fd00::/8"]}
"#;
const SECOND: &str = r#"
- "2200:22"
- {port: 80, to_port: 8081, direct: drop, loopback: true}
- {port: 53, to_port: 5353, protocol: udp}
- {port: "8001-8005", to_port: 9000, source: [203.0.113.0/24]}
- {port: 443, to_port: 8443, direct: allow}
"#;

/// Carries out the first steps of a change, checking after each.
fn steps(host: &Host, change: &Change, count: usize, before: &str) {
    let texts = [
        Some(&change.stage),
        change.place.as_ref(),
        Some(&change.loosen),
        change.tighten.as_ref(),
    ];
    for (step, text) in texts.iter().enumerate().take(count) {
        if let Some(text) = text {
            host.add(text);
        }
        let now = host.save();
        assert_eq!(foreign(&now), foreign(before), "foreign rules changed by step {step}");
        let ruleset = Ruleset::parse(&now).expect("readable");
        assert_eq!(
            change.check_loosened(&ruleset).is_ok(),
            step == 2 || (step > 2 && change.tighten.is_none())
        );
        match step {
            2 => assert_eq!(change.check_loosened(&ruleset), Ok(())),
            3 => assert_eq!(change.check_tightened(&ruleset), Ok(())),
            _ => assert!(change.check_tightened(&ruleset).is_err()),
        }
    }
}

/// The same chains with the same rules in the same order.
fn expect_alike(predicted: &Ruleset, live: &Ruleset) {
    let chains = |ruleset: &Ruleset| {
        let tables = ruleset.tables.iter();
        let mut names: Vec<_> = tables
            .flat_map(|table| {
                table
                    .chains
                    .iter()
                    .map(|chain| (table.name.clone(), chain.name.clone()))
            })
            .collect();
        names.sort();
        names
    };
    assert_eq!(chains(predicted), chains(live));
    for (table, chain) in chains(live) {
        let (one, other) = (predicted.rules(&table, &chain), live.rules(&table, &chain));
        let same = one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.same(other));
        assert!(same, "{table} {chain}: predicted {one:#?}, live {other:#?}");
    }
}

/// One generation on whatever is there: undone after so many steps, after a foreign flush as well, then kept.
fn generation(host: &Host, set: &MappingSet, number: u32, undone: &[usize], flushed: &[usize]) {
    let generation = Generation(number);
    let before = host.save();
    for &count in undone {
        let view = host.view();
        let change = change(&view, set, generation, &mark(host.family));
        steps(host, &change, count, &before);
        if count == 3 {
            expect_alike(&loosened(&view, &change), &host.ruleset());
        }
        host.undo(&change.undo, generation);
        assert_eq!(essence(&host.save()), essence(&before), "undone after {count} steps");
    }
    for &count in flushed {
        let change = change(&host.view(), set, generation, &mark(host.family));
        steps(host, &change, count, &before);
        assert!(host.run("filter", "-F") && host.run("filter", "-X"));
        host.undo(&change.undo, generation);
        host.restore(&[], &before).expect("what was saved loads");
    }
    let view = host.view();
    let change = change(&view, set, generation, &mark(host.family));
    steps(host, &change, 4, &before);
    assert!(
        matches!(standing(&host.view(), set), Standing::Differs(_)),
        "counting rules are a difference"
    );
    host.clean(&change);
    expect_alike(&after(&view, &change), &host.ruleset());
    assert_eq!(standing(&host.view(), set), Standing::InSync(generation));
    assert_eq!(foreign(&host.save()), foreign(&before));
    let live = installed(&host.ruleset());
    assert!(
        live.left_over.is_empty() && live.hooks.values().all(|hook| hook.rules.len() == 1),
        "{live:?}"
    );
}

/// The generation as it comes up on a host that has just booted with its foreign rules.
fn boot(host: &Host, shape: &str, set: &MappingSet) {
    let fresh = Host::new(host.backend, host.family);
    fresh.restore(&[], shape).expect("the shape loads");
    let number = installed(&host.ruleset()).highest.expect("a generation");
    let change = change(&host.view(), set, Generation(number.0 + 1), &Mark::default());
    for TableInput { table, tries } in &change.boot {
        let done = tries.iter().any(|text| fresh.restore(&["--noflush"], text).is_ok());
        assert!(done, "{table} does not come up");
    }
    assert_eq!(standing(&fresh.view(), set), Standing::InSync(Generation(number.0 + 1)));
    // With none of the foreign rules there, the accept's place is missing.
    let bare = Host::new(host.backend, host.family);
    for TableInput { table, tries } in &change.boot {
        let done = tries.iter().any(|text| bare.restore(&["--noflush"], text).is_ok());
        assert!(done, "{table} does not come up on a bare host");
    }
    let live = installed(&bare.ruleset());
    assert!(
        live.hooks.len() == 5 && live.hooks.values().all(|hook| !hook.jumps.is_empty()),
        "{live:?}"
    );
}

/// What is rendered for a fresh host is what a first change ends with.
fn rendered(backend: &'static str, family: Family) {
    for text in [FIRST, SECOND] {
        let (set, first) = (mappings(text), Generation(1));
        let [deployed, loaded] = [Host::new(backend, family), Host::new(backend, family)];
        let change = change(&deployed.view(), &set, first, &mark(family));
        steps(&deployed, &change, 4, &deployed.save());
        deployed.clean(&change);
        loaded.add(&fresh(family, &set, first));
        assert_eq!(standing(&loaded.view(), &set), Standing::InSync(first));
        let lines = |host: &Host| {
            let text = essence(&host.save());
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            // Chains were made in another order.
            lines.sort_by_key(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "));
            lines
        };
        assert_eq!(lines(&loaded), lines(&deployed), "{backend} {family:?}");
    }
    assert_eq!(fresh(family, &mappings("[]"), Generation(1)), "");
}

#[test]
fn a_fresh_host_gets_by_hand_what_a_deploy_makes() {
    for backend in ["nft", "legacy"] {
        for family in [Family::V4, Family::V6] {
            rendered(backend, family);
        }
    }
}

fn shapes(family: Family) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/rulesets");
    let ending = if family == Family::V4 { "v4" } else { "v6" };
    let entries = fs::read_dir(folder)
        .expect("the folder of cases")
        .map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    paths.sort();
    assert!(paths.len() > 9);
    paths
}

fn one(backend: &'static str, family: Family, path: &Path) {
    let shape = fs::read_to_string(path).expect("a case");
    let host = Host::new(backend, family);
    host.restore(&[], &shape).expect("the shape loads");
    let (first, second, none) = (mappings(FIRST), mappings(SECOND), mappings("[]"));
    assert_eq!(standing(&host.view(), &none), Standing::Absent);
    generation(&host, &first, 1, &[0, 1, 2, 3, 4], &[4]);
    boot(&host, &shape, &first);
    // Somebody inserts rules above ours.
    for (table, chain) in [("filter", "INPUT"), ("nat", "PREROUTING")] {
        assert!(host.run(table, &format!("-I {chain} 1 -p tcp --dport 9 -j ACCEPT")));
    }
    assert!(matches!(standing(&host.view(), &first), Standing::Differs(_)));
    generation(&host, &second, 2, &[1, 2, 3, 4], &[3]);
    generation(&host, &none, 3, &[4], &[]);
}

fn every_shape(backend: &'static str, family: Family) {
    let failed: Vec<_> = std::thread::scope(|scope| {
        let run = |path: PathBuf| (path.clone(), scope.spawn(move || one(backend, family, &path)));
        let running: Vec<_> = shapes(family).into_iter().map(run).collect();
        let ended = running.into_iter().map(|(path, thread)| (path, thread.join().is_err()));
        ended.filter(|(_, failed)| *failed).map(|(path, _)| path).collect()
    });
    assert!(failed.is_empty(), "{backend} {family:?}: {failed:?}");
}

#[test]
fn nft_ipv4() {
    every_shape("nft", Family::V4);
}

#[test]
fn nft_ipv6() {
    every_shape("nft", Family::V6);
}

#[test]
fn legacy_ipv4() {
    every_shape("legacy", Family::V4);
}

#[test]
fn legacy_ipv6() {
    every_shape("legacy", Family::V6);
}
