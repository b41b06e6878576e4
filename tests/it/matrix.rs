//! The linters of the matrix, one for each invariant that its loader does not already hold.

use std::collections::BTreeSet;

use accelprobe::matrix::{self, Edition, Matrix, Relation, Table, Verdict};

use crate::tool::{root, run};

fn matrix() -> Matrix {
    matrix::embedded().unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// The claims of the documents, one id a line.
fn expected_claims() -> BTreeSet<String> {
    let list = std::fs::read_to_string(root().join("tests/it/claims.txt")).unwrap();
    list.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn all_152_claims_of_the_documents_are_encoded_once() {
    let matrix = matrix();
    let encoded: Vec<&str> = matrix.claims().map(String::as_str).collect();
    assert_eq!(encoded.len(), 152, "each claim in one place");
    let encoded: BTreeSet<String> = encoded.into_iter().map(str::to_owned).collect();
    assert_eq!(encoded, expected_claims());
}

#[test]
fn all_72_newer_findings_stand_beside_their_claims() {
    let matrix = matrix();
    let ids: BTreeSet<String> = matrix.newer().map(|newer| newer.id.clone()).collect();
    assert_eq!(ids, (1..=72).map(|number| format!("U{number:03}")).collect());
    let known = expected_claims();
    for newer in matrix.newer() {
        assert!(!newer.claims.is_empty());
        assert!(newer.claims.iter().all(|claim| known.contains(claim)), "{}", newer.id);
    }
}

/// Only where the facts that the claims were read from lie beside the project.
#[test]
fn the_claims_are_those_of_the_facts() {
    let facts = root().join("../shared/facts");
    let Ok(documents) = std::fs::read_to_string(facts.join("documents.toml")) else { return };
    let documents: toml::Table = documents.parse().unwrap();
    let ids = documents["rule"].as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap().to_owned());
    assert_eq!(ids.collect::<BTreeSet<_>>(), expected_claims());
    let upstream: toml::Table = std::fs::read_to_string(facts.join("upstream.toml")).unwrap().parse().unwrap();
    let matrix = matrix();
    for finding in upstream["finding"].as_array().unwrap() {
        let id = finding["id"].as_str().unwrap();
        let newer = matrix.newer().find(|newer| newer.id == id).unwrap();
        let relation = match newer.relation {
            Relation::Agrees => "agrees",
            Relation::Refines => "refines",
            Relation::Contradicts => "contradicts",
        };
        assert_eq!(relation, finding["relation"].as_str().unwrap(), "{id}");
        let claims: BTreeSet<&str> =
            finding["claims"].as_array().unwrap().iter().filter_map(|claim| claim.as_str()).collect();
        assert_eq!(newer.claims.iter().map(String::as_str).collect::<BTreeSet<_>>(), claims, "{id}");
    }
}

#[test]
fn every_source_is_cited() {
    let matrix = matrix();
    let mut cited: BTreeSet<&str> = BTreeSet::from(["documents"]);
    for system in &matrix.systems {
        cited.extend(system.support.iter().flat_map(|support| &support.sources).map(String::as_str));
        cited.extend(system.setup.iter().flat_map(|setup| &setup.sources).map(String::as_str));
    }
    let ways = matrix.topics.iter().flat_map(|topic| &topic.setup);
    cited.extend(ways.flat_map(|setup| &setup.sources).map(String::as_str));
    cited.extend(matrix.newer().map(|newer| newer.source.as_str()));
    cited.extend(matrix.rules.iter().flat_map(|rule| &rule.sources).map(String::as_str));
    cited.extend(matrix.products.iter().map(|product| product.source.as_str()));
    let builds = matrix.products.iter().flat_map(|product| &product.build).flat_map(|build| &build.sources);
    let gpus = matrix.gpus.iter().flat_map(|gpus| &gpus.family).flat_map(|family| &family.sources);
    cited.extend(builds.chain(gpus).map(String::as_str));
    let idle: Vec<&String> = matrix.sources.keys().filter(|id| !cited.contains(id.as_str())).collect();
    assert!(idle.is_empty(), "{idle:?}");
}

#[test]
fn sources_stand_sorted() {
    let text = std::fs::read_to_string(root().join("matrix/sources.toml")).unwrap();
    let ids: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("id = ")).collect();
    assert!(ids.is_sorted(), "{ids:?}");
}

#[test]
fn there_is_a_system_for_every_row_and_every_row_has_cells() {
    let matrix = matrix();
    let ids: BTreeSet<&str> = matrix.systems.iter().map(|system| system.id.as_str()).collect();
    assert_eq!(ids.len(), 18);
    // Eight of the documents, and WebGPU, which newer runtimes compute with.
    for (table, rows) in [(Table::Apis, 9), (Table::Accelerators, 5), (Table::Engines, 5), (Table::Frameworks, 4)] {
        assert_eq!(matrix.systems.iter().filter(|system| system.tables.contains(&table)).count(), rows, "{table:?}");
    }
    let tables: serde_json::Value = serde_json::from_str(&run(&["matrix", "--json"]).out).unwrap();
    for table in tables["tables"].as_array().unwrap() {
        let columns = table["columns"].as_array().unwrap().len();
        for row in table["rows"].as_array().unwrap() {
            let cells = row["cells"].as_array().unwrap();
            assert_eq!(cells.len(), columns);
            assert!(cells.iter().all(|cell| !cell["text"].as_str().unwrap().is_empty()), "{row:#}");
        }
    }
}

#[test]
fn a_cell_that_newer_sources_contradict_has_a_dated_footnote() {
    let tables: serde_json::Value = serde_json::from_str(&run(&["matrix", "--json"]).out).unwrap();
    let apis = &tables["tables"][0];
    let row = apis["rows"].as_array().unwrap().iter().find(|row| row["system"] == "rocm").unwrap();
    let wsl2 = &row["cells"][2];
    assert_eq!(wsl2["verdict"], "unsupported");
    let number = wsl2["footnotes"].as_array().unwrap()[0].as_u64().unwrap();
    let note = apis["footnotes"].as_array().unwrap().iter().find(|note| note["number"] == number).unwrap();
    assert!(
        note["text"].as_str().unwrap().contains("AMD") && note["date"].as_str().unwrap().starts_with("20"),
        "{note:#}"
    );
}

#[test]
fn the_documents_win_by_default_and_the_newest_statement_on_request() {
    let matrix = matrix();
    let system = |id: &str| matrix.system(id).unwrap();
    let verdict = |id: &str, statement: &str, edition| {
        let support = system(id).support.iter().find(|support| support.id == statement);
        support.unwrap_or_else(|| panic!("{statement}")).verdict(edition)
    };
    assert_eq!(verdict("rocm", "rocm-wsl2", Edition::Documents), Verdict::Unsupported);
    assert_eq!(verdict("rocm", "rocm-wsl2", Edition::Current), Verdict::Partial);
    assert_eq!(verdict("directml", "directml-wsl2", Edition::Documents), Verdict::Unsupported);
    assert_eq!(verdict("directml", "directml-wsl2", Edition::Current), Verdict::Partial);
}

#[test]
fn every_rule_is_fired_by_a_fixture() {
    let mut fired: BTreeSet<String> = BTreeSet::new();
    for (_, diagnosis) in crate::replay::diagnoses() {
        let findings = diagnosis["findings"].as_array().unwrap().iter();
        for finding in findings {
            let consequences = finding["consequences"].as_array().unwrap().iter();
            let rules =
                std::iter::once(finding).chain(consequences).map(|told| told["rule"].as_str().unwrap().to_owned());
            fired.extend(rules);
        }
    }
    let rules: BTreeSet<String> = matrix().rules.iter().map(|rule| rule.id.clone()).collect();
    let idle: Vec<&String> = rules.difference(&fired).collect();
    assert!(idle.is_empty(), "no recording fires {idle:?}");
}
