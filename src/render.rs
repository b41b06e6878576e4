//! What people read: a [`View`] is built once from a value, and each format is one walk over it.
//!
//! No meaning is carried by colour alone. Texts may come from drivers, so control characters are replaced here, once,
//! before any format sees them.

pub mod doctor;
pub mod explain;
mod markdown;
pub mod matrix;
pub mod probe;
mod sides;
mod terminal;

/// The format of standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For reading in a terminal.
    #[default]
    Terminal,
    /// For programs.
    Json,
    /// For documents.
    Markdown,
}

/// Something to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Its parts, top to bottom.
    pub blocks: Vec<Block>,
}

/// A part of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A title; the number is its level, from 1.
    Heading(u8, String),
    /// A paragraph, and how far it is indented.
    Text(usize, Vec<Span>),
    /// A term and what is said of it, in two columns; the number is the width of the first.
    Entry(usize, Span, Vec<Span>),
    /// A command to paste. It is never broken into lines.
    Command(String),
    /// A table: titles of the columns, then rows.
    Table(Vec<String>, Vec<Vec<Span>>),
    /// An empty line.
    Gap,
}

/// A piece of text and how it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The text, without control characters.
    pub text: String,
    /// How it is meant.
    pub tone: Tone,
}

/// How a text is meant; colour is added where a terminal shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// Worth the first look.
    Strong,
    /// It works.
    Good,
    /// It does not.
    Bad,
    /// It works in part, or nobody knows.
    Unsure,
    /// In the background.
    Quiet,
}

impl Span {
    /// A text with a tone.
    pub fn new(text: impl AsRef<str>, tone: Tone) -> Span {
        Span { text: printable(text.as_ref()), tone }
    }

    /// A text as it is.
    pub fn plain(text: impl AsRef<str>) -> Span {
        Span::new(text, Tone::Plain)
    }
}

impl View {
    /// Adds a title.
    pub fn heading(&mut self, level: u8, text: impl AsRef<str>) {
        self.blocks.push(Block::Heading(level, printable(text.as_ref())));
    }

    /// Adds a paragraph.
    pub fn text(&mut self, indent: usize, text: impl AsRef<str>) {
        self.blocks.push(Block::Text(indent, vec![Span::plain(text)]));
    }

    /// Adds a command.
    pub fn command(&mut self, text: impl AsRef<str>) {
        self.blocks.push(Block::Command(printable(text.as_ref())));
    }

    /// The view for a terminal of this width, in columns, with ANSI colour where `colour` says so.
    pub fn terminal(&self, width: usize, colour: bool) -> String {
        terminal::render(self, width, colour)
    }

    /// The view as Markdown.
    pub fn markdown(&self) -> String {
        markdown::render(self)
    }
}

/// A text in which nothing can move a cursor, ring a bell or change a colour, and nothing hides: see [`is_hidden`].
pub fn printable(text: &str) -> String {
    let replaced = |c: char| match c {
        '\n' | '\t' | '\r' => ' ',
        c if is_hidden(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(replaced).collect()
}

/// Whether a character does something but show itself: controls (C0, C1), marks that turn the direction of writing, letters
/// without width, other ends of lines, tags.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The same JSON, with what is hidden in its texts spelled out: serde_json leaves all of it but C0 as it is.
pub fn spelled_out(json: String) -> String {
    let is_spelled = |c: char| is_hidden(c) && c != '\n';
    if !json.contains(is_spelled) {
        return json;
    }
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match is_spelled(c) {
            true => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}"))),
            false => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_driver_says_reaches_the_terminal_as_a_command() {
        let evil = "\u{1b}[2J\u{1b}]0;title\u{7}GPU\u{9b}31m \u{202e}x|<b>\r\n";
        let mut view = View::default();
        view.heading(1, evil);
        view.text(2, evil);
        view.blocks.push(Block::Entry(10, Span::plain(evil), vec![Span::plain(evil)]));
        view.blocks.push(Block::Table(vec!["a".into()], vec![vec![Span::plain(evil)]]));
        assert!(!view.markdown().contains("<b>"), "only code keeps its angle brackets");
        view.command(evil);
        let shown = view.terminal(80, false) + &view.markdown();
        assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
    }
}
