//! Root by sudo: with passwords, on terminals, and refused; by the real sudo and PAM of this machine.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::support::deploy::Run;
use super::support::deploy::Seen::Silent;
use super::support::lab::{Lab, said};

/// With everything that a shell, YAML or sudo could take for something else.
pub(super) const PASSWORD: &str = r#"Ge heim'1" $HOME %u #\é"#;

const MAPPING: &str = "portmap: ['2222:22'], ansible_user: deploy, ansible_become: true";

/// `deploy` has the password and may be root with it; sudo writes down who tries.
pub(super) fn prepare(lab: &Lab, host: &str, more: &str) {
    let hash = said(Command::new("openssl").args(["passwd", "-6", PASSWORD]));
    let line = format!(
        "set -e; sed -i 's|^deploy:[^:]*|deploy:{}|' /etc/shadow; sed -i '/NOPASSWD/d' /etc/sudoers; \
         {{ echo 'Defaults logfile=/var/log/sudo.log'; echo 'deploy ALL=(ALL:ALL) ALL'; }} >>/etc/sudoers; \
         sudoers() {{ printf '%s\\n' \"$1\" >>/etc/sudoers; }}; {more}; visudo -qc",
        hash.trim()
    );
    lab.run(host, &line);
}

fn with_password(password: &str) -> String {
    let quoted = serde_json::Value::from(password).to_string();
    format!("{MAPPING}, ansible_become_password: {quoted}")
}

/// Hosts with a line of sh each; the variables of all.
fn deploy_to_all(lab: &Lab, variables: &str, args: &[&str]) -> Run {
    let hosts: Vec<_> = lab.hosts().into_iter().map(|host| (host, variables)).collect();
    lab.deploy_to(&hosts, args)
}

/// What sudo may want beside a password, and where `deploy` logs in by another shell.
const WORKS: [&str; 7] = [
    ":",
    "sudoers 'Defaults use_pty'; sudoers 'Defaults lecture=always, pwfeedback'",
    "sudoers 'Defaults requiretty'",
    "sudoers 'Defaults requiretty, use_pty'; chsh -s /bin/csh deploy",
    "sudoers 'Defaults log_input, log_output'; sudoers 'Defaults !env_reset, umask=0777, passwd_tries=1'",
    "sudoers 'deploy ALL=(ALL:ALL) NOPASSWD: ALL'",
    "sudoers 'Defaults requiretty'; sudoers 'deploy ALL=(ALL:ALL) NOPASSWD: ALL'; chsh -s /usr/bin/fish deploy",
];

#[test]
fn sudo_with_a_password_however_it_is_configured() {
    let lab = Lab::up(WORKS.len(), "mixed");
    for (host, configured) in lab.hosts().into_iter().zip(WORKS) {
        prepare(&lab, host, configured);
    }
    let run = deploy_to_all(&lab, &with_password(PASSWORD), &["-vv"]);
    for (host, configured) in lab.hosts().into_iter().zip(WORKS) {
        assert_eq!(run.state(host), "confirmed", "{configured}: {}", run.said());
        run.expect_logins(host, 2)
            .expect_mappings(host, "2222", "open", "closed");
        lab.expect_sshd(host, 2222);
        lab.expect_tcp(host, 22, Silent);
        let log = lab.run(host, "cat /var/log/sudo.log");
        assert!(!log.contains("incorrect"), "{configured}: {log}");
        let on_terminal = configured.contains("requiretty");
        assert_eq!(log.contains("TTY=pts/"), on_terminal, "{configured}: {log}");
    }
    let again = deploy_to_all(&lab, &with_password(PASSWORD), &[]);
    for host in lab.hosts() {
        again.expect(host, "unchanged").expect_logins(host, 1);
    }
}

/// What is wrong on a host, what the report says of it, and how often sudo saw a wrong password.
struct Refused {
    configured: &'static str,
    password: &'static str,
    says: &'static str,
    remedy: &'static str,
    attempts: usize,
}

const REFUSED: [Refused; 9] = [
    Refused {
        configured: ":",
        password: "wrong",
        says: "wrong password for deploy",
        remedy: "-K",
        attempts: 1,
    },
    Refused {
        configured: "sudoers 'Defaults passwd_tries=1'",
        password: "wrong",
        says: "wrong password for deploy",
        remedy: "not tried again",
        attempts: 1,
    },
    Refused {
        configured: "sudoers 'Defaults requiretty, use_pty'",
        password: "wrong",
        says: "wrong password for deploy",
        remedy: "ansible_become_password",
        attempts: 1,
    },
    Refused {
        configured: ":",
        password: "",
        says: "wants a password for deploy",
        remedy: "NOPASSWD",
        attempts: 0,
    },
    Refused {
        configured: "sed -i '/^deploy/d' /etc/sudoers",
        password: PASSWORD,
        says: "deploy is not in the sudoers file",
        remedy: "ALL=(root) ALL",
        attempts: 0,
    },
    Refused {
        configured: "sed -i '/^deploy/d' /etc/sudoers; sudoers 'deploy ALL=(ALL:ALL) /bin/ls'",
        password: PASSWORD,
        says: "is not allowed to execute",
        remedy: "ALL=(root) ALL",
        attempts: 0,
    },
    Refused {
        configured: "chage -d 0 deploy",
        password: PASSWORD,
        says: "expired",
        remedy: "chage",
        attempts: 0,
    },
    Refused {
        configured: "sudoers 'Defaults secure_path=/nowhere'",
        password: PASSWORD,
        says: "finds no shell",
        remedy: "secure_path",
        attempts: 0,
    },
    Refused {
        configured: "sudoers 'Defaults requiretty'; mount --bind /dev/null /usr/bin/stty",
        password: PASSWORD,
        says: "insists on a terminal",
        remedy: "Defaults:deploy !requiretty",
        attempts: 0,
    },
];

#[test]
fn a_refusal_by_sudo_is_said_once_and_leaves_no_trace() {
    let lab = Lab::up(REFUSED.len(), "mixed");
    let variables: Vec<_> = REFUSED.iter().map(|fault| with_password(fault.password)).collect();
    let hosts: Vec<_> = lab
        .hosts()
        .into_iter()
        .zip(variables.iter().map(String::as_str))
        .collect();
    for (host, fault) in lab.hosts().into_iter().zip(&REFUSED) {
        prepare(&lab, host, fault.configured);
    }
    let run = lab.deploy_to(&hosts, &["-vv"]);
    assert_eq!(run.code, Some(2), "{}", run.said());
    for (host, fault) in lab.hosts().into_iter().zip(&REFUSED) {
        assert_eq!(run.state(host), "failed", "{}: {}", fault.configured, run.said());
        assert!(
            run.reason(host).contains(fault.says),
            "{}: {}",
            fault.configured,
            run.reason(host)
        );
        let hint = run.host(host)["hint"].as_str().unwrap_or_default();
        assert!(hint.contains(fault.remedy), "{}: {hint}", fault.configured);
        let log = lab.run(host, "cat /var/log/sudo.log 2>/dev/null || :");
        let attempts: usize = log.matches("incorrect password attempt").count();
        assert_eq!(attempts, fault.attempts, "{}: {log}", fault.configured);
        assert!(
            fault.attempts == 0 || log.contains(" 1 incorrect"),
            "{}: {log}",
            fault.configured
        );
        assert_eq!(lab.files(host) + &lab.our_rules(host), "", "{}", fault.configured);
        run.expect_logins(host, 1);
    }
}

/// Nothing of a run shows the password: no process, no output, no file.
#[test]
fn the_password_is_nowhere_to_be_seen() {
    let lab = Lab::up(2, "mixed");
    prepare(&lab, "host1", ":");
    prepare(&lab, "host2", "sudoers 'Defaults requiretty, log_input, log_output'");
    let ended = AtomicBool::new(false);
    let (run, seen) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut seen = Vec::new();
            while !ended.load(Ordering::Relaxed) {
                seen.extend(processes_that_show(PASSWORD));
            }
            seen
        });
        let run = deploy_to_all(&lab, &with_password(PASSWORD), &["-vv"]);
        ended.store(true, Ordering::Relaxed);
        (run, watch.join().unwrap())
    });
    run.expect("host1", "confirmed").expect("host2", "confirmed");
    assert_eq!(seen, Vec::<String>::new());
    assert!(run.stderr.contains("> observe"), "-vv showed nothing: {}", run.stderr);
    assert!(!run.said().contains("Ge heim"), "{}", run.said());
    for host in lab.hosts() {
        let files = "grep -rlaF 'Ge heim' /run /var/log /var/lib /tmp /root /home /etc 2>/dev/null || :";
        assert_eq!(lab.run(host, files), "", "{host}");
    }
    // The machine's own: all but the inventory that holds it.
    let logs = Command::new("grep")
        .args(["-rlaF", "Ge heim", "/run"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&logs.stdout), "");
}

/// Processes of the whole machine, the hosts' included, whose command line or environment holds a word.
fn processes_that_show(word: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let shows = |path: &std::path::Path| {
        ["cmdline", "environ"].iter().any(|file| {
            let bytes = std::fs::read(path.join(file)).unwrap_or_default();
            bytes.windows(word.len()).any(|window| window == word.as_bytes())
        })
    };
    all.filter(|entry| {
        entry
            .file_name()
            .to_string_lossy()
            .starts_with(|c: char| c.is_ascii_digit())
    })
    .filter(|entry| shows(&entry.path()))
    .map(|entry| std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default())
    .collect()
}

/// `-K` on a terminal: asked once for all hosts, not shown, and a host's own password wins.
#[test]
fn the_password_is_asked_for_once() {
    let lab = Lab::up(2, "mixed");
    prepare(&lab, "host1", ":");
    prepare(&lab, "host2", ":");
    let own = with_password("wrong");
    let folder = lab.inventory_of(&[("host1", MAPPING), ("host2", &own)]);
    let path = |name: &str| folder.join(name).display().to_string();
    let line = format!(
        "{} -K -i {} -i {} --output jsonl",
        super::support::lab::PROGRAM,
        path("login.yaml"),
        path("hosts.yaml")
    );
    let mut script = lab.command("script");
    let mut script = script
        .args(["-qec", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = script.stdout.take().unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b"BECOME password: ") {
        let mut byte = [0];
        output.read_exact(&mut byte).unwrap();
        said.extend(byte);
    }
    assert_eq!(String::from_utf8_lossy(&said), "BECOME password: ");
    let mut input = script.stdin.take().unwrap();
    // The echo is turned off right after the prompt; nobody types as fast as a test.
    std::thread::sleep(Duration::from_millis(500));
    input.write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    output.read_to_end(&mut said).unwrap();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert_eq!(script.wait().unwrap().code(), Some(2), "{said}");
    assert_eq!(said.matches("BECOME password: ").count(), 1, "{said}");
    assert!(!said.contains("Ge heim"), "{said}");
    assert!(said.contains("wrong password for deploy"), "{said}");
    lab.expect_sshd("host1", 2222);
    assert_eq!(lab.our_rules("host2"), "");
    drop(input);
}

/// As with Ansible: what a host says of `become` wins over `-b`, and who is root needs no sudo.
#[test]
fn who_becomes_root_by_sudo() {
    let lab = Lab::up(3, "mixed");
    lab.run("host1", "rm /usr/bin/sudo");
    let hosts = [
        ("host1", "portmap: ['2222:22'], ansible_user: root"),
        ("host2", "portmap: ['2222:22'], ansible_user: deploy"),
        (
            "host3",
            "portmap: ['2222:22'], ansible_user: deploy, ansible_become: false",
        ),
    ];
    let run = lab.deploy_to(&hosts, &["-b"]);
    assert_eq!(
        ["host1", "host2", "host3"].map(|host| run.state(host)),
        ["confirmed", "confirmed", "failed"],
        "{}",
        run.said()
    );
    assert!(
        run.reason("host3").contains("without root's rights"),
        "{}",
        run.reason("host3")
    );
}
