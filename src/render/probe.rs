//! The facts alone.

use accelprobe_probes::fact::{Report, Subject};

use super::{Block, Span, Tone, View};

/// All facts, grouped by what they are about.
pub fn view(report: &Report) -> View {
    let mut view = View::default();
    let mut subjects: Vec<&Subject> = Vec::new();
    for fact in &report.facts {
        if !subjects.contains(&&fact.subject) {
            subjects.push(&fact.subject);
        }
    }
    for subject in subjects {
        view.heading(2, subject.to_string());
        for fact in report.facts.iter().filter(|fact| fact.subject == *subject) {
            let value = match &fact.value {
                Ok(value) => Span::plain(value.to_string()),
                Err(missing) => Span::new(missing.to_string(), Tone::Unsure),
            };
            let origin = Span::new(format!("  ({})", fact.origin), Tone::Quiet);
            view.blocks.push(Block::Entry(24, Span::new(fact.key.name, Tone::Strong), vec![value, origin]));
        }
    }
    view
}
