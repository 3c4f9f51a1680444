//! Hosts whose sudo insists on a terminal: what runs there ends with us, and its timer does not.

use std::time::Duration;

use crate::support::lab::Lab;
use crate::support::run::{FOREIGN, Run, await_true, deploy, on_all, rules, runs_as_before, variables};

#[test]
fn a_killed_controller_takes_its_sessions_on_terminals_along_and_no_timer() {
    let lab = Lab::up(4, "mixed");
    let old = on_all(&lab, |host, index| {
        // Without setsid the timer is in the process group that sudo signals.
        let sudo = if index < 2 { "requiretty" } else { "requiretty, use_pty" };
        let bare = if index % 2 == 0 {
            ":"
        } else {
            "mount --bind /dev/null /usr/bin/setsid"
        };
        lab.run(
            host,
            &format!("set -e; {FOREIGN}; {bare}; echo 'Defaults {sudo}' >>/etc/sudoers"),
        );
        rules(&lab, host)
    });
    lab.block("tcp", 2222);
    let login = variables(&lab, "ansible_user: deploy\nansible_become: true");
    let args = ["-i", login.to_str().unwrap(), "--rollback-after", "12s"];
    let mut run = Run::start(deploy(&lab, r#"["2222:22"]"#, &args));
    for _ in 0..4 {
        run.until("a step", |event| event["event"] == "step" && event["step"] == "verify");
    }
    run.kill();
    on_all(&lab, |host, index| {
        await_true("sudo has ended", Duration::from_secs(5), || {
            !lab.exec(host, "pgrep -x sudo").status.success()
        });
        assert_ne!(rules(&lab, host), old[index], "{host}: rolled back before its time");
        await_true("the timer rolls back", Duration::from_secs(25), || {
            rules(&lab, host) == old[index]
        });
        await_true("tidied up", Duration::from_secs(5), || {
            !lab.exec(host, "test -e /run/portmap-deploy/lock").status.success()
        });
        runs_as_before(&lab, host, &old[index]);
    });
}
