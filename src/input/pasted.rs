//! Text that somebody pasted: the output of programs that describe a machine, in any order, with anything between it.
//!
//! Each [`Reader`] knows one program's output, or one kind of line. The text is walked once; at each line the readers are asked in
//! turn, and the first that knows the line takes it, with those that belong to it. So several outputs in one text, a text that was
//! cut short and a format that has grown lines since then are read as far as they go. What is told becomes facts by the
//! same words as those of machine descriptions, each with its line.

mod collect_env;
mod form;
mod ggml;
mod lines;
mod nvidia_smi;
mod opencl;
mod packages;
mod rocm;
mod system;
mod told;

use lines::Lines;
use told::Told;

use super::Description;
use crate::diagnosis::Reading;

/// Reads lines that it knows.
type Reader = fn(&mut Lines<'_>, &mut Told) -> bool;

/// All readers. Those of whole formats come before those of single lines.
const READERS: &[Reader] = &[
    nvidia_smi::read,
    opencl::read,
    rocm::read,
    ggml::read,
    collect_env::read,
    packages::read,
    system::read,
    form::read,
];

/// A text of that many lines has no more to tell.
const MOST_LINES: usize = 100_000;

/// The machine that a text tells of; nothing where no line of it is known. `name` is the text's own, for origins.
pub(super) fn read(text: &str, name: &str) -> Option<Description> {
    let mut lines = Lines::of(text, MOST_LINES);
    let mut told = Told::default();
    let mut reading = Reading { lines: lines.written(), unread: Vec::new() };
    while let Some(number) = lines.peek().map(|line| line.number) {
        let blank = lines.is_blank();
        if READERS.iter().any(|read| read(&mut lines, &mut told)) {
            continue;
        }
        lines.skip();
        match reading.unread.last_mut() {
            _ if blank => {}
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => reading.unread.push((number, number)),
        }
    }
    told.describes().then(|| Description::pasted(told.facts(name), reading))
}
