//! What the matrix knows under a name: a rule, a finding's code, a statement, a system, a topic, a product with its releases
//! and builds, or a GPU.

mod gpu;
mod product;
mod releases;
mod rule;
mod system;

use accelprobe_probes::ladder::State;

use super::{Block, Span, Tone, View};
use crate::matrix::{Matrix, Product, Rule, Support, System};

/// What the matrix knows under a name; nothing where it knows nothing.
pub fn view(matrix: &Matrix, name: &str) -> Option<View> {
    let mut view = View::default();
    let product = product_of(matrix, name);
    let by_package = || matrix.systems.iter().find(|system| system.packages.iter().any(|package| package == name));
    if let Some(system) = matrix.system(name).or_else(|| by_package().filter(|_| product.is_none())) {
        system::system(&mut view, matrix, system);
    }
    if let Some(topic) = matrix.topics.iter().find(|topic| topic.id == name) {
        system::topic(&mut view, matrix, topic);
    }
    if let Some(product) = product {
        product::product(&mut view, matrix, product);
    }
    code(&mut view, matrix, name);
    for rule in matrix.rules.iter().filter(|rule| rule.id == name) {
        rule::rule(&mut view, matrix, rule);
    }
    for (system, support) in statements(matrix).filter(|(_, support)| support.id == name) {
        view.heading(2, format!("{} on {}", system.name, support.environment.title()));
        system::statement(&mut view, matrix, support);
    }
    for system in &matrix.systems {
        for setup in system.setup.iter().filter(|setup| setup.id == name) {
            system::setup(&mut view, matrix, system, setup);
        }
    }
    if view.blocks.is_empty() {
        gpu::gpus(&mut view, matrix, name);
    }
    (!view.blocks.is_empty()).then_some(view)
}

/// A finding's code: what it means, and what gives it. What is given by one rule alone is followed by that rule.
fn code(view: &mut View, matrix: &Matrix, name: &str) {
    let rules: Vec<&Rule> = matrix.rules.iter().filter(|rule| rule.code == name).collect();
    let given: Vec<_> = statements(matrix).filter(|(_, support)| support.code.as_deref() == Some(name)).collect();
    let meaning = matrix.codes.get(name).cloned().or_else(|| of_state(matrix, name));
    if rules.is_empty() && given.is_empty() && meaning.is_none() {
        return;
    }
    view.heading(1, name);
    meaning.iter().for_each(|meaning| view.text(2, meaning));
    let rows = rules
        .iter()
        .map(|rule| [rule.id.clone(), rule.severity.word().to_owned(), rule.title.clone()])
        .chain(given.iter().map(|(system, support)| {
            let words = support.note.as_ref().or(support.current_note.as_ref()).map(|note| format!(": {note}"));
            let title = format!("{} on {}{}", system.name, support.environment.title(), words.unwrap_or_default());
            [support.id.clone(), "where wanted".to_owned(), title]
        }))
        .map(|cells| cells.map(Span::plain).to_vec())
        .collect::<Vec<_>>();
    match (rules.as_slice(), given.is_empty()) {
        ([only], true) if only.id != name => rule::rule(view, matrix, only),
        _ if rows.is_empty() => {}
        _ => {
            let header = ["given by", "severity", "what must hold, or what is said"].map(str::to_owned).to_vec();
            view.blocks.push(Block::Table(header, rows));
        }
    }
}

fn statements(matrix: &Matrix) -> impl Iterator<Item = (&System, &Support)> {
    matrix.systems.iter().flat_map(|system| system.support.iter().map(move |support| (system, support)))
}

/// A product by its id, by a package of it, or by a fact that carries its version.
fn product_of<'a>(matrix: &'a Matrix, name: &str) -> Option<&'a Product> {
    let has = |names: &[String]| names.iter().any(|one| one == name);
    matrix
        .product(name)
        .or_else(|| matrix.products.iter().find(|product| has(&product.packages)))
        .or_else(|| matrix.products.iter().find(|product| has(&product.keys)))
}

/// What a code means that says which system is wanted and how it stands: `cuda-broken`.
fn of_state(matrix: &Matrix, name: &str) -> Option<String> {
    let states = STATES.iter().filter_map(|state| Some((*state, name.strip_suffix(state.name())?.strip_suffix('-')?)));
    let (state, system) = states.filter_map(|(state, id)| Some((state, matrix.system(id)?))).next()?;
    Some(format!("{} is wanted, and on this machine it is {}.", system.name, state.name().replace('-', " ")))
}

/// The states that make a want fail.
const STATES: [State; 6] =
    [State::SoftwareOnly, State::Masked, State::Blocked, State::Broken, State::Crashed, State::NotInstalled];

/// Every name that can be explained, but those of GPUs.
pub fn names(matrix: &Matrix) -> Vec<&str> {
    let mut names: Vec<&str> = matrix.systems.iter().map(|system| system.id.as_str()).collect();
    names.extend(matrix.topics.iter().map(|topic| topic.id.as_str()));
    names.extend(matrix.products.iter().map(|product| product.id.as_str()));
    names.extend(matrix.codes.keys().map(String::as_str));
    names.extend(matrix.rules.iter().flat_map(|rule| [rule.id.as_str(), rule.code.as_str()]));
    for system in &matrix.systems {
        names.extend(system.support.iter().map(|support| support.id.as_str()));
        names.extend(system.support.iter().filter_map(|support| support.code.as_deref()));
        names.extend(system.setup.iter().map(|setup| setup.id.as_str()));
    }
    names.sort_unstable();
    names.dedup();
    names
}

fn sources(view: &mut View, matrix: &Matrix, ids: &[String]) {
    for source in ids.iter().filter_map(|id| matrix.sources.get(id)) {
        let url = source.url.as_ref().map(|url| format!(", {url}")).unwrap_or_default();
        view.blocks.push(Block::Text(
            4,
            vec![Span::new(format!("source: {}, {}{url}", source.title, source.date), Tone::Quiet)],
        ));
    }
}
