//! Files that are none, or are not what they seem to be.

use super::*;

#[test]
fn text_that_is_no_inventory() {
    let folder = Folder::new()
        .with("h.yml", "all: {hosts: {h: }\n")
        .with("h.json", r#"{"all": {"hosts": {"h": }}"#)
        .with("h.ini", "[web\nh1\n")
        .with("latin.yml", b"all:\n  hosts:\n    h: {a: \xe9}\n")
        .with("latin.ini", b"[web]\nh a=\xe9\n")
        .with("zero.yml", b"all:\n  hosts: {h: {a: \0}}\n");
    for (file, place) in [
        ("h.yml", "h.yml:2:1"),
        ("h.json", "h.json:1:"),
        ("h.ini", "h.ini:1:1"),
        ("latin.yml", "latin.yml is not UTF-8 text: line 3"),
        ("latin.ini", "latin.ini is not UTF-8 text: line 2"),
        ("zero.yml", "zero.yml:2:"),
    ] {
        folder.refused(&["-i", file, "--list"], &[place]);
        folder.refused(&["-i", file, "--check"], &[place]);
    }
}

#[test]
fn groups_that_form_a_circle() {
    let folder = Folder::new()
        .with("h.ini", "[a:children]\nb\n[b:children]\na\n")
        .with("h.yml", "a: {children: {b: {children: {a: }}}}")
        .with("own.yml", "a: {children: {a: }}")
        .with("one.yml", "a: {children: {b: }}")
        .with("two.yml", "b: {children: {a: }}");
    folder.refused(&["-i", "h.ini", "--list"], &["groups form a circle: ", "h.ini:"]);
    folder.refused(&["-i", "h.yml", "--list"], &["groups form a circle: ", "h.yml:1:"]);
    folder.refused(&["-i", "own.yml", "--list"], &["cannot be its own child", "own.yml:1:"]);
    folder.refused(
        &["-i", "one.yml", "-i", "two.yml", "--list"],
        &["groups form a circle: "],
    );
}

#[test]
fn scripts_that_do_not_answer() {
    let folder = Folder::new()
        .with_script("fails", "#!/bin/sh\necho no cloud today >&2\nexit 3\n")
        .with_script("dies", "#!/bin/sh\nkill -9 $$\n")
        .with_script("talks", "#!/bin/sh\necho no json\n")
        .with_script("lists", "#!/bin/sh\necho '[1]'\n")
        .with_script("endless", "#!/bin/sh\nexec yes\n")
        .with_script("lost", "#!/no/such/interpreter\n");
    for (script, what) in [
        ("fails", "no cloud today"),
        ("dies", "dies"),
        ("talks", "this is not JSON"),
        ("lists", "lists"),
        ("endless", "prints more than any inventory needs"),
        ("lost", "lost"),
    ] {
        folder.refused(&["-i", script, "--list"], &[what, script]);
    }
}

#[test]
fn things_that_are_no_files() {
    let folder = Folder::new()
        .with_link("dangling", "nowhere")
        .with_link("itself", "itself")
        .with_link("zero", "/dev/zero")
        .with("none/group_vars/all", "a: 1");
    folder.refused(&["-i", "missing", "--list"], &["the inventory missing does not exist"]);
    folder.refused(
        &["-i", "dangling", "--list"],
        &["the inventory dangling does not exist"],
    );
    folder.refused(&["-i", "itself", "--list"], &["itself"]);
    folder.refused(&["-i", "zero", "--list"], &["zero: it is a device"]);
    folder.refused(&["-i", "none", "--list"], &["the folder none holds no inventory"]);
    folder.refused(&["-i", "h,", "--list", "-e", "@none"], &["cannot read none"]);
    folder.refused(&["-i", "h,", "--list", "-e", "@missing"], &["cannot read missing"]);
    folder.refused(&["-i", "h,", "--list", "-e", "@zero"], &["cannot read zero"]);
    folder.refused(
        &["-i", "h,", "--list", "-l", "@none"],
        &["none, which the limit names, is a folder"],
    );
    folder.refused(&["-i", "h,", "--list", "-l", "@missing"], &["no file missing"]);
}

#[test]
fn vars_files_that_cannot_be_read() {
    let host = "h\n";
    let folder = Folder::new()
        .with("yaml/hosts", host)
        .with("yaml/host_vars/h.yml", "a: [1")
        .with("list/hosts", host)
        .with("list/group_vars/all.yml", "[1]")
        .with("latin/hosts", host)
        .with("latin/group_vars/all/x.yml", b"a: \xe9")
        .with("device/hosts", host)
        .with_link("device/group_vars/all.yml", "/dev/zero");
    for (source, place) in [
        ("yaml/hosts", "yaml/host_vars/h.yml:1:"),
        ("list/hosts", "list/group_vars/all.yml:1:1"),
        ("latin/hosts", "latin/group_vars/all/x.yml is not UTF-8"),
        ("device/hosts", "device/group_vars/all.yml: it is a device"),
    ] {
        folder.refused(&["-i", source, "--list"], &[place]);
        folder.refused(&["-i", source, "--check"], &[place]);
        // No variable is asked for.
        assert_eq!(folder.inventory(&["-i", source, "--list-hosts"]).stdout, host);
    }
}

/// Each link would be followed as often as there are folders above it, and each of these by all links again.
#[test]
fn folders_that_lead_to_themselves() {
    let folder = Folder::new()
        .with("sources/hosts", "h\n")
        .with_link("sources/a", ".")
        .with_link("sources/b", ".")
        .with_link("sources/c", ".")
        .with("vars/hosts", "h\n")
        .with("vars/group_vars/all/a.yml", "a: 1")
        .with_link("vars/group_vars/all/b", ".")
        .with_link("vars/group_vars/all/c", ".");
    folder.refused(&["-i", "sources", "--list"], &["sources/a/a/a", "nested more than"]);
    folder.refused(
        &["-i", "vars/hosts", "--list"],
        &["vars/group_vars/all/b/b", "nested more than"],
    );
}

/// To root every file is readable, so another user asks.
#[test]
fn files_of_others() {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let program = env!("CARGO_BIN_EXE_portmap-deploy");
    let folder = Folder::new().with("private/hosts", "h\n").with("hosts", "h\n");
    for (name, mode) in [("private", 0o700), ("hosts", 0o600), ("", 0o755)] {
        fs::set_permissions(folder.path(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    // The program itself may lie in a folder that the other user cannot enter.
    fs::copy(program, folder.path("program")).unwrap();
    let asked = |source: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        let output = command
            .arg(folder.path("program"))
            .args(["inventory", "--list", "-i", source])
            .current_dir(folder.path(""))
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    if !is_root {
        return;
    }
    let (status, stderr) = asked("hosts");
    assert_eq!(status, Some(1));
    assert!(
        stderr.contains("cannot read hosts: ") && stderr.contains("ls -l hosts"),
        "{stderr}"
    );
    let (status, stderr) = asked("private/hosts");
    assert_eq!(status, Some(1));
    assert!(stderr.contains("private/hosts"), "{stderr}");
}
