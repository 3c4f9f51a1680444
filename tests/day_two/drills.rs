//! `drill`: the host's timer, shown to work.

use super::call;
use super::support::lab::Lab;
use crate::on_both_backends;

on_both_backends!(a_drill_shows_that_the_timer_brings_everything_back);

fn a_drill_shows_that_the_timer_brings_everything_back(backend: &str) {
    let lab = Lab::up(3, backend);
    let mapped = "portmap: ['2222:22', '53:5353/udp']";
    lab.load_rules_of_both(
        "host1",
        "*nat\n-A PREROUTING -p tcp --dport 81 -j REDIRECT --to-ports 8080\nCOMMIT\n*filter\n:INPUT DROP\n-A INPUT -p ipv6-icmp -j ACCEPT\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT",
    );
    lab.deploy_to(&[("host1", mapped), ("host3", mapped)], &[]);
    let rules = |host| [lab.rules(host, 4), lab.rules(host, 6)];
    let before = ["host1", "host2"].map(rules);
    let hosts = [("host1", mapped), ("host2", ""), ("host3", mapped)];
    let run = std::thread::scope(|scope| {
        let run = scope.spawn(|| call(&lab, "drill", &hosts, &["--rollback-after", "6s"]));
        let pending = || lab.exec("host3", "test -e /run/portmap-deploy/lock").status.success();
        super::support::lab::await_true("the drill has begun", pending);
        std::thread::sleep(std::time::Duration::from_secs(2));
        assert_ne!(lab.rules("host1", 4), before[0][0]);
        lab.run("host3", "iptables -A INPUT -p tcp --dport 99 -j DROP");
        run.join().unwrap()
    });
    for host in ["host1", "host2"] {
        assert_eq!(run.state(host), "unchanged", "{}", run.said());
        let reason = run.reason(host);
        let (took, rest) = reason
            .strip_prefix("its timer undid the drill after ")
            .unwrap()
            .split_once(" s; ")
            .unwrap();
        assert!((5.8..8.0).contains(&took.parse::<f64>().unwrap()), "{reason}");
        assert_eq!(rest, "all rules are as before");
    }
    assert_eq!(["host1", "host2"].map(rules), before);
    assert_eq!(run.state("host3"), "failed", "{}", run.said());
    assert!(
        run.reason("host3").contains("IPv4: rules of INPUT (filter) are others"),
        "{}",
        run.said()
    );
    call(&lab, "deploy", &hosts[..1], &[]).expect("host1", "unchanged");
}
