//! Processor and memory, by the package `sysinfo`.
//!
//! Asked in a child, as everything that is not our own code. Cannot tell what a container's limits leave of the memory.

#[cfg(feature = "native")]
mod native;

use serde::{Deserialize, Serialize};

use crate::Probe;
use crate::fact::{Fact, Key, Kind, Scope, Value};
use crate::host::{Host, Missing, Query, Question};

/// See the module.
pub static PROBE: Probe = Probe {
    name: "machine",
    keys: &[&CPU, &CPU_CORES, &CPU_FEATURES, &MEMORY],
    ask,
    climb: None,
    #[cfg(feature = "native")]
    native: Some(native::answer),
    #[cfg(not(feature = "native"))]
    native: None,
    seconds: 5,
};

static CPU: Key = Key::new("cpu", Kind::Text, Scope::Host, "The processor's name.");
static CPU_CORES: Key = Key::new("cpu-cores", Kind::Number, Scope::Host, "Number of logical processors.");
static CPU_FEATURES: Key = Key::new(
    "cpu-features",
    Kind::Set,
    Scope::Host,
    "Instruction set extensions that frameworks ask for: `avx`, `avx2`, `avx512f`, `avx512vnni`, `fma`, `sve`.",
);
static MEMORY: Key = Key::new("memory-bytes", Kind::Number, Scope::Host, "Main memory in bytes.");

/// What the child tells.
#[derive(Serialize, Deserialize)]
struct Machine {
    cpu: String,
    cores: u64,
    memory_bytes: u64,
    features: Vec<String>,
}

fn ask(host: &dyn Host) -> Vec<Fact> {
    let question =
        Question::Native(Query { environment: Vec::new(), probe: PROBE.name.to_owned(), arguments: Vec::new() });
    let machine = host
        .ask(&question)
        .and_then(|json| serde_json::from_str::<Machine>(&json).map_err(|error| Missing::Garbled(error.to_string())));
    match machine {
        Ok(machine) => vec![
            CPU.host(Value::Text(machine.cpu), &question),
            CPU_CORES.host(Value::Number(machine.cores), &question),
            CPU_FEATURES.host(Value::Set(machine.features), &question),
            MEMORY.host(Value::Number(machine.memory_bytes), &question),
        ],
        Err(missing) => PROBE.keys.iter().map(|key| key.host(missing.clone(), &question)).collect(),
    }
}
