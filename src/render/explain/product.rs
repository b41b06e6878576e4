//! A product: its releases and what can be installed of each, the newest first.

use accelprobe_probes::version::Version;

use super::releases::reach;
use super::sources;
use crate::matrix::{Build, Matrix, Product, Release};
use crate::render::{Block, Span, Tone, View};

/// The page of a product.
pub(super) fn product(view: &mut View, matrix: &Matrix, product: &Product) {
    view.heading(2, format!("{}: releases", product.name));
    let newest = product.horizon().map(|newest| format!("The newest that is known is {newest}. ")).unwrap_or_default();
    view.text(2, format!("{newest}What is newer is not judged."));
    for (title, names) in [("Python packages", &product.packages), ("facts that are such a version", &product.keys)] {
        if !names.is_empty() {
            view.text(2, format!("{title}: {}", names.join(", ")));
        }
    }
    releases(view, &product.release);
    sources(view, matrix, std::slice::from_ref(&product.source));
    if !product.build.is_empty() {
        view.heading(2, format!("{}: builds", product.name));
        builds(view, product);
        let mut ids: Vec<String> = product.build.iter().flat_map(|build| build.sources.iter().cloned()).collect();
        ids.sort_unstable();
        ids.dedup();
        sources(view, matrix, &ids);
    }
}

/// A column: its title, and the text of a row in it.
type Column<'a, T> = (&'a str, fn(&T) -> String);

/// A table of the columns that are not empty.
fn table<T>(view: &mut View, columns: &[Column<'_, T>], rows: &[&T]) {
    let told: Vec<&Column<'_, T>> =
        columns.iter().filter(|(_, cell)| rows.iter().any(|row| !cell(row).is_empty())).collect();
    let header = told.iter().map(|(title, _)| (*title).to_owned()).collect();
    let cells = |row: &&T| told.iter().map(|(_, cell)| Span::plain(cell(row))).collect();
    view.blocks.push(Block::Table(header, rows.iter().map(cells).collect()));
}

fn releases(view: &mut View, releases: &[Release]) {
    fn text<T: ToString>(value: Option<&T>) -> String {
        value.map(ToString::to_string).unwrap_or_default()
    }
    let columns: &[Column<'_, Release>] = &[
        ("release", |release| release.version.to_string()),
        ("date", |release| release.date.clone().unwrap_or_default()),
        ("Python", |release| text(release.python.as_ref())),
        ("newest CUDA", |release| text(release.cuda.as_ref())),
        ("goes with", |release| {
            let beside = release.beside.iter().map(|(name, version)| format!("{name} {version}"));
            beside.collect::<Vec<_>>().join(", ")
        }),
    ];
    table(view, columns, &releases.iter().rev().collect::<Vec<_>>());
    // A note would make a line of the table three.
    let noted = releases.iter().rev().filter_map(|release| Some((release, release.note.as_ref()?)));
    for (release, note) in noted {
        let spans = vec![Span::plain(note)];
        view.blocks.push(Block::Entry(12, Span::new(release.version.to_string(), Tone::Strong), spans));
    }
    view.blocks.push(Block::Gap);
}

fn builds(view: &mut View, product: &Product) {
    // Builds that differ in releases and platforms alone share a line.
    let mut groups: Vec<Vec<&Build>> = Vec::new();
    for build in &product.build {
        let same =
            |one: &&Build| one.id == build.id && one.architectures == build.architectures && with(one) == with(build);
        match groups.iter_mut().find(|group| group.first().is_some_and(same)) {
            Some(group) => group.push(build),
            None => groups.push(vec![build]),
        }
    }
    let row = |group: &Vec<&Build>| {
        let build = group.first()?;
        let code = match &build.architectures {
            Some(all) => architectures(all),
            None if matches!(build.computes.as_str(), "cuda" | "rocm") => "not known".to_owned(),
            None => String::new(),
        };
        Some([build.id.clone(), reach(product, group), code, with(build)].map(Span::plain).to_vec())
    };
    let header = ["build", "releases", "code for", "with"].map(str::to_owned).to_vec();
    view.blocks.push(Block::Table(header, groups.iter().filter_map(row).collect()));
    let Some(newest) = product.horizon() else { return };
    let mut told: Vec<&str> = Vec::new();
    for build in product.builds(newest) {
        if !told.contains(&build.install.as_str()) {
            told.push(&build.install);
        }
    }
    view.blocks.push(Block::Gap);
    view.text(2, "The newest is installed by one of these:");
    told.iter().for_each(|install| view.command(format!("pip install {install}")));
}

/// What a build was made with and for beside its GPUs.
fn with(build: &Build) -> String {
    let versions = [("CUDA", &build.cuda), ("cuDNN", &build.cudnn), ("ROCm", &build.rocm)];
    // The third number of a cuDNN matters to nobody here.
    let short = |version: &Version| version.text().split('.').take(2).collect::<Vec<_>>().join(".");
    let versions = versions.iter().filter_map(|(name, version)| Some(format!("{name} {}", short(version.as_ref()?))));
    let python = build.python.as_ref().map(|range| format!("Python {range}"));
    versions.chain(python).chain(build.package.clone()).collect::<Vec<_>>().join(", ")
}

/// Instruction sets as their numbers; what is PTX says so.
fn architectures(names: &[String]) -> String {
    let number = |digits: &str| match digits.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(digits.len()) {
        end if end > 1 => {
            let (major, minor) = digits.split_at(end - 1);
            format!("{major}.{minor}")
        }
        _ => digits.to_owned(),
    };
    let one = |name: &String| match (name.strip_prefix("sm_"), name.strip_prefix("compute_")) {
        (Some(digits), _) => number(digits),
        (_, Some(digits)) => format!("PTX {}", number(digits)),
        _ => name.clone(),
    };
    names.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instruction_sets_are_told_as_numbers() {
        let names = ["sm_75", "sm_90a", "sm_100", "compute_120", "gfx1100", "sm_5"].map(str::to_owned);
        assert_eq!(architectures(&names), "7.5 9.0a 10.0 PTX 12.0 gfx1100 5");
    }
}
