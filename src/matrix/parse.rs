//! From files to a [`Matrix`], with errors that name file, line and column.

use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Matrix, Product, Rule, Source, System, Topic, check};

/// The files of `matrix/` as they were when the program was built: path below it, and what it holds as JSON.
const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/matrix_files.rs"));

/// Something wrong in the matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// File below the matrix folder.
    pub file: String,
    /// Line and column, from 1; nothing where the file as a whole is meant.
    pub place: Option<(usize, usize)>,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

/// The matrix that the program was built with. That all of it fits together, the tests have checked.
pub fn embedded() -> Result<Matrix, Vec<Problem>> {
    assemble::<Json>(EMBEDDED)
}

/// A matrix from files: the path below the matrix folder with `/` between its parts, and the text.
pub fn load<T: AsRef<str>>(files: &[(String, T)]) -> Result<Matrix, Vec<Problem>> {
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_ref())).collect();
    let matrix = assemble::<Toml>(&files)?;
    let text_of = |file: &str| files.iter().find(|(path, _)| *path == file).map_or("", |(_, text)| text);
    let problems = check::all(&matrix, &text_of);
    if problems.is_empty() { Ok(matrix) } else { Err(problems) }
}

fn assemble<F: Form>(files: &[(&str, &str)]) -> Result<Matrix, Vec<Problem>> {
    let mut matrix = Matrix::default();
    let mut problems = Vec::new();
    for (path, text) in files {
        problems.extend(add::<F>(&mut matrix, path, text).err());
    }
    matrix.systems.sort_by_key(|system| system.order);
    if problems.is_empty() { Ok(matrix) } else { Err(problems) }
}

/// How a file is written.
trait Form {
    fn parse<T: DeserializeOwned>(path: &str, text: &str) -> Result<T, Problem>;
}

/// As people write it.
struct Toml;

impl Form for Toml {
    fn parse<T: DeserializeOwned>(path: &str, text: &str) -> Result<T, Problem> {
        toml::from_str(text).map_err(|error| Problem {
            file: path.to_owned(),
            place: error.span().map(|span| place(text, span.start)),
            message: error.message().to_owned(),
        })
    }
}

/// As it is embedded.
struct Json;

impl Form for Json {
    fn parse<T: DeserializeOwned>(path: &str, text: &str) -> Result<T, Problem> {
        let problem =
            |error: serde_json::Error| Problem { file: path.to_owned(), place: None, message: error.to_string() };
        serde_json::from_str(text).map_err(problem)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sources {
    source: Vec<Source>,
}

fn add<F: Form>(matrix: &mut Matrix, path: &str, text: &str) -> Result<(), Problem> {
    let parts: Vec<&str> = path.split('/').collect();
    let id = |file: &str| file.trim_end_matches(".toml").to_owned();
    match parts.as_slice() {
        ["sources.toml"] => {
            for source in F::parse::<Sources>(path, text)?.source {
                if let Some(twice) = matrix.sources.insert(source.id.clone(), source) {
                    return Err(Problem {
                        file: path.to_owned(),
                        place: text.rfind(&format!("id = \"{}\"", twice.id)).map(|at| place(text, at)),
                        message: format!("the source `{}` stands here twice", twice.id),
                    });
                }
            }
        }
        ["codes.toml"] => matrix.codes = F::parse(path, text)?,
        ["systems", file] => matrix.systems.push(System { id: id(file), ..F::parse(path, text)? }),
        ["topics", file] => matrix.topics.push(Topic { id: id(file), ..F::parse(path, text)? }),
        ["products", file] => matrix.products.push(Product { id: id(file), ..F::parse(path, text)? }),
        ["gpus", _] => matrix.gpus.push(F::parse(path, text)?),
        ["rules", area, file] => {
            matrix.rules.push(Rule { id: id(file), area: (*area).to_owned(), ..F::parse(path, text)? });
        }
        _ => {
            return Err(Problem {
                file: path.to_owned(),
                place: None,
                message: "no such place: expected sources.toml, codes.toml, systems/ID.toml, topics/ID.toml, products/ID.toml, \
                          gpus/VENDOR.toml or rules/AREA/ID.toml"
                    .to_owned(),
            });
        }
    }
    Ok(())
}

/// Line and column of an offset, from 1; columns count characters.
pub(super) fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use std::path::Path;

    use super::*;

    fn problem(path: &str, text: &str) -> String {
        let source = "[[source]]\nid = \"documents\"\ntitle = \"D\"\ndate = \"2026\"\nbasis = \"documented\"\n";
        let files = [("sources.toml".to_owned(), source), (path.to_owned(), text)];
        load(&files).unwrap_err()[0].to_string()
    }

    const HEAD: &str = "name = \"X\"\nvendor = \"x\"\ntables = [\"apis\"]\norder = 1\nexists-on = [\"linux\"]\n";

    #[test]
    fn the_matrix_is_sound_and_embedded_as_it_stands_in_its_folder() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/matrix"));
        let written = crate::input::matrix(Some(folder)).unwrap_or_else(|problems| panic!("{problems}"));
        assert!(format!("{written:?}") == format!("{:?}", embedded().unwrap()), "the same by TOML and by JSON");
    }

    #[test]
    fn a_mistake_is_named_with_file_line_and_what_was_expected() {
        let support = "[[support]]\nid = \"x-linux\"\nenvironment = \"linux\"\ncurrent = \"supported\"\nsources = [\"documents\"]\n";
        for (path, text, expected) in [
            ("systems/x.toml", HEAD.replace("order = 1", "order = \"a\""), "systems/x.toml:4:9: invalid type"),
            (
                "systems/x.toml",
                HEAD.replace("order", "ordre"),
                "systems/x.toml:4:1: unknown field `ordre`, expected one of",
            ),
            (
                "systems/x.toml",
                HEAD.replace("apis", "apps"),
                "systems/x.toml:3:11: unknown variant `apps`, expected one of",
            ),
            ("systems/x.toml", format!("{HEAD}{support}versions = \"2.10\"\n"), "write `>=2.10`, `==2.10` or `2.10.*`"),
            (
                "systems/x.toml",
                format!("{HEAD}{}", support.replace("documents", "nobody")),
                "systems/x.toml:10:12: unknown source `nobody`",
            ),
            (
                "systems/x.toml",
                format!("{HEAD}{support}{support}"),
                "systems/x.toml:12:6: the id `x-linux` is used twice",
            ),
            (
                "systems/x.toml",
                format!("{HEAD}{}", support.replace("supported", "partial")),
                "systems/x.toml:7:6: `partial` needs a `current-note`",
            ),
            ("elsewhere/x.toml", String::new(), "elsewhere/x.toml: no such place"),
        ] {
            let message = problem(path, &text);
            assert!(message.contains(expected), "{message}\nshould say\n{expected}");
        }
    }
}
