//! More than anybody needs: long files, deep values, aliases of aliases, ranges.

use super::*;

const MEGABYTE: usize = 1024 * 1024;

#[test]
fn a_file_of_100_mb() {
    let comment = [b"# ".to_vec(), vec![b'x'; 100 * MEGABYTE]].concat();
    let folder = Folder::new()
        .with("h.yml", &comment)
        .with("h.ini", "[web]\nhost1 a=1\n".repeat(100 * MEGABYTE / 16))
        .with("beside/hosts", "h\n")
        .with("beside/group_vars/all.yml", &comment)
        .with_script("script", "#!/bin/sh\ncat h.ini\n");
    for (source, file) in [
        ("h.yml", "h.yml has more than 64 MB"),
        ("h.ini", "h.ini has more than 64 MB"),
        ("beside/hosts", "beside/group_vars/all.yml has more than 64 MB"),
        ("script", "script"),
    ] {
        folder.refused(&["-i", source, "--list"], &[file]);
    }
    folder.refused(&["-i", "h,", "--list", "-e", "@h.yml"], &["h.yml has more than 64 MB"]);
    folder.refused(&["-i", "h,", "--list", "-l", "@h.yml"], &["h.yml"]);
}

/// Lists of lists, ten of each in the next.
fn bomb() -> String {
    lines(12, |at| match at {
        0 => "a0: &a0 [x, x, x, x, x, x, x, x, x, x]".to_owned(),
        _ => format!("a{at}: &a{at} [{}]", vec![format!("*a{}", at - 1); 10].join(", ")),
    })
}

/// Maps of maps, merged.
fn merged_bomb() -> String {
    lines(12, |at| {
        if at == 0 {
            return "a0: &a0 {k: v}".to_owned();
        }
        let entries: Vec<String> = (0..10).map(|key| format!("k{key}: *a{}", at - 1)).collect();
        format!("a{at}: &a{at} {{<<: *a{}, {}}}", at - 1, entries.join(", "))
    })
}

#[test]
fn aliases_of_aliases() {
    for bomb in [bomb(), merged_bomb()] {
        let inline = format!(
            "all: {{hosts: {{h: }}}}\nx:\n  vars:\n    {}",
            bomb.replace('\n', "\n    ")
        );
        let folder = Folder::new()
            .with("h.yml", inline)
            .with("group/hosts", "h\n")
            .with("group/group_vars/all.yml", &bomb)
            .with("host/hosts", "h\n")
            .with("host/host_vars/h/x.yaml", &bomb);
        let what = "the aliases up to here stand for more than";
        for (source, place) in [
            ("h.yml", "h.yml:"),
            ("group/hosts", "group/group_vars/all.yml:"),
            ("host/hosts", "host/host_vars/h/x.yaml:"),
        ] {
            folder.refused(&["-i", source, "--list"], &[what, place]);
            folder.refused(&["-i", source, "--check"], &[what, place]);
        }
        folder.refused(&["-i", "h,", "--list", "-e", "@group/group_vars/all.yml"], &[what]);
    }
}

#[test]
fn deep_values() {
    let (open, close) = ("[".repeat(200_000), "]".repeat(200_000));
    let folder = Folder::new()
        .with("flow.yml", format!("all: {{vars: {{x: {open}{close}}}}}"))
        .with("open.yml", format!("all: {{vars: {{x: {open}"))
        .with("h.json", format!(r#"{{"all": {{"vars": {{"x": {open}{close}}}}}}}"#))
        .with("block.yml", lines(3000, |at| format!("{}a:", " ".repeat(at))))
        .with("vars.json", format!(r#"{{"x": {open}{close}}}"#))
        .with_script("script", "#!/bin/sh\ncat h.json\n");
    for source in ["flow.yml", "open.yml", "h.json", "block.yml", "script"] {
        folder.refused(&["-i", source, "--list"], &["nested more than 64 deep", source]);
    }
    folder.refused(
        &["-i", "h,", "--list", "-e", "@vars.json"],
        &["nested more than 64 deep", "vars.json"],
    );
    folder.refused(
        &["-i", "h,", "--list", "-e", &format!("{{x: {}", &open[..50_000])],
        &["nested more than 64 deep"],
    );
}

/// A list that is not closed is no list to INI, but text.
#[test]
fn deep_values_of_ini_are_text() {
    let folder = Folder::new().with("h.ini", format!("h x={}\n", "[".repeat(200_000)));
    let run = folder.inventory(&["-i", "h.ini", "--list"]);
    assert_eq!(run.status, Some(0), "{}", run.stderr);
    run.check();
}

#[test]
fn ranges_of_a_million_hosts() {
    let folder = Folder::new()
        .with("h.yml", "all: {hosts: {'h[0:999999]': }}")
        .with("h.ini", "h[0:999999]\n")
        .with("product.ini", "h[000:999][000:999][000:999][000:999]\n")
        .with("huge.ini", "h[0:99999999999999999999999999]\n")
        .with("many.ini", lines(200, |at| format!("h{at}-[0:9999]")));
    for source in ["h.yml", "h.ini", "product.ini", "huge.ini"] {
        folder.refused(
            &["-i", source, "--list"],
            &["names more than 500000 hosts", &format!("{source}:1:")],
        );
    }
}
