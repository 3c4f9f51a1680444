//! What may be, and what is not known.

use std::fmt::Write as _;

use super::super::Verdict;
use super::{input, rules};
use Verdict::{Accept, Drop, Unknown};

const SET: &str = "-m set --match-set friends src";

#[test]
fn what_may_hold_goes_both_ways() {
    let seen = input(&format!("-A INPUT {SET} -j ACCEPT")).is(Unknown);
    assert!(seen.reason.unwrap().contains("set"));
    assert_eq!(seen.deciding, ["filter INPUT 1", "filter INPUT 0"]);
    assert!(!seen.sure);
}

#[test]
fn where_both_ways_end_alike_the_end_is_known() {
    input(&format!("-A INPUT {SET} -j ACCEPT\n-A INPUT -j ACCEPT")).is(Accept);
    input(&format!("-A INPUT {SET} -j DROP")).is(Drop);
    input(&format!(
        "-A INPUT {SET} -j a\n-A INPUT -p tcp -j ACCEPT\n-A a -p udp -j DROP\n-A a -j LOG"
    ))
    .is(Accept);
    input(&format!("-A INPUT -p udp {SET} -j DROP\n-A INPUT -p tcp -j ACCEPT")).is(Accept);
    input("-A INPUT -p udp -m nonsense --x -j ACCEPT").is(Drop);
    input("-A INPUT -m nonsense --x -j LOG\n-A INPUT -p tcp -j ACCEPT").is(Accept);
}

#[test]
fn what_is_not_modelled_is_named() {
    let seen = input("-A INPUT -m nonsense --x -j ACCEPT").is(Unknown);
    assert!(seen.reason.unwrap().contains("nonsense"));
    let seen = input("-A INPUT -j NFQUEUE --queue-num 1\n-A INPUT -j ACCEPT").is(Unknown);
    assert!(seen.reason.unwrap().contains("NFQUEUE"));
    let seen = input(&format!(
        "-A INPUT {SET} -j MARK --set-xmark 0x1/0xffffffff\n-A INPUT -m nonsense --x -j ACCEPT"
    ))
    .is(Unknown);
    assert!(seen.reason.unwrap().contains("nonsense"));
}

#[test]
fn what_was_taken_for_true_stays_true_on_that_way() {
    input(&format!(
        "-A INPUT {SET} -j ACCEPT\n-A INPUT ! -p icmp -m set ! --match-set friends src -j ACCEPT"
    ))
    .is(Unknown);
    let twice = "-A INPUT -s 10.0.0.0/8 -j a\n-A INPUT -j ACCEPT\n-A a ! -s 10.0.0.0/8 -j DROP";
    input(twice).whoever().is(Accept);
    let split = "-A INPUT -s 10.0.0.0/8 -j ACCEPT\n-A INPUT ! -s 10.0.0.0/8 -j ACCEPT";
    input(split).whoever().is(Accept);
    let luck =
        "-A INPUT -m limit --limit 1/sec -j a\n-A INPUT -j ACCEPT\n-A a -m limit --limit 1/sec -j RETURN\n-A a -j DROP";
    input(luck).is(Unknown);
}

#[test]
fn many_conditions_that_may_hold_stay_few_ways() {
    let mut text = "*filter\n:INPUT ACCEPT [0:0]\n".to_owned();
    for index in 0..2000 {
        let bit = 1_u32 << (index % 32);
        let _ = writeln!(
            text,
            "-A INPUT -m set --match-set s{index} src -j MARK --set-xmark {bit:#x}/{bit:#x}"
        );
    }
    let policy = rules(&format!("{text}COMMIT")).is(Accept);
    assert_eq!(policy.path.len(), 2001);
    rules(&format!("{text}-A INPUT -m mark --mark 0x1 -j DROP\nCOMMIT")).is(Unknown);
}

#[test]
fn a_target_in_mangle_that_is_not_known_may_take_the_packet_or_not() {
    let case = |policy: &str| {
        rules(&format!(
            "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j NFQUEUE\nCOMMIT\n*filter\n:INPUT {policy} [0:0]\nCOMMIT"
        ))
    };
    assert!(case("ACCEPT").is(Unknown).reason.unwrap().contains("NFQUEUE"));
    case("DROP").is(Drop);
}

/// What a rule puts into a set is no longer what was told of it.
#[test]
fn sets_that_rules_change() {
    let with_set = |lines: &str| {
        let mut case = input(lines);
        case.host.sets.insert("s".to_owned(), Vec::new());
        case
    };
    let asks = "-A INPUT -m set --match-set s src -j ACCEPT";
    with_set(asks).is(Verdict::Drop);
    with_set(&format!("-A INPUT -j SET --add-set s src\n{asks}")).is(Verdict::Unknown);
}
