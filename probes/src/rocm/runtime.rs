//! What HSA and HIP tell in a child each, and which variable stands between them and the GPUs.

use super::installed::Installed;
use super::kernel::Kernel;
use super::{HIDDEN_BY, HIP_STATUS, HIP_VERSION, HSA_STATUS, Hip, Hsa, PROBE, ROCM_DEVICE, WRONG_DEVICE};
use crate::bus::{DEVICE_KIND, DEVICE_LUID, DEVICE_MEMORY, DEVICE_VENDOR, GFX_TARGET};
use crate::fact::{Fact, Key, Subject, Value, version};
use crate::host::recording::Recording;
use crate::host::{Answer, Host, Missing, Query, Question};
use crate::nvidia_driver::pci_address;
use crate::parallel;

/// `hipErrorNoDevice`.
const NO_DEVICE: i32 = 100;

/// Asks the libraries where their door is open. Without it they find nothing, and HIP costs its compiler's library.
pub(super) fn ask(host: &dyn Host, kernel: Option<&Kernel>, installed: &Installed, facts: &mut Vec<Fact>) {
    let open = match kernel {
        Some(kernel) if kernel.in_wsl => kernel.ready && installed.knows_wsl,
        // A kernel that offers no GPU has answered for the libraries.
        Some(kernel) => kernel.ready && kernel.gpus != Some(0),
        None => host.is_windows(),
    };
    if !open {
        return;
    }
    let question = |api: &str, path: &String| {
        let arguments = vec![api.to_owned(), path.clone()];
        Question::Native(Query { environment: Vec::new(), probe: PROBE.name.to_owned(), arguments })
    };
    let hsa = installed.hsa.as_ref().map(|path| question("hsa", path));
    let hip = installed.hip.as_ref().map(|path| question("hip", path));
    let ask = |library: &Option<Question>| library.as_ref().map(|library| host.ask(library));
    let (of_hsa, of_hip) = parallel::both(host, || ask(&hsa), || ask(&hip));
    let agents = hsa.zip(of_hsa).and_then(|(hsa, answer)| tell_hsa(&hsa, answer, hip.is_none(), facts));
    let devices = hip.zip(of_hip).and_then(|(hip, answer)| tell_hip(&hip, answer, facts));
    ask_variables(host, kernel.and_then(|kernel| kernel.gpus), agents, devices, facts);
}

fn read<T: serde::de::DeserializeOwned>(answer: Answer) -> Result<T, Missing> {
    answer.and_then(|json| serde_json::from_str(&json).map_err(|error| Missing::Garbled(error.to_string())))
}

/// HSA's GPUs; how many there are. Their names are told where there is no HIP to tell them.
fn tell_hsa(question: &Question, answer: Answer, names: bool, facts: &mut Vec<Fact>) -> Option<usize> {
    let hsa = match read::<Hsa>(answer) {
        Ok(hsa) => hsa,
        Err(Missing::Exited { code, message }) if message.starts_with("hsa_") => {
            facts.push(HSA_STATUS.host(Value::Text(format!("error {code:#x}")), question));
            return None;
        }
        Err(missing) => {
            facts.push(HSA_STATUS.host(missing, question));
            return None;
        }
    };
    let count = hsa.agents.len();
    facts.push(HSA_STATUS.host(Value::from(if count == 0 { "no-device" } else { "working" }), question));
    for (number, agent) in hsa.agents.into_iter().enumerate() {
        let id = agent.pci.unwrap_or_else(|| format!("rocm:{number}"));
        let subject = || Subject::Device(id.clone());
        if names {
            facts.push(ROCM_DEVICE.of(subject(), Value::Text(agent.name), question));
        }
        facts.push(DEVICE_VENDOR.of(subject(), Value::from("amd"), question));
        facts.push(GFX_TARGET.of(subject(), target(&agent.target), question));
        facts.extend(agent.integrated.map(|integrated| DEVICE_KIND.of(subject(), kind(integrated), question)));
    }
    Some(count)
}

/// HIP's devices; how many there are, where it answered that at all.
fn tell_hip(question: &Question, answer: Answer, facts: &mut Vec<Fact>) -> Option<usize> {
    let hip = match read::<Hip>(answer) {
        Ok(hip) => hip,
        Err(missing) => {
            facts.push(HIP_STATUS.host(missing, question));
            return None;
        }
    };
    let number = u32::try_from(hip.version).unwrap_or_default();
    let text = format!("{}.{}.{}", number / 10_000_000, number / 100_000 % 100, number % 100_000);
    // What it says of itself stands before what its file is called.
    let place = facts.iter().position(|fact| *fact.key == HIP_VERSION).unwrap_or(facts.len());
    facts.insert(place, HIP_VERSION.host(version(&text), question));
    let status = match hip.status {
        0 if hip.devices.is_empty() => Value::from("no-device"),
        0 => Value::from("working"),
        NO_DEVICE => Value::from("no-device"),
        code => Value::Text(format!("error {code}")),
    };
    let answered = matches!(hip.status, 0 | NO_DEVICE);
    facts.push(HIP_STATUS.host(status, question));
    let count = hip.devices.len();
    for (number, device) in hip.devices.into_iter().enumerate() {
        let id = device.pci.as_deref().and_then(pci_address).unwrap_or_else(|| format!("rocm:{number}"));
        let subject = || Subject::Device(id.clone());
        facts.push(ROCM_DEVICE.of(subject(), Value::Text(device.name), question));
        facts.push(DEVICE_VENDOR.of(subject(), Value::from("amd"), question));
        facts.extend(device.target.map(|text| GFX_TARGET.of(subject(), target(&text), question)));
        facts.extend(device.luid.map(|luid| DEVICE_LUID.of(subject(), Value::Text(luid), question)));
        facts.push(DEVICE_KIND.of(subject(), kind(device.integrated), question));
        facts.push(DEVICE_MEMORY.of(subject(), Value::Number(device.memory_bytes), question));
    }
    answered.then_some(count)
}

fn kind(integrated: bool) -> Value {
    Value::from(if integrated { "integrated" } else { "discrete" })
}

/// `gfx90a` of `gfx90a:sramecc+:xnack-`.
fn target(text: &str) -> Value {
    Value::from(text.split(':').next().unwrap_or_default())
}

/// The same of a machine of which somebody told the variables and how many GPUs of AMD it has, and whose libraries nobody asked.
pub(super) fn by_variables(variables: &[(&str, &str)], gpus: usize) -> Vec<Fact> {
    let told = variables.iter().map(|(name, value)| (Question::Env((*name).to_owned()), Ok((*value).to_owned())));
    let host = Recording::of(String::new(), "told", told);
    let set = |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| *value);
    // A list ends at its first wrong entry; a UUID may be right.
    let left = |list: &str, of: usize| {
        let right = |entry: &&str| match entry.trim().parse::<usize>() {
            Ok(index) => index < of,
            Err(_) => !entry.trim().is_empty() && !entry.trim().starts_with('-'),
        };
        list.split(',').take_while(right).count()
    };
    let agents = set("ROCR_VISIBLE_DEVICES").map_or(gpus, |list| left(list, gpus));
    let of_hip =
        ["HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"].into_iter().filter_map(set).find(|list| !list.is_empty());
    let devices = of_hip.map_or(agents, |list| left(list, agents));
    let mut facts = Vec::new();
    ask_variables(&host, Some(gpus), Some(agents), Some(devices), &mut facts);
    facts
}

/// Which variable hides every device, or names one that is not there. HSA's list comes first: HIP counts in what it
/// leaves. HIP heeds `CUDA_VISIBLE_DEVICES` where its own variable is empty or not set.
fn ask_variables(
    host: &dyn Host,
    in_kernel: Option<usize>,
    agents: Option<usize>,
    devices: Option<usize>,
    facts: &mut Vec<Fact>,
) {
    let mut tell = |key: &'static Key, name: &str| {
        facts.push(key.host(Value::from(name), &Question::Env(name.to_owned())));
    };
    if let (Some(0), Some(value)) = (agents, host.env("ROCR_VISIBLE_DEVICES")) {
        // An empty list hides all; of another it is known where the kernel has a GPU all the same.
        if value.trim().is_empty() || value.starts_with('-') || in_kernel.is_some_and(|gpus| gpus > 0) {
            tell(&HIDDEN_BY, "ROCR_VISIBLE_DEVICES");
        }
        return;
    }
    let set = |name: &'static str| Some((name, host.env(name).filter(|value| !value.is_empty())?));
    let Some((name, value)) = set("HIP_VISIBLE_DEVICES").or_else(|| set("CUDA_VISIBLE_DEVICES")) else { return };
    let there = agents.or(in_kernel);
    let is_wrong = |entry: &str| match entry.trim().parse::<i64>() {
        Ok(index) => index < 0 || there.is_some_and(|there| usize::try_from(index).is_ok_and(|index| index >= there)),
        // HIP reads other words as 0, and UUIDs as what they name.
        Err(_) => entry.trim().starts_with("GPU-") && devices == Some(0),
    };
    match devices {
        Some(0) if value.split(',').next().is_some_and(is_wrong) => tell(&HIDDEN_BY, name),
        Some(listed) if listed > 0 && value.split(',').any(is_wrong) => tell(&WRONG_DEVICE, name),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(set: &[(&str, &str)], kernel: usize, agents: Option<usize>, devices: usize) -> Vec<String> {
        let heard = set.iter().map(|(name, value)| (Question::Env((*name).to_owned()), Ok((*value).to_owned())));
        let mut host = Recording::of(String::new(), "test", heard);
        host.complete = true;
        let mut facts = Vec::new();
        ask_variables(&host, Some(kernel), agents, Some(devices), &mut facts);
        facts.iter().map(|fact| format!("{} {}", fact.key.name, fact.origin)).collect()
    }

    #[test]
    fn variables_that_somebody_told_are_judged_alike() {
        let told = |variables: &[(&str, &str)], gpus| -> Vec<String> {
            by_variables(variables, gpus).iter().map(|fact| format!("{} {}", fact.key.name, fact.origin)).collect()
        };
        let (rocr, hip, cuda) = ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES");
        assert_eq!(told(&[(rocr, "1"), (cuda, "0,1")], 8), ["rocm-wrong-device env CUDA_VISIBLE_DEVICES"]);
        assert_eq!(told(&[(rocr, "")], 1), ["rocm-hidden-by env ROCR_VISIBLE_DEVICES"]);
        assert_eq!(told(&[(hip, "-1")], 1), ["rocm-hidden-by env HIP_VISIBLE_DEVICES"]);
        assert_eq!(told(&[(hip, "")], 1), [""; 0]);
        assert_eq!(told(&[(hip, "0,1")], 2), [""; 0]);
        assert_eq!(told(&[(rocr, "GPU-1f")], 2), [""; 0]);
    }

    #[test]
    fn the_variable_that_hides_every_device_is_named() {
        let hidden = |name: &str| vec![format!("rocm-hidden-by env {name}")];
        assert_eq!(told(&[("ROCR_VISIBLE_DEVICES", "")], 1, Some(0), 0), hidden("ROCR_VISIBLE_DEVICES"));
        assert_eq!(told(&[("ROCR_VISIBLE_DEVICES", "7")], 1, Some(0), 0), hidden("ROCR_VISIBLE_DEVICES"));
        assert_eq!(told(&[("HIP_VISIBLE_DEVICES", "-1")], 1, Some(1), 0), hidden("HIP_VISIBLE_DEVICES"));
        assert_eq!(told(&[("HIP_VISIBLE_DEVICES", "1")], 1, Some(1), 0), hidden("HIP_VISIBLE_DEVICES"));
        let both = [("HIP_VISIBLE_DEVICES", ""), ("CUDA_VISIBLE_DEVICES", "-1")];
        assert_eq!(told(&both, 1, Some(1), 0), hidden("CUDA_VISIBLE_DEVICES"));
        assert_eq!(told(&[("HIP_VISIBLE_DEVICES", "-1")], 1, None, 0), hidden("HIP_VISIBLE_DEVICES"));
    }

    #[test]
    fn what_hides_nothing_is_not_blamed() {
        assert!(told(&[("HIP_VISIBLE_DEVICES", "0")], 1, Some(1), 0).is_empty());
        assert!(told(&[("CUDA_VISIBLE_DEVICES", "")], 1, Some(1), 0).is_empty());
        assert!(told(&[("HIP_VISIBLE_DEVICES", "1,0")], 2, Some(2), 2).is_empty());
        assert!(told(&[("GPU_DEVICE_ORDINAL", "-1")], 1, Some(1), 0).is_empty());
    }

    #[test]
    fn two_variables_that_contradict_each_other_are_told() {
        let set = [("ROCR_VISIBLE_DEVICES", "1"), ("CUDA_VISIBLE_DEVICES", "0,1")];
        assert_eq!(told(&set, 2, Some(1), 1), ["rocm-wrong-device env CUDA_VISIBLE_DEVICES"]);
    }

    #[test]
    fn a_target_is_told_without_the_settings_of_the_card() {
        assert_eq!(target("gfx90a:sramecc+:xnack-"), Value::from("gfx90a"));
    }
}
