//! The linters of versions, rules, products and GPUs: one function for each invariant that the loader does not hold by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use accelprobe::matrix::condition::{Condition, Conditions, Term, Test};
use accelprobe::matrix::{self, Build, Matrix, Product, Row, Rule};
use accelprobe_probes::version::{Range, Version};

static MATRIX: LazyLock<Matrix> =
    LazyLock::new(|| matrix::embedded().unwrap_or_else(|problems| panic!("{problems:#?}")));

/// Fails with all that is wrong, one a line.
fn none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every row with its rule and its number.
fn rows() -> impl Iterator<Item = (&'static Rule, usize, &'static Row)> {
    MATRIX.rules.iter().flat_map(|rule| rule.row.iter().enumerate().map(move |(place, row)| (rule, place + 1, row)))
}

fn parts(row: &Row) -> [&Conditions; 3] {
    [&row.when, &row.except, &row.require]
}

/// The versions that a product knows, and whether one of them is meant: a release, or what several begin with.
fn is_registered(product: &Product, version: &Version) -> bool {
    product.release.iter().any(|release| release.version == *version || release.version.starts_with(version))
}

/// The product whose version a condition compares; of `package-version` that of the packages that the row names.
fn products_of(row: &Row, term: &Term) -> Vec<&'static Product> {
    let of_package = |name: &str| MATRIX.products.iter().find(|product| product.packages.iter().any(|one| one == name));
    let of_key = |name: &str| MATRIX.products.iter().find(|product| product.keys.iter().any(|key| key == name));
    match term {
        Term::Fact(key) if key.name == "package-version" => {
            let conditions = row.when.0.iter().chain(&row.require.0);
            let named = conditions.filter_map(|condition| match (&condition.term, &condition.test) {
                (Term::Package, Test::OneOf(names)) => Some(names),
                _ => None,
            });
            named.flatten().filter_map(|name| of_package(name)).collect()
        }
        Term::Fact(key) => of_key(key.name).into_iter().collect(),
        Term::Beside(name) => of_package(name).or_else(|| of_key(name)).into_iter().collect(),
        _ => Vec::new(),
    }
}

#[test]
fn ids_are_words_joined_by_dashes() {
    let is_id = |id: &&str| {
        let is_word = |word: &str| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.')
        };
        id.split('-').all(is_word)
    };
    let rules = MATRIX.rules.iter().flat_map(|rule| [&rule.id, &rule.area, &rule.code]);
    let others = MATRIX.products.iter().map(|product| &product.id).chain(MATRIX.codes.keys());
    none(rules.chain(others).map(String::as_str).filter(|id| !is_id(id)).map(str::to_owned).collect());
}

#[test]
fn every_version_of_a_rule_is_a_registered_release() {
    let mut wrong = Vec::new();
    for (rule, place, row) in rows() {
        for condition in parts(row).into_iter().flat_map(|part| &part.0) {
            let Test::Within(range) = &condition.test else { continue };
            let products = products_of(row, &condition.term);
            for bound in range.bounds() {
                if !products.is_empty() && !products.iter().any(|product| is_registered(product, bound)) {
                    let names: Vec<&str> = products.iter().map(|product| product.id.as_str()).collect();
                    wrong.push(format!("{} row {place}: `{condition}`: no {} {bound}", rule.id, names.join(" or ")));
                }
            }
        }
    }
    none(wrong);
}

#[test]
fn every_version_of_a_statement_is_a_registered_release() {
    let mut wrong = Vec::new();
    for system in &MATRIX.systems {
        let names = std::iter::once(&system.id).chain(&system.packages);
        let Some(product) = names.into_iter().find_map(|name| MATRIX.product(name).or(MATRIX.product_of_package(name)))
        else {
            continue;
        };
        let ranges = system.support.iter().filter_map(|support| Some((&support.id, support.versions.as_ref()?)));
        for (id, range) in ranges {
            let unknown = range.bounds().filter(|bound| !is_registered(product, bound));
            wrong.extend(unknown.map(|bound| format!("{id}: `{range}`: no {} {bound}", product.id)));
        }
    }
    none(wrong);
}

#[test]
fn every_version_of_a_product_is_a_registered_release() {
    let mut wrong = Vec::new();
    let mut of = |product: &Product, what: &str, version: &Version| {
        let other = MATRIX.product(what).unwrap_or_else(|| panic!("there is no product {what}"));
        if !is_registered(other, version) {
            wrong.push(format!("{}: no {what} {version}", product.id));
        }
    };
    for product in &MATRIX.products {
        for release in &product.release {
            release.cuda.iter().for_each(|cuda| of(product, "cuda", cuda));
        }
        for build in &product.build {
            build.versions.bounds().for_each(|bound| of(product, &product.id, bound));
            build.cuda.iter().for_each(|cuda| of(product, "cuda", cuda));
            // A wheel of cuDNN has a fourth number, which says how it was packed.
            let short =
                |cudnn: &Version| cudnn.text().split('.').take(3).collect::<Vec<_>>().join(".").parse().unwrap();
            build.cudnn.iter().for_each(|cudnn| of(product, "cudnn", &short(cudnn)));
            build.rocm.iter().for_each(|rocm| of(product, "rocm", rocm));
        }
    }
    none(wrong);
}

#[test]
fn dates_are_dates() {
    let is_date = |text: &str| {
        let parts: Vec<Option<u32>> = text.split('-').map(|part| part.parse().ok()).collect();
        match parts.as_slice() {
            [Some(1990..2100)] => text.len() == 4,
            [Some(1990..2100), Some(1..=12)] => text.len() == 7,
            [Some(1990..2100), Some(1..=12), Some(1..=31)] => text.len() == 10,
            _ => false,
        }
    };
    let releases = MATRIX.products.iter().flat_map(|product| product.release.iter().map(move |one| (product, one)));
    let dated = releases
        .filter_map(|(product, release)| Some((format!("{} {}", product.id, release.version), release.date.clone()?)));
    let sources = MATRIX.sources.values().map(|source| (source.id.clone(), source.date.clone()));
    none(dated.chain(sources).filter(|(_, date)| !is_date(date)).map(|(of, date)| format!("{of}: {date}")).collect());
}

/// The rows of a rule that differ in one range of one version alone, with that range. What they ask for may differ in its
/// numbers.
fn ladders(rule: &Rule) -> Vec<Vec<(usize, &Range)>> {
    let mut ladders: BTreeMap<String, Vec<(usize, &Range)>> = BTreeMap::new();
    let without_numbers = |text: String| text.replace(|c: char| c.is_ascii_digit() || c == '.', "");
    for (place, row) in rule.row.iter().enumerate() {
        let versions: Vec<&Condition> =
            row.when.0.iter().filter(|condition| matches!(condition.test, Test::Within(_))).collect();
        let [Condition { term, test: Test::Within(range) }] = versions.as_slice() else { continue };
        let words = |part: &Conditions| -> BTreeSet<String> {
            let others = part.0.iter().filter(|condition| !matches!(condition.test, Test::Within(_)));
            others.map(ToString::to_string).collect()
        };
        let asked: BTreeSet<String> =
            row.require.0.iter().map(|condition| without_numbers(condition.to_string())).collect();
        let same = format!("{term:?} {:?} {:?} {asked:?}", words(&row.when), words(&row.except));
        ladders.entry(same).or_default().push((place + 1, range));
    }
    ladders.into_values().filter(|ladder| ladder.len() > 1).collect()
}

/// Versions on which the rows of a ladder are tried: the releases of what they compare, or where there is no list of those,
/// every bound and one a little above it.
fn tries(rule: &Rule, ladder: &[(usize, &Range)]) -> Vec<Version> {
    let bounds: BTreeSet<Version> = ladder.iter().flat_map(|(_, range)| range.bounds()).cloned().collect();
    let row = ladder.first().and_then(|(place, _)| rule.row.get(place - 1)).unwrap();
    let term =
        row.when.0.iter().find(|condition| matches!(condition.test, Test::Within(_))).map(|one| &one.term).unwrap();
    let above = |bound: &Version| format!("{}.0.0.0.1", bound.text()).parse().unwrap();
    let mut tries: BTreeSet<Version> = match products_of(row, term).as_slice() {
        [] => bounds.iter().flat_map(|bound| [bound.clone(), above(bound)]).collect(),
        products => {
            products.iter().flat_map(|product| &product.release).map(|release| release.version.clone()).collect()
        }
    };
    tries.extend(bounds);
    tries.into_iter().collect()
}

/// Versions between two rows of a rule for which there is none on purpose, and why.
const GAPS: &[(&str, &str)] = &[
    // Jetson Orin, whose driver comes with its system.
    ("driver-knows-the-gpu", "8.7"),
    // Single branches are known to be faulty, and those between them are not.
    ("nvidia-smi-works-in-wsl", "553"),
];

#[test]
fn rows_that_differ_in_one_version_neither_overlap_nor_leave_a_gap() {
    let mut wrong = Vec::new();
    for rule in &MATRIX.rules {
        for ladder in ladders(rule) {
            let tries = tries(rule, &ladder);
            let of = |version: &Version| -> Vec<usize> {
                ladder.iter().filter(|(_, range)| range.contains(version)).map(|(place, _)| *place).collect()
            };
            let covered: Vec<Vec<usize>> = tries.iter().map(of).collect();
            let first = covered.iter().position(|rows| !rows.is_empty()).unwrap_or(0);
            let last = covered.iter().rposition(|rows| !rows.is_empty()).unwrap_or(0);
            // Single releases have others between them of which nothing is known.
            let single = ladder.iter().all(|(_, range)| range.text().starts_with("=="));
            for (version, rows) in tries.iter().zip(&covered).take(last + 1).skip(first) {
                let on_purpose =
                    |(id, gap): &(&str, &str)| *id == rule.id && version.starts_with(&gap.parse().unwrap());
                match rows.len() {
                    0 if single || GAPS.iter().any(on_purpose) => {}
                    0 => wrong.push(format!("{}: no row is for {version}", rule.id)),
                    1 => {}
                    _ => wrong.push(format!("{}: rows {rows:?} are all for {version}", rule.id)),
                }
            }
        }
    }
    none(wrong);
}

#[test]
fn rows_that_differ_in_one_version_stand_in_its_order() {
    let mut wrong = Vec::new();
    for rule in &MATRIX.rules {
        for ladder in ladders(rule) {
            let tries = tries(rule, &ladder);
            let first = |range: &Range| tries.iter().position(|version| range.contains(version));
            let places: Vec<Option<usize>> = ladder.iter().map(|(_, range)| first(range)).collect();
            if !places.is_sorted() && !places.iter().rev().is_sorted() {
                let rows: Vec<usize> = ladder.iter().map(|(place, _)| *place).collect();
                wrong.push(format!("{}: rows {rows:?} stand in no order", rule.id));
            }
        }
    }
    none(wrong);
}

#[test]
fn no_row_stands_twice() {
    let mut seen = BTreeSet::new();
    let same = |(rule, place, row): (&Rule, usize, &Row)| {
        let words = |part: &Conditions| part.0.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        let new = seen.insert(format!(
            "{} {:?} {:?} {:?}",
            rule.id,
            words(&row.when),
            words(&row.except),
            words(&row.require)
        ));
        (!new).then(|| format!("{} row {place}", rule.id))
    };
    none(rows().filter_map(same).collect());
}

#[test]
fn causes_go_round_in_no_circle() {
    let causes = |id: &str| MATRIX.rules.iter().find(|rule| rule.id == id).map(|rule| rule.caused_by.as_slice());
    let circle = |rule: &&Rule| {
        let mut reached: BTreeSet<&str> = rule.caused_by.iter().map(String::as_str).collect();
        loop {
            let more: BTreeSet<&str> =
                reached.iter().filter_map(|id| causes(id)).flatten().map(String::as_str).collect();
            let before = reached.len();
            reached.extend(more);
            if reached.len() == before {
                return reached.contains(rule.id.as_str());
            }
        }
    };
    none(MATRIX.rules.iter().filter(circle).map(|rule| rule.id.clone()).collect());
}

/// The platforms for which there may be builds.
const PLATFORMS: &[&str] =
    &["linux-x86_64", "linux-aarch64", "windows-x86_64", "windows-aarch64", "macos-x86_64", "macos-aarch64"];

#[test]
fn builds_speak_of_known_platforms_and_apis() {
    const COMPUTES: &[&str] = &["cuda", "rocm", "xpu", "directml", "metal", "openvino", "qnn", "cpu"];
    let mut wrong = Vec::new();
    for (product, build) in builds() {
        let name = format!("{} {}", product.id, build.id);
        let strange = |known: &[&str], told: &[String]| told.iter().find(|one| !known.contains(&one.as_str())).cloned();
        wrong.extend(strange(PLATFORMS, &build.on).map(|one| format!("{name}: {one} is no platform")));
        let systems = ["linux", "windows", "macos"];
        wrong.extend(strange(&systems, &build.default).map(|one| format!("{name}: {one} is no system")));
        wrong.extend(
            strange(COMPUTES, std::slice::from_ref(&build.computes)).map(|one| format!("{name}: computes {one}")),
        );
        if build.on.is_empty() || !product.release.iter().any(|release| build.versions.contains(&release.version)) {
            wrong.push(format!("{name}: there is no release of it anywhere"));
        }
        for (key, version, api) in [("cuda", &build.cuda, "cuda"), ("rocm", &build.rocm, "rocm")] {
            if version.is_some() && build.computes != api {
                wrong.push(format!("{name}: has `{key}` and computes {}", build.computes));
            }
        }
    }
    none(wrong);
}

fn builds() -> impl Iterator<Item = (&'static Product, &'static Build)> {
    MATRIX.products.iter().flat_map(|product| product.build.iter().map(move |build| (product, build)))
}

#[test]
fn builds_of_one_name_do_not_overlap() {
    let mut wrong = Vec::new();
    for product in &MATRIX.products {
        for platform in PLATFORMS {
            for release in &product.release {
                let mut seen = BTreeSet::new();
                let here = product.builds(&release.version).filter(|build| build.on.iter().any(|on| on == platform));
                for build in here {
                    // One name may have wheels for some Pythons that others lack.
                    let python = build.python.as_ref().map(Range::text);
                    if !seen.insert((&build.id, &build.package, python)) {
                        wrong.push(format!(
                            "{}: {} {} on {platform} stands twice",
                            product.id, build.id, release.version
                        ));
                    }
                }
            }
        }
    }
    none(wrong);
}

#[test]
fn one_build_at_most_is_what_a_plain_install_gives() {
    let mut wrong = Vec::new();
    for product in &MATRIX.products {
        for platform in PLATFORMS {
            let system = platform.split('-').next().unwrap_or_default();
            for release in &product.release {
                let here = product.builds(&release.version).filter(|build| {
                    build.on.iter().any(|on| on == platform) && build.default.iter().any(|one| one == system)
                });
                let mut packages: Vec<(&str, Option<&str>)> =
                    here.map(|build| (product.package_of(build), build.python.as_ref().map(Range::text))).collect();
                packages.sort_unstable();
                if packages.windows(2).any(|pair| pair[0] == pair[1]) {
                    wrong.push(format!("{} {} on {platform}: {packages:?}", product.id, release.version));
                }
            }
        }
    }
    none(wrong);
}

#[test]
fn instruction_sets_are_well_formed() {
    let is_cuda = |name: &str| {
        let number = name.strip_prefix("sm_").or_else(|| name.strip_prefix("compute_"));
        let digits = number.map(|number| number.strip_suffix(['a', 'f']).unwrap_or(number));
        digits.is_some_and(|digits| (2..=3).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_digit()))
    };
    let is_gfx = |name: &str| {
        let target = name.strip_prefix("gfx").map(|target| target.strip_suffix("-generic").unwrap_or(target));
        target.is_some_and(|target| {
            !target.is_empty() && target.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase() || c == '-')
        })
    };
    let mut wrong = Vec::new();
    for (product, build) in builds() {
        let fits = |name: &&String| match build.computes.as_str() {
            "cuda" => is_cuda(name),
            "rocm" => is_gfx(name),
            _ => false,
        };
        let strange = build.architectures.iter().flatten().filter(|name| !fits(name));
        wrong.extend(strange.map(|name| format!("{} {}: {name}", product.id, build.id)));
        let told: BTreeSet<&String> = build.architectures.iter().flatten().collect();
        if build.architectures.as_ref().is_some_and(|all| all.len() != told.len()) {
            wrong.push(format!("{} {}: an instruction set stands twice", product.id, build.id));
        }
    }
    for family in MATRIX.gpus.iter().flat_map(|gpus| &gpus.family) {
        wrong.extend(family.gfx.iter().filter(|gfx| !is_gfx(gfx)).map(|gfx| format!("{}: {gfx}", family.architecture)));
    }
    none(wrong);
}

#[test]
fn a_gpu_has_one_family() {
    let mut wrong = Vec::new();
    for gpus in &MATRIX.gpus {
        let mut names = BTreeSet::new();
        let mut numbers = BTreeSet::new();
        for family in &gpus.family {
            for name in &family.names {
                let words = name.to_lowercase().replace('-', " ");
                if !names.insert(words) {
                    wrong.push(format!("{}: {name} stands twice", gpus.vendor));
                }
            }
            for number in &family.pci {
                let is_number =
                    number.len() == 4 && number.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase());
                if !is_number || !numbers.insert(number) {
                    wrong.push(format!("{}: {number} is no number of a device, or stands twice", gpus.vendor));
                }
            }
            let both = family.compute_capability.is_some() && family.gfx.is_some();
            let nvidia = family.compute_capability.is_some() == (gpus.vendor == "nvidia");
            if both || !nvidia || family.names.is_empty() {
                wrong.push(format!("{}: {} {:?}", gpus.vendor, family.architecture, family.names.first()));
            }
        }
    }
    none(wrong);
}

#[test]
fn every_code_has_a_meaning_and_every_meaning_is_given() {
    // Codes that wants give beside those of rules and statements.
    const BY_WANTS: &[&str] = &["no-amd-gpu", "no-gpu", "no-nvidia-gpu", "platform-no-wheel", "unsupported-here"];
    let given: BTreeSet<&str> = MATRIX
        .rules
        .iter()
        .map(|rule| rule.code.as_str())
        .chain(MATRIX.systems.iter().flat_map(|system| &system.support).filter_map(|support| support.code.as_deref()))
        .chain(BY_WANTS.iter().copied())
        .collect();
    let told: BTreeSet<&str> = MATRIX.codes.keys().map(String::as_str).collect();
    let without = given.difference(&told).map(|code| format!("{code} has no meaning in codes.toml"));
    let idle = told.difference(&given).map(|code| format!("nothing gives {code}"));
    none(without.chain(idle).collect());
}

#[test]
fn codes_stand_sorted() {
    let text = std::fs::read_to_string(crate::tool::root().join("matrix/codes.toml")).unwrap();
    let codes: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" = "))
        .map(|(code, _)| code.trim_matches('"'))
        .collect();
    assert!(codes.len() > 50 && codes.is_sorted(), "{codes:?}");
}

#[test]
fn sentences_and_commands_are_in_form() {
    let mut wrong = Vec::new();
    for rule in &MATRIX.rules {
        let mut say = |what: &str, text: &str| wrong.push(format!("{}: {what}: {text}", rule.id));
        let sentence = |text: &str| text.matches(". ").count() == 0 && text.ends_with('.');
        for (what, text) in [("title", &rule.title), ("message", &rule.message)] {
            if sentence(text) || text.trim() != text {
                say(what, text);
            }
        }
        if !rule.explain.ends_with(['.', ')']) {
            say("explain", &rule.explain);
        }
        let remedies = std::iter::once(&rule.remedy).chain(rule.row.iter().filter_map(|row| row.remedy.as_ref()));
        for remedy in remedies {
            if sentence(&remedy.text) {
                say("remedy", &remedy.text);
            }
            for command in &remedy.commands {
                let odd = |quote: char| command.chars().filter(|c| *c == quote).count() % 2 == 1;
                if odd('\'') || odd('"') || command.contains('\n') || command.trim() != command {
                    say("command", command);
                }
            }
        }
    }
    none(wrong);
}
