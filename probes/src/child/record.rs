//! What a child writes on its channel: one line of JSON between a marker and a newline, perhaps with noise in front.

use crate::host::{Answer, Missing};

/// Stands before an answer. A record separator cannot occur in JSON, so no answer holds it.
const MARKER: &[u8] = b"\x1eaccelprobe-answer ";

/// The record of an answer.
pub fn of(answer: &Answer) -> Vec<u8> {
    let json = serde_json::to_string(answer).unwrap_or_default();
    [MARKER, json.as_bytes(), b"\n"].concat()
}

/// The answer in what was read, once all of its record is there. One that makes no sense is [`Missing::Garbled`].
pub fn answer_in(read: &[u8]) -> Option<Answer> {
    let answer = serde_json::from_slice::<Answer>(complete(read)?);
    Some(answer.unwrap_or_else(|error| Err(Missing::Garbled(format!("the child's answer is no JSON: {error}")))))
}

/// Whether all of a record was read. Noise in front of it is dropped, so that none pushes the answer out of a buffer.
pub fn is_complete(read: &mut Vec<u8>) -> bool {
    match marker_in(read) {
        Some(_) => complete(read).is_some(),
        None => {
            let noise = read.len().saturating_sub(MARKER.len());
            read.drain(..noise);
            false
        }
    }
}

/// Whether a record was begun.
pub fn is_begun(read: &[u8]) -> bool {
    marker_in(read).is_some()
}

fn complete(read: &[u8]) -> Option<&[u8]> {
    let answer = read.get(marker_in(read)? + MARKER.len()..)?;
    let end = answer.iter().position(|byte| *byte == b'\n')?;
    answer.get(..end)
}

fn marker_in(read: &[u8]) -> Option<usize> {
    read.windows(MARKER.len()).position(|window| window == MARKER)
}
