//! Every diagnosis that is emitted is valid by the schema that is published.

use serde_json::Value;

use crate::tool::{json, run, tool};

#[test]
fn every_diagnosis_is_valid_by_its_schema() {
    let schema: Value = serde_json::from_str(&run(&["schema"]).out).unwrap();
    let mut runs: Vec<Vec<String>> = vec![vec![]];
    runs.extend(crate::replay::fixtures().iter().map(|path| vec!["--from".to_owned(), path.display().to_string()]));
    let with_all = ["--want", "tensorflow", "--want", "rocm", "--require", "vulkan", "--require", "python"];
    for run in runs {
        let mut command = tool(&["doctor", "--json"]);
        command.args(&run).args(with_all);
        let diagnosis = json(&mut command);
        let mut problems = Vec::new();
        check(&schema, &schema, &diagnosis, "", &mut problems);
        assert!(problems.is_empty(), "{run:?}\n{}", problems.join("\n"));
    }
}

#[test]
fn the_check_finds_what_is_wrong() {
    let schema: Value = serde_json::from_str(&run(&["schema"]).out).unwrap();
    let sound = json(&mut tool(&["doctor", "--json", "--only", "cuda"]));
    for (place, wrong) in [
        ("/format", Value::from("one")),
        ("/edition", Value::from("tomorrow")),
        ("/systems/0/state", Value::from("fine")),
        ("/report/facts/0/subject", Value::from(5)),
        ("/host", Value::Null),
    ] {
        let mut broken = sound.clone();
        *broken.pointer_mut(place).unwrap() = wrong;
        let mut problems = Vec::new();
        check(&schema, &schema, &broken, "", &mut problems);
        assert!(!problems.is_empty(), "{place} should be refused");
    }
}

/// The part of JSON Schema 2020-12 that our schema uses; any other keyword fails the test.
pub fn check(root: &Value, schema: &Value, value: &Value, place: &str, problems: &mut Vec<String>) {
    let Some(keywords) = schema.as_object() else {
        if *schema == Value::Bool(false) {
            problems.push(format!("{place}: not allowed"));
        }
        return;
    };
    let valid = |schema: &Value| {
        let mut problems = Vec::new();
        check(root, schema, value, place, &mut problems);
        problems.is_empty()
    };
    for (keyword, rule) in keywords {
        let sound = match keyword.as_str() {
            "$schema" | "title" | "description" | "$defs" | "format" | "default" => true,
            "$ref" => {
                let target = root.pointer(rule.as_str().unwrap().trim_start_matches('#')).unwrap();
                check(root, target, value, place, problems);
                true
            }
            "type" => match rule {
                Value::Array(types) => types.iter().any(|kind| is(kind.as_str().unwrap(), value)),
                kind => is(kind.as_str().unwrap(), value),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => rule == value,
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
            "anyOf" => rule.as_array().unwrap().iter().any(valid),
            "oneOf" => rule.as_array().unwrap().iter().filter(|schema| valid(schema)).count() == 1,
            "required" => rule.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "properties" => {
                for (name, schema) in rule.as_object().unwrap() {
                    if let Some(inner) = value.get(name) {
                        check(root, schema, inner, &format!("{place}/{name}"), problems);
                    }
                }
                true
            }
            "additionalProperties" => {
                let named = keywords.get("properties").and_then(Value::as_object);
                for (name, inner) in value.as_object().into_iter().flatten() {
                    if named.is_none_or(|named| !named.contains_key(name)) {
                        check(root, rule, inner, &format!("{place}/{name}"), problems);
                    }
                }
                true
            }
            "items" => {
                for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, inner, &format!("{place}/{index}"), problems);
                }
                true
            }
            other => panic!("the schema uses `{other}`, which this check does not know"),
        };
        if !sound {
            problems.push(format!("{place}: `{keyword}` does not hold for {value}"));
        }
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("unknown type {other}"),
    }
}
