//! Programs, on this machine and on the host: no shell reads their words, nothing comes in, of what they say the last line
//! is kept, and when their time is over they are killed with all that they started.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::tail::{Tail, last_line};
use super::{Subject, within};

/// After a program's end: something that it left running may hold its output open.
const LINGER: Duration = Duration::from_millis(100);

/// A process group of its own, killed unless it ended by itself.
struct Group {
    child: Child,
    leader: Option<Pid>,
}

impl Group {
    fn spawn(command: &mut Command) -> std::io::Result<Self> {
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        let leader = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Self { child, leader })
    }

    async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        let ended = self.child.wait().await;
        // From now on its number may be another's.
        self.leader = None;
        ended
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            // It may have ended just now.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// On this machine.
pub(super) async fn here(words: &[String], subject: &Subject, limit: Duration) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else {
        return Err("there is no program".to_owned());
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("PORTMAP_HOST", &subject.name)
        .env("PORTMAP_ADDRESS", subject.peer.host())
        .env("PORTMAP_PORT", subject.peer.port().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let group = Group::spawn(&mut command).map_err(|error| format!("it cannot be run here: {error}"))?;
    match timeout(limit, ended(group)).await {
        Ok(Ok((status, _))) if status.success() => Ok(()),
        Ok(Ok((status, said))) => Err(with_words(&status.to_string(), said)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("it did not end {}", within(limit))),
    }
}

/// How it ended, and the last line of what it said: of its errors, where it has some.
async fn ended(mut group: Group) -> std::io::Result<(ExitStatus, Option<String>)> {
    let (output, errors) = (group.child.stdout.take(), group.child.stderr.take());
    let (mut said, mut complained) = (Tail::default(), Tail::default());
    let mut reading = Box::pin(async {
        let said = async {
            if let Some(output) = output {
                said.read(output).await;
            }
        };
        let complained = async {
            if let Some(errors) = errors {
                complained.read(errors).await;
            }
        };
        tokio::join!(said, complained);
    });
    let (status, all_read) = tokio::select! {
        status = group.wait() => (status?, false),
        () = &mut reading => (group.wait().await?, true),
    };
    if !all_read {
        let _ = timeout(LINGER, &mut reading).await;
    }
    drop(reading);
    Ok((status, complained.last_line().or_else(|| said.last_line())))
}

/// On the host, as root, beside the dialogue.
pub(super) async fn there(words: &[String], subject: &Subject, limit: Duration) -> Result<(), String> {
    let ran = timeout(limit, subject.sessions.run(words, limit)).await;
    match ran {
        Ok(Ok(ran)) if ran.status == 0 => Ok(()),
        Ok(Ok(ran)) => Err(with_words(
            &format!("exit status: {}", ran.status),
            last_line(&ran.said),
        )),
        Ok(Err(why)) => Err(why),
        Err(_) => Err(format!("it did not end {}", within(limit))),
    }
}

fn with_words(status: &str, said: Option<String>) -> String {
    match said {
        Some(said) => format!("{status}: {said}"),
        None => status.to_owned(),
    }
}
