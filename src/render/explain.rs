//! One rule, finding code, statement, system or topic, with its rows and sources.

use accelprobe_probes::ladder::State;

use super::{Block, Span, Tone, View};
use crate::matrix::{Matrix, Newer, Note, Relation, Rule, Support, System, Topic};

/// What the matrix knows under a name; nothing where it knows nothing.
pub fn view(matrix: &Matrix, name: &str) -> Option<View> {
    let mut view = View::default();
    if let Some(system) = matrix.system(name).or_else(|| by_package(matrix, name)) {
        explain_system(&mut view, matrix, system);
    }
    if let Some(topic) = matrix.topics.iter().find(|topic| topic.id == name) {
        explain_topic(&mut view, matrix, topic);
    }
    for rule in matrix.rules.iter().filter(|rule| rule.id == name || rule.code == name) {
        explain_rule(&mut view, matrix, rule);
    }
    for system in &matrix.systems {
        let named = |support: &&Support| support.id == name || support.code.as_deref() == Some(name);
        for support in system.support.iter().filter(named) {
            view.heading(2, format!("{} on {}", system.name, support.environment.title()));
            statement(&mut view, matrix, support);
        }
        for setup in system.setup.iter().filter(|setup| setup.id == name) {
            view.heading(2, format!("Setting up {}", system.name));
            let when: Vec<String> = setup.when.0.iter().map(ToString::to_string).collect();
            view.text(2, format!("Where {}:", when.join(" and ")));
            view.text(2, &setup.text);
            setup.commands.iter().for_each(|command| view.command(command));
            sources(&mut view, matrix, &setup.sources);
        }
    }
    if let Some(meaning) = computed_code(matrix, name) {
        view.heading(2, name);
        view.text(2, meaning);
    }
    (!view.blocks.is_empty()).then_some(view)
}

/// What a finding's code means that comes from a want and the machine's state rather than from a rule.
fn computed_code(matrix: &Matrix, name: &str) -> Option<String> {
    let told = match name {
        "unsupported-here" => "What is wanted is not supported in this environment; the finding names the statement.",
        "no-gpu" => "A GPU is wanted, and none is on the bus of this machine.",
        "no-nvidia-gpu" => "An NVIDIA GPU is wanted, or its library installed, and none is on the bus of this machine.",
        "no-gpu-build" => "A GPU is wanted, and there is no build for this one any more; the finding says why.",
        "driver-too-old" => "What is wanted needs a newer NVIDIA driver than this one; the finding names the set-up.",
        "python-version-unsupported" => "What is wanted has no wheels for this Python; the finding names the set-up.",
        "no-amd-gpu" => "An AMD GPU is wanted, and none is on the bus of this machine.",
        _ => "",
    };
    if !told.is_empty() {
        return Some(told.to_owned());
    }
    let states = STATES.iter().filter_map(|state| Some((*state, name.strip_suffix(state.name())?.strip_suffix('-')?)));
    let (state, system) = states.filter_map(|(state, id)| Some((state, matrix.system(id)?))).next()?;
    Some(format!("{} is wanted, and on this machine it is {state}.", system.name))
}

/// The states that make a want fail.
const STATES: [State; 6] =
    [State::SoftwareOnly, State::Masked, State::Blocked, State::Broken, State::Crashed, State::NotInstalled];

/// Every name that can be explained.
pub fn names(matrix: &Matrix) -> Vec<&str> {
    let mut names: Vec<&str> = matrix.systems.iter().map(|system| system.id.as_str()).collect();
    names.extend(matrix.topics.iter().map(|topic| topic.id.as_str()));
    names.extend(matrix.rules.iter().flat_map(|rule| [rule.id.as_str(), rule.code.as_str()]));
    for system in &matrix.systems {
        names.extend(system.support.iter().map(|support| support.id.as_str()));
        names.extend(system.support.iter().filter_map(|support| support.code.as_deref()));
        names.extend(system.setup.iter().map(|setup| setup.id.as_str()));
    }
    names.sort_unstable();
    names.dedup();
    names
}

fn by_package<'a>(matrix: &'a Matrix, name: &str) -> Option<&'a System> {
    matrix.systems.iter().find(|system| system.packages.iter().any(|package| package == name))
}

fn explain_system(view: &mut View, matrix: &Matrix, system: &System) {
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

fn explain_topic(view: &mut View, matrix: &Matrix, topic: &Topic) {
    view.heading(2, &topic.name);
    notes(view, &topic.note);
    newer(view, matrix, &topic.newer);
}

fn explain_rule(view: &mut View, matrix: &Matrix, rule: &Rule) {
    view.heading(2, &rule.title);
    view.text(2, &rule.explain);
    view.text(2, format!("Rule {} gives {} {}.", rule.id, rule.severity.word(), rule.code));
    for row in &rule.row {
        let all = |conditions: &crate::matrix::condition::Conditions| {
            conditions.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
        };
        view.text(4, format!("where {}: {}", all(&row.when), all(&row.require)));
        if let Some(remedy) = &row.remedy {
            view.text(4, format!("do: {}", remedy.text));
            remedy.commands.iter().for_each(|command| view.command(command));
        }
    }
    view.text(2, format!("do: {}", rule.remedy.text));
    rule.remedy.commands.iter().for_each(|command| view.command(command));
    sources(view, matrix, &rule.sources);
}

fn statement(view: &mut View, matrix: &Matrix, support: &Support) {
    let part = support.part.as_ref().map(|part| format!(", {part}")).unwrap_or_default();
    let versions = support.versions.as_ref().map(|range| format!(", {range}")).unwrap_or_default();
    let documents = support.documents.map_or("silent", |verdict| verdict.word());
    let place = format!("{}{part}{versions}", support.environment.title());
    let mut spans = vec![Span::plain(format!("documents: {documents}; current: {}", support.current.word()))];
    for note in [&support.note, &support.current_note].into_iter().flatten() {
        spans.push(Span::plain(format!("; {note}")));
    }
    spans.push(Span::new(format!("  ({})", support.id), Tone::Quiet));
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

fn sources(view: &mut View, matrix: &Matrix, ids: &[String]) {
    for source in ids.iter().filter_map(|id| matrix.sources.get(id)) {
        let url = source.url.as_ref().map(|url| format!(", {url}")).unwrap_or_default();
        view.blocks.push(Block::Text(
            4,
            vec![Span::new(format!("source: {}, {}{url}", source.title, source.date), Tone::Quiet)],
        ));
    }
}
