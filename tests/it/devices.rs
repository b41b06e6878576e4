//! One list of devices: what several APIs say of one card is one, and two equal cards stay two.

use accelprobe::judge::{Asked, judge};
use accelprobe::matrix;
use accelprobe_probes::fact::{Fact, Origin, Report, Subject};
use accelprobe_probes::host::{Query, Question};
use serde_json::{Value, json};

use crate::tool::{PROGRAM, codes, system};

/// Facts of devices, told by probes: `(probe, device, key, value)`.
type Told<'a> = &'a [(&'a str, &'a str, &'a str, &'a str)];

fn diagnosis(told: Told<'_>) -> Value {
    let fact = |(probe, device, key, value): &(&str, &str, &str, &str)| {
        let query = Query { environment: Vec::new(), probe: (*probe).to_owned(), arguments: Vec::new() };
        let key = accelprobe_probes::key(key).unwrap();
        let subject = Subject::Device((*device).to_owned());
        Fact { key, subject, value: Ok(key.parse(value).unwrap()), origin: Origin::Asked(Question::Native(query)) }
    };
    let report = Report { probes: Vec::new(), facts: told.iter().map(fact).collect() };
    serde_json::to_value(judge(report, &matrix::embedded().unwrap(), &Asked::default()).unwrap()).unwrap()
}

/// Of each device its id, its kind and who sees it.
fn listed(diagnosis: &Value) -> Vec<Value> {
    let devices = diagnosis["devices"].as_array().unwrap().iter();
    devices.map(|device| json!([device["id"], device["kind"], device["seen_by"]])).collect()
}

/// A card as an API tells it, without and with what joins it.
fn card<'a>(probe: &'a str, api: &'a str, id: &'a str, name: &'a str) -> Vec<(&'a str, &'a str, &'a str, &'a str)> {
    vec![(probe, id, api, name), (probe, id, "device-vendor", "nvidia"), (probe, id, "device-kind", "discrete")]
}

const RTX: &str = "NVIDIA GeForce RTX 4090";
const FIRST: &str = "0000:01:00.0";
const SECOND: &str = "0000:41:00.0";

#[test]
fn two_equal_cards_stay_two_by_address_number_or_name() {
    let by_nvml = [card("nvidia-driver", "nvml-device", FIRST, RTX), card("nvidia-driver", "nvml-device", SECOND, RTX)];
    let by_cuda = [card("cuda", "cuda-device", FIRST, RTX), card("cuda", "cuda-device", SECOND, RTX)];
    let by_vulkan = [
        card("vulkan", "vulkan-device", "vulkan:0", RTX),
        vec![("vulkan", "vulkan:0", "device-uuid", "two")],
        card("vulkan", "vulkan-device", "vulkan:1", RTX),
        vec![("vulkan", "vulkan:1", "device-uuid", "one")],
    ];
    let by_opencl =
        [card("opencl", "opencl-device", "opencl:0", RTX), card("opencl", "opencl-device", "opencl:1", RTX)];
    let numbers = vec![("cuda", FIRST, "device-uuid", "one"), ("cuda", SECOND, "device-uuid", "two")];
    let told = [by_nvml.concat(), by_cuda.concat(), numbers, by_vulkan.concat(), by_opencl.concat()].concat();
    let all = ["nvml", "cuda", "vulkan", "opencl"];
    let diagnosis = diagnosis(&told);
    assert_eq!(listed(&diagnosis), [json!([FIRST, "discrete", all]), json!([SECOND, "discrete", all])]);
    assert_eq!(system(&diagnosis, "vulkan")["devices"], json!([FIRST, SECOND]));
    assert_eq!(system(&diagnosis, "opencl")["devices"], json!([FIRST, SECOND]));
}

#[test]
fn an_api_that_sees_fewer_or_more_adds_only_what_is_more() {
    let cards = [card("cuda", "cuda-device", FIRST, RTX), card("cuda", "cuda-device", SECOND, RTX)].concat();
    let one = [cards.clone(), card("opencl", "opencl-device", "opencl:0", RTX)].concat();
    assert_eq!(listed(&diagnosis(&one)).len(), 2, "one of the two is hidden from OpenCL");
    let opencl = |id| card("opencl", "opencl-device", id, RTX);
    let three = [cards, opencl("opencl:0"), opencl("opencl:1"), opencl("opencl:2")].concat();
    let ids: Vec<Value> = listed(&diagnosis(&three)).into_iter().map(|device| device[0].clone()).collect();
    assert_eq!(ids, [FIRST, SECOND, "opencl:2"], "one of the three is hidden from CUDA");
}

#[test]
fn a_name_joins_no_two_that_differ_in_what_a_card_has_once() {
    let by = |probe, api, id| card(probe, api, id, RTX);
    let cuda = || by("cuda", "cuda-device", "cuda:0");
    for (cuda_tells, opencl_tells) in [
        (("device-luid", "0000000000000001"), ("device-luid", "0000000000000002")),
        (("pci-id", "10de:2684"), ("pci-id", "10de:2685")),
    ] {
        let told = [
            cuda(),
            vec![("cuda", "cuda:0", cuda_tells.0, cuda_tells.1)],
            by("opencl", "opencl-device", "opencl:0"),
            vec![("opencl", "opencl:0", opencl_tells.0, opencl_tells.1)],
        ];
        assert_eq!(listed(&diagnosis(&told.concat())).len(), 2, "{cuda_tells:?}");
    }
    let software = [("opencl", "opencl:0", "opencl-device", RTX), ("opencl", "opencl:0", "device-kind", "software")];
    assert_eq!(listed(&diagnosis(&[cuda(), software.to_vec()].concat())).len(), 2, "software is never a card");
}

#[test]
fn a_laptop_with_two_gpus_on_windows_by_luid() {
    let (intel, nvidia) = ("00000000000124f8", "0000000000013a21");
    let (uhd, rtx) = ("Intel(R) UHD Graphics 770", "NVIDIA GeForce RTX 3060 Laptop GPU");
    let told = diagnosis(&[
        ("bus", "adapter:0000", "adapter-name", uhd),
        ("bus", "adapter:0000", "device-vendor", "intel"),
        ("bus", "adapter:0001", "adapter-name", rtx),
        ("bus", "adapter:0001", "device-vendor", "nvidia"),
        ("cuda", FIRST, "cuda-device", rtx),
        ("cuda", FIRST, "device-kind", "discrete"),
        ("cuda", FIRST, "device-luid", nvidia),
        // Mesa over Direct3D beside the vendors' own drivers.
        ("vulkan", "vulkan:0", "vulkan-device", "Microsoft Direct3D12 (NVIDIA GeForce RTX 3060 Laptop GPU)"),
        ("vulkan", "vulkan:0", "device-luid", nvidia),
        ("vulkan", "vulkan:0", "device-kind", "discrete"),
        ("vulkan", "vulkan:1", "vulkan-device", rtx),
        ("vulkan", "vulkan:1", "device-luid", nvidia),
        ("vulkan", "vulkan:1", "device-kind", "discrete"),
        ("vulkan", "vulkan:2", "vulkan-device", uhd),
        ("vulkan", "vulkan:2", "device-luid", intel),
        ("vulkan", "vulkan:2", "device-kind", "integrated"),
        ("directml", "dxgi:0", "device-luid", intel),
        ("directml", "dxgi:1", "device-luid", nvidia),
        ("directml", "dxgi:1", "device-memory-bytes", "6285164544"),
        ("opencl", "opencl:gpu", "opencl-device", uhd),
        ("opencl", "opencl:gpu", "device-luid", intel),
        ("opencl", "opencl:gpu", "device-kind", "discrete"),
    ]);
    assert_eq!(
        listed(&told),
        [
            json!(["vulkan:2", "integrated", ["vulkan", "opencl", "windows"]]),
            json!([FIRST, "discrete", ["cuda", "vulkan", "windows"]]),
        ]
    );
    assert_eq!(told["devices"][1]["memory_bytes"], 6_285_164_544u64);
    assert_eq!(told["devices"][1]["name"], rtx, "the vendor's own name");
}

#[test]
fn linked_cards_share_a_number_and_stay_two() {
    let luid = |id| ("vulkan", id, "device-luid", "00000000000124f8");
    let told = [
        card("vulkan", "vulkan-device", "vulkan:0", RTX),
        card("vulkan", "vulkan-device", "vulkan:1", RTX),
        vec![luid("vulkan:0"), luid("vulkan:1")],
    ];
    assert_eq!(listed(&diagnosis(&told.concat())).len(), 2);
}

#[test]
fn a_bus_joins_what_tells_no_address_only_where_the_counts_agree() {
    let bus = |id| vec![("bus", id, "pci-id", "8086:5917"), ("bus", id, "device-vendor", "intel")];
    let gpu = |probe, api, id, name| {
        vec![(probe, id, api, name), (probe, id, "device-vendor", "intel"), (probe, id, "device-kind", "integrated")]
    };
    let vulkan = gpu("vulkan", "vulkan-device", "0000:00:02.0", "Intel(R) UHD Graphics 620 (KBL GT2)");
    let opencl = gpu("opencl", "opencl-device", "opencl:0", "Mesa Intel(R) UHD Graphics 620 (KBL GT2)");
    let one = [bus("0000:00:02.0"), vulkan.clone(), opencl.clone()].concat();
    assert_eq!(listed(&diagnosis(&one)), [json!(["0000:00:02.0", "integrated", ["vulkan", "opencl"]])]);
    let two = [bus("0000:00:02.0"), bus("0000:03:00.0"), vulkan, opencl].concat();
    assert_eq!(listed(&diagnosis(&two)).len(), 3, "which of the two it is nobody can tell");
}

#[test]
fn a_bus_and_an_api_may_list_two_models_in_different_order() {
    let bus = |id, number: &'static str| vec![("bus", id, "pci-id", number), ("bus", id, "device-vendor", "amd")];
    let gpu = |id, name, number, kind| {
        vec![
            ("vulkan", id, "vulkan-device", name),
            ("vulkan", id, "pci-id", number),
            ("vulkan", id, "device-vendor", "amd"),
            ("vulkan", id, "device-kind", kind),
        ]
    };
    let told = [
        bus("0000:03:00.0", "1002:744c"),
        bus("0000:0e:00.0", "1002:164e"),
        gpu("vulkan:Raphael", "Raphael", "1002:164e", "integrated"),
        gpu("vulkan:Navi 31", "Navi 31", "1002:744c", "discrete"),
    ];
    let devices = [json!(["0000:03:00.0", "discrete", ["vulkan"]]), json!(["0000:0e:00.0", "integrated", ["vulkan"]])];
    assert_eq!(listed(&diagnosis(&told.concat())), devices);
}

#[test]
fn unified_memory_is_one_integrated_gpu() {
    for kind_by_cuda in ["integrated", "discrete"] {
        let told = [
            vec![
                ("nvidia-driver", "0000:0f:01.0", "nvml-device", "NVIDIA GB10"),
                ("nvidia-driver", "0000:0f:01.0", "device-kind", "integrated"),
                ("cuda", "0000:0f:01.0", "cuda-device", "NVIDIA GB10"),
                ("cuda", "0000:0f:01.0", "device-kind", kind_by_cuda),
                ("vulkan", "vulkan:0", "vulkan-device", "NVIDIA GB10"),
                ("vulkan", "vulkan:0", "device-kind", "integrated"),
            ],
            // OpenCL cannot tell, and is not believed.
            vec![
                ("opencl", "opencl:0", "opencl-device", "NVIDIA GB10"),
                ("opencl", "opencl:0", "device-kind", "discrete"),
            ],
        ];
        let diagnosis = diagnosis(&told.concat());
        let all = ["nvml", "cuda", "vulkan", "opencl"];
        assert_eq!(listed(&diagnosis), [json!(["0000:0f:01.0", "integrated", all])]);
        assert_eq!(diagnosis["devices"][0]["memory_bytes"], Value::Null);
    }
}

#[test]
fn parts_of_a_card_are_what_cuda_shows() {
    let (card, part) = ("NVIDIA A100-SXM4-40GB", "NVIDIA A100-SXM4-40GB MIG 2g.10gb");
    let of = |probe, id, key, value| (probe, id, key, value);
    let told = diagnosis(&[
        of("bus", FIRST, "pci-id", "10de:20b0"),
        of("bus", FIRST, "device-vendor", "nvidia"),
        of("nvidia-driver", FIRST, "nvml-device", card),
        of("nvidia-driver", FIRST, "device-memory-bytes", "42949672960"),
        of("nvidia-driver", FIRST, "device-uuid", "card"),
        of("nvidia-driver", SECOND, "nvml-device", card),
        of("cuda", "cuda:0", "cuda-device", part),
        of("cuda", "cuda:0", "pci-address", FIRST),
        of("cuda", "cuda:0", "device-uuid", "part one"),
        of("cuda", "cuda:0", "device-memory-bytes", "10200547328"),
        of("cuda", "cuda:1", "cuda-device", part),
        of("cuda", "cuda:1", "pci-address", FIRST),
        of("cuda", "cuda:1", "device-uuid", "part two"),
        of("opencl", "opencl:0", "opencl-device", part),
        of("opencl", "opencl:0", "device-uuid", "part two"),
    ]);
    let seen: Vec<Value> = listed(&told);
    assert_eq!(
        seen,
        [
            json!(["cuda:0", null, ["nvml", "cuda"]]),
            json!(["cuda:1", null, ["nvml", "cuda", "opencl"]]),
            json!([SECOND, null, ["nvml"]]),
        ]
    );
    let parts = &told["devices"].as_array().unwrap()[..2];
    assert!(parts.iter().all(|device| device["name"] == part && device["vendor"] == "nvidia"), "{parts:#?}");
    assert_eq!(parts[0]["memory_bytes"], 10_200_547_328u64, "the part's, not the card's");
    assert_eq!(system(&told, "cuda")["devices"], json!(["cuda:0", "cuda:1"]));
}

#[test]
fn software_stays_software() {
    let llvmpipe = "llvmpipe (LLVM 15.0.6, 256 bits)";
    let told = diagnosis(&[
        ("vulkan", "vulkan:0", "vulkan-device", llvmpipe),
        ("vulkan", "vulkan:0", "device-kind", "software"),
        ("vulkan", "vulkan:0", "device-vendor", "mesa"),
        ("opencl", "opencl:0", "opencl-device", "pthread-Intel(R) Xeon(R) Processor"),
        ("opencl", "opencl:0", "device-kind", "software"),
        ("opencl", "opencl:0", "device-vendor", "intel"),
        ("opencl", "opencl:1", "opencl-device", llvmpipe),
        ("opencl", "opencl:1", "device-kind", "software"),
        ("bus", "0000:00:02.0", "pci-id", "8086:5917"),
        ("bus", "0000:00:02.0", "device-vendor", "intel"),
    ]);
    assert_eq!(
        listed(&told),
        [
            json!(["vulkan:0", "software", ["vulkan", "opencl"]]),
            json!(["opencl:0", "software", ["opencl"]]),
            json!(["0000:00:02.0", null, []]),
        ]
    );
}

#[test]
fn a_rule_fires_once_for_a_device_of_two_ids() {
    let told = diagnosis(
        &[
            card("cuda", "cuda-device", FIRST, RTX),
            vec![
                ("cuda", FIRST, "device-uuid", "one"),
                ("opencl", "opencl:0", "opencl-device", RTX),
                ("opencl", "opencl:0", "device-uuid", "one"),
                ("cuda", FIRST, "cuda-compute", "wrong: expected 4, got 2"),
                ("opencl", "opencl:0", "opencl-compute", "wrong: expected 4, got 2"),
            ],
        ]
        .concat(),
    );
    assert_eq!(codes(&told), Vec::<String>::new(), "the environment is not known, and so no rule is sure");
    let mut report = told["report"].clone();
    let linux = json!({"key": "environment", "subject": "host", "value": "linux", "origin": "given by a test"});
    report["facts"].as_array_mut().unwrap().push(linux);
    let told = doctor(&json!({"format": 1, "report": report}).to_string());
    let findings = told["findings"].as_array().unwrap();
    let subjects: Vec<&Value> = findings.iter().map(|finding| &finding["subject"]).collect();
    assert_eq!(subjects, [&json!(format!("{RTX} ({FIRST})"))], "{findings:#?}");
}

/// What the program says of a recording or a diagnosis on standard input.
fn doctor(input: &str) -> Value {
    use std::io::Write;
    use std::process::{Command, Stdio};

    let mut command = Command::new(PROGRAM);
    command.args(["doctor", "--json", "--from", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap()
}

/// A recorded Linux with the NVIDIA driver and OpenCL, where the libraries answer this.
fn recorded(nvml: &str, cuda: &str, opencl: &str) -> String {
    let image = r#"{"format":"elf","bits":64,"machine":"x86_64","complete":true}"#;
    format!(
        r#"
        format = 1
        host = "a test"
        made = "by a test"
        system = "linux x86_64"
        complete = true
        [read]
        "/proc/sys/kernel/osrelease" = "6.8.0-45-generic"
        "/sys/module/nvidia/version" = "550.163.01"
        "/etc/OpenCL/vendors/nvidia.icd" = "/lib/libnvidia-opencl.so.1"
        [list]
        "/etc/OpenCL/vendors" = "nvidia.icd"
        [node]
        "/sys/module" = "directory r"
        "/sys/module/nvidia" = "directory r"
        "/dev/nvidiactl" = "char-device rw"
        [image]
        "/lib/libnvidia-opencl.so.1" = '{image}'
        [library]
        "libcuda.so.1" = "/lib/libcuda.so.1"
        "libOpenCL.so.1" = "/lib/libOpenCL.so.1"
        [native]
        "nvidia-driver" = '{{"driver":"550.163.01","cuda":[12,4],"devices":[{nvml}]}}'
        "cuda" = '{{"version":12040,"devices":[{cuda}]}}'
        "OPENCL_DYLIB_PATH=/lib/libOpenCL.so.1 opencl /lib/libnvidia-opencl.so.1" = '[{{"name":"NVIDIA CUDA","version":"OpenCL 3.0","devices":[{opencl}]}}]'
        "#
    )
}

#[test]
fn what_the_probes_tell_of_two_cards_and_of_parts_is_joined_from_a_recording() {
    let nvml =
        |bus: &str| format!(r#"{{"name":"{RTX}","pci":"00000000:{bus}:00.0","capability":[8,9],"memory_bytes":1}}"#);
    let cuda = |bus: &str, uuid: u32| {
        let uuid = format!("00000000-0000-0000-0000-{uuid:012}");
        format!(
            r#"{{"name":"{RTX}","pci":"0000:{bus}:00.0","capability":[8,9],"memory_bytes":2,"integrated":false,"uuid":"{uuid}"}}"#
        )
    };
    let opencl = |uuid: u32| {
        let uuid = format!("00000000-0000-0000-0000-{uuid:012}");
        format!(
            r#"{{"name":"{RTX}","kind":"discrete","vendor":4318,"version":"OpenCL 3.0","driver":"550","pci":null,"memory_bytes":3,"uuid":"{uuid}"}}"#
        )
    };
    let pair = |first: String, second: String| format!("{first},{second}");
    let all = ["nvml", "cuda", "opencl"];
    let two = recorded(
        &pair(nvml("01"), nvml("41")),
        &pair(cuda("01", 1), cuda("41", 2)),
        // OpenCL lists them the other way round.
        &pair(opencl(2), opencl(1)),
    );
    let diagnosis = doctor(&two);
    assert_eq!(listed(&diagnosis), [json!([FIRST, "discrete", all]), json!([SECOND, "discrete", all])]);
    assert_eq!(diagnosis["devices"][0]["memory_bytes"], 2, "by CUDA");
    let parts = recorded(&nvml("01"), &pair(cuda("01", 1), cuda("01", 2)), &opencl(2));
    let expected = [json!(["cuda:0", "discrete", ["nvml", "cuda"]]), json!(["cuda:1", "discrete", all])];
    assert_eq!(listed(&doctor(&parts)), expected);
    let shared = r#"{"name":"NVIDIA GB10","pci":"0000000F:01:00.0","capability":[12,1],"memory_bytes":null}"#;
    let shared = doctor(&recorded(shared, "", ""));
    assert_eq!(listed(&shared), [json!(["000f:01:00.0", "integrated", ["nvml"]])]);
    let hidden = shared_card("\"memory_hidden\":true");
    assert_eq!(listed(&doctor(&recorded(&hidden, "", "")))[0][1], Value::Null, "hidden is not shared");
}

fn shared_card(more: &str) -> String {
    format!(r#"{{"name":"NVIDIA A100","pci":"00000000:01:00.0","capability":[8,0],"memory_bytes":null,{more}}}"#)
}
