//! Hosts behind bastions: nothing from the controller arrives at them but through another host.

use super::support::deploy::Run;
use super::support::deploy::Seen::{Open, Silent};
use super::support::lab::Lab;
use crate::on_both_backends;

on_both_backends!(hosts_share_one_login_at_their_bastion);

/// A lab whose hosts but the first can be reached by it alone.
fn behind_host1(hosts: usize, backend: &str) -> Lab {
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
    let again = lab.deploy_to(&hosts, &[]);
    for (host, _) in hosts {
        again.expect(host, "unchanged").expect_logins(host, 1);
    }
    assert_eq!(logins(&lab, ["host1", "host2", "host3", "host4"]), [2, 3, 3, 3]);
    assert_eq!(lab.masters(), "");
}
