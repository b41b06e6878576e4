//! What a project asks for: requirements.txt, pyproject.toml, and conda's environment.yml.
//!
//! Each kind of file has a reader that knows text alone and no machine. Here is what they have in common, and the way
//! from a file to the files that it names. Which packages are judged, and which markers hold, is
//! settled in `judge/project.rs`, where the machine is known.

mod conda;
mod dependency;
mod poetry;
mod pyproject;
mod requirements;
mod toml_document;
mod versions;

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use accelprobe_probes::version::Range;

use crate::spec::Part;

/// As deep may files name one another.
const DEEPEST: usize = 10;
/// As many files may belong to one project.
const MOST: usize = 100;

/// What the files of a project ask for.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// The files that the user named, with what they name in turn.
    pub files: Vec<File>,
}

/// A file that the user named.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name, without the folders in front.
    pub name: String,
    /// What it turned out to be.
    pub kind: Kind,
    /// What it says, and what the files say that it names.
    pub content: Content,
}

/// The kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A requirements file of pip.
    Requirements,
    /// A pyproject.toml.
    Pyproject,
    /// An environment file of conda.
    Conda,
}

/// What a file says.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// Packages that are asked for, in the order of the file.
    pub dependencies: Vec<Dependency>,
    /// Which Python is asked for.
    pub python: Option<Dependency>,
    /// Builds that packages are taken from, where an index or a package of conda's names one for all of them.
    pub builds: Vec<Build>,
    /// What is worth saying of the file.
    pub remarks: Vec<Remark>,
    /// Other files that belong to it.
    includes: Vec<Include>,
}

/// A package that is asked for.
#[derive(Clone, Debug)]
pub struct Dependency {
    /// Its name, in the form in which names are compared.
    pub name: String,
    /// Its extras.
    pub extras: Vec<String>,
    /// What must compute, where the words say so.
    pub part: Option<Part>,
    /// Which versions.
    pub versions: Versions,
    /// Which builds, the first whose marker holds.
    pub builds: Vec<Build>,
    /// Where it is asked for; everywhere where it is empty.
    pub marker: String,
    /// How it is asked for.
    pub role: Role,
    /// Where it comes from, where that is no index.
    pub from: Option<&'static str>,
    /// Where it stands.
    pub place: Place,
}

/// Which versions are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Versions {
    /// Any.
    Any,
    /// Those in a range.
    Within(Range),
    /// Those in one of several ranges, in the words of the file.
    Several(String),
    /// The words make no sense; what was expected.
    Wrong(String),
}

/// A build that is asked for, by its label: `cu126`, `cpu`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// The label.
    pub label: String,
    /// Where it is asked for; everywhere where it is empty.
    pub marker: String,
}

/// How a package is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is installed with the project.
    Needed,
    /// It is installed where somebody asks for this: "the extra `gpu`".
    Optional(String),
    /// It is not installed for this, but limited by it.
    Constraint,
}

/// A line of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file's name as it is shown; empty while the file is read.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

/// Something worth saying of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// What it is about.
    pub place: Place,
    /// One sentence.
    pub text: String,
}

/// A file that another one names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Include {
    path: String,
    line: usize,
    /// Whether it limits versions alone.
    constraint: bool,
}

/// Something that cannot be read, with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    line: usize,
    message: String,
}

impl Place {
    fn at(line: usize) -> Place {
        Place { file: String::new(), line }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {} of {}", self.line, self.file)
    }
}

impl Content {
    fn remark(&mut self, line: usize, text: impl Into<String>) {
        self.remarks.push(Remark { place: Place::at(line), text: text.into() });
    }

    /// Everything that stands nowhere yet stands in this file.
    fn named(mut self, file: &str) -> Content {
        let dependencies = self.dependencies.iter_mut().map(|one| &mut one.place);
        let remarks = self.remarks.iter_mut().map(|one| &mut one.place);
        for place in dependencies.chain(self.python.iter_mut().map(|one| &mut one.place)).chain(remarks) {
            file.clone_into(&mut place.file);
        }
        self
    }

    fn add(&mut self, other: Content) {
        self.dependencies.extend(other.dependencies);
        self.python = self.python.take().or(other.python);
        self.builds.extend(other.builds);
        self.remarks.extend(other.remarks);
    }
}

/// Reads files of a project and what they name. `text_of` reads one file; nothing else is touched.
pub fn read(paths: &[PathBuf], text_of: &dyn Fn(&Path) -> Result<String, String>) -> Result<Project, String> {
    let mut files = Vec::new();
    for path in paths {
        let mut reader = Reader { text_of, done: BTreeSet::new() };
        let text = text_of(path)?;
        let shown = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
        let kind = kind(path, &text).map_err(|message| format!("{shown}: {message}"))?;
        let name = name_of(path);
        let content = reader.content(path, &name, kind, &text, &mut Vec::new())?;
        files.push(File { name, kind, content });
    }
    Ok(Project { files })
}

struct Reader<'a> {
    text_of: &'a dyn Fn(&Path) -> Result<String, String>,
    /// What was read already: a file that two others name counts once.
    done: BTreeSet<(PathBuf, bool)>,
}

impl Reader<'_> {
    /// What a file says, and what the files say that it names. `above` are those by which it was reached.
    fn content(
        &mut self,
        path: &Path,
        name: &str,
        kind: Kind,
        text: &str,
        above: &mut Vec<PathBuf>,
    ) -> Result<Content, String> {
        let parsed = match kind {
            Kind::Requirements => requirements::parse(text),
            Kind::Pyproject => pyproject::parse(text),
            Kind::Conda => conda::parse(text),
        };
        let at = |line: usize, message: &str| format!("{}:{line}: {message}", path.display());
        let mut content = parsed.map_err(|fault| at(fault.line, &fault.message))?.named(name);
        above.push(plain(path));
        for include in std::mem::take(&mut content.includes) {
            let named = path.parent().unwrap_or(Path::new("")).join(&include.path);
            let other = plain(&named);
            if above.contains(&other) {
                return Err(at(include.line, &format!("`{}` leads back to itself", include.path)));
            }
            if above.len() >= DEEPEST || self.done.len() >= MOST {
                let limit = format!("expected no more than {DEEPEST} files that name one another, and {MOST} in all");
                return Err(at(include.line, &limit));
            }
            if !self.done.insert((other, include.constraint)) {
                continue;
            }
            let text = (self.text_of)(&named).map_err(|message| at(include.line, &message))?;
            let mut added = self.content(&named, &name_of(&named), Kind::Requirements, &text, above)?;
            if include.constraint {
                added.dependencies.iter_mut().for_each(|one| one.role = Role::Constraint);
            }
            content.add(added);
        }
        above.pop();
        Ok(content)
    }
}

/// What a file is, by its name and else by its text.
fn kind(path: &Path, text: &str) -> Result<Kind, String> {
    const EXPECTED: &str = "expected a requirements.txt, a pyproject.toml or an environment.yml";
    let name = name_of(path).to_lowercase();
    let starts = |starts: &[&str]| text.lines().any(|line| starts.iter().any(|start| line.starts_with(start)));
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending {
        "toml" if name.starts_with("pyproject") || starts(&["[project", "[tool.", "[dependency-groups"]) => {
            Ok(Kind::Pyproject)
        }
        "yml" | "yaml" if starts(&["dependencies:", "\"dependencies\":"]) => Ok(Kind::Conda),
        "yml" | "yaml" => Err(format!("no line begins with `dependencies:`; {EXPECTED}")),
        "toml" | "lock" | "py" | "cfg" | "json" | "ipynb" | "md" | "rst" => Err(EXPECTED.to_owned()),
        "txt" | "in" | "pip" => Ok(Kind::Requirements),
        _ if name == "pipfile" => Err(EXPECTED.to_owned()),
        _ if starts(&["dependencies:"]) => Ok(Kind::Conda),
        _ if starts(&["[project]", "[tool.", "[dependency-groups]", "[build-system]"]) => Ok(Kind::Pyproject),
        _ => Ok(Kind::Requirements),
    }
}

/// The last part of a path: what stands in front may say who the user is.
fn name_of(path: &Path) -> String {
    match path.file_name() {
        _ if path == Path::new("-") => "standard input".to_owned(),
        Some(name) => name.to_string_lossy().into_owned(),
        None => path.display().to_string(),
    }
}

/// A path without `.` and without what `..` takes back, so that two ways to one file are seen as one.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        let named = matches!(plain.components().next_back(), Some(Component::Normal(_)));
        match part {
            Component::CurDir => {}
            Component::ParentDir if named => _ = plain.pop(),
            part => plain.push(part),
        }
    }
    plain
}
