//! The lines of a pasted text, without what pasting puts around them: quote marks, fences, HTML, colours.

use std::borrow::Cow;

/// A longer line is none of any format's.
const LONGEST: usize = 4_000;

/// A line.
#[derive(Clone, Debug)]
pub(super) struct Line<'a> {
    /// Its number, from 1.
    pub number: usize,
    /// Its text, without what pasting put around it; what it was indented by is left.
    pub text: Cow<'a, str>,
}

/// The lines that are still to be read.
pub(super) struct Lines<'a> {
    lines: Vec<Line<'a>>,
    at: usize,
}

impl<'a> Lines<'a> {
    /// The lines of a text, no more than `most`. Where the text ends within its last line, a version there may be half of one: of
    /// that line nothing is read, unless there is no other.
    pub(super) fn of(text: &'a str, most: usize) -> Lines<'a> {
        let numbered = text.lines().take(most).enumerate();
        let mut lines: Vec<_> = numbered.map(|(at, text)| Line { number: at + 1, text: bare(text) }).collect();
        if !text.ends_with('\n') && lines.len() > 1 {
            lines.pop();
        }
        Lines { lines, at: 0 }
    }

    /// How many lines are not blank.
    pub(super) fn written(&self) -> usize {
        self.lines.iter().filter(|line| !line.text.trim().is_empty()).count()
    }

    /// Whether nothing stands in the next line.
    pub(super) fn is_blank(&self) -> bool {
        self.peek().is_none_or(|line| line.text.trim().is_empty())
    }

    /// The next line, which stays the next one.
    pub(super) fn peek(&self) -> Option<&Line<'a>> {
        self.lines.get(self.at)
    }

    /// The next line, where it is one of these.
    pub(super) fn next_if(&mut self, is: impl Fn(&str) -> bool) -> Option<&Line<'a>> {
        let line = self.lines.get(self.at).filter(|line| is(&line.text))?;
        self.at += 1;
        Some(line)
    }

    /// Has the next line read, without what it is indented by, and goes on behind it where it was understood.
    pub(super) fn read_one(&mut self, read: impl FnOnce(&str, usize) -> bool) -> bool {
        let known = self.peek().is_some_and(|line| read(line.text.trim(), line.number));
        self.at += usize::from(known);
        known
    }

    /// Goes on behind the next line.
    pub(super) fn skip(&mut self) {
        self.at += 1;
    }
}

/// A line as the program printed it.
fn bare(line: &str) -> Cow<'_, str> {
    let mut line = line.trim_end();
    if line.len() > LONGEST {
        return Cow::Borrowed("");
    }
    // Quoted in a mail or in Markdown; three of them are Python's own.
    while let Some(rest) = line.trim_start().strip_prefix('>').filter(|rest| !rest.starts_with('>')) {
        line = rest.strip_prefix(' ').unwrap_or(rest);
    }
    if line.trim_start().starts_with("```") {
        return Cow::Borrowed("");
    }
    let line = match line.contains('\u{1b}') {
        true => Cow::Owned(without(line, '\u{1b}', |c| c.is_ascii_alphabetic())),
        false => Cow::Borrowed(line),
    };
    match line.contains("</") || line.contains("<pre") || line.contains("<font") || line.contains("&quot;") {
        true => Cow::Owned(unescaped(&without(&line, '<', |c| c == '>'))),
        false => line,
    }
}

/// A text without what begins with one character and ends with such a one. What never ends stays.
fn without(text: &str, begin: char, ends: impl Fn(char) -> bool) -> String {
    let mut left = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(begin) {
        left.push_str(before);
        match behind.find(&ends) {
            Some(end) => rest = behind.get(end + 1..).unwrap_or_default(),
            None => {
                left.push(begin);
                rest = behind;
            }
        }
    }
    left + rest
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pasting_puts_around_lines_is_taken_away() {
        for (line, expected) in [
            ("PyTorch version: 2.6.0\r", "PyTorch version: 2.6.0"),
            ("> > OS: Windows", "OS: Windows"),
            (">>> import torch", ">>> import torch"),
            ("> >>> import torch", ">>> import torch"),
            ("```shell", ""),
            ("\u{1b}[31mROCk module is loaded\u{1b}[0m", "ROCk module is loaded"),
            ("<font color=\"#CC0000\"><b>kfd</b></font>: &quot;x&quot;", "kfd: \"x\""),
            ("  1 < 2", "  1 < 2"),
        ] {
            assert_eq!(bare(line), expected, "{line}");
        }
    }
}
