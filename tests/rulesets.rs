//! Rule sets as text, against the real kernel: what is printed of a file of rules loads to the same rules as the file, in
//! both backends and families. Needs root, `unshare` and iptables.

#![expect(clippy::expect_used, reason = "a test ends where its surroundings fail")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;

use portmap_deploy::firewall::{Match, Ruleset, format};

/// Relative to the checkout; the rule sets are other people's and not part of the project.
const SHARED: &str = "../shared/rulesets";

/// How many namespaces at once: nft waits more than it works.
const WORKERS: usize = 8;

/// Says it on the terminal, whatever the test harness captures.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// One restore and what it came to.
#[derive(Debug, Clone)]
struct Case {
    name: String,
    /// 4 or 6.
    family: u8,
    backend: &'static str,
    text: String,
}

impl Case {
    /// For each backend.
    fn both(name: &str, family: u8, text: &str) -> [Self; 2] {
        ["nft", "legacy"].map(|backend| Self {
            name: name.to_owned(),
            family,
            backend,
            text: text.to_owned(),
        })
    }

    /// Loads a text in a namespace of its own and hands back what `iptables-save` prints then; else the complaint.
    fn load(&self, text: &str) -> Result<String, String> {
        let family = if self.family == 4 { "" } else { "6" };
        let tool = format!("ip{family}tables-{}", self.backend);
        let script = "\"$1-restore\" -w 60 && \"$1-save\"";
        let mut child = Command::new("unshare")
            .args(["--net", "sh", "-c", script, "sh", &tool])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("unshare runs, as root");
        let mut stdin = child.stdin.take().expect("piped");
        // A tool that ends early says why.
        let _ = stdin.write_all(text.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        if output.status.success() {
            Ok(essence(&String::from_utf8_lossy(&output.stdout)))
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    fn title(&self) -> String {
        format!("{} (IPv{}, {})", self.name, self.family, self.backend)
    }
}

/// What iptables-save printed, without its comments and counters, the tables in an order of their own: legacy has one that
/// depends on who asked last.
fn essence(saved: &str) -> String {
    let lines = saved.lines().filter(|line| !line.starts_with('#'));
    let bare = |line: &str| match line.rsplit_once(" [") {
        Some((chain, _)) if line.starts_with(':') => format!("{chain}\n"),
        _ => format!("{line}\n"),
    };
    let text: String = lines.map(bare).collect();
    let mut tables: Vec<&str> = text.split_inclusive("COMMIT\n").collect();
    tables.sort_unstable();
    tables.concat()
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// All texts load to the same rules.
    Same,
    /// iptables-restore does not take it.
    NotTaken(String),
    /// Read otherwise than the kernel does: how.
    Wrong(String),
}

/// A file as the kernel reads it, next to it printed and spelled, and to the kernel's own print of it read as a snapshot.
fn fate(case: &Case) -> Fate {
    let loaded = match case.load(&case.text) {
        Ok(loaded) => loaded,
        Err(complaint) => return Fate::NotTaken(complaint),
    };
    let texts = || -> Result<Vec<String>, String> {
        let read = |text: &str| Ruleset::parse_file(text).map_err(|error| format!("refused: {error}"));
        let spelled = format(&case.text, true).map_err(|error| format!("refused: {error}"))?;
        if format(&spelled, true).as_ref() != Ok(&spelled) {
            return Err(format!("spelled again it differs: {spelled}"));
        }
        let snapshot = Ruleset::parse(&loaded).map_err(|error| format!("snapshot refused: {error}"))?;
        let kernels = format(&loaded, false).map_err(|error| format!("the kernel's text: {error}"))?;
        Ok(vec![
            read(&case.text)?.to_string(),
            spelled,
            snapshot.to_string(),
            kernels,
        ])
    };
    let texts = match texts() {
        Ok(texts) => texts,
        Err(why) => return Fate::Wrong(why),
    };
    let mut tried = BTreeSet::from([loaded.clone()]);
    for text in texts {
        // What the kernel itself printed loads as well as it can.
        if !tried.insert(essence(&text)) {
            continue;
        }
        match case.load(&text) {
            Ok(again) if again == loaded => {}
            Ok(again) => return Fate::Wrong(difference(&loaded, &again)),
            Err(complaint) => return Fate::Wrong(format!("the kernel refuses what was printed: {complaint}{text}")),
        }
    }
    Fate::Same
}

/// The first line in which two texts differ.
fn difference(one: &str, other: &str) -> String {
    let pairs = one.lines().zip(other.lines());
    let differs = pairs
        .filter(|(one, other)| one != other)
        .map(|(one, other)| format!("\n- {one}\n+ {other}"));
    differs
        .take(3)
        .fold(String::from("loads to other rules:"), |mut text, line| {
            let _ = write!(text, "{line}");
            text
        })
}

/// Several at a time, in no order.
fn fates(cases: Vec<Case>) -> Vec<(Case, Fate)> {
    let queue = Mutex::new(cases);
    let next = || queue.lock().expect("a queue").pop();
    let work = || {
        std::iter::from_fn(next)
            .map(|case| (case.clone(), fate(&case)))
            .collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a worker"))
            .collect()
    })
}

fn wrong(fates: &[(Case, Fate)]) -> Vec<String> {
    let wrong = fates.iter().filter_map(|(case, fate)| match fate {
        Fate::Wrong(why) => Some(format!("{}: {why}", case.title())),
        _ => None,
    });
    wrong.collect()
}

/// The `.v4` and `.v6` of a folder; `None`: there is none.
fn files(folder: &Path) -> Option<Vec<(PathBuf, u8, String)>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .ok()?
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let family = match path.extension()?.to_str()? {
            "v4" => 4,
            "v6" => 6,
            _ => return None,
        };
        let text = std::fs::read(&path).expect("a readable file");
        Some((path, family, String::from_utf8_lossy(&text).into_owned()))
    };
    Some(paths.into_iter().filter_map(read).collect())
}

fn cases(files: &[(PathBuf, u8, String)]) -> Vec<Case> {
    let name = |path: &Path| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    files
        .iter()
        .flat_map(|(path, family, text)| Case::both(&name(path), *family, text))
        .collect()
}

fn own(folder: &str) -> Vec<(PathBuf, u8, String)> {
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(folder)).expect("the folder of cases")
}

#[test]
fn our_rule_sets_print_as_the_kernel_reads_them() {
    let mut files = own("rulesets");
    files.extend(own("rules"));
    let fates = fates(cases(&files));
    assert!(fates.len() > 60, "{}", fates.len());
    let others: Vec<_> = fates.iter().filter(|(_, fate)| *fate != Fate::Same).collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn files_are_spelled_as_their_neighbours_say() {
    let mut compared = 0;
    for (path, _, text) in own("rules") {
        let mut neighbour = path.clone().into_os_string();
        neighbour.push(".fmt");
        if let Ok(wanted) = std::fs::read_to_string(neighbour) {
            assert_eq!(format(&text, false).as_ref(), Ok(&wanted), "{}", path.display());
            compared += 1;
        }
    }
    assert!(compared > 0);
}

/// Each in turn on one of the backends; with `PORTMAP_ALL_DUMPS` in the environment on both.
fn of_each_backend(cases: Vec<Case>) -> Vec<Case> {
    let both = std::env::var_os("PORTMAP_ALL_DUMPS").is_some();
    let mine = |(place, case): (usize, Case)| (both || [0, 3].contains(&(place % 4))).then_some(case);
    cases.into_iter().enumerate().filter_map(mine).collect()
}

/// Where real rule sets lie beside the checkout.
fn shared(what: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(SHARED).join(what);
    if folder.exists() {
        return Some(folder);
    }
    say(&format!(
        "SKIPPED: printing real rule sets: there is no {SHARED}/{what} beside the checkout"
    ));
    None
}

#[test]
fn real_rule_sets_print_as_the_kernel_reads_them() {
    let began = Instant::now();
    let (Some(dumps), Some(seeds)) = (shared("dumps"), shared("seeds")) else {
        return;
    };
    let mut files: Vec<_> = [dumps, seeds]
        .iter()
        .flat_map(|folder| files(folder).expect("a folder"))
        .collect();
    files.sort_by_key(|(_, _, text)| text.len());
    let fates = fates(of_each_backend(cases(&files)));
    let wrong = wrong(&fates);
    let same = fates.iter().filter(|(_, fate)| *fate == Fate::Same).count();
    let not_taken = fates.len() - same - wrong.len();
    say(&format!(
        "{} rule sets, {} loads: {same} print to the same rules, {not_taken} not taken by this kernel, {} wrong, in {:?}",
        files.len(),
        fates.len(),
        wrong.len(),
        began.elapsed()
    ));
    for (case, fate) in &fates {
        if let Fate::NotTaken(why) = fate {
            let read = Ruleset::parse_file(&case.text)
                .map(drop)
                .map_err(|error| error.to_string());
            say(&format!("  {}: {} ({read:?} to us)", case.title(), why.trim()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(same > fates.len() / 2);
}

#[test]
fn rule_sets_that_do_not_load_are_read_or_refused() {
    let Some(folder) = shared("dumps-noload") else {
        return;
    };
    for (path, _, text) in files(&folder).expect("a folder") {
        let read = Ruleset::parse_file(&text);
        let lines = text.lines().count();
        if let Err(error) = &read {
            assert!(error.line >= 1 && error.line <= lines && error.column >= 1, "{error}");
        }
        let _ = Ruleset::parse(&text);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        say(&format!(
            "  {name}: {}",
            read.map_or_else(|error| error.to_string(), |_| "rules".to_owned())
        ));
    }
}

/// A rule of netfilter's own tests.
#[derive(Debug, serde::Deserialize)]
struct Specimen {
    family: u8,
    table: String,
    chain: String,
    rule: String,
    here: Option<String>,
    loads: bool,
    file: String,
}

impl Specimen {
    fn text(&self, spec: &str) -> String {
        format!("*{}\n-A {} {spec}\nCOMMIT\n", self.table, self.chain)
    }
}

/// All of them, and how many could not be found.
fn specimens() -> Option<Vec<Specimen>> {
    let text = std::fs::read_to_string(shared("ext_rules.jsonl")?).expect("a readable file");
    Some(
        text.lines()
            .map(|line| serde_json::from_str(line).expect("a document a line"))
            .collect(),
    )
}

#[test]
fn rules_of_every_extension_print_as_the_kernel_reads_them() {
    let began = Instant::now();
    let Some(specimens) = specimens() else { return };
    // Rules of one extension together, as long as the kernel takes them so; else one by one.
    let mut batches: BTreeMap<(&str, u8), Vec<&Specimen>> = BTreeMap::new();
    for specimen in specimens.iter().filter(|specimen| specimen.loads) {
        batches
            .entry((&specimen.file, specimen.family))
            .or_default()
            .push(specimen);
    }
    let batch = |((file, family), rules): (&(&str, u8), &Vec<&Specimen>)| Case::both(file, *family, &together(rules));
    let mut fates = fates(of_each_backend(batches.iter().flat_map(batch).collect()));
    let refused = |(case, fate): &(Case, Fate)| matches!(fate, Fate::NotTaken(_)).then(|| case.clone());
    let apart: Vec<Case> = fates.iter().filter_map(refused).collect();
    let single = |case: &Case| {
        let rules = batches
            .get(&(case.name.as_str(), case.family))
            .cloned()
            .unwrap_or_default();
        let backend = case.backend;
        let one = move |rule: &Specimen| {
            let cases = Case::both(&rule.rule, rule.family, &rule.text(&rule.rule));
            cases.into_iter().filter(move |case| case.backend == backend)
        };
        rules.into_iter().flat_map(one).collect::<Vec<_>>()
    };
    let singles: Vec<Case> = apart.iter().flat_map(single).collect();
    let alone = singles.len();
    fates.retain(|(_, fate)| !matches!(fate, Fate::NotTaken(_)));
    let of_many = fates.len();
    fates.extend(self::fates(singles));
    let not_taken = fates
        .iter()
        .filter(|(_, fate)| matches!(fate, Fate::NotTaken(_)))
        .count();
    let wrong = wrong(&fates);
    say(&format!(
        "{} rules of extensions: {of_many} loads of many, {alone} of one, {not_taken} not taken, {} wrong, in {:?}",
        specimens.len(),
        wrong.len(),
        began.elapsed()
    ));
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(of_many > 50);
}

fn together(rules: &[&Specimen]) -> String {
    let mut tables: BTreeMap<&str, String> = BTreeMap::new();
    for rule in rules {
        let text = tables.entry(&rule.table).or_default();
        let _ = writeln!(text, "-A {} {}", rule.chain, rule.rule);
    }
    let mut text = String::new();
    for (table, rules) in tables {
        let _ = write!(
            text,
            "*{table}
{rules}COMMIT
"
        );
    }
    text
}

/// Modules all of whose options become typed, or may.
const TYPED: [&str; 11] = [
    "tcp",
    "udp",
    "sctp",
    "dccp",
    "conntrack",
    "state",
    "comment",
    "multiport",
    "addrtype",
    "tcpmss",
    "length",
];

#[test]
fn rules_of_every_extension_are_read_and_nothing_of_them_is_lost() {
    let Some(specimens) = specimens() else { return };
    let mut refused = Vec::new();
    for specimen in &specimens {
        for spec in std::iter::once(&specimen.rule).chain(&specimen.here) {
            let text = specimen.text(spec);
            match Ruleset::parse_file(&text) {
                Err(error) => refused.push((specimen.loads, format!("{spec}: {error}"))),
                Ok(ruleset) => assert_eq!(lost(&ruleset, specimen, spec), Vec::<String>::new(), "{spec}"),
            }
        }
    }
    let loads: Vec<_> = refused.iter().filter(|(loads, _)| *loads).collect();
    assert!(loads.is_empty(), "{loads:#?}");
    say(&format!(
        "{} rules of extensions, {} of those that do not load are refused",
        specimens.len(),
        refused.len()
    ));
    for (_, refusal) in refused.iter().take(40) {
        say(&format!("  {refusal}"));
    }
}

/// The modules of a rule whose options are not all kept.
fn lost(ruleset: &Ruleset, specimen: &Specimen, spec: &str) -> Vec<String> {
    let rules = ruleset.rules(&specimen.table, &specimen.chain);
    let kept: Vec<String> = rules
        .iter()
        .flat_map(|rule| &rule.matches)
        .filter_map(|one| match one {
            Match::Other { module, words } => Some(format!("{module} {}", words.join(" ")).trim_end().to_owned()),
            _ => None,
        })
        .collect();
    let bare = spec.replace('"', "");
    let modules = bare.split(" -j ").next().unwrap_or_default().split("-m ").skip(1);
    let missing = modules.filter(|module| {
        let name = module.split(' ').next().unwrap_or_default();
        let full = module
            .trim()
            .replace("icmpv6", "icmp6")
            .replace("icmp6-type", "icmpv6-type");
        !TYPED.contains(&name) && !kept.contains(&full)
    });
    missing.map(str::to_owned).collect()
}
