//! The JSON Schema of machine descriptions, for editors and for programs that write them. TOML maps to JSON as it stands.

use accelprobe_probes::fact::{Key, Kind};
use serde_json::{Map, Value, json};

use super::libraries::{LIBRARIES, Library};
use super::names;
use super::value::{self, ABSENT};

/// The schema as text.
pub fn schema() -> String {
    serde_json::to_string_pretty(&description()).unwrap_or_default()
}

fn description() -> Value {
    let texts = || json!({ "type": "array", "items": { "type": "string" } });
    let about = names::ABOUT.iter().map(|(word, doc)| {
        let shape = match *word {
            "complete" => json!({ "type": "boolean", "default": false }),
            "host" | "made" => json!({ "type": "string" }),
            _ => texts(),
        };
        ((*word).to_owned(), documented(shape, doc))
    });
    let sections = names::SECTIONS.iter().map(|(word, doc)| {
        let shape = match *word {
            "gpu" => json!({ "type": "array", "items": closed(gpu()) }),
            "packages" => json!({ "type": "object", "additionalProperties": package() }),
            "libraries" => closed(libraries()),
            "env" => closed(variables()),
            _ => closed(machine()),
        };
        ((*word).to_owned(), documented(shape, doc))
    });
    let mut schema = closed(about.chain(sections).chain(machine()).collect());
    if let Value::Object(schema) = &mut schema {
        schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        schema.insert("title".to_owned(), json!("Machine description"));
        schema.insert("required".to_owned(), json!(["environment"]));
    }
    schema
}

fn machine() -> Map<String, Value> {
    let keys = names::machine_words().filter_map(|word| Some((word.to_owned(), of_key(names::of_machine(word).ok()?))));
    keys.collect()
}

fn gpu() -> Map<String, Value> {
    let driver = "The version of its driver. NVIDIA has one for all its GPUs.";
    let driver = (names::DRIVER.to_owned(), documented(json!({ "type": "string" }), driver));
    let keys = names::gpu_words().filter_map(|word| Some((word.to_owned(), of_key(names::of_gpu(word).ok()?))));
    keys.chain([driver]).collect()
}

fn package() -> Value {
    let keys = names::package_words().filter_map(|word| Some((word.to_owned(), of_key(names::of_package(word).ok()?))));
    json!({ "anyOf": [documented(json!({ "type": "string" }), "Its version."), closed(keys.collect())] })
}

fn libraries() -> Map<String, Value> {
    let shape = |library: &Library| {
        let mut parts: Map<String, Value> = library.parts().map(|(part, key)| (part.to_owned(), of_key(key))).collect();
        parts.insert("version".to_owned(), json!({ "type": "string" }));
        let versions = json!({ "type": "array", "items": { "type": "string" } });
        let shape = json!({ "anyOf": [{ "type": "string" }, versions, closed(parts)] });
        (library.name.to_owned(), documented(shape, library.doc))
    };
    LIBRARIES.iter().map(shape).collect()
}

fn variables() -> Map<String, Value> {
    let keys = names::variables().filter_map(|name| Some((name.to_owned(), of_key(names::of_variable(name).ok()?))));
    keys.collect()
}

/// What may stand behind the word for a fact.
fn of_key(key: &Key) -> Value {
    let shape = match (key.kind, value::words(key)) {
        (Kind::Text, Some(words)) => json!({ "enum": words.iter().copied().chain([ABSENT]).collect::<Vec<_>>() }),
        (Kind::Text | Kind::Version, _) => json!({ "type": "string" }),
        (Kind::Number, _) if key.name.ends_with("-bytes") => json!({ "type": ["integer", "string"] }),
        (Kind::Number, _) => or_absent(json!({ "type": "integer", "minimum": 0 })),
        (Kind::Flag, _) => or_absent(json!({ "type": "boolean" })),
        (Kind::Set, _) => or_absent(json!({ "type": "array", "items": { "type": "string" } })),
    };
    documented(shape, key.doc)
}

fn or_absent(shape: Value) -> Value {
    json!({ "anyOf": [shape, { "const": ABSENT }] })
}

/// An object with these properties and no others.
fn closed(properties: Map<String, Value>) -> Value {
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn documented(mut shape: Value, doc: &str) -> Value {
    if let Value::Object(shape) = &mut shape {
        shape.insert("description".to_owned(), json!(doc));
    }
    shape
}
