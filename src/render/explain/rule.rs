//! A rule as a table: a line for each row, and above it what is the same in all of them.

use super::sources;
use crate::matrix::condition::Conditions;
use crate::matrix::{Matrix, Remedy, Row, Rule};
use crate::render::{Block, Span, Tone, View};

/// The page of a rule.
pub(super) fn rule(view: &mut View, matrix: &Matrix, rule: &Rule) {
    view.heading(2, &rule.title);
    view.text(2, &rule.explain);
    view.text(2, format!("Rule {} gives {} {}.", rule.id, rule.severity.word(), rule.code));
    if !rule.caused_by.is_empty() {
        view.text(
            2,
            format!(
                "Where one of these rules has a finding, this one's is told below that: {}.",
                rule.caused_by.join(", ")
            ),
        );
    }
    match rule.row.as_slice() {
        [row] => single(view, row),
        rows => table(view, rule, rows),
    }
    for (place, row) in rule.row.iter().enumerate() {
        let of_row = if rule.row.len() > 1 { format!(" in row {}", place + 1) } else { String::new() };
        row.remedy.iter().for_each(|remedy| advice(view, &of_row, remedy));
    }
    if rule.row.iter().any(|row| row.remedy.is_none()) {
        let of_rest = if rule.row.iter().any(|row| row.remedy.is_some()) { " in the other rows" } else { "" };
        advice(view, of_rest, &rule.remedy);
    }
    sources(view, matrix, &rule.sources);
}

/// The only row, in words.
fn single(view: &mut View, row: &Row) {
    let except = match row.except.0.is_empty() {
        true => String::new(),
        false => format!(", except where {}", words(&row.except).join(" and ")),
    };
    let (when, require) = (words(&row.when).join(" and "), words(&row.require).join(" and "));
    view.blocks.push(Block::Gap);
    view.blocks.push(Block::Entry(6, Span::new("where", Tone::Strong), vec![Span::plain(format!("{when}{except}"))]));
    view.blocks.push(Block::Entry(6, Span::new("must", Tone::Strong), vec![Span::plain(require)]));
    view.blocks.push(Block::Gap);
}

fn table(view: &mut View, rule: &Rule, rows: &[Row]) {
    let when = Shared::of(rows, |row| &row.when);
    let except = Shared::of(rows, |row| &row.except);
    for (title, shared) in [("In every row", &when), ("In no row where", &except)] {
        if !shared.in_all.is_empty() {
            view.text(2, format!("{title}: {}", shared.in_all.join(" and ")));
        }
    }
    let severities = rows.iter().any(|row| row.severity.is_some());
    let mut columns: Vec<Column<'_>> = vec![
        ("row", Box::new(|place, _| (place + 1).to_string())),
        ("where", Box::new(|_, row| when.own(&row.when, "always"))),
        ("must", Box::new(|_, row| words(&row.require).join(", "))),
    ];
    if rows.iter().any(|row| !except.own(&row.except, "").is_empty()) {
        columns.insert(2, ("except where", Box::new(|_, row| except.own(&row.except, ""))));
    }
    if severities {
        columns.push(("else", Box::new(|_, row| row.severity.unwrap_or(rule.severity).word().to_owned())));
    }
    view.blocks.push(Block::Gap);
    let header = columns.iter().map(|(title, _)| (*title).to_owned()).collect();
    let cells = |(place, row): (usize, &Row)| columns.iter().map(|(_, cell)| Span::plain(cell(place, row))).collect();
    view.blocks.push(Block::Table(header, rows.iter().enumerate().map(cells).collect()));
    view.blocks.push(Block::Gap);
}

/// A column: its title, and the text of a row in it.
type Column<'a> = (&'a str, Box<dyn Fn(usize, &Row) -> String + 'a>);

/// Conditions that stand in all rows.
struct Shared {
    in_all: Vec<String>,
}

impl Shared {
    fn of(rows: &[Row], conditions: fn(&Row) -> &Conditions) -> Shared {
        let first = rows.first().map(|row| words(conditions(row))).unwrap_or_default();
        let in_all = |text: &String| rows.iter().all(|row| words(conditions(row)).contains(text));
        Shared { in_all: first.into_iter().filter(in_all).collect() }
    }

    /// The conditions of a row that do not stand in all.
    fn own(&self, conditions: &Conditions, none: &str) -> String {
        let own: Vec<String> = words(conditions).into_iter().filter(|text| !self.in_all.contains(text)).collect();
        if own.is_empty() { none.to_owned() } else { own.join(", ") }
    }
}

fn words(conditions: &Conditions) -> Vec<String> {
    conditions.0.iter().map(ToString::to_string).collect()
}

fn advice(view: &mut View, of: &str, remedy: &Remedy) {
    view.blocks.push(Block::Text(2, vec![Span::new(format!("do{of}: "), Tone::Good), Span::plain(&remedy.text)]));
    remedy.commands.iter().for_each(|command| view.command(command));
}
