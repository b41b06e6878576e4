//! Versions as the world writes them, and ranges over them.
//!
//! Neither semantic versioning nor PEP 440 fits: drivers have leading zeros and four parts, kernels carry their flavour
//! behind a dash, packages a build label behind a plus. So a [`Version`] is its leading dotted numbers, compared with
//! zero padding, and the full text is kept for showing. Build labels and architectures are facts of their own.

use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A version: the leading dotted numbers of a text, and the text.
///
/// `12.8`, `580.65.06`, `32.0.15.8088`, `2.9.0+cu130` and `5.15.167.4-microsoft-standard-WSL2` are all versions.
/// Two versions are equal when their numbers are, so `12.8` equals `12.8.0` and `2.9.0+cu130` equals `2.9.0`.
#[derive(Clone, Debug)]
pub struct Version {
    numbers: Vec<u64>,
    text: String,
}

impl Version {
    /// The version as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The number at `place` (0 is the major version); 0 where none is written.
    pub fn part(&self, place: usize) -> u64 {
        self.numbers.get(place).copied().unwrap_or(0)
    }

    /// What stands behind the plus: `cu130` of `2.9.0+cu130`.
    pub fn label(&self) -> Option<&str> {
        self.text.split_once('+').map(|(_, label)| label)
    }

    /// Whether the numbers begin with those of `prefix`: `3.15.2` is a `3.15`.
    pub fn starts_with(&self, prefix: &Version) -> bool {
        (0..prefix.numbers.len()).all(|place| self.part(place) == prefix.part(place))
    }
}

impl FromStr for Version {
    type Err = String;

    /// Fails on a text with no number in front, and on a number over 64 bits.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let digits = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let end = digits.bytes().position(|byte| !byte.is_ascii_digit() && byte != b'.').unwrap_or(digits.len());
        let dotted = digits.get(..end).unwrap_or_default().trim_end_matches('.');
        // Thousands are read at a start, so the list is made in its full length at once.
        let mut numbers = Vec::with_capacity(dotted.bytes().filter(|byte| *byte == b'.').count() + 1);
        for number in dotted.split('.') {
            let not = |_| format!("`{text}` is not a version: it must begin with a number such as `12.4`");
            numbers.push(number.parse().map_err(not)?);
        }
        Ok(Version { numbers, text: text.to_owned() })
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        (0..self.numbers.len().max(other.numbers.len()))
            .map(|place| self.part(place).cmp(&other.part(place)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Written(PhantomData))
    }
}

/// A range of versions: conditions joined by commas, all of which must hold.
///
/// A condition is `>=`, `>`, `<=`, `<`, `==` or `!=` with a version, or a prefix such as `12.*` or `!=12.*`. A bare number is
/// an error, because every packaging world reads it differently.
#[derive(Clone, Debug)]
pub struct Range {
    conditions: Vec<(Operator, Version)>,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    AtLeast,
    Above,
    AtMost,
    Below,
    Equal,
    NotEqual,
    Prefix,
    NotPrefix,
}

impl Range {
    /// Whether the version meets every condition.
    pub fn contains(&self, version: &Version) -> bool {
        self.conditions.iter().all(|(operator, bound)| match operator {
            Operator::AtLeast => version >= bound,
            Operator::Above => version > bound,
            Operator::AtMost => version <= bound,
            Operator::Below => version < bound,
            Operator::Equal => version == bound,
            Operator::NotEqual => version != bound,
            Operator::Prefix => version.starts_with(bound),
            Operator::NotPrefix => !version.starts_with(bound),
        })
    }

    /// Whether some version above every bound that is written would be in the range: true for `>=2.11`, false for
    /// `<2.11` and `==2.16`.
    pub fn is_open_above(&self) -> bool {
        self.conditions.iter().all(|(operator, _)| {
            !matches!(operator, Operator::AtMost | Operator::Below | Operator::Equal | Operator::Prefix)
        })
    }

    /// The range as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The range in words: `580 or newer`, `3.11 to 3.15`, `older than 2.11`.
    pub fn words(&self) -> String {
        if let [(Operator::AtLeast, least), (Operator::Below, above)] = self.conditions.as_slice() {
            // The last minor version before a bound such as 3.16.
            return match above.numbers.as_slice() {
                [major, minor] if *minor > 0 && least.part(0) == *major && least.numbers.len() == 2 => {
                    match least.part(1) == minor - 1 {
                        true => least.to_string(),
                        false => format!("{least} to {major}.{}", minor - 1),
                    }
                }
                _ => format!("{least} or newer, older than {above}"),
            };
        }
        let words = self.conditions.iter().map(|(operator, version)| match operator {
            Operator::AtLeast => format!("{version} or newer"),
            Operator::Above => format!("newer than {version}"),
            Operator::AtMost => format!("{version} or older"),
            Operator::Below => format!("older than {version}"),
            Operator::Equal => version.to_string(),
            Operator::NotEqual => format!("not {version}"),
            Operator::Prefix => format!("{version}.*"),
            Operator::NotPrefix => format!("not {version}.*"),
        });
        words.collect::<Vec<_>>().join(", ")
    }

    /// The versions that the range names, in the order they are written.
    pub fn bounds(&self) -> impl Iterator<Item = &Version> {
        self.conditions.iter().map(|(_, version)| version)
    }
}

impl FromStr for Range {
    type Err = String;

    /// Fails on a condition without an operator and on anything that is no version behind one.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut conditions = Vec::with_capacity(text.bytes().filter(|byte| *byte == b',').count() + 1);
        for condition in text.split(',').map(str::trim) {
            conditions.push(parse_condition(condition)?);
        }
        Ok(Range { conditions, text: text.trim().to_owned() })
    }
}

fn parse_condition(condition: &str) -> Result<(Operator, Version), String> {
    const OPERATORS: [(&str, Operator); 7] = [
        (">=", Operator::AtLeast),
        ("<=", Operator::AtMost),
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("~=", Operator::Prefix),
        (">", Operator::Above),
        ("<", Operator::Below),
    ];
    for (sign, operator) in OPERATORS {
        let Some(rest) = condition.strip_prefix(sign) else { continue };
        let rest = rest.trim();
        let strange = |c: char| !(c.is_ascii_alphanumeric() || ".+-_".contains(c));
        if rest.trim_end_matches(".*").contains(strange) {
            return Err(format!("expected a version such as `12.4` after `{sign}`, found `{rest}`"));
        }
        return match (operator, rest.strip_suffix(".*")) {
            (Operator::Prefix, _) => Err(format!("`{condition}`: write `~=` out, as in `>=2.6, <3`")),
            (Operator::Equal, Some(prefix)) => Ok((Operator::Prefix, prefix.parse()?)),
            (Operator::NotEqual, Some(prefix)) => Ok((Operator::NotPrefix, prefix.parse()?)),
            (_, Some(_)) => Err(format!("`{condition}`: `.*` goes with `==` or `!=`, or stands alone")),
            (_, None) => Ok((operator, rest.parse()?)),
        };
    }
    if let Some(prefix) = condition.strip_suffix(".*") {
        return Ok((Operator::Prefix, prefix.parse()?));
    }
    match condition.parse::<Version>() {
        Ok(_) => Err(format!(
            "`{condition}` says neither \"at least\" nor \"exactly\": write `>={condition}`, `=={condition}` or `{condition}.*`"
        )),
        Err(_) => Err(format!("`{condition}` is not a range: expected conditions such as `>=12.4, <13`")),
    }
}

impl PartialEq for Range {
    fn eq(&self, other: &Self) -> bool {
        self.conditions == other.conditions
    }
}

impl Eq for Range {}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Range {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Written(PhantomData))
    }
}

/// Reads a version or a range out of a text where it stands.
struct Written<T>(PhantomData<T>);

impl<T: FromStr<Err = String>> Visitor<'_> for Written<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    fn numbers(version: &Version) -> String {
        let numbers: Vec<String> = version.numbers.iter().map(u64::to_string).collect();
        numbers.join(".")
    }

    fn range(text: &str) -> Range {
        text.parse().unwrap()
    }

    #[test]
    fn reads_what_drivers_kernels_and_packages_report() {
        for (text, bare) in [
            ("580.65.06", "580.65.6"),
            ("12.8", "12.8"),
            ("10.13.3.9", "10.13.3.9"),
            ("2.9.0+cu130", "2.9.0"),
            ("2.9.0a0+145a.nv25.10", "2.9.0"),
            ("25.0.3-devel", "25.0.3"),
            ("5.15.167.4-microsoft-standard-WSL2", "5.15.167.4"),
            ("6.12.12-2164967.24.04", "6.12.12"),
            ("v1.3.239.", "1.3.239"),
        ] {
            assert_eq!(numbers(&version(text)), bare, "{text}");
        }
    }

    #[test]
    fn refuses_what_begins_with_no_number() {
        for text in ["", "abc", "-1", ".5", "+cu130", "99999999999999999999999"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }

    #[test]
    fn pads_with_zeros() {
        assert_eq!(version("12.8"), version("12.8.0"));
        assert!(version("580.65.06") < version("580.126"));
        assert!(version("2.10.1") > version("2.10"));
    }

    #[test]
    fn ranges_hold_as_written() {
        for (text, inside, outside) in [
            (">=12.4", "12.4", "12.3.9"),
            (">=12.4, <13", "12.9.1", "13.0"),
            ("12.*", "12.9.1", "13.0"),
            ("==2.10.*", "2.10.1", "2.11"),
            ("!=2.10", "2.11", "2.10.0"),
            ("!=2.10.*", "2.11", "2.10.1"),
            (">2.10", "2.10.1", "2.10"),
        ] {
            assert!(range(text).contains(&version(inside)), "{text} holds {inside}");
            assert!(!range(text).contains(&version(outside)), "{text} does not hold {outside}");
        }
    }

    #[test]
    fn a_bare_number_is_refused_with_the_three_ways_to_say_it() {
        let message = "1.21".parse::<Range>().unwrap_err();
        assert!(message.contains(">=1.21") && message.contains("==1.21") && message.contains("1.21.*"), "{message}");
        assert!("nonsense".parse::<Range>().unwrap_err().contains("expected conditions"));
        assert!(">=".parse::<Range>().is_err());
        assert!("~=2.6".parse::<Range>().is_err());
        for stray in [">=2.11:gpu", ">=12.4 foo", ">=12>=13", ">=1\u{1b}"] {
            assert!(stray.parse::<Range>().is_err(), "{stray}");
        }
    }

    #[test]
    fn ranges_in_words() {
        for (text, words) in [
            (">=580.65.06", "580.65.06 or newer"),
            (">=3.11,<3.16", "3.11 to 3.15"),
            (">=3.8, <3.9", "3.8"),
            (">=450, <520", "450 or newer, older than 520"),
            ("<2.11", "older than 2.11"),
            ("==2.6.*", "2.6.*"),
        ] {
            assert_eq!(range(text).words(), words);
        }
    }

    #[test]
    fn knows_which_ranges_reach_upwards() {
        assert!(range(">=2.11, !=2.12.*").is_open_above());
        assert!(!range("<2.11").is_open_above());
        assert!(!range("==2.16").is_open_above());
    }
}
