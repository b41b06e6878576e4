//! A view in a terminal.

use anstyle::{AnsiColor, Style};
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width};

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
    keep_words(&mut table, header, rows, width);
    let drawn = table.to_string();
    let lines: Vec<&str> = drawn.lines().collect();
    let is_rule = |line: &&str| line.starts_with('─');
    // Where each row is one line, rules between rows say nothing.
    let crowded = lines.windows(2).any(|pair| pair.iter().all(|line| !is_rule(line) && !line.starts_with('═')));
    let last = lines.len().saturating_sub(1);
    let kept = |(place, line): &(usize, &&str)| crowded || !is_rule(line) || *place == 0 || *place == last;
    for line in lines.iter().enumerate().filter(kept).map(|(_, line)| line) {
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// Makes every column as wide as its longest word, where there is room for all of them.
fn keep_words(table: &mut Table, header: &[String], rows: &[Vec<Span>], width: usize) {
    const PADDING: usize = 2;
    let longest = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|span| span.text.as_str());
        let words = cells.chain(header.get(column).map(String::as_str)).flat_map(str::split_whitespace);
        words.map(length).max().unwrap_or(0) + PADDING
    };
    let widths: Vec<usize> = (0..header.len()).map(longest).collect();
    // A blank stands between columns.
    if widths.iter().sum::<usize>() + widths.len() > width {
        return;
    }
    for (column, width) in table.column_iter_mut().zip(widths) {
        let width = Width::Fixed(u16::try_from(width).unwrap_or(u16::MAX));
        column.set_constraint(ColumnConstraint::LowerBoundary(width));
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
