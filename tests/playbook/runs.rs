//! Playbooks and an inventory become a run.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portmap_deploy::inventory::{Fleet, Request};
use portmap_deploy::playbook::{self, Options, Playbook, Probe, Run, Way};
use portmap_deploy::problem::{Problem, Severity, Source, render};
use portmap_deploy::rollout::{OnFailure, Overrides, Pause, Percentage, Policy};
use portmap_deploy::world::{InMemory, World};

fn options() -> Options {
    Options {
        serial: vec![],
        policy: Overrides::default(),
        rollback_after: None,
        forks: NonZeroUsize::MIN,
        tags: vec![],
        skip_tags: vec![],
        mapped_only: true,
    }
}

/// A run of a playbook for these hosts, each with its variables.
fn run_of(hosts: &[(&str, &str)], playbook: &str, options: &Options) -> Result<Run, Vec<Problem>> {
    let host = |(name, variables): &(&str, &str)| format!("    {name}: {{portmap: ['2222:22'], {variables}}}\n");
    let inventory: String = hosts.iter().map(host).collect();
    let world: Arc<dyn World> =
        Arc::new(InMemory::default().file("hosts.yaml", format!("all:\n  hosts:\n{inventory}")));
    let request = Request {
        inventory: vec!["hosts.yaml".to_owned()],
        ..Request::default()
    };
    let fleet = Fleet::load(&request, &world)?;
    if playbook.is_empty() {
        return playbook::without_plays(&fleet, options, Path::new(""));
    }
    let source = Source::new("site.yaml", playbook);
    let nothing = &mut |_: &Path| Err("there is no file".to_owned());
    let playbook = Playbook::parse(&source, Path::new("site.yaml"), nothing)?;
    playbook::plan(&[playbook], &fleet, options, |_| 0)
}

fn said(problems: &[Problem]) -> String {
    render(problems, Severity::Error, false)
}

/// The names of the hosts of each batch.
fn batches(run: &Run) -> Vec<Vec<&str>> {
    let name = |host: usize| run.turns[host].host.name.as_str();
    let batches = run.plan.batches().iter();
    batches
        .map(|batch| batch.iter().map(|host| name(host.0)).collect())
        .collect()
}

const THREE: [(&str, &str); 3] = [("web1", "web: 8081"), ("web2", "web: 8082"), ("db", "web: 8083")];

#[test]
fn checks_are_rendered_for_each_host() {
    let playbook = "
- hosts: all
  verify:
    - tcp: '{{ web }}'
      timeout: 3s
    - http: {url: 'http://{{ inventory_hostname }}:{{ web }}/'}
- hosts: db
  verify: [ssh]
";
    let run = run_of(
        &THREE,
        &playbook.replace("- hosts: db\n  verify: [ssh]\n", ""),
        &options(),
    )
    .unwrap();
    let probes: Vec<Vec<Probe>> = run
        .turns
        .iter()
        .map(|turn| turn.checks.iter().map(|check| check.probe.clone()).collect())
        .collect();
    let http = |url: &str| Probe::Http {
        url: url.to_owned(),
        status: vec![200],
        contains: None,
    };
    assert_eq!(probes[0], [Probe::Tcp(8081), http("http://web1:8081/")]);
    assert_eq!(probes[2], [Probe::Tcp(8083), http("http://db:8083/")]);
    // Different checks are different things to ask of a host.
    let problems = run_of(&THREE, playbook, &options()).unwrap_err();
    assert!(
        said(&problems).contains("db is in this play and in the one at"),
        "{}",
        said(&problems)
    );
    // Who takes mappings away asks for nothing that they did.
    let removal = Options {
        mapped_only: false,
        ..options()
    };
    let run = run_of(&THREE, "- {hosts: all, verify: [{tcp: '{{ nobody }}'}]}\n", &removal).unwrap();
    assert!(run.turns.iter().all(|turn| turn.checks.is_empty()));
}

#[test]
fn checks_that_are_wrong_for_some_hosts_are_found_before_any_is_touched() {
    let hosts = [("web1", "web: 0"), ("web2", "web: 80"), ("db", "web: 80000")];
    let text = said(&run_of(&hosts, "- hosts: all\n  verify:\n    - tcp: '{{ web }}'\n", &options()).unwrap_err());
    assert!(
        text.contains("web1") && text.contains("db") && !text.contains("web2"),
        "{text}"
    );
    let missing = said(&run_of(&THREE, "- hosts: all\n  verify: [{tcp: '{{ wbe }}'}]\n", &options()).unwrap_err());
    assert!(missing.contains("site.yaml:2") && missing.contains("wbe"), "{missing}");
}

#[test]
fn checks_must_fit_into_a_third_of_the_window() {
    let playbook = |retries: u32| {
        format!(
            "- hosts: all\n  verify:\n    - tcp: 8080\n      timeout: 3s\n      retries: {retries}\n      delay: 500ms\n"
        )
    };
    // 3 x 3 s and 2 x 0.5 s are just a third of 30 s.
    assert!(run_of(&THREE, &playbook(2), &options()).is_ok());
    let text = said(&run_of(&THREE, &playbook(3), &options()).unwrap_err());
    let sum = "this check may take 13.5s (4 tries of 3s and 3 x 0.5s between them), and a third of the rollback window of \
               30s is 10s (hosts web1, web2, db)";
    assert!(text.contains(sum), "{text}");
    assert!(
        text.contains("rollback_after: 41s") && text.contains("site.yaml:3"),
        "{text}"
    );
    let longer = playbook(3) + "  rollback_after: 41s\n";
    assert!(run_of(&THREE, &longer, &options()).is_ok());
    let by_command_line = Options {
        rollback_after: Some(Duration::from_secs(40)),
        ..options()
    };
    let text = said(&run_of(&THREE, &longer, &by_command_line).unwrap_err());
    assert!(text.contains("window of 40s is 13.333"), "{text}");
}

#[test]
fn the_command_line_stands_in_place_of_the_plays() {
    let playbook = "
- hosts: web1
- hosts: web2
  max_fail_percentage: 10
  max_failures: 1
  any_errors_fatal: true
  on_failure: rollback_all
  pause: 5s
  soak: 1m
";
    let own = Policy {
        max_fail_percentage: Some(Percentage(10.0)),
        max_failures: Some(1),
        any_errors_fatal: true,
        on_failure: OnFailure::RollbackAll,
        pause: Some(Pause::For(Duration::from_secs(5))),
        soak: Duration::from_secs(60),
    };
    let run = run_of(&THREE, playbook, &options()).unwrap();
    assert_eq!(run.plan.policies(), [Policy::default(), own]);
    let policy = Overrides {
        max_fail_percentage: Some(Percentage(50.0)),
        on_failure: Some(OnFailure::Stop),
        pause: Some(Pause::Confirm),
        soak: Some(Duration::ZERO),
        ..Overrides::default()
    };
    let given = Options { policy, ..options() };
    let first = Policy {
        max_fail_percentage: Some(Percentage(50.0)),
        pause: Some(Pause::Confirm),
        ..Policy::default()
    };
    let second = Policy {
        max_failures: Some(1),
        any_errors_fatal: true,
        ..first
    };
    let run = run_of(&THREE, playbook, &given).unwrap();
    assert_eq!(run.plan.policies(), [first, second]);
    assert_eq!(run_of(&THREE, "", &given).unwrap().plan.policies(), [first]);
}

#[test]
fn the_operator_is_asked_only_between_batches_of_a_play() {
    let asks = |playbook: &str| run_of(&THREE, playbook, &options()).unwrap().plan.asks();
    assert!(!asks("- {hosts: all, pause: confirm}\n"));
    assert!(asks("- {hosts: all, pause: confirm, serial: 2}\n"));
    assert!(!asks("- {hosts: all, pause: 9s, serial: 1}\n"));
    assert!(!asks(
        "- {hosts: db, pause: confirm, serial: 1}\n- {hosts: web1, pause: confirm, serial: 1}\n"
    ));
}

fn through(names: &[&str]) -> Way {
    let hop = |name: &&str| (vec![(*name).to_owned()], Some(22));
    Way {
        hostname: None,
        through: names.iter().map(hop).collect(),
    }
}

/// A bastion by its name, one by its address, and one behind another; hosts behind them come first, batch by batch.
#[test]
fn bastions_come_after_the_hosts_behind_them() {
    let hosts = [
        ("outer", "ansible_host: 203.0.113.1"),
        ("web1", ""),
        ("inner", "ansible_host: inner.internal"),
        ("web2", ""),
        ("web3", ""),
    ];
    let playbook = "- {hosts: all, serial: 2, max_failures: 1}\n";
    let ways = [
        through(&[]),
        through(&["inner.internal", "203.0.113.1"]),
        through(&["::ffff:203.0.113.1"]),
        through(&["elsewhere"]),
        through(&["inner"]),
    ];
    let run = run_of(&hosts, playbook, &options()).unwrap();
    assert_eq!(
        batches(&run),
        [vec!["outer", "web1"], vec!["inner", "web2"], vec!["web3"]]
    );
    let policies = run.plan.policies().to_vec();
    let run = run.with_bastions_last(&ways).unwrap();
    assert_eq!(
        batches(&run),
        [vec!["web1", "web2"], vec!["web3"], vec!["inner"], vec!["outer"]]
    );
    assert_eq!(run.plan.policies(), policies);
    // Nobody leads to anybody, or only to himself, as where a whole group has one ProxyJump.
    let run = run_of(&hosts, playbook, &options()).unwrap();
    let himself = [through(&["outer"])];
    assert_eq!(run.clone().with_bastions_last(&himself).unwrap(), run);
    // By what ssh makes of an address, and of several ports forwarded at one address by the port.
    let resolved = Way {
        hostname: Some("192.0.2.7".to_owned()),
        ..Way::default()
    };
    let ways = [resolved, through(&["192.0.2.7"])];
    let run = run.with_bastions_last(&ways).unwrap();
    assert_eq!(batches(&run).last(), Some(&vec!["outer"]));
    let forwarded = [
        ("a", "ansible_host: 192.0.2.1, ansible_port: 2201"),
        ("gate", "ansible_host: 192.0.2.1"),
        ("b", ""),
    ];
    let run = run_of(&forwarded, "", &options()).unwrap();
    assert_eq!(run.named_twice(), []);
    let run = run
        .with_bastions_last(&[through(&[]), through(&[]), through(&["192.0.2.1"])])
        .unwrap();
    assert_eq!(batches(&run), [vec!["a", "b"], vec!["gate"]]);
}

#[test]
fn a_bastion_in_a_play_before_those_behind_it_is_refused() {
    let playbook = "- hosts: db\n- hosts: web1:web2\n";
    let ways = [through(&[]), through(&["db"]), through(&["db"])];
    let run = run_of(&THREE, playbook, &options()).unwrap();
    let text = said(&run.with_bastions_last(&ways).unwrap_err());
    let expected = "web1 of this play is reached through db, which an earlier play updates";
    assert!(
        text.contains(expected) && text.contains("site.yaml:2") && !text.contains("web2 of"),
        "{text}"
    );
    // The other way round all is well.
    let run = run_of(&THREE, "- hosts: web1:web2\n- hosts: db\n", &options()).unwrap();
    let run = run
        .with_bastions_last(&[through(&["db"]), through(&["db"]), through(&[])])
        .unwrap();
    assert_eq!(batches(&run), [vec!["web1", "web2"], vec!["db"]]);
    // Nobody can be last where all lead to each other.
    let circle = [through(&["web2"]), through(&["web1"]), through(&["web1"])];
    let run = run_of(&THREE, "", &options()).unwrap();
    let text = said(&run.with_bastions_last(&circle).unwrap_err());
    assert!(
        text.contains("reached through each other") && text.contains("web1, web2") && !text.contains("db"),
        "{text}"
    );
}

#[test]
fn one_machine_has_one_name() {
    let twice = |hosts: &[(&str, &str)]| {
        let run = run_of(hosts, "", &options()).unwrap();
        run.named_twice()
            .iter()
            .map(|problem| problem.message.clone())
            .collect::<Vec<_>>()
    };
    let told = twice(&[
        ("web1", "ansible_host: '2001:db8::1', ansible_port: 22"),
        ("web2", "ansible_host: '2001:DB8:0::1', ansible_port: 22"),
        ("10.0.0.1", ""),
        ("db", "ansible_host: 10.0.0.1"),
    ]);
    let expected = [
        "web1 and web2 are one machine: the address of both is 2001:DB8:0::1, port 22",
        "10.0.0.1 and db are one machine: the address of both is 10.0.0.1",
    ];
    assert_eq!(told, expected);
    // Forwarded ports, and private addresses behind different bastions, are different machines.
    let different = twice(&[
        ("web1", "ansible_host: 10.0.0.1, ansible_port: 2201"),
        ("web2", "ansible_host: 10.0.0.1, ansible_port: 2202"),
        ("a", "ansible_host: 10.0.0.2, ansible_ssh_common_args: '-J a.example'"),
        ("b", "ansible_host: 10.0.0.2, ansible_ssh_common_args: '-J b.example'"),
    ]);
    assert_eq!(different, Vec::<String>::new());
}
