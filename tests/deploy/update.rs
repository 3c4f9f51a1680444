//! Mappings that change, and mappings that go.

use std::sync::atomic::{AtomicBool, Ordering};

use super::support::deploy::Seen::{Open, Refused, Silent};
use super::support::lab::Lab;
use crate::on_both_backends;

on_both_backends!(
    removed_mappings_leave_open_direct_access,
    an_update_breaks_no_connection,
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

fn an_update_breaks_no_connection(backend: &str) {
    let lab = Lab::up(1, backend);
    let _servers = [8080, 8081].map(|port| lab.serve("host1", port, &port.to_string()));
    lab.deploys("portmap: ['2222:22', '80:8080']")
        .expect("host1", "confirmed");
    lab.expect_server("host1", 80, "8080");

    let done = AtomicBool::new(false);
    let keep_connecting = |family, port| {
        let mut lines = Vec::new();
        while !done.load(Ordering::Relaxed) {
            lines.push(lab.first_line("host1", family, port));
        }
        lines
    };
    let seen = std::thread::scope(|scope| {
        let each = [(4, 2222), (6, 2222), (4, 80), (6, 80)]
            .map(|(family, port)| (port, scope.spawn(move || keep_connecting(family, port))));
        let run = lab.deploys("portmap: ['2222:22', '80:8081']");
        done.store(true, Ordering::Relaxed);
        run.expect("host1", "confirmed")
            .expect_mappings("host1", "80", "open", "closed");
        each.map(|(port, one)| (port, one.join().unwrap()))
    });
    for (port, lines) in seen {
        let good = |line: &String| {
            if port == 80 {
                line == "8080" || line == "8081"
            } else {
                line.starts_with("SSH-2.0-")
            }
        };
        assert!(lines.len() > 5, "{port}: {lines:?}");
        let bad: Vec<_> = lines.iter().filter(|line| !good(line)).collect();
        assert!(
            bad.is_empty(),
            "{} of {} connections to {port} failed: {bad:?}",
            bad.len(),
            lines.len()
        );
    }
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
    let run = lab.deploys("portmap: ['2022:22'], ansible_port: 2200, portmap_rollback_after: 6");
    run.expect("host1", "rolled_back");
    lab.expect_sshd("host1", 2200);
    lab.expect_tcp_ports("host1", &[2022], Refused);
}
