//! Hosts behind bastions: nothing from the controller arrives at them but through another host.

use std::time::Duration;

use super::support::deploy::Run;
use super::support::deploy::Seen::{Open, Silent};
use super::support::lab::Lab;
use super::support::run::{Run as RunningRun, await_true};
use crate::on_both_backends;

on_both_backends!(
    hosts_share_one_login_at_their_bastion,
    a_command_is_a_way_as_well,
    two_bastions_in_a_row_and_names_that_only_they_know,
    a_port_that_the_bastion_blocks_is_rolled_back,
    an_ipv6_host_behind_a_bastion,
    a_bastion_that_is_no_way,
    a_bastion_that_is_booted_during_a_change,
    a_bastion_that_is_lost_during_a_change,
);

/// A lab whose hosts but the first can be reached by it alone.
pub(super) fn behind_host1(hosts: usize, backend: &str) -> Lab {
    let lab = Lab::up(hosts, backend);
    lab.hide_all_but(&["host1"]);
    assert_eq!(lab.connects("host2", 4, 22), Silent, "it is not hidden");
    assert_eq!(lab.connects_between("host1", "host2", 4, 22), Open);
    lab
}

fn logins<const N: usize>(lab: &Lab, hosts: [&str; N]) -> [usize; N] {
    hosts.map(|host| lab.logins(host))
}

#[track_caller]
fn expect_proven(run: &Run, host: &str) {
    run.expect(host, "confirmed")
        .expect_logins(host, 2)
        .expect_mapping(host, 4, "2222", "open", "closed")
        .expect_mapping(host, 6, "2222", "unverified", "unverified");
    let why = run.mapping_reason(host, 6, "2222");
    assert!(why.contains("the proxy connects over IPv4"), "{why}");
}

/// By `ssh_config`, by `-J` and by `-o ProxyJump`.
fn hosts_share_one_login_at_their_bastion(backend: &str) {
    let lab = behind_host1(4, backend);
    lab.ssh_config(
        "host1",
        &format!("Host {}\n  ProxyJump bastion\n", lab.address("host2", 4)),
    );
    let hosts = [
        ("host2", "portmap: ['2222:22', '80:8080'], ansible_ssh_common_args: ''"),
        ("host3", "portmap: ['2222:22'], ansible_ssh_common_args: '-J bastion'"),
        (
            "host4",
            "portmap: ['2222:22'], ansible_ssh_extra_args: '-o ProxyJump=bastion', ansible_ssh_common_args: '-C'",
        ),
    ];
    let silent = lab.inside("host2", || std::net::TcpListener::bind("0.0.0.0:8080").unwrap());
    let run = lab.deploy_to(&hosts, &[]);
    for (host, _) in hosts {
        expect_proven(&run, host);
        lab.expect_mapped_from("host1", host);
    }
    // Nobody speaks first there: that a connection is there is told by the bastion alone.
    run.expect_mapping("host2", 4, "80", "open", "closed");
    drop(silent);
    assert_eq!(logins(&lab, ["host1", "host2", "host3", "host4"]), [1, 2, 2, 2]);
    // The bastion has its turn apart from them and last: its port 22, which is their way in, is closed then.
    let bastion = ("host1", "portmap: ['2222:22'], ansible_ssh_common_args: ''");
    let again = lab.deploy_to(&[&[bastion][..], &hosts].concat(), &[]);
    for (host, _) in hosts {
        again.expect(host, "unchanged").expect_logins(host, 1);
        assert_eq!(again.host(host)["batch"], 1);
    }
    again.expect("host1", "confirmed");
    assert_eq!(again.host("host1")["batch"], 2);
    assert_eq!(logins(&lab, ["host1", "host2", "host3", "host4"]), [4, 3, 3, 3]);
    assert_eq!(lab.masters(), "");
}

/// By `ssh_config` and by the inventory, with the rules of each place for names.
fn a_command_is_a_way_as_well(backend: &str) {
    let lab = behind_host1(3, backend);
    let config = lab.ssh_config(
        "host1",
        &format!(
            "Host {}\n  ProxyCommand ssh -W %h:%p -q bastion\n",
            lab.address("host2", 4)
        ),
    );
    let by_inventory = format!(
        "portmap: ['2222:22'], ansible_ssh_common_args: '-o ProxyCommand=\"ssh -F {} -W [%h]:%p bastion\"'",
        config.display()
    );
    let hosts = [
        ("host2", "portmap: ['2222:22', '80:8080'], ansible_ssh_common_args: ''"),
        ("host3", by_inventory.as_str()),
    ];
    let silent = lab.inside("host2", || std::net::TcpListener::bind("0.0.0.0:8080").unwrap());
    let run = lab.deploy_to(&hosts, &["--rollback-after", "12s"]);
    for (host, _) in hosts {
        expect_proven(&run, host);
        lab.expect_mapped_from("host1", host);
        assert_eq!(lab.logins(host), 2);
    }
    // Who waits for us to speak cannot be told from who is not there.
    run.expect_mapping("host2", 4, "80", "unverified", "closed");
    let why = run.mapping_reason("host2", 4, "80");
    assert!(
        why.contains("port 8080 was reached") && why.contains("ProxyCommand"),
        "{why}"
    );
    drop(silent);
    lab.deploy_to(&hosts, &[])
        .expect("host2", "unchanged")
        .expect("host3", "unchanged");
}

/// The second bastion and the host behind it hear nothing from the controller; their names mean nothing there.
fn two_bastions_in_a_row_and_names_that_only_they_know(backend: &str) {
    let lab = behind_host1(4, backend);
    for host in ["host3", "host4"] {
        let line = format!("iptables -A INPUT -s {} -p tcp -j DROP", lab.address("host1", 4));
        lab.run(host, &line);
    }
    lab.run(
        "host1",
        &format!("echo '{} inner.internal' >>/etc/hosts", lab.address("host2", 4)),
    );
    for (host, name) in [("host3", "web.internal"), ("host4", "db.internal")] {
        lab.run("host2", &format!("echo '{} {name}' >>/etc/hosts", lab.address(host, 4)));
    }
    let before = ["host3", "host4"].map(|host| lab.foreign_rules(host));
    // The inner bastion by itself is behind the outer one; written out they are the same chain.
    lab.ssh_config(
        "host1",
        "Host inner.internal\n  ProxyJump bastion\n  HostKeyAlias host2\n",
    );
    lab.known_as("host2", "host2");
    lab.known_as("host3", "web.internal");
    lab.known_as("host4", "db.internal");
    let hosts = [
        (
            "host3",
            "portmap: ['2222:22'], ansible_host: web.internal, ansible_ssh_common_args: '-J inner.internal'",
        ),
        (
            "host4",
            "portmap: ['2222:22'], ansible_host: db.internal, ansible_ssh_common_args: '-J bastion,inner.internal'",
        ),
    ];
    let run = lab.deploy_to(&hosts, &[]);
    for (host, _) in hosts {
        expect_proven(&run, host);
        lab.expect_mapped_from("host2", host);
    }
    assert_eq!(logins(&lab, ["host1", "host2", "host3", "host4"]), [1, 1, 2, 2]);
    assert_eq!(["host3", "host4"].map(|host| lab.foreign_rules(host)), before);
    assert_eq!(lab.masters(), "");
}

/// The bastion lets nobody through to the new port: found while the old way is still open.
fn a_port_that_the_bastion_blocks_is_rolled_back(backend: &str) {
    let lab = behind_host1(4, backend);
    let filter = "iptables -A OUTPUT -p tcp --dport 2222";
    lab.run("host1", &format!("{filter} -d {} -j DROP", lab.address("host2", 4)));
    lab.run("host1", &format!("{filter} -d {} -j REJECT", lab.address("host3", 4)));
    let config = lab.ssh_config("host1", "");
    let jump = "portmap: ['2222:22'], ansible_ssh_common_args: '-J bastion'";
    let command = format!(
        "portmap: ['2222:22'], ansible_ssh_common_args: '-o ProxyCommand=\"ssh -F {} -W %h:%p bastion\"'",
        config.display()
    );
    lab.run("host1", &format!("{filter} -d {} -j DROP", lab.address("host4", 4)));
    let hosts = [("host2", jump), ("host3", jump), ("host4", command.as_str())];
    let before = hosts.map(|(host, _)| lab.rules(host, 4) + &lab.rules(host, 6));
    let run = lab.deploy_to(&hosts, &["--rollback-after", "9s"]);
    for ((host, _), before) in hosts.iter().zip(before) {
        run.expect(host, "rolled_back").expect_logins(host, 1);
        assert!(run.reason(host).contains("2222"), "{}", run.reason(host));
        assert_eq!(lab.rules(host, 4) + &lab.rules(host, 6), before, "{host}");
        assert_eq!(lab.connects_between("host1", host, 4, 22), Open);
    }
    assert!(
        run.reason("host2").contains("nothing from here arrives"),
        "{}",
        run.reason("host2")
    );
}

fn an_ipv6_host_behind_a_bastion(backend: &str) {
    let lab = behind_host1(2, backend);
    lab.ssh_config("host1", "");
    let variables = format!(
        "portmap: ['2222:22', '53:5353/udp', {{port: 81, to_port: 8081, direct: allow}}], ansible_host: '{}', \
         ansible_ssh_common_args: '-J bastion'",
        lab.address("host2", 6)
    );
    let _web = lab.serve("host2", 8081, "web");
    let run = lab.deploy_to(&[("host2", &variables)], &[]);
    run.expect("host2", "confirmed")
        .expect_logins("host2", 2)
        .expect_mapping("host2", 6, "2222", "open", "closed")
        .expect_mapping("host2", 4, "2222", "unverified", "unverified")
        .expect_mapping("host2", 6, "81", "open", "open")
        .expect_mapping("host2", 6, "53", "unverified", "unverified");
    let why = run.mapping_reason("host2", 6, "53");
    assert!(why.contains("no datagrams"), "{why}");
    lab.expect_mapped_from("host1", "host2");
    let folder = lab.inventory_of(&[("host2", &variables)]);
    let path = |name: &str| folder.join(name).display().to_string();
    lab.deploy(&["remove", "-i", &path("login.yaml"), "-i", &path("hosts.yaml")])
        .expect("host2", "confirmed");
    assert_eq!(lab.our_rules("host2"), "");
    assert_eq!(lab.connects_between("host1", "host2", 6, 22), Open);
}

/// A bastion that is not the known one, that forbids forwarding, or that does not let us in: said with its name, asked
/// once for all hosts, and nothing has changed.
fn a_bastion_that_is_no_way(backend: &str) {
    let lab = behind_host1(4, backend);
    lab.ssh_config("host1", "");
    let hosts =
        ["host2", "host3", "host4"].map(|host| (host, "portmap: ['2222:22'], ansible_ssh_common_args: '-J bastion'"));
    let unreachable = |what: &str| {
        let run = lab.deploy_to(&hosts, &[]);
        for (host, _) in hosts {
            let found = run.host(host);
            assert_eq!(
                (found["state"].as_str(), run.code),
                (Some("unreachable"), Some(4)),
                "{}",
                run.said()
            );
            assert!(
                run.reason(host).contains("bastion") && run.reason(host).contains(what),
                "{}",
                run.reason(host)
            );
            assert_eq!(lab.our_rules(host), "");
            assert_eq!(lab.logins(host), 0);
        }
    };
    lab.sshd_says("host1", "AllowTcpForwarding no");
    unreachable("AllowTcpForwarding");
    lab.sshd_says("host1", "AllowTcpForwarding yes");
    lab.sshd_says("host1", "PermitRootLogin no");
    let before = lab.run("host1", "grep -c '^Connection from ' /var/log/sshd.log || :");
    unreachable("Permission denied");
    let after = lab.run("host1", "grep -c '^Connection from ' /var/log/sshd.log || :");
    let number = |text: &str| text.trim().parse::<u32>().unwrap();
    assert_eq!(number(&after), number(&before) + 1);
    lab.sshd_says("host1", "PermitRootLogin yes");
    let known = std::fs::read_to_string(lab.known_hosts()).unwrap();
    let address = lab.address("host1", 4).to_string();
    let other = known
        .lines()
        .find(|line| !line.starts_with(&format!("{address},")))
        .unwrap();
    let wrong = known
        .lines()
        .map(|line| match line.strip_prefix(&format!("{address},")) {
            Some(_) => format!("{address} {}\n", other.split_once(' ').unwrap().1),
            None => format!("{line}\n"),
        })
        .collect::<String>();
    std::fs::write(lab.known_hosts(), wrong).unwrap();
    unreachable("REMOTE HOST IDENTIFICATION HAS CHANGED");
}

/// A bastion that is booted in the middle of a change: the next use logs in anew.
fn a_bastion_that_is_booted_during_a_change(backend: &str) {
    let lab = behind_host1(2, backend);
    lab.ssh_config("host1", "");
    let before = lab.rules("host2", 4) + &lab.rules("host2", 6);
    let folder = lab.inventory_of(&[("host2", "portmap: ['2222:22'], ansible_ssh_common_args: '-J bastion'")]);
    let mut command = lab.controller(&["--output", "jsonl", "--rollback-after", "8s", "-i"]);
    command
        .arg(folder.join("login.yaml"))
        .arg("-i")
        .arg(folder.join("hosts.yaml"));
    let mut run = RunningRun::start(command);
    run.step("host2", "verify");
    lab.run(
        "host1",
        "pkill -KILL -x sshd; sleep 0.2; $(command -v sshd) -E /var/log/sshd.log",
    );
    let end = run.end().expect("host2", "rolled_back", 2);
    assert!(end.steps("host2").contains(&"rollback"), "{end:?}");
    assert_eq!(lab.logins("host1"), 2);
    assert_eq!(lab.rules("host2", 4) + &lab.rules("host2", 6), before);
}

/// A bastion that loses all packets during a change: the host's own timer brings the old rules back, and the host is
/// looked up when the bastion is there again.
fn a_bastion_that_is_lost_during_a_change(backend: &str) {
    let lab = behind_host1(2, backend);
    lab.ssh_config("host1", "");
    let before = lab.rules("host2", 4) + &lab.rules("host2", 6);
    let folder = lab.inventory_of(&[("host2", "portmap: ['2222:22'], ansible_ssh_common_args: '-J bastion'")]);
    let mut command = lab.controller(&["--output", "jsonl", "--rollback-after", "5s", "-T", "3s", "-i"]);
    command
        .arg(folder.join("login.yaml"))
        .arg("-i")
        .arg(folder.join("hosts.yaml"));
    let mut run = RunningRun::start(command);
    run.step("host2", "verify");
    lab.cut("host1");
    await_true("the old rules are back", Duration::from_secs(8), || {
        lab.rules("host2", 4) + &lab.rules("host2", 6) == before
    });
    lab.heal("host1");
    let end = run.end().expect("host2", "rolled_back", 2);
    assert_eq!(end.host("host2")["rolled_back_by"], "timer", "{end:?}");
}
