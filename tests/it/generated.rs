//! What is generated from data and code is current in README.md and docs/. ACCELPROBE_BLESS=1 writes it anew.

use std::collections::BTreeMap;
use std::path::Path;

use accelprobe_probes::PROBES;

use crate::tool::{root, run};

/// Compares a file with what it should hold, or writes it where that is asked for.
pub fn check(path: &Path, expected: &str) {
    if std::env::var_os("ACCELPROBE_BLESS").is_some() {
        std::fs::write(path, expected).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    let differ = expected.lines().zip(found.lines()).find(|(expected, found)| expected != found);
    let again = "run the tests once with ACCELPROBE_BLESS=1";
    assert!(found == expected, "{} is not current: {again}; the first other line: {differ:#?}", path.display());
}

/// A document with the part between two marks replaced.
fn with_part(path: &Path, name: &str, part: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{} has no mark {begin}", path.display()));
    let (_, behind) = rest.split_once(&end).unwrap_or_else(|| panic!("{} has no mark {end}", path.display()));
    format!("{before}{begin}{part}{end}{behind}")
}

#[test]
fn readme_and_docs_hold_the_tables_byte_for_byte() {
    let tables = run(&["matrix", "--format", "markdown"]).out;
    for name in ["README.md", "docs/matrix.md"] {
        let path = root().join(name);
        check(&path, &with_part(&path, "matrix", &tables));
    }
}

#[test]
fn the_transcripts_in_the_readme_are_what_the_program_prints() {
    let readme = root().join("README.md");
    let healthy = "fixtures/linux-no-gpu-healthy.toml";
    let mismatch = "fixtures/linux-rtx4090-nvml-driver-library-mismatch.toml";
    for (name, shown, arguments) in [
        ("healthy", "accelprobe doctor", vec!["doctor", "--from", healthy]),
        (
            "want",
            "accelprobe doctor --set environment=windows --want 'tensorflow>=2.11'",
            vec!["doctor", "--from", healthy, "--set", "environment=windows", "--want", "tensorflow>=2.11"],
        ),
        ("mismatch", "accelprobe doctor --only cuda", vec!["doctor", "--from", mismatch, "--only", "cuda"]),
    ] {
        let out = crate::tool::ran(crate::tool::tool(&arguments).current_dir(root()).output().unwrap()).out;
        check(&readme, &with_part(&readme, name, &format!("```text\n$ {shown}\n{out}```\n")));
    }
}

#[test]
fn the_schemas_in_docs_are_those_that_are_printed() {
    check(&root().join("docs/diagnosis.schema.json"), &run(&["schema"]).out);
    check(&root().join("docs/description.schema.json"), &run(&["schema", "--of", "description"]).out);
}

#[test]
fn the_reference_of_facts_is_current() {
    let row = |key: &accelprobe_probes::fact::Key| {
        let (kind, scope) = (format!("{:?}", key.kind).to_lowercase(), format!("{:?}", key.scope).to_lowercase());
        format!("| `{}` | {kind} | {scope} | {} |\n", key.name, key.doc)
    };
    let mut page = String::from(
        "# Facts\n\nEvery fact that a probe can tell, by probe. Rules of the matrix, `--set` and recordings use these names.\n",
    );
    for probe in PROBES {
        page.push_str(&format!(
            "\n## {}\n\n| fact | kind | about | meaning |\n| --- | --- | --- | --- |\n",
            probe.name
        ));
        probe.keys.iter().for_each(|key| page.push_str(&row(key)));
    }
    page.push_str(
        "\n## derived\n\nWhat follows from other facts and from the matrix. Rules use these, too.\n\n\
         | fact | kind | about | meaning |\n| --- | --- | --- | --- |\n",
    );
    accelprobe::matrix::condition::derived().iter().for_each(|key| page.push_str(&row(key)));
    check(&root().join("docs/facts.md"), &page);
}

/// What a page about the rules of an area is called.
fn area_title(area: &str) -> &str {
    match area {
        "accelerators" => "Intel, Gaudi and Graphcore",
        "apple" => "Apple",
        "drivers" => "Vulkan, OpenCL, Direct3D and WebGPU",
        "environment" => "Windows, WSL, containers and Python",
        "nvidia" => "NVIDIA",
        "packages" => "Python packages",
        "rocm" => "AMD and ROCm",
        other => panic!("name the area {other} here"),
    }
}

#[test]
fn the_reference_of_rules_is_current() {
    let matrix = accelprobe::matrix::embedded().unwrap();
    let mut pages: BTreeMap<&str, String> = BTreeMap::new();
    let mut index = String::from(
        "# Rules\n\nEvery rule on facts, by area. The pages hold what `accelprobe explain RULE` tells; [CODES.md](CODES.md) says what the \
         codes mean.\n",
    );
    for rule in &matrix.rules {
        let title = area_title(&rule.area);
        let page = pages.entry(&rule.area).or_insert_with(|| {
            let file = format!("rules/{}.md", rule.area);
            index.push_str(&format!(
                "\n## [{title}]({file})\n\n| rule | what must hold | else |\n| --- | --- | --- |\n"
            ));
            format!("# Rules: {title}\n")
        });
        index.push_str(&format!(
            "| [{0}](rules/{1}.md#{0}) | {2} | {3} `{4}` |\n",
            rule.id,
            rule.area,
            rule.title,
            rule.severity.word(),
            rule.code
        ));
        let told = run(&["explain", &rule.id, "--format", "markdown"]).out;
        // The rule's own part, behind what is told of a code or a system of the same name, with a place to be linked to.
        let heading = format!("### {}\n", rule.title);
        let (_, own) = told.split_once(&heading).unwrap_or_else(|| panic!("{heading} is not in {told}"));
        page.push_str(&format!("\n## {}\n\n**{}**\n{own}", rule.id, rule.title));
    }
    check(&root().join("docs/rules.md"), &index);
    for (area, page) in &pages {
        check(&root().join(format!("docs/rules/{area}.md")), page);
    }
    let files = std::fs::read_dir(root().join("docs/rules")).unwrap();
    assert_eq!(files.count(), pages.len(), "a page of docs/rules is of no area");
}

#[test]
fn the_reference_of_codes_is_current() {
    let matrix = accelprobe::matrix::embedded().unwrap();
    let mut page = String::from(
        "# Codes of findings\n\nScripts may rely on these. `accelprobe explain CODE` tells the same, with the rows of the rules. Beside these \
         there is SYSTEM-STATE, as in `cuda-broken`: a system is wanted, and that is its state.\n\n| code | meaning | given by |\n\
         | --- | --- | --- |\n",
    );
    for (code, meaning) in &matrix.codes {
        let rules = matrix.rules.iter().filter(|rule| rule.code == *code);
        let rules = rules.map(|rule| format!("[{0}](rules/{1}.md#{0})", rule.id, rule.area));
        let systems = matrix.systems.iter();
        let statements =
            systems.flat_map(|system| &system.support).filter(|support| support.code.as_ref() == Some(code));
        let by: Vec<String> = rules.chain(statements.map(|support| support.id.clone())).collect();
        let by = if by.is_empty() { "`--want`".to_owned() } else { by.join(", ") };
        page.push_str(&format!("| `{code}` | {} | {by} |\n", meaning.replace('|', "\\|")));
    }
    check(&root().join("docs/CODES.md"), &page);
}
