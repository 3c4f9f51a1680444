//! Who logs in, and what their logins print.

use std::io::Write as _;
use std::path::Path;

use super::support::deploy::Seen::Silent;
use super::support::lab::Lab;
use crate::on_both_backends;

on_both_backends!(a_user_with_sudo, noise_of_a_login, other_login_shells);

const MAPPINGS: &str = "portmap: ['2222:22']";
const BY_SUDO: &str = "portmap: ['2222:22'], ansible_user: deploy, ansible_become: true";

fn proven(lab: &Lab, variables: &str) {
    lab.deploys(variables)
        .expect("host1", "confirmed")
        .expect_logins("host1", 2)
        .expect_mappings("host1", "2222", "open", "closed");
    lab.expect_sshd("host1", 2222);
    lab.expect_tcp("host1", 22, Silent);
    lab.deploys(variables)
        .expect("host1", "unchanged")
        .expect_logins("host1", 1);
}

fn a_user_with_sudo(backend: &str) {
    let lab = Lab::up(1, backend);
    proven(&lab, BY_SUDO);
    let root = lab.run(
        "host1",
        "grep -c '^Accepted publickey for root ' /var/log/sshd.log || :",
    );
    assert_eq!(root.trim(), "0");
}

/// Text before, between and without a line's end, binary, and words of the protocol.
const NOISE: &str = r"
cat >/run/noise <<'SH'
echo 'Welcome to host1'
echo '= ok hello'
echo 'PM00000000000000000000000000000000 = ok hello'
echo 'PM00000000000000000000000000000000 + facts'
printf 'uid 1000\n\033[31mred\033[0m\r\n\377\376\000\n'
echo 'on standard error' >&2
printf 'no end of line'
SH
for home in /root /home/deploy; do
    cp /run/noise $home/.bashrc
    cp /run/noise $home/.profile
    cp /run/noise $home/.bash_profile
done
mkdir -p /root/.ssh /home/deploy/.ssh
cp /run/noise /etc/ssh/sshrc
chmod 644 /etc/ssh/sshrc
cp /run/noise /etc/motd
";

fn noise_of_a_login(backend: &str) {
    let lab = Lab::up(2, backend);
    for host in ["host1", "host2"] {
        lab.run(host, NOISE);
        let noise = lab.ssh("root", lab.address(host, 4)).arg("true").output().unwrap();
        let noise = String::from_utf8_lossy(&noise.stdout).into_owned();
        assert!(
            noise.contains("Welcome") && noise.contains("= ok hello"),
            "no noise: this test shows nothing: {noise}"
        );
    }
    let hosts = [("host1", MAPPINGS), ("host2", BY_SUDO)];
    let run = lab.deploy_to(&hosts, &[]);
    for (host, _) in hosts {
        run.expect(host, "confirmed")
            .expect_mappings(host, "2222", "open", "closed");
        lab.expect_sshd(host, 2222);
    }
    let again = lab.deploy_to(&hosts, &[]);
    again.expect("host1", "unchanged").expect("host2", "unchanged");
}

/// Login shells that a lab may find on this machine: what is not there is said and left out.
const SHELLS: [&str; 7] = [
    "/bin/dash",
    "/bin/busybox",
    "/bin/csh",
    "/bin/tcsh",
    "/usr/bin/fish",
    "/bin/zsh",
    "/bin/ksh",
];

fn other_login_shells(backend: &str) {
    let (there, missing): (Vec<_>, Vec<_>) = SHELLS.into_iter().partition(|shell| Path::new(shell).exists());
    for shell in missing {
        // Past the test harness, which keeps what passing tests print to itself.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no {shell} on this machine, so logins by it were not tried"
        );
    }
    let lab = Lab::up(there.len(), backend);
    let hosts: Vec<_> = lab
        .hosts()
        .into_iter()
        .zip(there)
        .map(|(host, shell)| (host, shell_of(&lab, host, shell)))
        .collect();
    let inventory: Vec<_> = hosts.iter().map(|(host, _)| (*host, BY_SUDO)).collect();
    let (run, again) = (lab.deploy_to(&inventory, &[]), lab.deploy_to(&inventory, &[]));
    for (host, shell) in hosts {
        let said = lab
            .ssh("deploy", lab.address(host, 4))
            .args(["-p", "2222", "echo $0"])
            .output()
            .unwrap();
        assert!(
            String::from_utf8_lossy(&said.stdout).contains(&shell) || shell == "fish",
            "{shell}: {said:?}"
        );
        run.expect(host, "confirmed")
            .expect_logins(host, 2)
            .expect_mappings(host, "2222", "open", "closed");
        again.expect(host, "unchanged").expect_logins(host, 1);
    }
}

/// Makes it the login shell of `deploy`; its name.
fn shell_of(lab: &Lab, host: &str, shell: &str) -> String {
    // busybox is a shell by the name of its link.
    let path = if shell == "/bin/busybox" { "/bin/ash" } else { shell };
    lab.run(
        host,
        &format!(
            "[ -e {path} ] || ln -s {shell} {path}; echo {path} >>/etc/shells; \
             sed -i '/^deploy:/s|[^:]*$|{path}|' /etc/passwd; grep '^deploy:.*:{path}$' /etc/passwd"
        ),
    );
    path.rsplit('/').next().unwrap().to_owned()
}
