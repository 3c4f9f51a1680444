//! Rule sets of real hosts, where they lie beside the checkout: whoever could log in can still do so by the mapping,
//! direct access is closed, and nobody's rule has changed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod support;

#[path = "dumps/dump.rs"]
mod dump;
#[path = "dumps/way.rs"]
mod way;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use dump::Dump;
use support::lab::Lab;
use way::{Site, WEB, WEB_TARGET, Way};

/// Relative to the checkout; the dumps are other people's and not part of the project.
const FOLDER: &str = "../shared/rulesets/dumps";

/// How many lab hosts are worked on at once.
const WORKERS: usize = 6;

/// What became of one dump.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// It has no filter INPUT.
    NoInput,
    /// This kernel or backend does not take it.
    DoesNotLoad,
    /// Its rules let the controller in by none of the ways tried.
    LetsNobodyIn,
    /// Deployed: mappings open, direct access closed, foreign rules the same.
    AsPromised,
    /// The same, but that it lets answers of sshd alone out.
    AsPromisedForSsh,
    /// Something else: what.
    Wrong(String),
}

/// Says it on the terminal, whatever the test harness captures.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// One backend after the other: each keeps the machine busy.
static TURN: Mutex<()> = Mutex::new(());

/// Each dump has its turn on one of the backends, in order of size; with `PORTMAP_ALL_DUMPS` in the environment on both.
fn of_backend(dumps: Vec<Dump>, backend: &str) -> Vec<Dump> {
    let both = std::env::var_os("PORTMAP_ALL_DUMPS").is_some();
    let first = usize::from(backend == "legacy");
    let mine = |(place, dump): (usize, Dump)| (both || place % 2 == first).then_some(dump);
    dumps.into_iter().enumerate().filter_map(mine).collect()
}

fn every_dump(backend: &str) {
    let _turn = TURN.lock();
    let began = Instant::now();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    let Some(dumps) = dump::all(&folder) else {
        say(&format!(
            "SKIPPED: dumps of real rule sets on {backend}: there is no {FOLDER} beside the checkout"
        ));
        return;
    };
    let dumps = of_backend(dumps, backend);
    let all = dumps.len();
    let queue = Mutex::new(dumps);
    let fates: BTreeMap<String, (Fate, String)> = std::thread::scope(|scope| {
        let work = || {
            let lab = Lab::up(1, backend);
            let next = || queue.lock().unwrap().pop();
            std::iter::from_fn(next)
                .map(|dump| {
                    let began = Instant::now();
                    let (fate, way) = fate(backend, &lab, &dump);
                    (dump.name.clone(), (fate, format!("{way} {:?}", began.elapsed())))
                })
                .collect::<Vec<_>>()
        };
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let count = |wanted: &Fate| fates.values().filter(|(fate, _)| fate == wanted).count();
    say(&format!(
        "{backend}: {all} dumps, {} without a filter INPUT, {} not taken by this kernel, {} let nobody in, {} as promised, \
         {} as promised for sshd, whose answers alone they let out, in {:?}",
        count(&Fate::NoInput),
        count(&Fate::DoesNotLoad),
        count(&Fate::LetsNobodyIn),
        count(&Fate::AsPromised),
        count(&Fate::AsPromisedForSsh),
        began.elapsed()
    ));
    for (name, (fate, way)) in &fates {
        if *fate != Fate::AsPromised {
            say(&format!("  {name}: {fate:?} {way}"));
        }
    }
    let wrong: Vec<_> = fates
        .iter()
        .filter(|(_, (fate, _))| matches!(fate, Fate::Wrong(_)))
        .collect();
    assert!(wrong.is_empty(), "{backend}: {wrong:#?}");
    assert!(count(&Fate::AsPromised) > all / 2, "{backend}");
}

fn fate(backend: &str, lab: &Lab, dump: &Dump) -> (Fate, String) {
    if !dump.has_input() {
        return (Fate::NoInput, String::new());
    }
    let site = Site::new(lab, dump);
    if !site.load() {
        return (Fate::DoesNotLoad, String::new());
    }
    let (special, plain): (Vec<_>, Vec<_>) = dump.ways().into_iter().partition(Way::has_addresses);
    if let Some(way) = site.way_in(plain) {
        return (deployed(&site, &way), way.to_string());
    }
    // Nobody clears up the addresses.
    let lab = Lab::up(1, backend);
    let site = Site::new(&lab, dump);
    site.load();
    match site.way_in(special) {
        Some(way) => (deployed(&site, &way), way.to_string()),
        None => (Fate::LetsNobodyIn, String::new()),
    }
}

fn deployed(site: &Site<'_>, way: &Way) -> Fate {
    // Rates and lists of recent callers begin anew.
    site.load();
    let _web = site.lab.serve("host1", WEB_TARGET, "web");
    let foreign = site.lab.foreign_rules("host1");
    let mapped = site.dump.free_port();
    let web = site.lets_answers_out(way);
    let run = site.deploys(way, mapped, web);
    let state = run.state("host1").to_owned();
    if state != "confirmed" {
        return Fate::Wrong(format!("{state}: {}", run.reason("host1")));
    }
    let after = site.lab.foreign_rules("host1");
    if after != foreign {
        return Fate::Wrong(format!("foreign rules changed:\n{foreign}\n{after}"));
    }
    let closed = [way.port, WEB_TARGET].map(|port| site.first_line(way, port));
    let open = site.patient_first_line(way, mapped);
    let served = if web {
        site.patient_first_line(way, WEB)
    } else {
        String::new()
    };
    if !open.starts_with("SSH-2.0-") || served != if web { "web\n" } else { "" } || closed != ["", ""] {
        let told = (open, served, closed);
        return Fate::Wrong(format!("{told:?}: {}", site.lab.our_rules("host1")));
    }
    let run = site.removes(way, mapped);
    if run.state("host1") != "confirmed" {
        return Fate::Wrong(format!("remove: {}: {}", run.state("host1"), run.reason("host1")));
    }
    let (after, left) = (site.lab.foreign_rules("host1"), site.lab.our_rules("host1"));
    if after != foreign || !left.is_empty() || !site.answers(way, way.port) {
        return Fate::Wrong(format!("remove:\n{foreign}\n{after}\n{left}"));
    }
    if web { Fate::AsPromised } else { Fate::AsPromisedForSsh }
}

#[test]
fn nft() {
    every_dump("nft");
}

#[test]
fn legacy() {
    every_dump("legacy");
}
