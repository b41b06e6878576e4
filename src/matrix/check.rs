//! What must fit together in a matrix beyond each file's own shape.

use std::collections::BTreeSet;

use super::parse::{Problem, place};
use super::{Matrix, Setup, Verdict, condition, template};

/// All that does not fit, in the order of the files.
pub(super) fn all<'a>(matrix: &Matrix, text_of: &dyn Fn(&str) -> &'a str) -> Vec<Problem> {
    let mut check = Check { problems: Vec::new(), text_of };
    let mut ids = BTreeSet::new();
    let mut claims = BTreeSet::new();
    for source in matrix.sources.values() {
        if !is_date(&source.date) {
            let message = format!("`{}` is no date: expected 2026, 2026-03 or 2026-03-11", source.date);
            check.say("sources.toml", &source.id, message);
        }
    }
    for system in &matrix.systems {
        let file = format!("systems/{}.toml", system.id);
        for support in &system.support {
            check.unique(&file, &mut ids, &support.id);
            check.sources(&file, matrix, &support.sources);
            let id = &support.id;
            if support.documents == Some(Verdict::Partial) && support.note.is_none() {
                check.say(&file, id, "`partial` needs a `note` that says how far".to_owned());
            }
            let differs = support.documents.is_some_and(|documents| documents != support.current);
            if (support.current == Verdict::Partial || differs) && support.current_note.is_none() {
                check.say(&file, id, format!("`{}` needs a `current-note` that says why", support.current.word()));
            }
            if support.claims.is_empty() && support.sources.is_empty() {
                check.say(&file, id, "a statement needs `claims` or `sources`".to_owned());
            }
        }
        for rule in system.explained_by.iter().filter(|id| !matrix.rules.iter().any(|rule| rule.id == **id)) {
            let rules = matrix.rules.iter().map(|rule| rule.id.as_str());
            check.say(&file, rule, accelprobe_probes::unknown("rule", rule, rules));
        }
        check.setups(&file, matrix, &mut ids, &system.setup);
    }
    for topic in &matrix.topics {
        check.setups(&format!("topics/{}.toml", topic.id), matrix, &mut ids, &topic.setup);
    }
    for rule in &matrix.rules {
        let file = format!("rules/{}/{}.toml", rule.area, rule.id);
        check.sources(&file, matrix, &rule.sources);
        if !ids.insert(rule.id.clone()) {
            check.say_of_file(&file, format!("the id `{}` is used twice", rule.id));
        }
        for cause in rule.caused_by.iter().filter(|cause| !matrix.rules.iter().any(|rule| rule.id == **cause)) {
            let rules = matrix.rules.iter().map(|rule| rule.id.as_str());
            check.say(&file, cause, accelprobe_probes::unknown("rule", cause, rules));
        }
        if rule.sources.is_empty() {
            check.say_of_file(&file, "a rule needs `sources`".to_owned());
        }
        let remedies = std::iter::once(&rule.remedy).chain(rule.row.iter().filter_map(|row| row.remedy.as_ref()));
        let texts = remedies.flat_map(|remedy| std::iter::once(&remedy.text).chain(&remedy.commands));
        for text in std::iter::once(&rule.message).chain(texts) {
            let unknown = |name: &String| {
                !["subject", "package", "require"].contains(&name.as_str()) && condition::key(name).is_none()
            };
            for name in template::names(text).into_iter().filter(unknown) {
                check.say(&file, text, condition::unknown_key(&name));
            }
        }
        for row in rule.row.iter().filter(|row| row.when.0.is_empty() || row.require.0.is_empty()) {
            let missing = if row.when.0.is_empty() { "when" } else { "require" };
            check.say_of_file(&file, format!("a row has an empty `{missing}`: it needs both `when` and `require`"));
        }
    }
    let in_systems = matrix.systems.iter().flat_map(|system| {
        let file = format!("systems/{}.toml", system.id);
        system.claims().map(move |claim| (file.clone(), claim))
    });
    let in_topics = matrix.topics.iter().flat_map(|topic| {
        let file = format!("topics/{}.toml", topic.id);
        topic.claims().map(move |claim| (file.clone(), claim))
    });
    for (file, claim) in in_systems.chain(in_topics) {
        if !claims.insert(claim.as_str()) {
            check.say_of_last(&file, claim, format!("the claim `{claim}` stands twice"));
        }
    }
    let holders = matrix.systems.iter().map(|system| (format!("systems/{}.toml", system.id), &system.newer));
    let topics = matrix.topics.iter().map(|topic| (format!("topics/{}.toml", topic.id), &topic.newer));
    for (file, newer) in holders.chain(topics) {
        for statement in newer {
            check.unique(&file, &mut ids, &statement.id);
            check.sources(&file, matrix, std::slice::from_ref(&statement.source));
            for claim in statement.claims.iter().filter(|claim| !claims.contains(claim.as_str())) {
                check.say(&file, claim, format!("no statement encodes the claim `{claim}`"));
            }
        }
    }
    for product in &matrix.products {
        let file = format!("products/{}.toml", product.id);
        check.sources(&file, matrix, std::slice::from_ref(&product.source));
        for pair in product.release.windows(2) {
            if let [before, after] = pair
                && before.version >= after.version
            {
                let (before, version) = (&before.version, &after.version);
                check.say(&file, version.text(), format!("{version} stands behind {before}: releases ascend"));
            }
        }
        for build in &product.build {
            check.has_sources(&file, matrix, &build.sources);
        }
    }
    for gpus in &matrix.gpus {
        let file = format!("gpus/{}.toml", gpus.vendor);
        for family in &gpus.family {
            check.has_sources(&file, matrix, &family.sources);
        }
    }
    check.problems
}

struct Check<'a, 'b> {
    problems: Vec<Problem>,
    text_of: &'b dyn Fn(&str) -> &'a str,
}

impl Check<'_, '_> {
    /// Says what is wrong where a text first stands in a file in quotation marks, else where it stands at all.
    fn say(&mut self, file: &str, quoted: &str, message: String) {
        let text = (self.text_of)(file);
        let at = text.find(&format!("\"{quoted}\"")).or_else(|| text.find(quoted));
        self.say_at(file, at, message);
    }

    /// Says what is wrong where a text in quotation marks last stands in a file.
    fn say_of_last(&mut self, file: &str, quoted: &str, message: String) {
        let at = (self.text_of)(file).rfind(&format!("\"{quoted}\""));
        self.say_at(file, at, message);
    }

    fn say_of_file(&mut self, file: &str, message: String) {
        self.say_at(file, None, message);
    }

    fn say_at(&mut self, file: &str, at: Option<usize>, message: String) {
        let place = place((self.text_of)(file), at.unwrap_or(0));
        self.problems.push(Problem { file: file.to_owned(), place: Some(place), message });
    }

    fn unique(&mut self, file: &str, ids: &mut BTreeSet<String>, id: &str) {
        if !ids.insert(id.to_owned()) {
            self.say_of_last(file, id, format!("the id `{id}` is used twice"));
        }
    }

    fn setups(&mut self, file: &str, matrix: &Matrix, ids: &mut BTreeSet<String>, setups: &[Setup]) {
        for setup in setups {
            if let Some(needed) = setup.needs.as_ref().filter(|needed| matrix.system(needed).is_none()) {
                let systems = matrix.systems.iter().map(|system| system.id.as_str());
                self.say(file, needed, accelprobe_probes::unknown("system", needed, systems));
            }
            if setup.sources.is_empty() {
                self.say(file, &setup.id, "a set-up needs `sources`".to_owned());
            }
            if setup.when.0.is_empty() {
                self.say(file, &setup.id, "a set-up needs a `when`".to_owned());
            }
            for text in std::iter::once(&setup.text).chain(&setup.commands) {
                for name in template::names(text).into_iter().filter(|name| condition::key(name).is_none()) {
                    self.say(file, text, condition::unknown_key(&name));
                }
            }
            self.unique(file, ids, &setup.id);
            self.sources(file, matrix, &setup.sources);
        }
    }

    fn sources(&mut self, file: &str, matrix: &Matrix, sources: &[String]) {
        for source in sources.iter().filter(|source| !matrix.sources.contains_key(*source)) {
            let message = accelprobe_probes::unknown("source", source, matrix.sources.keys().map(String::as_str));
            self.say(file, source, message);
        }
    }

    fn has_sources(&mut self, file: &str, matrix: &Matrix, sources: &[String]) {
        self.sources(file, matrix, sources);
        if sources.is_empty() {
            self.say_of_file(file, "every build and every family of GPUs needs `sources`".to_owned());
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
