//! Runs that are looked up, tried again and resumed, without hosts that answer.

#![expect(clippy::expect_used, reason = "a test stops where something is not as expected")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with an inventory, and its own place for journals.
struct Place(TempDir);

impl Place {
    /// Of hosts at a port where nobody listens.
    fn with(hosts: &[&str]) -> Self {
        let place = Self(tempfile::tempdir().expect("a folder"));
        place.inventory(hosts, "2222:22");
        // No settings of whoever runs the tests.
        fs::write(place.0.path().join("ansible.cfg"), "").expect("written");
        place
    }

    fn inventory(&self, hosts: &[&str], mapping: &str) {
        let host = |name: &&str| format!("{name}: {{portmap: ['{mapping}']}}");
        let hosts: Vec<String> = hosts.iter().map(host).collect();
        let text = format!(
            "all: {{vars: {{ansible_host: 127.0.0.1, ansible_port: 1}}, hosts: {{{}}}}}",
            hosts.join(", ")
        );
        fs::write(self.0.path().join("hosts.yaml"), text).expect("written");
    }

    fn program(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_portmap-deploy"))
            .args(args)
            .current_dir(self.0.path())
            .env("XDG_STATE_HOME", self.0.path().join("state"))
            .env_remove("ANSIBLE_CONFIG")
            .env("USER", "ann")
            .output()
            .expect("the program runs")
    }

    /// Says it, and expects that exit code.
    fn says(&self, args: &[&str], code: i32) -> String {
        let output = self.program(args);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        said
    }

    fn runs(&self) -> Vec<Value> {
        let listed = self.program(&["history", "--output", "json"]);
        serde_json::from_slice(&listed.stdout).expect("a document")
    }

    fn journal(&self, run: &Value) -> PathBuf {
        let name = format!("{}.jsonl", run["run_id"].as_str().expect("an id"));
        self.0.path().join("state/portmap-deploy/runs").join(name)
    }

    /// As if the controller had been killed before its end.
    fn cut(&self) {
        let path = self.journal(&self.runs()[0]);
        let text = fs::read_to_string(&path).expect("a journal");
        let end = text.find("\"event\":\"batch_finished\"").expect("a batch");
        fs::write(&path, &text[..end]).expect("written");
    }
}

#[test]
fn a_run_is_listed_shown_and_tried_again() {
    let place = Place::with(&["web1", "web2", "web3"]);
    assert!(place.says(&["history"], 1).contains("no run was journaled yet"));
    let said = place.says(&["-i", "hosts.yaml", "--serial", "1"], 4);
    let run = &place.runs()[0];
    let id = run["run_id"].as_str().expect("an id");
    assert!(
        said.contains(&format!("to retry: portmap-deploy … --limit @{id}.retry\n")),
        "{said}"
    );
    assert_eq!((&run["end"], &run["totals"]["skipped"]), (&"failed".into(), &2.into()));

    let listed = place.says(&["history"], 0);
    assert!(
        listed.contains(id) && listed.contains("ann@") && listed.contains("1 unreachable, 2 skipped"),
        "{listed}"
    );
    let of_host = place.says(&["history", "--host", "web2"], 0);
    assert!(
        of_host.contains("skipped") && of_host.contains("not started"),
        "{of_host}"
    );
    assert!(!place.says(&["history", "--host", "web9"], 0).contains(id));
    let shown = place.says(&["history", "show", &id[..17]], 0);
    assert!(
        shown.contains("portmap-deploy deploy --inventory=hosts.yaml --serial=1\n"),
        "{shown}"
    );

    let limit = format!("@{id}.retry");
    for limit in [limit.as_str(), "@last.retry", "@last.retry,&web*"] {
        let listed = place.says(&["inventory", "--list-hosts", "-i", "hosts.yaml", "-l", limit], 0);
        assert_eq!(listed, "web1\nweb2\nweb3\n", "{limit}");
    }
    fs::write(place.0.path().join("last.retry"), "web2\n").expect("written");
    let listed = place.says(
        &["inventory", "--list-hosts", "-i", "hosts.yaml", "-l", "@last.retry"],
        0,
    );
    assert_eq!(listed, "web2\n", "the working folder comes first");
    assert!(
        place
            .says(&["resume", "last"], 1)
            .contains("has finished\n  hint: to try again what it left")
    );
}

#[test]
fn a_killed_run_is_resumed_with_its_hosts_or_not_at_all() {
    let place = Place::with(&["web1", "web2"]);
    let call = [
        "-i",
        "hosts.yaml",
        "-T",
        "2",
        "-e",
        "db_password=hunter2",
        "-e",
        "colour=red",
    ];
    place.says(&call, 4);
    place.cut();
    let run = &place.runs()[0];
    assert_eq!((&run["end"], &run["exit_code"]), (&"killed".into(), &Value::Null));
    let text = fs::read_to_string(place.journal(run)).expect("a journal");
    assert!(!text.contains("hunter2") && text.contains("colour=red"), "{text}");

    assert!(place.says(&["resume"], 1).contains("-e …"));
    place.inventory(&["web1", "web3"], "2222:22");
    let again = ["resume", "-e", "db_password=hunter2"];
    let said = place.says(&again, 1);
    assert!(said.contains("gone: web2; new: web3"), "{said}");
    place.inventory(&["web2", "web1"], "2200:22");
    let said = place.says(&again, 4);
    assert!(said.contains("0 of 2 hosts are done"), "{said}");
    assert!(
        said.contains("mappings of these hosts changed since the run began: web1, web2"),
        "{said}"
    );

    let runs = place.runs();
    assert_eq!(
        (runs.len(), &runs[0]["run_id"], &runs[0]["end"]),
        (1, &run["run_id"], &"failed".into())
    );
    assert!(place.says(&["resume"], 1).contains("every run has finished"));
}

#[test]
fn a_run_that_cannot_be_journaled_goes_on() {
    let place = Place::with(&["web1"]);
    fs::write(place.0.path().join("state"), "no folder").expect("written");
    let said = place.says(&["-i", "hosts.yaml"], 4);
    assert!(
        said.contains("the run is not journaled in full") && said.contains("1 unreachable"),
        "{said}"
    );
    assert!(!said.contains("to retry"), "{said}");
}
