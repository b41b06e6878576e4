//! Facts that no probe tells: what programs and the kernel's log said, as people report it.

use accelprobe_probes::fact::{Key, Kind, Scope};

pub(super) static KFD_SKIP_REASON: Key = Key::new(
    "kfd-skip-reason",
    Kind::Text,
    Scope::Host,
    "Why the kernel's compute driver (KFD) leaves an AMD GPU out, by the kernel's log: `pcie-atomics`, `unknown-device`.",
);

pub(super) static VULKAN_STATUS: Key = Key::new(
    "vulkan-status",
    Kind::Text,
    Scope::Host,
    "What Vulkan answered a program: `working`, `incompatible-driver` (no driver is there) or `extension-not-present`.",
);

pub(super) static OPENCL_PLATFORMS: Key = Key::new(
    "opencl-platforms",
    Kind::Number,
    Scope::Host,
    "How many OpenCL platforms a program found; 0 where it was answered -1001 (CL_PLATFORM_NOT_FOUND_KHR).",
);
