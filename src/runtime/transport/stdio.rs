//! Standard input and output, as the Dify plugin daemon and its one-shot relatives use them.

use super::{Connection, Drain, INPUT_LINES, Inbound, LineSplitter, Outbox, UnreadGauge};
use rustix::fs::FileType;
use rustix::io::{fcntl_dupfd_cloexec, ioctl_fionread};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::sync::mpsc;

/// Bytes per read of stdin; as much as a pipe holds.
const READ_BYTES: usize = 64 * 1024;
/// How long the writer rests behind a batch of [`CROWD`] sessions or more: to wake it for every token of hundreds of
/// streams costs more than all else that is done for the token. Fewer sessions never wait for it, and nobody longer.
const REST: Duration = Duration::from_millis(2);
const CROWD: usize = 4;
/// A larger batch needs no rest: so much at once is cheap as it is, and the host may be waiting for more.
const FULL: usize = 32 * 1024;
/// Descriptors below are stdin, stdout and stderr.
const FIRST_FREE_FD: i32 = 3;

/// Takes over stdin and stdout. From here on the process's own stdout is its stderr, so that nothing that prints can
/// break the protocol.
///
/// Reading and writing have a thread each: neither is held up by a busy runtime, a blocked write holds up nothing
/// but output, and the heartbeat leaves on time whatever the sessions do.
///
/// # Errors
///
/// When stdin or stdout cannot be duplicated (one of them is closed, or there are no descriptors left), or the threads
/// or the heartbeat's timer cannot be started.
pub fn connect(heartbeat: Duration) -> io::Result<Connection> {
    let stdin = File::from(fcntl_dupfd_cloexec(rustix::stdio::stdin(), FIRST_FREE_FD)?);
    let stdout = Arc::new(File::from(fcntl_dupfd_cloexec(rustix::stdio::stdout(), FIRST_FREE_FD)?));
    // Fails only without a stderr, and then nothing can be printed there either.
    let _ = rustix::stdio::dup2_stdout(rustix::stdio::stderr());

    let (outbox, drain) = Outbox::new(Some(heartbeat));
    let (lines, inbound) = mpsc::channel(INPUT_LINES);
    let unread = unread_gauge(&stdout);
    // A runtime of its own: its timer is the heartbeat's, and must not depend on how busy the sessions keep the other.
    let clock = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    thread::Builder::new().name("plugin-stdin".to_owned()).spawn(move || read(stdin, &lines))?;
    thread::Builder::new().name("plugin-stdout".to_owned()).spawn(move || clock.block_on(write(&stdout, drain)))?;
    Ok(Connection { inbound, outbox, unread })
}

fn read(mut stdin: File, lines: &mpsc::Sender<Inbound>) {
    let mut splitter = LineSplitter::default();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match stdin.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                let mut bytes = buffer.get(..count).unwrap_or_default();
                while let Some(line) = splitter.next(&mut bytes) {
                    if lines.blocking_send(line).is_err() {
                        return; // the server has ended
                    }
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // An unreadable stdin is an ended one.
            Err(_) => break,
        }
    }
    if let Some(line) = splitter.finish() {
        let _ = lines.blocking_send(line);
    }
}

/// Ends with the outbox, or with the first failed write: dropping the drain then closes the outbox.
async fn write(mut stdout: &File, mut drain: Drain) {
    let mut batch = Vec::new();
    while drain.next(&mut batch).await {
        if stdout.write_all(&batch).is_err() {
            return;
        }
        drain.written();
        if drain.sessions() >= CROWD && batch.len() < FULL {
            // This thread has nothing else to do.
            thread::sleep(REST);
        }
    }
}

/// On a pipe the kernel tells how much the reader has left there. On a socket it tells something else, so there is
/// no gauge.
fn unread_gauge(stdout: &Arc<File>) -> Option<UnreadGauge> {
    let mode = rustix::fs::fstat(stdout).ok()?.st_mode;
    if FileType::from_raw_mode(mode) != FileType::Fifo {
        return None;
    }
    let stdout = Arc::clone(stdout);
    Some(Box::new(move || ioctl_fionread(&*stdout).ok()))
}
