//! AMD's near relatives: a GPU without code of its own runs that of its relative where `HSA_OVERRIDE_GFX_VERSION` names it.

use accelprobe_probes::fact::{Fact, Key, Kind, Scope, Subject, Value};

use super::Known;
use super::architectures::{self, Cover};
use super::fact;
use crate::matrix::Matrix;

pub(super) static GFX_OVERRIDE: Key = Key::new(
    "gfx-override",
    Kind::Text,
    Scope::Device,
    "The value of `HSA_OVERRIDE_GFX_VERSION` under which an AMD GPU runs the code of its near relative, as users report it.",
);

pub(super) static PACKAGE_GFX_OVERRIDE: Key = Key::new(
    "package-gfx-override",
    Kind::Text,
    Scope::Package,
    "The value of `HSA_OVERRIDE_GFX_VERSION` under which the GPUs that a package holds no code for run code that it holds.",
);

/// What would help the AMD GPUs here that have a relative. The variable holds for all of them, so that it helps where all have
/// the same one, and harms others.
pub(super) fn of_devices(known: &Known, matrix: &Matrix) -> Vec<Fact> {
    let Some(value) = common(known, matrix).and_then(numbers) else { return Vec::new() };
    let one = |(subject, _)| fact(&GFX_OVERRIDE, subject, Value::from(value.as_str()), "by the targets of the GPUs");
    targets(known).map(one).collect()
}

/// What would make each package serve the AMD GPUs here, where it serves none as it is.
pub(super) fn of_packages(known: &Known, matrix: &Matrix) -> Vec<Fact> {
    let Some(stand_in) = common(known, matrix) else { return Vec::new() };
    let one = |told: &Fact| {
        let Ok(Value::Set(held)) = &told.value else { return None };
        let serves = |gfx: &str| architectures::of_rocm(held, gfx) == Cover::Code;
        let of_rocm = known.about(&told.subject, "package-build") == Some(&Value::from("rocm"));
        if !of_rocm || targets(known).any(|(_, gfx)| serves(gfx)) || !serves(stand_in) {
            return None;
        }
        let value = Value::Text(numbers(stand_in)?);
        Some(fact(&PACKAGE_GFX_OVERRIDE, &told.subject, value, "by the GPUs and what the package holds"))
    };
    known.all("package-architectures").filter_map(one).collect()
}

/// The GPUs whose targets are known.
fn targets(known: &Known) -> impl Iterator<Item = (&Subject, &str)> {
    known.all("gfx-target").filter_map(|fact| match &fact.value {
        Ok(Value::Text(gfx)) => Some((&fact.subject, gfx.as_str())),
        _ => None,
    })
}

/// The relative that all targets have, where they have one and the same.
fn common<'a>(known: &Known, matrix: &'a Matrix) -> Option<&'a str> {
    let mut targets = targets(known).map(|(_, gfx)| gfx);
    let first = stand_in(matrix, targets.next()?)?;
    targets.all(|gfx| stand_in(matrix, gfx) == Some(first)).then_some(first)
}

fn stand_in<'a>(matrix: &'a Matrix, gfx: &str) -> Option<&'a str> {
    let families = &matrix.gpus("amd")?.family;
    families.iter().find(|family| family.gfx.as_deref() == Some(gfx))?.stand_in.as_deref()
}

/// `10.3.0` of `gfx1030`: the last two digits are minor number and step, the step hexadecimal.
fn numbers(gfx: &str) -> Option<String> {
    let digits = gfx.strip_prefix("gfx")?;
    let split = digits.len().checked_sub(2)?;
    let (major, rest) = (digits.get(..split)?, digits.get(split..)?);
    let step = u32::from_str_radix(rest.get(1..)?, 16).ok()?;
    Some(format!("{major}.{}.{step}", rest.get(..1)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_written_as_the_variable_has_it() {
        assert_eq!(numbers("gfx1030").as_deref(), Some("10.3.0"));
        assert_eq!(numbers("gfx1100").as_deref(), Some("11.0.0"));
        assert_eq!(numbers("gfx90a").as_deref(), Some("9.0.10"));
        assert_eq!(numbers("sm_86"), None);
    }
}
