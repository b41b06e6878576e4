//! Every system of the matrix has a probe, a page, and recordings in which it works and in which it does not: the table of
//! docs/SYSTEMS.md, made from the recordings.

use std::collections::BTreeMap;

use crate::generated::check;
use crate::tool::{json, root, run, system, tool};

/// The recordings by the state that a system has in them, best state first, then by name.
type ByState = BTreeMap<usize, Vec<String>>;

/// All states, as they stand in the table.
const STATES: [&str; 10] = [
    "working",
    "software-only",
    "masked",
    "blocked",
    "broken",
    "crashed",
    "timed-out",
    "not-installed",
    "not-applicable",
    "unknown",
];
/// As many recordings are named for a state.
const NAMED: usize = 2;

fn recordings() -> BTreeMap<String, ByState> {
    let mut found: BTreeMap<String, ByState> = BTreeMap::new();
    for path in crate::replay::fixtures() {
        let diagnosis = json(&mut tool(&["doctor", "--json", "--from", path.to_str().unwrap()]));
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        for system in diagnosis["systems"].as_array().unwrap() {
            let state = system["state"].as_str().unwrap();
            let place = STATES.iter().position(|known| *known == state).unwrap();
            let states = found.entry(system["id"].as_str().unwrap().to_owned()).or_default();
            states.entry(place).or_default().push(name.clone());
        }
    }
    found
}

#[test]
fn every_system_is_probed_and_recorded_working_and_not() {
    let matrix = accelprobe::matrix::embedded().unwrap();
    let recordings = recordings();
    let mut page = String::from(
        "# Systems\n\nEvery system of the matrix: where it can exist, and the recordings of fixtures/ that show it in each \
         state, two for a state. `accelprobe explain SYSTEM` prints its page, `accelprobe matrix` its row. States that no \
         recording shows are tested in the probe's own file.\n\n| system | can exist on | recordings by state |\n| --- | --- | --- |\n",
    );
    for one in &matrix.systems {
        assert!(accelprobe_probes::PROBES.iter().any(|probe| probe.name == one.id), "{} has no probe", one.id);
        assert!(!one.tables.is_empty(), "{} has no row", one.id);
        let explained = run(&["explain", &one.id]);
        assert!(explained.code == 0 && explained.out.len() > 200, "{}: {}", one.id, explained.out);
        let states = &recordings[&one.id];
        // On a CPU alone is how some systems work at best.
        let works = states.keys().any(|state| *state < 2);
        let fails = states.keys().any(|state| (2..8).contains(state));
        assert!(works, "no recording shows {} working", one.id);
        assert!(fails, "no recording shows {} failing or absent where it could exist", one.id);
        let home: Vec<&str> = one.exists_on.iter().map(|environment| environment.title()).collect();
        let home = home.join(", ");
        let cells = states.iter().map(|(state, names)| {
            let named: Vec<String> = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
            let more = if names.len() > NAMED { format!(" and {} more", names.len() - NAMED) } else { String::new() };
            format!("{}: {}{more}", STATES[*state], named.join(", "))
        });
        let cells: Vec<String> = cells.collect();
        page.push_str(&format!("| {} (`{}`) | {home} | {} |\n", one.name, one.id, cells.join("<br>")));
    }
    check(&root().join("docs/SYSTEMS.md"), &page);
}

#[test]
fn no_recording_leaves_a_system_unknown_that_its_machine_could_tell() {
    for path in crate::replay::fixtures() {
        let diagnosis = json(&mut tool(&["doctor", "--json", "--from", path.to_str().unwrap()]));
        let unknown: Vec<&str> = diagnosis["systems"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|system| system["state"] == "unknown")
            .map(|system| system["id"].as_str().unwrap())
            .collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", path.display());
        assert_ne!(system(&diagnosis, "cuda")["detail"], "");
    }
}
