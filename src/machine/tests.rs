use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::thread;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

const SH: &str = "/bin/sh";

fn machine() -> Machine {
    Machine::default()
}

fn impatient() -> Machine {
    Machine::new(Duration::from_millis(300))
}

fn sh(machine: Machine, script: &str) -> io::Result<Answer> {
    machine.run(Path::new(SH), &["-c", script])
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn file(folder: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

fn fifo(folder: &Path) -> PathBuf {
    let path = folder.join("pipe");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    path
}

/// Runs a file, once nobody writes to it any more: a process that another test starts just now may still hold it.
fn run(program: &Path) -> io::Result<Answer> {
    loop {
        match machine().run(program, &["--list"]) {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => thread::yield_now(),
            other => return other,
        }
    }
}

#[test]
fn files_are_read_whole() {
    let folder = folder();
    let path = file(folder.path(), "hosts", "a\nb\n", 0o600);
    assert_eq!(machine().read(&path).unwrap(), b"a\nb\n");
    assert_eq!(
        machine().read(&folder.path().join("none")).unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
    assert_eq!(
        machine().read(folder.path()).unwrap_err().kind(),
        io::ErrorKind::IsADirectory
    );
}

#[test]
fn a_file_may_be_as_large_as_the_bound_and_no_larger() {
    let folder = folder();
    let path = folder.path().join("large");
    let large = fs::File::create(&path).unwrap();
    large.set_len(MAX_BYTES).unwrap();
    assert_eq!(machine().read(&path).unwrap().len() as u64, MAX_BYTES);
    large.set_len(MAX_BYTES + 1).unwrap();
    assert_eq!(machine().read(&path).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
}

#[test]
fn devices_are_not_read_but_null_is_empty() {
    assert_eq!(machine().read(Path::new("/dev/null")).unwrap(), b"");
    for device in ["/dev/zero", "/dev/urandom", "/dev/full"] {
        let error = machine().read(Path::new(device)).unwrap_err();
        assert_eq!(error.to_string(), "it is a device and not a file", "{device}");
    }
}

#[test]
fn a_pipe_of_a_shell_is_read_to_its_end() {
    for (script, expected) in [("echo a; sleep 0.2; echo b", "a\nb\n"), ("exit 0", "")] {
        let mut writer = std::process::Command::new(SH)
            .args(["-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pipe = writer.stdout.take().unwrap();
        let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&pipe));
        assert_eq!(machine().read(Path::new(&path)).unwrap(), expected.as_bytes());
        writer.wait().unwrap();
    }
}

#[test]
fn a_pipe_whose_writer_has_ended_is_still_read() {
    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(b"all").unwrap();
    drop(writer);
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
    assert_eq!(machine().read(Path::new(&path)).unwrap(), b"all");
    assert_eq!(
        machine().read(Path::new(&path)).unwrap(),
        b"",
        "it is empty now, and nobody is waited for"
    );
}

#[test]
fn a_pipe_waits_for_its_writer_but_not_for_ever() {
    let folder = folder();
    let path = fifo(folder.path());
    assert_eq!(impatient().read(&path).unwrap_err().kind(), io::ErrorKind::TimedOut);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(100));
            fs::write(&path, "late").unwrap();
        });
        assert_eq!(machine().read(&path).unwrap(), b"late");
    });
}

#[test]
fn a_pipe_that_stays_open_ends_with_patience() {
    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(b"begun").unwrap();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
    assert_eq!(
        impatient().read(Path::new(&path)).unwrap_err().kind(),
        io::ErrorKind::TimedOut
    );
}

#[test]
fn names_come_in_the_order_of_their_bytes() {
    let folder = folder();
    for name in ["b", "a", "B", "é", ".x"] {
        file(folder.path(), name, "", 0o600);
    }
    let odd = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff");
    fs::write(folder.path().join(odd), "").unwrap();
    assert_eq!(machine().list(folder.path()).unwrap(), [".x", "B", "a", "b", "é"]);
    assert!(machine().list(&folder.path().join("a")).is_err());
}

#[test]
fn kinds_follow_links_and_look_at_who_may_run() {
    let folder = folder();
    let at = |name: &str| machine().kind(&folder.path().join(name));
    file(folder.path(), "plain", "", 0o644);
    file(folder.path(), "program", "", 0o755);
    fs::create_dir(folder.path().join("folder")).unwrap();
    for (link, to) in [
        ("link", "program"),
        ("dangling", "nowhere"),
        ("loop", "loop"),
        ("inside", "folder"),
    ] {
        std::os::unix::fs::symlink(to, folder.path().join(link)).unwrap();
    }
    let file = |executable| Some(Kind::File { executable });
    assert_eq!(at("plain"), file(false));
    assert_eq!(at("program"), file(true));
    assert_eq!(at("link"), file(true));
    assert_eq!(at("folder"), Some(Kind::Folder));
    assert_eq!(at("inside"), Some(Kind::Folder));
    assert_eq!(at("dangling"), None);
    assert_eq!(at("loop"), None);
    assert_eq!(at("plain/below"), None);
}

#[test]
fn folders_that_anybody_may_write_to() {
    let folder = folder();
    assert!(!machine().is_world_writable(folder.path()));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    assert!(machine().is_world_writable(folder.path()));
    assert!(!machine().is_world_writable(&folder.path().join("none")));
}

#[test]
fn a_script_answers_on_both_streams() {
    let answer = sh(machine(), "echo out; echo err >&2; exit 3").unwrap();
    assert_eq!(answer.status, Some(3));
    assert_eq!(answer.stdout, b"out\n");
    assert_eq!(answer.stderr, "err\n");
}

#[test]
fn a_script_has_no_input() {
    assert_eq!(sh(machine(), "cat; echo end").unwrap().stdout, b"end\n");
}

#[test]
fn much_on_both_streams_is_taken_in_without_a_deadlock() {
    let answer = sh(machine(), "head -c 3000000 /dev/zero | tee /dev/stderr").unwrap();
    assert_eq!(answer.stdout.len(), 3_000_000);
    assert_eq!(
        answer.stderr.len(),
        64 * 1024,
        "of standard error only the beginning is kept"
    );
}

#[test]
fn a_signal_leaves_no_status() {
    assert_eq!(sh(machine(), "echo a; kill -9 $$").unwrap().status, None);
}

#[test]
fn a_script_that_hangs_is_ended_with_all_it_started() {
    let folder = folder();
    let path = folder.path().join("pids");
    let script = format!(
        "sleep 100 & echo $! > {0}; echo $$ >> {0}; exec sleep 100",
        path.display()
    );
    let started = Instant::now();
    assert_eq!(sh(impatient(), &script).unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(started.elapsed() < Duration::from_secs(10));
    let pids = fs::read_to_string(&path).unwrap();
    assert_eq!(pids.lines().count(), 2);
    for pid in pids.lines() {
        assert!(has_ended(pid), "{pid} still runs");
    }
}

/// Killed, at most not buried yet by whoever inherited it.
fn has_ended(pid: &str) -> bool {
    let is_over = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.map_or(true, |stat| stat.contains(") Z "))
    };
    (0..100).any(|_| {
        thread::sleep(Duration::from_millis(10));
        is_over()
    })
}

#[test]
fn an_endless_answer_is_ended() {
    for script in ["exec cat /dev/zero", "exec cat /dev/zero >&2"] {
        assert_eq!(
            sh(machine(), script).unwrap_err().kind(),
            io::ErrorKind::FileTooLarge,
            "{script}"
        );
    }
}

#[test]
fn whoever_keeps_standard_output_is_waited_for_with_patience() {
    let answer = sh(machine(), "(sleep 0.2; echo late) & echo soon").unwrap();
    assert_eq!(answer.stdout, b"soon\nlate\n");
    assert_eq!(
        sh(impatient(), "sleep 100 & echo a").unwrap_err().kind(),
        io::ErrorKind::TimedOut
    );
    let escaped = "setsid sleep 3 & sleep 0.1; echo a";
    assert_eq!(sh(impatient(), escaped).unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[test]
fn whoever_keeps_standard_error_is_not_waited_for() {
    let started = Instant::now();
    let answer = sh(machine(), "sleep 2 > /dev/null & echo a; echo b >&2").unwrap();
    assert_eq!((answer.stdout.as_slice(), answer.stderr.as_str()), (&b"a\n"[..], "b\n"));
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_script_that_closes_its_output_early_is_waited_for() {
    let answer = sh(machine(), "echo a; exec >&- 2>&-; sleep 0.2; exit 4").unwrap();
    assert_eq!((answer.status, answer.stdout.as_slice()), (Some(4), &b"a\n"[..]));
}

#[test]
fn files_are_run_by_their_first_line() {
    let folder = folder();
    let script = file(folder.path(), "hosts.sh", "#!/bin/sh\necho \"$@\"; pwd\n", 0o755);
    let answer = run(&script).unwrap();
    let here = machine().current_folder();
    assert_eq!(
        String::from_utf8(answer.stdout).unwrap(),
        format!("--list\n{}\n", here.display())
    );
}

#[test]
fn what_cannot_be_run_says_why() {
    let folder = folder();
    let plain = file(folder.path(), "plain", "#!/bin/sh\n", 0o644);
    assert_eq!(run(&plain).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    let lost = file(folder.path(), "lost", "#!/no/such/interpreter\n", 0o755);
    assert_eq!(
        run(&lost).unwrap_err().to_string(),
        "the interpreter that its first line names is missing"
    );
    let none = run(&folder.path().join("none")).unwrap_err();
    assert_eq!(none.kind(), io::ErrorKind::NotFound);
    assert!(!none.to_string().contains("interpreter"), "{none}");
    let data = file(folder.path(), "data", "[web]\na\n", 0o755);
    assert!(
        run(&data).is_err(),
        "a list of hosts that may be run by mistake is not given to a shell"
    );
    let name = run(Path::new("sh")).unwrap_err();
    assert_eq!(
        name.kind(),
        io::ErrorKind::NotFound,
        "a name is of the current folder and not of PATH"
    );
}

#[test]
fn programs_are_found_in_the_search_path() {
    let sh = machine().find_program("sh").unwrap();
    assert!(sh.is_absolute() && sh.ends_with("sh"), "{sh:?}");
    assert_eq!(machine().find_program(SH), Some(SH.into()));
    assert_eq!(machine().find_program("no-such-program-here"), None);
    assert_eq!(machine().find_program("/etc/passwd"), None, "it may not be run");
    assert_eq!(machine().find_program("/"), None);
    assert_eq!(machine().find_program(""), None);
}

#[test]
fn the_environment_is_asked() {
    assert_eq!(machine().variable("CARGO_PKG_NAME").as_deref(), Some("portmap-deploy"));
    assert_eq!(machine().variable("NO_SUCH_VARIABLE"), None);
    assert_eq!(machine().variable("A=B\0"), None);
    assert_eq!(machine().current_folder(), env::current_dir().unwrap());
}
