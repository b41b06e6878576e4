//! What is installed here to compute on GPUs: a rule about a closed device node matters to who has a program for the GPU, and
//! a wheel brings its own libraries.

use accelprobe_probes::fact::{Fact, Key, Kind, Scope, Subject, Value};

use super::Known;
use super::fact;

pub(super) static GPU_SOFTWARE: Key = Key::new(
    "gpu-software",
    Kind::Set,
    Scope::Host,
    "What is here to compute with: `rocm` where there is a HIP runtime or an installation, and what packages of the environments in use were built for, in the words of `package-build`.",
);

/// The builds of packages that are none for a GPU.
const OTHERS: &[&str] = &["cpu", "qnn", "openvino"];

/// What is here, where anything is.
pub(super) fn installed(known: &Known) -> Option<Fact> {
    let mut found: Vec<String> = Vec::new();
    let mut add = |name: &str| {
        if !found.iter().any(|one| one == name) {
            found.push(name.to_owned());
        }
    };
    let installations = matches!(known.host("rocm-installations"), Some(Value::Set(folders)) if !folders.is_empty());
    if installations || known.host("hip-library").is_some() {
        add("rocm");
    }
    for fact in known.all("package-build") {
        let (Subject::Package { environment, .. }, Ok(Value::Text(build))) = (&fact.subject, &fact.value) else {
            continue;
        };
        let environment = Subject::Environment(environment.clone());
        let role = known.about(&environment, "environment-role").map(ToString::to_string);
        let used = role.is_none_or(|role| role != "other");
        if used && !OTHERS.contains(&build.as_str()) {
            add(build);
        }
    }
    let how = "by what is installed";
    (!found.is_empty()).then(|| fact(&GPU_SOFTWARE, &Subject::Host, Value::Set(found), how))
}
