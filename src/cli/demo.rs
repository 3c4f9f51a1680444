//! `portmap-deploy lab demo`: the main job before one's eyes, on lab hosts, in a network namespace of its own.

use std::fs;
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use comfy_table::{Table, presets};

use super::error::Error;
use super::lab::{io_error, say};
use crate::lab::{self, Backends, Host, HostRequest, Lab, Request};

const INVENTORY: &str = include_str!("../../inventories/demo.yaml");
const LOCKOUT: &str = include_str!("../../inventories/lockout.yaml");

/// How long a port may take to answer before it counts as closed.
const PATIENCE: Duration = Duration::from_millis(700);

/// The port of the demo's web servers.
const WEB: u16 = 8080;

/// Runs the demo in a fresh network namespace, and takes its lab down whatever comes of it.
///
/// # Errors
/// The namespace cannot be made.
pub(super) fn run(name: &str) -> Result<ExitCode, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let program = std::env::current_exe().map_err(|error| io_error("find this program", error))?;
    let status = runtime.block_on(async {
        let mut inside = tokio::process::Command::new("unshare");
        inside
            .args(["--net", "--kill-child", "--"])
            .arg(program)
            .args(["lab", "--lab", name, "demo", "--inside"]);
        let mut child = inside.spawn()?;
        loop {
            tokio::select! {
                status = child.wait() => break status,
                // Ctrl-C reaches the demo as well; this end stays to tidy up.
                _ = tokio::signal::ctrl_c() => {}
            }
        }
    });
    let down = lab::down(name);
    let status = status.map_err(|error| io_error("run unshare", error))?;
    down?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The demo itself.
///
/// # Errors
/// The lab does not come up, or a step does not end as it should.
pub(super) fn inside(name: &str) -> Result<ExitCode, Error> {
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
    up.map_err(|error| io_error("run ip", error))?;
    let dir = tempfile::tempdir().map_err(|error| io_error("make a folder", error))?;
    let files = [("demo.yaml", INVENTORY), ("lockout.yaml", LOCKOUT)];
    for (file, text) in files {
        fs::write(dir.path().join(file), text).map_err(|error| io_error("write an inventory", error))?;
    }
    headline("Four rehearsal hosts on this machine, with iptables-nft and iptables-legacy by turns");
    let lab = lab::up(&request(name, dir.path()))?;
    fs::write(dir.path().join("lab.yaml"), lab::inventory(name)?)
        .map_err(|error| io_error("write an inventory", error))?;
    for host in lab.hosts.iter().filter(|host| host.name != "db1") {
        serve_on(host)?;
    }
    table(&lab);

    headline("Deploy: 2222 leads to sshd on all of them, 80 to the web servers' 8080; 22 and 8080 get closed");
    let mut good = deploy(dir.path(), "demo.yaml", &[], 0)?;
    table(&lab);

    headline("Once more: nothing to do, one login per host");
    good &= deploy(dir.path(), "demo.yaml", &[], 0)?;

    headline("Refused: a mistake that would lock its operator out, 2222 for a network that we are not in");
    say(&format!(
        "{}\n",
        LOCKOUT
            .lines()
            .filter(|line| !line.starts_with('#'))
            .take(7)
            .collect::<Vec<_>>()
            .join("\n")
    ))?;
    good &= deploy(dir.path(), "lockout.yaml", &[], 2)?;
    headline("The same, and we insist: the proof fails, and every host gets its rules back");
    good &= deploy(dir.path(), "lockout.yaml", &["--force", "--rollback-after", "9s"], 2)?;
    headline("The hosts run what was proven before");
    table(&lab);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn request(name: &str, dir: &Path) -> Request {
    let host = |host: &str| HostRequest {
        name: host.to_owned(),
        user: Some("root".to_owned()),
    };
    Request {
        name: name.to_owned(),
        hosts: ["web1", "web2", "db1", "edge1"].map(host).to_vec(),
        sources: vec![dir.join("demo.yaml")],
        backends: Backends::Mixed,
        latency: Duration::ZERO,
        image: None,
    }
}

/// Shows the command and runs it; whether it exited as expected.
fn deploy(dir: &Path, inventory: &str, more: &[&str], expected: i32) -> Result<bool, Error> {
    say(&format!(
        "$ portmap-deploy -i {inventory} -i lab.yaml {}\n",
        more.join(" ")
    ))?;
    let program = std::env::current_exe().map_err(|error| io_error("find this program", error))?;
    let mut command = Command::new(program);
    command
        .current_dir(dir)
        // What is remembered of the demo's hosts goes with them.
        .env("XDG_STATE_HOME", dir)
        .args(["-i", inventory, "-i", "lab.yaml"])
        .args(more);
    let status = command.status().map_err(|error| io_error("run this program", error))?;
    let as_expected = status.code() == Some(expected);
    let code = status.code().unwrap_or(-1);
    say(&format!(
        "exit code {code}{}\n",
        if as_expected {
            ""
        } else {
            ", which is not as it should be"
        }
    ))?;
    Ok(as_expected)
}

fn headline(text: &str) {
    let style = console::Style::new().bold();
    let _ = say(&format!("\n{}\n", style.apply_to(format!("== {text}"))));
}

/// What answers, seen from outside the hosts, over new connections.
fn table(lab: &Lab) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["IPv4/IPv6", "iptables", "2222", "22 direct", "80", "8080 direct"]);
    let rows: Vec<_> = lab
        .hosts
        .iter()
        .map(|host| (host, [2222, 22, 80, WEB].map(|port| both(host, port))))
        .collect();
    for (host, cells) in rows {
        let backend = host.backend.map_or("", lab::Backend::name);
        let seen = cells.map(|cell| cell.join().unwrap_or_default());
        table.add_row([host.name.clone(), backend.to_owned()].into_iter().chain(seen));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let _ = say(&format!("{}\n", table.trim_fmt()));
}

fn both(host: &Host, port: u16) -> thread::JoinHandle<String> {
    let addresses = [Some(IpAddr::V4(host.ipv4)), host.ipv6.map(IpAddr::V6)];
    thread::spawn(move || {
        let attempts =
            addresses.map(|address| thread::spawn(move || address.map_or("-", |address| answer(address, port))));
        attempts.map(|attempt| attempt.join().unwrap_or("?")).join("/")
    })
}

fn answer(address: IpAddr, port: u16) -> &'static str {
    match TcpStream::connect_timeout(&SocketAddr::new(address, port), PATIENCE) {
        Ok(_) => "works",
        Err(_) => "closed",
    }
}

/// A web server in the host's network, ended with the host.
fn serve_on(host: &Host) -> Result<(), Error> {
    let program = std::env::current_exe().map_err(|error| io_error("find this program", error))?;
    let mut command = Command::new("nsenter");
    command
        .args(["-n", "-p", "-t", &host.member.init.pid().to_string(), "--"])
        .arg(program);
    command
        .args(["lab", "serve", "--port", &WEB.to_string()])
        .stdout(std::process::Stdio::piped());
    let mut child = command.spawn().map_err(|error| io_error("start a web server", error))?;
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        let read = io::BufReader::new(output).read_line(&mut line);
        read.map_err(|error| io_error("start a web server", error))?;
    }
    // Reaped when it ends with its host.
    thread::spawn(move || child.wait());
    Ok(())
}

/// Answers every connection with a page, until it is killed.
///
/// # Errors
/// The port is taken.
pub(super) fn serve(port: u16) -> Result<ExitCode, Error> {
    let listener = TcpListener::bind(("::", port)).or_else(|_| TcpListener::bind(("0.0.0.0", port)));
    let listener = listener.map_err(|error| io_error("listen", error))?;
    say("ready\n")?;
    for mut stream in listener.incoming().flatten() {
        thread::spawn(move || {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello\n");
        });
    }
    Ok(ExitCode::SUCCESS)
}
