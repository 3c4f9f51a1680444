//! How live rules are compared with mappings, and how a change is undone.

use super::*;

#[track_caller]
fn differs(view: &View, set: &MappingSet, reason: &str) {
    match standing(view, set) {
        Standing::Differs(reasons) => {
            assert!(reasons.iter().any(|one| one.contains(reason)), "{reasons:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn standing_finds_every_difference() {
    let set = mappings("['2222:22']");
    let shape = "-A INPUT -s 1.2.3.4/32 -j DROP\n-A INPUT -p udp -j DROP\n-A INPUT -j DROP";
    let sound = settled(&view("", shape), &set, 1);
    let touched = |input: &str| applied(&sound, &[input]);
    differs(&view("", shape), &set, "none of our rules");
    differs(&sound, &mappings("['2223:22']"), "2223");
    differs(&sound, &mappings("[]"), "too much");
    differs(
        &touched("*filter\n-I INPUT 1 -p icmp -j ACCEPT\n"),
        &set,
        "top of INPUT",
    );
    differs(
        &touched("*filter\n-I INPUT 3 -j ACCEPT\n"),
        &set,
        "no jump to PORTMAP-ACCEPT",
    );
    differs(
        &touched("*filter\n-A INPUT -j PORTMAP-ACCEPT\n"),
        &set,
        "a jump too many",
    );
    differs(
        &touched("*filter\n:PORTMAP-GUARD-000004-L - [0:0]\n"),
        &set,
        "left-over",
    );
    differs(&touched("*filter\n-A PORTMAP-GUARD -j DROP\n"), &set, "alone");
    differs(
        &touched("*filter\n-I PORTMAP-GUARD-000001 1 -j RETURN\n"),
        &set,
        "too much",
    );
    differs(&touched("*filter\n:PORTMAP-GUARD - [0:0]\n"), &set, "PORTMAP-GUARD");
    differs(
        &touched("*nat\n-A PORTMAP-SEEN-000001 -p tcp -m tcpmss --mss 777\n"),
        &set,
        "too much",
    );
    let mixed =
        "*filter\n:PORTMAP-GUARD-000002 - [0:0]\n:PORTMAP-GUARD - [0:0]\n-A PORTMAP-GUARD -j PORTMAP-GUARD-000002\n";
    differs(&touched(mixed), &set, "generation");
    assert_eq!(standing(&view("", shape), &mappings("[]")), Standing::Absent);
}

#[test]
fn a_flushed_table_is_one_difference() {
    let set = mappings("['2222:22']");
    let sound = settled(&view("", "-A INPUT -j DROP"), &set, 1);
    let flushed = |table: &str| {
        let mut view = sound.clone();
        let found = view.ruleset.tables.iter_mut().find(|one| one.name == table).unwrap();
        found
            .chains
            .iter_mut()
            .for_each(|chain| chain.rules = std::sync::Arc::default());
        standing(&view, &set)
    };
    for table in ["nat", "filter"] {
        let reason = format!("the {table} table was flushed: no rule of ours is left in it");
        assert_eq!(flushed(table), Standing::Differs(vec![reason]));
    }
}

#[test]
fn standing_does_not_mind_what_changes_nothing() {
    let set = mappings("['2222:22']");
    let shape = "-A INPUT -s 1.2.3.4/32 -j DROP\n-A INPUT -p udp -j DROP\n-A INPUT -j DROP";
    let sound = settled(&view("", shape), &set, 1);
    let in_sync = |input: &str| {
        assert_eq!(
            standing(&applied(&sound, &[input]), &set),
            Standing::InSync(Generation(1)),
            "{input}"
        );
    };
    in_sync("*filter\n-I INPUT 2 -s 9.9.9.9/32 -j DROP\n");
    in_sync("*filter\n-I INPUT 5 -p udp -j ACCEPT\n");
    in_sync("*filter\n-A INPUT -p tcp -j ACCEPT\n");
    in_sync("*filter\n:f2b - [0:0]\n");
    in_sync("*filter\n:f2b - [0:0]\n-A f2b -s 9.9.9.9/32 -j REJECT\n-A f2b -j RETURN\n-I INPUT 1 -p tcp -j f2b\n");
    in_sync("*filter\n:PORTMAP-GUARD - [0:0]\n-A PORTMAP-GUARD -j PORTMAP-GUARD-000001\n");
}

#[test]
fn jumps_in_the_wrong_place_are_mended() {
    let set = mappings("['2222:22']");
    let sound = settled(&view("", "-A INPUT -s 1.2.3.4/32 -j DROP\n-A INPUT -j DROP"), &set, 1);
    let (guard, accept) = (
        "-j PORTMAP-GUARD",
        "-m comment --comment portmap-deploy-000001 -j PORTMAP-ACCEPT",
    );
    for broken in [
        "-I INPUT 1 -p icmp -j ACCEPT\n".to_owned(),
        "-I INPUT 3 -j ACCEPT\n".to_owned(),
        format!("-A INPUT {accept}\n"),
        format!("-I INPUT 1 {accept}\n-A INPUT {guard}\n-A INPUT {guard}\n"),
        format!("-D INPUT {accept}\n"),
        "-I INPUT 1 -m comment --comment \"by hand\" -j PORTMAP-GUARD\n".to_owned(),
    ] {
        let touched = applied(&sound, &["*filter\n", &broken]);
        differs(&touched, &set, "jump");
        let mended = settled(&touched, &set, 2);
        assert_eq!(
            specs(&mended, "filter", "INPUT")
                .iter()
                .filter(|spec| spec.contains("PORTMAP-"))
                .count(),
            2
        );
    }
}

#[test]
fn undo_of_a_first_deploy_leaves_nothing() {
    let change = change(
        &view("", "-A INPUT -j DROP"),
        &mappings("['2222:22']"),
        Generation(1),
        &Mark::default(),
    );
    let filter = change.undo.tables.iter().find(|table| table.table == "filter").unwrap();
    assert_eq!(
        filter.levels,
        ["*filter\n:PORTMAP-GUARD - [0:0]\n:PORTMAP-ACCEPT - [0:0]\nCOMMIT\n"]
    );
    assert!(filter.want.is_empty() && change.undo.rejump.is_empty());
    let after = &change.undo.after;
    let jump = "filter\t-D INPUT -m comment --comment portmap-deploy-000001 -j PORTMAP-GUARD".to_owned();
    assert!(
        after.iter().position(|line| *line == jump) < after.iter().position(|line| line == "filter\t-X PORTMAP-GUARD")
    );
    assert!(after.contains(&"filter\t-X PORTMAP-GUARD-000001-L".to_owned()));
}

#[test]
fn undo_of_a_later_deploy_knows_the_old_lines() {
    let set = mappings("['2222:22']");
    let old = settled(&view("", "-A INPUT -s 1.2.3.4/32 -j DROP\n-A INPUT -j DROP"), &set, 1);
    let change = change(&old, &mappings("['2200:22']"), Generation(2), &Mark::default());
    let filter = change.undo.tables.iter().find(|table| table.table == "filter").unwrap();
    assert_eq!(filter.levels.len(), 3);
    assert!(filter.levels[0].contains("-A PORTMAP-GUARD -g PORTMAP-GUARD-000001\n"));
    assert!(filter.levels[1].contains(":PORTMAP-GUARD-000001 - [0:0]\n"));
    assert!(!filter.levels[2].contains("-A "));
    for level in &filter.levels {
        assert!(
            !level.contains("-D ") && !level.contains("-I ") && !level.contains("INPUT"),
            "{level}"
        );
    }
    assert_eq!(filter.want.len(), 2 + 2 + 3 + 1);
    let accept = "-m comment --comment portmap-deploy-000001 -j PORTMAP-ACCEPT";
    let rejump = |position: u32| format!("filter\t-A INPUT {accept}\t-I INPUT {position} {accept}");
    assert!(change.undo.rejump.contains(&rejump(3)) && change.undo.rejump.contains(&rejump(2)));
    assert!(
        change.undo.after.iter().all(|line| line.contains("000002")),
        "{:?}",
        change.undo.after
    );
}

#[test]
fn installed_tells_what_is_there() {
    let set = mappings("['2222:22']");
    let old = settled(&view("", ""), &set, 1);
    let touched = applied(&old, &["*nat\n:PORTMAP-SEEN-000009-L - [0:0]\nCOMMIT\n"]);
    let found = installed(&touched.ruleset);
    assert_eq!(found.highest, Some(Generation(9)));
    assert_eq!(
        found.left_over,
        [("nat".to_owned(), "PORTMAP-SEEN-000009-L".to_owned())]
    );
    let guard = &found.hooks[&Hook::Guard];
    assert_eq!((guard.generation, guard.jumps[0].index), (Some(Generation(1)), 0));
    assert_eq!(guard.jumps[0].placed_by, Some(Generation(1)));
    assert_eq!(installed(&view("", "").ruleset), Installed::default());
}

#[test]
fn a_thousand_ports_are_no_trouble() {
    let set = mappings("[{port: '10000-11023', to_port: '20000-21023'}]");
    let rule = |number| format!("-A INPUT -p tcp -m tcp --dport {} -j ACCEPT", 20000 + 2 * number);
    let rules = (0..500).map(rule).collect::<Vec<_>>().join("\n");
    let old = settled(&view("", &rules), &set, 1);
    assert_eq!(standing(&old, &set), Standing::InSync(Generation(1)));
}
