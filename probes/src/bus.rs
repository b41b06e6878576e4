//! Which GPUs and accelerators the hardware shows: PCI on Linux, display adapters in the registry of Windows.
//!
//! This is the lowest rung: it needs no driver. In WSL2 the GPU is paravirtual and not on the bus, so there the vendors
//! are told by the driver packages that Windows mounts. It cannot tell a card's marketing name; APIs do.
//! References: sysfs-bus-pci of the kernel's documentation; PCI class codes 03 (display) and 12 (processing
//! accelerator); the display class key of Windows.

use crate::Probe;
use crate::environment::WSL_LIBRARY_FOLDER;
use crate::fact::{Fact, Key, Kind, Scope, Subject, Value, version};
use crate::host::{Host, Missing, Question};

/// See the module.
pub static PROBE: Probe = Probe {
    name: "bus",
    keys: &[
        &GPU_VENDORS,
        &DEVICE_NAME,
        &PCI_ID,
        &PCI_ADDRESS,
        &DEVICE_VENDOR,
        &DEVICE_KIND,
        &DEVICE_MEMORY,
        &UNIFIED_MEMORY,
        &DEVICE_UUID,
        &DEVICE_LUID,
        &COMPUTE_CAPABILITY,
        &GFX_TARGET,
        &KERNEL_MODULE,
        &ADAPTER_NAME,
        &ADAPTER_DRIVER,
    ],
    ask,
    climb: None,
    native: None,
    seconds: 5,
};

static GPU_VENDORS: Key = Key::new(
    "gpu-vendors",
    Kind::Set,
    Scope::Host,
    "Vendors of the GPUs that the hardware shows: `nvidia`, `amd`, `intel`, `apple`, `qualcomm`. Empty where there is none.",
);
static DEVICE_NAME: Key = Key::new(
    "device-name",
    Kind::Text,
    Scope::Device,
    "The device's name where a person told it, or an API that was asked under other circumstances.",
);
pub(crate) static PCI_ID: Key =
    Key::new("pci-id", Kind::Text, Scope::Device, "Vendor and device number on the PCI bus, as in `10de:2684`.");
pub(crate) static PCI_ADDRESS: Key = Key::new(
    "pci-address",
    Kind::Text,
    Scope::Device,
    "The address of the card that the device is a part of, where several devices share one (NVIDIA's MIG).",
);
pub(crate) static DEVICE_VENDOR: Key = Key::new("device-vendor", Kind::Text, Scope::Device, "Who made the device.");
pub(crate) static DEVICE_KIND: Key = Key::new(
    "device-kind",
    Kind::Text,
    Scope::Device,
    "`discrete`, `integrated`, `virtual`, `software` or `other`, by an API that saw it.",
);
pub(crate) static DEVICE_MEMORY: Key =
    Key::new("device-memory-bytes", Kind::Number, Scope::Device, "The device's own memory in bytes.");
pub(crate) static UNIFIED_MEMORY: Key = Key::new(
    "unified-memory",
    Kind::Flag,
    Scope::Device,
    "Whether the device shares all its memory with the processor.",
);
pub(crate) static DEVICE_UUID: Key = Key::new(
    "device-uuid",
    Kind::Text,
    Scope::Device,
    "A stand-in for the device's UUID, the same for every API within one run: it joins what they say of one device.",
);
pub(crate) static DEVICE_LUID: Key = Key::new(
    "device-luid",
    Kind::Text,
    Scope::Device,
    "The number that Windows gives the adapter until the next start, 16 hexadecimal digits: it joins as the UUID does.",
);
pub(crate) static GFX_TARGET: Key = Key::new(
    "gfx-target",
    Kind::Text,
    Scope::Device,
    "AMD's name for a GPU's instruction set, whole, as in `gfx90a` or `gfx1151`.",
);
pub(crate) static COMPUTE_CAPABILITY: Key = Key::new(
    "compute-capability",
    Kind::Version,
    Scope::Device,
    "NVIDIA's number for a GPU's instruction set, as in `8.9`.",
);
static KERNEL_MODULE: Key = Key::new(
    "kernel-module",
    Kind::Text,
    Scope::Device,
    "The kernel's driver that is bound to the device; missing where none is.",
);
static ADAPTER_NAME: Key = Key::new("adapter-name", Kind::Text, Scope::Device, "The adapter's name in Windows.");
pub(crate) static ADAPTER_DRIVER: Key = Key::new(
    "adapter-driver",
    Kind::Version,
    Scope::Device,
    "The adapter's driver version in Windows, as in `32.0.15.8088`.",
);

/// The vendor behind a PCI vendor number.
pub fn vendor(number: u32) -> &'static str {
    match number {
        0x10de => "nvidia",
        0x1002 => "amd",
        0x8086 => "intel",
        0x106b => "apple",
        0x1da3 => "habana",
        0x1414 => "microsoft",
        0x5143 => "qualcomm",
        0x13b5 => "arm",
        0x1d95 => "graphcore",
        0x10005 => "mesa",
        0x1ae0 => "google",
        0x1234 | 0x1af4 | 0x15ad | 0x80ee | 0x1b36 => "virtual",
        _ => "other",
    }
}

/// 16 bytes as a UUID is written; nothing where they are all zero, which says nothing.
#[cfg(feature = "native")]
pub(crate) fn uuid_text(bytes: [u8; 16]) -> Option<String> {
    let digits = format!("{:032x}", u128::from_be_bytes(bytes));
    let parts = [digits.get(..8)?, digits.get(8..12)?, digits.get(12..16)?, digits.get(16..20)?, digits.get(20..)?];
    (bytes != [0; 16]).then(|| parts.join("-"))
}

/// The bytes of a LUID, the low part first as in memory, in the form of [`DEVICE_LUID`]; nothing where they are all zero.
#[cfg(feature = "native")]
pub(crate) fn luid_text(bytes: [u8; 8]) -> Option<String> {
    (bytes != [0; 8]).then(|| format!("{:016x}", u64::from_le_bytes(bytes)))
}

fn ask(host: &dyn Host) -> Vec<Fact> {
    match host.system().as_str() {
        "windows" => ask_windows(host),
        "macos" => {
            let apple = host.ask(&Question::System).is_ok_and(|system| system.ends_with("aarch64"));
            // Intel Macs have GPUs of AMD and Intel, which is not asked about here.
            let vendors = if apple { Ok(Value::Set(vec!["apple".to_owned()])) } else { Err(Missing::Unsupported) };
            vec![GPU_VENDORS.host(vendors, &Question::System)]
        }
        _ => ask_linux(host),
    }
}

/// Where the kernel lists what is on the PCI bus.
pub(crate) const PCI_FOLDER: &str = "/sys/bus/pci/devices";

/// As many devices are looked at; a large server has some hundreds, the virtual ones of its cards included.
const MOST_DEVICES: usize = 4_096;

fn ask_linux(host: &dyn Host) -> Vec<Fact> {
    let bus = Question::List(PCI_FOLDER.to_owned());
    let mut facts = Vec::new();
    let mut vendors: Vec<&str> = Vec::new();
    let addresses = host.ask(&bus).and_then(|list| match list.lines().nth(MOST_DEVICES) {
        None => Ok(list),
        Some(_) => Err(Missing::Garbled(format!("more than {MOST_DEVICES} devices"))),
    });
    for address in addresses.iter().flat_map(|addresses| addresses.lines()) {
        let question = Question::Read(format!("{PCI_FOLDER}/{address}/uevent"));
        let Some(device) = host.ask(&question).ok().and_then(|text| PciDevice::parse(&text)) else { continue };
        if !device.computes() {
            continue;
        }
        let subject = || Subject::Device(address.to_owned());
        let id = format!("{:04x}:{:04x}", device.vendor, device.device);
        facts.push(PCI_ID.of(subject(), Value::Text(id), &question));
        facts.push(DEVICE_VENDOR.of(subject(), Value::from(device.maker()), &question));
        let module = device.driver.clone().map(Value::Text).ok_or(Missing::NotFound);
        facts.push(KERNEL_MODULE.of(subject(), module, &question));
        if device.is_gpu() && !device.is_given_away() {
            vendors.push(device.maker());
        }
    }
    let (more, origin) = vendors_off_the_bus(host);
    vendors.extend(more);
    vendors.retain(|vendor| matches!(*vendor, "nvidia" | "amd" | "intel"));
    vendors.sort_unstable();
    vendors.dedup();
    let origin = origin.unwrap_or_else(|| bus.clone());
    let known = match addresses {
        Ok(_) => Ok(()),
        // A machine without PCI has a /sys without it; a sandbox without /sys tells nothing.
        Err(Missing::NotFound) if host.exists("/sys/bus") => Ok(()),
        Err(Missing::NotFound) => Err(Missing::Garbled("/sys is not mounted here".to_owned())),
        Err(missing) => Err(missing),
    };
    let vendors: Vec<String> = vendors.into_iter().map(str::to_owned).collect();
    let value = if vendors.is_empty() { known.map(|()| Value::Set(vendors)) } else { Ok(Value::Set(vendors)) };
    facts.insert(0, GPU_VENDORS.host(value, &origin));
    facts
}

/// GPUs that a PCI bus need not show: NVIDIA's boards, what NVIDIA's driver lists, and in WSL2 the GPUs of Windows by
/// what it mounts.
fn vendors_off_the_bus(host: &dyn Host) -> (Vec<&'static str>, Option<Question>) {
    let compatible = Question::Read("/proc/device-tree/compatible".to_owned());
    if host.ask(&compatible).is_ok_and(|boards| boards.contains("nvidia,tegra")) {
        return (vec!["nvidia"], Some(compatible));
    }
    let cards = Question::List("/proc/driver/nvidia/gpus".to_owned());
    if host.ask(&cards).is_ok_and(|cards| !cards.is_empty()) {
        return (vec!["nvidia"], Some(cards));
    }
    if !host.exists("/dev/dxg") {
        return (Vec::new(), None);
    }
    let libcuda = Question::Node(format!("{WSL_LIBRARY_FOLDER}/libcuda.so.1"));
    let packages = Question::List("/usr/lib/wsl/drivers".to_owned());
    let mut vendors = Vec::new();
    if host.ask(&libcuda).is_ok() {
        vendors.push("nvidia");
    }
    for package in host.ask(&packages).unwrap_or_default().lines() {
        // The folder holds every driver package of Windows. Of those for displays NVIDIA's begin with nv_disp, or with nv and
        // what stands for the maker of a laptop; Windows' own nvraid and nvdimm do so, too, so the driver itself is looked
        // for there. Intel's begin with iigd, AMD's with u and a number.
        match package.as_bytes() {
            [b'n', b'v', ..]
                if package.starts_with("nv_disp")
                    || host.exists(&format!("/usr/lib/wsl/drivers/{package}/nvlddmkm.sys")) =>
            {
                vendors.push("nvidia");
            }
            [b'i', b'i', b'g', b'd', ..] => vendors.push("intel"),
            [b'u', digit, ..] if digit.is_ascii_digit() => vendors.push("amd"),
            _ => {}
        }
    }
    (vendors, Some(packages))
}

/// A device as its `uevent` file tells it.
pub(crate) struct PciDevice {
    class: u32,
    pub(crate) vendor: u32,
    device: u32,
    pub(crate) driver: Option<String>,
}

impl PciDevice {
    pub(crate) fn parse(uevent: &str) -> Option<PciDevice> {
        let value = |name: &str| uevent.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        let (vendor, device) = value("PCI_ID")?.split_once(':')?;
        Some(PciDevice {
            class: u32::from_str_radix(value("PCI_CLASS")?, 16).ok()?,
            vendor: u32::from_str_radix(vendor, 16).ok()?,
            device: u32::from_str_radix(device, 16).ok()?,
            driver: value("DRIVER").map(str::to_owned),
        })
    }

    pub(crate) fn computes(&self) -> bool {
        matches!(self.class >> 16, 0x03 | 0x12)
    }

    /// Whether the device is kept for a virtual machine, so that nothing of this system can use it. Beside `vfio-pci`
    /// there are drivers of vendors that do the same, such as `nvgrace-gpu-vfio-pci`.
    pub(crate) fn is_given_away(&self) -> bool {
        let kept =
            |driver: &str| driver.contains("vfio") || matches!(driver, "pci-stub" | "pci-pf-stub" | "xen-pciback");
        self.driver.as_deref().is_some_and(kept)
    }

    /// Display controllers of every vendor; processing accelerators only where they are GPUs.
    pub(crate) fn is_gpu(&self) -> bool {
        self.class >> 16 == 0x03 || matches!(vendor(self.vendor), "nvidia" | "amd")
    }

    /// Who made it, as far as that says what could compute on it. ATI's chips of the years before AMD (Mach64, Rage, Radeon to
    /// X850), which still draw the console of many a server, are none that a driver or ROCm of AMD is for.
    fn maker(&self) -> &'static str {
        match (self.vendor, self.device) {
            (0x1002, 0x3000..=0x5fff) => "other",
            (number, _) => vendor(number),
        }
    }
}

/// The class of display adapters (GUID_DEVCLASS_DISPLAY).
pub(crate) const DISPLAY_CLASS: &str =
    r"HKLM\SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}";

fn ask_windows(host: &dyn Host) -> Vec<Fact> {
    let class = Question::Registry(DISPLAY_CLASS.to_owned());
    let mut facts = Vec::new();
    let mut vendors: Vec<String> = Vec::new();
    let adapters = host.ask(&class);
    for adapter in adapters.iter().flat_map(|adapters| adapters.lines()).filter(|name| name.parse::<u16>().is_ok()) {
        let key = format!(r"{DISPLAY_CLASS}\{adapter}");
        let Some(hardware) = host.registry(&key, "MatchingDeviceId") else { continue };
        let question = Question::Registry(format!("{key}@MatchingDeviceId"));
        let number = |mark: &str| {
            let upper = hardware.to_uppercase();
            let (_, rest) = upper.split_once(mark)?;
            u32::from_str_radix(rest.get(..4)?, 16).ok()
        };
        let subject = || Subject::Device(format!("adapter:{adapter}"));
        if let (Some(maker), Some(device)) = (number("VEN_"), number("DEV_")) {
            facts.push(PCI_ID.of(subject(), Value::Text(format!("{maker:04x}:{device:04x}")), &question));
            facts.push(DEVICE_VENDOR.of(subject(), Value::from(vendor(maker)), &question));
            vendors.push(vendor(maker).to_owned());
        }
        let named = Question::Registry(format!("{key}@DriverDesc"));
        facts.push(ADAPTER_NAME.of(subject(), host.ask(&named).map(Value::Text), &named));
        let driver = Question::Registry(format!("{key}@DriverVersion"));
        facts.push(ADAPTER_DRIVER.of(subject(), host.ask(&driver).and_then(|text| version(&text)), &driver));
    }
    vendors.retain(|vendor| matches!(vendor.as_str(), "nvidia" | "amd" | "intel" | "qualcomm"));
    vendors.sort_unstable();
    vendors.dedup();
    facts.insert(0, GPU_VENDORS.host(adapters.map(|_| Value::Set(vendors)), &class));
    facts
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fact::Report;
    use crate::host::Answer;
    use crate::host::recording::Recording;

    fn report(system: &str, answers: Vec<(Question, Answer)>) -> Report {
        let system = std::iter::once((Question::System, Ok(system.to_owned())));
        Report { probes: Vec::new(), facts: ask(&Recording::of(String::new(), "test", system.chain(answers))) }
    }

    #[cfg(feature = "native")]
    #[test]
    fn identities_are_written_in_one_form() {
        let bytes = std::array::from_fn(|place| place as u8);
        assert_eq!(uuid_text(bytes).as_deref(), Some("00010203-0405-0607-0809-0a0b0c0d0e0f"));
        assert_eq!(luid_text([0x34, 0x12, 0, 0, 1, 0, 0, 0]).as_deref(), Some("0000000100001234"));
        assert_eq!((uuid_text([0; 16]), luid_text([0; 8])), (None, None));
    }

    #[test]
    fn reads_cards_and_passes_over_bridges() {
        let list = Question::List("/sys/bus/pci/devices".into());
        let uevent = |address: &str| Question::Read(format!("/sys/bus/pci/devices/{address}/uevent"));
        let report = report(
            "linux x86_64",
            vec![
                (list, Ok("0000:00:00.0\n0000:01:00.0\n0000:02:00.0\n0000:03:00.0".into())),
                (uevent("0000:00:00.0"), Ok("PCI_CLASS=60000\nPCI_ID=8086:1237\n".into())),
                (uevent("0000:01:00.0"), Ok("DRIVER=nvidia\nPCI_CLASS=30000\nPCI_ID=10DE:2684\n".into())),
                (uevent("0000:02:00.0"), Ok("PCI_CLASS=120000\nPCI_ID=1002:74A1\n".into())),
                (uevent("0000:03:00.0"), Ok("DRIVER=intel_vpu\nPCI_CLASS=120000\nPCI_ID=8086:7D1D\n".into())),
            ],
        );
        assert_eq!(report.host("gpu-vendors"), Some(&Value::Set(vec!["amd".into(), "nvidia".into()])));
        let card = Subject::Device("0000:01:00.0".into());
        assert_eq!(report.about(&card, "pci-id"), Some(&Value::from("10de:2684")));
        assert_eq!(report.about(&card, "kernel-module"), Some(&Value::from("nvidia")));
        assert_eq!(report.subjects("pci-id").len(), 3);
    }

    #[test]
    fn what_windows_mounts_tells_its_gpus() {
        let folder = "/usr/lib/wsl/drivers";
        let mounted = |packages: &str, driver: &str| {
            let answers = vec![
                (Question::List(PCI_FOLDER.into()), Ok(String::new())),
                (Question::Node("/dev/dxg".into()), Ok("char-device rw".into())),
                (Question::Node(format!("{folder}/{driver}/nvlddmkm.sys")), Ok("file r".into())),
                (Question::List(folder.into()), Ok(packages.into())),
            ];
            report("linux x86_64", answers).host("gpu-vendors").map(ToString::to_string)
        };
        let inbox = "nvdimm.inf_amd64_1\nnvraid.inf_amd64_2";
        assert_eq!(mounted(&format!("iigd_dch.inf_amd64_0\n{inbox}"), "").as_deref(), Some("intel"));
        assert_eq!(mounted(&format!("{inbox}\nu0420529.inf_amd64_3"), "").as_deref(), Some("amd"));
        assert_eq!(mounted("nv_dispig.inf_amd64_4", "").as_deref(), Some("nvidia"));
        assert_eq!(mounted("nvmii.inf_amd64_5", "nvmii.inf_amd64_5").as_deref(), Some("nvidia"));
    }

    #[test]
    fn what_draws_a_servers_console_is_no_gpu_of_amd() {
        for number in ["1002:515E", "1002:4752", "1002:5159"] {
            let device = PciDevice::parse(&format!("PCI_CLASS=30000\nPCI_ID={number}\n")).unwrap();
            assert_eq!(device.maker(), "other", "{number}");
        }
        for number in ["1002:6611", "1002:7550", "1002:1586", "1002:98E4"] {
            let device = PciDevice::parse(&format!("PCI_CLASS=30000\nPCI_ID={number}\n")).unwrap();
            assert_eq!(device.maker(), "amd", "{number}");
        }
    }

    #[test]
    fn a_card_for_a_virtual_machine_is_given_away() {
        for (driver, given) in [("vfio-pci", true), ("nvgrace-gpu-vfio-pci", true), ("nvidia", false)] {
            let uevent = format!("DRIVER={driver}\nPCI_CLASS=30200\nPCI_ID=10DE:2342\n");
            assert_eq!(PciDevice::parse(&uevent).unwrap().is_given_away(), given, "{driver}");
        }
    }

    #[test]
    fn no_bus_is_no_gpu_but_no_sys_is_unknown() {
        let list = Question::List("/sys/bus/pci/devices".into());
        let sys = Question::Node("/sys/bus".into());
        let without = |there: Answer| vec![(list.clone(), Err(Missing::NotFound)), (sys.clone(), there)];
        let board = report("linux aarch64", without(Ok("directory r".into())));
        assert_eq!(board.host("gpu-vendors"), Some(&Value::Set(Vec::new())));
        assert_eq!(report("linux x86_64", without(Err(Missing::NotFound))).host("gpu-vendors"), None);
        assert_eq!(report("linux x86_64", Vec::new()).host("gpu-vendors"), None);
    }

    #[test]
    fn reads_the_adapters_of_windows() {
        let key = |rest: &str| Question::Registry(format!("{DISPLAY_CLASS}{rest}"));
        let report = report(
            "windows x86_64",
            vec![
                (key(""), Ok("0000\nConfiguration\nProperties".into())),
                (key(r"\0000@MatchingDeviceId"), Ok(r"PCI\VEN_10DE&DEV_2520&SUBSYS_16901D72".into())),
                (key(r"\0000@DriverDesc"), Ok("NVIDIA GeForce RTX 3060 Laptop GPU".into())),
                (key(r"\0000@DriverVersion"), Ok("32.0.15.8088".into())),
            ],
        );
        assert_eq!(report.host("gpu-vendors"), Some(&Value::Set(vec!["nvidia".into()])));
        let adapter = Subject::Device("adapter:0000".into());
        assert_eq!(report.about(&adapter, "pci-id"), Some(&Value::from("10de:2520")));
    }
}
