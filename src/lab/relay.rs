//! Latency: a process that stands in for the link between this machine and the router, and holds each packet back.
//!
//! The kernel's own netem would do the same with less work, but many kernels come without it, and two ways to be
//! slow would be two things to trust. Both ends are TUN devices: packets, no Ethernet.

use std::fs::File;
use std::io::{self, BufRead, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tun_rs::{DeviceBuilder, SyncDevice};

/// As Ethernet's.
const MTU: u16 = 1500;

/// Carries packets between a new device `near` in this network namespace and a new device `uplink` in that of
/// process `upstream`, each `delay` late, until it is killed. Speaks as `host.sh` does: says `ready`, ends
/// unless it then hears `stay`.
///
/// # Errors
/// No such process, or the kernel has no TUN devices.
pub fn relay(upstream: i32, near: &str, delay: Duration) -> io::Result<()> {
    let namespace = File::open(format!("/proc/{upstream}/ns/net"))?;
    let near = device(near)?;
    // Of this thread alone, which is why the same thread must make the other device.
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
    let far = device("uplink")?;
    drop(namespace);

    carry(&near, &far, delay);
    carry(&far, &near, delay);
    writeln!(io::stdout(), "ready")?;
    let mut word = String::new();
    io::stdin().lock().read_line(&mut word)?;
    while word.trim_end() == "stay" {
        thread::park();
    }
    Ok(())
}

fn device(name: &str) -> io::Result<Arc<SyncDevice>> {
    DeviceBuilder::new()
        .name(name)
        .mtu(MTU)
        .enable(false)
        .build_sync()
        .map(Arc::new)
}

/// One direction: a thread that reads, one that writes when it is time.
fn carry(from: &Arc<SyncDevice>, to: &Arc<SyncDevice>, delay: Duration) {
    let (from, to) = (Arc::clone(from), Arc::clone(to));
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut packet = vec![0; usize::from(u16::MAX)];
        loop {
            // An error: the device is down, or not yet up.
            match from.recv(&mut packet) {
                Ok(length) => {
                    let packet = packet.get(..length).unwrap_or_default().to_vec();
                    if sender.send((Instant::now() + delay, packet)).is_err() {
                        return;
                    }
                }
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
    });
    thread::spawn(move || {
        for (due, packet) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            // A packet that the device does not take is lost, as on any link.
            let _ = to.send(&packet);
        }
    });
}
