//! `rollback`: a generation's mappings once more, as a change of its own.

use super::support::deploy::Seen::{Open, Refused, Silent};
use super::support::lab::Lab;
use super::{call, shape};
use crate::on_both_backends;

on_both_backends!(a_rollback_gives_earlier_mappings_and_a_second_takes_it_back);

const FIRST: &str = "portmap: ['2222:22'], portmap_previous_ports: [2200]";
const SECOND: &str = "portmap: [{port: 2200, to_port: 22, name: way in}, '80:8080'], portmap_previous_ports: [2222]";

fn a_rollback_gives_earlier_mappings_and_a_second_takes_it_back(backend: &str) {
    let lab = Lab::up(1, backend);
    let _web = lab.serve("host1", 8080, "web");
    lab.load_rules_of_both("host1", "*filter\n-A INPUT -p tcp --dport 7 -j DROP\nCOMMIT");
    let foreign = lab.foreign_rules("host1");
    let back = |to: &[&str]| call(&lab, "rollback", &[("host1", SECOND)], to);
    let none = back(&[]);
    none.expect("host1", "refused");
    assert!(
        none.reason("host1").contains("nothing of portmap-deploy"),
        "{}",
        none.said()
    );

    lab.deploys(FIRST).expect("host1", "confirmed");
    let first = shape(&lab, "host1");
    let only = back(&[]);
    only.expect("host1", "refused");
    assert!(
        only.said().contains("remove takes portmap-deploy off"),
        "{}",
        only.said()
    );
    lab.deploys(SECOND).expect("host1", "confirmed");
    let second = shape(&lab, "host1");

    let run = back(&[]);
    run.expect("host1", "confirmed").expect_logins("host1", 2);
    assert_eq!(run.host("host1")["generation"], 3, "{}", run.said());
    assert_eq!(run.reason("host1"), "it has the mappings of generation 1 again");
    assert_eq!(shape(&lab, "host1"), first);
    lab.expect_sshd("host1", 2222);
    lab.expect_tcp_ports("host1", &[22], Silent);
    lab.expect_tcp_ports("host1", &[2200, 80], Refused);
    lab.expect_tcp("host1", 8080, Open);

    let run = back(&["--to", "previous"]);
    run.expect("host1", "confirmed");
    assert_eq!(shape(&lab, "host1"), second);
    back(&["--to", "4"])
        .expect("host1", "unchanged")
        .expect_logins("host1", 1);
    let run = back(&["--to", "9"]);
    run.expect("host1", "refused");
    assert!(run.said().contains("it has 1, 2, 3 and 4 (in force)"), "{}", run.said());
    assert_eq!(shape(&lab, "host1"), second);
    back(&["--to", "1"]).expect("host1", "confirmed");
    assert_eq!(shape(&lab, "host1"), first);
    assert_eq!(lab.foreign_rules("host1"), foreign);
    let wrong = call(&lab, "rollback", &[("host1", SECOND)], &["--to", "yesterday"]);
    assert_eq!(wrong.code, Some(1), "{}", wrong.said());
}
