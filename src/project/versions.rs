//! Ranges of versions as pip, Poetry and conda write them, as the one kind that the matrix compares with.

use accelprobe_probes::version::Range;

use super::Versions;

/// The signs that stand before a version, longer ones first.
const SIGNS: &[&str] = &["===", "==", ">=", "<=", "!=", "~=", ">", "<", "=", "^", "~"];

/// Conditions of pip: `>=2.6,<3`, `~=2.6`, `==2.6.*`.
pub(super) fn pep440(text: &str) -> Versions {
    all(text.split(','), |sign, version| match sign {
        "==" | ">=" | "<=" | "!=" | ">" | "<" => Ok(format!("{sign}{version}")),
        "===" => Ok(format!("=={version}")),
        "~=" => compatible(version),
        _ => Err(expected(sign, version)),
    })
}

/// Constraints of Poetry: `^2.6`, `~2.6`, `2.6.*`, `>=2.6 <3`, `*`.
pub(super) fn poetry(text: &str) -> Versions {
    if text.contains('|') {
        return Versions::Several(text.trim().to_owned());
    }
    // A sign may stand apart from its version, and a space may stand for a comma.
    let mut joined = String::new();
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        let apart = joined.ends_with(['<', '>', '=', '~', '^']) || joined.is_empty();
        joined.push_str(if apart { "" } else { "," });
        joined.push_str(word);
    }
    all(joined.split(','), |sign, version| match sign {
        "" if version == "*" => Ok(String::new()),
        "" if version.ends_with(".*") => Ok(format!("=={version}")),
        "" | "=" | "===" => Ok(format!("=={version}")),
        "==" | ">=" | "<=" | "!=" | ">" | "<" => Ok(format!("{sign}{version}")),
        "~=" => compatible(version),
        "^" => below(version, |parts| parts.iter().position(|part| *part > 0).unwrap_or(parts.len() - 1)),
        "~" => below(version, |parts| parts.len().min(2) - 1),
        _ => Err(expected(sign, version)),
    })
}

/// Conditions of conda: `=2.6` (2.6 and its patches), `==2.6.0`, `>=2.6,<3`, `2.6.*`.
pub(super) fn conda(text: &str) -> Versions {
    if text.contains('|') {
        return Versions::Several(text.trim().to_owned());
    }
    all(text.split(','), |sign, version| {
        let stem = version.trim_end_matches('*').trim_end_matches('.');
        let is_open = stem.len() < version.len();
        match sign {
            "" | "=" if stem.is_empty() => Ok(String::new()),
            "=" => Ok(format!("=={stem}.*")),
            "" | "==" | "!=" if is_open => Ok(format!("{}{stem}.*", if sign == "!=" { sign } else { "==" })),
            "" | "==" => Ok(format!("=={version}")),
            ">=" | "<=" | "!=" | ">" | "<" => Ok(format!("{sign}{stem}")),
            "~=" => compatible(version),
            _ => Err(expected(sign, version)),
        }
    })
}

/// All conditions as one range. `one` says a condition in the words of [`Range`]; an empty text is no condition.
fn all<'a>(conditions: impl Iterator<Item = &'a str>, one: impl Fn(&str, &str) -> Result<String, String>) -> Versions {
    let mut told = Vec::new();
    for condition in conditions.map(str::trim).filter(|condition| !condition.is_empty()) {
        let sign = SIGNS.iter().find(|sign| condition.starts_with(**sign)).copied().unwrap_or_default();
        let version = condition.get(sign.len()..).unwrap_or_default().trim();
        let read = one(sign, version).and_then(|text| match text.is_empty() {
            true => Ok(text),
            false => text.parse::<Range>().map(|_| text),
        });
        match read {
            Ok(text) => told.extend(Some(text).filter(|text| !text.is_empty())),
            Err(message) => return Versions::Wrong(message),
        }
    }
    if told.is_empty() {
        return Versions::Any;
    }
    told.join(",").parse().map_or_else(Versions::Wrong, Versions::Within)
}

/// `~=2.6.1`: at least that, with the same beginning.
fn compatible(version: &str) -> Result<String, String> {
    let parts = numbers(version)?;
    let [start @ .., _] = parts.as_slice() else { return Err(expected("~=", version)) };
    match start.is_empty() {
        true => Err(format!("`~={version}` needs a version with a dot, such as `~=2.6`")),
        false => Ok(format!(">={version},=={}.*", dotted(start))),
    }
}

/// At least a version, and below the one whose number at a place is the next.
fn below(version: &str, place: impl Fn(&[u64]) -> usize) -> Result<String, String> {
    let parts = numbers(version)?;
    let place = place(&parts);
    let mut next: Vec<u64> = parts.iter().copied().take(place + 1).collect();
    if let Some(last) = next.last_mut() {
        *last = last.saturating_add(1);
    }
    Ok(format!(">={},<{}", dotted(&parts), dotted(&next)))
}

/// The leading numbers of a version; at least one.
fn numbers(version: &str) -> Result<Vec<u64>, String> {
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    let digits = version.get(..end).unwrap_or_default().trim_end_matches('.');
    let parts: Result<Vec<u64>, _> = digits.split('.').map(str::parse).collect();
    parts.map_err(|_| expected("", version))
}

fn dotted(parts: &[u64]) -> String {
    parts.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

fn expected(sign: &str, version: &str) -> String {
    format!("expected versions such as `>=2.6` or `==2.6.*` here, found `{sign}{version}`")
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;

    fn told(versions: Versions) -> String {
        match versions {
            Versions::Any => "any".to_owned(),
            Versions::Within(range) => range.text().to_owned(),
            Versions::Several(text) => format!("several {text}"),
            Versions::Wrong(message) => format!("wrong: {message}"),
        }
    }

    #[test]
    fn pip_writes_ranges() {
        for (text, range) in [
            ("", "any"),
            (" >= 2.6 , < 3 ", ">=2.6,<3"),
            ("~=2.6", ">=2.6,==2.*"),
            ("~=2.6.1", ">=2.6.1,==2.6.*"),
            ("===2.6.0+cu126", "==2.6.0+cu126"),
            ("==2.*,!=2.1.*", "==2.*,!=2.1.*"),
            (">=2,", ">=2"),
        ] {
            assert_eq!(told(pep440(text)), range, "{text}");
        }
        for wrong in ["2.6", "~=2", ">2,<", "=2.6", "^2", ">=2 6", ">=1!2"] {
            assert!(told(pep440(wrong)).starts_with("wrong: "), "{wrong}: {}", told(pep440(wrong)));
        }
    }

    #[test]
    fn poetry_writes_carets_and_tildes() {
        for (text, range) in [
            ("*", "any"),
            ("^2.2", ">=2.2,<3"),
            ("^2.2.1", ">=2.2.1,<3"),
            ("^0.4", ">=0.4,<0.5"),
            ("^0.0.3", ">=0.0.3,<0.0.4"),
            ("^0.0", ">=0.0,<0.1"),
            ("^0", ">=0,<1"),
            ("~2", ">=2,<3"),
            ("~2.2", ">=2.2,<2.3"),
            ("~2.2.1", ">=2.2.1,<2.3"),
            ("2.2.*", "==2.2.*"),
            ("2.2.1", "==2.2.1"),
            ("=2.2.1", "==2.2.1"),
            (">=2.2 <3", ">=2.2,<3"),
            (">= 2.2, < 3", ">=2.2,<3"),
            ("^1 || ^2", "several ^1 || ^2"),
        ] {
            assert_eq!(told(poetry(text)), range, "{text}");
        }
        for wrong in ["^", "^x", "latest", ">=2.2.*"] {
            assert!(told(poetry(wrong)).starts_with("wrong: "), "{wrong}: {}", told(poetry(wrong)));
        }
    }

    #[test]
    fn conda_writes_one_sign_of_equality_for_a_prefix() {
        for (text, range) in [
            ("", "any"),
            ("*", "any"),
            ("=2.6", "==2.6.*"),
            ("=2.6.*", "==2.6.*"),
            ("==2.6.0", "==2.6.0"),
            ("2.6*", "==2.6.*"),
            ("2.6.0", "==2.6.0"),
            (">=2.6.*,<3", ">=2.6,<3"),
            ("!=2.6.*", "!=2.6.*"),
            ("1.2|1.3", "several 1.2|1.3"),
        ] {
            assert_eq!(told(conda(text)), range, "{text}");
        }
        assert!(told(conda("=x")).starts_with("wrong: "));
    }
}
