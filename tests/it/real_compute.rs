//! `--deep`: real OpenCL computes right, and what computes wrong or dies of it is told so. The stand-ins are for what a
//! machine without a GPU cannot have.

#![cfg(all(feature = "native", target_os = "linux"))]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use accelprobe::judge::{Asked, judge};
use accelprobe::matrix;
use accelprobe_probes::host::live::Live;
use accelprobe_probes::host::recording::Recording;
use accelprobe_probes::host::{Answer, Host, Query, Question};
use serde_json::Value;

use crate::real_drivers::library;
use crate::tool::{Folder, PROGRAM, codes, json, lacks, root, system, tool};

/// Where PoCL names its library.
const POCL: &str = "/etc/OpenCL/vendors/pocl.icd";

#[test]
fn pocl_computes_right_and_keeps_nothing() {
    if !Path::new(POCL).exists() {
        return lacks("PoCL (package pocl-opencl-icd)");
    }
    let (cache, temporary) = (Folder::new("pocl-cache"), Folder::new("pocl-tmp"));
    let deep = |arguments: &[&str]| {
        json(
            tool(&[&["doctor", "--json", "--only", "opencl"], arguments].concat())
                .env("OCL_ICD_VENDORS", POCL)
                .env("POCL_CACHE_DIR", &cache.0)
                .env("TMPDIR", &temporary.0),
        )
    };
    let plain = deep(&[]);
    let opencl = system(&plain, "opencl");
    assert_eq!((&opencl["state"], &opencl["rung"]), (&"software-only".into(), &"enumerate".into()), "{opencl}");
    let diagnosis = deep(&["--deep"]);
    let opencl = system(&diagnosis, "opencl");
    assert_eq!((&opencl["state"], &opencl["rung"]), (&"software-only".into(), &"compute".into()), "{opencl}");
    assert_eq!(codes(&diagnosis), Vec::<String>::new());
    for folder in [&cache, &temporary] {
        assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0, "what was compiled is left behind");
    }
}

#[test]
fn an_opencl_device_that_computes_wrong_is_broken() {
    for (fault, state, found) in [("0", "working", vec![]), ("1", "broken", vec!["compute-wrong"])] {
        let folder = Folder::new(&format!("opencl-icd-{fault}"));
        let file = folder.path("libstandin.so");
        if !library("opencl_icd.c", &[&format!("-DFAULT={fault}"), "-Wl,-Bsymbolic"], &file) {
            return;
        }
        if !Path::new("/usr/lib/x86_64-linux-gnu/libOpenCL.so.1").exists() {
            return lacks("an OpenCL loader (package ocl-icd-libopencl1)");
        }
        folder.write("vendors/only.icd", &format!("{}\n", file.display()));
        let diagnosis = json(
            tool(&["doctor", "--json", "--deep", "--only", "opencl"]).env("OCL_ICD_VENDORS", folder.path("vendors")),
        );
        let opencl = system(&diagnosis, "opencl");
        assert_eq!((&opencl["state"], &opencl["rung"]), (&state.into(), &"compute".into()), "{opencl}");
        assert_eq!(codes(&diagnosis), found, "{:#}", diagnosis["report"]);
        let ids: Vec<&str> =
            diagnosis["devices"].as_array().unwrap().iter().map(|device| device["id"].as_str().unwrap()).collect();
        assert!(ids.starts_with(&["0000:03:00.0", "0000:04:00.0"]), "addresses by AMD's own query: {ids:?}");
        if let [finding] = diagnosis["findings"].as_array().unwrap().as_slice() {
            assert_eq!(finding["subject"], "gfx1100 (0000:04:00.0)", "the first GPU is right");
        }
    }
}

/// A recorded machine whose CUDA library is a stand-in, asked for real.
struct WithCuda {
    recorded: Recording,
    live: Live,
    folder: PathBuf,
}

impl Host for WithCuda {
    fn ask(&self, question: &Question) -> Answer {
        match question {
            Question::Native(query) if query.probe == "cuda" => {
                let folder = ("LD_LIBRARY_PATH".to_owned(), self.folder.display().to_string());
                self.live.ask(&Question::Native(Query { environment: vec![folder], ..query.clone() }))
            }
            Question::Told(option) if option == "deep" => Ok("yes".to_owned()),
            other => self.recorded.ask(other),
        }
    }
}

fn diagnosed(fault: &str) -> Option<Value> {
    let folder = Folder::new(&format!("libcuda-{fault}"));
    if !library("libcuda_computes.c", &[&format!("-DFAULT={fault}")], &folder.path("libcuda.so.1")) {
        return None;
    }
    let recorded = std::fs::read_to_string(root().join("fixtures/linux-rtx4090-vulkan-healthy.toml")).unwrap();
    let time = Duration::from_secs(3);
    let host = Arc::new(WithCuda {
        recorded: Recording::parse(&recorded).unwrap(),
        live: Live::new(PROGRAM.into(), Duration::from_secs(20), Some(time), Vec::new()),
        folder: folder.0.clone(),
    });
    let shared: Arc<dyn Host> = host.clone();
    let report = accelprobe_probes::collect(&shared, Duration::from_secs(20), |name| name != "vulkan");
    host.live.finish();
    let diagnosis = judge(report, &matrix::embedded().unwrap(), &Asked::default()).unwrap();
    Some(serde_json::to_value(&diagnosis).unwrap())
}

#[test]
fn a_cuda_device_that_computes_wrong_is_never_working() {
    for (fault, state, code, says) in [
        ("NONE", "working", None, "came out right"),
        ("FULL", "working", None, "memory is full"),
        ("GARBAGE", "broken", Some("compute-wrong"), "wrong: expected"),
        ("NOTHING", "broken", Some("compute-wrong"), "wrong: expected 4, got 2"),
        ("REFUSE", "broken", Some("compute-failed"), "221: cuModuleLoadData"),
        ("CRASH", "crashed", Some("compute-failed"), "SIGSEGV"),
        ("HANG", "timed-out", Some("compute-failed"), "in time"),
    ] {
        let Some(diagnosis) = diagnosed(fault) else { return };
        let cuda = system(&diagnosis, "cuda");
        let rung = if fault == "FULL" { "enumerate" } else { "compute" };
        assert_eq!((&cuda["state"], &cuda["rung"]), (&state.into(), &rung.into()), "{fault}: {cuda}");
        assert!(cuda["detail"].as_str().unwrap().contains(says), "{fault}: {cuda}");
        assert_eq!(codes(&diagnosis), Vec::from_iter(code), "{fault}");
        // The first device is right all the same.
        let facts = diagnosis["report"]["facts"].as_array().unwrap();
        let right = facts.iter().filter(|fact| fact["key"] == "cuda-compute" && fact["value"] == "right");
        assert_eq!(right.count(), if fault == "NONE" { 2 } else { 1 }, "{fault}");
        assert_eq!(cuda["devices"], serde_json::json!(["cuda:0", "cuda:1"]), "parts of one card stay two");
    }
}
