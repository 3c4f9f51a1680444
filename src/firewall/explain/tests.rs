use super::*;

fn ours(text: &str, family: Family, policy: Policy) -> Picture {
    let source = crate::problem::Source::new("test", text);
    let set = MappingSet::parse(&crate::yaml::read(&source).unwrap().root).unwrap();
    let call = Call::to(&set.mappings()[0], family, None).unwrap();
    explain(&made(&set, family, policy), &Host::default(), &call)
}

fn given(text: &str) -> Picture {
    let call = Call {
        family: Family::V4,
        protocol: "tcp".to_owned(),
        port: 2222,
        to_port: 22,
        source: None,
        destination: None,
        interface: None,
    };
    explain(&Ruleset::parse_file(text).unwrap(), &Host::default(), &call)
}

fn stage(lane: &Lane, kind: StageKind) -> Option<&Stage> {
    lane.stages.iter().find(|stage| stage.kind == kind)
}

#[test]
fn our_own_rules_deliver_the_mapped_packet_and_stop_the_direct_one() {
    for family in [Family::V4, Family::V6] {
        for policy in [Policy::Drop, Policy::Accept] {
            for text in ["['2222:22']", "['5353:53/udp']", "['8000-8010:80']"] {
                let picture = ours(text, family, policy);
                assert_eq!(picture.mapped.delivered(), Some(picture.to_port), "{picture:#?}");
                assert_eq!(picture.direct.end, End::Dropped);
                let nat = stage(&picture.mapped, StageKind::Nat).unwrap();
                assert_eq!((nat.before, nat.after), (Some(picture.port), Some(picture.to_port)));
                assert_eq!(nat.notes[0].role, Role::Rewrites);
                let last = picture.direct.stages.last().unwrap();
                assert_eq!((last.kind, last.ends), (StageKind::FilterInput, true));
                assert_eq!(last.notes.last().unwrap().role, Role::Closes);
                let seen = stage(&picture.mapped, StageKind::NatInput).unwrap();
                assert_eq!(seen.notes[0].role, Role::Counts);
                assert_eq!(picture.mapped.stages.len(), 10);
            }
        }
    }
}

#[test]
fn a_mapping_for_some_is_called_by_one_of_them() {
    let picture = ours(
        "[{port: 80, to_port: 8080, source: [198.51.100.0/24]}]",
        Family::V4,
        Policy::Drop,
    );
    assert_eq!(picture.mapped.delivered(), Some(8080));
    let source = crate::problem::Source::new("test", "[{port: 80, to_port: 8080, source: [198.51.100.0/24]}]");
    let set = MappingSet::parse(&crate::yaml::read(&source).unwrap().root).unwrap();
    assert_eq!(Call::to(&set.mappings()[0], Family::V6, None), None);
    assert_eq!(Call::to(&set.mappings()[0], Family::V4, Some(81)), None);
}

#[test]
fn where_a_packet_stops_its_way_stops() {
    let dropped = given("*raw\n-A PREROUTING -p tcp -m tcp --dport 2222 -j DROP\nCOMMIT\n");
    let stages: Vec<StageKind> = dropped.mapped.stages.iter().map(|stage| stage.kind).collect();
    assert_eq!(stages, [StageKind::Arrives, StageKind::Raw]);
    assert_eq!(dropped.mapped.end, End::Dropped);
    assert_eq!(dropped.direct.delivered(), Some(22));

    let policy = given("*filter\n:INPUT DROP [0:0]\nCOMMIT\n");
    let last = policy.direct.stages.last().unwrap();
    assert_eq!(
        (last.kind, last.notes[0].text.as_str()),
        (StageKind::FilterInput, "no rule decides: policy DROP")
    );
}

#[test]
fn without_conntrack_nat_is_not_asked() {
    let picture = given(
        "*raw\n-A PREROUTING -p tcp -m tcp --dport 2222 -j CT --notrack\nCOMMIT\n\
         *nat\n-A PREROUTING -p tcp -m tcp --dport 2222 -j REDIRECT --to-ports 22\nCOMMIT\n",
    );
    assert_eq!(picture.mapped.delivered(), Some(2222));
    assert!(stage(&picture.mapped, StageKind::Nat).unwrap().notes.is_empty());
    let conntrack = stage(&picture.mapped, StageKind::Conntrack).unwrap();
    assert_eq!(conntrack.notes[0].role, Role::Closes);
}

#[test]
fn a_packet_for_another_host_goes_by_forward() {
    let ruleset = "*nat\n-A PREROUTING -p tcp -m tcp --dport 2222 -j DNAT --to-destination 172.17.0.2:22\nCOMMIT\n\
        *filter\n-A FORWARD -d 172.17.0.2/32 -p tcp -j ACCEPT\nCOMMIT\n";
    let host = Host {
        interfaces: vec![("eth0".to_owned(), vec!["192.0.2.10/24".parse().unwrap()])],
        default_interface: Some("eth0".to_owned()),
        ..Host::default()
    };
    let call = Call {
        family: Family::V4,
        protocol: "tcp".to_owned(),
        port: 2222,
        to_port: 22,
        source: None,
        destination: Some("192.0.2.10".parse().unwrap()),
        interface: None,
    };
    let picture = explain(&Ruleset::parse_file(ruleset).unwrap(), &host, &call);
    assert_eq!(picture.mapped.end, End::Forwarded);
    assert_eq!(
        stage(&picture.mapped, StageKind::FilterForward).unwrap().notes[0].role,
        Role::LetsIn
    );
    assert!(stage(&picture.mapped, StageKind::FilterInput).is_none());
    assert_eq!(stage(&picture.mapped, StageKind::Nat).unwrap().after, Some(22));
}

#[test]
fn what_may_be_is_said_so() {
    let picture = given("*filter\n:INPUT DROP [0:0]\n-A INPUT -m geoip --source-country DE -j ACCEPT\nCOMMIT\n");
    assert!(matches!(&picture.direct.end, End::Unknown { reason } if reason.contains("geoip")));
    let last = picture.direct.stages.last().unwrap();
    assert_eq!(last.kind, StageKind::FilterInput);
    assert!(last.notes.iter().any(|note| note.role == Role::Maybe));
}
