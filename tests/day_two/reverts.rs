//! What a run does with what it made itself, and with nothing else: hosts are taken back, a killed run goes on.

use std::sync::Arc;
use std::time::Duration;

use portmap_deploy::inventory;
use portmap_deploy::machine::Machine;
use portmap_deploy::memory::Memory;
use portmap_deploy::report::{EndState, HostReport, RolledBackBy};
use portmap_deploy::transaction::{Confirm, Goal, Machines, Options, deploy};
use portmap_deploy::world::World;

use super::shape;
use super::support::deploy::Seen::Refused;
use super::support::lab::Lab;
use crate::on_both_backends;

on_both_backends!(what_a_run_made_is_taken_back_and_nothing_else);

/// Every way in that the tests make.
const WAYS: &str = "portmap_previous_ports: [2222, 2200, 2201, 2202, 2203, 2204], ansible_ssh_extra_args: '-F none'";

/// One host's transaction, with a run's id of the test's choice.
struct Act<'l> {
    lab: &'l Lab,
    host: &'static str,
    run: &'static str,
    operator: &'static str,
    confirm: Confirm,
    machines: Arc<Machines>,
}

impl<'l> Act<'l> {
    fn of(lab: &'l Lab, host: &'static str, run: &'static str) -> Self {
        Self {
            lab,
            host,
            run,
            operator: "ann@desk",
            confirm: Confirm::Proven,
            machines: Arc::default(),
        }
    }

    fn deploy(self, portmap: &str) -> HostReport {
        self.act(portmap, Goal::Deploy)
    }

    fn revert(self, confirmed: Option<u32>, before: Option<u32>) -> HostReport {
        self.act("[]", Goal::Revert { confirmed, before })
    }

    fn act(self, portmap: &str, goal: Goal) -> HostReport {
        let folder = self
            .lab
            .inventory_of(&[(self.host, &format!("portmap: {portmap}, {WAYS}"))]);
        let inventory = ["login.yaml", "hosts.yaml"].map(|name| folder.join(name).display().to_string());
        let request = inventory::Request {
            inventory: inventory.to_vec(),
            ..inventory::Request::default()
        };
        let world: Arc<dyn World> = Arc::new(Machine::default());
        let host = inventory::load(&request, &world).unwrap().hosts.remove(0);
        let options = Options {
            goal,
            rollback_after: Duration::from_secs(6),
            timeout: Duration::from_secs(3),
            run_id: self.run.to_owned(),
            operator: self.operator.to_owned(),
            bastions: portmap_deploy::remote::ssh::Bastions::default(),
            memory: Arc::new(Memory::none()),
            checks: vec![],
            force: false,
            diff: false,
            basis: None,
            confirm: self.confirm,
            confirm_command: "portmap-deploy confirm".to_owned(),
            machines: self.machines,
        };
        self.lab.within(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let (events, _received) = tokio::sync::mpsc::unbounded_channel();
            runtime.block_on(deploy(&host, &options, &events))
        })
    }
}

#[track_caller]
fn expect(report: &HostReport, state: EndState, generation: Option<u32>) {
    assert_eq!((report.state, report.generation), (state, generation), "{report:?}");
}

/// Left as it is, for this reason.
#[track_caller]
fn expect_left(report: &HostReport, why: &str) {
    let reason = report.reason.as_deref().unwrap_or_default();
    assert!(
        report.state == EndState::NotRolledBack && reason.contains(why),
        "{report:?}"
    );
}

fn what_a_run_made_is_taken_back_and_nothing_else(backend: &str) {
    let lab = Lab::up(2, backend);
    let on = |run| Act::of(&lab, "host1", run);
    let first = on("run1").deploy("['2222:22']");
    expect(&first, EndState::Confirmed, Some(1));
    assert_eq!(first.before, None);
    let old = shape(&lab, "host1");
    // The run was killed before it wrote that down, and goes on; to another run the host is unchanged.
    let again = on("run1").deploy("['2222:22']");
    expect(&again, EndState::Confirmed, Some(1));
    assert_eq!((again.before, again.connections), (None, 1));
    expect(&on("run2").deploy("['2222:22']"), EndState::Unchanged, Some(1));

    let second = on("run2").deploy("['2200:22', '80:8080']");
    expect(&second, EndState::Confirmed, Some(2));
    assert_eq!(second.before, Some(1));
    let back = on("run2").revert(Some(2), Some(1));
    expect(&back, EndState::RolledBack, Some(3));
    assert_eq!(back.rolled_back_by, Some(RolledBackBy::Controller));
    assert_eq!(shape(&lab, "host1"), old);
    lab.expect_sshd("host1", 2222);
    lab.expect_tcp_ports("host1", &[2200, 80], Refused);
    // Killed before that was written down.
    expect(&on("run2").revert(Some(2), Some(1)), EndState::RolledBack, Some(3));
    assert_eq!(shape(&lab, "host1"), old);

    // Nobody knows what became of the host: it tells who made its generation, and of what.
    expect(&on("run4").deploy("['2201:22']"), EndState::Confirmed, Some(4));
    for _ in 0..2 {
        expect(&on("run4").revert(None, None), EndState::RolledBack, Some(5));
        assert_eq!(shape(&lab, "host1"), old);
    }
    expect(&on("run4b").revert(None, Some(5)), EndState::RolledBack, Some(5));

    expect(&on("run5").deploy("['2202:22']"), EndState::Confirmed, Some(6));
    let bob = Act {
        operator: "bob@desk",
        ..on("run6")
    };
    expect(&bob.deploy("['2203:22']"), EndState::Confirmed, Some(7));
    let (rules, files) = (lab.our_rules("host1"), lab.files("host1"));
    for (confirmed, before) in [(Some(6), Some(5)), (None, Some(5)), (None, None)] {
        let left = on("run5").revert(confirmed, before);
        expect_left(&left, "generation 7 by bob@desk (run run6) is in force");
        assert_eq!(left.generation, Some(7));
    }
    // By hand, without us.
    lab.run("host1", "iptables -A PORTMAP-GUARD -j RETURN");
    expect_left(&on("run6").revert(Some(7), Some(6)), "its rules were changed since");
    lab.run("host1", "iptables -D PORTMAP-GUARD -j RETURN");
    expect_left(
        &on("run6").revert(Some(7), Some(99)),
        "the host has generation 99 no more",
    );
    assert_eq!((lab.our_rules("host1"), lab.files("host1")), (rules.clone(), files));
    // What cannot be proven is undone by its own protection.
    lab.block("tcp", 2202);
    expect_left(&on("run6").revert(Some(7), Some(6)), "2202");
    lab.unblock();
    assert_eq!(lab.our_rules("host1"), rules);
    lab.cut("host1");
    expect_left(&on("run6").revert(Some(7), Some(6)), "no way in");
    lab.heal("host1");

    let on = |run| Act::of(&lab, "host2", run);
    let nothing = lab.rules("host2", 4) + &lab.rules("host2", 6);
    expect(&on("run1").deploy("['2222:22']"), EndState::Confirmed, Some(1));
    for _ in 0..2 {
        expect(&on("run1").revert(Some(1), None), EndState::RolledBack, None);
        assert_eq!(lab.rules("host2", 4) + &lab.rules("host2", 6), nothing);
        lab.expect_sshd("host2", 22);
    }
}

/// A run whose controller was killed finds its own change pending. Anybody else's is left alone.
#[test]
fn a_change_of_a_killed_run_is_its_own() {
    let lab = Lab::up(1, "legacy");
    let on = |run| Act::of(&lab, "host1", run);
    let pending = |run| Act {
        confirm: Confirm::Manual,
        ..on(run)
    };
    expect(&on("run1").deploy("['2222:22']"), EndState::Confirmed, Some(1));
    let old = shape(&lab, "host1");
    let left = pending("run2").deploy("['2200:22']");
    expect(&left, EndState::Pending, Some(2));
    assert_eq!(left.before, Some(1));
    let other = on("run3").deploy("['2201:22']");
    expect(&other, EndState::Failed, None);
    assert!(other.reason.unwrap().contains("ann@desk is changing this host"));
    expect_left(&on("run3").revert(None, Some(1)), "ann@desk is changing this host");
    assert_ne!(shape(&lab, "host1"), old);
    expect(&on("run2").deploy("['2200:22']"), EndState::Confirmed, Some(2));
    expect(&on("run2").revert(Some(2), Some(1)), EndState::RolledBack, Some(3));
    assert_eq!(shape(&lab, "host1"), old);

    expect(&pending("run4").deploy("['2200:22']"), EndState::Pending, Some(4));
    let back = on("run4").revert(None, None);
    expect(&back, EndState::RolledBack, Some(3));
    assert_eq!(back.rolled_back_by, Some(RolledBackBy::Controller));
    assert_eq!(shape(&lab, "host1"), old);
    assert!(
        lab.run("host1", "ls /run/portmap-deploy")
            .lines()
            .all(|file| file != "lock")
    );
}
