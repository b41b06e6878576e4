//! ROCm: AMD's compute driver in the kernel (KFD), every installation, and what HSA and HIP list.
//!
//! Reads the KFD topology in sysfs, which needs no ROCm: each GPU with its gfx target, PCI address, memory and render
//! node. Then asks who may open `/dev/kfd` and the render nodes, looks for installations (`ROCM_PATH`, `/opt/rocm`,
//! `/opt/rocm-*`, `/opt/rocm/core*`; on Windows `HIP_PATH` and the folders of the HIP SDK) and for the libraries that the
//! loader or an installation offers. HSA and HIP are asked in a child each, and only where their door is open: `/dev/kfd`
//! and a render node; in WSL2 `/dev/dxg` with a ROCm that knows it; on Windows `amdhip64*.dll`. Elsewhere versions come
//! from the names of files. It cannot tell the ROCm that a Python package brings, why the kernel skips a card (its log
//! does), nor the form of the override for one node (`HSA_OVERRIDE_GFX_VERSION_0`).
//! References: the kernel's `kfd_topology.c`; hsa.h, hsa_ext_amd.h and hip_runtime_api.h; ROCR's and CLR's device lists.

mod climb;
mod installed;
mod kernel;
#[cfg(feature = "native")]
mod native;
mod runtime;

use serde::{Deserialize, Serialize};

use crate::Probe;
use crate::fact::{Fact, Key, Kind, Scope, Value};
use crate::host::{Host, Question};

/// See the module.
pub static PROBE: Probe = Probe {
    name: "rocm",
    keys: &[
        &ROCM_KERNEL,
        &AMDGPU_LOADED,
        &AMDGPU_DRIVER,
        &KFD_GPUS,
        &KFD_SKIP_REASON,
        &CLOSED_NODE,
        &NODE_GROUP,
        &RENDER_NODE,
        &ROCM_VERSION,
        &INSTALLATIONS,
        &ROCM_LIBRARY,
        &HIP_LIBRARY,
        &HIP_VERSION,
        &HSA_LIBRARY,
        &HSA_ORIGIN,
        &HSA_VERSION,
        &ROCDXG,
        &HSA_STATUS,
        &HIP_STATUS,
        &ROCM_DEVICE,
        &HIDDEN_BY,
        &WRONG_DEVICE,
        &HIP_VISIBLE_DEVICES,
        &ROCR_VISIBLE_DEVICES,
        &GPU_DEVICE_ORDINAL,
        &OVERRIDE,
        &DXG_DETECTION,
    ],
    ask,
    climb: Some(climb::climb),
    #[cfg(feature = "native")]
    native: Some(native::answer),
    #[cfg(not(feature = "native"))]
    native: None,
    // Reports tell of 12 seconds for the first initialisation of a large integrated GPU.
    seconds: 30,
};

static ROCM_KERNEL: Key = Key::new(
    "rocm-kernel-driver",
    Kind::Text,
    Scope::Host,
    "The way to AMD's compute driver, `/dev/kfd` and a render node: `ready`; `no-node` or `no-access` where the driver is \
     loaded and a node is missing or closed; `not-loaded`.",
);
static AMDGPU_LOADED: Key =
    Key::new("amdgpu-loaded", Kind::Flag, Scope::Host, "Whether the kernel's driver `amdgpu` is loaded.");
static AMDGPU_DRIVER: Key = Key::new(
    "amdgpu-driver",
    Kind::Version,
    Scope::Host,
    "Version of AMD's own `amdgpu`, built for the running kernel (DKMS); the one that comes with the kernel has none.",
);
static KFD_SKIP_REASON: Key = Key::new(
    "kfd-skip-reason",
    Kind::Text,
    Scope::Host,
    "Why the kernel's compute driver (KFD) leaves an AMD GPU out, by the kernel's log: `pcie-atomics`, `unknown-device`. Told by a person.",
);
static KFD_GPUS: Key = Key::new(
    "kfd-gpus",
    Kind::Set,
    Scope::Host,
    "PCI addresses of the GPUs that the kernel offers for compute (KFD). Empty where it offers none.",
);
static CLOSED_NODE: Key = Key::new(
    "rocm-closed-node",
    Kind::Text,
    Scope::Host,
    "The device node that ROCm needs and that this process may not open.",
);
static NODE_GROUP: Key = Key::new(
    "rocm-node-group",
    Kind::Text,
    Scope::Host,
    "The group whose members may open the closed node; its number where it has no name here, `none` where no \
     group may.",
);
static RENDER_NODE: Key = Key::new(
    "render-node",
    Kind::Text,
    Scope::Device,
    "The GPU's render node under `/dev/dri`: `open`, `no-access` or `no-node`.",
);
static ROCM_VERSION: Key = Key::new(
    "rocm-version",
    Kind::Version,
    Scope::Host,
    "Version of an installed ROCm or HIP SDK, by its version file or its folder; what programs get stands first.",
);
static INSTALLATIONS: Key = Key::new(
    "rocm-installations",
    Kind::Set,
    Scope::Host,
    "Folders of installed ROCm releases or HIP SDKs, without what a distribution puts beside its own libraries.",
);
static ROCM_LIBRARY: Key = Key::new(
    "rocm-library",
    Kind::Version,
    Scope::Library,
    "Version of a library of ROCm (HSA, HIP, ROCm SMI), by the name of its file.",
);
static HIP_LIBRARY: Key =
    Key::new("hip-library", Kind::Text, Scope::Host, "Path of the HIP runtime that programs would get.");
static HIP_VERSION: Key =
    Key::new("hip-version", Kind::Version, Scope::Host, "Version of HIP, by itself or by the name of its file.");
static HSA_LIBRARY: Key =
    Key::new("hsa-library", Kind::Text, Scope::Host, "Path of the HSA runtime that programs would get.");
static HSA_ORIGIN: Key = Key::new(
    "hsa-library-origin",
    Kind::Text,
    Scope::Host,
    "Who brought that HSA runtime: `rocm` (it lies in an installation of ROCm) or `distribution`.",
);
static HSA_VERSION: Key =
    Key::new("hsa-version", Kind::Version, Scope::Host, "Version of the HSA runtime, by the name of its file.");
static ROCDXG: Key = Key::new(
    "rocdxg-library",
    Kind::Text,
    Scope::Host,
    "In WSL2: path of `librocdxg.so`, through which HSA reaches the GPU of Windows.",
);
static HSA_STATUS: Key = Key::new(
    "hsa-status",
    Kind::Text,
    Scope::Host,
    "`working`, `no-device`, or what `hsa_init` answered: `error NUMBER`.",
);
static HIP_STATUS: Key = Key::new(
    "hip-status",
    Kind::Text,
    Scope::Host,
    "`working`, `no-device`, or what `hipGetDeviceCount` answered: `error NUMBER`.",
);
static ROCM_DEVICE: Key =
    Key::new("rocm-device", Kind::Text, Scope::Device, "The device's name by HIP, or by HSA where there is no HIP.");
static HIDDEN_BY: Key = Key::new(
    "rocm-hidden-by",
    Kind::Text,
    Scope::Host,
    "The environment variable that hides every AMD GPU from HIP or HSA.",
);
static WRONG_DEVICE: Key = Key::new(
    "rocm-wrong-device",
    Kind::Text,
    Scope::Host,
    "The environment variable that names a device which HIP does not have; the list ends before it.",
);
static HIP_VISIBLE_DEVICES: Key = Key::new(
    "hip-visible-devices",
    Kind::Text,
    Scope::Host,
    "`HIP_VISIBLE_DEVICES`, where it is set: the devices that HIP lists, `-1` for none. Empty is as good as not set.",
);
static ROCR_VISIBLE_DEVICES: Key = Key::new(
    "rocr-visible-devices",
    Kind::Text,
    Scope::Host,
    "`ROCR_VISIBLE_DEVICES`, where it is set: the devices that HSA lists, and with it HIP. Empty hides all.",
);
static GPU_DEVICE_ORDINAL: Key = Key::new(
    "gpu-device-ordinal",
    Kind::Text,
    Scope::Host,
    "`GPU_DEVICE_ORDINAL`, where it is set: the devices that AMD's OpenCL lists.",
);
static OVERRIDE: Key = Key::new(
    "hsa-override-gfx-version",
    Kind::Text,
    Scope::Host,
    "`HSA_OVERRIDE_GFX_VERSION`, where it is set: the gfx target that HSA pretends, as in `10.3.0`.",
);
static DXG_DETECTION: Key = Key::new(
    "hsa-enable-dxg-detection",
    Kind::Text,
    Scope::Host,
    "`HSA_ENABLE_DXG_DETECTION`: ROCm in WSL2 needs it to be 1 up to 7.12.",
);

/// What the child tells of HSA.
#[derive(Serialize, Deserialize)]
struct Hsa {
    agents: Vec<Agent>,
}

/// A GPU as HSA lists it.
#[derive(Serialize, Deserialize)]
struct Agent {
    name: String,
    /// Its gfx target, or the one that the override pretends.
    target: String,
    pci: Option<String>,
    integrated: Option<bool>,
}

/// What the child tells of HIP.
#[derive(Serialize, Deserialize)]
struct Hip {
    /// `hipRuntimeGetVersion`: 10000000 × major + 100000 × minor + patch.
    version: i32,
    /// What `hipGetDeviceCount` answered: 0, or an error number.
    status: i32,
    devices: Vec<Device>,
}

/// A GPU as HIP lists it.
#[derive(Serialize, Deserialize)]
struct Device {
    name: String,
    /// The gfx target, with what the card's settings add to it, as in `gfx90a:sramecc+:xnack-`.
    target: Option<String>,
    pci: Option<String>,
    luid: Option<String>,
    memory_bytes: u64,
    integrated: bool,
}

/// Which variable hides every GPU of AMD, or names one that is not there, on a machine that somebody described: its variables and
/// how many of those GPUs it has.
pub fn by_variables(variables: &[(&str, &str)], gpus: usize) -> Vec<Fact> {
    runtime::by_variables(variables, gpus)
}

fn ask(host: &dyn Host) -> Vec<Fact> {
    let mut facts = Vec::new();
    let kernel = (host.system() == "linux").then(|| kernel::ask(host, &mut facts));
    let installed = installed::ask(host, &mut facts);
    for (key, name) in [
        (&HIP_VISIBLE_DEVICES, "HIP_VISIBLE_DEVICES"),
        (&ROCR_VISIBLE_DEVICES, "ROCR_VISIBLE_DEVICES"),
        (&GPU_DEVICE_ORDINAL, "GPU_DEVICE_ORDINAL"),
        (&OVERRIDE, "HSA_OVERRIDE_GFX_VERSION"),
    ] {
        let question = Question::Env(name.to_owned());
        facts.extend(host.ask(&question).ok().map(|value| key.host(Value::Text(value), &question)));
    }
    runtime::ask(host, kernel.as_ref(), &installed, &mut facts);
    facts
}

/// A 16-bit PCI place (bus, device, function) and a domain in the kernel's form.
fn pci_text(domain: u64, place: u64) -> String {
    format!("{domain:04x}:{:02x}:{:02x}.{:x}", place >> 8 & 0xff, place >> 3 & 0x1f, place & 7)
}
