//! Rule sets of real hosts with the three configurations of the truth table among them, where they lie beside the checkout.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use portmap_deploy::firewall::Family;
use portmap_deploy::firewall::audit::{Judged, Verdict};

use super::{audited, say};

/// Relative to the checkout; the files are other people's and not part of the project.
const FOLDER: &str = "../shared/rulesets";

/// The files of a folder, by name; `None`: there is no such folder.
pub fn texts(folder: &str) -> Option<BTreeMap<String, (Family, String)>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER).join(folder);
    let entries = std::fs::read_dir(path).ok()?;
    let file = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_v6 = name.rsplit_once('.').is_some_and(|(_, end)| end == "v6");
        let family = if is_v6 { Family::V6 } else { Family::V4 };
        (name, (family, std::fs::read_to_string(path).unwrap()))
    };
    Some(entries.map(|entry| file(entry.unwrap().path())).collect())
}

/// What was put into a seed: A is right, B lets in the mapped port as it was before it was rewritten, C the one behind it.
fn configuration(name: &str) -> char {
    name.chars().nth("seed-".len()).unwrap()
}

/// What it comes to on a host whose other rules neither close nor open anything that matters.
fn alone(configuration: char) -> Verdict {
    match configuration {
        'A' => Verdict::Right,
        'B' => Verdict::NeitherWorks,
        _ => Verdict::BothWork,
    }
}

#[test]
fn every_seed_has_a_verdict() {
    let Some(seeds) = texts("seeds") else {
        say(&format!(
            "SKIPPED: seeds of the truth table: there is no {FOLDER}/seeds beside the checkout"
        ));
        return;
    };
    let (mut verdicts, mut wrong, mut unknown) = (BTreeMap::new(), Vec::new(), 0);
    for (name, (family, text)) in &seeds {
        let report = audited(text, *family).unwrap();
        let ours = |judged: &&Judged| {
            let port = if name.contains("-8080-") { 8080 } else { 2222 };
            judged.to_port == Some(22) && judged.port.is_some_and(|span| span.contains(port))
        };
        let found: Vec<(Verdict, Vec<String>)> = report
            .redirects
            .iter()
            .filter(ours)
            .map(|judged| (judged.verdict, judged.by.clone()))
            .collect();
        let bare = name.len() == "seed-A.v4".len();
        if found.is_empty() || bare && found != [(alone(configuration(name)), vec![])] {
            wrong.push((name.clone(), found.clone()));
        }
        unknown += usize::from(found.iter().any(|(verdict, _)| *verdict == Verdict::Unknown));
        verdicts.insert(name.clone(), found);
    }
    for (name, found) in &verdicts {
        say(&format!("  {name}: {found:?}"));
    }
    say(&format!("{} seeds, {unknown} unknown", seeds.len()));
    assert!(unknown * 20 < seeds.len(), "{unknown}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (name, expected) in EXPECTED {
        assert_eq!(
            verdicts[*name].iter().map(|(verdict, _)| *verdict).collect::<Vec<_>>(),
            *expected,
            "{name}"
        );
    }
}

/// Worked out by hand, of the shapes that matter: a redirect that Docker's own rules take away, an accept behind a final
/// reject, one before it, a policy that accepts.
const EXPECTED: &[(&str, &[Verdict])] = &[
    ("seed-A-8080-append-on-moby-doc-swarm-portmap.v4", &[Verdict::Dead]),
    ("seed-A-append-on-kvmpbx-centos.v4", &[Verdict::NeitherWorks]),
    ("seed-A-insert-on-kvmpbx-centos.v4", &[Verdict::Right]),
    ("seed-B-insert-on-kvmpbx-centos.v4", &[Verdict::NeitherWorks]),
    ("seed-C-insert-on-kvmpbx-centos.v4", &[Verdict::BothWork]),
    ("seed-A-append-on-moby-1.v4", &[Verdict::BothWork]),
    ("seed-B-insert-on-moby-1.v4", &[Verdict::NeitherWorks]),
    ("seed-A-append-on-dm-synology.v4", &[Verdict::NeitherWorks]),
    ("seed-A-insert-on-dm-synology.v4", &[Verdict::Right]),
    ("seed-C-insert-on-dm-synology.v4", &[Verdict::BothWork]),
];

#[test]
fn every_dump_is_audited() {
    let Some(dumps) = texts("dumps") else {
        say(&format!(
            "SKIPPED: dumps of real rule sets: there is no {FOLDER}/dumps beside the checkout"
        ));
        return;
    };
    let (mut redirects, mut unknown) = (0, 0);
    for (name, (family, text)) in &dumps {
        let began = Instant::now();
        let report = match audited(text, *family) {
            Ok(report) => report,
            Err(error) => panic!("{name}: {error}"),
        };
        assert!(began.elapsed().as_secs() < 20, "{name}: {:?}", began.elapsed());
        redirects += report.redirects.len();
        for judged in &report.redirects {
            say(&format!(
                "  {name}: {} {:?} {:?}{}",
                judged.title(),
                judged.verdict,
                judged.by,
                judged
                    .reason
                    .as_ref()
                    .map_or_else(String::new, |why| format!(": {why}"))
            ));
            unknown += usize::from(judged.verdict == Verdict::Unknown);
        }
        for finding in &report.findings {
            assert!(!finding.rules.is_empty(), "{name}: {finding:?}");
            assert!(
                finding.rules.iter().all(|(_, place)| place.line.is_some()),
                "{name}: {finding:#?}"
            );
        }
    }
    say(&format!(
        "{} dumps: {redirects} redirects, {unknown} unknown",
        dumps.len()
    ));
    assert!(redirects > 20);
}
