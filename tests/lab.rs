//! Lab hosts on the real kernel: reachable as asked for, apart from each other and from the machine.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use portmap_deploy::inventory;
use portmap_deploy::world::{InMemory, World};
use std::sync::Arc;
use support::lab::{Lab, await_true, said};

#[test]
fn hosts_have_the_backend_that_was_asked_for() {
    for (asked, expected) in [
        ("nft", ["nf_tables", "nf_tables"]),
        ("legacy", ["legacy", "legacy"]),
        ("mixed", ["nf_tables", "legacy"]),
    ] {
        let lab = Lab::up(2, asked);
        for (host, expected) in lab.hosts().into_iter().zip(expected) {
            for program in [
                "iptables",
                "iptables-save",
                "iptables-restore",
                "ip6tables",
                "ip6tables-save",
            ] {
                let version = lab.run(host, &format!("{program} --version"));
                assert!(
                    version.contains(&format!("({expected})")),
                    "{asked}, {host}, {program}: {version}"
                );
            }
        }
    }
}

#[test]
fn every_account_logs_in_over_both_families() {
    let lab = Lab::up(2, "mixed");
    for host in lab.hosts() {
        for family in [4, 6] {
            let ssh = |user: &str, line: &str| lab.ssh(user, lab.address(host, family)).arg(line).output().unwrap();
            let words = |user: &str, line: &str| String::from_utf8(ssh(user, line).stdout).unwrap();

            assert_eq!(
                words("root", "id -un; hostname; cat /proc/1/comm"),
                format!("root\n{host}\nsh\n")
            );
            assert_eq!(
                words("deploy", "id -un; sudo -n id -un; sudo -n iptables -S INPUT"),
                "deploy\nroot\n-P INPUT ACCEPT\n"
            );
            assert_eq!(
                words("plain", "id -un; sudo -n id -un"),
                "plain\n",
                "plain must have no sudo"
            );
        }
        assert_eq!(lab.logins(host), 6);
    }
}

#[test]
fn the_printed_inventory_says_how_to_log_in() {
    let lab = Lab::up(1, "nft");
    let text = said(&mut lab.lab(&["inventory"]));

    assert_eq!(text, std::fs::read_to_string(lab.inventory()).unwrap());
    for part in [
        "host1:",
        &format!("ansible_host: {}", lab.address("host1", 4)),
        &lab.key().display().to_string(),
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
}

const FLEET: &str = "
all:
  vars:
    portmap: ['2222:22']
    ansible_port: 2200
    ansible_ssh_common_args: -o ProxyJump=bastion.example.org
  hosts:
    web-1.example.org:
      ansible_ssh_host: 203.0.113.1
    db_1:
      ansible_host: 203.0.113.2
      ansible_user: admin
      ansible_become: true
      portmap: []
";

#[test]
fn an_inventory_of_ones_own_is_rehearsed_at_other_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = folder.path().join("fleet.yaml");
    std::fs::write(&fleet, FLEET).unwrap();
    let lab = Lab::up_with(&["-i", fleet.to_str().unwrap()]);
    assert_eq!(lab.hosts(), ["web-1.example.org", "db_1"]);
    assert_eq!(lab.run("db_1", "hostname"), "db-1\n");

    let texts = [FLEET.to_owned(), said(&mut lab.lab(&["inventory"]))];
    let [ours, of_lab] = texts;
    let world: Arc<dyn World> = Arc::new(InMemory::default().file("ours", ours).file("lab", of_lab));
    let request = inventory::Request {
        inventory: vec!["ours".to_owned(), "lab".to_owned()],
        ..inventory::Request::default()
    };
    let loaded = inventory::load(&request, &world).unwrap().hosts;
    assert_eq!(loaded.len(), 2);
    for (host, user) in loaded.iter().zip(["root", "admin"]) {
        let to = &host.connection;
        assert_eq!(to.host, lab.address(&host.name, 4).to_string());
        assert_eq!((to.port, to.user.as_deref()), (Some(22), Some(user)));
        assert_eq!(to.private_key_file.as_deref(), lab.key().to_str());
        assert!(to.common_args.iter().all(|word| !word.contains("ProxyJump")), "{to:?}");
        let mut ssh = lab.command("ssh");
        ssh.args(["-o", "BatchMode=yes", "-i", to.private_key_file.as_deref().unwrap()])
            .args(&to.common_args);
        let name = ssh
            .arg(format!("{user}@{}", to.host))
            .arg("sudo -n id -un; hostname")
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8(name.stdout).unwrap(),
            format!("root\n{}\n", host.name.replace('_', "-"))
        );
    }
    assert_eq!(
        loaded[0].mappings.mappings().len(),
        1,
        "variables of the fleet are lost"
    );
    assert!(loaded[1].has_portmap && loaded[1].connection.r#become == Some(true));
}

#[test]
fn rules_and_locks_of_a_host_are_its_own() {
    for backend in ["nft", "legacy"] {
        let lab = Lab::up(2, backend);
        let save = || said(lab.command("sh").args(["-c", &format!("iptables-{backend}-save")]));
        let machine = save();
        lab.run(
            "host1",
            "iptables -A INPUT -p tcp --dport 7777 -j DROP; ip6tables -A INPUT -p tcp --dport 7777 -j DROP",
        );

        assert!(
            lab.run("host1", "iptables-save; ip6tables-save")
                .matches("--dport 7777")
                .count()
                == 2
        );
        assert!(
            !lab.run("host2", "iptables-save; ip6tables-save; nft list ruleset")
                .contains("7777")
        );
        assert!(
            !String::from_utf8(lab.upstream("nft list ruleset").stdout)
                .unwrap()
                .contains("7777")
        );
        assert_eq!(save(), machine);
    }
}

#[test]
fn a_held_xtables_lock_stops_only_its_own_host() {
    let lab = Lab::up(2, "legacy");
    lab.run(
        "host1",
        "setsid flock /run/xtables.lock sh -c 'touch /run/held; sleep 100' >/dev/null 2>&1 &",
    );
    await_true("lock held", || lab.exec("host1", "test -e /run/held").status.success());

    assert_eq!(
        lab.exec("host1", "iptables -w 1 -A INPUT -j ACCEPT").status.code(),
        Some(4)
    );
    lab.run("host2", "iptables -w 1 -A INPUT -j ACCEPT");
}

#[test]
fn files_of_a_host_are_its_own() {
    let lab = Lab::up(2, "nft");
    let script = "for d in /run /tmp /root /home /var/lib /var/log /etc /usr; do echo mine >$d/portmap-lab-test; done
                  mkdir -p /var/lib/portmap-deploy /run/portmap-deploy";
    lab.run("host1", script);

    let found = "find /run /tmp /root /home /var/lib /var/log /etc /usr -maxdepth 1 \
                 -name portmap-lab-test -o -maxdepth 1 -name portmap-deploy";
    assert_eq!(lab.run("host1", found).lines().count(), 10);
    assert_eq!(lab.run("host2", found), "");
    let on_the_machine = said(Command::new("sh").args(["-c", found]));
    assert!(!on_the_machine.contains("portmap-lab-test"), "{on_the_machine}");
    assert_eq!(lab.run("host1", "hostname"), "host1\n");
    assert_eq!(
        lab.run("host1", "find / -maxdepth 2 -name portmap-deploy-lab"),
        "",
        "keys of the lab are within reach"
    );
}

#[test]
fn a_host_asks_the_machine_nothing_and_reaches_its_neighbours() {
    let lab = Lab::up(2, "nft");
    let connect = |address: &str, port: u16| {
        lab.exec(
            "host1",
            &format!("timeout 1 bash -c 'exec 3<>/dev/tcp/{address}/{port}'"),
        )
        .status
        .success()
    };
    lab.within(|| {
        for address in ["198.19", "fd5a:7c0e:91b3:1"] {
            let shown = said(lab.command("ip").args(["-brief", "address", "show", "scope", "global"]));
            let own = shown.split_whitespace().find(|word| word.starts_with(address)).unwrap();
            let own = own.split_once('/').unwrap().0;
            let server = TcpListener::bind((own, 0)).unwrap();
            assert!(
                !connect(own, server.local_addr().unwrap().port()),
                "host1 reached the machine at {own}"
            );
        }
    });
    for family in [4, 6] {
        assert!(connect(&lab.address("host2", family).to_string(), 22));
    }
}

#[test]
fn a_cut_host_falls_silent_and_a_healed_one_answers() {
    let lab = Lab::up(2, "nft");
    lab.cut("host1");
    for family in [4, 6] {
        assert!(!lab.answers("host1", family));
        assert!(lab.answers("host2", family));
    }
    assert!(
        said(&mut lab.lab(&["status"]))
            .lines()
            .nth(1)
            .unwrap()
            .contains(" cut ")
    );
    // Silence, not an error: a network that fails says nothing.
    let ssh = lab
        .ssh("root", lab.address("host1", 4))
        .args(["-o", "ConnectTimeout=4", "true"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&ssh.stderr).contains("timed out"), "{ssh:?}");

    lab.heal("host1");
    assert!(lab.answers("host1", 4) && lab.answers("host1", 6));
    assert!(!said(&mut lab.lab(&["status"])).contains(" cut "));
}

#[test]
fn a_living_session_survives_a_short_cut() {
    let lab = Lab::up(1, "nft");
    let mut session = lab
        .ssh("root", lab.address("host1", 4))
        .arg("echo in; sleep 1.5; echo out")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    await_true("logged in", || lab.logins("host1") == 1);
    lab.cut("host1");
    std::thread::sleep(Duration::from_secs(2));
    assert!(
        session.try_wait().unwrap().is_none(),
        "the session ended while its host was cut off"
    );
    lab.heal("host1");
    let output = session.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stdout.ends_with(b"out\n"),
        "{output:?}"
    );
}

#[test]
fn the_router_plays_a_security_group() {
    let lab = Lab::up(1, "nft");
    lab.block("tcp", 22);
    assert!(!lab.answers("host1", 4) && !lab.answers("host1", 6));
    lab.unblock();
    assert!(lab.answers("host1", 4) && lab.answers("host1", 6));
}

#[test]
fn latency_is_what_was_asked_for() {
    const ASKED: Duration = Duration::from_millis(20);
    let lab = Lab::up_with(&["--hosts", "1", "--latency", "20ms"]);
    let connect = |address| {
        let start = Instant::now();
        TcpStream::connect((address, 22)).unwrap();
        start.elapsed()
    };
    for family in [4, 6] {
        let address = lab.address("host1", family);
        let mut times: Vec<_> = lab.within(|| (0..9).map(|_| connect(address)).collect());
        times.sort();
        let median = times[4].as_secs_f64();
        let gain = median / ASKED.as_secs_f64();
        assert!((0.8..2.0).contains(&gain), "IPv{family}: a round trip took {median} s");
    }
    said(lab.ssh("root", lab.address("host1", 4)).arg("true"));
}
