//! Which GPUs run the code that a package holds.
//!
//! References: NVIDIA's CUDA programming guide and compiler manual (binary and PTX compatibility; Tegra; the endings `a` and
//! `f`); Clang's documentation of AMD's GPU targets (generic targets).

use accelprobe_probes::version::Version;

/// How code serves a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::judge) enum Cover {
    /// As machine code.
    Code,
    /// As PTX, which the driver translates.
    Ptx,
    /// Not at all.
    Nothing,
}

/// Capabilities of Tegra (Jetson), whose machine code and that of cards of the same major number are no substitute for each
/// other.
const TEGRA: &[(u64, u64)] = &[(3, 2), (5, 3), (6, 2), (7, 2), (8, 7), (10, 1), (11, 0)];

/// Whether `sm_XY` and `compute_XY` serve an NVIDIA GPU. Machine code runs on the same major number from its own minor
/// number on, PTX on everything newer; with an `a` behind it either is for that very capability, with an `f` for its family.
pub(in crate::judge) fn of_cuda(held: &[String], capability: &Version) -> Cover {
    let own = (capability.part(0), capability.part(1));
    let covers = held.iter().map(|name| {
        let (ptx, number) = match (name.strip_prefix("sm_"), name.strip_prefix("compute_")) {
            (Some(number), _) => (false, number),
            (_, Some(number)) => (true, number),
            _ => return Cover::Nothing,
        };
        let digits = number.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let ending = number.get(digits.len()..).unwrap_or_default();
        let Ok(number) = digits.parse::<u64>() else { return Cover::Nothing };
        let held = (number / 10, number % 10);
        let same_family = held.0 == own.0 && held.1 <= own.1;
        let fits = match (ptx, ending) {
            (_, "a") => held == own,
            (_, "f") => same_family,
            (true, _) => held <= own,
            (false, _) if TEGRA.contains(&held) || TEGRA.contains(&own) => held == own,
            (false, _) => same_family,
        };
        match (fits, ptx) {
            (true, false) => Cover::Code,
            (true, true) => Cover::Ptx,
            (false, _) => Cover::Nothing,
        }
    });
    best(covers)
}

/// Whether code for `gfx…` serves an AMD GPU: its own target, with whatever features behind a colon, or a generic one.
pub(in crate::judge) fn of_rocm(held: &[String], gfx: &str) -> Cover {
    const GENERIC: &[(&str, &[&str])] = &[
        ("gfx9-generic", &["gfx900", "gfx902", "gfx904", "gfx906", "gfx909", "gfx90c"]),
        ("gfx9-4-generic", &["gfx940", "gfx941", "gfx942", "gfx950"]),
        ("gfx10-1-generic", &["gfx1010", "gfx1011", "gfx1012", "gfx1013"]),
        ("gfx10-3-generic", &["gfx1030", "gfx1031", "gfx1032", "gfx1033", "gfx1034", "gfx1035", "gfx1036"]),
        ("gfx11-generic", &["gfx1100", "gfx1101", "gfx1102", "gfx1103", "gfx1150", "gfx1151", "gfx1152", "gfx1153"]),
        ("gfx12-generic", &["gfx1200", "gfx1201"]),
    ];
    let bare = |name: &str| name.split(':').next().unwrap_or_default().to_owned();
    let own = bare(gfx);
    let covers = held.iter().map(|name| {
        let name = bare(name);
        let generic = GENERIC.iter().any(|(generic, members)| *generic == name && members.contains(&own.as_str()));
        if name == own || generic { Cover::Code } else { Cover::Nothing }
    });
    best(covers)
}

fn best(covers: impl Iterator<Item = Cover>) -> Cover {
    covers.fold(Cover::Nothing, |best, cover| match (best, cover) {
        (Cover::Code, _) | (_, Cover::Code) => Cover::Code,
        (Cover::Ptx, _) | (_, Cover::Ptx) => Cover::Ptx,
        _ => Cover::Nothing,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn cuda(held: &str, capability: &str) -> Cover {
        let held: Vec<String> = held.split(' ').map(str::to_owned).collect();
        of_cuda(&held, &capability.parse().unwrap())
    }

    #[test]
    fn machine_code_runs_upward_within_its_major_number() {
        assert_eq!(cuda("sm_80 sm_86 sm_90", "8.9"), Cover::Code);
        assert_eq!(cuda("sm_86", "8.0"), Cover::Nothing);
        assert_eq!(cuda("sm_90", "12.0"), Cover::Nothing);
        assert_eq!(cuda("sm_75 sm_80", "6.1"), Cover::Nothing);
        assert_eq!(cuda("sm_120", "12.1"), Cover::Code);
        assert_eq!(cuda("sm_60", "6.1"), Cover::Code);
    }

    #[test]
    fn ptx_runs_on_everything_newer() {
        assert_eq!(cuda("sm_80 compute_80", "12.0"), Cover::Ptx);
        assert_eq!(cuda("compute_90", "8.9"), Cover::Nothing);
    }

    #[test]
    fn an_ending_binds_to_one_capability_or_one_family() {
        assert_eq!(cuda("sm_90a", "9.0"), Cover::Code);
        assert_eq!(cuda("sm_100a compute_100a", "10.3"), Cover::Nothing);
        assert_eq!(cuda("sm_100f", "10.3"), Cover::Code);
        assert_eq!(cuda("compute_100a", "12.0"), Cover::Nothing);
    }

    #[test]
    fn tegra_and_cards_do_not_share_machine_code() {
        assert_eq!(cuda("sm_80 sm_86", "8.7"), Cover::Nothing);
        assert_eq!(cuda("sm_87", "8.7"), Cover::Code);
        assert_eq!(cuda("sm_87", "8.9"), Cover::Nothing);
    }

    #[test]
    fn a_gfx_target_is_met_exactly_or_by_a_generic_one() {
        let held = |names: &str| -> Vec<String> { names.split(' ').map(str::to_owned).collect() };
        assert_eq!(of_rocm(&held("gfx90a:xnack+ gfx942"), "gfx90a"), Cover::Code);
        assert_eq!(of_rocm(&held("gfx1030"), "gfx1031"), Cover::Nothing);
        assert_eq!(of_rocm(&held("gfx10-3-generic"), "gfx1031"), Cover::Code);
        assert_eq!(of_rocm(&held("gfx90"), "gfx908"), Cover::Nothing);
    }
}
