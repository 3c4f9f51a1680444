//! What a change loads, and how a host's rules are compared with mappings.

use super::*;
use crate::mapping::{PortRange, Protocol};

const NONE: Mark = Mark {
    mss: None,
    udp_length: None,
    source: None,
};

fn lines(text: &str, chain: &str) -> Vec<String> {
    let start = format!("-A {chain} ");
    text.lines()
        .filter_map(|line| line.strip_prefix(&start))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_two_rules_that_almost_nobody_knows() {
    let change = change(&view("", ""), &mappings("['2222:22']"), Generation(17), &NONE);
    assert_eq!(
        lines(&change.stage, "PORTMAP-PREROUTING-000017"),
        ["-p tcp -m addrtype --dst-type LOCAL -m tcp --dport 2222 -j REDIRECT --to-ports 22"]
    );
    assert_eq!(
        lines(&change.stage, "PORTMAP-ACCEPT-000017"),
        ["-p tcp -m tcp --dport 22 -m conntrack --ctorigdstport 2222 -j ACCEPT"]
    );
    assert_eq!(
        lines(&change.stage, "PORTMAP-GUARD-000017"),
        [
            "-i lo -j RETURN",
            "-p tcp -m tcp --dport 22 -m conntrack --ctorigdstport 2222 -j RETURN",
            "-p tcp -m tcp --dport 22 --tcp-flags FIN,SYN,RST,ACK SYN -j DROP",
        ]
    );
    assert_eq!(
        lines(&change.stage, "PORTMAP-SEEN-000017"),
        ["-p tcp -m tcp --dport 22 -m conntrack --ctorigdstport 2222"]
    );
    assert!(lines(&change.stage, "PORTMAP-OUTPUT-000017").is_empty());
}

#[test]
fn every_key_of_a_mapping_has_its_words() {
    let set = mappings(
        "[{port: 53, to_port: 5353, protocol: udp, source: [10.0.0.0/8, '2001:db8::/32'], interface: eth0, \
         direct: reject, direct_source: [192.0.2.1], loopback: true}]",
    );
    let mut view = view("", "");
    let stage = change(&view, &set, Generation(1), &NONE).stage;
    let redirect = "-m addrtype --dst-type LOCAL -m udp --dport 53 -j REDIRECT --to-ports 5353";
    assert_eq!(
        lines(&stage, "PORTMAP-PREROUTING-000001"),
        [format!("-s 10.0.0.0/8 -i eth0 -p udp {redirect}")]
    );
    assert_eq!(lines(&stage, "PORTMAP-OUTPUT-000001"), [format!("-p udp {redirect}")]);
    let through = "-p udp -m udp --dport 5353 -m conntrack --ctorigdstport 53";
    assert_eq!(
        lines(&stage, "PORTMAP-ACCEPT-000001"),
        [
            format!("-s 10.0.0.0/8 -i eth0 {through} -j ACCEPT"),
            format!("-i lo {through} -j ACCEPT")
        ]
    );
    assert_eq!(
        lines(&stage, "PORTMAP-GUARD-000001"),
        [
            "-i lo -j RETURN",
            &format!("{through} -j RETURN"),
            "-s 192.0.2.1/32 -p udp -m udp --dport 5353 -j RETURN",
            "-p udp -m udp --dport 5353 -m conntrack --ctstate NEW -j REJECT --reject-with icmp-port-unreachable",
        ]
    );
    view.family = Family::V6;
    let stage = change(&view, &set, Generation(1), &NONE).stage;
    assert!(lines(&stage, "PORTMAP-PREROUTING-000001")[0].starts_with("-s 2001:db8::/32 -i eth0 -p udp"));
    assert!(lines(&stage, "PORTMAP-GUARD-000001")[2].ends_with("icmp6-port-unreachable"));
}

#[test]
fn a_mapping_for_the_other_family_closes_its_target_here() {
    let mut view = view("", "");
    view.family = Family::V6;
    let change = change(
        &view,
        &mappings("[{port: 2222, to_port: 22, source: 10.0.0.0/8}]"),
        Generation(1),
        &NONE,
    );
    assert!(lines(&change.stage, "PORTMAP-PREROUTING-000001").is_empty());
    assert!(lines(&change.stage, "PORTMAP-ACCEPT-000001").is_empty());
    assert_eq!(
        lines(&change.stage, "PORTMAP-GUARD-000001")
            .last()
            .unwrap()
            .split(' ')
            .next_back(),
        Some("DROP")
    );
}

#[test]
fn allow_closes_nothing_and_ranges_keep_their_order() {
    let set =
        mappings("[{port: '8000-8001', to_port: '9000-9001', direct: allow}, {port: '7000-7009', to_port: 7777}]");
    let stage = change(&view("", ""), &set, Generation(1), &NONE).stage;
    let guard = lines(&stage, "PORTMAP-GUARD-000001");
    assert_eq!(guard.iter().filter(|line| line.ends_with("DROP")).count(), 1);
    assert!(guard.contains(&"-p tcp -m tcp --dport 7777 -m conntrack --ctorigdstport 7000:7009 -j RETURN".to_owned()));
    let redirects = lines(&stage, "PORTMAP-PREROUTING-000001");
    assert!(redirects[1].contains("--dport 8001 ") && redirects[1].ends_with("--to-ports 9001"));
    assert!(redirects[2].contains("--dport 7000:7009 "));
}

#[test]
fn hostile_interface_names_stay_one_word() {
    let mut set = mappings("['2222:22']");
    set.0[0].interface = Some("a\nCOMMIT -j \"X\" \\".to_owned());
    let stage = change(&view("", ""), &set, Generation(1), &NONE).stage;
    assert_eq!(stage.lines().filter(|line| *line == "COMMIT").count(), 2);
    let rule = Rule::from_spec(&lines(&stage, "PORTMAP-PREROUTING-000001")[0]).unwrap();
    assert!(
        rule.matches
            .contains(&Match::InInterface("aCOMMIT -j \"X\" \\".to_owned()))
    );
}

#[test]
fn without_nat_only_the_guard_is_managed() {
    let view = View {
        nat: false,
        family: Family::V6,
        ..view("", "")
    };
    let set = mappings("['2222:22']");
    let change = change(&view, &set, Generation(1), &NONE);
    assert!(!change.stage.contains("*nat") && !change.stage.contains("ACCEPT"));
    assert_eq!(change.undo.tables.len(), 1);
    let settled = settled(&view, &set, 1);
    assert_eq!(specs(&settled, "filter", "INPUT").len(), 1);
}

#[test]
fn marked_packets_are_counted_where_they_can_be_told_apart() {
    let set = mappings("[{port: 2222, to_port: 22, source: [10.0.0.0/8, 192.0.2.0/24]}, '53:5353/udp']");
    let counting = |mark: Mark| {
        let stage = change(&view("", ""), &set, Generation(1), &mark).stage;
        let lines = lines(&stage, "PORTMAP-PREROUTING-000001");
        lines
            .into_iter()
            .filter(|line| !line.contains("REDIRECT"))
            .collect::<Vec<_>>()
    };
    let tcp = "-p tcp -m addrtype --dst-type LOCAL -m tcp --dport 2222";
    let udp = "-p udp -m addrtype --dst-type LOCAL -m udp --dport 53";
    let mss = Mark { mss: Some(777), ..NONE };
    assert_eq!(
        counting(mss),
        [
            format!("-s 10.0.0.0/8 {tcp} -m tcpmss --mss 777"),
            format!("-s 192.0.2.0/24 {tcp} -m tcpmss --mss 777")
        ]
    );
    let length = Mark {
        udp_length: Some(99),
        ..NONE
    };
    assert_eq!(counting(length), [format!("{udp} -m length --length 99")]);
    let source = Mark {
        source: Some([192, 0, 2, 7].into()),
        ..NONE
    };
    assert_eq!(
        counting(source),
        [format!("-s 192.0.2.7/32 {tcp}"), format!("-s 192.0.2.7/32 {udp}")]
    );
    let other_family = Mark {
        source: Some("2001:db8::1".parse().unwrap()),
        mss: Some(777),
        ..NONE
    };
    assert!(counting(other_family).is_empty());
}

#[test]
fn counters_are_summed_over_the_generations_chains() {
    let old = settled(&view("", ""), &mappings("['2200:22']"), 1);
    let mark = Mark { mss: Some(777), ..NONE };
    let change = change(&old, &mappings("['2222:22', '2200:22']"), Generation(2), &mark);
    let live = applied(&old, &[&change.stage, &change.loosen]);
    let counted = |line: &str| line.contains("tcpmss") && line.starts_with("-A");
    let with = |packets: u64| {
        let text = live.ruleset.to_string();
        let lines = text.lines().map(|line| {
            if counted(line) {
                format!("[{packets}:9] {line}\n")
            } else {
                format!("{line}\n")
            }
        });
        change.counted(&Ruleset::parse(&lines.collect::<String>()).unwrap())
    };
    let port = PortRange::new(2222, 2222).unwrap();
    let protocol = Protocol::Tcp;
    assert_eq!(with(3).get(&Counter::Redirected { protocol, port }), Some(&3));
    assert_eq!(
        with(3).get(&Counter::Seen {
            protocol,
            port,
            to_port: 22
        }),
        Some(&3)
    );
    assert_eq!(with(0).get(&Counter::Guarded { protocol, to_port: 22 }), Some(&0));
    assert!(change.counted(&old.ruleset).is_empty());
}

#[test]
fn loosened_keeps_every_old_way_in() {
    let old = settled(
        &view("", ""),
        &mappings("['2222:22', {port: 80, to_port: 8080, direct_source: 10.0.0.0/8}]"),
        1,
    );
    let set = mappings("['2200:22', '80:8081', '443:8443']");
    let change = change(&old, &set, Generation(2), &NONE);
    let chain = |hook: Hook| lines(&change.stage, &hook.loosened_chain(Generation(2)));
    let redirects = chain(Hook::Prerouting);
    assert_eq!(redirects.len(), 4, "80 is taken by the new set: {redirects:?}");
    assert!(redirects[3].contains("--dport 2222 "));
    let accepts = chain(Hook::Accept);
    assert_eq!(accepts.len(), 5);
    assert!(accepts[3].contains("--ctorigdstport 2222"));
    let guard = chain(Hook::Guard);
    let drops: Vec<_> = guard.iter().filter(|line| line.ends_with("DROP")).collect();
    assert_eq!(
        drops,
        ["-p tcp -m tcp --dport 22 --tcp-flags FIN,SYN,RST,ACK SYN -j DROP"],
        "closed before and after"
    );
    assert!(
        guard.iter().position(|line| line.contains("10.0.0.0/8"))
            < guard.iter().position(|line| line.ends_with("DROP"))
    );
    assert!(
        change
            .tighten
            .is_some_and(|tighten| tighten.find("*nat") < tighten.find("*filter"))
    );
    assert!(change.loosen.find("*filter") < change.loosen.find("*nat"));
}

#[test]
fn a_narrower_redirect_does_not_take_a_port_whole() {
    let old = settled(&view("", ""), &mappings("['8000-8009:80']"), 1);
    let set = mappings("['8003:81', {port: 8004, to_port: 80, source: 10.0.0.0/8}]");
    let change = change(&old, &set, Generation(2), &NONE);
    let redirects = lines(&change.stage, "PORTMAP-PREROUTING-000002-L");
    assert!(
        redirects.last().unwrap().contains("--dport 8000:8009 "),
        "{redirects:?}"
    );
}

#[test]
fn nothing_is_loosened_where_nothing_changes() {
    let set = mappings("['2222:22', {port: 80, to_port: 8080, direct: reject}]");
    let old = settled(&view("", "-A INPUT -j DROP"), &set, 1);
    let change = change(&old, &set, Generation(2), &NONE);
    assert!(!change.stage.contains("-L ") && change.tighten.is_none() && change.place.is_none());
}

#[test]
fn no_commit_that_matters_deletes_or_replaces() {
    let old = settled(&view("", "-A INPUT -j DROP"), &mappings("['2222:22']"), 1);
    let change = change(&old, &mappings("['2200:22']"), Generation(2), &NONE);
    let texts = [
        change.stage,
        change.place.unwrap_or_default(),
        change.loosen,
        change.tighten.unwrap(),
    ]
    .concat();
    for line in texts.lines() {
        assert!(
            !line.starts_with("-D") && !line.starts_with("-X") && !line.starts_with("-F"),
            "{line}"
        );
        assert!(
            !line.starts_with(':') || line.contains("-000002"),
            "an existing hook would be flushed: {line}"
        );
    }
}

#[test]
fn checks_see_a_jump_that_a_foreign_insert_displaced() {
    let before = view("", "-A INPUT -s 1.2.3.4/32 -j DROP\n-A INPUT -j DROP");
    let change = change(&before, &mappings("['2222:22']"), Generation(1), &NONE);
    let place = change.place.clone().unwrap();
    let mut inputs = vec![
        change.stage.as_str(),
        "*filter\n-I INPUT 1 -j ACCEPT\nCOMMIT\n",
        &place,
        &change.loosen,
    ];
    inputs.extend(change.tighten.as_deref());
    let wrong = change.check_tightened(&applied(&before, &inputs).ruleset).unwrap_err();
    assert!(wrong[0].contains("PORTMAP-ACCEPT"), "{wrong:?}");
    inputs.remove(1);
    assert_eq!(change.check_tightened(&applied(&before, &inputs).ruleset), Ok(()));
}
