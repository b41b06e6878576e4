//! The child's side: sysinfo and the processor's own word about its features.

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use super::Machine;
use crate::host::{Answer, Missing, Query};

pub(super) fn answer(_query: &Query) -> Answer {
    let kinds =
        RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()).with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(kinds).map_err(|error| Missing::Garbled(error.to_string()))?;
    let machine = Machine {
        cpu: system.cpus().first().map(|cpu| cpu.brand().trim().to_owned()).unwrap_or_default(),
        cores: system.cpus().len() as u64,
        memory_bytes: system.total_memory(),
        features: features(),
    };
    Ok(serde_json::to_string(&machine).unwrap_or_default())
}

fn features() -> Vec<String> {
    let mut found: Vec<&str> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        let known = [
            ("avx", std::arch::is_x86_feature_detected!("avx")),
            ("avx2", std::arch::is_x86_feature_detected!("avx2")),
            ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
            ("avx512vnni", std::arch::is_x86_feature_detected!("avx512vnni")),
            ("fma", std::arch::is_x86_feature_detected!("fma")),
        ];
        found.extend(known.iter().filter(|(_, has)| *has).map(|(name, _)| *name));
    }
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("sve") {
        found.push("sve");
    }
    found.sort_unstable();
    found.into_iter().map(str::to_owned).collect()
}
