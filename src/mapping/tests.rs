use std::collections::HashMap;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::problem::Source;
use crate::yaml;

fn parse(text: &str) -> Result<MappingSet, Vec<Problem>> {
    MappingSet::parse(&yaml::read(&Source::new("test", text)).unwrap().root)
}

/// What the caret stands under, and the message.
fn refusals(text: &str) -> Vec<String> {
    let shown = |problem: &Problem| format!("{}: {}", problem.at.as_ref().unwrap().text(), problem.message);
    parse(text).unwrap_err().iter().map(shown).collect()
}

fn list(lines: impl Iterator<Item = String>) -> String {
    lines.fold(String::new(), |mut text, line| {
        writeln!(text, "- {line}").unwrap();
        text
    })
}

#[test]
fn short_and_long_form_mean_the_same() {
    let short = parse("['2222:22', '8000-8010:9000-9010/udp']").unwrap();
    let long = parse("[{port: 2222, to_port: 22}, {port: 8000-8010, to_port: '9000-9010', protocol: udp}]").unwrap();
    assert_eq!(short, long);
    assert_eq!(short.mappings().len(), 2);
}

#[test]
fn an_empty_list_is_an_empty_set() {
    assert_eq!(parse("[]"), Ok(MappingSet::default()));
    assert_eq!(refusals(""), [": portmap is nothing, and must be a list of mappings"]);
}

#[test]
fn a_range_to_one_port_is_one_redirect_and_a_range_to_a_range_one_a_port() {
    let set = parse("['8000-8002:9000', '7000-7002:6000-6002']").unwrap();
    let redirects: Vec<String> = set
        .mappings()
        .iter()
        .flat_map(Mapping::redirects)
        .map(|(port, to)| format!("{port}:{to}"))
        .collect();
    assert_eq!(redirects, ["8000-8002:9000", "7000:6000", "7001:6001", "7002:6002"]);
}

#[test]
fn the_number_of_mappings_and_of_rules_is_bounded() {
    let many = |count: usize| list((1..=count).map(|port| format!("\"{port}:{}\"", 50_000)));
    assert!(parse(&many(MAX_MAPPINGS)).is_ok());
    assert!(
        parse(&many(MAX_MAPPINGS + 1)).unwrap_err()[0]
            .message
            .starts_with("1025 mappings are more")
    );
    let ranges = |count: u32| {
        list((0..count).map(|at| {
            let (port, to) = (1 + at * 1024, 30_000 + at * 1024);
            format!("\"{port}-{}:{to}-{}\"", port + 1023, to + 1023)
        }))
    };
    assert!(parse(&ranges(4)).is_ok());
    assert!(
        parse(&ranges(5)).unwrap_err()[0]
            .message
            .starts_with("these mappings come to 5120 rules")
    );
}

#[test]
fn a_range_to_an_equal_range_is_bounded_and_a_range_to_a_port_is_not() {
    assert!(parse("['1-1024:2001-3024']").is_ok());
    assert!(parse("['1-1025:2001-3025']").is_err());
    assert!(parse("['1-50000:60000']").is_ok());
}

#[test]
fn sources_and_interfaces_make_mappings_of_one_port_disjoint() {
    let pair = |a: &str, b: &str| {
        parse(&format!(
            "[{{port: 80, to_port: 8080, {a}}}, {{port: 80, to_port: 8081, {b}}}]"
        ))
        .is_ok()
    };
    assert!(pair("source: 10.0.0.0/8", "source: 192.168.0.0/16"));
    assert!(pair("source: 10.0.0.0/8", "source: 'fd00::/8'"));
    assert!(pair("interface: eth0", "interface: eth1"));
    assert!(pair("interface: eth0", "interface: wlan+"));
    assert!(pair("interface: eth+", "interface: wlan+"));
    assert!(!pair("source: 10.0.0.0/8", "source: [192.168.0.0/16, 10.1.2.3]"));
    assert!(!pair("source: 10.0.0.0/8", "direct: drop"));
    assert!(!pair("interface: eth0", "source: 10.0.0.0/8"));
    assert!(!pair("interface: eth0", "interface: eth+"));
    assert!(!pair("interface: e+", "interface: eth+"));
    // What the host sends to itself has no interface to tell by.
    assert!(!pair(
        "interface: eth0, loopback: true",
        "interface: eth1, loopback: true"
    ));
    assert!(pair("interface: eth0, loopback: true", "interface: eth1"));
}

#[test]
fn protocols_do_not_meet() {
    assert!(parse("['53:5353', '53:5353/udp', '5353:53/udp']").is_err());
    assert!(parse("['53:5353', '53:5354/udp', '5353:99/udp']").is_ok());
}

#[test]
fn sources_keep_addresses_and_networks_of_both_families() {
    let set = parse(
        "[{port: 80, to_port: 8080, source: [192.0.2.7, 10.0.0.0/8, '::1', 0.0.0.0/0], direct_source: 'fe80::/10'}]",
    )
    .unwrap();
    let shown: Vec<String> = set.mappings()[0].source.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["192.0.2.7/32", "10.0.0.0/8", "::1/128", "0.0.0.0/0"]);
    assert_eq!(set.mappings()[0].direct_source[0].to_string(), "fe80::/10");
}

#[test]
fn interface_names_follow_the_kernel() {
    let accepts = |name: &str| parse(&format!("[{{port: 80, to_port: 8080, interface: '{name}'}}]")).is_ok();
    for good in [
        "eth0",
        "eth0.100",
        "br-lan",
        "wg_0",
        "eth+",
        "veth1@if2",
        "abcdefghijklmno",
        "a",
    ] {
        assert!(accepts(good), "{good}");
    }
    for bad in [
        "",
        ".",
        "..",
        "abcdefghijklmnop",
        "a b",
        "a/b",
        "a:1",
        "-x",
        "!eth0",
        "e+0",
        "eth++",
        "+",
        "lo",
        "é",
        "a\"b",
        "a$b",
        "a;b",
    ] {
        assert!(!accepts(bad), "{bad}");
    }
}

#[test]
fn every_mistake_of_a_mapping_and_of_every_mapping_is_found() {
    let found = refusals("[{port: 0, to_port: x, protocol: icmp, loopback: 7, colour: red}, '1:1', 22:22]");
    let expected = [
        "colour: a mapping has no key `colour`",
        "0: port: 0 is not a port",
        "x: to_port: `x` is not a port",
        "icmp: `icmp` is not a protocol that can be mapped",
        "7: loopback is true or false",
        "22:22: `22:22` without quotes is the number 1342, not a mapping",
        "1: port and to_port are both 1",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_quoted_or_untouched_text_is_no_base_60_number() {
    assert!(parse("['23:24', \"2222:22\", 8443:443]").is_ok());
    assert_eq!(
        refusals("[2222:22]"),
        ["2222:22: `2222:22` without quotes is the number 133342, not a mapping"]
    );
    assert_eq!(
        refusals("[{port: 2222:22, to_port: 1}]"),
        ["2222:22: port: `2222:22` without quotes is the number 133342"]
    );
}

#[test]
fn a_single_port_is_no_range() {
    let node = yaml::read(&Source::new("test", "22-23")).unwrap().root;
    assert!(port(&node, "ansible_port").is_err());
}

/// Whether the rules of a set of short forms hold, counted port by port.
fn is_sound(mappings: &[(u16, u16, u16, bool, bool)]) -> bool {
    let mut targets: HashMap<(bool, u16), u16> = HashMap::new();
    for &(port, length, to, one_to_one, udp) in mappings {
        for step in 0..length {
            let target = if one_to_one { to + step } else { to };
            if targets.insert((udp, port + step), target).is_some() {
                return false;
            }
        }
    }
    targets
        .iter()
        .all(|((udp, _), target)| !targets.contains_key(&(*udp, *target)))
}

proptest! {
    #[test]
    fn any_short_form_is_read_or_refused(text in "[0-9:/\\-a-z \\x00é]{0,20}") {
        let node = yaml::Node {
            value: yaml::Value::String(text.clone()),
            at: crate::problem::Location { source: Source::new("test", text.clone()), span: 0..text.len() },
            style: yaml::Style::Plain,
        };
        let list = yaml::Node { value: yaml::Value::List([node.clone()].into()), ..node };
        for problem in MappingSet::parse(&list).err().into_iter().flatten() {
            let at = problem.at.unwrap();
            prop_assert!(at.source.text.get(at.span.clone()).is_some());
        }
    }

    #[test]
    fn any_long_form_is_read_or_refused(
        keys in prop::collection::vec(("(name|port|to_port|protocol|source|interface|direct|direct_source|loopback|x)",
            "([0-9]{1,6}|[0-9]{1,3}-[0-9]{1,3}|[a-z]{1,5}|yes|no|~|\\[[0-9a-z,.: ]{0,12}\\]|[0-9:]{1,8}|[0-9.]{1,9}/[0-9]{1,3}|\"[ -!#-\\[\\]-~]{0,18}\")"), 0..8),
    ) {
        let text = keys.iter().fold("- x: 1\n".to_owned(), |text, (key, value)| format!("{text}  {key}: {value}\n"));
        if let Ok(document) = yaml::read(&Source::new("test", text)) {
            prop_assert!(MappingSet::parse(&document.root).is_err());
        }
    }

    /// The checks of pairs against counting single ports: neither misses what the other finds.
    #[test]
    fn a_set_is_accepted_if_and_only_if_no_port_is_taken_twice_or_led_to(
        mappings in prop::collection::vec((1..30_u16, 1..5_u16, 1..30_u16, any::<bool>(), any::<bool>()), 1..5),
    ) {
        let text = list(mappings.iter().map(|&(port, length, to, one_to_one, udp)| {
            let end = if one_to_one { to + length - 1 } else { to };
            format!("\"{port}-{}:{to}-{end}/{}\"", port + length - 1, if udp { "udp" } else { "tcp" })
        }));
        prop_assert_eq!(parse(&text).is_ok(), is_sound(&mappings), "{}", text);
    }

    /// What a host keeps is what it was told, whatever a mapping holds.
    #[test]
    fn a_set_comes_back_from_its_text(
        entries in prop::collection::vec((
            prop::option::of("[^\\x00-\\x1f\\x7f-\\x9f\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\u{feff}]{1,20}"),
            1..3_u16, any::<bool>(), any::<bool>(), any::<bool>(),
            prop::option::of("[a-z]{1,6}[0-9]\\+?"), 0..3_u8, 0..3_u8,
        ), 0..6),
    ) {
        let mappings = entries.iter().cloned().enumerate().map(|(place, entry)| {
            let (name, count, one_to_one, udp, loopback, interface, direct, nets) = entry;
            let port = 1 + 10 * u16::try_from(place).unwrap();
            let to = 1000 + port;
            let nets: Vec<IpNet> = ["192.0.2.7/32", "2001:db8::/32"].iter().take(nets.into())
                .map(|net| net.parse().unwrap()).collect();
            let direct = [Direct::Drop, Direct::Reject, Direct::Allow][usize::from(direct)];
            Mapping {
                name, interface, loopback, direct,
                port: PortRange::new(port, port + count - 1).unwrap(),
                to_port: PortRange::new(to, if one_to_one { to + count - 1 } else { to }).unwrap(),
                protocol: if udp { Protocol::Udp } else { Protocol::Tcp },
                source: nets.clone(),
                direct_source: if direct == Direct::Allow { vec![] } else { nets },
            }
        });
        let set = MappingSet(mappings.collect());
        let text = set.to_text();
        prop_assert_eq!(text.lines().count(), entries.len());
        prop_assert_eq!(MappingSet::from_text(&text).unwrap(), set, "{}", text);
    }

    #[test]
    fn any_text_of_a_host_is_read_or_refused(text in "([{}\\[\\],:\"0-9a-z\\\\ \\n]|\"(to_)?port\":\"[0-9]{1,5}\"){0,40}") {
        if let Ok(set) = MappingSet::from_text(&text) {
            prop_assert_eq!(MappingSet::from_text(&set.to_text()).unwrap(), set);
        }
    }
}
