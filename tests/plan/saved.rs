//! Plans that are kept and carried out later.

use super::support::lab::Lab;
use super::{call, mode};
use crate::on_both_backends;

on_both_backends!(
    a_plan_is_carried_out_where_all_is_as_it_was,
    a_plan_for_others_touches_nobody
);

const MAPPED: &str = "portmap: ['80:8080'], ansible_become_password: hunter2";

fn a_plan_is_carried_out_where_all_is_as_it_was(backend: &str) {
    let lab = Lab::up(4, backend);
    let hosts = ["host1", "host2", "host3", "host4"].map(|host| (host, MAPPED));
    let file = lab.home().join("plan.json");
    let path = file.to_str().unwrap();
    let planned = call(&lab, &["plan", "--save", path], &hosts);
    assert_eq!(planned.code, Some(0), "{}", planned.said());
    assert_eq!(mode(&file), 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("hunter2") && text.contains("\"program\""), "{text}");

    // By hand, by another deploy, and by nothing but packets.
    lab.run("host1", "ip6tables -A INPUT -p tcp --dport 9 -j DROP");
    call(&lab, &["deploy"], &[("host2", "portmap: ['81:8081']")]).expect("host2", "confirmed");
    lab.connects("host3", 4, 80);
    let rules = ["host1", "host2"].map(|host| lab.our_rules(host));
    let run = call(&lab, &["deploy", "--plan", path, "--on-failure", "continue"], &hosts);
    assert_eq!(run.code, Some(2), "{}", run.said());
    for (host, says) in [
        ("host1", "the plan is stale: IPv6 filter INPUT was empty or not there"),
        ("host2", "the plan is stale: its generation was none, and is 1 now"),
    ] {
        assert_eq!(run.state(host), "refused", "{}", run.said());
        assert!(run.reason(host).starts_with(says), "{}", run.said());
        assert_eq!(run.host(host)["connections"], 1);
    }
    assert_eq!(rules, ["host1", "host2"].map(|host| lab.our_rules(host)));
    for host in ["host3", "host4"] {
        assert_eq!(run.state(host), "confirmed", "{}", run.said());
    }
    // It was carried out: what it rests on is gone.
    let again = call(&lab, &["deploy", "--plan", path, "--on-failure", "continue"], &hosts);
    assert_eq!(again.state("host3"), "refused", "{}", again.said());
}

fn a_plan_for_others_touches_nobody(backend: &str) {
    let lab = Lab::up(2, backend);
    let hosts = ["host1", "host2"].map(|host| (host, MAPPED));
    let file = lab.home().join("plan.json");
    let path = file.to_str().unwrap();
    assert_eq!(call(&lab, &["plan", "--save", path], &hosts).code, Some(0));
    let text = std::fs::read_to_string(&file).unwrap();
    let logins = || ["host1", "host2"].map(|host| lab.logins(host));
    let before = logins();
    let refused = |hosts: &[(&str, &str)], says: &str| {
        let run = call(&lab, &["deploy", "--plan", path], hosts);
        assert_eq!(run.code, Some(1), "{}", run.said());
        assert!(
            run.stderr.contains(says) && run.stderr.contains("plan again"),
            "{}",
            run.said()
        );
    };
    refused(&hosts[..1], "host2 is planned, and not among the hosts of this run");
    refused(
        &[hosts[0], ("host2", "portmap: ['80:8081']")],
        "host2 was planned with other mappings",
    );
    for (wrong, says) in [
        (
            text.replace("\"version\": 1", "\"version\": 7"),
            "it was made by portmap-deploy",
        ),
        (text.replace('}', ""), "it is not a saved plan"),
        ("{}".to_owned(), "it is not a saved plan"),
    ] {
        std::fs::write(&file, wrong).unwrap();
        refused(&hosts, says);
    }
    std::fs::remove_file(&file).unwrap();
    refused(&hosts, "No such file");
    assert_eq!(logins(), before, "nobody is touched");
}
