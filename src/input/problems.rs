//! What is wrong in a file: each with its place, the line that it stands in, and a mark below it.

use std::fmt::Write;
use std::ops::Range;

/// As many are told; more are seldom of use.
const MOST: usize = 20;
/// A line that is longer is not shown.
const LONGEST: usize = 120;

/// All that is wrong in a text.
pub(super) struct Problems<'a> {
    text: &'a str,
    file: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
    found: Vec<(Range<usize>, String)>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(text: &'a str, file: &'a str) -> Problems<'a> {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Problems { text, file, lines: std::iter::once(0).chain(breaks).collect(), found: Vec::new() }
    }

    /// What is wrong with a part of the text.
    pub(super) fn add(&mut self, place: Range<usize>, message: impl Into<String>) {
        self.found.push((place, message.into()));
    }

    pub(super) fn count(&self) -> usize {
        self.found.len()
    }

    /// The number of the line of an offset, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|begin| *begin <= offset).max(1)
    }

    /// All of them in one text, in the order of the file, where there are any.
    pub(super) fn none(&self) -> Result<(), String> {
        if self.found.is_empty() {
            return Ok(());
        }
        let mut found: Vec<_> = self.found.iter().collect();
        found.sort_by_key(|(place, _)| place.start);
        let mut told: Vec<String> = found.iter().take(MOST).map(|(place, message)| self.told(place, message)).collect();
        if let more @ 1.. = found.len().saturating_sub(MOST) {
            told.push(format!("{}: {more} more like these", self.file));
        }
        Err(told.join("\n"))
    }

    fn told(&self, place: &Range<usize>, message: &str) -> String {
        let number = self.line(place.start);
        let begin = self.lines.get(number - 1).copied().unwrap_or(0);
        let line = self.text.get(begin..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let chars = |range: Range<usize>| self.text.get(range).map_or(0, |part| part.chars().count());
        let column = chars(begin..place.start);
        let mut told = format!("{}:{number}:{}: {message}", self.file, column + 1);
        if !line.trim().is_empty() && line.chars().count() <= LONGEST {
            let end = place.end.min(begin + line.len());
            let width = chars(place.start..end.max(place.start)).max(1);
            let gutter = number.to_string();
            // Writing into a text does not fail.
            _ = write!(
                told,
                "\n\n    {gutter} | {}\n    {:blank$} | {:column$}{}\n",
                line.replace('\t', " "),
                "",
                "",
                "^".repeat(width),
                blank = gutter.len(),
            );
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_shown_below_its_line() {
        let mut problems = Problems::new("a = 1\r\nb = ü + 2\r\n", "x.toml");
        problems.add(11..13, "not a value");
        assert_eq!(
            problems.none().err().as_deref(),
            Some("x.toml:2:5: not a value\n\n    2 | b = ü + 2\n      |     ^\n")
        );
        assert_eq!((problems.line(0), problems.line(6), problems.line(7), problems.line(999)), (1, 1, 2, 3));
    }
}
