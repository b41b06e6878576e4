//! The frame around a child: how a question is asked of something that may die of it.
//!
//! Drivers crash, hang, print, exit and fork, while they load, while they answer and afterwards. So the tool starts
//! itself with a hidden subcommand (the same binary, hence no version handshake), and the child answers on a channel of
//! its own: the pipe that was its standard output, moved away before any driver is loaded, so that standard output
//! belongs to the driver. The answer is one line of JSON between a marker and a newline. A complete answer counts,
//! whatever becomes of the child afterwards; an exit code proves nothing, and end-of-file need never come.

#![expect(clippy::disallowed_methods, reason = "this and host/live are where the machine is touched")]

#[cfg(unix)]
#[path = "child/unix.rs"]
mod sys;
#[cfg(windows)]
#[path = "child/windows.rs"]
mod sys;

use std::io::{ErrorKind, Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use sys::begin;
pub(crate) use sys::{adopt_orphans, before_interrupt, end_orphans};

use crate::host::{Answer, Missing, Query};

/// The hidden subcommand that turns the tool into a child.
pub const SUBCOMMAND: &str = "__answer";
/// Name of the query that tests this frame: its argument says how to misbehave.
pub const SELF_TEST: &str = "self-test";

/// Variable that tells a child how many milliseconds it has.
const TIME: &str = "ACCELPROBE_CHILD_MS";
/// When this process became a child.
static START: OnceLock<Instant> = OnceLock::new();

/// Stands before an answer. A record separator cannot occur in JSON, so no answer holds it.
const MARKER: &[u8] = b"\x1eaccelprobe-answer ";
/// What is kept of a child's output; more is read and dropped, so that the child does not block on a full pipe.
const OUTPUT_LIMIT: usize = 1 << 20;
/// What is kept of a tool's words about its failure, in bytes.
const MESSAGE_LIMIT: usize = 400;
/// What the stack of a thread takes that reads or waits, in bytes: little, because address space may be limited.
const STACK: usize = 1 << 18;
/// How long an ended child's pipe is still read: what it wrote last is already there, and a grandchild that holds the
/// pipe open is not waited for.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// How long its pipe is still read where even then it is not known to be empty.
const LAST_CHANCE: Duration = Duration::from_secs(1);
/// How long a killed child is waited for. One that is stuck in the kernel never ends; it is left behind.
const FUNERAL: Duration = Duration::from_millis(300);

/// What a child is expected to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// An answer behind the marker: our own child.
    Answer,
    /// Text on standard output and exit code 0: a tool.
    Output,
}

/// Runs a command to its answer or its end, and ends everything that it started.
pub(crate) fn isolate(mut command: Command, time: Duration, expected: Expected) -> Answer {
    let deadline = Instant::now() + time;
    command.stdin(sys::no_input()).stdout(Stdio::piped()).stderr(Stdio::piped()).env("LC_ALL", "C");
    command.env(TIME, time.as_millis().to_string());
    sys::lead_group(&mut command);
    let mut child = command.spawn().map_err(|error| match (error.kind(), expected) {
        (ErrorKind::NotFound, Expected::Output) => Missing::NotFound,
        (ErrorKind::PermissionDenied, Expected::Output) => Missing::Denied,
        _ => Missing::Unasked(format!("no process could be started: {error}")),
    })?;
    drop(child.stdin.take());
    let group = sys::Group::led_by(&child);
    let (events, inbox) = mpsc::channel();
    let stdout = read_in_background(child.stdout.take(), Some(expected), events.clone());
    let stderr = read_in_background(child.stderr.take(), None, events.clone());
    let watched = sys::watch(&child, move || _ = events.send(Event::Ended));
    let (Ok(stdout), Ok(stderr), Ok(())) = (stdout, stderr, watched) else {
        group.kill();
        bury(&mut child);
        return Err(Missing::Unasked("no more threads could be started".to_owned()));
    };

    let (ended, closed) = wait_for_end(&inbox, deadline, expected);
    // The leader is not reaped yet, so its number still names this group and no other.
    group.kill();
    let status = bury(&mut child);
    if ended && !closed {
        // A busy machine may not have let us read yet what it said. Who could hold the pipe open was just killed.
        let until = deadline.min(Instant::now() + LAST_CHANCE);
        while let Ok(Event::Ended) = inbox.recv_timeout(until.saturating_duration_since(Instant::now())) {}
    }

    let (stdout, stderr) = (take(&stdout), take(&stderr));
    if expected == Expected::Answer
        && let Some(answer) = complete_answer(&stdout)
    {
        return parse_answer(answer);
    }
    match (ended, status) {
        (false, _) | (true, None) => Err(Missing::TimedOut),
        (true, Some(status)) => judge_end(status, expected, &stdout, &stderr),
    }
}

/// The child's `main`: answers one query and ends at once, so that no driver's exit handler runs.
pub fn main(arguments: impl Iterator<Item = String>) -> ! {
    START.get_or_init(Instant::now);
    let mut channel = sys::become_child();
    std::panic::set_hook(Box::new(|_| {}));
    let mut arguments = arguments;
    let probe = arguments.next().unwrap_or_default();
    let query = Query { environment: Vec::new(), probe, arguments: arguments.collect() };
    let answer = std::panic::catch_unwind(|| answer(&query))
        .unwrap_or_else(|_| Err(Missing::Garbled(format!("the `{}` query panicked", query.probe))));
    let json = serde_json::to_string(&answer).unwrap_or_default();
    // One write: a child that is killed in between leaves at most half an answer, which is recognised as such.
    let record = [MARKER, json.as_bytes(), b"\n"].concat();
    let written = channel.write_all(&record);
    sys::exit_now(if written.is_ok() { 0 } else { 1 })
}

/// What this child has left of its time. A part of an answer that may hang is given up within it, so that the parent
/// still gets the rest.
#[cfg(feature = "native")]
pub(crate) fn time_left() -> Duration {
    let given = std::env::var(TIME).ok().and_then(|time| time.parse().ok()).unwrap_or(1000);
    Duration::from_millis(given).saturating_sub(START.get_or_init(Instant::now).elapsed())
}

/// An error with what it came from: the loading of a library tells the reason only there.
#[cfg(feature = "native")]
pub(crate) fn reason(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}

fn answer(query: &Query) -> Answer {
    if query.probe == SELF_TEST {
        return self_test(query.arguments.first().map_or("", String::as_str));
    }
    let native = crate::PROBES.iter().find(|probe| probe.name == query.probe).and_then(|probe| probe.native);
    native.map_or(Err(Missing::Unsupported), |native| native(query))
}

/// Misbehaves as drivers do, to test the frame on every system without one. The kinds are `crash`, `abort`, `exit`, `panic`,
/// `hang`, `noise`, `late-crash`, `half`, `grandchild` and anything else, which answers itself.
fn self_test(kind: &str) -> Answer {
    let channel = || sys::answer_channel();
    match kind {
        "crash" => sys::crash(),
        "abort" => std::process::abort(),
        "exit" => std::process::exit(0),
        "panic" => std::panic::resume_unwind(Box::new("self-test")),
        "hang" => loop {
            thread::sleep(Duration::from_secs(3600));
        },
        "noise" => {
            let line = "a driver that talks\n".repeat(1 << 12);
            for _ in 0..64 {
                // A closed or full pipe is the parent's business; the noise is all that matters.
                _ = std::io::stdout().write_all(line.as_bytes());
                _ = std::io::stderr().write_all(b"\x1eaccelprobe-answer {\"Ok\":\"forged\"}\n");
            }
        }
        "half" => {
            _ = channel().write_all(&[MARKER, b"{\"Ok\":\"hal"].concat());
            sys::exit_now(0)
        }
        "late-crash" => {
            _ = channel().write_all(&[MARKER, b"{\"Ok\":\"late-crash\"}\n"].concat());
            sys::crash()
        }
        "grandchild" => {
            sys::leave_a_grandchild();
        }
        _ => {}
    }
    Ok(kind.to_owned())
}

enum Event {
    Answered,
    OutputClosed,
    Ended,
}

type Buffer = Arc<Mutex<Vec<u8>>>;

/// Whether the child ended (or answered) before the deadline, and whether all that it said is read.
fn wait_for_end(inbox: &Receiver<Event>, deadline: Instant, expected: Expected) -> (bool, bool) {
    let (mut ended, mut closed) = (false, false);
    let mut until = deadline;
    while !(ended && closed) {
        match inbox.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Event::Answered) if expected == Expected::Answer => return (true, true),
            Ok(Event::Answered) => {}
            Ok(Event::OutputClosed) => closed = true,
            Ok(Event::Ended) => {
                ended = true;
                until = deadline.min(Instant::now() + LAST_WORDS);
            }
            Err(_) => break,
        }
    }
    (ended, closed)
}

fn read_in_background(
    pipe: Option<impl Read + Send + 'static>,
    expected: Option<Expected>,
    events: Sender<Event>,
) -> std::io::Result<Buffer> {
    let buffer = Buffer::default();
    let shared = Arc::clone(&buffer);
    thread::Builder::new().stack_size(STACK).spawn(move || {
        let Some(mut pipe) = pipe else { return };
        let mut chunk = [0; 1 << 14];
        loop {
            let read = match pipe.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => chunk.get(..read).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let mut kept = shared.lock().unwrap_or_else(PoisonError::into_inner);
            keep(&mut kept, read, expected == Some(Expected::Answer));
            if expected == Some(Expected::Answer) && complete_answer(&kept).is_some() {
                drop(kept);
                // Nobody listens any more once the deadline has passed.
                _ = events.send(Event::Answered);
            }
        }
        if expected.is_some() {
            _ = events.send(Event::OutputClosed);
        }
    })?;
    Ok(buffer)
}

/// Appends up to the limit. Where an answer is awaited, noise in front of it is dropped instead of the answer.
fn keep(kept: &mut Vec<u8>, read: &[u8], awaiting_answer: bool) {
    let room = OUTPUT_LIMIT.saturating_sub(kept.len());
    kept.extend_from_slice(read.get(..room.min(read.len())).unwrap_or_default());
    if awaiting_answer && marker_at(kept).is_none() {
        let noise = kept.len().saturating_sub(MARKER.len());
        kept.drain(..noise);
    }
}

fn marker_at(bytes: &[u8]) -> Option<usize> {
    bytes.windows(MARKER.len()).position(|window| window == MARKER)
}

fn complete_answer(bytes: &[u8]) -> Option<&[u8]> {
    let answer = bytes.get(marker_at(bytes)? + MARKER.len()..)?;
    let end = answer.iter().position(|byte| *byte == b'\n')?;
    answer.get(..end)
}

fn parse_answer(json: &[u8]) -> Answer {
    serde_json::from_slice::<Answer>(json)
        .unwrap_or_else(|error| Err(Missing::Garbled(format!("the child's answer is no JSON: {error}"))))
}

fn take(buffer: &Buffer) -> Vec<u8> {
    std::mem::take(&mut *buffer.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Reaps the child, waiting briefly for what was just killed.
fn bury(child: &mut std::process::Child) -> Option<ExitStatus> {
    let until = Instant::now() + FUNERAL;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(1)),
            _ => return None,
        }
    }
}

/// What a tool printed. Windows' own `wsl.exe` prints UTF-16, without the mark that says so.
fn text(bytes: &[u8]) -> String {
    let (pairs, _) = bytes.strip_prefix(b"\xff\xfe").unwrap_or(bytes).as_chunks::<2>();
    // In a text of any language there are spaces and ends of lines; in UTF-8 there is no zero.
    match pairs.iter().any(|pair| pair[0] != 0 && pair[1] == 0) {
        true => String::from_utf16_lossy(&pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect::<Vec<_>>()),
        false => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn judge_end(status: ExitStatus, expected: Expected, stdout: &[u8], stderr: &[u8]) -> Answer {
    if let Some(how) = sys::violent_end(status) {
        return Err(Missing::Crashed(how));
    }
    let code = status.code().unwrap_or(-1);
    match expected {
        Expected::Answer if marker_at(stdout).is_some() => {
            Err(Missing::Garbled(format!("half an answer, then exit code {code}")))
        }
        // Our child always answers; what ended it before that was a library's doing.
        Expected::Answer => Err(Missing::Crashed(format!("exit code {code}, before it answered"))),
        Expected::Output if code == 0 => Ok(text(stdout)),
        Expected::Output => {
            let said = if stderr.trim_ascii().is_empty() { stdout } else { stderr };
            let said = said.get(..MESSAGE_LIMIT.min(said.len())).unwrap_or_default();
            Err(Missing::Exited { code: code.into(), message: text(said).trim().to_owned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_may_print_utf_16_with_and_without_its_mark() {
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let german = "WSL-Version: 2.4.13.0\r\nKernelversion für Windows: 5.15\r\n";
        assert_eq!(text(&wide(german)), german);
        assert_eq!(text(&[b"\xff\xfe".to_vec(), wide(german)].concat()), german);
        assert_eq!(text(german.as_bytes()), german);
        assert_eq!(text(b"half a letter: \xc3"), "half a letter: \u{fffd}");
        assert_eq!(text(b""), "");
    }
}
