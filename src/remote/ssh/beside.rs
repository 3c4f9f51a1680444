//! Programs on the host beside the dialogue: each in a session of its own over the login's connection, so that one that
//! hangs holds up nothing else.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::session::{Entrance, Opening, Streams, collect, random_word};
use crate::remote::gate::Complaints;

/// sshd's default is 10 sessions a connection (`sshd_config(5)`, `MaxSessions`).
const AT_ONCE: usize = 4;
/// Where sshd allows fewer, the next waits so long for one to end.
const AGAIN: Duration = Duration::from_millis(50);
/// Of what a program says this much is kept, from its end.
const KEPT: usize = 4096;

/// Sessions over the connection of a login, which must stay open meanwhile.
#[derive(Clone)]
pub struct Sessions {
    socket: PathBuf,
    entrance: Arc<Entrance>,
    places: Arc<Semaphore>,
}

/// A program that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit status as the shell has it: 128 and more by a signal.
    pub status: u8,
    /// The end of what it said.
    pub said: Vec<u8>,
}

/// What a session's command complains of is collected until it is dropped.
struct Collecting(JoinHandle<()>);

impl Drop for Collecting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Sessions {
    pub(super) fn new(socket: PathBuf, entrance: Arc<Entrance>) -> Self {
        Self {
            socket,
            entrance,
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// For whoever needs none: none begins.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        let nobody = crate::inventory::Connection::default();
        let entrance = Entrance::new(&nobody, "nobody".to_owned());
        Self::new(PathBuf::new(), Arc::new(entrance))
    }

    /// Runs a program as root, as the dialogue is. The host kills it with its group after `limit`, rounded up to seconds;
    /// when this is dropped earlier, it runs on until then.
    ///
    /// # Errors
    /// When there is no session, or it ends before the program does.
    pub async fn run(&self, words: &[String], limit: Duration) -> Result<Ran, String> {
        let _place = self.places.acquire().await.map_err(|error| error.to_string())?;
        let opening = Opening::new(&self.entrance);
        let Streams {
            mut input,
            output,
            errors,
            process: _process,
        } = self.open(&opening).await?;
        let complaints = Arc::clone(&opening.complaints);
        let _collecting = Collecting(collect(errors, Arc::clone(&complaints)));
        let mut output = BufReader::new(output);
        if let Some(gate) = opening.gate() {
            let passed = gate.pass(&mut input, &mut output).await;
            passed.map_err(|lost| complained(&complaints, &lost.to_string()))?;
        }
        let mark = random_word("PM");
        let script = script(words, limit, &mark);
        let text = format!("{} {}\n{script}", script.lines().count(), script.len());
        let sent = async {
            input.write_all(text.as_bytes()).await?;
            input.flush().await
        };
        sent.await
            .map_err(|error| complained(&complaints, &error.to_string()))?;
        let ran = until_mark(&mut output, &mark).await;
        ran.ok_or_else(|| complained(&complaints, "the connection ended"))
    }

    /// Others of ours may have all the sessions that sshd allows: then one of them is waited for.
    async fn open(&self, opening: &Opening) -> Result<Streams, String> {
        loop {
            match opening.start(&self.socket).await {
                Ok(streams) => return Ok(streams),
                Err(_) if self.places.available_permits() + 1 < AT_ONCE => tokio::time::sleep(AGAIN).await,
                Err(why) => {
                    return Err(format!(
                        "the host opens no second session on a connection ({why}); sshd's MaxSessions must be 2 or more"
                    ));
                }
            }
        }
    }
}

fn complained(complaints: &Complaints, why: &str) -> String {
    complaints.lines().pop().unwrap_or_else(|| why.to_owned())
}

/// What the loader evaluates: the words, then the program, then `mark` and its exit status on a line of their own.
fn script(words: &[String], limit: Duration, mark: &str) -> String {
    let seconds = limit.as_millis().div_ceil(1000).max(1);
    let mut script = String::from(
        "set --\nLC_ALL=C\nPATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin:${PATH-}\nexport LC_ALL PATH\n",
    );
    for word in words {
        // Writing to a string does not fail.
        let _ = writeln!(script, "v=$(printf %bx '{}');set -- \"$@\" \"${{v%x}}\"", octal(word));
    }
    // Who has no `timeout` has no groups either: then only the program itself is killed.
    let _ = write!(
        script,
        "{{\nif timeout -s KILL 5 true 2>/dev/null;then timeout -s KILL {seconds} \"$@\";e=$?\n\
         else \"$@\"& p=$!;{{ sleep {seconds};kill -9 $p; }}>/dev/null 2>&1& w=$!;wait $p;e=$?;kill $w\n\
         fi\n}}</dev/null 2>&1\nprintf '\\n%s %s\\n' {mark} \"$e\"\n"
    );
    script
}

/// For `printf %b`: nothing that a shell could read otherwise, and the script stays ASCII, whose characters are bytes.
fn octal(word: &str) -> String {
    word.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "\\0{byte:03o}");
        }
        text
    })
}

/// Reads until the line of the mark, which is not waited beyond: what the program left running may hold its output open.
async fn until_mark(output: &mut (impl AsyncBufRead + Unpin), mark: &str) -> Option<Ran> {
    let mut said = Vec::new();
    loop {
        let mut line = Vec::new();
        let read = output.take(1024).read_until(b'\n', &mut line).await.ok()?;
        if read == 0 {
            return None;
        }
        if let Some(status) = marked(&line, mark) {
            return Some(Ran { status, said });
        }
        said.append(&mut line);
        let excess = said.len().saturating_sub(KEPT);
        said.drain(..excess);
    }
}

fn marked(line: &[u8], mark: &str) -> Option<u8> {
    let line = std::str::from_utf8(line).ok()?;
    line.trim_end().strip_prefix(mark)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::remote::dialogue::LOADER;

    const MARK: &str = "PMmark";

    /// Through the loader, as on a host.
    fn run(shell: &[&str], words: &[&str], limit: Duration) -> Option<(u8, String)> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let script = script(&words, limit, MARK);
        let input = format!("{} {}\n{script}", script.lines().count(), script.len());
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, input.as_bytes()).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let output = Command::new(shell[0])
            .args(&shell[1..])
            .args(["-c", LOADER, "pm", "x"])
            .env("LC_ALL", "C.UTF-8")
            .stdin(file)
            .output()
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ran = runtime.block_on(until_mark(&mut output.stdout.as_slice(), MARK))?;
        Some((ran.status, String::from_utf8_lossy(&ran.said).trim_end().to_owned()))
    }

    const SHELLS: [&[&str]; 3] = [&["dash"], &["bash"], &["busybox", "ash"]];

    #[test]
    fn words_arrive_as_they_are() {
        let odd = "a 'b' \"c\" $d `e` \\f\\n %s %b * ? ~ ! # ; & | < > é 日本 -n \t\n\n";
        for shell in SHELLS {
            let ran = run(
                shell,
                &["printf", "<%s>", odd, "", "-e", "$(exit 3)"],
                Duration::from_secs(5),
            );
            let expected = format!("<{odd}><><-e><$(exit 3)>");
            assert_eq!(ran, Some((0, expected)), "{shell:?}");
        }
    }

    #[test]
    fn a_program_ends_as_it_likes_or_is_killed() {
        for shell in SHELLS {
            let limit = Duration::from_millis(800);
            assert_eq!(run(shell, &["false"], limit).map(|ran| ran.0), Some(1), "{shell:?}");
            assert_eq!(
                run(shell, &["/no/such"], limit).map(|ran| ran.0),
                Some(127),
                "{shell:?}"
            );
            let began = std::time::Instant::now();
            let (status, _) = run(shell, &["sleep", "20"], limit).unwrap();
            assert!(
                status > 0 && began.elapsed() < Duration::from_secs(3),
                "{shell:?}: {status}"
            );
        }
    }

    #[test]
    fn only_the_end_is_kept() {
        let (status, said) = run(&["dash"], &["seq", "100000"], Duration::from_secs(5)).unwrap();
        assert_eq!(
            (status, said.len() <= KEPT, said.ends_with("\n100000")),
            (0, true, true)
        );
    }
}
