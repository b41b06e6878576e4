//! Documents with transcripts: each block begins with a command, and holds what the program prints and its exit code.

use std::fmt::Write;
use std::path::Path;

use crate::generated;
use crate::tool::{output, ran, tool};

/// Asks every command of a document anew in a folder, and compares. Returns how many there are.
pub fn check(path: &Path, folder: &Path) -> usize {
    let document = std::fs::read_to_string(path).unwrap();
    let mut pieces = document.split("```text\n");
    let mut expected = pieces.next().unwrap().to_owned();
    let mut asked = 0;
    for piece in pieces {
        let (transcript, rest) = piece.split_once("```").unwrap();
        let command = commands(transcript)[0];
        let words = words(command);
        let arguments: Vec<&str> = words.iter().skip(2).map(String::as_str).collect();
        let told = ran(output(tool(&arguments).current_dir(folder)));
        assert_eq!(told.err, "", "{command}");
        write!(expected, "```text\n{command}\n{}\n$ echo $?\n{}\n```{rest}", told.out, told.code).unwrap();
        asked += 1;
    }
    generated::check(path, &expected);
    asked
}

/// Words as a shell takes them apart.
pub fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in line.chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, ' ') => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words
}

/// The lines with a command of the transcripts.
pub fn commands(document: &str) -> Vec<&str> {
    document.lines().filter(|line| line.starts_with("$ accelprobe doctor ")).collect()
}
