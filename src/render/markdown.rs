//! A view as Markdown.

use super::{Block, Span, Tone, View};

pub(super) fn render(view: &View) -> String {
    let mut out = String::new();
    let mut in_code = false;
    let mut fence = String::new();
    for block in &view.blocks {
        let code = matches!(block, Block::Command(_));
        if in_code && !code {
            out.push_str(&format!("{fence}\n"));
        }
        if code && !in_code {
            blank_line(&mut out);
            // A fence ends at the first line of as many backticks.
            let commands = view.blocks.iter().filter_map(|block| match block {
                Block::Command(text) => Some(text.as_str()),
                _ => None,
            });
            fence = "`".repeat(commands.map(longest_fence).max().unwrap_or(0).max(2) + 1);
            out.push_str(&format!("{fence}sh\n"));
        }
        in_code = code;
        match block {
            Block::Heading(level, text) => {
                blank_line(&mut out);
                out.push_str(&format!("{} {}\n\n", "#".repeat(usize::from(*level) + 1), escape(text)));
            }
            Block::Text(_, spans) => {
                blank_line(&mut out);
                out.push_str(&format!("{}\n", at_start(line(spans))));
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
        out.push_str(&format!("{fence}\n"));
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

/// How many backticks stand in a row in a text.
fn longest_fence(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// A line that begins no heading, list, quotation, rule or fence.
fn at_start(line: String) -> String {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = line.split_at(digits);
    match number.is_empty() {
        true if rest.starts_with(['#', '>', '-', '+', '=']) => format!("\\{rest}"),
        false if [". ", ") "].iter().any(|mark| rest.starts_with(mark)) => format!("{number}\\{rest}"),
        _ => line,
    }
}

/// Text that Markdown takes as text.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut before = ' ';
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let behind = characters.clone().next().unwrap_or(' ');
        let within_a_word = || {
            let behind = characters.clone().find(|c| *c != '_').unwrap_or(' ');
            before.is_alphanumeric() && behind.is_alphanumeric()
        };
        match character {
            '\\' | '|' | '*' | '`' | '[' | ']' | '$' => escaped.extend(['\\', character]),
            // Within a word it marks nothing.
            '_' if !within_a_word() => escaped.push_str("\\_"),
            // The home directory strikes nothing out.
            '~' if !(behind == '/' && !before.is_alphanumeric() && before != '~') => escaped.push_str("\\~"),
            '#' if behind == ' ' => escaped.push_str("\\#"),
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            // Nobody is called by it.
            '@' if !before.is_alphanumeric() && behind.is_alphanumeric() => escaped.push_str("@<!-- -->"),
            other => escaped.push(other),
        }
        if character != '_' || !within_a_word() {
            before = character;
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_text_and_nothing_else() {
        for (told, written) in [
            ("a_b __c__ _d_ group__CUDA__TYPES", r"a_b \_\_c\_\_ \_d\_ group__CUDA__TYPES"),
            ("~/.venvs and ~~gone~~", r"~/.venvs and \~\~gone\~\~"),
            ("<script>x</script> &amp;", "&lt;script>x&lt;/script> &amp;amp;"),
            ("[x](javascript:y) ![z](w)", r"\[x\](javascript:y) !\[z\](w)"),
            ("a | b `c`", r"a \| b \`c\`"),
            ("ask @jane, not jane@host", "ask @<!-- -->jane, not jane@host"),
        ] {
            assert_eq!(escape(told), written);
        }
        for (told, written) in [
            ("# a", r"\# a"),
            ("> a", r"\> a"),
            ("- a", r"\- a"),
            ("12. a", r"12\. a"),
            ("2.10 a", "2.10 a"),
            ("===", r"\==="),
        ] {
            assert_eq!(at_start(told.to_owned()), written);
        }
    }

    #[test]
    fn a_fence_is_longer_than_any_in_a_command() {
        let mut view = View::default();
        view.command("echo");
        view.command("```` x");
        assert_eq!(view.markdown(), "`````sh\necho\n```` x\n`````\n");
    }
}
