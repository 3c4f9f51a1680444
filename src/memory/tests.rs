use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::SystemTime;

use super::*;

const NONE: [u16; 0] = [];
const ED: &str = "SHA256:1WABUFaQ9lQgFmknw6M/o6weB66g0Y5rWw+rSxhVzP8";
const RSA: &str = "SHA256:6gpNm1co2aj2hsAkz1j+8mUlAJ5Fr7Zg9qgsOlhMXes";

fn memory() -> (tempfile::TempDir, Memory) {
    let home = tempfile::tempdir().unwrap();
    let memory = Memory::at(home.path().join("state/portmap-deploy/ways-in"));
    (home, memory)
}

fn known<'a>(name: &'a str, keys: &'a [String]) -> Known<'a> {
    Known { name, keys }
}

fn files(home: &Path) -> Vec<String> {
    let entries = fs::read_dir(home.join("state/portmap-deploy/ways-in")).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_host_is_found_by_its_key_whatever_its_name_and_by_its_name() {
    let (_home, memory) = memory();
    assert!(memory.is_empty());
    assert_eq!(memory.recall(known("web1", &[])).unwrap(), NONE);
    memory.remember(known("web1", &[]), ED, &[2222, 22, 2222]).unwrap();
    assert!(!memory.is_empty());
    assert_eq!(memory.recall(known("web1", &[])).unwrap(), [2222, 22]);
    assert_eq!(memory.recall(known("renamed", &[])).unwrap(), NONE);
    assert_eq!(memory.recall(known("renamed", &[ED.to_owned()])).unwrap(), [2222, 22]);
}

#[test]
fn removed_ports_are_forgotten_also_when_the_key_s_type_changes() {
    let (home, memory) = memory();
    memory.remember(known("web1", &[]), ED, &[2222]).unwrap();
    memory.remember(known("web1", &[]), ED, &[2200]).unwrap();
    assert_eq!(memory.recall(known("web1", &[])).unwrap(), [2200]);

    let both = [ED.to_owned(), RSA.to_owned()];
    memory.remember(known("web1", &both), RSA, &[22]).unwrap();
    assert_eq!(memory.recall(known("web1", &both)).unwrap(), [22]);
    assert_eq!(files(home.path()).len(), 2);
}

#[test]
fn another_host_s_key_under_the_same_name_keeps_its_record() {
    let (_home, memory) = memory();
    memory.remember(known("old", &[]), RSA, &[2022]).unwrap();
    memory.remember(known("web1", &[RSA.to_owned()]), ED, &[2222]).unwrap();
    assert_eq!(memory.recall(known("old", &[])).unwrap(), [2022]);
}

#[test]
fn hosts_that_share_a_key_keep_their_ways() {
    let (_home, memory) = memory();
    memory.remember(known("web1", &[]), ED, &[2222, 22]).unwrap();
    memory.remember(known("web2", &[]), ED, &[2200, 22]).unwrap();
    assert_eq!(memory.recall(known("web1", &[])).unwrap(), [2200, 22, 2222]);
}

#[test]
fn only_the_owner_may_read_and_nothing_half_written_is_left() {
    let (home, memory) = memory();
    memory.remember(known("[2001:db8::1]:2222", &[]), ED, &[2222]).unwrap();
    let folder = home.path().join("state/portmap-deploy/ways-in");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let names = files(home.path());
    assert_eq!(names.len(), 2, "{names:?}");
    for name in names {
        assert_eq!(mode(&folder.join(&name)), 0o600, "{name}");
    }
}

#[test]
fn the_same_is_not_written_twice_until_it_is_old() {
    let (home, memory) = memory();
    let remember = || memory.remember(known("web1", &[]), ED, &[22]).unwrap();
    remember();
    let path = home.path().join("state/portmap-deploy/ways-in/name-web1");
    let set = |time| {
        fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(time)
            .unwrap();
    };
    let modified = || fs::metadata(&path).unwrap().modified().unwrap();
    let yesterday = SystemTime::now() - Duration::from_secs(24 * 60 * 60);
    set(yesterday);
    remember();
    assert_eq!(modified(), yesterday);
    set(SystemTime::now() - STALE);
    remember();
    assert!(modified() > yesterday);
}

#[test]
fn damaged_records_are_none_and_are_replaced() {
    let (home, memory) = memory();
    memory.remember(known("web1", &[]), ED, &[22]).unwrap();
    let folder = home.path().join("state/portmap-deploy/ways-in");
    for damage in [
        "",
        "{\"name\":",
        "[1, 2]",
        "\u{0}\u{0}",
        "{\"name\":\"\",\"ports\":[70000]}",
    ] {
        for name in files(home.path()) {
            fs::write(folder.join(name), damage).unwrap();
        }
        assert_eq!(
            memory.recall(known("web1", &[ED.to_owned()])).unwrap(),
            NONE,
            "{damage:?}"
        );
        memory.remember(known("web1", &[]), ED, &[2222]).unwrap();
        assert_eq!(memory.recall(known("web1", &[])).unwrap(), [2222]);
    }
}

#[test]
fn a_folder_that_cannot_be_is_an_error_with_its_place_and_no_more() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("state"), "a file").unwrap();
    let memory = Memory::at(home.path().join("state/portmap-deploy"));
    assert_eq!(memory.recall(known("web1", &[])).unwrap(), NONE);
    let error = memory.remember(known("web1", &[]), ED, &[22]).unwrap_err().to_string();
    assert!(
        error.contains("cannot write") && error.contains("state/portmap-deploy"),
        "{error}"
    );
    memory.prune();
    assert_eq!(Memory::none().recall(known("web1", &[])).unwrap(), NONE);
    Memory::none().remember(known("web1", &[]), ED, &[22]).unwrap();
}

#[test]
fn runs_side_by_side_never_see_half_a_record() {
    let (_home, memory) = memory();
    memory.remember(known("web1", &[]), ED, &[1, 2]).unwrap();
    std::thread::scope(|scope| {
        for ports in [[1, 2], [3, 4], [5, 6]] {
            let memory = &memory;
            scope.spawn(move || {
                for _ in 0..100 {
                    memory.remember(known("web1", &[]), ED, &ports).unwrap();
                    let found = memory.recall(known("web1", &[])).unwrap();
                    assert!([[1, 2], [3, 4], [5, 6]].contains(&[found[0], found[1]]), "{found:?}");
                }
            });
        }
    });
}

#[test]
fn what_a_killed_writer_left_is_taken_away() {
    let (home, memory) = memory();
    memory.remember(known("web1", &[]), ED, &[22]).unwrap();
    let folder = home.path().join("state/portmap-deploy/ways-in");
    for (name, age) in [(".newold", 7200), (".newyoung", 10)] {
        let file = fs::File::create(folder.join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    }
    memory.prune();
    let names = files(home.path());
    assert!(!names.contains(&".newold".to_owned()) && names.contains(&".newyoung".to_owned()));
    assert_eq!(names.len(), 3);
}
