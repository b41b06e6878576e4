//! Two lists of visible AMD devices that contradict each other, where HIP was not asked: it counts its own devices among those
//! that HSA's list leaves.

use accelprobe_probes::fact::{Fact, Report, Subject, Value};

use super::fact;

/// HIP's lists in the order in which it heeds them: the fact and the variable.
const HIP_LISTS: &[(&str, &str)] =
    &[("hip-visible-devices", "HIP_VISIBLE_DEVICES"), ("cuda-visible-devices", "CUDA_VISIBLE_DEVICES")];

/// The variable that names a device which HIP cannot have.
pub(super) fn wrong_device(report: &Report) -> Option<Fact> {
    let asked = ["hip-status", "rocm-wrong-device", "rocm-hidden-by"];
    let of_rocm =
        matches!(report.host("gpu-software"), Some(Value::Set(found)) if found.iter().any(|one| one == "rocm"));
    if !of_rocm || asked.iter().any(|key| report.host(key).is_some()) {
        return None;
    }
    let list = |key: &str| report.host(key).map(ToString::to_string).filter(|list| !list.trim().is_empty());
    let left = list("rocr-visible-devices")?.split(',').count();
    let (list, name) = HIP_LISTS.iter().find_map(|(key, name)| Some((list(key)?, *name)))?;
    let beyond = |entry: &str| entry.trim().parse::<usize>().is_ok_and(|number| number >= left);
    let key = accelprobe_probes::key("rocm-wrong-device").filter(|_| list.split(',').any(beyond))?;
    Some(fact(key, &Subject::Host, Value::from(name), "ROCR_VISIBLE_DEVICES and that variable"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use accelprobe_probes::fact::Origin;

    fn told(facts: &[(&str, &str)]) -> Option<String> {
        let one = |(name, value): &(&str, &str)| {
            let key = accelprobe_probes::key(name).unwrap();
            Fact { key, subject: Subject::Host, value: Ok(Value::from(*value)), origin: Origin::Given("test".into()) }
        };
        let mut facts: Vec<Fact> = facts.iter().map(one).collect();
        let software = Value::Set(vec!["rocm".to_owned()]);
        facts.push(fact(&super::super::software::GPU_SOFTWARE, &Subject::Host, software, "test"));
        wrong_device(&Report { probes: Vec::new(), facts }).map(|fact| fact.value.unwrap().to_string())
    }

    #[test]
    fn a_number_beyond_what_the_first_list_leaves_is_wrong() {
        let rocr = ("rocr-visible-devices", "1");
        assert_eq!(told(&[rocr, ("cuda-visible-devices", "0,1")]).as_deref(), Some("CUDA_VISIBLE_DEVICES"));
        assert_eq!(told(&[rocr, ("cuda-visible-devices", "0")]), None);
        assert_eq!(told(&[("cuda-visible-devices", "0,1")]), None);
        let both = [rocr, ("hip-visible-devices", "0"), ("cuda-visible-devices", "0,1")];
        assert_eq!(told(&both), None, "HIP heeds its own variable first");
        assert_eq!(told(&[rocr, ("hip-status", "working"), ("hip-visible-devices", "1")]), None, "HIP was asked");
    }
}
