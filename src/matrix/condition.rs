//! Conditions on facts, and their three truths.
//!
//! A condition is a fact's name and what its value must be: a range for a version, a text or a list of texts (one of
//! which it must be, or hold), `!=` and a text, `true` or `false`. Beside these, every fact can be `present` or `absent`;
//! `answered`, which is false where what was asked crashed, hung or failed; and `readable`, which is false where a file is
//! missing, closed or garbled. Unknown is neither true nor false.
//!
//! `package` is the name of the package that is judged, and `beside-NAME` the version of the package NAME in the same
//! Python environment.

mod written;

use std::cmp::Ordering;
use std::fmt;

use accelprobe_probes::fact::{Fact, Key, Kind, Scope, Subject, Value};
use accelprobe_probes::host::Missing;
use accelprobe_probes::ladder::State;
use accelprobe_probes::version::Range;

use crate::judge::derive;
use crate::judge::ground::Ground;
use crate::judge::known::Spot;

/// The key of a name: of a fact that probes tell, or of one that is derived from those.
pub fn key(name: &str) -> Option<&'static Key> {
    accelprobe_probes::key(name).or_else(|| derive::KEYS.iter().copied().find(|key| key.name == name))
}

/// The keys of the facts that no probe tells and that are derived from others.
pub fn derived() -> &'static [&'static Key] {
    derive::KEYS
}

/// Says that a name is no key, with the nearest one that is.
pub fn unknown_key(name: &str) -> String {
    let derived = derive::KEYS.iter().map(|key| key.name);
    accelprobe_probes::unknown("fact", name, accelprobe_probes::keys().map(|key| key.name).chain(derived))
}

/// Conditions that must all hold.
#[derive(Clone, Debug, Default)]
pub struct Conditions(pub Vec<Condition>);

/// One condition.
#[derive(Clone, Debug)]
pub struct Condition {
    /// What it is about.
    pub term: Term,
    /// What must hold of it.
    pub test: Test,
}

/// What a condition is about.
#[derive(Clone, Debug)]
pub enum Term {
    /// A fact.
    Fact(&'static Key),
    /// The state of a system: `SYSTEM-state`.
    State(String),
    /// The rung of a system: `SYSTEM-rung`.
    Rung(String),
    /// The name of the package that is judged: `package`.
    Package,
    /// The version of another package in the same Python environment: `beside-NAME`.
    Beside(String),
}

/// What must hold of a term.
#[derive(Clone, Debug)]
pub enum Test {
    /// It has a value.
    Present,
    /// It is known to have none; of a set, that it is empty.
    Absent,
    /// Whatever was asked neither crashed nor hung nor failed.
    Answered,
    /// What should be read is there and can be read.
    Readable,
    /// The version is in the range.
    Within(Range),
    /// The text is one of these; the set holds one of them.
    OneOf(Vec<String>),
    /// The text is another: `!=text`.
    Not(String),
    /// The flag is this.
    Is(bool),
}

/// True, false, or not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody can say.
    Unknown,
}

impl Truth {
    /// Both: false beats unknown, unknown beats true.
    #[must_use]
    pub fn and(self, other: Truth) -> Truth {
        match (self, other) {
            (Truth::False, _) | (_, Truth::False) => Truth::False,
            (Truth::Unknown, _) | (_, Truth::Unknown) => Truth::Unknown,
            (Truth::True, Truth::True) => Truth::True,
        }
    }
}

impl From<bool> for Truth {
    fn from(truth: bool) -> Truth {
        if truth { Truth::True } else { Truth::False }
    }
}

/// What a version says that is newer than the newest release that the matrix knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// Nothing: a rule was written before that release.
    Unknown,
    /// What its number says: a newer driver does what an older one did.
    Compared,
}

impl Conditions {
    /// Whether all hold for a subject. Facts of the machine count for every subject; of a device's facts, where the
    /// subject is the machine, the lowest version counts.
    pub(crate) fn hold(&self, ground: &Ground<'_>, spot: &Spot<'_>, beyond: Beyond) -> Truth {
        // What is false stays false whatever the rest says.
        let mut all = Truth::True;
        for condition in &self.0 {
            all = all.and(condition.holds(ground, spot, beyond));
            if all == Truth::False {
                break;
            }
        }
        all
    }

    /// Whether they may hold of a package of this name of which these facts are true.
    pub(crate) fn may_hold_of(&self, package: &str, facts: &[Fact]) -> bool {
        let refuted = |condition: &Condition| match (&condition.term, &condition.test) {
            (Term::Package, Test::OneOf(names)) => !names.iter().any(|name| name == package),
            (Term::Package, Test::Not(name)) => name == package,
            (Term::Fact(key), test) => {
                let told =
                    facts.iter().find(|fact| std::ptr::eq(fact.key, *key)).and_then(|fact| fact.value.as_ref().ok());
                told.is_some_and(|value| test.holds_of(value) == Truth::False)
            }
            _ => false,
        };
        !self.0.iter().any(refuted)
    }

    /// The packages that are looked at beside the one that is judged.
    pub fn beside(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|condition| match &condition.term {
            Term::Beside(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether a package is judged.
    pub fn is_of_packages(&self) -> bool {
        let of_packages = |condition: &Condition| match condition.term {
            Term::Package => true,
            Term::Fact(key) => key.scope == Scope::Package,
            _ => false,
        };
        self.0.iter().any(of_packages)
    }

    /// The names of the facts that this is about.
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> {
        self.0.iter().filter_map(|condition| match condition.term {
            Term::Fact(key) => Some(key),
            _ => None,
        })
    }
}

impl Condition {
    fn holds(&self, ground: &Ground<'_>, spot: &Spot<'_>, beyond: Beyond) -> Truth {
        let text_is = |text: Option<&str>| match (&self.test, text) {
            (Test::OneOf(texts), Some(text)) => texts.iter().any(|one| one == text).into(),
            (Test::Not(not), Some(text)) => (not != text).into(),
            _ => Truth::Unknown,
        };
        match &self.term {
            Term::Fact(key) => self.holds_of(key, ground, spot, beyond),
            Term::Package => match spot.subject {
                Subject::Package { name, .. } => text_is(Some(name)),
                _ => Truth::Unknown,
            },
            Term::Beside(name) => {
                let (Subject::Package { environment, .. } | Subject::Environment(environment)) = spot.subject else {
                    return Truth::Unknown;
                };
                match (ground.beside(environment, name), &self.test) {
                    (Some(Ok(_)), Test::Present) => Truth::True,
                    (Some(Ok(_)), Test::Absent) => Truth::False,
                    (Some(Ok(version)), Test::Within(range)) => {
                        match beyond == Beyond::Unknown && ground.is_newer_than_known(name, version) {
                            true => Truth::Unknown,
                            false => range.contains(version).into(),
                        }
                    }
                    (Some(Err(Missing::NotFound)), test) => matches!(test, Test::Absent).into(),
                    // It is there, and its version is what is not known.
                    (Some(Err(_)), Test::Present) => Truth::True,
                    (Some(Err(_)), Test::Absent) => Truth::False,
                    _ => Truth::Unknown,
                }
            }
            Term::State(system) => {
                let climb = ground.climbs.get(system).filter(|climb| climb.state != State::Unknown);
                text_is(climb.map(|climb| climb.state.name()))
            }
            Term::Rung(system) => {
                text_is(ground.climbs.get(system).and_then(|climb| climb.rung).map(|rung| rung.name()))
            }
        }
    }

    fn holds_of(&self, key: &'static Key, ground: &Ground<'_>, spot: &Spot<'_>, beyond: Beyond) -> Truth {
        let mut facts = ground.facts(key, spot);
        let mut values = facts.clone().filter_map(|fact| fact.value.as_ref().ok());
        let lowest = match (key.kind, key.scope) {
            (Kind::Version, Scope::Device) => values.min_by(|left, right| by_version(left, right)),
            _ => values.next(),
        };
        match (&self.test, lowest) {
            (Test::Answered, _) => failed(facts.next(), |missing| {
                matches!(missing, Missing::Crashed(_) | Missing::TimedOut | Missing::Exited { .. })
            }),
            (Test::Readable, _) => failed(facts.next(), |missing| {
                matches!(missing, Missing::Garbled(_) | Missing::NotFound | Missing::Denied)
            }),
            (Test::Present, Some(_)) => Truth::True,
            (Test::Absent, Some(Value::Set(items))) => items.is_empty().into(),
            (Test::Absent, Some(_)) => Truth::False,
            (Test::Within(_), Some(Value::Version(version)))
                if beyond == Beyond::Unknown && ground.is_beyond(key, spot.subject, version) =>
            {
                Truth::Unknown
            }
            (test, Some(value)) => test.holds_of(value),
            (test, None) if facts.any(|fact| fact.value == Err(Missing::NotFound)) => {
                matches!(test, Test::Absent | Test::Not(_)).into()
            }
            (_, None) => Truth::Unknown,
        }
    }
}

impl Test {
    fn holds_of(&self, value: &Value) -> Truth {
        match (self, value) {
            (Test::Within(range), Value::Version(version)) => range.contains(version).into(),
            (Test::OneOf(texts), Value::Set(items)) => texts.iter().any(|text| items.contains(text)).into(),
            (Test::OneOf(texts), Value::Text(value)) => texts.contains(value).into(),
            (Test::OneOf(texts), value) => texts.contains(&value.to_string()).into(),
            (Test::Not(text), Value::Text(value)) => (text != value).into(),
            (Test::Not(text), value) => (*text != value.to_string()).into(),
            (Test::Is(flag), Value::Flag(value)) => (flag == value).into(),
            _ => Truth::Unknown,
        }
    }
}

fn by_version(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Version(left), Value::Version(right)) => left.cmp(right),
        _ => Ordering::Equal,
    }
}

/// False where the first fact is missing for one of these reasons; unknown where it is missing for another.
fn failed(first: Option<&Fact>, reasons: fn(&Missing) -> bool) -> Truth {
    match first.map(|fact| &fact.value) {
        None => Truth::Unknown,
        Some(Ok(_)) => Truth::True,
        Some(Err(missing)) if reasons(missing) => Truth::False,
        Some(Err(_)) => Truth::Unknown,
    }
}

impl fmt::Display for Term {
    /// The name by which a condition is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Term::Fact(key) => f.write_str(key.name),
            Term::State(system) => write!(f, "{system}-state"),
            Term::Rung(system) => write!(f, "{system}-rung"),
            Term::Package => f.write_str("package"),
            Term::Beside(name) => write!(f, "beside-{name}"),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.term {
            Term::Beside(name) => write!(f, "{name} beside it")?,
            term => term.fmt(f)?,
        }
        match &self.test {
            Test::Present => f.write_str(" is there"),
            Test::Absent => f.write_str(" is absent"),
            Test::Answered => f.write_str(" answers"),
            Test::Readable => f.write_str(" can be read"),
            Test::Within(range) => write!(f, " {range}"),
            Test::OneOf(texts) => write!(f, " is {}", texts.join(" or ")),
            Test::Not(text) => write!(f, " is not {text}"),
            Test::Is(true) => f.write_str(" holds"),
            Test::Is(false) => f.write_str(" does not hold"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use accelprobe_probes::fact::{Origin, Report};
    use serde::Deserialize;

    use super::*;
    use crate::judge::known::Known;
    use crate::matrix::Matrix;

    fn fact(key: &str, value: Result<Value, Missing>) -> Fact {
        let key = accelprobe_probes::key(key).unwrap();
        let subject = if key.scope == Scope::Device { Subject::Device("a".into()) } else { Subject::Host };
        Fact { key, subject, value, origin: Origin::Given("test".into()) }
    }

    fn holds(conditions: &str, facts: Vec<Fact>) -> Truth {
        #[derive(Deserialize)]
        struct File {
            when: Conditions,
        }
        let file: File = toml::from_str(&format!("when = {conditions}")).unwrap();
        let report = Known::of(Report { probes: Vec::new(), facts });
        let (climbs, matrix) = (BTreeMap::new(), Matrix::default());
        let ground = Ground::new(&report, &climbs, &matrix);
        file.when.hold(&ground, &ground.spot(&Subject::Host), Beyond::Unknown)
    }

    fn version(text: &str) -> Result<Value, Missing> {
        Ok(Value::Version(text.parse().unwrap()))
    }

    #[test]
    fn false_beats_unknown_and_unknown_beats_true() {
        use Truth::{False, True, Unknown};
        for (left, right, both) in [
            (True, True, True),
            (True, Unknown, Unknown),
            (Unknown, Unknown, Unknown),
            (False, Unknown, False),
            (True, False, False),
        ] {
            assert_eq!(left.and(right), both);
            assert_eq!(right.and(left), both);
        }
    }

    #[test]
    fn what_is_unknown_is_neither_true_nor_false() {
        let driver = "{ nvidia-driver = \">=580\" }";
        assert_eq!(holds(driver, vec![]), Truth::Unknown);
        assert_eq!(holds(driver, vec![fact("nvidia-driver", Err(Missing::TimedOut))]), Truth::Unknown);
        assert_eq!(holds(driver, vec![fact("nvidia-driver", version("580.65.06"))]), Truth::True);
        assert_eq!(holds(driver, vec![fact("nvidia-driver", version("535.1"))]), Truth::False);
        assert_eq!(holds(driver, vec![fact("nvidia-driver", Err(Missing::NotFound))]), Truth::False);
        assert_eq!(
            holds("{ nvidia-driver = \"absent\" }", vec![fact("nvidia-driver", Err(Missing::NotFound))]),
            Truth::True
        );
        assert_eq!(
            holds("{ gpu-vendors = \"absent\" }", vec![fact("gpu-vendors", Ok(Value::Set(vec![])))]),
            Truth::True
        );
        assert_eq!(
            holds("{ gpu-vendors = \"amd\" }", vec![fact("gpu-vendors", Ok(Value::Set(vec!["amd".into()])))]),
            Truth::True
        );
    }

    #[test]
    fn the_lowest_card_counts_for_the_machine() {
        let cards = || vec![fact("compute-capability", version("9.0")), fact("compute-capability", version("6.1"))];
        assert_eq!(holds("{ compute-capability = \">=7.5\" }", cards()), Truth::False);
        assert_eq!(holds("{ compute-capability = \">=6.0\" }", cards()), Truth::True);
    }

    /// What conditions say of torch in an environment with NumPy 2, by a matrix whose newest torch is 2.15.
    fn holds_of_torch(conditions: &str, torch: &str, beyond: Beyond) -> Truth {
        #[derive(Deserialize)]
        struct File {
            when: Conditions,
        }
        let file: File = toml::from_str(&format!("when = {conditions}")).unwrap();
        let package = |name: &str| Subject::Package { environment: "/e".into(), name: name.into() };
        let told = |key: &str, subject: Subject, value: Value| Fact {
            key: key_of(key),
            subject,
            value: Ok(value),
            origin: Origin::Given("test".into()),
        };
        let facts = vec![
            told("package-version", package("torch"), Value::Version(torch.parse().unwrap())),
            told("package-version", package("numpy"), Value::Version("2.0.0".parse().unwrap())),
            told(
                "environment-packages",
                Subject::Environment("/e".into()),
                Value::Set(vec!["torch".into(), "numpy".into()]),
            ),
        ];
        let product = "name = \"PyTorch\"\nvendor = \"meta\"\npackages = [\"torch\"]\nsource = \"x\"\n\
                       release = [{ version = \"2.15.0\" }]";
        let matrix = Matrix { products: vec![toml::from_str(product).unwrap()], ..Matrix::default() };
        let (report, climbs) = (Known::of(Report { probes: Vec::new(), facts }), BTreeMap::new());
        let (ground, torch) = (Ground::new(&report, &climbs, &matrix), package("torch"));
        file.when.hold(&ground, &ground.spot(&torch), beyond)
    }

    fn key_of(name: &str) -> &'static Key {
        key(name).unwrap()
    }

    #[test]
    fn a_package_has_a_name_and_neighbours() {
        let holds = |conditions: &str| holds_of_torch(conditions, "2.2.0", Beyond::Unknown);
        assert_eq!(holds("{ package = \"torch\", beside-numpy = \">=2\" }"), Truth::True);
        assert_eq!(holds("{ package = [\"jax\", \"jaxlib\"] }"), Truth::False);
        assert_eq!(holds("{ beside-numpy = \"<2\" }"), Truth::False);
        assert_eq!(holds("{ beside-scipy = \"absent\" }"), Truth::True);
        assert_eq!(holds("{ beside-scipy = \">=1\" }"), Truth::False);
    }

    #[test]
    fn a_version_beyond_the_horizon_is_unknown_to_rules() {
        let old = "{ package-version = \"<3\" }";
        assert_eq!(holds_of_torch(old, "2.15.0+cu130", Beyond::Unknown), Truth::True);
        assert_eq!(holds_of_torch(old, "2.16.0", Beyond::Unknown), Truth::Unknown);
        assert_eq!(holds_of_torch(old, "2.16.0", Beyond::Compared), Truth::True);
    }

    #[test]
    fn a_condition_that_cannot_be_is_refused() {
        #[derive(Debug, Deserialize)]
        struct File {
            #[serde(rename = "when")]
            _when: Conditions,
        }
        for (text, expected) in [
            ("{ nvidia-drivr = \">=1\" }", "did you mean `nvidia-driver`?"),
            ("{ nvidia-driver = true }", "expected a range"),
            ("{ nvidia-driver = \"580\" }", "write `>=580`"),
            ("{ container = \"yes\" }", "expected true or false"),
            ("{ environment = 5 }", "a text, a list of texts, true or false"),
        ] {
            let error = toml::from_str::<File>(&format!("when = {text}")).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
