//! Chains, policies and tables.

use std::fmt::Write as _;

use super::super::{State, Verdict};
use super::{input, rules};
use Verdict::{Accept, Drop, Reject, Unknown};

#[test]
fn the_first_verdict_counts() {
    input("-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n-A INPUT -j DROP")
        .is(Accept)
        .by("filter INPUT 1");
    input("-A INPUT -p udp -j ACCEPT\n-A INPUT -j REJECT\n-A INPUT -j ACCEPT")
        .is(Reject)
        .by("filter INPUT 2");
    input("-A INPUT -p udp -j ACCEPT").is(Drop).by("filter INPUT 0");
    input("-A INPUT -p tcp\n-A INPUT -j LOG\n-A INPUT -p tcp -j ACCEPT")
        .is(Accept)
        .by("filter INPUT 3");
}

#[test]
fn rules_on_the_way_are_named_in_order() {
    let seen = input("-A INPUT -j a\n-A INPUT -j ACCEPT\n-A a -p tcp -j b\n-A b -j LOG").is(Accept);
    assert_eq!(
        seen.path,
        ["filter INPUT 1", "filter a 1", "filter b 1", "filter INPUT 2"]
    );
    assert!(seen.sure);
}

#[test]
fn chains_return_to_where_they_were_jumped_to_from() {
    input("-A INPUT -j a\n-A INPUT -j ACCEPT\n-A a -j RETURN\n-A a -j DROP").is(Accept);
    input("-A INPUT -j a\n-A INPUT -j ACCEPT\n-A a -j b\n-A a -j DROP\n-A b -j RETURN")
        .is(Drop)
        .by("filter a 2");
    input("-A INPUT -j RETURN\n-A INPUT -j ACCEPT")
        .is(Drop)
        .by("filter INPUT 0");
}

#[test]
fn what_was_gone_to_returns_to_the_caller_of_who_went() {
    input("-A INPUT -j a\n-A INPUT -j ACCEPT\n-A a -g b\n-A a -j DROP\n-A b -j LOG")
        .is(Accept)
        .by("filter INPUT 2");
    input("-A INPUT -g a\n-A INPUT -j ACCEPT\n-A a -j LOG")
        .is(Drop)
        .by("filter INPUT 0");
    input("-A INPUT -j a\n-A INPUT -j ACCEPT\n-A a -g b\n-A b -j c\n-A b -j DROP\n-A c -j RETURN")
        .is(Drop)
        .by("filter b 2");
}

#[test]
fn circles_and_missing_chains_are_not_known() {
    let seen = input("-A INPUT -j a\n-A INPUT -j ACCEPT\n-A a -j b\n-A b -j a").is(Unknown);
    assert!(seen.reason.unwrap().contains("circle"));
    let seen = input("-A INPUT -j NOWHERE\n-A INPUT -j ACCEPT").is(Unknown);
    assert!(seen.reason.unwrap().starts_with("NOWHERE"));
    input("-A INPUT -p udp -j NOWHERE\n-A INPUT -j ACCEPT").is(Accept);
}

#[test]
fn chains_that_lead_to_one_another_in_too_many_ways_end() {
    let mut text = "*filter\n:INPUT ACCEPT [0:0]\n".to_owned();
    for index in 0..60 {
        let _ = writeln!(text, ":x{index} - [0:0]");
    }
    text += "-A INPUT -j x0\n";
    for index in 0..59 {
        let next = index + 1;
        let _ = writeln!(text, "-A x{index} -j x{next}\n-A x{index} -j x{next}");
    }
    let seen = rules(&(text + "COMMIT")).is(Unknown);
    assert!(seen.reason.unwrap().contains("too many ways"));
}

#[test]
fn accepting_in_one_table_leaves_the_others_their_say() {
    let tables = |mangle: &str, filter: &str, security: &str| {
        rules(&format!(
            "*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n{mangle}\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\n{filter}\nCOMMIT\n\
             *security\n:INPUT ACCEPT [0:0]\n{security}\nCOMMIT"
        ))
    };
    tables("-A INPUT -j ACCEPT", "-A INPUT -j DROP", "")
        .is(Drop)
        .by("filter INPUT 1");
    tables("-A PREROUTING -j ACCEPT\n-A INPUT -j DROP", "", "")
        .is(Drop)
        .by("mangle INPUT 1");
    tables("", "-A INPUT -j ACCEPT", "-A INPUT -j DROP")
        .is(Drop)
        .by("security INPUT 1");
    tables("", "-A INPUT -j ACCEPT", "").is(Accept).by("filter INPUT 1");
}

#[test]
fn policies_of_every_table_count() {
    for (table, hook) in [
        ("raw", "PREROUTING"),
        ("mangle", "PREROUTING"),
        ("mangle", "INPUT"),
        ("nat", "PREROUTING"),
        ("nat", "INPUT"),
        ("security", "INPUT"),
    ] {
        let text = format!("*{table}\n:{hook} DROP [0:0]\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\nCOMMIT");
        rules(&text).is(Drop).by(&format!("{table} {hook} 0"));
    }
    rules("*filter\n:FORWARD DROP [0:0]\n:OUTPUT DROP [0:0]\nCOMMIT").is(Accept);
    rules("").is(Accept).at("192.0.2.1", 22);
}

#[test]
fn marks_stay_with_the_packet_and_with_its_connection() {
    let marking = |prerouting: &str, input: &str| {
        rules(&format!(
            "*mangle\n:PREROUTING ACCEPT [0:0]\n{prerouting}\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\n-A INPUT {input} -j DROP\nCOMMIT"
        ))
    };
    let set = "-A PREROUTING -j MARK --set-xmark 0x12/0xffffffff";
    marking(set, "-m mark --mark 0x12").is(Drop);
    marking(set, "-m mark --mark 0x2/0xf").is(Drop);
    marking(set, "-m mark --mark 0x1").is(Accept);
    marking("", "-m mark --mark 0x0").is(Drop);
    let or = format!("{set}\n-A PREROUTING -j MARK --set-xmark 0x100/0x100");
    marking(&or, "-m mark --mark 0x112").is(Drop);
    let save = format!("{set}\n-A PREROUTING -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff");
    marking(&save, "-m connmark --mark 0x12").is(Drop);
    let restore = "-A PREROUTING -j CONNMARK --set-xmark 0x7/0xffffffff\n-A PREROUTING -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff";
    marking(restore, "-m mark --mark 0x7").is(Drop);
}

#[test]
fn connection_states_are_those_told() {
    let rule = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT";
    input(rule).is(Drop);
    input(rule).state(State::Established).is(Accept);
    input(rule).state(State::Related).is(Accept);
    input(rule).state(State::Invalid).is(Drop);
    input("-A INPUT -m conntrack --ctstate INVALID -j ACCEPT")
        .state(State::Invalid)
        .is(Accept);
}

#[test]
fn a_packet_that_conntrack_does_not_look_at_is_untracked() {
    let case = |rule: &str| {
        rules(&format!(
            "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 22 -j {rule}\n-A PREROUTING -j LOG\nCOMMIT\n\
             *nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -j REDIRECT --to-ports 99\nCOMMIT\n\
             *filter\n:INPUT DROP [0:0]\n-A INPUT -m conntrack --ctstate UNTRACKED -j ACCEPT\nCOMMIT"
        ))
    };
    let seen = case("NOTRACK").is(Accept).at("192.0.2.1", 22);
    assert_eq!(seen.path, ["raw PREROUTING 1", "raw PREROUTING 2", "filter INPUT 1"]);
    case("CT --notrack").is(Accept).at("192.0.2.1", 22);
    case("CT --notrack").port(23).is(Drop);
}
