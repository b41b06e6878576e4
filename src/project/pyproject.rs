//! pyproject.toml: the lists of [project], dependency groups, and what uv adds to them.
//!
//! What is installed with the project is asked for; what is installed where somebody asks for it is told. uv installs the
//! group `dev` without being asked. References: the specifications of pyproject.toml and of dependency groups (PEP 621,
//! PEP 735), uv's documentation of its settings.

use std::collections::BTreeSet;

use super::toml_document::{At, Document, field};
use super::{Build, Content, Dependency, Fault, Include, Role, Versions, dependency, poetry, requirements, versions};

/// Reads one.
pub(super) fn parse(text: &str) -> Result<Content, Fault> {
    let document = Document::parse(text)?;
    let mut content = Content::default();
    if let Some(python) = document.get(&["project", "requires-python"]) {
        content.python = Some(requires_python(&document, python)?);
    }
    for one in document.items(&["project", "dependencies"])? {
        content.dependencies.push(requirement(&document, one, Role::Needed)?);
    }
    for (extra, list) in document.entries(&["project", "optional-dependencies"])? {
        for one in document.list(list)? {
            content.dependencies.push(requirement(&document, one, Role::Optional(format!("the extra `{extra}`")))?);
        }
    }
    groups(&document, &mut content)?;
    dynamic(&document, &mut content)?;
    poetry::add(&document, &mut content)?;
    by_uv(&document, &mut content)?;
    if content.dependencies.is_empty() && content.includes.is_empty() {
        content.remark(1, "no dependencies are listed in [project], in [dependency-groups] or for Poetry");
    }
    Ok(content)
}

fn requires_python(document: &Document<'_>, value: At<'_, '_>) -> Result<Dependency, Fault> {
    let mut python = Dependency::named("python", document.line(value));
    python.versions = versions::pep440(document.text(value)?);
    match &python.versions {
        Versions::Wrong(message) => Err(document.fault(value, message.clone())),
        _ => Ok(python),
    }
}

fn requirement(document: &Document<'_>, value: At<'_, '_>, role: Role) -> Result<Dependency, Fault> {
    let text = value.get_ref().as_str();
    let text = text.ok_or_else(|| document.expected(value, "a requirement such as `\"torch>=2.6\"`"))?;
    let found = Dependency::parse(text, document.line(value)).map_err(|message| document.fault(value, message))?;
    Ok(Dependency { role, ..found })
}

/// Dependency groups. Those that uv installs unasked, and all of a file without a project, are needed.
fn groups(document: &Document<'_>, content: &mut Content) -> Result<(), Fault> {
    let groups = document.entries(&["dependency-groups"])?;
    let mut needed: BTreeSet<String> = BTreeSet::from(["dev".to_owned()]);
    if let Some(named) = document.get(&["tool", "uv", "default-groups"]) {
        needed = match named.get_ref().as_str() {
            Some("all") => groups.iter().map(|(name, _)| dependency::normal(name)).collect(),
            _ => {
                let names = document.list(named)?.into_iter();
                names.map(|name| document.text(name).map(dependency::normal)).collect::<Result<_, _>>()?
            }
        };
    }
    if document.get(&["project"]).is_none() && document.get(&["tool", "poetry"]).is_none() {
        needed.extend(groups.iter().map(|(name, _)| dependency::normal(name)));
    }
    // What a needed group includes is needed, too. Every turn adds one or ends.
    loop {
        let mut more = BTreeSet::new();
        for (name, list) in groups.iter().filter(|(name, _)| needed.contains(&dependency::normal(name))) {
            for one in document.list(list)? {
                let Some(other) = field(one, "include-group").map(dependency::normal) else { continue };
                if !groups.iter().any(|(name, _)| dependency::normal(name) == other) {
                    return Err(
                        document.fault(one, format!("`{name}` includes the group `{other}`, which is not here"))
                    );
                }
                more.extend(Some(other).filter(|other| !needed.contains(other)));
            }
        }
        if more.is_empty() {
            break;
        }
        needed.extend(more);
    }
    for (name, list) in &groups {
        for one in document.list(list)?.into_iter().filter(|one| !one.get_ref().is_table()) {
            let role = match needed.contains(&dependency::normal(name)) {
                true => Role::Needed,
                false => Role::Optional(format!("the group `{name}`")),
            };
            content.dependencies.push(requirement(document, one, role)?);
        }
    }
    Ok(())
}

/// Lists that setuptools reads from files.
fn dynamic(document: &Document<'_>, content: &mut Content) -> Result<(), Fault> {
    let Some(files) = document.get(&["tool", "setuptools", "dynamic", "dependencies", "file"]) else { return Ok(()) };
    let files = if files.get_ref().is_array() { document.list(files)? } else { vec![files] };
    for file in files {
        let path = document.text(file)?.to_owned();
        content.includes.push(Include { path, line: document.line(file), constraint: false });
    }
    Ok(())
}

/// What uv adds: development packages of its older kind, limits, indexes, and where single packages come from.
fn by_uv(document: &Document<'_>, content: &mut Content) -> Result<(), Fault> {
    for (list, role) in [("dev-dependencies", Role::Needed), ("constraint-dependencies", Role::Constraint)] {
        for one in document.items(&["tool", "uv", list])? {
            content.dependencies.push(requirement(document, one, role.clone())?);
        }
    }
    let mut named = Vec::new();
    for index in document.items(&["tool", "uv", "index"])? {
        let Some(address) = field(index, "url") else { return Err(document.fault(index, "an index needs a `url`")) };
        // One that is explicit serves only the packages that name it.
        let explicit =
            index.get_ref().as_table().and_then(|index| index.get("explicit")).and_then(|one| one.get_ref().as_bool());
        if explicit == Some(true) {
            content
                .remark(document.line(index), format!("some packages are taken from {}", dependency::public(address)));
        } else {
            requirements::index(content, "--extra-index-url", address, document.line(index));
        }
        named.extend(field(index, "name").map(|name| (name, address)));
    }
    for (package, value) in document.entries(&["tool", "uv", "sources"])? {
        let package = dependency::normal(&package);
        let sources = if value.get_ref().is_array() { document.list(value)? } else { vec![value] };
        // Where an extra or a group must be asked for, nothing follows for who asks for none.
        for source in sources.into_iter().filter(|one| field(one, "extra").is_none() && field(one, "group").is_none()) {
            let index = field(source, "index").and_then(|index| named.iter().find(|(name, _)| *name == index));
            let address = index.map(|(_, address)| *address).or_else(|| field(source, "url"));
            let marker = field(source, "marker").unwrap_or_default().to_owned();
            let build = address.and_then(dependency::label).map(|label| Build { label, marker });
            let from = [("git", "a repository"), ("path", "a file"), ("url", "a file"), ("workspace", "this project")];
            let has = |key: &str| source.get_ref().as_table().is_some_and(|source| source.contains_key(key));
            let from = from.iter().find(|(key, _)| has(key)).map(|(_, from)| *from);
            for one in content.dependencies.iter_mut().filter(|one| one.name == package) {
                one.builds.extend(build.clone());
                one.from = one.from.or(from);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let one = |one: &Dependency| {
            let role = match &one.role {
                Role::Needed => "",
                Role::Optional(asked) => asked,
                Role::Constraint => "limit",
            };
            let range = match &one.versions {
                Versions::Within(range) => range.text(),
                _ => "",
            };
            let builds: Vec<String> =
                one.builds.iter().map(|build| format!("{}?{}", build.label, build.marker)).collect();
            format!("{} {}{range}|{role}|{}", one.place.line, one.name, builds.join(" "))
        };
        parse(text).unwrap().dependencies.iter().map(one).collect()
    }

    #[test]
    fn lists_extras_and_groups() {
        let text = r#"[project]
name = "x"
requires-python = ">=3.10"
dependencies = [
    "torch>=2.6",
    "numpy",
]
[project.optional-dependencies]
jax = ["jax[cuda12]"]
[dependency-groups]
dev = ["pytest", { include-group = "Onnx_" }]
onnx- = ["onnxruntime-gpu"]
docs = ["tensorflow"]
"#;
        assert_eq!(
            told(text),
            [
                "5 torch>=2.6||",
                "6 numpy||",
                "9 jax|the extra `jax`|",
                "11 pytest||",
                "12 onnxruntime-gpu||",
                "13 tensorflow|the group `docs`|"
            ]
        );
        let python = parse(text).unwrap().python.unwrap();
        assert_eq!((python.place.line, python.versions), (3, versions::pep440(">=3.10")));
    }

    #[test]
    fn uv_says_which_build_where() {
        let text = r#"[project]
dependencies = ["torch"]
[tool.uv.sources]
torch = [
    { index = "pytorch-cpu", marker = "sys_platform != 'linux'" },
    { index = "pytorch-cu128", marker = "sys_platform == 'linux'" },
    { index = "pytorch-cu126", extra = "old" },
]
[[tool.uv.index]]
name = "pytorch-cpu"
url = "https://download.pytorch.org/whl/cpu"
explicit = true
[[tool.uv.index]]
name = "pytorch-cu128"
url = "https://download.pytorch.org/whl/cu128"
explicit = true
"#;
        assert_eq!(told(text), ["2 torch||cpu?sys_platform != 'linux' cu128?sys_platform == 'linux'"]);
        assert_eq!(parse(text).unwrap().builds, [], "an explicit index serves who names it");
    }

    #[test]
    fn a_mistake_has_its_line() {
        for (text, line, says) in [
            ("[project]\ndependencies = \"torch\"\n", 2, "expected a list"),
            ("[project]\ndependencies = [\n  \"torch\",\n  5]\n", 4, "expected a requirement such as"),
            ("[project]\ndependencies = [\"torch 2\"]\n", 2, "expected versions"),
            ("[project]\nrequires-python = \"3.10\"\n", 2, "expected versions"),
            ("[project\n", 1, "unclosed table"),
            ("[dependency-groups]\ndev = [{include-group = \"x\"}]\n", 2, "`dev` includes the group `x`"),
        ] {
            let fault = parse(text).unwrap_err();
            assert_eq!(fault.line, line, "{text}");
            assert!(fault.message.contains(says), "{text}: {}", fault.message);
        }
    }
}
