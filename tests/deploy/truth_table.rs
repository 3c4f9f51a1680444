//! The three configurations of the README's truth table.

use super::support::deploy::Seen::{Open, Silent};
use super::support::lab::Lab;
use crate::on_both_backends;

on_both_backends!(
    the_right_rules_on_an_open_host,
    closed_2222_is_opened,
    open_22_is_closed,
    two_hosts_in_one_run
);

fn the_right_rules_on_an_open_host(backend: &str) {
    let lab = Lab::up(1, backend);
    lab.deploys("portmap: ['2222:22']")
        .expect("host1", "confirmed")
        .expect_logins("host1", 2)
        .expect_mappings("host1", "2222", "open", "closed");
    lab.expect_sshd("host1", 2222);
    lab.expect_tcp("host1", 22, Silent);
}

/// A host that drops what it does not accept; its sshd is reached by 2022 as well, and that is the way in.
fn default_deny(backend: &str, accepted: u16) -> Lab {
    let lab = Lab::up(1, backend);
    lab.run(
        "host1",
        "env -i PATH=\"$PATH\" \"$(command -v sshd)\" -p 2022 -o PidFile=none -E /var/log/sshd.log",
    );
    lab.load_rules_of_both(
        "host1",
        &format!(
            "*nat\n-A PREROUTING -p tcp --dport 2222 -j REDIRECT --to-ports 22\nCOMMIT\n*filter\n:INPUT DROP\n\
             -A INPUT -p tcp --dport 2022 -j ACCEPT\n-A INPUT -p ipv6-icmp -j ACCEPT\n\
             -A INPUT -p tcp --dport {accepted} -j ACCEPT\nCOMMIT"
        ),
    );
    lab
}

fn turned_right(lab: &Lab) {
    let foreign = lab.foreign_rules("host1");
    lab.deploys("portmap: ['2222:22'], ansible_port: 2022")
        .expect("host1", "confirmed")
        .expect_mappings("host1", "2222", "open", "closed");
    lab.expect_sshd("host1", 2222);
    lab.expect_tcp("host1", 22, Silent);
    lab.expect_sshd("host1", 2022);
    assert_eq!(lab.foreign_rules("host1"), foreign);
}

fn closed_2222_is_opened(backend: &str) {
    let lab = default_deny(backend, 2222);
    lab.expect_tcp("host1", 2222, Silent);
    lab.expect_tcp("host1", 22, Silent);
    turned_right(&lab);
}

fn open_22_is_closed(backend: &str) {
    let lab = default_deny(backend, 22);
    lab.expect_sshd("host1", 2222);
    lab.expect_tcp("host1", 22, Open);
    turned_right(&lab);
}

fn two_hosts_in_one_run(backend: &str) {
    let lab = Lab::up(2, backend);
    let mappings = "portmap: ['2222:22']";
    let run = lab.deploy_to(&[("host1", mappings), ("host2", mappings)], &[]);
    for host in ["host1", "host2"] {
        run.expect(host, "confirmed")
            .expect_mappings(host, "2222", "open", "closed");
        lab.expect_sshd(host, 2222);
        lab.expect_tcp(host, 22, Silent);
    }
}
