//! A view as Markdown.

use super::{Block, Span, Tone, View};

pub(super) fn render(view: &View) -> String {
    let mut out = String::new();
    let mut in_code = false;
    for block in &view.blocks {
        let code = matches!(block, Block::Command(_));
        if in_code && !code {
            out.push_str("```\n");
        }
        if code && !in_code {
            blank_line(&mut out);
            out.push_str("```sh\n");
        }
        in_code = code;
        match block {
            Block::Heading(level, text) => {
                blank_line(&mut out);
                out.push_str(&format!("{} {}\n\n", "#".repeat(usize::from(*level) + 1), escape(text)));
            }
            Block::Text(_, spans) => {
                blank_line(&mut out);
                out.push_str(&format!("{}\n", line(spans)));
            }
            Block::Entry(_, term, spans) => out.push_str(&format!("- **{}**: {}\n", escape(&term.text), line(spans))),
            Block::Command(text) => out.push_str(&format!("{text}\n")),
            Block::Table(header, rows) => {
                blank_line(&mut out);
                let cells = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
                out.push_str(&cells(header.iter().map(|title| escape(title)).collect()));
                out.push_str(&cells(header.iter().map(|_| "---".to_owned()).collect()));
                for row in rows {
                    out.push_str(&cells(row.iter().map(|cell| escape(&cell.text)).collect()));
                }
            }
            Block::Gap => blank_line(&mut out),
        }
    }
    if in_code {
        out.push_str("```\n");
    }
    out
}

fn blank_line(out: &mut String) {
    if !out.is_empty() && !out.ends_with("\n\n") {
        out.push('\n');
    }
}

fn line(spans: &[Span]) -> String {
    let mut line = String::new();
    for span in spans {
        match span.tone {
            Tone::Strong => line.push_str(&format!("**{}**", escape(&span.text))),
            _ => line.push_str(&escape(&span.text)),
        }
    }
    // What stands in columns in a terminal is told apart by a colon here.
    let mut parts = line.trim().split("  ").map(str::trim).filter(|part| !part.is_empty());
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(
        first,
        |line, part| if part.starts_with('(') { format!("{line} {part}") } else { format!("{line}: {part}") },
    )
}

/// Text that Markdown takes as text.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | '|' | '*' | '`' | '[' | ']' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            other => escaped.push(other),
        }
    }
    escaped
}
