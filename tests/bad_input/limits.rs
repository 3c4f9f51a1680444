//! Limits that are no help.

use super::*;

fn hosts() -> Folder {
    Folder::new().with(
        "hosts",
        "[web]\nweb[0:299]\n[long]\n".to_owned() + &"a".repeat(200) + "b\n",
    )
}

#[test]
fn ten_thousand_terms() {
    let globs = lines(10_000, |at| format!("w*{at}"));
    let unknown = lines(10_000, |at| format!("unknown{at}"));
    let folder = hosts().with("globs", &globs).with("unknown", &unknown);
    let run = folder.inventory(&["-i", "hosts", "--list-hosts", "-l", "@globs"]);
    assert_eq!(
        (run.status, run.stdout.lines().count()),
        (Some(0), 300),
        "{}",
        run.stderr
    );
    run.check();
    let run = folder.inventory(&["-i", "hosts", "--list-hosts", "-l", &globs.replace('\n', ",")]);
    assert_eq!(
        (run.status, run.stdout.lines().count()),
        (Some(0), 300),
        "{}",
        run.stderr
    );
    run.check();
    folder.refused(
        &["-i", "hosts", "--check", "-l", "@unknown"],
        &["no host or group matches `unknown199`", "and 9800 more"],
    );
}

#[test]
fn expressions_that_take_for_ever() {
    let folder = hosts();
    for limit in [
        "~(a+)+$c",
        "~(a|aa)+$c",
        "~(?=(a+)+$)x",
        "~(.*)(.*)(.*)(.*)(.*)\\1\\2\\3\\4\\5x",
        "~(a{1000}){1000}",
        "~(((((((((((a*)*)*)*)*)*)*)*)*)*)*)c",
        "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*c",
    ] {
        folder.refused(&["-i", "hosts", "--list-hosts", "-l", limit], &[]);
        folder.refused(&["-i", "hosts", "--check", "-l", limit], &[]);
    }
    let deep = format!("~{}a{}", "(".repeat(20_000), ")".repeat(20_000));
    folder.refused(&["-i", "hosts", "--list-hosts", "-l", &deep], &["is no host pattern"]);
}

#[test]
fn files_that_are_no_text() {
    let folder = hosts().with("latin", b"web1\n\xe9\n");
    folder.refused(
        &["-i", "hosts", "--list", "-l", "@latin"],
        &["the limit's file latin: it is not UTF-8"],
    );
}
