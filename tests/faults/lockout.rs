//! Changes that would lock the operator out end in `rolled_back` within seconds.

use std::time::{Duration, Instant};

use crate::support::lab::Lab;
use crate::support::run::{Ended, FOREIGN, deploy, rules, run, runs_as_before, runs_the_mapping};

const SECONDS: Duration = Duration::from_secs(25);

/// A deploy to host1 and host2 (nft and legacy) that must be rolled back at once, unasked by any timer.
fn rolled_back(lab: &Lab, portmap: &str, reason: &str) -> Ended {
    let old: Vec<_> = lab.hosts().iter().map(|host| rules(lab, host)).collect();
    let began = Instant::now();
    let ended = run(deploy(lab, portmap, &["--rollback-after", "30s"]));
    assert!(began.elapsed() < SECONDS, "it took {:?}", began.elapsed());
    for (host, old) in lab.hosts().into_iter().zip(&old) {
        assert_eq!(ended.state(host), "rolled_back", "{ended:#?}");
        assert!(ended.reason(host).contains(reason), "no {reason:?} in the reason: {}", ended.reason(host));
        assert_eq!(ended.host(host)["rolled_back_by"], "controller", "{ended:#?}");
        runs_as_before(lab, host, old);
    }
    assert_eq!(ended.code, Some(2));
    ended
}

fn lab(setup: &str) -> Lab {
    let lab = Lab::up(2, "mixed");
    for host in lab.hosts() {
        lab.run(host, &format!("set -e; {FOREIGN}\n{setup}"));
    }
    lab
}

#[test]
fn nothing_in_the_way_is_confirmed() {
    let lab = lab("");
    let ended = run(deploy(&lab, r#"["2222:22"]"#, &[]));
    for host in lab.hosts() {
        assert_eq!(ended.state(host), "confirmed", "{ended:#?}");
        runs_the_mapping(&lab, host);
    }
    assert_eq!(ended.code, Some(0));
}

#[test]
fn a_foreign_rule_that_drops_the_new_port_before_nat() {
    let lab = lab("iptables -t raw -A PREROUTING -p tcp --dport 2222 -j DROP");
    rolled_back(&lab, r#"["2222:22"]"#, "2222");
}
