//! A host for the agent alone: network and mount namespaces with /run and /var/lib of their own, logins by pipe.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use portmap_deploy::firewall::Mark;
use portmap_deploy::mapping::MappingSet;
use portmap_deploy::plan::{HostChange, Observed, Plan};
use portmap_deploy::problem::Source;
use portmap_deploy::remote::dialogue::{Answer, Dialogue, LOADER, Lost, Status};
use portmap_deploy::yaml;

/// Whoever a login's dialogue must not have to wait for longer.
const LONG: Duration = Duration::from_secs(60);

/// $1: backend; $2: what is `sh` there: dash, bash, busybox (with all its other tools) or bare (without timeout, setsid,
/// logger, wall). Ends with its stdin.
const SETUP: &str = r#"
set -e
mount -t tmpfs -o size=2m,nr_inodes=300 tmpfs /run
mkdir -p /var/lib/portmap-deploy
mount -t tmpfs -o size=2m,nr_inodes=300 tmpfs /var/lib/portmap-deploy
mount -t tmpfs tmpfs /usr/local/sbin
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /etc
umount -l /mnt
ip link set lo up
for family in iptables ip6tables; do
    for what in '' -save -restore; do
        ln -s "/usr/sbin/$family-$1$what" "/usr/local/sbin/$family$what"
    done
done
case $2 in
bash) ln -s /bin/bash /usr/local/sbin/sh ;;
busybox)
    for tool in $(busybox --list); do
        case $tool in ip | iptables* | ip6tables*) ;; *) ln -s /bin/busybox "/usr/local/sbin/$tool" ;; esac
    done
    ;;
bare) for tool in timeout setsid logger wall; do ! path=$(command -v $tool) || mount --bind /dev/null "$path"; done ;;
esac
echo ready
exec cat >/dev/null
"#;

pub struct Host {
    process: Child,
}

impl Host {
    pub fn new(backend: &str, shell: &str) -> Self {
        let mut process = Command::new("unshare")
            .args([
                "--net", "--mount", "--", "/bin/sh", "-c", SETUP, "setup", backend, shell,
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut ready)
            .unwrap();
        assert_eq!(ready, "ready\n", "these tests need root: sudo make test");
        Self { process }
    }

    /// A line of sh there.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.process.id()))
            .args(["--net", "--mount", "--", "/usr/bin/env"])
            .arg("PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin")
            .args(["sh", "-c", line]);
        command
    }

    /// The same, which must succeed; what it said.
    pub fn run(&self, line: &str) -> String {
        let output = self.command(line).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{line}: {}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// Rules, chains and policies of both families, in order, without counters, comments and empty ACCEPT chains of the kernel.
    pub fn rules(&self) -> String {
        self.run(
            "for f in iptables ip6tables; do echo $f; $f-save | sed 's/ \\[[0-9:]*\\]$//' | \
             awk '/^\\*/ { t = $1 } /^-A/ || /^:/ && $2 != \"ACCEPT\" { print t, $0 }' | sort -s -k 1,3; done",
        )
    }

    /// Pid and command line of what runs there and has this word in it.
    pub fn running(&self, word: &str) -> Vec<(u32, String)> {
        let space = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let home = space(self.process.id());
        let pids = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let here = pids.filter(|&pid| space(pid) == home);
        let line = |pid| {
            String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default())
                .replace('\0', " ")
        };
        here.map(|pid| (pid, line(pid)))
            .filter(|(_, line)| line.contains(word))
            .collect()
    }

    /// Files in R and P, the ledger aside.
    pub fn files(&self) -> String {
        self.run(
            "cd /; find run/portmap-deploy var/lib/portmap-deploy -mindepth 1 ! -name ledger 2>/dev/null | sort || :",
        )
    }

    /// The number that the hooks lead to: `Some` when every hook of both families does.
    pub fn generation(&self) -> Option<String> {
        let rules = self.rules();
        let hooks = ["PREROUTING", "SEEN", "GUARD", "ACCEPT"];
        let leads = |hook: &str| {
            let prefix = format!(" -A PORTMAP-{hook} -g PORTMAP-{hook}-");
            rules
                .lines()
                .filter_map(|line| Some(line.split_once(&prefix)?.1.to_owned()))
                .collect::<Vec<_>>()
        };
        let all: Vec<_> = hooks.into_iter().map(leads).collect();
        let first = all.first()?.first()?.clone();
        all.iter()
            .all(|found| found.len() == 2 && found.iter().all(|one| *one == first))
            .then_some(first)
    }

    /// Logs in, with this in front of what a login does.
    pub fn login_with(&self, noise: &str) -> Session {
        let mut child = self.command(&format!(
            "{noise}\nexport SSH_CONNECTION='192.0.2.1 40000 192.0.2.2 22'; exec sh -c '{LOADER}' pm \"$SSH_CONNECTION\""
        ));
        child
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut child = tokio::process::Command::from(child).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let nonce = format!("n{:016x}", fastrand::u64(..));
        Session {
            dialogue: Some(Dialogue::new(input, output, nonce, |_, _| {})),
            child,
        }
    }

    pub fn login(&self) -> Session {
        self.login_with("")
    }

    /// Waits until a line of sh succeeds; how long that took.
    pub fn until(&self, line: &str, within: Duration) -> Duration {
        let began = Instant::now();
        while !self.command(line).stdout(Stdio::null()).status().unwrap().success() {
            assert!(
                began.elapsed() < within,
                "never: {line}\n{}\n{}",
                self.files(),
                self.rules()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        began.elapsed()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

pub struct Session {
    pub dialogue: Option<Dialogue>,
    pub child: tokio::process::Child,
}

impl Session {
    pub fn ask(&mut self, request: &str) {
        self.dialogue.as_mut().unwrap().ask(request);
    }

    pub async fn hear(&mut self) -> Result<Answer, Lost> {
        let answer = self.dialogue.as_mut().unwrap().answer();
        tokio::time::timeout(LONG, answer)
            .await
            .expect("an answer within a minute")
    }

    /// One request and its answer as `ok text`, `failed text` or `skipped`.
    pub async fn said(&mut self, request: &str) -> String {
        self.ask(request);
        said(&self.hear().await.unwrap())
    }

    pub async fn ok(&mut self, request: &str) -> BTreeMap<String, String> {
        self.ask(request);
        let answer = self.hear().await.unwrap();
        assert_eq!(answer.status, Status::Ok, "{request}: {}", answer.text);
        answer.sections
    }

    /// The end of its stdin, then of the process.
    pub async fn hang_up(mut self) {
        self.dialogue = None;
        tokio::time::timeout(LONG, self.child.wait()).await.unwrap().unwrap();
    }

    /// SIGKILL, reaped as sshd would.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Observes and plans the change to these mappings, the YAML of a list.
    pub async fn plan(&mut self, mappings: &str) -> HostChange {
        let observed = Observed::read(&self.ok("observe").await).unwrap();
        let set = MappingSet::parse(&yaml::read(&Source::new("test", mappings)).unwrap().root).unwrap();
        match observed.plan(&set, |_| Mark::default()) {
            Plan::Change(change) => *change,
            Plan::Unchanged(_) => panic!("nothing to change"),
        }
    }

    /// Locks for `held` seconds and sends the change's files.
    pub async fn lock(&mut self, id: &str, change: &HostChange, held: u64) -> String {
        let [v4, v6] = [
            portmap_deploy::firewall::Family::V4,
            portmap_deploy::firewall::Family::V6,
        ]
        .map(|one| change.tool(one));
        let request = format!("lock {id} {} run1 {id}@desk {held} {v4} {v6}", change.generation);
        let answer = self.said(&request).await;
        for (name, text) in change.files() {
            self.dialogue.as_mut().unwrap().put(&name, &text);
        }
        answer
    }

    /// Everything up to and with `tighten`.
    pub async fn switch(&mut self, id: &str, mappings: &str, window: u64) -> HostChange {
        let change = self.plan(mappings).await;
        assert_eq!(self.lock(id, &change, window + 60).await, "ok");
        self.ok("stage").await;
        self.ok(&format!("arm {window}")).await;
        self.ok("loosen").await;
        self.ok("tighten").await;
        change
    }

    /// A whole change that stays.
    pub async fn deploy(&mut self, id: &str, mappings: &str) {
        self.switch(id, mappings, 60).await;
        assert_eq!(self.said(&format!("confirm {id}")).await, "ok confirmed boot=yes");
        self.ok("settled").await;
    }
}

pub fn said(answer: &Answer) -> String {
    let status = match answer.status {
        Status::Ok => "ok",
        Status::Failed => "failed",
        Status::Skipped => "skipped",
    };
    format!("{status} {}", answer.text).trim().to_owned()
}
