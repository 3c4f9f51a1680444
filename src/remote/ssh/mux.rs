//! The little of ssh's multiplexing protocol that tunnels need (OpenSSH's `PROTOCOL.mux`): a connection to somewhere
//! beyond a master, as `ssh -W` makes it, but without a process for each, and with an answer when it is there.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::UnixStream;
use tokio::time::timeout;

const HELLO: u32 = 0x0000_0001;
const VERSION: u32 = 4;
const ALIVE_CHECK: u32 = 0x1000_0004;
const NEW_STDIO_FORWARD: u32 = 0x1000_0008;
const FAILURE: u32 = 0x8000_0003;
const PERMISSION_DENIED: u32 = 0x8000_0002;
const ALIVE: u32 = 0x8000_0005;
const SESSION_OPENED: u32 = 0x8000_0006;

/// A master on this machine answers at once or not at all.
const PROMPT: Duration = Duration::from_secs(2);

/// No message of a master is longer.
const LONGEST: u32 = 256 * 1024;

/// Why a master made no connection.
#[derive(Debug)]
pub(super) enum Failure {
    /// The other end says no; the master's log has its reason.
    Refused,
    /// The master itself is gone, or speaks another language.
    Master(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Master(error)
    }
}

/// Bytes through a master and back. The control connection is held open with it: its end would end the channel.
pub struct Channel {
    stream: UnixStream,
    _control: UnixStream,
}

impl AsyncRead for Channel {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

/// Whether a master listens on this socket.
pub(super) async fn is_alive(socket: &Path) -> bool {
    let asked = async {
        let mut control = greeted(socket).await?;
        send(&mut control, &[ALIVE_CHECK.to_be_bytes(), 0_u32.to_be_bytes()].concat()).await?;
        receive(&mut control).await
    };
    matches!(timeout(PROMPT, asked).await, Ok(Ok(answer)) if number(&answer, 0) == Some(ALIVE))
}

/// Connects to a host and port as seen from the other end of a master. Returns when the other end has the connection, or
/// has failed; the deadline is the caller's.
pub(super) async fn connect(socket: &Path, host: &str, port: u16) -> Result<Channel, Failure> {
    let greeting = timeout(PROMPT, greeted(socket)).await;
    let mut control = greeting.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let mut request = [NEW_STDIO_FORWARD, 0].map(u32::to_be_bytes).concat();
    put(&mut request, b"");
    put(&mut request, host.as_bytes());
    request.extend(u32::from(port).to_be_bytes());
    send(&mut control, &request).await?;
    let (stream, theirs) = UnixStream::pair()?;
    // One for its stdin and one for its stdout.
    pass(&control, &theirs).await?;
    pass(&control, &theirs).await?;
    drop(theirs);
    let answer = receive(&mut control).await?;
    match number(&answer, 0) {
        Some(SESSION_OPENED) => Ok(Channel {
            stream,
            _control: control,
        }),
        Some(FAILURE | PERMISSION_DENIED) => Err(Failure::Refused),
        _ => Err(strange().into()),
    }
}

async fn greeted(socket: &Path) -> io::Result<UnixStream> {
    let mut control = UnixStream::connect(socket).await?;
    let hello = receive(&mut control).await?;
    if (number(&hello, 0), number(&hello, 4)) != (Some(HELLO), Some(VERSION)) {
        return Err(strange());
    }
    send(&mut control, &[HELLO, VERSION].map(u32::to_be_bytes).concat()).await?;
    Ok(control)
}

fn strange() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the ssh master speaks another protocol")
}

fn put(message: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    message.extend(length.to_be_bytes());
    message.extend(bytes);
}

fn number(message: &[u8], at: usize) -> Option<u32> {
    let bytes = message.get(at..at + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

async fn send(control: &mut UnixStream, message: &[u8]) -> io::Result<()> {
    let mut packet = Vec::with_capacity(message.len() + 4);
    put(&mut packet, message);
    control.write_all(&packet).await
}

async fn receive(control: &mut UnixStream) -> io::Result<Vec<u8>> {
    let length = control.read_u32().await?;
    if length > LONGEST {
        return Err(strange());
    }
    let mut message = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    control.read_exact(&mut message).await?;
    Ok(message)
}

/// One byte, with a file descriptor beside it (unix(7), `SCM_RIGHTS`).
async fn pass(control: &UnixStream, file: &UnixStream) -> io::Result<()> {
    let passing = || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        let files = [file.as_fd()];
        beside.push(SendAncillaryMessage::ScmRights(&files));
        let sent = sendmsg(control, &[io::IoSlice::new(&[0])], &mut beside, SendFlags::NOSIGNAL)?;
        Ok(sent)
    };
    control.async_io(Interest::WRITABLE, passing).await.map(|_| ())
}
