//! The DirectML probe's calls against stand-ins of WSL's libraries, which no machine without WSL can have. Microsoft's own
//! DirectML.dll is asked by tests/tools/wine.

#![cfg(all(feature = "native", target_os = "linux"))]

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use accelprobe_probes::PROBES;
use accelprobe_probes::fact::{Report, Subject, Value};
use accelprobe_probes::host::live::Live;
use accelprobe_probes::host::{Answer, Host, Missing, Query, Question};
use accelprobe_probes::ladder::{Climb, State};

use crate::tool::{Folder, PROGRAM, root};

/// A WSL2 whose three libraries are one stand-in, asked by the real children.
struct Wsl {
    live: Arc<Live>,
    library: String,
}

impl Host for Wsl {
    fn ask(&self, question: &Question) -> Answer {
        match question {
            Question::System => Ok("linux x86_64".to_owned()),
            Question::Node(_) => Ok("char-device rw".to_owned()),
            Question::List(_) => Ok("libd3d12.so\nlibdirectml.so\nlibdxcore.so".to_owned()),
            Question::Native(query) => {
                let library = |argument: &String| match argument.starts_with("/usr/lib/wsl/lib/") {
                    true => self.library.clone(),
                    false => argument.clone(),
                };
                let arguments = query.arguments.iter().map(library).collect();
                self.live.ask(&Question::Native(Query { arguments, ..query.clone() }))
            }
            _ => Err(Missing::NotFound),
        }
    }
}

/// What the probe finds and says where the libraries have this fault; nothing without a compiler.
fn found(folder: &Folder, fault: &str) -> Option<(Report, Climb)> {
    let library = folder.path(&format!("lib{fault}.so"));
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-w", &format!("-DFAULT={fault}"), "-o"])
        .arg(&library)
        .arg(root().join("tests/it/standins/direct3d.c"))
        .status();
    let Ok(built) = built else {
        assert!(std::env::var("ACCELPROBE_REAL_DRIVERS").as_deref() != Ok("required"), "a C compiler is required");
        _ = writeln!(std::io::stderr(), "SKIPPED for lack of a C compiler");
        return None;
    };
    assert!(built.success(), "the stand-in does not build");
    let live = Arc::new(Live::new(PathBuf::from(PROGRAM), Duration::from_secs(20), None, Vec::new()));
    let host = Wsl { live: Arc::clone(&live), library: library.display().to_string() };
    let probe = PROBES.iter().find(|probe| probe.name == "directml").unwrap();
    let report = Report { probes: Vec::new(), facts: (probe.ask)(&host) };
    live.finish();
    let climb = probe.climb.unwrap()(&report);
    Some((report, climb))
}

fn gpu() -> Subject {
    Subject::Device("dxcore:0".to_owned())
}

#[test]
fn adapters_and_levels_come_through_the_tables_of_com() {
    let folder = Folder::new("direct3d");
    let Some((report, climb)) = found(&folder, "NONE") else { return };
    assert_eq!((climb.state, climb.detail.as_str()), (State::Working, "Stand-in GPU"), "{report:#?}");
    for (key, value) in [
        ("dxcore-device", "Stand-in GPU"),
        ("device-luid", "0000000100000077"),
        ("device-vendor", "nvidia"),
        ("pci-id", "10de:2520"),
        ("device-kind", "discrete"),
        ("adapter-driver", "32.0.15.8088"),
        ("direct3d12-level", "12_1"),
        ("directml-level", "6.2"),
    ] {
        assert_eq!(report.about(&gpu(), key).map(ToString::to_string).as_deref(), Some(value), "{key}");
    }
    assert_eq!(report.number(&gpu(), "device-memory-bytes"), Some(6 << 30));
    assert_eq!(report.number(&Subject::Host, "direct3d-adapters"), Some(2));
    let software = Subject::Device("dxcore:1".to_owned());
    assert_eq!(report.about(&software, "device-kind"), Some(&Value::from("software")));
    assert_eq!(report.about(&software, "directml-level"), None, "software is not asked where hardware is");
}

#[test]
fn a_directml_that_crashes_leaves_direct3d_known() {
    let folder = Folder::new("direct3d-crash");
    let Some((report, climb)) = found(&folder, "CRASH") else { return };
    assert_eq!(climb.state, State::Crashed, "{report:#?}");
    assert_eq!(report.about(&gpu(), "direct3d12-level"), Some(&Value::from("12_1")));
    let level = report.all("directml-level").next().unwrap();
    assert_eq!(level.value, Err(Missing::Crashed("signal 11 (SIGSEGV)".to_owned())));
}

#[test]
fn codes_and_empty_answers_are_told_as_they_are() {
    let folder = Folder::new("direct3d-codes");
    let Some((report, climb)) = found(&folder, "REFUSE") else { return };
    assert_eq!(climb.state, State::NotInstalled, "{report:#?}");
    let level = report.all("direct3d12-level").next().unwrap();
    let code = 0x887a_0004_u32.cast_signed().into();
    assert_eq!(level.value, Err(Missing::Exited { code, message: "D3D12CreateDevice: 0x887a0004".to_owned() }));
    let (report, climb) = found(&folder, "EMPTY").unwrap();
    assert_eq!(climb.state, State::Broken, "{report:#?}");
    assert_eq!(
        report.all("direct3d-adapters").next().unwrap().value,
        Err(Missing::Garbled("DXCoreCreateAdapterFactory succeeds and makes nothing".to_owned()))
    );
}
