//! What Poetry adds to pyproject.toml: packages as keys of tables, carets and tildes, groups and sources.
//!
//! References: Poetry's documentation of pyproject.toml and of dependency specification.

use super::toml_document::{At, Document, field};
use super::{Build, Content, Dependency, Fault, Role, Versions, dependency, versions};

/// Adds what Poetry's tables say. Where [project] lists dependencies, they say no more than where those come from.
pub(super) fn add(document: &Document<'_>, content: &mut Content) -> Result<(), Fault> {
    let mut sources = Vec::new();
    for source in document.items(&["tool", "poetry", "source"])? {
        sources.extend(field(source, "name").zip(field(source, "url")));
    }
    let listed = document.get(&["project", "dependencies"]).is_some();
    let mut tables = vec![(vec!["dependencies"], Role::Needed), (vec!["dev-dependencies"], Role::Needed)];
    let groups = document.entries(&["tool", "poetry", "group"])?;
    for (name, group) in &groups {
        let optional = group.get_ref().as_table().and_then(|group| group.get("optional"));
        let role = match optional.and_then(|optional| optional.get_ref().as_bool()) {
            Some(true) => Role::Optional(format!("the group `{name}`")),
            _ => Role::Needed,
        };
        tables.push((vec!["group", name, "dependencies"], role));
    }
    for (table, role) in tables {
        let path: Vec<&str> = ["tool", "poetry"].into_iter().chain(table.iter().copied()).collect();
        for (name, value) in document.entries(&path)? {
            if name == "python" {
                let mut python = constraint(document, &name, value)?;
                if let Versions::Wrong(message) = python.versions {
                    return Err(document.fault(value, message));
                }
                python.name = "python".to_owned();
                content.python = content.python.take().or(Some(python));
                continue;
            }
            let several = if value.get_ref().is_array() { document.list(value)? } else { vec![value] };
            for value in several {
                let mut found = constraint(document, &name, value)?;
                let address = field(value, "source").and_then(|one| sources.iter().find(|(name, _)| *name == one));
                let label = address.and_then(|(_, address)| dependency::label(address));
                let build = label.map(|label| Build { label, marker: String::new() });
                if listed && table == ["dependencies"] {
                    let same = content.dependencies.iter_mut().filter(|one| one.name == found.name);
                    same.for_each(|one| one.builds.extend(build.clone()));
                    continue;
                }
                found.builds.extend(build);
                if found.role == Role::Needed {
                    found.role = role.clone();
                }
                content.dependencies.push(found);
            }
        }
    }
    Ok(())
}

/// A package and what stands behind its name: a constraint, or a table with one.
fn constraint(document: &Document<'_>, name: &str, value: At<'_, '_>) -> Result<Dependency, Fault> {
    let mut found = Dependency::named(name, document.line(value));
    let Some(table) = value.get_ref().as_table() else {
        let text = value.get_ref().as_str();
        let text = text.ok_or_else(|| document.expected(value, "a constraint such as `\"^2.6\"`"))?;
        found.take(versions::poetry(text));
        return Ok(found);
    };
    if let Some(text) = field(value, "version") {
        found.take(versions::poetry(text));
    }
    if table.get("optional").and_then(|one| one.get_ref().as_bool()) == Some(true) {
        found.role = Role::Optional("an extra".to_owned());
    }
    if let Some(extras) = table.get("extras") {
        for extra in document.list(extras)? {
            found.extras.push(dependency::normal(document.text(extra)?));
        }
    }
    let python = field(value, "python").map(versions::poetry);
    found.marker = match (field(value, "markers"), field(value, "platform"), python) {
        (Some(marker), ..) => marker.to_owned(),
        (None, Some(platform), _) => format!("sys_platform == '{platform}'"),
        (None, None, Some(Versions::Within(range))) => of_python(range.text()),
        _ => String::new(),
    };
    let from = [("git", "a repository"), ("path", "a file"), ("file", "a file"), ("url", "a file")];
    found.from = from.iter().find(|(key, _)| table.contains_key(*key)).map(|(_, from)| *from);
    Ok(found)
}

/// A range of Pythons as a marker.
fn of_python(range: &str) -> String {
    let one = |condition: &str| {
        let end = condition.find(|c: char| c.is_ascii_digit()).unwrap_or(condition.len());
        let (sign, version) = condition.split_at(end);
        format!("python_full_version {sign} '{version}'")
    };
    range.split(',').map(one).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_poetry() {
        let text = r#"[tool.poetry.dependencies]
python = "^3.9"
torch = { version = "^2.2", source = "pytorch-cu121", markers = "sys_platform == 'linux'" }
jax = [
    { version = "0.4.20", python = "<3.10", extras = ["cuda12"] },
    { version = "~0.4.30", python = ">=3.10" },
]
tensorflow = { version = "*", optional = true }
[tool.poetry.group.serve.dependencies]
onnxruntime = "^1.2 || ^2"
[tool.poetry.group.extra]
optional = true
[tool.poetry.group.extra.dependencies]
openvino = { git = "https://example.org/openvino" }
[[tool.poetry.source]]
name = "pytorch-cu121"
url = "https://download.pytorch.org/whl/cu121"
"#;
        let document = Document::parse(text).unwrap();
        let mut content = Content::default();
        add(&document, &mut content).unwrap();
        let told: Vec<String> = content
            .dependencies
            .iter()
            .map(|one| {
                let range = match &one.versions {
                    Versions::Within(range) => range.text(),
                    Versions::Several(text) => text,
                    _ => "",
                };
                let build = one.builds.first().map_or("", |build| &build.label);
                format!("{} {}{range}|{}|{:?}|{build}|{:?}", one.place.line, one.name, one.marker, one.role, one.from)
            })
            .collect();
        assert_eq!(
            told,
            [
                "3 torch>=2.2,<3|sys_platform == 'linux'|Needed|cu121|None",
                "5 jax==0.4.20|python_full_version < '3.10'|Needed||None",
                "6 jax>=0.4.30,<0.5|python_full_version >= '3.10'|Needed||None",
                "8 tensorflow||Optional(\"an extra\")||None",
                "10 onnxruntime^1.2 || ^2||Needed||None",
                "14 openvino||Optional(\"the group `extra`\")||Some(\"a repository\")",
            ]
        );
        assert_eq!(content.python.unwrap().versions, versions::poetry("^3.9"));
        let document = Document::parse("[tool.poetry.dependencies]\ntorch = 5\n").unwrap();
        let fault = add(&document, &mut Content::default()).unwrap_err();
        assert_eq!((fault.line, fault.message.contains("such as `\"^2.6\"`")), (2, true));
    }
}
