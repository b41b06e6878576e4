//! What must fit together in a matrix beyond each file's own shape.

use std::collections::BTreeSet;
use std::ops::Range as Span;

use toml::Spanned;

use super::parse::{Problem, place};
use super::{Matrix, Verdict, condition, template};

/// All that does not fit, in the order of the files.
pub(super) fn all<'a>(matrix: &Matrix, text_of: &dyn Fn(&str) -> &'a str) -> Vec<Problem> {
    let mut check = Check { problems: Vec::new(), text_of };
    let mut ids = BTreeSet::new();
    let mut claims = BTreeSet::new();
    for source in matrix.sources.values() {
        if !is_date(&source.date) {
            let at = (check.text_of)("sources.toml").find(&format!("id = \"{}\"", source.id)).unwrap_or(0);
            check.say(
                "sources.toml",
                at..at,
                format!("`{}` is no date: expected 2026, 2026-03 or 2026-03-11", source.date),
            );
        }
    }
    for system in &matrix.systems {
        let file = format!("systems/{}.toml", system.id);
        for support in &system.support {
            check.unique(&file, &mut ids, &support.id);
            check.sources(&file, matrix, &support.sources);
            let span = support.id.span();
            if support.documents == Some(Verdict::Partial) && support.note.is_none() {
                check.say(&file, span.clone(), "`partial` needs a `note` that says how far".to_owned());
            }
            let differs = support.documents.is_some_and(|documents| documents != support.current);
            if (support.current == Verdict::Partial || differs) && support.current_note.is_none() {
                check.say(
                    &file,
                    span.clone(),
                    format!("`{}` needs a `current-note` that says why", support.current.word()),
                );
            }
            if support.claims.is_empty() && support.sources.is_empty() {
                check.say(&file, span, "a statement needs `claims` or `sources`".to_owned());
            }
        }
        for setup in &system.setup {
            if setup.sources.is_empty() {
                check.say(&file, setup.id.span(), "a set-up needs `sources`".to_owned());
            }
            if setup.when.0.is_empty() {
                check.say(&file, setup.id.span(), "a set-up needs a `when`".to_owned());
            }
            check.unique(&file, &mut ids, &setup.id);
            check.sources(&file, matrix, &setup.sources);
        }
    }
    for rule in &matrix.rules {
        let file = format!("rules/{}/{}.toml", rule.area, rule.id);
        check.sources(&file, matrix, &rule.sources);
        if !ids.insert(rule.id.clone()) {
            check.say(&file, 0..0, format!("the id `{}` is used twice", rule.id));
        }
        for cause in rule.caused_by.iter().filter(|cause| !matrix.rules.iter().any(|rule| rule.id == **cause)) {
            let at = (check.text_of)(&file).find(&format!("\"{cause}\"")).unwrap_or(0);
            let rules = matrix.rules.iter().map(|rule| rule.id.as_str());
            check.say(&file, at..at, accelprobe_probes::unknown("rule", cause, rules));
        }
        if rule.sources.is_empty() {
            check.say(&file, 0..0, "a rule needs `sources`".to_owned());
        }
        let remedies = std::iter::once(&rule.remedy).chain(rule.row.iter().filter_map(|row| row.remedy.as_ref()));
        let texts = remedies.flat_map(|remedy| std::iter::once(&remedy.text).chain(&remedy.commands));
        for text in std::iter::once(&rule.message).chain(texts) {
            let unknown = |name: &String| {
                !["subject", "package", "require"].contains(&name.as_str()) && condition::key(name).is_none()
            };
            for name in template::names(text).into_iter().filter(unknown) {
                let at = (check.text_of)(&file).find(text.as_str()).unwrap_or(0);
                check.say(&file, at..at, condition::unknown_key(&name));
            }
        }
        for row in rule.row.iter().filter(|row| row.when.0.is_empty() || row.require.0.is_empty()) {
            let missing = if row.when.0.is_empty() { "when" } else { "require" };
            check.say(&file, 0..0, format!("a row has an empty `{missing}`: it needs both `when` and `require`"));
        }
    }
    for claim in matrix.claims() {
        if !claims.insert(claim.get_ref().clone()) {
            check.say(
                &file_of_claim(matrix, claim),
                claim.span(),
                format!("the claim `{}` stands twice", claim.get_ref()),
            );
        }
    }
    let holders = matrix.systems.iter().map(|system| (format!("systems/{}.toml", system.id), &system.newer));
    let topics = matrix.topics.iter().map(|topic| (format!("topics/{}.toml", topic.id), &topic.newer));
    for (file, newer) in holders.chain(topics) {
        for statement in newer {
            check.unique(&file, &mut ids, &statement.id);
            check.sources(&file, matrix, std::slice::from_ref(&statement.source));
            for claim in statement.claims.iter().filter(|claim| !claims.contains(claim.get_ref())) {
                check.say(&file, claim.span(), format!("no statement encodes the claim `{}`", claim.get_ref()));
            }
        }
    }
    for product in &matrix.products {
        let file = format!("products/{}.toml", product.id);
        check.sources(&file, matrix, std::slice::from_ref(&product.source));
        for pair in product.release.windows(2) {
            if let [before, after] = pair
                && before.version.get_ref() >= after.version.get_ref()
            {
                let (before, version) = (before.version.get_ref(), after.version.get_ref());
                check.say(&file, after.version.span(), format!("{version} stands behind {before}: releases ascend"));
            }
        }
        for build in &product.build {
            check.quoted_sources(&file, matrix, &build.sources);
        }
    }
    for gpus in &matrix.gpus {
        let file = format!("gpus/{}.toml", gpus.vendor);
        for family in &gpus.family {
            check.quoted_sources(&file, matrix, &family.sources);
        }
    }
    check.problems
}

struct Check<'a, 'b> {
    problems: Vec<Problem>,
    text_of: &'b dyn Fn(&str) -> &'a str,
}

impl Check<'_, '_> {
    fn say(&mut self, file: &str, span: Span<usize>, message: String) {
        let place = place((self.text_of)(file), span.start);
        self.problems.push(Problem { file: file.to_owned(), place: Some(place), message });
    }

    fn unique(&mut self, file: &str, ids: &mut BTreeSet<String>, id: &Spanned<String>) {
        if !ids.insert(id.get_ref().clone()) {
            self.say(file, id.span(), format!("the id `{}` is used twice", id.get_ref()));
        }
    }

    fn sources(&mut self, file: &str, matrix: &Matrix, sources: &[Spanned<String>]) {
        for source in sources.iter().filter(|source| !matrix.sources.contains_key(source.get_ref())) {
            let message =
                accelprobe_probes::unknown("source", source.get_ref(), matrix.sources.keys().map(String::as_str));
            self.say(file, source.span(), message);
        }
    }
}

impl Check<'_, '_> {
    /// Sources whose place is found by their name.
    fn quoted_sources(&mut self, file: &str, matrix: &Matrix, sources: &[String]) {
        for source in sources.iter().filter(|source| !matrix.sources.contains_key(*source)) {
            let at = (self.text_of)(file).find(&format!("\"{source}\"")).unwrap_or(0);
            let message = accelprobe_probes::unknown("source", source, matrix.sources.keys().map(String::as_str));
            self.say(file, at..at, message);
        }
        if sources.is_empty() {
            self.say(file, 0..0, "every build and every family of GPUs needs `sources`".to_owned());
        }
    }
}

/// The file in which this very claim stands.
fn file_of_claim(matrix: &Matrix, claim: &Spanned<String>) -> String {
    let system = matrix.systems.iter().find(|system| {
        let support = system.support.iter().flat_map(|support| &support.claims);
        let rest = system
            .note
            .iter()
            .flat_map(|note| &note.claims)
            .chain(system.hardware.iter().flat_map(|hardware| &hardware.claims));
        support
            .chain(rest)
            .chain(system.format.iter().flat_map(|format| &format.claims))
            .any(|one| std::ptr::eq(one, claim))
    });
    match system {
        Some(system) => format!("systems/{}.toml", system.id),
        None => {
            let topic = matrix
                .topics
                .iter()
                .find(|topic| topic.note.iter().flat_map(|note| &note.claims).any(|one| std::ptr::eq(one, claim)));
            format!("topics/{}.toml", topic.map_or("", |topic| topic.id.as_str()))
        }
    }
}

/// `2026`, `2026-03` or `2026-03-11`.
fn is_date(text: &str) -> bool {
    let digits = |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    match text.split('-').collect::<Vec<_>>().as_slice() {
        [year] => digits(year, 4),
        [year, month] => digits(year, 4) && digits(month, 2),
        [year, month, day] => digits(year, 4) && digits(month, 2) && digits(day, 2),
        _ => false,
    }
}
