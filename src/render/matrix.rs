//! The comparison tables: renderings of the systems' statements. A cell that newer sources contradict has a footnote.

use serde::Serialize;

use super::{Block, Span, Tone, View};
use crate::matrix::{Column, Edition, Environment, Matrix, Newer, Note, Relation, Support, System, Table, Verdict};

/// All tables that were asked for.
#[derive(Clone, Debug, Serialize)]
pub struct Tables {
    /// Format of this document: 1.
    pub format: u32,
    /// Whose statements the cells tell.
    pub edition: Edition,
    /// The tables.
    pub tables: Vec<Comparison>,
}

/// One table.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Its id.
    pub id: Table,
    /// Its title.
    pub title: String,
    /// The titles of its columns.
    pub columns: Vec<String>,
    /// Its rows, each with the id of its system and a cell for every column.
    pub rows: Vec<TableRow>,
    /// What newer sources say against cells.
    pub footnotes: Vec<Footnote>,
}

/// A row.
#[derive(Clone, Debug, Serialize)]
pub struct TableRow {
    /// The system's id.
    pub system: String,
    /// One cell for each column.
    pub cells: Vec<Cell>,
}

/// A cell.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cell {
    /// What it says.
    pub text: String,
    /// The verdict, where the column has one.
    pub verdict: Option<Verdict>,
    /// Numbers of its footnotes.
    pub footnotes: Vec<usize>,
}

/// A footnote.
#[derive(Clone, Debug, Serialize)]
pub struct Footnote {
    /// Its number, from 1.
    pub number: usize,
    /// What it says.
    pub text: String,
    /// Title of its source.
    pub title: String,
    /// Address of its source.
    pub url: Option<String>,
    /// Date of its source.
    pub date: String,
}

impl Tables {
    /// The tables of these ids.
    pub fn new(matrix: &Matrix, edition: Edition, tables: &[Table]) -> Tables {
        let tables = tables.iter().map(|table| Builder::new(matrix, edition).build(*table)).collect();
        Tables { format: 1, edition, tables }
    }

    /// The tables as something to read.
    pub fn view(&self) -> View {
        let mut view = View::default();
        for table in &self.tables {
            view.heading(2, &table.title);
            let rows = table.rows.iter().map(|row| row.cells.iter().map(span).collect()).collect();
            view.blocks.push(Block::Table(table.columns.clone(), rows));
            for note in &table.footnotes {
                let source = match &note.url {
                    Some(url) => format!("{}, {}, {url}", note.title, note.date),
                    None => format!("{}, {}", note.title, note.date),
                };
                view.text(2, format!("({}) {} ({source})", note.number, note.text));
            }
        }
        view
    }
}

fn span(cell: &Cell) -> Span {
    let marks: String = cell.footnotes.iter().map(|number| format!(" ({number})")).collect();
    Span::new(format!("{}{marks}", cell.text), Tone::Plain)
}

struct Builder<'a> {
    matrix: &'a Matrix,
    edition: Edition,
    footnotes: Vec<(&'a Newer, Footnote)>,
}

impl<'a> Builder<'a> {
    fn new(matrix: &'a Matrix, edition: Edition) -> Builder<'a> {
        Builder { matrix, edition, footnotes: Vec::new() }
    }

    fn build(mut self, table: Table) -> Comparison {
        let (title, columns): (&str, &[&str]) = match table {
            Table::Apis => (
                "GPU API comparison: Windows 11 native and WSL2",
                &["API", "Windows 11 (native)", "WSL2", "Supported on", "Key points"],
            ),
            Table::Accelerators => (
                "Additional inference and acceleration APIs",
                &["API or framework", "Windows 11 (native)", "WSL2 (Ubuntu)", "Supported on", "Key notes"],
            ),
            Table::Engines => ("Inference engines", &["Engine", "Compatible formats", "Optimised for", "Platform"]),
            Table::Frameworks => ("Frameworks", &["Framework", "Windows (native)", "WSL2", "Linux"]),
        };
        let systems = self.matrix.systems.iter().filter(|system| system.tables.contains(&table));
        let rows =
            systems.map(|system| TableRow { system: system.id.clone(), cells: self.row(table, system) }).collect();
        Comparison {
            id: table,
            title: title.to_owned(),
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            rows,
            footnotes: self.footnotes.into_iter().map(|(_, footnote)| footnote).collect(),
        }
    }

    fn row(&mut self, table: Table, system: &'a System) -> Vec<Cell> {
        let name = Cell { text: system.name.clone(), ..Cell::default() };
        match table {
            Table::Apis | Table::Accelerators => vec![
                name,
                self.support(system, Environment::Windows, true),
                self.support(system, Environment::Wsl2, true),
                self.hardware(system),
                self.notes(system, Column::KeyPoints),
            ],
            Table::Engines => {
                vec![name, self.formats(system), self.notes(system, Column::OptimisedFor), self.platforms(system)]
            }
            Table::Frameworks => [Environment::Windows, Environment::Wsl2, Environment::Linux]
                .into_iter()
                .map(|environment| self.support(system, environment, false))
                .fold(vec![name], |mut cells, cell| {
                    cells.push(cell);
                    cells
                }),
        }
    }

    /// What the statements say of an environment: the verdict in a word, then all that is said. `parts` takes in what is
    /// said of single uses.
    fn support(&mut self, system: &'a System, environment: Environment, parts: bool) -> Cell {
        let here: Vec<&Support> = system
            .support
            .iter()
            .filter(|support| support.environment == environment)
            .filter(|support| support.is_general() || (parts && support.documents.is_some()))
            .collect();
        let newest = |support: &&&Support| support.versions.as_ref().is_none_or(|range| range.is_open_above());
        let general = || here.iter().filter(|support| support.is_general());
        // Where the system as a whole has no statement, its parts together speak for it.
        let parts_verdict = || {
            let verdicts: Vec<Verdict> = here.iter().map(|support| support.verdict(self.edition)).collect();
            let first = *verdicts.first()?;
            Some(if verdicts.iter().all(|verdict| *verdict == first) { first } else { Verdict::Partial })
        };
        let verdict = general()
            .find(newest)
            .or_else(|| general().next())
            .map(|support| support.verdict(self.edition))
            .or_else(parts_verdict)
            .unwrap_or(Verdict::Unknown);
        let mut words: Vec<&str> = here.iter().filter_map(|support| support.words(self.edition)).collect();
        // The verdict says it already.
        words.retain(|words| !matches!(*words, "Supported" | "Not supported"));
        words.dedup();
        let word = match verdict {
            Verdict::Supported => "Yes",
            Verdict::Partial => "Partly",
            Verdict::Unsupported => "No",
            Verdict::Unknown => "Unknown",
        };
        let said = words.join("; ");
        let text = if said.is_empty() { word.to_owned() } else { format!("{word}: {said}") };
        let silent = self.edition == Edition::Documents && here.iter().all(|support| support.documents.is_none());
        let text = if silent { format!("{text} (by newer sources, the documents are silent)") } else { text };
        Cell {
            text,
            verdict: Some(verdict),
            footnotes: self.marks(here.iter().map(|support| support.claims.as_slice())),
        }
    }

    fn hardware(&mut self, system: &'a System) -> Cell {
        let texts: Vec<&str> = system.hardware.iter().map(|hardware| hardware.text.as_str()).collect();
        let footnotes = self.refuted(system.hardware.iter().map(|hardware| hardware.claims.as_slice()));
        Cell { text: texts.join("; "), verdict: None, footnotes }
    }

    fn notes(&mut self, system: &'a System, column: Column) -> Cell {
        let notes: Vec<&Note> = system.note.iter().filter(|note| note.column == Some(column)).collect();
        let texts: Vec<&str> = notes.iter().map(|note| note.text.as_str()).collect();
        let footnotes = self.refuted(notes.iter().map(|note| note.claims.as_slice()));
        Cell { text: texts.join("; "), verdict: None, footnotes }
    }

    fn formats(&mut self, system: &'a System) -> Cell {
        let formats = || system.format.iter().filter(|format| format.environment.is_none());
        let texts: Vec<&str> = formats().map(|format| format.text.as_str()).collect();
        let footnotes = self.refuted(formats().map(|format| format.claims.as_slice()));
        Cell { text: texts.join("; "), verdict: None, footnotes }
    }

    /// The platforms on which an engine runs: what its edition does not call unsupported.
    fn platforms(&mut self, system: &'a System) -> Cell {
        let edition = self.edition;
        let runs = |support: &&Support| {
            let told = edition == Edition::Current || support.documents.is_some();
            told && support.part.is_none() && matches!(support.verdict(edition), Verdict::Supported | Verdict::Partial)
        };
        let here: Vec<&Support> = system.support.iter().filter(runs).collect();
        let mut names: Vec<&str> = here.iter().map(|support| platform(support.environment)).collect();
        names.dedup();
        let footnotes = self.marks(
            system.support.iter().filter(|support| support.part.is_none()).map(|support| support.claims.as_slice()),
        );
        Cell { text: names.join(", "), verdict: None, footnotes }
    }

    /// The footnotes of a cell with a verdict: in the current edition the verdict itself is the newest statement's.
    fn marks(&mut self, claims: impl Iterator<Item = &'a [String]>) -> Vec<usize> {
        match self.edition {
            Edition::Current => Vec::new(),
            Edition::Documents => self.refuted(claims),
        }
    }

    /// The numbers of the footnotes about these claims; a new one where a newer statement contradicts them.
    fn refuted(&mut self, claims: impl Iterator<Item = &'a [String]>) -> Vec<usize> {
        let mut numbers = Vec::new();
        for claims in claims {
            for newer in self.matrix.newer_about(claims).filter(|newer| newer.relation == Relation::Contradicts) {
                let known = self.footnotes.iter().position(|(known, _)| std::ptr::eq(*known, newer));
                let place = known.unwrap_or_else(|| {
                    let source = self.matrix.sources.get(&newer.source);
                    let footnote = Footnote {
                        number: self.footnotes.len() + 1,
                        text: newer.text.clone(),
                        title: source.map_or_else(String::new, |source| source.title.clone()),
                        url: source.and_then(|source| source.url.clone()),
                        date: source.map_or_else(String::new, |source| source.date.clone()),
                    };
                    self.footnotes.push((newer, footnote));
                    self.footnotes.len() - 1
                });
                if !numbers.contains(&(place + 1)) {
                    numbers.push(place + 1);
                }
            }
        }
        numbers
    }
}

fn platform(environment: Environment) -> &'static str {
    match environment {
        Environment::Windows => "Windows",
        Environment::Mobile => "mobile",
        Environment::Web => "web",
        other => other.title(),
    }
}
