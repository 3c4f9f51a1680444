//! Mappings that change, and mappings that go.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::support::deploy::Seen::{Open, Refused, Silent};
use super::support::lab::Lab;
use crate::on_both_backends;

on_both_backends!(
    removed_mappings_leave_open_direct_access,
    an_update_breaks_no_connection,
    the_old_way_in_stays_while_the_new_one_is_looked_for,
    the_way_in_moves
);

fn removed_mappings_leave_open_direct_access(backend: &str) {
    let lab = Lab::up(1, backend);
    let _web = lab.serve("host1", 8080, "web");
    lab.load_rules_of_both("host1", "*nat\n-A PREROUTING -p tcp --dport 81 -j REDIRECT --to-ports 8080\nCOMMIT\n*filter\n-A INPUT -p tcp --dport 7 -j DROP\nCOMMIT");
    let foreign = lab.foreign_rules("host1");
    lab.deploys("portmap: ['2222:22', '80:8080']")
        .expect("host1", "confirmed");
    lab.expect_tcp_ports("host1", &[22, 8080], Silent);

    let run = lab.deploys("portmap: [], portmap_previous_ports: [2222]");
    run.expect("host1", "confirmed").expect_logins("host1", 2);
    lab.expect_sshd("host1", 22);
    lab.expect_server("host1", 8080, "web");
    lab.expect_server("host1", 81, "web");
    lab.expect_tcp_ports("host1", &[2222, 80], Refused);
    assert_eq!(lab.foreign_rules("host1"), foreign);

    lab.deploys("portmap: []")
        .expect("host1", "unchanged")
        .expect_logins("host1", 1);
    lab.deploys("portmap: ['2222:22']").expect("host1", "confirmed");
    lab.expect_sshd("host1", 2222);
    lab.expect_tcp("host1", 22, Silent);
    assert_eq!(lab.foreign_rules("host1"), foreign);
}

/// What new connections to each port, in both families, were told while something ran.
type Told = Vec<(u16, Vec<String>)>;

/// Makes one connection after the other to each of these ports of `host1` while `work` is done.
fn while_connecting<T>(lab: &Lab, ports: &[u16], work: impl FnOnce() -> T) -> (T, Told) {
    let done = AtomicBool::new(false);
    let keep_connecting = &|family, port| {
        let mut lines = Vec::new();
        while !done.load(Ordering::Relaxed) {
            lines.push(lab.first_line("host1", family, port));
        }
        lines
    };
    std::thread::scope(|scope| {
        let ways = ports.iter().flat_map(|&port| [(4, port), (6, port)]);
        let each: Vec<_> = ways
            .map(|(family, port)| (port, scope.spawn(move || keep_connecting(family, port))))
            .collect();
        let result = work();
        done.store(true, Ordering::Relaxed);
        let told = each.into_iter().map(|(port, one)| (port, one.join().unwrap()));
        (result, told.collect())
    })
}

#[track_caller]
fn expect_all(told: &Told, is_good: impl Fn(u16, &str) -> bool) {
    for (port, lines) in told {
        assert!(lines.len() > 5, "{port}: {lines:?}");
        let bad: Vec<_> = lines.iter().filter(|line| !is_good(*port, line)).collect();
        let (bad_ones, all) = (bad.len(), lines.len());
        assert!(
            bad.is_empty(),
            "{bad_ones} of {all} connections to {port} failed: {bad:?}"
        );
    }
}

fn an_update_breaks_no_connection(backend: &str) {
    let lab = Lab::up(1, backend);
    let _servers = [8080, 8081].map(|port| lab.serve("host1", port, &port.to_string()));
    lab.deploys("portmap: ['2222:22', '80:8080']")
        .expect("host1", "confirmed");
    lab.expect_server("host1", 80, "8080");

    let (run, seen) = while_connecting(&lab, &[2222, 80], || lab.deploys("portmap: ['2222:22', '80:8081']"));
    run.expect("host1", "confirmed")
        .expect_mappings("host1", "80", "open", "closed");
    expect_all(&seen, |port, line| {
        if port == 80 {
            line == "8080" || line == "8081"
        } else {
            line.starts_with("SSH-2.0-")
        }
    });
    lab.expect_server("host1", 80, "8081");
    lab.expect_tcp("host1", 8080, Open);
    lab.expect_tcp("host1", 8081, Silent);
}

fn the_way_in_moves(backend: &str) {
    let lab = Lab::up(1, backend);
    lab.deploys("portmap: ['2222:22']").expect("host1", "confirmed");
    let moved = "portmap: ['2200:22'], portmap_previous_ports: [2222]";
    lab.deploys(moved)
        .expect("host1", "confirmed")
        .expect_mappings("host1", "2200", "open", "closed");
    lab.expect_sshd("host1", 2200);
    lab.expect_tcp("host1", 22, Silent);
    lab.expect_tcp("host1", 2222, Refused);
    lab.deploys(moved).expect("host1", "unchanged");

    // The inventory says 2200 is the way in, and takes it away.
    let gone = [(
        "host1",
        "portmap: ['2022:22'], ansible_port: 2200, portmap_rollback_after: 6",
    )];
    lab.deploy_to(&gone, &[]).expect("host1", "refused");
    lab.deploy_to(&gone, &["--force"]).expect("host1", "rolled_back");
    lab.expect_sshd("host1", 2200);
    lab.expect_tcp_ports("host1", &[2022], Refused);
}

/// Make before break: every way in that works before or after works in between as well, at the price of nothing else.
fn the_old_way_in_stays_while_the_new_one_is_looked_for(backend: &str) {
    let lab = Lab::up(1, backend);
    lab.load_rules_of_both(
        "host1",
        "*filter\n:INPUT DROP\n-A INPUT -p ipv6-icmp -j ACCEPT\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT",
    );
    lab.deploys("portmap: ['2222:22']").expect("host1", "confirmed");
    // From now on nothing but our own rules accepts SSH.
    lab.run(
        "host1",
        "for t in iptables ip6tables; do $t -D INPUT -p tcp --dport 22 -j ACCEPT || exit; done",
    );
    lab.block("tcp", 2200);
    let change = "portmap: ['2200:22'], portmap_previous_ports: [2222], portmap_rollback_after: 9";
    let (run, told) = while_connecting(&lab, &[2222], || lab.deploys(change));
    run.expect("host1", "rolled_back");
    expect_all(&told, |_, line| line.starts_with("SSH-2.0-"));
    lab.unblock();

    let (run, knocks) = while_knocking(&lab, 22, || lab.deploys(change));
    run.expect("host1", "confirmed");
    assert!(knocks.len() > 50, "{knocks:?}");
    let open = knocks.iter().filter(|open| **open).count();
    assert_eq!(open, 0, "of {} connections", knocks.len());
}

/// Tries one new connection after the other to a port of `host1` while `work` is done, without much patience: whether
/// each came about.
fn while_knocking<T>(lab: &Lab, port: u16, work: impl FnOnce() -> T) -> (T, Vec<bool>) {
    let done = AtomicBool::new(false);
    let knock = &|family| {
        let to = SocketAddr::new(lab.address("host1", family), port);
        let mut knocks = Vec::new();
        lab.within(|| {
            while !done.load(Ordering::Relaxed) {
                knocks.push(TcpStream::connect_timeout(&to, Duration::from_millis(8)).is_ok());
            }
        });
        knocks
    };
    std::thread::scope(|scope| {
        let each = [4, 6].map(|family| scope.spawn(move || knock(family)));
        let result = work();
        done.store(true, Ordering::Relaxed);
        (result, each.into_iter().flat_map(|one| one.join().unwrap()).collect())
    })
}
