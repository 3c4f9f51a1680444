//! Hosts with a whole system of their own, which can be booted again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::fs::statfs;

use super::start::HostStart;
use super::up::batch_on;
use super::{Error, Host, Lab, Member, state, tool};

/// How long a host may take to shut down before its plug is pulled, as systemd's own default.
const SHUTDOWN: Duration = Duration::from_secs(90);

/// How long it may take to boot.
pub(super) const BOOT: Duration = Duration::from_secs(120);

/// linux/magic.h: a file system that no overlay can write to.
const OVERLAYFS: i64 = 0x794c_7630;

/// What a booted host has of this machine: files that outlive its reboots, and a cgroup.
#[derive(Debug)]
pub(super) struct Hardware {
    disk: PathBuf,
    cgroup: PathBuf,
}

impl Hardware {
    /// `port` is the host's, see [`Host`].
    pub(super) fn plug_in(lab: &str, port: &str) -> Result<Self, Error> {
        let disks = state::folder(lab).join("disk");
        let disk = disks.join(port);
        let cgroup = cgroups()?.join(cgroup_name(lab, port));
        let make = || {
            if !disks.exists() {
                fs::create_dir(&disks)?;
                if statfs(&disks)?.f_type == OVERLAYFS {
                    let mount = tool::output(tool::command("mount").args(["-t", "tmpfs", "lab"]).arg(&disks));
                    mount.map_err(io::Error::other)?;
                }
            }
            fs::create_dir_all(disk.join("upper"))?;
            fs::create_dir_all(disk.join("work"))?;
            remove_cgroup(&cgroup)?;
            fs::create_dir(&cgroup)
        };
        make().map_err(Error::io(format!("make a disk and a cgroup for {port}")))?;
        Ok(Self { disk, cgroup })
    }

    pub(super) fn tell(&self, command: &mut Command) {
        command.env("LAB_DISK", &self.disk).env("LAB_CGROUP", &self.cgroup);
    }
}

fn cgroup_name(lab: &str, port: &str) -> String {
    format!("portmap-lab-{lab}-{port}")
}

/// Where the machine has its cgroups of version 2 (cgroups(7)).
fn cgroups() -> Result<PathBuf, Error> {
    let mounts = fs::read_to_string("/proc/self/mounts").map_err(Error::io("read /proc/self/mounts"))?;
    let found = mounts.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (path, kind) = (words.nth(1)?, words.next()?);
        (kind == "cgroup2").then(|| path.into())
    });
    found.ok_or_else(|| Error::Io {
        action: "boot a host: no cgroup2 is mounted".to_owned(),
        source: io::ErrorKind::NotFound.into(),
    })
}

/// Removes a cgroup with all below. What has just ended in it may count for a moment yet.
fn remove_cgroup(path: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries.flatten() {
        if entry.file_type()?.is_dir() {
            remove_cgroup(&entry.path())?;
        }
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(10));
            }
            removed => return removed,
        }
    }
}

/// Takes away what [`Hardware`] there is of a lab, but its files.
pub(super) fn unplug_all(lab: &str) -> Result<(), Error> {
    let disks = state::folder(lab).join("disk");
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    if mounts
        .lines()
        .any(|line| line.split(' ').nth(1).is_some_and(|path| Path::new(path) == disks))
    {
        tool::output(tool::command("umount").arg(&disks))?;
    }
    let Ok(cgroups) = cgroups() else { return Ok(()) };
    let prefix = cgroup_name(lab, "h");
    for entry in fs::read_dir(cgroups).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(&prefix));
        if number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
            remove_cgroup(&entry.path()).map_err(Error::io(format!("remove {}", entry.path().display())))?;
        }
    }
    Ok(())
}

/// Ends a booted host's system and starts it again: `/run` and rules are gone, files are not. `hard`: without shutting
/// it down. Returns when it is up.
///
/// # Errors
/// [`Error::NotBooted`], or it does not come up again.
pub fn reboot(lab: &str, host: &str, hard: bool) -> Result<(), Error> {
    let lab = state::load(lab)?;
    let host = lab.host(host)?;
    let index = lab
        .hosts
        .iter()
        .position(|other| other.name == host.name)
        .unwrap_or_default();
    if host.image.is_none() {
        return Err(Error::NotBooted(host.name.clone()));
    }
    let cut = lab.cut_hosts()?.iter().any(|other| other.name == host.name);
    end(&lab, host, hard)?;
    let start = HostStart::again(&lab, host, index);
    let deadline = Instant::now() + BOOT;
    let mut starting = start.spawn()?;
    let host = Host {
        member: starting.member(deadline)?,
        ..host.clone()
    };
    unlink(&lab, &host)?;
    tool::fed(
        &mut batch_on(lab.upstream),
        &super::network::link(index, &host).join("\n"),
    )?;
    starting.tell("go")?;
    starting.hear("key", deadline)?;
    starting.hear("ready", deadline)?;
    // Its end is up: the bridge opens the port, now or when it hears of that, a moment later.
    let keep_cut = || if cut { lab.cut(&host.name) } else { Ok(()) };
    keep_cut()?;
    await_boot(&host, deadline).map_err(|error| starting.failed(&error))?;
    keep_cut()?;
    state::update(&lab.name, |lab| replace(lab, &host.name, host.member))?;
    starting.stay()
}

/// With another init, sshd is what comes last.
const IS_UP: &str = "if [ -d /run/systemd/system ]; then systemctl is-system-running --wait; \
     else ss -Hltn sport = :22 | grep -q : && echo running; fi";

/// Until init has started what it should. From outside it may not be seen: by its own rules, or because its link is cut.
fn await_boot(host: &Host, deadline: Instant) -> Result<(), Error> {
    let line = ["sh", "-c", IS_UP].map(str::to_owned);
    while Instant::now() < deadline {
        let said = tool::inside(&host.name, host.member.init, &line)?.output();
        let said = said.map_err(Error::io("ask its init"))?;
        // "degraded" is up as well; without an answer it is not yet there to ask.
        if ["running", "degraded"].contains(&String::from_utf8_lossy(&said.stdout).trim()) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(Error::Dead(host.name.clone()))
}

fn replace(lab: &mut Lab, name: &str, member: Member) {
    for host in lab.hosts.iter_mut().filter(|host| host.name == name) {
        host.member = member;
    }
}

fn end(lab: &Lab, host: &Host, hard: bool) -> Result<(), Error> {
    if !hard && host.member.init.is_alive() {
        let line = ["reboot".to_owned()];
        // It may end so fast that the command has no answer.
        let _ = tool::output(&mut lab.exec(&host.name, &line)?);
        let _ = host.member.init.await_end(SHUTDOWN);
    }
    host.member
        .end(Duration::from_secs(10))
        .map_err(Error::io(format!("end {}", host.name)))
}

/// The old link goes by itself with its namespace, but some time later.
fn unlink(lab: &Lab, host: &Host) -> Result<(), Error> {
    let delete = ["ip", "link", "delete", &host.port].map(str::to_owned);
    let _ = tool::output(&mut lab.exec_upstream(&delete)?);
    Ok(())
}
