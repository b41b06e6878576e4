//! Properties of judging: unknown is never a pass, order does not matter, and nothing that is read makes it panic.

use accelprobe::judge::{Asked, judge};
use accelprobe::matrix::{self, Matrix};
use accelprobe::spec::Spec;
use accelprobe_probes::fact::{Fact, Key, Origin, Report, Scope, Subject, Value};
use accelprobe_probes::host::Missing;
use accelprobe_probes::host::recording::Recording;
use accelprobe_probes::image::Image;
use accelprobe_probes::version::{Range, Version};
use proptest::prelude::*;

thread_local! {
    static MATRIX: Matrix = matrix::embedded().unwrap();
}

/// Facts such as probes tell, true or not.
fn fact() -> impl Strategy<Value = Fact> {
    let keys: Vec<&'static Key> = accelprobe_probes::keys().collect();
    let texts = prop::sample::select(vec![
        "linux",
        "wsl2",
        "wsl1",
        "windows",
        "ready",
        "not-loaded",
        "no-node",
        "working",
        "no-device",
        "driver",
        "wsl",
        "stub",
        "hardware",
        "software",
        "driver-library-mismatch",
        "blocked",
        "system",
        "",
    ]);
    let versions = prop::sample::select(vec!["535.183.01", "580.65.06", "12.4", "3.11.7", "8.9", "22631.3880"]);
    (prop::sample::select(keys), texts, versions, any::<bool>(), 0usize..3, any::<bool>()).prop_map(
        |(key, text, version, flag, number, missing)| {
            use accelprobe_probes::fact::Kind;
            let value = match key.kind {
                Kind::Version => Value::Version(version.parse().unwrap()),
                Kind::Text => Value::Text(text.to_owned()),
                Kind::Number => Value::Number(number as u64),
                Kind::Flag => Value::Flag(flag),
                Kind::Set => Value::Set(["nvidia", "amd"].iter().take(number).map(|item| (*item).to_owned()).collect()),
            };
            let subject = match key.scope {
                Scope::Host => Subject::Host,
                Scope::Device => Subject::Device(format!("0000:0{number}:00.0")),
                Scope::Icd => Subject::Icd(format!("vulkan:/{number}.json")),
                Scope::Library => Subject::Library(format!("/lib/{number}/libcuda.so.1")),
                Scope::Environment => Subject::Environment(format!("/env/{number}")),
                Scope::Package => Subject::Package { environment: format!("/env/{number}"), name: "torch".to_owned() },
            };
            let value = if missing { Err(Missing::TimedOut) } else { Ok(value) };
            Fact { key, subject, value, origin: Origin::Given("by a test".into()) }
        },
    )
}

fn codes(report: Report) -> Vec<(String, String)> {
    MATRIX.with(|matrix| {
        let diagnosis = judge(report, matrix, &Asked::default()).unwrap();
        let mut codes: Vec<_> = diagnosis.findings.into_iter().map(|finding| (finding.rule, finding.subject)).collect();
        codes.sort();
        codes
    })
}

/// One fact for each key and subject, so that no second source stands in for the first.
fn once(facts: Vec<Fact>) -> Vec<Fact> {
    let mut seen = Vec::new();
    let mut kept = facts;
    kept.retain(|fact| {
        let new = !seen.contains(&(fact.key.name, fact.subject.clone()));
        seen.push((fact.key.name, fact.subject.clone()));
        new
    });
    kept
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn whatever_the_facts_a_diagnosis_comes_out_in_every_format(facts in prop::collection::vec(fact(), 0..30)) {
        let report = Report { probes: Vec::new(), facts };
        let specs = ["tensorflow>=2.11", "torch", "vulkan", "cuda>=12.4", "opencl:cpu"].map(|spec| Spec::parse(spec).unwrap());
        let asked = Asked { wants: specs.to_vec(), requirements: specs.to_vec(), ..Asked::default() };
        let diagnosis = MATRIX.with(|matrix| judge(report, matrix, &asked).unwrap());
        let view = accelprobe::render::doctor::view(&diagnosis);
        prop_assert!(!view.terminal(80, true).is_empty() && !view.markdown().is_empty());
        prop_assert!(accelprobe::diagnosis::report_in(&serde_json::to_string(&diagnosis).unwrap()).unwrap() == diagnosis.report);
    }

    #[test]
    fn taking_knowledge_away_adds_no_finding(facts in prop::collection::vec(fact(), 1..20), place in any::<prop::sample::Index>()) {
        let facts = once(facts);
        let mut less = facts.clone();
        let place = place.index(less.len());
        // States are made of many facts and may change with one; the rules' own conditions may not.
        prop_assume!(less[place].key.scope == Scope::Host);
        less[place].value = Err(Missing::NotRecorded);
        let before = codes(Report { probes: Vec::new(), facts });
        let by_state = |rule: &str| ["cuda-initialises", "devices-are-visible", "vulkan-uses-the-gpu"].contains(&rule);
        for (rule, subject) in codes(Report { probes: Vec::new(), facts: less }) {
            prop_assert!(by_state(&rule) || before.contains(&(rule.clone(), subject)), "{rule} came out of nothing");
        }
    }

    #[test]
    fn the_order_of_facts_does_not_matter(facts in prop::collection::vec(fact(), 1..20)) {
        let facts = once(facts);
        let mut turned = facts.clone();
        turned.reverse();
        prop_assert_eq!(codes(Report { probes: Vec::new(), facts }), codes(Report { probes: Vec::new(), facts: turned }));
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in ".{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        _ = text.parse::<Version>();
        _ = text.parse::<Range>();
        _ = Spec::parse(&text).map_err(|mistake| mistake.to_string());
        _ = Recording::parse(&text);
        _ = accelprobe::input::parse(&text, "text");
        for magic in [&b"\x7fELF\x02\x01\x01"[..], b"MZ", b""] {
            let image = [magic, &bytes].concat();
            _ = Image::read(image.as_slice(), image.len() as u64);
        }
    }

    #[test]
    fn versions_are_ordered_as_numbers(left in prop::collection::vec(0u64..400, 1..5), right in prop::collection::vec(0u64..400, 1..5)) {
        let version = |numbers: &[u64]| numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(".").parse::<Version>().unwrap();
        let padded = |numbers: &[u64]| { let mut numbers = numbers.to_vec(); numbers.resize(5, 0); numbers };
        prop_assert_eq!(version(&left).cmp(&version(&right)), padded(&left).cmp(&padded(&right)));
        let range: Range = format!(">={}", version(&right)).parse().unwrap();
        prop_assert_eq!(range.contains(&version(&left)), padded(&left) >= padded(&right));
    }
}
