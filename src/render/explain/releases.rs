//! Releases in few words: as spans of those that are known.

use crate::matrix::{Build, Product, Release};

/// Some of all releases, as spans: "520 or newer", "up to 590", "11.8 to 12.9, 13.1".
pub(super) fn span(all: &[Release], some: &[&Release]) -> String {
    let is_in =
        |place: &usize| all.get(*place).is_some_and(|release| some.iter().any(|one| std::ptr::eq(*one, release)));
    let shown = |place: usize| all.get(place).map(|release| release.version.to_string()).unwrap_or_default();
    let mut spans = Vec::new();
    let mut next = 0;
    while let Some(first) = (next..all.len()).find(is_in) {
        let last = (first..all.len()).take_while(is_in).last().unwrap_or(first);
        next = last + 1;
        spans.push(match (first, last) {
            (0, last) if next == all.len() && last > 0 => "all".to_owned(),
            (first, _) if next == all.len() => format!("{} or newer", shown(first)),
            (0, last) => format!("up to {}", shown(last)),
            (first, last) if first == last => shown(first),
            (first, last) => format!("{} to {}", shown(first), shown(last)),
        });
    }
    if spans.is_empty() { "none".to_owned() } else { spans.join(", ") }
}

/// For which releases there is one of these builds, and on which platforms: "2.12.0 or newer on Linux and Windows".
pub(super) fn reach(product: &Product, builds: &[&Build]) -> String {
    let mut platforms: Vec<&str> = Vec::new();
    for platform in builds.iter().flat_map(|build| &build.on) {
        if !platforms.contains(&platform.as_str()) {
            platforms.push(platform);
        }
    }
    // Platforms of which the same is said are named together.
    let mut told: Vec<(String, Vec<&str>)> = Vec::new();
    for platform in platforms {
        let on = || builds.iter().filter(|build| build.on.iter().any(|one| one == platform));
        let of = |release: &&Release| on().any(|build| build.versions.contains(&release.version));
        let words = span(&product.release, &product.release.iter().filter(of).collect::<Vec<_>>());
        match told.iter_mut().find(|(same, _)| *same == words) {
            Some((_, platforms)) => platforms.push(short(platform)),
            None => told.push((words, vec![short(platform)])),
        }
    }
    let told: Vec<String> =
        told.iter().map(|(words, platforms)| format!("{words} on {}", platforms.join(", "))).collect();
    told.join("; ")
}

/// A platform in few words.
fn short(platform: &str) -> &str {
    match platform {
        "linux-x86_64" => "Linux",
        "linux-aarch64" => "Linux ARM",
        "windows-x86_64" => "Windows",
        "windows-aarch64" => "Windows ARM",
        "macos-aarch64" => "macOS",
        "macos-x86_64" => "macOS Intel",
        other => other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_told_as_spans() {
        let all: Vec<Release> = toml::from_str::<Product>(
            "name = \"X\"\nvendor = \"x\"\nsource = \"x\"\nrelease = [{ version = \"1\" }, { version = \"2\" }, \
             { version = \"3\" }, { version = \"4\" }, { version = \"5\" }]",
        )
        .unwrap()
        .release;
        let told =
            |places: &[usize]| span(&all, &places.iter().filter_map(|place| all.get(*place)).collect::<Vec<_>>());
        assert_eq!(told(&[0, 1, 2, 3, 4]), "all");
        assert_eq!(told(&[1, 2, 3, 4]), "2 or newer");
        assert_eq!(told(&[0, 1]), "up to 2");
        assert_eq!(told(&[1, 3]), "2, 4");
        assert_eq!(told(&[1, 2, 4]), "2 to 3, 5 or newer");
        assert_eq!(told(&[]), "none");
    }
}
