//! How labs come up and go: whole, or not at all, and leaving nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use portmap_deploy::lab::Process;
use support::lab::{Controller, Lab, await_true, said};

/// Processes, zombies aside, that were started for the lab of that name.
fn processes(name: &str) -> Vec<String> {
    let mark = format!("LAB_SCRATCH=/run/portmap-deploy-lab/{name}/");
    let of_lab = |folder: &std::path::PathBuf| {
        let environment = std::fs::read(folder.join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment)
            .split('\0')
            .any(|variable| variable.starts_with(&mark))
    };
    let all = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| Some(entry.ok()?.path()));
    all.filter(of_lab)
        .map(|folder| std::fs::read_to_string(folder.join("stat")).unwrap_or_default())
        .collect()
}

/// All processes in the network namespaces of a lab.
fn inhabitants(lab: &Lab) -> Vec<Process> {
    let namespace = |pid: i32| std::fs::read_link(format!("/proc/{pid}/ns/net"));
    let members = lab
        .state()
        .hosts
        .iter()
        .map(|host| host.member)
        .chain([lab.state().upstream]);
    let ours: Vec<_> = members.map(|member| namespace(member.init.pid()).unwrap()).collect();
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok());
    let inside = pids.filter(|&pid| namespace(pid).is_ok_and(|found| ours.contains(&found)));
    inside.filter_map(|pid| Process::observe(pid).ok()).collect()
}

/// What `lab up` could leave behind: links and routes where it ran, mounts of the machine, files.
fn traces(controller: &Controller) -> String {
    let show = |args: &[&str]| said(controller.command("ip").args(args));
    let mut text = [&["-brief", "link"][..], &["route"], &["-6", "route"]]
        .map(show)
        .concat();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    text.extend(mounts.lines().filter(|line| line.contains(controller.name())));
    for entry in std::fs::read_dir("/run/portmap-deploy-lab")
        .into_iter()
        .flatten()
        .flatten()
    {
        let link = std::fs::read_link(entry.path()).unwrap_or_default();
        if entry.file_name() == controller.name() || link.as_os_str() == controller.name() {
            text.push_str(&entry.path().to_string_lossy());
        }
    }
    text
}

#[test]
fn a_detached_process_outlives_its_session_and_not_its_host() {
    let lab = Lab::up(1, "nft");
    said(
        lab.ssh("root", lab.address("host1", 4))
            .arg("setsid sleep 1234 </dev/null >/dev/null 2>&1 &"),
    );
    lab.run(
        "host1",
        "pgrep -f '^sleep 1234' && [ \"$(ps -o ppid= -p \"$(pgrep -f '^sleep 1234')\" | tr -d ' ')\" = 1 ]",
    );
    lab.run(
        "host1",
        "sh -c 'sleep 0.1 & exit'; sleep 0.5; ! ps -eo stat | grep '^Z'",
    );

    let inhabitants = inhabitants(&lab);
    assert!(inhabitants.len() >= 7, "{inhabitants:?}");
    said(&mut lab.lab(&["down"]));
    let left: Vec<_> = inhabitants.into_iter().filter(|process| process.is_alive()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn down_leaves_nothing_and_may_be_repeated() {
    for args in [&["--hosts", "3"][..], &["--hosts", "1", "--latency", "1ms"]] {
        let controller = Controller::new();
        let before = traces(&controller);
        said(&mut controller.lab(&[&["up"], args].concat()));
        assert!(!processes(controller.name()).is_empty());
        assert_ne!(traces(&controller), before);
        said(&mut controller.lab(&["down"]));
        assert_eq!(traces(&controller), before);
        assert_eq!(processes(controller.name()), Vec::<String>::new());
        assert!(said(&mut controller.lab(&["down"])).contains("there is no lab"));
    }
}

#[test]
fn a_failed_up_leaves_nothing() {
    let controller = Controller::new();
    // In the way of the link, whatever number the lab gets.
    for number in 0..=40 {
        said(
            controller
                .command("ip")
                .args(["link", "add", &format!("pmlab{number}"), "type", "bridge"]),
        );
    }
    let before = traces(&controller);
    let up = controller.lab(&["up", "--hosts", "2"]).output().unwrap();

    assert_eq!(up.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&up.stderr).contains("File exists"), "{up:?}");
    assert_eq!(traces(&controller), before);
    assert_eq!(processes(controller.name()), Vec::<String>::new());
}

#[test]
fn a_killed_up_ends_by_itself_and_down_forgets_it() {
    let controller = Controller::new();
    let before = traces(&controller);
    for delay in [5, 40, 80, 120, 180, 250] {
        let mut up = controller
            .lab(&["up", "--hosts", "4"])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        up.kill().unwrap();
        let survived = up.wait().unwrap().success();
        if !survived
            && !std::path::Path::new(&format!("/run/portmap-deploy-lab/{}/lab.json", controller.name())).exists()
        {
            await_true("all processes gone", || processes(controller.name()).is_empty());
        }
        said(&mut controller.lab(&["down"]));
        await_true("no traces", || traces(&controller) == before);
        assert_eq!(processes(controller.name()), Vec::<String>::new());
    }
}

#[test]
fn twenty_hosts_are_up_in_five_seconds() {
    let controller = Controller::new();
    let start = Instant::now();
    said(&mut controller.lab(&["up", "--hosts", "20", "--backend", "mixed"]));
    let elapsed = start.elapsed();
    said(&mut controller.lab(&["down"]));
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
}

#[test]
fn one_name_is_one_lab() {
    let lab = Lab::up(1, "nft");
    let again = lab.lab(&["up", "--hosts", "1"]).output().unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&again.stderr).contains("is up already"),
        "{again:?}"
    );
    assert!(lab.answers("host1", 4), "the second up took the first lab down");
}

#[test]
fn the_user_behind_sudo_may_log_in_without_it() {
    let controller = Controller::new();
    let mut up = controller.lab(&["up", "--hosts", "1"]);
    said(up.env("SUDO_UID", "65534").env("SUDO_GID", "65534"));
    let folder = format!("/run/portmap-deploy-lab/{}/ssh", controller.name());
    let address = portmap_deploy::lab::load(controller.name()).unwrap().hosts[0].ipv4;
    let log_in = |user: u32| {
        let mut command = controller.command("setpriv");
        command.args([
            &format!("--reuid={user}"),
            "--regid=65534",
            "--clear-groups",
            "ssh",
            "-F",
            "/dev/null",
        ]);
        command.args([
            "-o",
            "BatchMode=yes",
            "-o",
            &format!("UserKnownHostsFile={folder}/known_hosts"),
            "-i",
        ]);
        command
            .args([format!("{folder}/key"), format!("root@{address}"), "true".to_owned()])
            .output()
            .unwrap()
    };
    let (user, stranger) = (log_in(65534), log_in(1));
    said(&mut controller.lab(&["down"]));
    assert!(user.status.success(), "{user:?}");
    assert!(!stranger.status.success(), "the key is readable for all");
}

#[test]
fn without_root_it_says_what_to_type() {
    let program = support::lab::PROGRAM;
    let home = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let copy = home.path().join("portmap-deploy");
    std::fs::copy(program, &copy).unwrap(); // where others may run it
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&copy);
    let up = command.args(["lab", "up", "--hosts", "2"]).output().unwrap();
    let said = String::from_utf8_lossy(&up.stderr);
    assert_eq!(up.status.code(), Some(1), "{said}");
    assert!(said.contains("needs root"), "{said}");
    assert!(
        said.contains(&format!("sudo {} lab up --hosts 2", copy.display())),
        "{said}"
    );
}
