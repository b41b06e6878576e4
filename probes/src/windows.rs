//! Settings of native Windows on which installing and computing depend.
//!
//! References: Microsoft, "Maximum Path Length Limitation" (the value that lifts it, and the builds that know it) and "Hardware
//! Accelerated GPU Scheduling"; both are values of the registry.

use crate::Probe;
use crate::fact::{Fact, Key, Kind, Scope, Value};
use crate::host::{Host, Missing, Question};

/// See the module.
pub static PROBE: Probe = Probe {
    name: "windows",
    keys: &[&EDITION, &LONG_PATHS, &GPU_SCHEDULING],
    ask,
    climb: None,
    native: None,
    seconds: 5,
};

static EDITION: Key = Key::new(
    "windows-edition",
    Kind::Text,
    Scope::Host,
    "On native Windows: its edition, in the words of the registry: `Professional`, `Core`, `ServerStandard`.",
);
static LONG_PATHS: Key = Key::new(
    "long-paths",
    Kind::Flag,
    Scope::Host,
    "On native Windows: whether paths may be longer than 260 characters, as those of large Python packages are.",
);
static GPU_SCHEDULING: Key = Key::new(
    "gpu-scheduling",
    Kind::Flag,
    Scope::Host,
    "On native Windows: whether the GPU schedules its own work (hardware-accelerated GPU scheduling).",
);

fn ask(host: &dyn Host) -> Vec<Fact> {
    const EDITION_ID: &str = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion@EditionID";
    const LONG_PATHS_ENABLED: &str = r"HKLM\SYSTEM\CurrentControlSet\Control\FileSystem@LongPathsEnabled";
    // 1 is off, 2 is on; without a value the driver decides.
    const HW_SCH_MODE: &str = r"HKLM\SYSTEM\CurrentControlSet\Control\GraphicsDrivers@HwSchMode";
    if host.system() != "windows" {
        return Vec::new();
    }
    let value = |path: &str| {
        let question = Question::Registry(path.to_owned());
        (host.ask(&question).map(|text| text.trim().to_owned()), question)
    };
    let (edition, asked) = value(EDITION_ID);
    let mut facts = vec![EDITION.host(edition.map(Value::Text), &asked)];
    let (enabled, asked) = value(LONG_PATHS_ENABLED);
    // A Windows that has no such value has the limit.
    let enabled = match enabled {
        Err(Missing::NotFound) => Ok(Value::Flag(false)),
        other => other.map(|number| Value::Flag(number == "1")),
    };
    facts.push(LONG_PATHS.host(enabled, &asked));
    let (mode, asked) = value(HW_SCH_MODE);
    facts.push(GPU_SCHEDULING.host(mode.map(|number| Value::Flag(number == "2")), &asked));
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Report;
    use crate::host::recording::Recording;

    #[test]
    fn what_is_not_set_is_off_where_windows_says_so_and_open_where_the_driver_decides() {
        let registry = |path: &str| Question::Registry(path.to_owned());
        let host = Recording::of(
            String::new(),
            "test",
            [
                (Question::System, Ok("windows x86_64".to_owned())),
                (registry(r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion@EditionID"), Ok("Core".to_owned())),
                (
                    registry(r"HKLM\SYSTEM\CurrentControlSet\Control\FileSystem@LongPathsEnabled"),
                    Err(Missing::NotFound),
                ),
                (registry(r"HKLM\SYSTEM\CurrentControlSet\Control\GraphicsDrivers@HwSchMode"), Err(Missing::NotFound)),
            ],
        );
        let report = Report { probes: Vec::new(), facts: ask(&host) };
        assert_eq!(report.text("windows-edition"), "Core");
        assert_eq!(report.host("long-paths"), Some(&Value::Flag(false)));
        assert_eq!(report.host("gpu-scheduling"), None);
    }
}
