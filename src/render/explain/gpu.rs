//! A GPU by its name or its instruction set: what it is, what serves it and what holds code for it.

use super::releases::{reach, span};
use super::sources;
use crate::judge::about_gpu::{self, Holding, Serving};
use crate::judge::vendor_title;
use crate::matrix::{Build, Environment, GpuFamily, Matrix};
use crate::render::{Block, Span, Tone, View};

/// As many families are explained at once; of more, the names are listed.
const MOST: usize = 3;

/// The pages of the GPUs that are meant. `name` is a model, in whole or in part, or an instruction set: `gfx1100`, `sm_89`,
/// `8.9`.
pub(super) fn gpus(view: &mut View, matrix: &Matrix, name: &str) {
    let families = matrix.gpus.iter().flat_map(|gpus| gpus.family.iter().map(move |family| (gpus, family)));
    let exact = matrix.gpus.iter().find_map(|gpus| Some((gpus, gpus.by_name(name)?)));
    let meant: Vec<_> = match exact {
        Some(exact) => vec![exact],
        None => families.filter(|(_, family)| has_set(family, name) || !models(family, name).is_empty()).collect(),
    };
    if meant.len() > MOST && !meant.iter().any(|(_, family)| has_set(family, name)) {
        view.heading(2, format!("GPUs with \"{name}\" in their name"));
        for (gpus, family) in &meant {
            let spans = vec![Span::plain(models(family, name).join(", "))];
            let title = format!("{} {}", vendor_title(&gpus.vendor), set(family));
            view.blocks.push(Block::Entry(16, Span::new(title.trim(), Tone::Strong), spans));
        }
        return;
    }
    let mut told: Vec<String> = Vec::new();
    for (gpus, family) in meant {
        heading(view, &gpus.vendor, family);
        // Two lines of products with one instruction set differ in nothing else.
        let set = format!("{} {}", gpus.vendor, set(family));
        if set.trim() == gpus.vendor || told.contains(&set) {
            sources(view, matrix, &family.sources);
            continue;
        }
        told.push(set);
        serving(view, &about_gpu::serving(matrix, &gpus.vendor, family));
        holding(view, &about_gpu::holding(matrix, family));
        sources(view, matrix, &family.sources);
    }
}

fn has_set(family: &GpuFamily, name: &str) -> bool {
    let name = name.to_lowercase();
    let of_cuda = family.compute_capability.as_ref().is_some_and(|own| {
        let digits = format!("{}{}", own.part(0), own.part(1));
        name == own.to_string()
            || ["sm_", "sm", "compute_"].iter().any(|start| name.strip_prefix(start) == Some(&digits))
    });
    of_cuda || family.gfx.as_deref() == Some(name.as_str())
}

/// The models of a family whose names hold all the words of another one.
fn models<'a>(family: &'a GpuFamily, name: &str) -> Vec<&'a str> {
    let words: Vec<String> = name.split_whitespace().map(str::to_lowercase).collect();
    let holds = |model: &&str| {
        let model = model.to_lowercase();
        let own: Vec<&str> = model.split([' ', '-']).collect();
        !words.is_empty() && words.iter().all(|word| own.contains(&word.as_str()))
    };
    family.names.iter().map(String::as_str).filter(holds).collect()
}

/// The instruction set, in its vendor's words.
fn set(family: &GpuFamily) -> String {
    let capability = family.compute_capability.as_ref().map(ToString::to_string);
    capability.or_else(|| family.gfx.clone()).unwrap_or_default()
}

fn heading(view: &mut View, vendor: &str, family: &GpuFamily) {
    view.heading(2, format!("{} {} ({})", vendor_title(vendor), family.architecture, family.line));
    let mut entry = |term: &str, text: String| {
        view.blocks.push(Block::Entry(20, Span::new(term, Tone::Strong), vec![Span::plain(text)]));
    };
    if let Some(capability) = &family.compute_capability {
        entry("compute capability", capability.to_string());
    }
    if let Some(gfx) = &family.gfx {
        entry("gfx target", gfx.clone());
    }
    entry("models", family.names.join(", "));
}

fn serving(view: &mut View, serving: &[Serving<'_>]) {
    for one in serving {
        // Environments of which the same is said are named together.
        let mut told: Vec<(Vec<&str>, String)> = Vec::new();
        for (environment, releases) in &one.releases {
            let words = span(&one.product.release, releases);
            match told.iter_mut().find(|(_, same)| *same == words) {
                Some((environments, _)) => environments.push(title(*environment)),
                None => told.push((vec![title(*environment)], words)),
            }
        }
        let words: Vec<String> =
            told.iter().map(|(environments, words)| format!("{words} ({})", environments.join(", "))).collect();
        let rules: Vec<&str> = one.rules.iter().map(|rule| rule.id.as_str()).collect();
        let spans = vec![Span::plain(words.join("; ")), Span::new(format!("  by {}", rules.join(", ")), Tone::Quiet)];
        view.blocks.push(Block::Entry(20, Span::new(&one.product.name, Tone::Strong), spans));
    }
}

fn title(environment: Environment) -> &'static str {
    if environment == Environment::Windows { "Windows" } else { environment.title() }
}

fn holding(view: &mut View, holding: &[Holding<'_>]) {
    let mut groups: Vec<(&Holding<'_>, Vec<&Build>)> = Vec::new();
    for one in holding {
        let same = |of: &&Holding<'_>| {
            std::ptr::eq(of.product, one.product) && of.build.id == one.build.id && of.ptx == one.ptx
        };
        match groups.iter_mut().find(|(of, _)| same(of)) {
            Some((_, builds)) => builds.push(one.build),
            None => groups.push((one, vec![one.build])),
        }
    }
    if groups.is_empty() {
        return;
    }
    view.blocks.push(Block::Gap);
    view.text(2, "Builds that hold code for it:");
    let row = |(one, builds): &(&Holding<'_>, Vec<&Build>)| {
        let code = if one.ptx { " (PTX, which the driver translates)" } else { "" };
        let build = format!("{}{code}", one.build.id);
        [one.product.name.clone(), build, reach(one.product, builds)].map(Span::plain).to_vec()
    };
    let header = ["package", "build", "releases"].map(str::to_owned).to_vec();
    view.blocks.push(Block::Table(header, groups.iter().map(row).collect()));
}
