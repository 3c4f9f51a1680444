//! Sets of ipset(8), of each kind.

use super::*;

#[track_caller]
fn with(members: &[&str], lines: &str) {
    with_facts(&facts(Family::V4), members, lines);
}

#[track_caller]
fn with_facts(facts: &Facts, members: &[&str], lines: &str) {
    let members = members.iter().map(|member| (*member).to_owned()).collect();
    let inner = vec!["192.0.2.10".to_owned()];
    let sets = [("s".to_owned(), members), ("inner".to_owned(), inner)];
    let host = Host {
        sets: sets.into_iter().collect(),
        ..Host::default()
    };
    table(facts, &host, lines);
}

const IN: &str = "-m set --match-set s src => yes\n-m set ! --match-set s src => no";
const OUT: &str = "-m set --match-set s src => no\n-m set ! --match-set s src => yes";

#[test]
fn addresses_and_networks() {
    with(&["192.0.2.10"], IN);
    with(&["192.0.2.0/24"], IN);
    with(&["192.0.2.1-192.0.2.20"], IN);
    with(&["192.0.2.10 timeout 60 packets 0 bytes 0 comment \"x\""], IN);
    with(&["add s 192.0.2.10"], IN);
    with(&[], OUT);
    with(&["192.0.2.11", "10.0.0.0/8", "2001:db8::1"], OUT);
    with(&["198.51.100.5"], OUT);
    with(&["198.51.100.5"], "-m set --match-set s dst => yes");
    with(&["192.0.2.0/24", "192.0.2.10 nomatch"], OUT);
    with(&["192.0.2.0/24 nomatch", "192.0.2.10"], IN);
    with(
        &["192.0.2.0/24", "192.0.2.10 nomatch"],
        "-m set --match-set s src --return-nomatch => yes",
    );
    with_facts(&facts(Family::V6), &["2001:db8::/32", "192.0.2.0/24"], IN);
}

#[test]
fn ports() {
    let both = "-m set --match-set s src,dst => yes\n-m set ! --match-set s src,dst => no";
    let neither = "-m set --match-set s src,dst => no\n-m set ! --match-set s src,dst => yes";
    with(&["192.0.2.10,tcp:22"], both);
    with(&["192.0.2.0/24,tcp:20-30"], both);
    with(&["192.0.2.10,udp:22"], neither);
    with(&["192.0.2.10,tcp:23"], neither);
    with(
        &["192.0.2.10,tcp:22"],
        "-m set --match-set s src => no\n-m set --match-set s src,src => no",
    );
    with(
        &["22"],
        "-m set --match-set s dst => yes\n-m set --match-set s src => no",
    );
    with(&["20-30"], "-m set --match-set s dst => yes");
    with(
        &["192.0.2.10,tcp:22,198.51.100.5"],
        "-m set --match-set s src,dst,dst => yes\n-m set --match-set s src,dst,src => no",
    );
    with(&["192.0.2.0/24,198.51.0.0/16"], both);
}

#[test]
fn interfaces_marks_and_sets() {
    with(
        &["192.0.2.0/24,eth0"],
        "-m set --match-set s src,src => yes\n-m set ! --match-set s src,src => no",
    );
    with(&["192.0.2.0/24,eth1"], "-m set --match-set s src,src => no");
    with(&["192.0.2.10,0x11"], "-m set --match-set s src,src => yes");
    with(&["192.0.2.10,0x12"], "-m set --match-set s src,src => no");
    with(&["inner"], IN);
    with(&["gone", "inner"], IN);
    with(&["gone"], "-m set --match-set s src => maybe");
    with(&["s"], "-m set --match-set s src => maybe");
    with(
        &["192.0.2.10,00:11:22:33:44:55"],
        "-m set --match-set s src,src => maybe",
    );
    with(&["192.0.2.11,00:11:22:33:44:55"], "-m set --match-set s src,src => no");
}

#[test]
fn what_is_not_told() {
    v4("-m set --match-set s src => maybe
        -m set ! --match-set s src => maybe
        -m set --match-set s nonsense => unknown
        -p udp -m set --match-set s src => no");
    with(&["192.0.2.10"], "-m set --match-set s src --packets-gt 5 => maybe");
    with(&["192.0.2.11"], "-m set --match-set s src --packets-gt 5 => no");
    with_facts(&blank(), &["192.0.2.10"], "-m set --match-set s src => maybe");
    with_facts(&blank(), &[], "-m set --match-set s src => no");
    let changed = Facts {
        changed_sets: vec!["s".to_owned()],
        ..facts(Family::V4)
    };
    with_facts(&changed, &["192.0.2.10"], "-m set --match-set s src => maybe");
}
