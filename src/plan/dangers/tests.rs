use super::*;
use crate::firewall::Mark;
use crate::mapping::MappingSet;
use crate::plan::{Plan, Sections};
use crate::problem::Source;

/// A host with an address of each family beside another of IPv4, on which sshd and a web server listen everywhere.
struct Rig {
    sections: Sections,
}

const ADDRESSES: &str = "1: lo    inet 127.0.0.1/8 scope host lo\n\
    2: eth0    inet 192.0.2.1/24 scope global eth0\n\
    2: eth0    inet 192.0.2.2/24 scope global secondary eth0\n\
    2: eth0    inet6 2001:db8::1/64 scope global \n\
    3: eth1    inet 10.0.0.1/24 scope global eth1\n";
const ADDRESSES6: &str = "20010db8000000000000000000000001 02 40 00 82       eth0\n";
const LISTENERS: &str = "tcp 00000000:0016\ntcp 00000000000000000000000000000000:0016\n\
    tcp 00000000:1F90\ntcp 00000000000000000000000000000000:1F90\n";

impl Rig {
    fn new(rules: &str) -> Self {
        let v6 = rules
            .lines()
            .map(|line| {
                let line = line.replace("icmp-port-unreachable", "icmp6-port-unreachable");
                if line.contains("-s ") || line.contains("-d ") {
                    String::new()
                } else {
                    line + "\n"
                }
            })
            .collect::<String>();
        Self::of(&[
            (
                "facts",
                "uid 0\nssh 192.0.2.9 40000 192.0.2.1 22\nuptime 99\nipv6 yes\n",
            ),
            ("addresses", ADDRESSES),
            ("addresses6", ADDRESSES6),
            ("listeners", LISTENERS),
            ("rules 4 iptables iptables v1.8.9 (nf_tables)", rules),
            ("rules 6 ip6tables ip6tables v1.8.9 (nf_tables)", &v6),
        ])
    }

    fn of(sections: &[(&str, &str)]) -> Self {
        let owned = |(title, text): &(&str, &str)| ((*title).to_owned(), (*text).to_owned());
        Self {
            sections: sections.iter().map(owned).collect(),
        }
    }

    fn with(mut self, title: &str, text: &str) -> Self {
        self.sections.insert(title.to_owned(), text.to_owned());
        self
    }

    fn without_v6(mut self) -> Self {
        self.sections.retain(|title, _| !title.starts_with("rules 6"));
        self
    }

    fn dangers(&self, mappings: &str, way: Way) -> Vec<Danger> {
        let observed = Observed::read(&self.sections).unwrap();
        let source = Source::new("test", mappings);
        let set = MappingSet::parse(&crate::yaml::read(&source).unwrap().root).unwrap();
        match observed.plan(&set, |_| Mark::default()) {
            Plan::Change(change) => observed.prospect(&change, &observed.after(&change)).dangers(way),
            Plan::Unchanged(_) => Vec::new(),
        }
    }

    fn after_22(&self, mappings: &str) -> Vec<Danger> {
        self.dangers(mappings, Way { now: 22, after: 2222 })
    }
}

fn filter(rules: &[&str]) -> String {
    format!(
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:f2b-sshd - [0:0]\n{}\nCOMMIT\n",
        rules.join("\n")
    )
}

fn in_table(table: &str, chains: &[&str], rules: &[&str]) -> String {
    let chains: String = chains.iter().flat_map(|chain| [":", chain, " [0:0]\n"]).collect();
    format!("*{table}\n{chains}{}\nCOMMIT\n", rules.join("\n"))
}

/// `refuses kind, family`.
fn kinds(dangers: &[Danger]) -> Vec<String> {
    let shown = |danger: &Danger| {
        let word = if danger.refuses { "refuses" } else { "says" };
        format!(
            "{word} {:?}{}",
            danger.kind,
            danger.family.map_or("", |family| match family {
                Family::V4 => " 4",
                Family::V6 => " 6",
            })
        )
    };
    dangers.iter().map(shown).collect()
}

#[track_caller]
fn expect(dangers: &[Danger], expected: &[&str]) {
    assert_eq!(kinds(dangers), expected, "{dangers:#?}");
}

const MAPPINGS: &str = "['2222:22', '80:8080']";

#[test]
fn a_healthy_host_has_none() {
    for rules in [
        filter(&[]),
        filter(&[
            "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
            "-A INPUT -j DROP",
        ]),
        filter(&[
            "-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd",
            "-A INPUT -p tcp -m tcp --dport 2222 -j ACCEPT",
            "-A f2b-sshd -s 203.0.113.9/32 -j DROP",
            "-A f2b-sshd -j RETURN",
        ]),
        filter(&[]).replace(":INPUT ACCEPT", ":INPUT DROP"),
        String::new(),
    ] {
        expect(&Rig::new(&rules).after_22(MAPPINGS), &[]);
    }
}

#[test]
fn what_takes_the_new_port_away_before_nat_cuts_the_operator_off() {
    for table in ["raw", "mangle"] {
        let rule = "-A PREROUTING -s 192.0.2.0/24 -p tcp -m tcp --dport 2222 -j DROP";
        let found = Rig::new(&in_table(table, &["PREROUTING ACCEPT"], &[rule])).after_22(MAPPINGS);
        expect(&found, &["refuses CutOff 4"]);
        assert_eq!(found[0].rule.as_deref(), Some(format!("-t {table} {rule}").as_str()));
        assert!(found[0].sentence.contains("from 192.0.2.9 to port 2222"), "{found:?}");
    }
}

#[test]
fn what_takes_others_away_does_not() {
    let rule = "-A PREROUTING -s 198.51.100.0/24 -p tcp -m tcp --dport 2222 -j DROP";
    expect(
        &Rig::new(&in_table("raw", &["PREROUTING ACCEPT"], &[rule])).after_22(MAPPINGS),
        &[],
    );
}

#[test]
fn a_port_without_connection_tracking_is_not_redirected() {
    let rule = "-A PREROUTING -p tcp -m tcp --dport 80 -j CT --notrack";
    let found = Rig::new(&in_table("raw", &["PREROUTING ACCEPT"], &[rule])).after_22(MAPPINGS);
    expect(&found, &["refuses Voided 4", "refuses Voided 6"]);
    assert!(
        found[0]
            .rule
            .as_deref()
            .is_some_and(|rule| rule.contains("CT --notrack")),
        "{found:?}"
    );
    let rule = "-A PREROUTING -p tcp -m tcp --dport 2222 -j CT --notrack";
    let found = Rig::new(&in_table("raw", &["PREROUTING ACCEPT"], &[rule])).after_22(MAPPINGS);
    expect(&found, &["refuses CutOff 4", "refuses Voided 6"]);
}

#[test]
fn an_untracked_target_of_udp_stays_open() {
    let rule = "-A PREROUTING -p udp -m udp --dport 53 -j CT --notrack";
    let rig = Rig::new(&in_table("raw", &["PREROUTING ACCEPT"], &[rule])).with("listeners", "udp 00000000:0035\n");
    let found = rig.dangers("[{port: 5353, to_port: 53, protocol: udp}]", Way { now: 22, after: 22 });
    expect(&found, &["refuses GuardVoided 4", "refuses GuardVoided 6"]);
    assert!(
        found[0].rule.as_deref().is_some_and(|rule| rule.contains("--notrack")),
        "{found:?}"
    );
}

#[test]
fn a_rule_for_mapped_packets_alone_voids_the_mapping() {
    let rule = "-A INPUT -p tcp -m conntrack --ctorigdstport 80 -j DROP";
    let found = Rig::new(&filter(&[rule])).after_22(MAPPINGS);
    // Our accept stands above what decides every packet, but this is for some only.
    expect(&found, &["refuses Voided 4", "refuses Voided 6"]);
    assert_eq!(found[0].rule.as_deref(), Some(format!("-t filter {rule}").as_str()));
}

#[test]
fn a_family_that_is_closed_as_a_whole_is_nobodys_fault() {
    let closed = in_table("raw", &["PREROUTING DROP"], &[]);
    let rig = Rig::new("").with("rules 6 ip6tables ip6tables v1.8.9 (nf_tables)", &closed);
    expect(&rig.after_22(MAPPINGS), &["says Voided 6", "says Voided 6"]);
}

#[test]
fn a_target_without_sshd_is_no_way_in() {
    let found = Rig::new("").dangers("['22:2223']", Way { now: 22, after: 22 });
    expect(
        &found,
        &[
            "refuses CutOff 4",
            "refuses Shadowed 4",
            "refuses Shadowed 6",
            "says NoListener",
        ],
    );
    assert!(
        found[0].sentence.contains("port 2223, where nothing listens"),
        "{found:?}"
    );
    let listening = Rig::new("").with("listeners", &format!("{LISTENERS}tcp 00000000:08AF\n"));
    let found = listening.dangers("['22:2223']", Way { now: 22, after: 22 });
    expect(&found, &["refuses Shadowed 4", "refuses Shadowed 6", "says Unknown 4"]);
}

#[test]
fn a_mapping_for_others_is_no_way_in() {
    for mapping in ["source: [203.0.113.0/24]", "interface: nosuch0"] {
        let mapping = format!("[{{port: 2222, to_port: 22, {mapping}}}]");
        let found = Rig::new("").after_22(&mapping);
        expect(&found, &["refuses CutOff 4"]);
        assert!(found[0].hint.contains("source and interface"), "{found:?}");
    }
}

#[test]
fn who_listens_on_a_mapped_port_loses_it() {
    let found = Rig::new("").after_22("['2222:22', '8080:80']");
    expect(&found, &["refuses Shadowed 4", "refuses Shadowed 6", "says NoListener"]);
    assert!(
        found[0].sentence.contains("8080 → 80 would take tcp port 8080"),
        "{found:?}"
    );
    // Nobody outside reaches it anyhow.
    let closed = filter(&["-A INPUT -p tcp -m tcp --dport 8080 -j DROP"]);
    expect(
        &Rig::new(&closed).after_22("['2222:22', '8080:80']"),
        &["says NoListener"],
    );
    let on_loopback = Rig::new("").with("listeners", "tcp 0100007F:1F90\ntcp 00000000:0016\ntcp 00000000:0050\n");
    expect(&on_loopback.after_22("['2222:22', '8080:80']"), &[]);
    let for_some = "['2222:22', {port: 8080, to_port: 80, source: [10.0.0.0/8]}]";
    expect(&Rig::new("").after_22(for_some), &["says NoListener"]);
}

#[test]
fn containers_lose_a_published_port_that_is_mapped() {
    let docker = in_table(
        "nat",
        &["PREROUTING ACCEPT", "DOCKER -"],
        &[
            "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
            "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80",
        ],
    );
    let rig = Rig::new("").with("rules 4 iptables iptables v1.8.9 (nf_tables)", &docker);
    let found = rig.after_22(MAPPINGS);
    expect(&found, &["refuses Shadowed 4"]);
    assert!(
        found[0].rule.as_deref().is_some_and(|rule| rule.contains("-j DNAT")),
        "{found:?}"
    );
    expect(&rig.after_22("['2222:22', '8443:8080']"), &[]);
}

#[test]
fn a_redirect_by_hand_to_the_same_port_is_taken_over_in_peace() {
    let by_hand = in_table(
        "nat",
        &["PREROUTING ACCEPT"],
        &["-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080"],
    );
    let rig = Rig::new("").with("rules 4 iptables iptables v1.8.9 (nf_tables)", &by_hand);
    expect(&rig.after_22(MAPPINGS), &[]);
}

#[test]
fn without_ip6tables_sshd_stays_open_over_ipv6() {
    let found = Rig::new("").without_v6().after_22("['2222:22']");
    expect(&found, &["refuses Ipv6Open 6"]);
    assert!(found[0].sentence.contains("2001:db8::1"), "{found:?}");
    let on_v4 = Rig::new("").without_v6().with("listeners", "tcp 00000000:0016\n");
    expect(&on_v4.after_22("['2222:22']"), &[]);
    let open = Rig::new("").without_v6();
    expect(&open.after_22("[{port: 2222, to_port: 22, direct: allow}]"), &[]);
}

#[test]
fn a_service_at_a_secondary_address_is_not_reached() {
    let at_secondary = "tcp 00000000:0016\ntcp 020200C0:1F90\n";
    let found = Rig::new("").with("listeners", at_secondary).after_22(MAPPINGS);
    expect(&found, &["refuses Elsewhere 4"]);
    assert!(
        found[0]
            .sentence
            .contains("leads to 192.0.2.1, but the service listens at 192.0.2.2"),
        "{found:?}"
    );
    let at_first = "tcp 00000000:0016\ntcp 010200C0:1F90\n";
    expect(&Rig::new("").with("listeners", at_first).after_22(MAPPINGS), &[]);
    let at_other_interface = "tcp 00000000:0016\ntcp 0100000A:1F90\n";
    expect(
        &Rig::new("").with("listeners", at_other_interface).after_22(MAPPINGS),
        &["says Elsewhere 4"],
    );
    let sshd = "tcp 020200C0:0016\ntcp 00000000:1F90\n";
    let found = Rig::new("")
        .with(
            "facts",
            "uid 0\nssh 192.0.2.9 40000 192.0.2.2 22\nuptime 99\nipv6 yes\n",
        )
        .with("listeners", sshd)
        .after_22(MAPPINGS);
    expect(&found, &["refuses CutOff 4"]);
    assert!(found[0].hint.contains("ListenAddress 192.0.2.1"), "{found:?}");
}

#[test]
fn services_may_come_later() {
    let found = Rig::new("")
        .with("listeners", "tcp 00000000:0016\ntcp 0100007F:1F90\n")
        .after_22(MAPPINGS);
    expect(&found, &["says NoListener"]);
    assert!(found[0].sentence.contains("127.0.0.1 only"), "{found:?}");
    expect(&Rig::new("").with("listeners", "").after_22(MAPPINGS), &[]);
}

#[test]
fn a_jail_on_the_mapped_port_bans_nobody() {
    let jail = "-A INPUT -p tcp -m multiport --dports 2222 -j f2b-sshd";
    let found = Rig::new(&filter(&[jail, "-A f2b-sshd -j RETURN"])).after_22(MAPPINGS);
    expect(&found, &["says WrongJail 4", "says WrongJail 6"]);
    assert!(found[0].hint.contains("[sshd]: port = 22"), "{found:?}");
    let both = jail.replace("2222", "22,2222");
    expect(
        &Rig::new(&filter(&[&both, "-A f2b-sshd -j RETURN"])).after_22(MAPPINGS),
        &[],
    );
}

#[test]
fn other_chains_of_nft_are_asked_as_well() {
    let table = |expr: &str| {
        format!(
            "chain inet t in type filter hook input priority filter + 10; policy accept;\n\
             table inet t {{\"nftables\": [{{\"rule\": {{\"chain\": \"in\", \"expr\": [{expr}]}}}}]}}\n"
        )
    };
    let port = |port: u16| {
        format!(
            r#"{{"match": {{"op": "==", "left": {{"payload": {{"protocol": "tcp", "field": "dport"}}}}, "right": {port}}}}}, {{"drop": null}}"#
        )
    };
    let found = Rig::new("").with("nft", &table(&port(22))).after_22(MAPPINGS);
    expect(&found, &["refuses CutOff 4", "refuses Voided 6"]);
    assert!(
        found[0].rule.as_deref().is_some_and(|rule| rule.contains("inet t in")),
        "{found:?}"
    );
    let found = Rig::new("").with("nft", &table(&port(8080))).after_22(MAPPINGS);
    expect(&found, &["refuses Voided 4", "refuses Voided 6"]);
    expect(&Rig::new("").with("nft", &table(&port(9))).after_22(MAPPINGS), &[]);
    let found = Rig::new("").with("nft", &table(r#"{"xt": null}"#)).after_22(MAPPINGS);
    expect(&found, &["says Unknown 4"]);
}

#[test]
fn what_is_not_modelled_on_the_way_in_is_said() {
    let rule = "-A PREROUTING -p tcp -m bpf --object-pinned /sys/fs/bpf/x -j DROP";
    let found = Rig::new(&in_table("raw", &["PREROUTING ACCEPT"], &[rule])).after_22(MAPPINGS);
    expect(&found, &["says Unknown 4"]);
    assert!(found[0].sentence.contains("bpf"), "{found:?}");
}

#[test]
fn somebody_before_the_host_may_send_on_the_port() {
    // What ssh dials as 2200 is 22 for the host.
    let way = Way { now: 2200, after: 2200 };
    expect(&Rig::new("").dangers("['80:8080']", way), &[]);
    expect(&Rig::new("").dangers("['2222:22']", way), &["refuses CutOff 4"]);
}

#[test]
fn who_came_by_a_mapping_that_is_gone_may_make_it_again() {
    let way = Way { now: 2200, after: 2200 };
    expect(&Rig::new("").dangers("['2200:22']", way), &[]);
}

#[test]
fn rules_in_both_backends_are_one_danger() {
    let rig = Rig::new(&filter(&["-A INPUT -p tcp -m tcp --dport 9 -j DROP"])).with(
        "rules 4 iptables-legacy iptables v1.8.9 (legacy)",
        &filter(&["-A INPUT -p tcp -m tcp --dport 7 -j DROP"]),
    );
    expect(&rig.after_22(MAPPINGS), &["refuses BothBackends"]);
}
