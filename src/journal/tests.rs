use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::report::{EndState, HostReport, Look, Outcome, RunEvent, Step};
use crate::world::{InMemory, Kind, World as _};

const RUN: &str = "20261123T032029Z-0010abcd";

fn journals() -> (tempfile::TempDir, Journals) {
    let home = tempfile::tempdir().unwrap();
    let journals = Journals::at(home.path().join("state/runs"));
    (home, journals)
}

fn head(run: &str) -> Head {
    let words = [
        "deploy",
        "--inventory=hosts.yaml",
        "--serial=1,25%",
        "--limit=web*,!web3",
    ];
    Head {
        format: FORMAT,
        run_id: run.to_owned(),
        program: "0.1.0".to_owned(),
        by: somebody("ann@laptop"),
        folder: "/home/ann/fleet".into(),
        arguments: words.map(str::to_owned).to_vec(),
        withheld: 0,
        environment: vec![],
    }
}

fn somebody(operator: &str) -> Resumption {
    Resumption {
        operator: operator.to_owned(),
        machine: "laptop".to_owned(),
        pid: 4711,
    }
}

fn report(state: EndState, generation: Option<u32>) -> HostReport {
    HostReport {
        generation,
        batch: 1,
        connections: 2,
        elapsed: Duration::from_millis(410),
        ..HostReport::new(state)
    }
}

fn finished(host: &str, state: EndState, generation: Option<u32>) -> RunEvent {
    let report = Box::new(report(state, generation));
    RunEvent::HostFinished {
        host: host.to_owned(),
        report,
    }
}

fn started(batches: &[&[&str]]) -> RunEvent {
    let names = |batch: &&[&str]| batch.iter().map(|&name| name.to_owned()).collect();
    RunEvent::Started {
        run_id: RUN.to_owned(),
        batches: batches.iter().map(names).collect(),
    }
}

fn begins(host: &str) -> RunEvent {
    RunEvent::HostStarted { host: host.to_owned() }
}

/// What a run of three hosts tells until the third is under way.
fn most_of_a_run() -> Vec<RunEvent> {
    vec![
        started(&[&["web1"], &["web2", "web3"]]),
        RunEvent::BatchStarted(1),
        begins("web1"),
        RunEvent::Step {
            host: "web1".to_owned(),
            step: Step::Connect,
            detail: String::new(),
        },
        finished("web1", EndState::Confirmed, Some(7)),
        RunEvent::BatchFinished {
            batch: 1,
            verdict: "0 of 1 failed".to_owned(),
        },
        RunEvent::BatchStarted(2),
        begins("web2"),
        begins("web3"),
        finished("web2", EndState::Failed, None),
    ]
}

fn outcome(hosts: &[(&str, EndState)]) -> Outcome {
    let hosts = hosts
        .iter()
        .map(|&(name, state)| (name.to_owned(), report(state, Some(8))));
    Outcome {
        hosts: hosts.collect(),
        ..Outcome::default()
    }
}

/// A journal with these events; not ended.
fn written(journals: &Journals, run: &str, events: &[RunEvent]) -> Journal {
    let mut journal = journals.begin(&head(run)).unwrap();
    for event in events {
        journal.event(event);
    }
    journal
}

fn file(home: &tempfile::TempDir, name: &str) -> PathBuf {
    home.path().join("state/runs").join(name)
}

#[test]
fn a_run_is_read_as_it_was_written() {
    let (home, journals) = journals();
    let mut journal = written(&journals, RUN, &most_of_a_run());
    journal.event(&RunEvent::Dialogue {
        host: "web1".to_owned(),
        level: 1,
        line: "> observe".to_owned(),
    });
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home.path().join("state/runs")), 0o700);
    assert_eq!(mode(&file(&home, &format!("{RUN}.jsonl"))), 0o600);

    let past = journals.read(RUN).unwrap();
    assert!(past.is_live && past.ending() == Ending::Running && past.is_unfinished());
    assert_eq!(past.head, Some(head(RUN)));
    assert_eq!(past.batches, [vec!["web1"], vec!["web2", "web3"]]);
    assert_eq!(past.ended().iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["web1"]);
    assert_eq!(past.host_report("web3").unwrap().state, EndState::Unknown);
    assert!(matches!(journals.to_retry(RUN), Err(Error::Live { by, .. }) if by.contains("4711 on laptop, ann@laptop")));

    drop(journal);
    let past = journals.read(RUN).unwrap();
    assert_eq!(past.ending(), Ending::Killed);
    assert_eq!(journals.to_retry(RUN).unwrap(), ["web2", "web3"]);
    let text = fs::read_to_string(file(&home, &format!("{RUN}.jsonl"))).unwrap();
    assert!(text.ends_with('\n') && !text.contains("observe"), "{text}");
}

#[test]
fn only_one_controller_writes_a_journal_and_goes_on_behind_a_cut_line() {
    let (home, journals) = journals();
    let journal = written(&journals, RUN, &most_of_a_run());
    assert!(matches!(journals.go_on(RUN), Err(Error::Live { .. })));
    assert!(journals.begin(&head(RUN)).is_err(), "there is one already");
    drop(journal);
    let path = file(&home, &format!("{RUN}.jsonl"));
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 9]).unwrap();

    let mut journal = journals.go_on(RUN).unwrap();
    assert_eq!(
        journal.past().unwrap().host_report("web2").unwrap().state,
        EndState::Unknown
    );
    journal.resumed(somebody("bob@desk"));
    journal.event(&begins("web2"));
    journal.event(&finished("web2", EndState::Confirmed, Some(3)));
    let states = [
        ("web1", EndState::Confirmed),
        ("web2", EndState::Confirmed),
        ("web3", EndState::Skipped),
    ];
    let retry = journal.finish(&outcome(&states)).unwrap();
    assert_eq!(retry, Some(format!("{RUN}.retry")));
    assert_eq!(
        fs::read_to_string(file(&home, &format!("{RUN}.retry"))).unwrap(),
        "web3\n"
    );

    let past = journals.read(RUN).unwrap();
    assert_eq!(past.ending(), Ending::Done);
    assert_eq!(past.host_report("web2").unwrap().generation, Some(3));
    assert_eq!(past.resumed, Some(somebody("bob@desk")));

    let journal = journals.go_on(RUN).unwrap();
    assert_eq!(
        journal.finish(&outcome(&[("web3", EndState::Unchanged)])).unwrap(),
        None
    );
    assert!(!file(&home, &format!("{RUN}.retry")).exists());
}

#[test]
fn a_run_that_was_being_taken_back_is_taken_back_further() {
    let (_home, journals) = journals();
    let reverts = |hosts: &[&str]| RunEvent::RevertStarted {
        hosts: hosts.iter().map(|&name| name.to_owned()).collect(),
        why: "1 of 2 failed".to_owned(),
    };
    let reverted = |host: &str, state| RunEvent::HostReverted {
        host: host.to_owned(),
        report: Box::new(report(state, Some(6))),
    };
    let mut journal = written(&journals, RUN, &most_of_a_run());
    journal.event(&finished("web3", EndState::Confirmed, Some(9)));
    journal.event(&reverts(&["web3", "web1"]));
    journal.event(&reverted("web3", EndState::RolledBack));
    journal.event(&reverted("web1", EndState::NotRolledBack));
    drop(journal);
    let past = journals.read(RUN).unwrap();
    assert_eq!(past.reverting(), Some(vec!["web1"]));
    let ended: Vec<_> = past
        .ended()
        .into_iter()
        .map(|(name, report)| (name, report.state, report.generation))
        .collect();
    let expected = [
        // As its change ended: that is what is to be taken back.
        ("web1", EndState::Confirmed, Some(7)),
        ("web2", EndState::Failed, None),
        ("web3", EndState::RolledBack, Some(6)),
    ];
    assert_eq!(ended, expected);
}

#[test]
fn runs_are_found_by_the_beginning_of_their_names() {
    let (_home, journals) = journals();
    assert!(matches!(journals.find("last"), Err(Error::NoRuns)));
    for run in ["20261123T1-a", "20261123T2-a", "20261124T1-a"] {
        drop(written(&journals, run, &[]));
    }
    assert_eq!(
        journals.list().unwrap(),
        ["20261124T1-a", "20261123T2-a", "20261123T1-a"]
    );
    assert_eq!(journals.find("last").unwrap(), "20261124T1-a");
    assert_eq!(journals.find("20261123T2").unwrap(), "20261123T2-a");
    assert!(matches!(journals.find("20261123"), Err(Error::Ambiguous { .. })));
    for none in ["", "2027", "../20261123T1-a", "\u{1b}[31m"] {
        let error = journals.find(none).unwrap_err();
        assert!(matches!(error, Error::NoSuchRun(_)), "{none}");
        assert!(!error.to_string().contains('\u{1b}'), "{error}");
    }
}

#[test]
fn the_oldest_runs_go_but_none_that_lives() {
    let (home, journals) = journals();
    let runs: Vec<String> = (0..8).map(|number| format!("20261123T{number}-a")).collect();
    let kept = |numbers: &[usize]| numbers.iter().map(|&number| runs[number].clone()).collect::<Vec<_>>();
    let living = written(&journals, &runs[0], &[]);
    for run in &runs[1..] {
        let journal = written(&journals, run, &most_of_a_run());
        journal.finish(&outcome(&[("web1", EndState::Failed)])).unwrap();
    }
    let old = fs::File::create(file(&home, ".newabc")).unwrap();
    old.set_modified(SystemTime::now() - 2 * ABANDONED).unwrap();
    fs::write(file(&home, ".newer"), "").unwrap();

    journals.prune_to(5, u64::MAX);
    assert_eq!(journals.list().unwrap(), kept(&[7, 6, 5, 4, 3, 0]));
    assert!(!file(&home, &format!("{}.retry", runs[1])).exists());
    assert!(file(&home, &format!("{}.retry", runs[7])).exists());
    assert!(!file(&home, ".newabc").exists() && file(&home, ".newer").exists());

    let size = fs::metadata(file(&home, &format!("{}.jsonl", runs[7]))).unwrap().len();
    journals.prune_to(5, 2 * size + size / 2);
    assert_eq!(journals.list().unwrap(), kept(&[7, 6, 0]));
    drop(living);
    journals.prune_to(1, u64::MAX);
    assert_eq!(journals.list().unwrap(), kept(&[7]));
}

#[test]
fn a_journal_that_cannot_be_written_is_an_error_that_names_it() {
    let (home, journals) = journals();
    fs::write(home.path().join("state"), "a file").unwrap();
    let error = journals.begin(&head(RUN)).unwrap_err();
    assert!(error.to_string().contains("state/runs"), "{error}");
    assert!(matches!(Journals(None).begin(&head(RUN)), Err(Error::NoHome)));
    Journals(None).prune();
}

#[test]
fn a_limit_finds_the_hosts_to_try_again() {
    let (home, journals) = journals();
    drop(written(&journals, RUN, &most_of_a_run()));
    let world = InMemory::default().file("mine.retry", "web9\n");
    let retries = Retries::new(world, journals);
    let read = |name: &str| {
        retries
            .read(Path::new(name))
            .map(|bytes| String::from_utf8(bytes).unwrap())
    };
    for name in ["last.retry", "2026.retry", &format!("{RUN}.retry")] {
        assert_eq!(read(name).unwrap(), "web2\nweb3", "{name}");
        assert_eq!(retries.kind(Path::new(name)), Some(Kind::File { executable: false }));
    }
    assert_eq!(read("mine.retry").unwrap(), "web9\n");
    fs::write(file(&home, &format!("{RUN}.retry")), "web3\n").unwrap();
    assert_eq!(read("last.retry").unwrap(), "web3");
    for none in ["last", "2027.retry", "/last.retry", "x/last.retry", "../last.retry"] {
        assert_eq!(retries.kind(Path::new(none)), None, "{none}");
        assert!(read(none).is_err(), "{none}");
    }
}

#[test]
fn ten_thousand_hosts_are_read() {
    let (_home, journals) = journals();
    let names: Vec<String> = (0..10_000).map(|number| format!("web{number}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut events = vec![started(&[&all])];
    for name in &names {
        events.push(begins(name));
        events.extend((0..10).map(|_| RunEvent::Step {
            host: name.clone(),
            step: Step::Verify,
            detail: "login on port 2222, mapped ports, direct access".to_owned(),
        }));
        events.push(finished(name, EndState::Confirmed, Some(3)));
    }
    let journal = written(&journals, RUN, &events);
    drop(journal);
    let past = journals.read(RUN).unwrap();
    assert_eq!(past.outcome().count(EndState::Confirmed), 10_000);
    assert_eq!(past.ended().len(), 10_000);
}

static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let (home, journals) = journals();
    let journal = written(&journals, RUN, &most_of_a_run());
    journal.finish(&outcome(&[("web1", EndState::Confirmed)])).unwrap();
    fs::read(file(&home, &format!("{RUN}.jsonl"))).unwrap()
});

proptest! {
    #[test]
    fn whatever_is_cut_or_damaged_is_read(
        cut in 0_usize..3000,
        damage in prop::collection::vec((0_usize..3000, any::<u8>()), 0..8),
    ) {
        let mut text = WHOLE.clone();
        text.truncate(cut);
        for (at, byte) in damage {
            if let Some(place) = text.get_mut(at) {
                *place = byte;
            }
        }
        let past = Past::read(RUN, false, text.as_slice()).unwrap();
        let style = style(false);
        let _ = shown(&past, &style, Look { width: Some(80), rows: Some(24), color: true });
        let _ = runs(std::slice::from_ref(&past), &style);
        prop_assert!(past.ended().len() <= past.outcome().hosts.len());
        prop_assert!(past.to_retry().len() <= past.outcome().hosts.len());
    }

    #[test]
    fn what_is_cut_tells_of_no_more_hosts_than_the_whole(cut in 0_usize..3000) {
        let text = &*WHOLE;
        let cut = text.get(..cut).unwrap_or(text);
        let past = Past::read(RUN, false, cut).unwrap();
        let whole = Past::read(RUN, false, text.as_slice()).unwrap();
        for (name, report) in past.ended() {
            prop_assert_eq!(&whole.host_report(name).unwrap(), report);
        }
    }
}

#[test]
fn what_is_no_journal_is_read_too() {
    for text in [
        &b""[..],
        b"\n\n\0\0",
        br#"{"time":"2026-11-23T03:20:29Z","event":"run","format":9,"run_id":"x"}"#,
        br#"{"time":"2026-11-23T03:20:29Z","event":"run","format":99,"run_id":"x","program":"9","operator":"a","machine":"b","pid":1,"folder":"/","arguments":[],"withheld":0,"environment":[]}"#,
        br#"{"time":"yesterday","event":"started","batches":[]}"#,
        br#"{"time":7,"event":[]}"#,
    ] {
        let past = Past::read(RUN, false, text).unwrap();
        assert_eq!((past.head.as_ref(), past.ending()), (None, Ending::Killed));
        let _ = shown(&past, &style(false), PLAIN);
    }
}

const PLAIN: Look = Look {
    width: None,
    rows: None,
    color: false,
};

fn style(color: bool) -> Style {
    Style {
        zone: TimeZone::fixed(jiff::tz::offset(1)),
        color,
    }
}

/// A run of that time of day, and how it went on.
fn past(run: &str, lines: &[&str]) -> Past {
    let head = serde_json::to_string(&record::Record::Run(head(run))).unwrap();
    let first = format!(
        "{{\"time\":\"2026-11-23T03:20:00Z\",{}",
        head.strip_prefix('{').unwrap()
    );
    let text = [&[first.as_str()], lines].concat().join("\n");
    Past::read(run, false, text.as_bytes()).unwrap()
}

const STARTED: &str =
    r#"{"time":"2026-11-23T03:20:01Z","event":"started","run_id":"x","batches":[["web1"],["web2","web3"]]}"#;
const FIRST: &str = r#"{"time":"2026-11-23T03:20:03Z","event":"host_finished","host":"web1","state":"confirmed","generation":7,"batch":1,"reason":null,"rolled_back_by":null,"connections":2,"seconds":1.25,"mappings":[{"family":"ipv4","protocol":"tcp","port":2222,"to_port":22,"mapped":"open","direct":"closed"}]}"#;
const SECOND: &str = r#"{"time":"2026-11-23T03:20:06Z","event":"host_finished","host":"web2","state":"rolled_back","generation":4,"batch":2,"reason":"port 2222 is filtered","rolled_back_by":"controller","connections":2,"seconds":2.5,"mappings":[]}"#;

fn pasts() -> Vec<Past> {
    let stops = r#"{"time":"2026-11-23T03:20:06Z","event":"stopping","why":"1 of 2 failed in batch 2, budget 0"}"#;
    let skipped = r#"{"time":"2026-11-23T03:20:06Z","event":"host_finished","host":"web3","state":"skipped","generation":null,"batch":2,"reason":"not started","rolled_back_by":null,"connections":0,"seconds":0.0,"mappings":[]}"#;
    let reverts = r#"{"time":"2026-11-23T03:20:07Z","event":"revert_started","hosts":["web1"],"why":"1 of 2 failed in batch 2, budget 0"}"#;
    let reverted = FIRST
        .replace("host_finished", "host_reverted")
        .replace("confirmed", "rolled_back")
        .replace("03:20:03", "03:20:09");
    let failed = r#"{"time":"2026-11-23T03:20:09Z","event":"finished","run_id":"x","exit_code":2,"totals":{}}"#;
    let resumed =
        r#"{"time":"2026-11-23T05:00:00Z","event":"resumed","operator":"bob@desk","machine":"desk","pid":815}"#;
    let again = SECOND
        .replace("rolled_back\"", "confirmed\"")
        .replace("03:20:06", "05:00:04")
        .replace("\"port 2222 is filtered\"", "null");
    let done = failed
        .replace("\"exit_code\":2", "\"exit_code\":0")
        .replace("03:20:09", "05:00:05");
    vec![
        past(
            "20261123T032000Z-00400000",
            &[STARTED, FIRST, SECOND, resumed, STARTED, &again, &done],
        ),
        past(
            "20261123T032000Z-00300000",
            &[STARTED, FIRST, SECOND, stops, skipped, reverts, &reverted, failed],
        ),
        past("20261123T032000Z-00200000", &[STARTED, FIRST]),
        past("20261123T032000Z-00100000", &["garbage"]),
    ]
}

#[test]
fn the_table_of_runs() {
    insta::assert_snapshot!(runs(&pasts(), &style(false)));
    let colored = runs(&pasts(), &style(true));
    assert_eq!(console::strip_ansi_codes(&colored), runs(&pasts(), &style(false)));
}

#[test]
fn the_table_of_a_host() {
    let of_host = |past: Past| past.host_report("web2").map(|report| (past, report));
    let runs: Vec<_> = pasts().into_iter().filter_map(of_host).collect();
    insta::assert_snapshot!(runs_of_host(&runs, &style(false)));
    let documents: Vec<_> = runs
        .into_iter()
        .take(1)
        .map(|(past, host)| (past, Some(host)))
        .collect();
    insta::assert_snapshot!(document(&documents));
}

#[test]
fn a_run_is_shown_from_its_call_to_its_hosts() {
    let all: Vec<String> = pasts().iter().map(|past| shown(past, &style(false), PLAIN)).collect();
    insta::assert_snapshot!(all.join("\n----\n\n"));
}
