use serde_json::{Value, json};

use super::*;
use crate::firewall::Ruleset;
use crate::firewall::audit::{Rules, Subject, audit};
use crate::firewall::trace::Host;
use crate::report::Look;

const BOTH_WORK: &str = "*nat\n-A PREROUTING -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 22\nCOMMIT\n\
    *filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -m comment --comment \"\u{202e}who <reads> & \\\"this\\\"\" -j ACCEPT\nCOMMIT\n";
const NEITHER: &str = "*nat\n-A PREROUTING -p tcp -m addrtype --dst-type LOCAL -m tcp --dport 80 -j REDIRECT --to-ports 8080\n\
    -A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8081\nCOMMIT\n\
    *filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT\n";
const NOTHING: &str = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n";

fn report(text: &str, with_lines: bool) -> Report {
    let ruleset = Ruleset::parse_file(text).unwrap();
    audit(&Subject {
        families: &[Rules {
            family: Family::V4,
            ruleset: &ruleset,
            text: with_lines.then_some(text),
        }],
        host: &Host::default(),
        operator: None,
        outside: None,
    })
}

fn of_file(text: &str) -> Overview {
    let looked = Looked {
        name: "etc/my rules.v4".to_owned(),
        files: [(Family::V4, "etc/my rules.v4".to_owned())].into(),
        found: Ok(report(text, true)),
        remarks: vec!["IPv6 was not looked at: give its rules as well, --rules6 FILE".to_owned()],
    };
    Overview {
        looked: vec![looked],
        interrupted: false,
    }
}

fn of_hosts() -> Overview {
    let host = |name: &str, found| Looked {
        name: name.to_owned(),
        files: BTreeMap::new(),
        found,
        remarks: vec![],
    };
    let unseen = Unseen {
        unreachable: true,
        reason: "cannot connect to 203.0.113.14:22: connection refused".to_owned(),
        hint: Some("is its sshd running?".to_owned()),
    };
    Overview {
        looked: vec![
            host("web1", Ok(report(BOTH_WORK, false))),
            host("web2", Ok(report(BOTH_WORK, false))),
            host("web3", Ok(report(NEITHER, false))),
            host("db1", Ok(report(NOTHING, false))),
            host("db2", Err(unseen)),
        ],
        interrupted: false,
    }
}

const PLAIN: Look = Look {
    width: None,
    rows: None,
    color: false,
};

#[test]
fn text_of_a_file() {
    insta::assert_snapshot!(text(&of_file(BOTH_WORK), PLAIN));
}

#[test]
fn text_of_hosts_tells_what_is_the_same_once() {
    let said = text(&of_hosts(), PLAIN);
    assert_eq!(said.matches("PM001").count(), 1);
    assert!(
        said.lines().all(|line| console::measure_text_width(line) <= 80),
        "{said}"
    );
    insta::assert_snapshot!(said);
}

#[test]
fn colours_change_nothing_but_colours() {
    let colored = text(&of_hosts(), Look { color: true, ..PLAIN });
    assert_ne!(colored, text(&of_hosts(), PLAIN));
    assert_eq!(console::strip_ansi_codes(&colored), text(&of_hosts(), PLAIN));
}

#[test]
fn json_of_a_file() {
    insta::assert_snapshot!(document(&of_file(NEITHER)));
}

#[test]
fn sarif_of_a_file() {
    let version = env!("CARGO_PKG_VERSION");
    insta::assert_snapshot!(sarif(&of_file(BOTH_WORK)).replace(version, "VERSION"));
}

#[test]
fn what_is_untrusted_steers_no_terminal() {
    for said in [text(&of_hosts(), PLAIN), document(&of_hosts()), sarif(&of_hosts())] {
        assert!(!said.contains('\u{202e}'), "{said}");
    }
}

#[test]
fn exit_codes() {
    let code = |overview: Overview| overview.exit_code().number();
    assert_eq!(code(of_file(NOTHING)), 0);
    assert_eq!(code(of_file(BOTH_WORK)), 2);
    assert_eq!(code(of_hosts()), 6);
    let mut hosts = of_hosts();
    hosts.looked.drain(..3);
    assert_eq!(code(hosts), 4);
}

/// What SARIF's own schema says of what we write, and that nothing else is written.
fn schema() -> Value {
    serde_json::from_str(include_str!("../../tests/cases/audit/sarif.schema.json")).unwrap()
}

#[test]
fn sarif_is_as_its_standard_has_it() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for overview in [of_file(BOTH_WORK), of_file(NEITHER), of_file(NOTHING), of_hosts()] {
        let log: Value = serde_json::from_str(&sarif(&overview)).unwrap();
        let errors: Vec<String> = validator.iter_errors(&log).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let run = &log["runs"][0];
        for result in run["results"].as_array().unwrap() {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        }
    }
    let broken = json!({ "version": "2.1.0", "runs": [{ "tool": {}, "results": [] }] });
    assert!(!validator.is_valid(&broken));
}

#[test]
fn fingerprints_are_of_the_rule_and_not_of_its_line() {
    let prints = |text: &str| -> Vec<String> {
        let log: Value = serde_json::from_str(&sarif(&of_file(text))).unwrap();
        let results = log["runs"][0]["results"].as_array().unwrap().clone();
        results
            .iter()
            .map(|result| {
                result["partialFingerprints"]["portmapDeploy/v1"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    };
    let moved = format!("# moved\n# down\n{BOTH_WORK}");
    assert_eq!(prints(BOTH_WORK), prints(&moved));
    let mut all = prints(NEITHER);
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
}
