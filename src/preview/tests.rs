use std::collections::BTreeMap;

use super::*;
use crate::firewall::Mark;
use crate::mapping::MappingSet;
use crate::plan::Plan;
use crate::problem::Source;
use crate::report::Look;

const DROP: &str = "*filter\n:INPUT DROP [0:0]\n-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n\
    -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n";

/// A host with these rules in both families, whose sshd listens on 22.
fn observed(rules: &str) -> Observed {
    observed_by(rules, rules)
}

fn observed_by(rules: &str, rules6: &str) -> Observed {
    let texts = [
        (
            "facts",
            "uid 0\nssh 192.0.2.9 40000 192.0.2.1 22\nuptime 99\nipv6 yes\n",
        ),
        (
            "addresses",
            "2: eth0    inet 192.0.2.1/24 scope global eth0\n2: eth0    inet6 2001:db8::1/64 scope global\n",
        ),
        (
            "listeners",
            "tcp 00000000:0016\ntcp 00000000000000000000000000000000:0016\n",
        ),
        ("rules 4 iptables iptables v1.8.9 (nf_tables)", rules),
        ("rules 6 ip6tables ip6tables v1.8.9 (nf_tables)", rules6),
    ];
    let sections: BTreeMap<String, String> = texts
        .into_iter()
        .map(|(title, text)| (title.to_owned(), text.to_owned()))
        .collect();
    Observed::read(&sections).unwrap()
}

fn mappings(text: &str) -> MappingSet {
    let source = Source::new("test", text);
    MappingSet::parse(&crate::yaml::read(&source).unwrap().root).unwrap()
}

fn preview(rules: &str, portmap: &str) -> Preview {
    preview_of(&observed(rules), portmap)
}

fn preview_of(observed: &Observed, portmap: &str) -> Preview {
    match observed.plan(&mappings(portmap), |_| Mark::default()) {
        Plan::Change(change) => Preview {
            basis: Some(observed.basis(None)),
            ..Preview::of(observed, &change, &observed.prospect(&change, &observed.after(&change)))
        },
        Plan::Unchanged(_) => panic!("nothing to do"),
    }
}

fn shown(hosts: Vec<(String, Preview)>, width: u16) -> String {
    let previews = Previews {
        batches: vec![hosts.len()],
        hosts,
        elapsed: Duration::from_millis(420),
        interrupted: false,
    };
    let look = Look {
        width: Some(width),
        rows: None,
        color: false,
    };
    let shown = Shown {
        look,
        rules: true,
        all: false,
    };
    let text = text(&previews, shown);
    let longest = text.lines().map(console::measure_text_width).max();
    assert!(longest <= Some(width.into()), "{longest:?}:\n{text}");
    text
}

#[test]
fn one_host() {
    let mut host = preview(DROP, "['2222:22', {port: 8000-8003, to_port: 9000, direct: reject}]");
    host.warnings
        .push("port 22, by which this run logged in, will be no way in any longer: log in by port 2222".to_owned());
    insta::assert_snapshot!(shown(vec![("web1".to_owned(), host)], 80));
}

#[test]
fn three_equal_hosts() {
    let hosts = ["web1", "db1", "web2"].map(|name| (name.to_owned(), preview("", "['2222:22']")));
    insta::assert_snapshot!(shown(hosts.into(), 80));
}

#[test]
fn fifty_hosts() {
    let (open, closed) = (preview("", "['2222:22']"), preview(DROP, "['2222:22']"));
    let mut hosts: Vec<(String, Preview)> = (1..=47)
        .map(|number| {
            let preview = if number % 12 == 5 { &closed } else { &open };
            (format!("web{number:02}.example.com"), preview.clone())
        })
        .collect();
    hosts.push(("db1".to_owned(), Preview::new(State::Unchanged)));
    let stop = Stop {
        refused: true,
        reason: "IPv4: operators at 192.0.2.9 would be cut off from sshd: `-A INPUT -s 192.0.2.0/24 -j DROP`"
            .to_owned(),
        hint: Some(
            "let them in before our rules; --force tries all the same, with the rollback timer armed".to_owned(),
        ),
    };
    hosts.push(("db2".to_owned(), open.clone().refused(stop)));
    let unreachable = Preview {
        reasons: vec!["no way in: ports 22 and 2222 do not answer".to_owned()],
        ..Preview::new(State::Unreachable)
    };
    hosts.push(("db3".to_owned(), unreachable));
    insta::assert_snapshot!(shown(hosts, 80));
}

#[test]
fn what_is_said_fits_narrow_terminals_and_hosts_cannot_paint_them() {
    let mut host = preview("", "['2222:22']");
    host.warnings
        .push("\x1b[31mred\x07 and so on and so on and so on and so on".to_owned());
    let text = shown(vec![("web1\x1b[2J".to_owned(), host.sanitised())], 40);
    assert!(!text.contains('\x1b') && !text.contains('\x07'), "{text}");
}

/// Port, family and who, before and after.
fn reach(preview: &Preview, port: u16) -> Vec<String> {
    let of_port = preview.reach.iter().filter(|reach| reach.port == port);
    of_port
        .map(|reach| {
            format!(
                "{} {}: {} → {}",
                reach.family.name(),
                reach.from,
                reach.before.words(port),
                reach.after.words(port)
            )
        })
        .collect()
}

#[test]
fn who_reaches_what_before_and_after() {
    let host = preview(DROP, "['2222:22']");
    assert_eq!(
        reach(&host, 2222),
        [
            "IPv4 192.0.2.9: closed → reaches 22",
            "IPv4 anywhere: closed → reaches 22",
            "IPv6 anywhere: closed → reaches 22"
        ]
    );
    assert_eq!(reach(&host, 22).last().unwrap(), "IPv6 anywhere: open → closed");
    let spared = preview("", "[{port: 2222, to_port: 22, direct_source: 192.0.2.0/24}]");
    let found = reach(&spared, 22);
    assert_eq!(found[0], "IPv4 192.0.2.9: open → open");
    assert_eq!(found[1], "IPv4 elsewhere: open → closed");
    assert_eq!(found[2], "IPv6 anywhere: open → closed");
}

#[test]
fn whoever_is_banned_does_not_make_all_others_unknown() {
    let bans =
        "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 1.77.201.0/24 -j DROP\n-A INPUT ! -s 2.0.0.0/8 -j LOG\nCOMMIT\n";
    let six = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n";
    let host = preview_of(&observed_by(bans, six), "['2222:22']");
    assert_eq!(
        reach(&host, 2222)[1],
        "IPv4 elsewhere: open, nothing listens → reaches 22"
    );
    let others = host.reach.iter().find_map(|reach| match reach.from {
        crate::plan::From::Others(address) => Some(address),
        _ => None,
    });
    assert_eq!(others, "3.77.201.133".parse().ok());
    let unknown = bans.replace("-s 1.77.201.0/24", "-m set --match-set bans src");
    let host = preview_of(&observed_by(&unknown, six), "['2222:22']");
    let found = &reach(&host, 2222)[1];
    assert!(
        found.starts_with("IPv4 anywhere: not known (") && found.contains("set"),
        "{found}"
    );
}

#[test]
fn generations_are_no_difference_and_mappings_that_stay_are_not_shown() {
    let first = observed("");
    let Plan::Change(change) = first.plan(&mappings("['2222:22', '80:8080']"), |_| Mark::default()) else {
        panic!("nothing to do")
    };
    let rules = |family: usize| {
        crate::firewall::after(&first.families[family].view, &change.families[family].change).to_string()
    };
    assert_eq!(rules(0).replace("ip6tables", "iptables"), rules(1));
    let second = preview(&rules(0), "['2222:22', '80:8081']");
    let lines: Vec<String> = second
        .rules
        .iter()
        .flat_map(|diff| diff.lines.iter().map(ToString::to_string))
        .collect();
    assert!(!lines.is_empty(), "the target of 80 is another");
    for line in &lines {
        assert!(!line.contains("2222") && !line.contains("-00000"), "{line}");
    }
    assert_eq!(reach(&second, 2222)[0], "IPv4 192.0.2.9: reaches 22 → reaches 22");
}

fn saved() -> (SavedPlan, Vec<Asked>) {
    let hosts = ["web1", "web2"].map(|name| (name.to_owned(), preview("", "['2222:22']")));
    let previews = Previews {
        hosts: hosts.into(),
        ..Previews::default()
    };
    let asked = ["web1", "web2"].map(|name| Asked {
        name: name.to_owned(),
        address: "192.0.2.1".to_owned(),
        mappings: mappings("['2222:22']").to_text(),
    });
    (SavedPlan::of(&previews, &asked), asked.into())
}

#[test]
fn a_plan_reads_back_and_is_for_what_it_was_made_for() {
    let (plan, mut asked) = saved();
    assert_eq!(SavedPlan::read(&plan.text()), Ok(plan.clone()));
    assert_eq!(plan.differences(&asked), [] as [&str; 0]);
    asked[0].address = "192.0.2.2".to_owned();
    asked[1].mappings.clear();
    assert_eq!(
        plan.differences(&asked),
        [
            "web1 was planned at 192.0.2.1, and is at 192.0.2.2 now",
            "web2 was planned with other mappings"
        ]
    );
    asked[0].name = "db1".to_owned();
    let found = plan.differences(&asked);
    assert!(found.contains(&"db1 is not planned".to_owned()), "{found:?}");
    assert!(
        found
            .iter()
            .any(|found| found.starts_with("web1 is planned, and not among"))
    );
}

#[test]
fn what_is_no_plan_of_this_version_is_refused() {
    let text = saved().0.text();
    for (wrong, says) in [
        (String::new(), "not a saved plan"),
        ("[]".to_owned(), "not a saved plan"),
        (text.replace("\"version\": 1", "\"version\": 2"), "plan again"),
        (text.replace("\"program\": \"", "\"program\": \"9"), "plan again"),
        (text.replace("\"chains\"", "\"chain\""), "not a whole plan"),
        (text.replacen('{', "{\"more\": 1,", 1), "not a whole plan"),
        (text[..text.len() / 2].to_owned(), "not a saved plan"),
    ] {
        let why = SavedPlan::read(&wrong).unwrap_err();
        assert!(why.contains(says), "{why}: {wrong}");
    }
}
