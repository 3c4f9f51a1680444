//! Hosts as people have them: login shells of every kind with noisy profiles, other userlands, tools that are missing,
//! one family only.

use std::io::Write as _;
use std::path::Path;

use super::support::deploy::Seen::Silent;
use super::support::lab::Lab;
use crate::on_both_backends;

on_both_backends!(
    noisy_login_shells,
    a_busybox_host,
    a_host_without_tools,
    an_ipv6_only_host
);

const MAPPING: &str = "portmap: ['2222:22']";
const BY_SUDO: &str = "portmap: ['2222:22'], ansible_user: deploy, ansible_become: true";

/// A shell, its file that is read at every login, and what that prints in its language.
const SHELLS: [(&str, &str, &str); 7] = [
    ("/bin/dash", ".profile", POSIX),
    ("/bin/bash", ".bashrc", POSIX),
    ("/bin/ash", ".profile", POSIX),
    ("/bin/csh", ".cshrc", CSH),
    ("/bin/tcsh", ".tcshrc", CSH),
    ("/usr/bin/fish", ".config/fish/config.fish", FISH),
    ("/bin/zsh", ".zshenv", POSIX),
];

const POSIX: &str = "echo '= ok hello'; stty erase '^?'; mesg n; echo Willkommen >&2; printf 'no end of line'";
const CSH: &str = "echo '= ok hello'; stty erase '^?'; mesg n; printf 'no end of line'; set x = ( $?prompt )";
const FISH: &str = "echo '= ok hello'; stty erase '^?'; mesg n; echo Willkommen >&2; printf 'no end of line'";

/// Both as root and by sudo: the login shell takes our command in its own language.
fn noisy_login_shells(backend: &str) {
    let there = |shell: &str| Path::new(shell).exists() || shell == "/bin/ash" && Path::new("/bin/busybox").exists();
    let (there, missing): (Vec<_>, Vec<_>) = SHELLS.into_iter().partition(|(shell, ..)| there(shell));
    for (shell, ..) in missing {
        // Past the test harness, which keeps what passing tests print to itself.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no {shell} on this machine, so logins by it were not tried"
        );
    }
    let lab = Lab::up(there.len(), backend);
    for (host, (shell, file, noise)) in lab.hosts().into_iter().zip(&there) {
        let name = shell.rsplit('/').next().unwrap();
        let set = format!(
            "set -e; [ -e {shell} ] || ln -s /bin/busybox {shell}; echo {shell} >>/etc/shells
             for user in root deploy; do
                 chsh -s {shell} $user; home=$(getent passwd $user | cut -d: -f6)
                 mkdir -p \"$(dirname $home/{file})\"; cat >$home/{file} <<'NOISE'\n{noise}\nNOISE\n
                 chown -R $user: $home
             done; getent passwd root | grep {name}$"
        );
        lab.run(host, &set);
    }
    for variables in [MAPPING, BY_SUDO] {
        let inventory: Vec<_> = lab.hosts().into_iter().map(|host| (host, variables)).collect();
        let run = lab.deploy_to(&inventory, &[]);
        for (host, (shell, ..)) in lab.hosts().into_iter().zip(&there) {
            let state = if variables == MAPPING { "confirmed" } else { "unchanged" };
            assert_eq!(run.state(host), state, "{shell}: {}", run.said());
        }
    }
    for host in lab.hosts() {
        lab.expect_sshd(host, 2222);
        lab.expect_tcp(host, 22, Silent);
    }
}

/// Everything on it that busybox has is busybox's, its `sh` and `ip` as well: the userland of Alpine and of routers.
fn a_busybox_host(backend: &str) {
    let lab = Lab::up(1, backend);
    lab.run(
        "host1",
        "for tool in $(busybox --list); do
             for folder in /usr/bin /usr/sbin /bin /sbin; do
                 [ ! -e $folder/$tool ] || [ $tool = busybox ] || ln -sf \"$(command -v busybox)\" $folder/$tool
             done
         done; chsh -s /bin/sh root; chsh -s /bin/sh deploy
         sh --help 2>&1 | grep -q BusyBox && readlink --help 2>&1 | grep -q BusyBox && ip -h 2>&1 | grep -q BusyBox",
    );
    there_and_back(&lab, MAPPING);
    there_and_back(&lab, BY_SUDO);
}

/// What a host may well lack. Nothing takes its place: what it is good for is done otherwise, or left out.
fn a_host_without_tools(backend: &str) {
    let lab = Lab::up(1, backend);
    lab.run(
        "host1",
        "for tool in setsid base64 flock timeout logger wall ip sync systemctl systemd-run perl python3 awk bash; do
             for folder in /usr/local/bin /usr/local/sbin /usr/bin /usr/sbin /bin /sbin; do rm -f $folder/$tool; done
             ! command -v $tool || exit 1
         done; for user in root deploy; do sed -i \"/^$user:/s|[^:]*$|/bin/sh|\" /etc/passwd; done",
    );
    there_and_back(&lab, MAPPING);
    there_and_back(&lab, BY_SUDO);
}

/// A change that stays, one that is not proven, and none at all.
fn there_and_back(lab: &Lab, login: &str) {
    let with = |mapping: &str| login.replace("'2222:22'", mapping) + ", portmap_previous_ports: [2222]";
    lab.deploys(&with("'2222:22'")).expect("host1", "confirmed");
    lab.expect_sshd("host1", 2222);
    lab.expect_tcp("host1", 22, Silent);
    let rules = lab.rules("host1", 4) + &lab.rules("host1", 6);
    lab.block("tcp", 2200);
    let run = lab.deploy_to(&[("host1", &with("'2200:22'"))], &["--rollback-after", "6s"]);
    run.expect("host1", "rolled_back");
    lab.unblock();
    assert_eq!(lab.rules("host1", 4) + &lab.rules("host1", 6), rules);
    lab.deploys(&with("'2222:22'")).expect("host1", "unchanged");
    lab.deploys(&with("")).expect("host1", "confirmed");
    lab.expect_sshd("host1", 22);
}

/// Neither the host nor the way to it has IPv4.
fn an_ipv6_only_host(backend: &str) {
    let lab = Lab::up(1, backend);
    lab.run(
        "host1",
        "ip -4 address flush dev eth0; ! ip -4 address show dev eth0 | grep inet",
    );
    let address = lab.address("host1", 6);
    let variables = format!("{MAPPING}, ansible_host: '{address}'");
    let run = lab.deploy_to(&[("host1", &variables)], &[]);
    run.expect("host1", "confirmed")
        .expect_logins("host1", 2)
        .expect_mapping("host1", 6, "2222", "open", "closed")
        .expect_mapping("host1", 4, "2222", "unverified", "unverified");
    assert!(
        run.mapping_reason("host1", 4, "2222").contains("no IPv4 address"),
        "{}",
        run.said()
    );
    assert!(
        lab.rules("host1", 4).contains("PORTMAP-GUARD"),
        "IPv4 is managed all the same"
    );
    assert!(lab.first_line("host1", 6, 2222).starts_with("SSH-"));
    assert_eq!(lab.connects("host1", 6, 22), Silent);
    let again = lab.deploy_to(&[("host1", &variables)], &[]);
    again.expect("host1", "unchanged").expect_logins("host1", 1);
    let link = format!("{MAPPING}, ansible_host: 'fe80::1%lo'");
    let refused = lab.deploy_to(&[("host1", &link)], &[]);
    refused.expect("host1", "unreachable");
    assert!(refused.reason("host1").contains("link-local"), "{}", refused.said());
}
