//! Native Windows beside WSL2 as something to read.

use super::doctor::{findings, host, newer};
use super::{Block, Span, Tone, View};
use crate::diagnosis::{Citation, Diagnosis};
use crate::sides::{Cell, Row, Sides, Standing};

/// Adds the table, the way to the other side, and what is wrong there where it was looked at.
pub(super) fn sides(view: &mut View, diagnosis: &Diagnosis) {
    let Some(sides) = &diagnosis.sides else { return };
    view.heading(2, "Native Windows beside WSL2, on this machine");
    let is_plain_no = |cell: &Cell| cell.standing == Standing::No && cell.contradicted_by.is_empty();
    let nowhere = |row: &&Row| is_plain_no(&row.windows) && is_plain_no(&row.wsl2);
    let told: Vec<&Row> = sides.rows.iter().filter(|row| !nowhere(row)).collect();
    let mut notes: Vec<&Citation> = Vec::new();
    let mut rows = Vec::new();
    for row in &told {
        let cells = [&row.windows, &row.wsl2].map(|cell| shown(cell, &mut notes));
        rows.push(std::iter::once(Span::new(&row.label, Tone::Strong)).chain(cells).collect());
    }
    let title = |name: &str, seen: bool| format!("{name} ({})", if seen { "looked at" } else { "supposed" });
    let titles = vec![String::new(), title("Native Windows", sides.windows_seen), title("WSL2", sides.wsl2_seen)];
    view.blocks.push(Block::Table(titles, rows));
    let names: Vec<&str> = sides.rows.iter().filter(nowhere).map(|row| row.label.as_str()).collect();
    if !names.is_empty() {
        let text = format!("on neither side: {}", names.join(", "));
        view.blocks.push(Block::Text(2, vec![Span::new(text, Tone::Quiet)]));
    }
    for (place, note) in notes.iter().enumerate() {
        let text = format!("({}) {}", place + 1, newer(note, diagnosis.edition));
        view.blocks.push(Block::Text(2, vec![Span::new(text, Tone::Quiet)]));
    }
    way(view, sides);
    if let Some(other) = &sides.other {
        host(view, other);
        findings(view, other);
    }
}

fn way(view: &mut View, sides: &Sides) {
    let Some(way) = &sides.way else { return };
    view.blocks.push(Block::Gap);
    view.text(2, format!("To get there: {}", way.text));
    way.commands.iter().for_each(|command| view.command(command));
}

/// A cell with the numbers of its notes, which are added to those that there are.
fn shown<'a>(cell: &'a Cell, notes: &mut Vec<&'a Citation>) -> Span {
    let tone = match cell.standing {
        Standing::Works | Standing::Possible => Tone::Good,
        Standing::Partial | Standing::Unknown => Tone::Unsure,
        Standing::Broken => Tone::Bad,
        Standing::No => Tone::Quiet,
    };
    let text = match cell.text.as_str() {
        "" => cell.standing.word().to_owned(),
        text => format!("{}: {text}", cell.standing.word()),
    };
    let marks: String = cell
        .contradicted_by
        .iter()
        .map(|citation| {
            let place = notes.iter().position(|note| *note == citation).unwrap_or_else(|| {
                notes.push(citation);
                notes.len() - 1
            });
            format!(" ({})", place + 1)
        })
        .collect();
    Span::new(text + &marks, tone)
}
