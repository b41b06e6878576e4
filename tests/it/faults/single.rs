//! Libraries and tools of which a machine has one: NVIDIA's, AMD's and ONNX Runtime. They are asked only where the kernel's
//! driver is there, so the doctor runs in a namespace with the nodes that such a driver makes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::corpus::{Behaviour, Case, Corpus, Expected, Play, of_a_library};
use crate::tool::{PROGRAM, root};
use crate::worlds::world::way;

/// One of them.
pub struct Single {
    pub api: &'static str,
    /// The system that stands on it.
    pub system: &'static str,
    /// The fact by which its end is told.
    pub key: &'static str,
    /// How the question to it begins: facts by this question are its own.
    pub origin: &'static str,
    /// Where programs find it, below a folder of the search paths.
    place: &'static str,
    source: &'static str,
    /// What a tool answers.
    says: &'static str,
    /// Which stand next to it, and are healthy.
    beside: &'static [&'static str],
    /// The device nodes of the machine, and what is loaded into its kernel.
    nodes: &'static str,
    module: &'static str,
    /// The calls that give codes at initialisation and at enumeration.
    calls: [&'static str; 2],
}

pub const SINGLES: &[Single] = &[
    Single {
        api: "nvml",
        system: "cuda",
        key: "nvml-status",
        origin: "native nvidia-driver",
        place: "libnvidia-ml.so.1",
        source: "fault_nvml.c",
        says: "",
        beside: &["libcuda", "nvidia-smi"],
        nodes: "nvidiactl",
        module: "nvidia",
        calls: ["code of `nvmlInit`", "code of `nvmlDeviceGetCount`"],
    },
    Single {
        api: "libcuda",
        system: "cuda",
        key: "cuda-status",
        origin: "native cuda",
        place: "libcuda.so.1",
        source: "fault_cuda.c",
        says: "",
        beside: &["nvml", "nvidia-smi"],
        nodes: "nvidiactl",
        module: "nvidia",
        calls: ["code of `cuInit`", "code of `cuDeviceGetCount`"],
    },
    Single {
        api: "nvidia-smi",
        system: "cuda",
        key: "nvidia-smi-status",
        origin: "run ",
        place: "bin/nvidia-smi",
        source: "fault_tool.c",
        says: "551.61",
        beside: &["nvml", "libcuda"],
        nodes: "nvidiactl",
        module: "nvidia",
        calls: ["exit code", ""],
    },
    Single {
        api: "nvcc",
        system: "cuda",
        key: "nvcc",
        origin: "run ",
        place: "bin/nvcc",
        source: "fault_tool.c",
        says: "Cuda compilation tools, release 12.4, V12.4.131",
        beside: &["nvml", "libcuda", "nvidia-smi"],
        nodes: "nvidiactl",
        module: "nvidia",
        calls: ["exit code", ""],
    },
    Single {
        api: "rocminfo",
        system: "rocm",
        key: NEVER_STARTED,
        origin: "",
        place: "bin/rocminfo",
        source: "fault_tool.c",
        says: "",
        beside: &["hip", "hsa"],
        nodes: "kfd",
        module: "amdgpu",
        calls: ["", ""],
    },
    Single {
        api: "wsl.exe",
        system: "cuda",
        key: NEVER_STARTED,
        origin: "",
        place: "bin/wsl.exe",
        source: "fault_tool.c",
        says: "",
        beside: &[],
        nodes: "dxg",
        module: "",
        calls: ["", ""],
    },
    Single {
        api: "hip",
        system: "rocm",
        key: "hip-status",
        origin: "native rocm hip",
        place: "libamdhip64.so.7",
        source: "fault_rocm.c",
        says: "",
        beside: &["hsa"],
        nodes: "kfd",
        module: "amdgpu",
        calls: ["code of `hipRuntimeGetVersion`", "code of `hipGetDeviceCount`"],
    },
    Single {
        api: "hsa",
        system: "rocm",
        key: "hsa-status",
        origin: "native rocm hsa",
        place: "libhsa-runtime64.so.1",
        source: "fault_rocm.c",
        says: "",
        beside: &["hip"],
        nodes: "kfd",
        module: "amdgpu",
        calls: ["code of `hsa_init`", "code of `hsa_iterate_agents`"],
    },
    Single {
        api: "onnxruntime",
        system: "onnxruntime",
        key: "onnxruntime-version",
        origin: "native onnxruntime",
        place: "libonnxruntime.so.1",
        source: "fault_onnxruntime.c",
        says: "",
        beside: &[],
        nodes: "",
        module: "",
        calls: ["", "code of `GetAvailableProviders`"],
    },
];

/// Stands for the fact of a tool that nobody starts.
pub const NEVER_STARTED: &str = "";

/// The one of an API.
pub fn of(api: &str) -> Option<&'static Single> {
    SINGLES.iter().find(|single| single.api == api)
}

/// Adds every fault of every one; false where this machine has no compiler, or no namespaces.
pub fn all(corpus: &mut Corpus) -> bool {
    if way().is_none() {
        return false;
    }
    for single in SINGLES {
        match single.source {
            "fault_tool.c" => corpus.build_tool(single.api, single.says),
            source if corpus.build(single.api, source, &[]) => {}
            _ => return false,
        }
    }
    SINGLES.iter().for_each(|single| add(corpus, single));
    true
}

/// What comes of a tool's behaviour. Its answer is its standard output, if it ends well.
fn of_a_tool((kind, _, expected): &Behaviour, moment: &str) -> Option<Expected> {
    Some(match (*kind, moment) {
        ("stdout" | "noise" | "forged" | "exit" | "quit" | "closed", "exit") => Expected::Works,
        ("stdout" | "noise" | "forged" | "exit" | "quit" | "closed", _) => Expected::Broken(""),
        _ => expected.clone(),
    })
}

/// What hangs costs time: one kind does so at every moment, the others at initialisation. What does no harm is looked at with
/// fewer moments, too.
fn in_time(single: &Single, behaviour: &Behaviour, moment: &str) -> Option<Expected> {
    let once = matches!(behaviour.0, "spin" | "stop" | "hunger") && moment != "init";
    let once = once || (behaviour.2 == Expected::Works && moment == "list");
    match single.source {
        _ if once => None,
        "fault_tool.c" if single.key == NEVER_STARTED => {
            (moment == "init" && matches!(behaviour.0, "segv" | "sleep" | "stdout")).then_some(Expected::NotStarted)
        }
        // It is asked for one number, which is looked for anywhere in its words.
        "fault_tool.c" if single.api == "nvcc" => match (behaviour.0, moment) {
            ("forged", "init") => Some(Expected::Works),
            (_, "init") => of_a_tool(behaviour, moment),
            _ => None,
        },
        "fault_tool.c" => of_a_tool(behaviour, moment),
        _ => of_a_library(behaviour, moment),
    }
}

/// Puts a faulty one and the healthy ones beside it into a folder of their own.
fn place(corpus: &Corpus, id: &str, does: &str) -> PathBuf {
    let single = of(id.split('/').next().unwrap_or_default()).unwrap();
    let folder = corpus.folder.join(id);
    for beside in single.beside {
        corpus.linked(beside, &folder.join(of(beside).unwrap().place), "none never");
    }
    let file = folder.join(single.place);
    corpus.linked(single.api, &file, does);
    file
}

fn add(corpus: &mut Corpus, single: &'static Single) {
    let api = single.api;
    corpus.behaviours(api, &|behaviour, moment| in_time(single, behaviour, moment), &place);
    let wrong: &[(&str, &str, Expected)] = match api {
        "nvml" => &[
            ("zero", "success with zero devices", Expected::Works),
            ("vanish", "devices vanish between two calls", Expected::Code(15)),
            ("billions", "counts 4 billion devices", Expected::Broken("counts 4294967295")),
            ("garbage", "a name of garbage", Expected::Works),
            ("unterminated", "a name without an end", Expected::Works),
        ],
        "libcuda" | "hip" => &[
            ("zero", "success with zero devices", Expected::NoDevice),
            ("vanish", "devices vanish between two calls", Expected::Code(101)),
            ("billions", "counts 2 billion devices", Expected::Broken("counts 2000000000")),
            ("negative", "counts -1 devices", Expected::Broken("counts -1")),
            ("garbage", "a name of garbage", Expected::Works),
            ("unterminated", "a name without an end", Expected::Works),
        ],
        "hsa" => &[
            ("zero", "success with zero devices", Expected::NoDevice),
            ("billions", "lists 4 billion devices", Expected::Code(1)),
        ],
        "nvidia-smi" | "nvcc" => &[("zero", "success without an answer", Expected::Broken(""))],
        _ => &[],
    };
    for (kind, fault, expected) in wrong {
        let (name, does, expected) = (kind, format!("{kind} never"), expected.clone());
        let case = Play { api, fault, variant: String::new(), expected, name, does: &does, batch: 0 };
        corpus.play(case, &place);
    }
    let range = |from: i64, to: i64| (from..=to).collect::<Vec<i64>>();
    // Every number that the headers have, and those between them.
    let codes: Vec<i64> = match api {
        "nvml" => [range(1, 29), vec![999]].concat(),
        "libcuda" => [
            range(1, 8),
            vec![34, 35, 36, 46],
            range(100, 102),
            range(200, 226),
            range(300, 304),
            vec![400, 401, 402, 500, 600],
            range(700, 720),
            range(800, 812),
            range(900, 916),
            vec![999],
        ]
        .concat(),
        "hip" => [
            range(1, 4),
            vec![7, 35, 52, 98],
            range(100, 102),
            range(200, 226),
            range(300, 304),
            vec![400, 500, 600, 700, 719, 720, 801, 999, 1052],
        ]
        .concat(),
        "hsa" => [range(0x1000, 0x1030), range(40, 46)].concat(),
        "nvcc" => vec![1, 255],
        "nvidia-smi" => vec![1, 2, 3, 4, 6, 8, 9, 10, 12, 13, 14, 15, 18, 255],
        _ => range(1, 14),
    };
    for (moment, call) in ["init", "list"].into_iter().zip(single.calls) {
        let none = |code| api == "hip" && code == 100 && moment == "list";
        let expected = |code| if none(code) { Expected::NoDevice } else { Expected::Code(code) };
        // Every code once; that another call's code takes the same way is seen with a few.
        let few: Vec<i64> = codes.iter().step_by(8).copied().collect();
        let codes = if moment == "list" && single.calls.iter().all(|call| !call.is_empty()) { &few } else { &codes };
        if !call.is_empty() {
            corpus.codes(api, (moment, call), codes, &expected, &place);
        }
    }
}

/// The variables that show a program this case's library or tool, or the healthy ones of its machine.
pub fn shown(folder: &Path) -> Vec<(&'static str, String)> {
    let path = std::env::var("PATH").unwrap_or_default();
    vec![("LD_LIBRARY_PATH", folder.display().to_string()), ("PATH", format!("{}/bin:{path}", folder.display()))]
}

/// The folder of a case.
pub fn folder_of(corpus: &Corpus, case: &Case) -> PathBuf {
    corpus.folder.join(&case.id)
}

/// A folder with the healthy ones of the machine.
pub fn healthy(corpus: &Corpus, single: &Single) -> PathBuf {
    let folder = corpus.folder.join(format!("{}/healthy", single.api));
    if !folder.exists() {
        place(corpus, &format!("{}/healthy", single.api), "none never");
    }
    folder
}

/// Another `/dev` with the nodes, and a kernel with the module; it lasts as long as its standard input.
const ENTER: &str = r#"
dev=$1; nodes=$2; module=$3
mount -t tmpfs tmpfs "$dev"
for node in null zero full random urandom; do : > "$dev/$node"; mount --bind "/dev/$node" "$dev/$node"; done
for node in $nodes; do : > "$dev/$node"; mount --bind /dev/null "$dev/$node"; done
mount --rbind "$dev" /dev
mount -t tmpfs tmpfs /sys/module
mkdir -p "/sys/module/$module"
if [ "$module" = nvidia ]; then echo 551.61 > /sys/module/nvidia/version; fi
echo ready
exec cat
"#;

/// A machine with the kernel's driver of one of them.
pub struct Machine(Child);

impl Machine {
    pub fn new(corpus: &Corpus, single: &Single) -> Machine {
        let dev = corpus.folder.join(format!("dev-of-{}", single.api));
        std::fs::create_dir_all(&dev).unwrap();
        let mut machine = Command::new("unshare");
        machine.args(way().unwrap_or_default()).args(["--propagation", "private", "sh", "-euc", ENTER, "machine"]);
        machine.arg(dev).args([single.nodes, single.module]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut machine = machine.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(machine.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Machine(machine)
    }

    /// The program there.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.0.id().to_string(), "--mount"]);
        if way().unwrap_or_default().contains(&"--map-root-user") {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg(format!("--wd={}", root().display())).arg(PROGRAM).args(arguments).stdin(Stdio::null());
        command
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
