//! How long 10,000 hosts in 200 groups take, each with 20 variables, next to Ansible with the same file in the same
//! run: where `ANSIBLE_BIN` names the folder of its programs, or they are in PATH.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark prints its figures"
)]

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often each is measured; the median counts. Ansible takes minutes, and is asked once.
const ROUNDS: usize = 7;
const PARENTS: usize = 20;
const CHILDREN: usize = 9;
const HOSTS: usize = 10_000;
const VARIABLES: usize = 20;
/// Leaves a group, without some hosts, and single ones.
const LIMIT: &str = "region03:rack10*:&rack*:!*7:host0042";

fn main() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hosts.yml"), inventory()).unwrap();
    let list = ours(folder.path(), &["inventory", "-i", "hosts.yml", "--list"]);
    let left = ours(
        folder.path(),
        &["inventory", "-i", "hosts.yml", "--list-hosts", "-l", LIMIT],
    );
    println!(
        "{HOSTS} hosts in {} groups, {VARIABLES} variables each",
        PARENTS * (CHILDREN + 1)
    );
    println!(
        "{:<28} {:>9}  {:>7} MB",
        "inventory --list",
        shown(list.time),
        list.megabytes()
    );
    println!(
        "{:<28} {:>9}  {:>7} MB",
        "inventory --list-hosts -l",
        shown(left.time),
        left.megabytes()
    );
    let Some(ansible) = ansible() else {
        println!("ansible-inventory is neither in PATH nor in ANSIBLE_BIN: nothing to compare with");
        return;
    };
    let arguments = ["-i", "hosts.yml", "--list"];
    let theirs = measured(folder.path(), &ansible.join("ansible-inventory"), &arguments);
    compare(
        "ansible-inventory --list",
        &theirs,
        &list,
        theirs.output() == list.output(),
    );
    let arguments = ["all", "-i", "hosts.yml", "--list-hosts", "-l", LIMIT];
    let theirs = measured(folder.path(), &ansible.join("ansible"), &arguments);
    // Its order changes from run to run.
    let is_same = names(&theirs.output()) == names(&left.output());
    compare("ansible --list-hosts -l", &theirs, &left, is_same);
}

/// A file that says 20 variables of every group and host.
fn inventory() -> String {
    let mut text = "all:\n  children:\n".to_owned();
    let racks = PARENTS * CHILDREN;
    for parent in 0..PARENTS {
        writeln!(text, "    region{parent:02}:").unwrap();
        variables(&mut text, 6, parent);
        text.push_str("      children:\n");
        for rack in parent * CHILDREN..(parent + 1) * CHILDREN {
            writeln!(text, "        rack{rack:03}:").unwrap();
            variables(&mut text, 10, rack);
            text.push_str("          hosts:\n");
            for host in (rack..HOSTS).step_by(racks) {
                writeln!(text, "            host{host:04}:").unwrap();
                values(&mut text, 14, host);
            }
        }
    }
    text
}

fn variables(text: &mut String, indent: usize, number: usize) {
    writeln!(text, "{:indent$}vars:", "").unwrap();
    values(text, indent + 2, number);
}

/// Texts, numbers, lists, maps and templates, some of which groups and hosts both say.
fn values(text: &mut String, indent: usize, number: usize) {
    for variable in 0..VARIABLES {
        let name = format!("{:indent$}setting_{:02}", "", (number + variable) % 30);
        match variable % 5 {
            0 => writeln!(text, "{name}: a text of host or group {number}"),
            1 => writeln!(text, "{name}: {}", number * variable),
            2 => writeln!(text, "{name}: [yes, 22:22, \"80:8080\", {number}]"),
            3 => writeln!(text, "{name}: {{port: {number}, name: \"n{variable}\"}}"),
            _ => writeln!(text, "{name}: \"{{{{ inventory_hostname }}}}-{number}\""),
        }
        .unwrap();
    }
}

/// One run of a program.
struct Run {
    time: Duration,
    /// The most memory that it had, in kB.
    peak: u64,
    output: PathBuf,
}

impl Run {
    fn megabytes(&self) -> u64 {
        (self.peak * 1024).div_ceil(1_000_000)
    }

    /// Kept in a file: a text in memory would count for the programs that are started later.
    fn output(&self) -> String {
        fs::read_to_string(&self.output).unwrap()
    }
}

/// The median of several runs, with the highest peak.
fn ours(folder: &Path, arguments: &[&str]) -> Run {
    let program = Path::new(env!("CARGO_BIN_EXE_portmap-deploy"));
    let mut runs: Vec<Run> = (0..ROUNDS).map(|_| measured(folder, program, arguments)).collect();
    let peak = runs.iter().map(|run| run.peak).max().unwrap_or_default();
    runs.sort_unstable_by_key(|run| run.time);
    let median = runs.swap_remove(ROUNDS / 2);
    Run { peak, ..median }
}

/// Runs a program with its output in a file, and looks at its memory while it runs.
fn measured(folder: &Path, program: &Path, arguments: &[&str]) -> Run {
    let mut output = program.file_name().unwrap().to_owned();
    output.push(arguments.join("").replace(['-', '/', '*'], ""));
    let output = folder.join(output);
    let start = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(File::create(&output).unwrap())
        .spawn()
        .unwrap();
    let mut peak = 0;
    let status = loop {
        peak = high_water_mark(child.id()).unwrap_or_default().max(peak);
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        thread::sleep(Duration::from_millis(1));
    };
    let time = start.elapsed();
    assert!(status.success(), "{} {arguments:?}: {status}", program.display());
    Run { time, peak, output }
}

/// The most memory that a process has had, in kB; nothing of one that has ended.
fn high_water_mark(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// The folder of Ansible's programs.
fn ansible() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = env::var_os("ANSIBLE_BIN")
        .map(PathBuf::from)
        .into_iter()
        .chain(env::split_paths(&path));
    folders.find(|folder| folder.join("ansible-inventory").is_file())
}

fn compare(what: &str, theirs: &Run, ours: &Run, is_same: bool) {
    let ratio = theirs.time.as_secs_f64() / ours.time.as_secs_f64();
    let same = if is_same { "the same output" } else { "ANOTHER OUTPUT" };
    println!(
        "{what:<28} {:>9}  {:>7} MB  {ratio:.0} times as long, {same}",
        shown(theirs.time),
        theirs.megabytes()
    );
}

fn shown(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

/// Names, one a line, without Ansible's heading.
fn names(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with("hosts ("))
        .collect()
}
