//! Systems and topics: what is said of them, with claims and sources.

use super::sources;
use crate::matrix::{Matrix, Newer, Note, Relation, Setup, Support, System, Topic};
use crate::render::{Block, Span, Tone, View};

/// The page of a system.
pub(super) fn system(view: &mut View, matrix: &Matrix, system: &System) {
    view.heading(2, &system.name);
    for support in &system.support {
        statement(view, matrix, support);
    }
    let hardware: Vec<&str> = system.hardware.iter().map(|hardware| hardware.text.as_str()).collect();
    let formats: Vec<&str> = system.format.iter().map(|format| format.text.as_str()).collect();
    for (title, texts) in [("runs on", hardware), ("model formats", formats)] {
        if !texts.is_empty() {
            view.blocks.push(Block::Entry(16, Span::new(title, Tone::Strong), vec![Span::plain(texts.join("; "))]));
        }
    }
    notes(view, &system.note);
    newer(view, matrix, &system.newer);
}

/// How a system is set up somewhere.
pub(super) fn setup(view: &mut View, matrix: &Matrix, system: &System, setup: &Setup) {
    view.heading(2, format!("Setting up {}", system.name));
    set_up(view, matrix, setup);
}

fn set_up(view: &mut View, matrix: &Matrix, setup: &Setup) {
    let when: Vec<String> = setup.when.0.iter().map(ToString::to_string).collect();
    view.text(2, format!("Where {}:", when.join(" and ")));
    view.text(2, &setup.text);
    setup.commands.iter().for_each(|command| view.command(command));
    sources(view, matrix, &setup.sources);
}

/// The page of a topic.
pub(super) fn topic(view: &mut View, matrix: &Matrix, topic: &Topic) {
    view.heading(2, &topic.name);
    notes(view, &topic.note);
    newer(view, matrix, &topic.newer);
    for setup in &topic.setup {
        view.blocks.push(Block::Gap);
        set_up(view, matrix, setup);
    }
}

/// What is said of a system in an environment.
pub(super) fn statement(view: &mut View, matrix: &Matrix, support: &Support) {
    let part = support.part.as_ref().map(|part| format!(", {part}")).unwrap_or_default();
    let versions = support.versions.as_ref().map(|range| format!(", {range}")).unwrap_or_default();
    let documents = support.documents.map_or("silent", |verdict| verdict.word());
    let place = format!("{}{part}{versions}", support.environment.title());
    let mut words = vec![format!("documents: {documents}"), format!("current: {}", support.current.word())];
    words.extend([&support.note, &support.current_note].into_iter().flatten().cloned());
    let spans = vec![Span::plain(words.join("; ")), Span::new(format!("  ({})", support.id), Tone::Quiet)];
    view.blocks.push(Block::Entry(16, Span::new(place, Tone::Strong), spans));
    if let Some(remedy) = &support.remedy {
        view.text(4, format!("do: {}", remedy.text));
        remedy.commands.iter().for_each(|command| view.command(command));
    }
    let claims = support.claims.iter().map(String::as_str).collect::<Vec<_>>();
    if !claims.is_empty() {
        view.blocks.push(Block::Text(
            4,
            vec![Span::new(format!("claims of the documents: {}", claims.join(", ")), Tone::Quiet)],
        ));
    }
    sources(view, matrix, &support.sources);
}

fn notes(view: &mut View, notes: &[Note]) {
    for note in notes {
        let place = note.environment.map(|environment| format!(" ({})", environment.title())).unwrap_or_default();
        view.text(2, format!("- {}{place}", note.text));
    }
}

fn newer(view: &mut View, matrix: &Matrix, newer: &[Newer]) {
    for statement in newer {
        let relation = match statement.relation {
            Relation::Agrees => "agrees",
            Relation::Refines => "adds",
            Relation::Contradicts => "contradicts",
        };
        let claims: Vec<&str> = statement.claims.iter().map(String::as_str).collect();
        let since = statement.since.as_ref().map(|since| format!(" Since {since}.")).unwrap_or_default();
        let source = matrix.sources.get(&statement.source);
        let source = source.map(|source| format!(" ({}, {})", source.title, source.date)).unwrap_or_default();
        let spans = vec![
            Span::plain(format!("{}{since}", statement.text)),
            Span::new(format!("{source} [{}: {}]", statement.id, claims.join(", ")), Tone::Quiet),
        ];
        view.blocks.push(Block::Entry(16, Span::new(relation, Tone::Strong), spans));
    }
}
