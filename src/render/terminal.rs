//! A view in a terminal.

use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table};

use super::{Block, Span, Tone, View};

/// Cells narrower than this are not worth a table.
const NARROWEST: usize = 20;

pub(super) fn render(view: &View, width: usize, colour: bool) -> String {
    let width = width.max(NARROWEST);
    let mut out = String::new();
    for block in &view.blocks {
        match block {
            Block::Heading(level, text) => {
                if !out.is_empty() && !out.ends_with("\n\n") {
                    out.push('\n');
                }
                let text = if *level == 2 { text.to_uppercase() } else { text.clone() };
                paragraph(&mut out, &[Span { text, tone: Tone::Strong }], 0, 0, width, colour);
            }
            Block::Text(indent, spans) => paragraph(&mut out, spans, *indent, *indent, width, colour),
            Block::Entry(column, term, spans) => entry(&mut out, *column, term, spans, width, colour),
            Block::Command(text) => {
                out.push_str("      $ ");
                paint(&mut out, &Span { text: text.clone(), tone: Tone::Strong }, colour);
                out.push('\n');
            }
            Block::Table(header, rows) => table(&mut out, header, rows, width),
            Block::Gap => {
                if !out.ends_with("\n\n") && !out.is_empty() {
                    out.push('\n');
                }
            }
        }
    }
    out
}

/// Words in lines of the width; `first` and `rest` are the indents of the first line and of those that follow.
fn paragraph(out: &mut String, spans: &[Span], first: usize, rest: usize, width: usize, colour: bool) {
    out.push_str(&" ".repeat(first));
    flow(out, spans, first, rest, width, colour);
    out.push('\n');
}

fn entry(out: &mut String, column: usize, term: &Span, spans: &[Span], width: usize, colour: bool) {
    out.push_str("  ");
    paint(out, term, colour);
    let used = length(&term.text) + 2;
    let start = column + 2;
    match used < start {
        true => out.push_str(&" ".repeat(start - used)),
        false => {
            out.push('\n');
            out.push_str(&" ".repeat(start));
        }
    }
    flow(out, spans, start, start, width, colour);
    out.push('\n');
}

/// Writes words from a column on; a word that does not fit begins a new line at the indent. Colour is set once for the
/// words of a span that stand on one line.
fn flow(out: &mut String, spans: &[Span], from: usize, indent: usize, width: usize, colour: bool) {
    let mut at = from;
    // Nothing stands on this line yet but its indent.
    let mut fresh = true;
    for span in spans {
        let mut run = String::new();
        for (place, word) in span.text.split(' ').enumerate() {
            // Between two spans a space is written only where one of them has it.
            let space = place > 0 && !fresh;
            if space && at + 1 + length(word) > width {
                paint(out, &Span { text: run.trim_end().to_owned(), tone: span.tone }, colour);
                run.clear();
                out.truncate(out.trim_end_matches(' ').len());
                out.push('\n');
                out.push_str(&" ".repeat(indent));
                at = indent;
            } else if space {
                run.push(' ');
                at += 1;
            }
            run.push_str(word);
            at += length(word);
            fresh = fresh && word.is_empty();
        }
        paint(out, &Span { text: run, tone: span.tone }, colour);
    }
    out.truncate(out.trim_end_matches(' ').len());
}

fn paint(out: &mut String, span: &Span, colour: bool) {
    let style = match span.tone {
        _ if !colour || span.text.is_empty() => Style::new(),
        Tone::Plain => Style::new(),
        Tone::Strong => Style::new().bold(),
        Tone::Good => AnsiColor::Green.on_default(),
        Tone::Bad => AnsiColor::Red.on_default().bold(),
        Tone::Unsure => AnsiColor::Yellow.on_default(),
        Tone::Quiet => Style::new().dimmed(),
    };
    out.push_str(&format!("{style}{}{style:#}", span.text));
}

fn table(out: &mut String, header: &[String], rows: &[Vec<Span>], width: usize) {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    table.set_header(header);
    for row in rows {
        table.add_row(row.iter().map(|span| span.text.as_str()));
    }
    for line in table.to_string().lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_the_terminal_but_commands() {
        let mut view = View::default();
        view.heading(1, "a title that says what follows it");
        view.text(4, "words and more words ".repeat(20));
        view.blocks.push(Block::Entry(12, Span::plain("term"), vec![Span::plain("what is said of it ".repeat(9))]));
        view.blocks.push(Block::Table(
            vec!["one".into(), "two".into()],
            vec![vec![Span::plain("cell text ".repeat(12)), Span::plain("more")]],
        ));
        for width in [40, 80, 120] {
            let shown = view.terminal(width, false);
            let longest = shown.lines().map(length).max();
            assert!(longest <= Some(width), "{longest:?} of {width}\n{shown}");
        }
    }

    #[test]
    fn spans_join_without_a_space_of_their_own() {
        let mut view = View::default();
        view.blocks.push(Block::Text(0, vec![Span::plain("a "), Span::new("b", Tone::Good), Span::plain(", c")]));
        assert_eq!(view.terminal(80, false), "a b, c\n");
        assert_eq!(view.terminal(80, true), "a \u{1b}[32mb\u{1b}[0m, c\n");
    }
}
