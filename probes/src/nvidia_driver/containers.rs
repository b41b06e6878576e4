//! What containers have to do with the NVIDIA driver: on a host, whether one could be given the GPU; inside, what its image asks
//! for.
//!
//! Asks the search path for a container engine and for NVIDIA's toolkit, and variables. It cannot tell whether an engine that is
//! here is told to use the toolkit.
//! References: NVIDIA container toolkit (its programs, `NVIDIA_VISIBLE_DEVICES`, `NVIDIA_DRIVER_CAPABILITIES`).

use super::Kernel;
use crate::fact::{Fact, Key, Kind, Scope, Value};
use crate::host::{Host, Missing, Question};
use crate::search_path;

pub(super) static ENGINE: Key = Key::new(
    "container-engine",
    Kind::Text,
    Scope::Host,
    "Path of `docker` or `podman`, asked where the NVIDIA driver is ready on Linux.",
);
pub(super) static TOOLKIT: Key = Key::new(
    "container-toolkit",
    Kind::Text,
    Scope::Host,
    "Path of a program of the NVIDIA container toolkit, asked where the NVIDIA driver is ready on Linux.",
);
pub(super) static VISIBLE: Key = Key::new(
    "nvidia-visible-devices",
    Kind::Text,
    Scope::Host,
    "`NVIDIA_VISIBLE_DEVICES`, where it is set: the GPUs that a container's image or its start asks for.",
);
pub(super) static CAPABILITIES: Key = Key::new(
    "nvidia-driver-capabilities",
    Kind::Set,
    Scope::Host,
    "`NVIDIA_DRIVER_CAPABILITIES`, where it is set: which parts of the driver a container is given, such as `compute`, `utility`.",
);

pub(super) fn ask(host: &dyn Host, kernel: Kernel) -> Vec<Fact> {
    let mut facts = Vec::new();
    let visible = Question::Env("NVIDIA_VISIBLE_DEVICES".to_owned());
    facts.extend(host.ask(&visible).ok().map(|value| VISIBLE.host(Value::Text(value), &visible)));
    let capabilities = Question::Env("NVIDIA_DRIVER_CAPABILITIES".to_owned());
    facts.extend(host.ask(&capabilities).ok().map(|value| CAPABILITIES.host(items(&value), &capabilities)));
    if kernel == Kernel::Ready && host.system() == "linux" && !host.exists("/dev/dxg") {
        facts.push(program(host, &ENGINE, &["docker", "podman"]));
        // A container engine without the toolkit is told of; where there is none, the toolkit is nobody's matter.
        if facts.last().is_some_and(|engine| engine.value.is_ok()) {
            facts.push(program(host, &TOOLKIT, &["nvidia-ctk", "nvidia-container-cli", "nvidia-container-runtime"]));
        }
    }
    facts
}

fn items(text: &str) -> Value {
    Value::Set(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
}

/// The first of some programs on the search path.
fn program(host: &dyn Host, key: &'static Key, names: &[&str]) -> Fact {
    let path = Question::Env("PATH".to_owned());
    let missing = host.ask(&path).err().filter(|missing| *missing == Missing::NotRecorded);
    let found = names.iter().find_map(|name| search_path::find(host, name));
    key.host(found.map(Value::Text).ok_or(missing.unwrap_or(Missing::NotFound)), &path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fact::Report;

    fn report(answers: Vec<(Question, &str)>) -> Report {
        Report { probes: Vec::new(), facts: ask(&super::super::linux(answers), Kernel::Ready) }
    }

    #[test]
    fn the_toolkit_matters_where_there_is_an_engine() {
        let path = || (Question::Env("PATH".into()), "/usr/bin");
        let docker = || (Question::Node("/usr/bin/docker".into()), "file r");
        let without = report(vec![path(), docker()]);
        assert_eq!(without.host("container-engine"), Some(&Value::from("/usr/bin/docker")));
        assert_eq!(without.all("container-toolkit").next().unwrap().value, Err(Missing::NotFound));
        let with = report(vec![path(), docker(), (Question::Node("/usr/bin/nvidia-ctk".into()), "file r")]);
        assert_eq!(with.host("container-toolkit"), Some(&Value::from("/usr/bin/nvidia-ctk")));
        assert_eq!(report(vec![path()]).all("container-toolkit").count(), 0);
    }

    #[test]
    fn capabilities_are_a_list() {
        let asked = report(vec![(Question::Env("NVIDIA_DRIVER_CAPABILITIES".into()), "compute, utility")]);
        let expected = Value::Set(vec!["compute".into(), "utility".into()]);
        assert_eq!(asked.host("nvidia-driver-capabilities"), Some(&expected));
    }
}
