//! From files to a [`Matrix`], with errors that name file, line and column.

use std::fmt;
use std::thread;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Gpus, Matrix, Product, Rule, Source, System, Topic, check};

/// The files of `matrix/` as they were when the program was built: path below it, and text.
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

/// The matrix that the program was built with.
pub fn embedded() -> Result<Matrix, Vec<Problem>> {
    load(EMBEDDED.iter().map(|(path, text)| ((*path).to_owned(), *text)))
}

/// A matrix from files: the path below the matrix folder with `/` between its parts, and the text.
pub fn load<T: AsRef<str> + Sync>(files: impl IntoIterator<Item = (String, T)>) -> Result<Matrix, Vec<Problem>> {
    let files: Vec<(String, T)> = files.into_iter().collect();
    let mut matrix = Matrix::default();
    let mut problems = Vec::new();
    for ((path, text), read) in files.iter().zip(read_all(&files)) {
        if let Err(problem) = read.and_then(|file| add(&mut matrix, file, path, text.as_ref())) {
            problems.push(problem);
        }
    }
    matrix.systems.sort_by_key(|system| system.order);
    if problems.is_empty() {
        let text_of = |file: &str| files.iter().find(|(path, _)| path == file).map_or("", |(_, text)| text.as_ref());
        problems = check::all(&matrix, &text_of);
    }
    match problems.is_empty() {
        true => Ok(matrix),
        false => Err(problems),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sources {
    source: Vec<Source>,
}

/// What a file turned out to hold.
enum File {
    Sources(Vec<Source>),
    System(System),
    Topic(Topic),
    Product(Product),
    Gpus(Gpus),
    Rule(Rule),
}

/// Reads all files, in their order. Reading is most of what a start costs, so two threads share it.
fn read_all<T: AsRef<str> + Sync>(files: &[(String, T)]) -> Vec<Result<File, Problem>> {
    let read_these =
        |files: &[(String, T)]| -> Vec<_> { files.iter().map(|(path, text)| read(path, text.as_ref())).collect() };
    let all: usize = files.iter().map(|(_, text)| text.as_ref().len()).sum();
    let mut before = 0;
    let middle = files.iter().position(|(_, text)| {
        before += text.as_ref().len();
        before * 2 > all
    });
    let (first, second) = files.split_at(middle.unwrap_or(0));
    thread::scope(|scope| {
        let beside = thread::Builder::new().spawn_scoped(scope, || read_these(second));
        let mut read = read_these(first);
        // Where no more threads may be started, one half waits for the other.
        read.extend(match beside.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(rest)) => rest,
            _ => read_these(second),
        });
        read
    })
}

fn read(path: &str, text: &str) -> Result<File, Problem> {
    let parts: Vec<&str> = path.split('/').collect();
    let id = |file: &str| file.trim_end_matches(".toml").to_owned();
    Ok(match parts.as_slice() {
        ["sources.toml"] => File::Sources(parse::<Sources>(path, text)?.source),
        ["systems", file] => File::System(System { id: id(file), ..parse(path, text)? }),
        ["topics", file] => File::Topic(Topic { id: id(file), ..parse(path, text)? }),
        ["products", file] => File::Product(Product { id: id(file), ..parse(path, text)? }),
        ["gpus", _] => File::Gpus(parse(path, text)?),
        ["rules", area, file] => File::Rule(Rule { id: id(file), area: (*area).to_owned(), ..parse(path, text)? }),
        _ => {
            return Err(Problem {
                file: path.to_owned(),
                place: None,
                message: "no such place: expected sources.toml, systems/ID.toml, topics/ID.toml, products/ID.toml, \
                          gpus/VENDOR.toml or rules/AREA/ID.toml"
                    .to_owned(),
            });
        }
    })
}

fn add(matrix: &mut Matrix, file: File, path: &str, text: &str) -> Result<(), Problem> {
    match file {
        File::Sources(sources) => {
            for source in sources {
                let twice = Problem {
                    file: path.to_owned(),
                    place: text.find(&format!("id = \"{}\"", source.id)).map(|at| place(text, at)),
                    message: format!("the source `{}` stands here twice", source.id),
                };
                if matrix.sources.insert(source.id.clone(), source).is_some() {
                    return Err(twice);
                }
            }
        }
        File::System(system) => matrix.systems.push(system),
        File::Topic(topic) => matrix.topics.push(topic),
        File::Product(product) => matrix.products.push(product),
        File::Gpus(gpus) => matrix.gpus.push(gpus),
        File::Rule(rule) => matrix.rules.push(rule),
    }
    Ok(())
}

fn parse<T: DeserializeOwned>(path: &str, text: &str) -> Result<T, Problem> {
    toml::from_str(text).map_err(|error| Problem {
        file: path.to_owned(),
        place: error.span().map(|span| place(text, span.start)),
        message: error.message().to_owned(),
    })
}

/// Line and column of an offset, from 1; columns count characters.
pub(super) fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn problem(path: &str, text: &str) -> String {
        let source = "[[source]]\nid = \"documents\"\ntitle = \"D\"\ndate = \"2026\"\nbasis = \"documented\"\n";
        let files = [("sources.toml".to_owned(), source), (path.to_owned(), text)];
        load(files).unwrap_err()[0].to_string()
    }

    const HEAD: &str = "name = \"X\"\nvendor = \"x\"\ntables = [\"apis\"]\norder = 1\nexists-on = [\"linux\"]\n";

    #[test]
    fn the_embedded_matrix_is_sound() {
        let problems = embedded().err().unwrap_or_default();
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "{}", lines.join("\n"));
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
