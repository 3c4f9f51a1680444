//! `verify`: the outside proof without a change, and without a trace.

use super::bastion::behind_host1;
use super::checks::{EACH_ITS_OWN, files, run};
use super::support::deploy::Run;
use super::support::deploy::Seen::Silent;
use super::support::lab::{Lab, said};

/// Rules with their counters aside, and all of our files, to the nanosecond of their times.
fn state(lab: &Lab) -> Vec<String> {
    let all = |host| lab.foreign_rules(host) + &lab.our_rules(host) + &lab.files(host);
    lab.hosts().into_iter().map(all).collect()
}

fn expect_all_well(run: &Run, host: &str) {
    assert_eq!(run.state(host), "unchanged", "{}", run.said());
    run.expect_mappings(host, "2222", "open", "closed")
        .expect_mappings(host, "80", "open", "closed");
}

#[test]
fn a_look_tells_what_is_off_and_leaves_no_trace() {
    let lab = Lab::up(4, "mixed");
    let mut web: Vec<_> = lab
        .hosts()
        .into_iter()
        .map(|host| lab.serve(host, 8080, "web"))
        .collect();
    let hosts: Vec<_> = lab
        .hosts()
        .into_iter()
        .map(|host| {
            (
                host,
                "wanted: [{tcp: 80, timeout: 2}, {remote_command: [test, -d, /run], timeout: 2}]".to_owned(),
            )
        })
        .collect();
    let files = files(&lab, &hosts, EACH_ITS_OWN);
    let verify = |args: &[&str]| run(&lab, &["verify"], &files, &[&["--timeout", "2"], args].concat());

    let before = verify(&["-l", "host1"]);
    before
        .expect("host1", "failed")
        .expect_mappings("host1", "2222", "refused", "open");
    assert!(before.reason("host1").contains("2222"), "{}", before.said());
    assert_eq!(lab.files("host1"), "");

    let deployed = run(&lab, &[], &files, &["--rollback-after", "12s"]);
    assert_eq!(deployed.code, Some(0), "{}", deployed.said());
    let (old, logins) = (state(&lab), lab.logins("host1"));
    let good = verify(&[]);
    assert_eq!(good.code, Some(0), "{}", good.said());
    for host in lab.hosts() {
        expect_all_well(&good, host);
        assert_eq!(good.host(host)["generation"], 1, "{}", good.said());
    }
    let why = good.mapping_reason("host1", 4, "80");
    assert!(why.contains("cannot be told"), "{why}");
    // By the way that operators use, and over IPv6 to see that it is the same host there.
    good.expect_logins("host1", 2);
    assert_eq!(lab.logins("host1"), logins + 2);

    let one: Vec<&str> = files
        .iter()
        .map(String::as_str)
        .chain(["-l", "host1", "--timeout", "2"])
        .collect();
    let written = |form| said(&mut lab.controller(&[&["verify"], &one[..], &["--output", form]].concat()));
    let junit = written("junit");
    assert!(
        junit.contains(r#"tests="5" skipped="0" errors="0" failures="0""#),
        "{junit}"
    );
    let gauges = written("prometheus");
    assert!(
        gauges.contains("portmap_verify_host_ok{host=\"host1\"} 1\n"),
        "{gauges}"
    );

    lab.run("host2", "iptables -F PORTMAP-GUARD; ip6tables -F PORTMAP-GUARD");
    drop(web.remove(2));
    lab.cut("host4");
    let off = verify(&[]);
    assert_eq!(off.code, Some(2), "{}", off.said());
    assert_eq!(off.json["exit_code"], 2, "{}", off.said());
    expect_all_well(&off, "host1");
    assert_eq!(off.state("host2"), "failed");
    off.expect_mappings("host2", "80", "open", "open")
        .expect_mappings("host2", "2222", "open", "open");
    assert!(
        off.reason("host2").contains("port 22 can still be reached directly"),
        "{}",
        off.said()
    );
    assert_eq!(off.state("host3"), "failed");
    off.expect_mappings("host3", "80", "refused", "closed")
        .expect_mappings("host3", "2222", "open", "closed");
    assert!(off.reason("host3").contains("port 80/tcp refuses"), "{}", off.said());
    assert_eq!(off.state("host4"), "unreachable");
    let unreachable = verify(&["-l", "host4"]);
    assert_eq!(unreachable.code, Some(2), "{}", unreachable.said());
    lab.heal("host4");

    let new = state(&lab);
    for (index, host) in lab.hosts().into_iter().enumerate().filter(|(index, _)| *index != 1) {
        assert_eq!(new[index], old[index], "{host}");
    }
    lab.expect_tcp("host3", 22, Silent);
}

/// Connections of checks take the way that logins take.
#[test]
fn checks_and_a_look_go_through_a_bastion() {
    let lab = behind_host1(2, "mixed");
    lab.ssh_config("host1", "");
    let _web = lab.serve("host2", 8080, "web");
    let wanted = |checks: &str| {
        let variables = format!("wanted: [{checks}], ansible_ssh_common_args: '-J bastion'");
        files(&lab, &[("host2", variables)], EACH_ITS_OWN)
    };
    let good = wanted("{tcp: 80}, {closed: 8080, timeout: 1200ms}, {remote_command: 'true'}");
    run(&lab, &[], &good, &[]).expect("host2", "confirmed");
    let well = run(&lab, &["verify"], &good, &["--timeout", "3"]);
    well.expect("host2", "unchanged")
        .expect_mapping("host2", 4, "80", "open", "closed")
        .expect_mapping("host2", 6, "80", "unverified", "unverified");
    let bad = wanted("{tcp: 81}, {tcp: 80}");
    let off = run(&lab, &["verify"], &bad, &["--timeout", "3"]);
    off.expect("host2", "failed")
        .expect_mapping("host2", 4, "80", "open", "closed");
    assert_eq!(off.reason("host2"), "check `tcp 81` failed: connection refused");
}
