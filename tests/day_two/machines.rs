//! One machine under two names, and the controller's own.

use super::call;
use super::support::lab::Lab;

#[test]
fn two_names_of_one_machine_are_told_before_anything_is_changed() {
    let lab = Lab::up(2, "nft");
    // At another port: that alone could be another machine behind one address.
    let twin = format!(
        "portmap: ['2200:22'], ansible_port: 2200, ansible_host: {}",
        lab.address("host1", 4)
    );
    let run = call(
        &lab,
        "deploy",
        &[("host1", "portmap: ['2222:22']"), ("host2", &twin)],
        &[],
    );
    let states = [run.state("host1"), run.state("host2")];
    let (first, second) = match states {
        ["confirmed", "refused"] => ("host1", "host2"),
        ["refused", "confirmed"] => ("host2", "host1"),
        _ => panic!("{}", run.said()),
    };
    assert!(
        run.reason(second)
            .contains(&format!("the machine that {first} is as well")),
        "{}",
        run.said()
    );
    let rules = lab.our_rules("host1");
    assert_eq!(rules.contains("2222"), first == "host1", "{rules}");
    assert_eq!(rules.contains("2200"), first == "host2", "{rules}");
    assert_eq!(lab.our_rules("host2"), "");
}
