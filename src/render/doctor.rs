//! The diagnosis as something to read: what is wrong first, then how every system stands, then what can be set up.

use accelprobe_probes::ladder::{Rung, State};

use super::sides::sides;
use super::{Block, Span, Tone, View};
use crate::diagnosis::{Citation, Diagnosis, Finding, Outcome, ProjectFile, Reading, Recommendation, System, Wsl};
use crate::judge::vendor_title;
use crate::matrix::{Edition, Severity};

/// Width of the first column, by the longest label of a system.
const NAME: usize = 13;
/// Width of the column with a state.
const STATE: usize = 15;

/// The whole diagnosis.
pub fn view(diagnosis: &Diagnosis) -> View {
    let mut view = View::default();
    host(&mut view, diagnosis);
    findings(&mut view, diagnosis);
    asked(&mut view, diagnosis);
    systems(&mut view, diagnosis);
    devices(&mut view, diagnosis);
    environments(&mut view, diagnosis);
    recommendations(&mut view, diagnosis);
    sides(&mut view, diagnosis);
    view
}

pub(super) fn host(view: &mut View, diagnosis: &Diagnosis) {
    let host = &diagnosis.host;
    view.heading(1, format!("{} {}", diagnosis.tool.name, diagnosis.tool.version));
    let environment = match host.environment.as_deref() {
        Some("windows") => "native Windows",
        Some("wsl2") => "WSL2",
        Some("wsl1") => "WSL1",
        Some("linux") => "Linux",
        Some("macos") => "macOS",
        _ => "environment unknown",
    };
    let inside = if host.container == Some(true) { ", in a container" } else { "" };
    let kernel = host.kernel.as_ref().map(|kernel| match host.environment.as_deref() {
        Some("windows") => format!("build {kernel}"),
        _ => format!("kernel {kernel}"),
    });
    let around = |wsl: &Wsl| wsl.windows.as_ref().map(|build| format!("Windows build {build}"));
    let windows = host.wsl.as_ref().and_then(around);
    let first = [host.os.clone(), Some(format!("{environment}{inside}")), host.arch.clone(), kernel, windows];
    let cores = host.cores.map(|cores| if cores == 1 { "1 core".to_owned() } else { format!("{cores} cores") });
    let python = host.python.as_ref().map(|python| format!("Python {python}"));
    let second = [host.cpu.clone(), cores, host.memory_bytes.map(gibibytes), python];
    for line in [&first[..], &second] {
        let parts: Vec<&str> = line.iter().flatten().map(String::as_str).filter(|part| !part.is_empty()).collect();
        if !parts.is_empty() {
            view.text(2, parts.join(", "));
        }
    }
    if let Some(reading) = &diagnosis.reading {
        view.text(2, understood(reading));
    }
}

/// What was understood of a pasted text: `Of 60 lines 12 are not understood: 3 to 9, 11, 40 to 43`.
fn understood(reading: &Reading) -> String {
    const MOST: usize = 12;
    let unread: usize = reading.unread.iter().map(|(first, last)| last - first + 1).sum();
    let part = |(first, last): &(usize, usize)| match first == last {
        true => first.to_string(),
        false => format!("{first} to {last}"),
    };
    let parts: Vec<String> = reading.unread.iter().take(MOST).map(part).collect();
    let more = if reading.unread.len() > MOST { ", …" } else { "" };
    match unread {
        0 => format!("all of its {} lines are understood", reading.lines),
        _ => format!("of {} lines {unread} are not understood: {}{more}", reading.lines, parts.join(", ")),
    }
}

pub(super) fn findings(view: &mut View, diagnosis: &Diagnosis) {
    let count = |severity| diagnosis.findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let unmet = diagnosis.requirements.iter().any(|one| one.verdict != Outcome::Holds);
    let many = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    let unasked = diagnosis.systems.iter().any(|system| {
        diagnosis.report.asked(&system.id).is_some() && matches!(system.state, State::Unknown | State::TimedOut)
    });
    let title = match (errors, warnings) {
        (0, 0) if unmet => "No error and no warning, but a requirement is not met".to_owned(),
        (0, 0) if unasked => "Nothing wrong, as far as could be asked".to_owned(),
        (0, 0) => "Nothing wrong".to_owned(),
        (errors, 0) => many(errors, "error"),
        (0, warnings) => many(warnings, "warning"),
        (errors, warnings) => format!("{}, {}", many(errors, "error"), many(warnings, "warning")),
    };
    view.heading(2, title);
    if errors + warnings == 0 && !unmet {
        view.text(2, "No error and no warning.");
    }
    for (place, found) in diagnosis.findings.iter().enumerate() {
        if place > 0 {
            view.blocks.push(Block::Gap);
        }
        finding(view, found, diagnosis.edition);
    }
}

fn finding(view: &mut View, finding: &Finding, edition: Edition) {
    let tone = match finding.severity {
        Severity::Error => Tone::Bad,
        Severity::Warning => Tone::Unsure,
        Severity::Info => Tone::Quiet,
    };
    let head = Span::new(format!("{} {}", finding.severity.word(), finding.code), tone);
    view.blocks.push(Block::Text(2, vec![head, Span::plain(": "), Span::new(&finding.message, Tone::Strong)]));
    for evidence in &finding.evidence {
        let origin = Span::new(format!("  ({})", evidence.origin), Tone::Quiet);
        view.blocks.push(Block::Text(4, vec![Span::plain(format!("{} = {}", evidence.fact, evidence.value)), origin]));
    }
    for consequence in &finding.consequences {
        let message = Span::plain(&consequence.message);
        view.blocks.push(Block::Text(4, vec![Span::new(format!("so {}: ", consequence.code), tone), message]));
    }
    for citation in &finding.contradicted_by {
        view.text(4, newer(citation, edition));
    }
    if let Some(remedy) = &finding.remedy {
        view.blocks.push(Block::Text(4, vec![Span::new("do: ", Tone::Good), Span::plain(&remedy.text)]));
        for command in &remedy.commands {
            view.command(command);
        }
    }
    let sources: Vec<String> =
        finding.sources.iter().map(|source| format!("{} ({})", source.title, source.date)).collect();
    let because = format!("rule {}; {}", finding.rule, sources.join("; "));
    view.blocks.push(Block::Text(4, vec![Span::new(because, Tone::Quiet)]));
}

/// A newer statement beside what the documents say.
pub(super) fn newer(citation: &Citation, edition: Edition) -> String {
    let instead =
        if edition == Edition::Documents { "newer than the documents" } else { "the documents differ; newer" };
    format!("{instead}: {} ({}, {})", citation.text, citation.title, citation.date)
}

fn asked(view: &mut View, diagnosis: &Diagnosis) {
    let wants = diagnosis.wants.iter().map(|want| (&want.spec, want.verdict, &want.detail, want.origin.as_ref()));
    let requirements = diagnosis.requirements.iter().map(|one| (&one.expr, one.verdict, &one.detail, None));
    for (title, lines) in [("Wanted", wants.collect::<Vec<_>>()), ("Required", requirements.collect())] {
        let projects = if title == "Wanted" { diagnosis.projects.as_slice() } else { &[] };
        if lines.is_empty() && projects.is_empty() {
            continue;
        }
        view.heading(2, title);
        for (text, verdict, detail, origin) in lines {
            let tone = match verdict {
                Outcome::Holds => Tone::Good,
                Outcome::Broken => Tone::Bad,
                Outcome::Unknown | Outcome::NotApplicable => Tone::Unsure,
            };
            // What stands above as a finding is not said again.
            let above = diagnosis.findings.iter().find(|finding| finding.message == *detail);
            let detail = above.map_or_else(|| detail.clone(), |finding| format!("see {} above", finding.code));
            let mut spans = vec![Span::new(verdict.word(), tone), Span::plain(format!(": {detail}"))];
            spans.extend(origin.map(|origin| Span::new(format!("  ({origin})"), Tone::Quiet)));
            let width = text.chars().count().clamp(NAME, 28) + 1;
            view.blocks.push(Block::Entry(width, Span::new(text, Tone::Strong), spans));
        }
        projects.iter().for_each(|file| project(view, file));
    }
}

/// What is said of a project's file beside its wants.
fn project(view: &mut View, file: &ProjectFile) {
    let others = match file.not_judged {
        0 => None,
        1 => Some(format!("1 other package of {} is not judged", file.file)),
        number => Some(format!("{number} other packages of {} are not judged", file.file)),
    };
    for line in file.remarks.iter().chain(&others) {
        view.blocks.push(Block::Text(2, vec![Span::new(line, Tone::Quiet)]));
    }
}

fn systems(view: &mut View, diagnosis: &Diagnosis) {
    view.heading(2, "Compute APIs");
    let asked = |system: &System| diagnosis.report.asked(&system.id).is_some();
    let alike = |system: &System| {
        let bare = |one: &&System| one.state == State::Unknown && one.versions.is_empty() && asked(one);
        let same = |one: &&System| one.detail == system.detail;
        let alike: Vec<&System> = diagnosis.systems.iter().filter(bare).filter(same).collect();
        if bare(&system) && alike.len() > 1 { alike } else { Vec::new() }
    };
    for system in diagnosis.systems.iter().filter(|system| is_told_alone(system, asked(system))) {
        // What is not known of several for one reason is said once.
        match alike(system).as_slice() {
            [] => entry(view, diagnosis, system),
            [first, ..] if first.id != system.id => {}
            all => {
                let names: Vec<&str> = all.iter().map(|system| system.label.as_str()).collect();
                let text = format!("unknown: {} ({})", names.join(", "), system.detail);
                view.blocks.push(Block::Text(2, vec![Span::new(text, Tone::Unsure)]));
            }
        }
    }
    for (title, state) in [
        ("not installed", State::NotInstalled),
        ("cannot exist here", State::NotApplicable),
        ("not looked at", State::Unknown),
    ] {
        let here = |system: &&System| system.state == state && !is_told_alone(system, asked(system));
        let names: Vec<&str> = diagnosis.systems.iter().filter(here).map(|system| system.label.as_str()).collect();
        if !names.is_empty() {
            view.blocks.push(Block::Text(2, vec![Span::new(format!("{title}: {}", names.join(", ")), Tone::Quiet)]));
        }
    }
}

/// Whether a system has something of its own to tell. What is merely absent stands in a list with the others; what is absent
/// although its hardware is here does not.
fn is_told_alone(system: &System, asked: bool) -> bool {
    match system.state {
        State::NotApplicable => false,
        State::Unknown => asked,
        State::NotInstalled => system.rung == Some(Rung::KernelDriver) || !system.versions.is_empty(),
        _ => true,
    }
}

fn entry(view: &mut View, diagnosis: &Diagnosis, system: &System) {
    let tone = match system.state {
        State::Working => Tone::Good,
        State::SoftwareOnly | State::Masked | State::TimedOut | State::Unknown => Tone::Unsure,
        State::Blocked | State::Broken | State::Crashed => Tone::Bad,
        State::NotInstalled | State::NotApplicable => Tone::Quiet,
    };
    let state = system.state.name().replace('-', " ");
    let padding = " ".repeat(STATE.saturating_sub(state.len()));
    let mut spans = vec![Span::new(state, tone), Span::plain(padding), Span::plain(&system.detail)];
    let versions: Vec<String> = system.versions.iter().map(|(part, version)| format!("{part} {version}")).collect();
    if !versions.is_empty() {
        spans.push(Span::new(format!(" ({})", versions.join(", ")), Tone::Quiet));
    }
    if matches!(system.state, State::Blocked | State::Broken | State::Crashed | State::TimedOut)
        && let Some(rung) = system.rung
    {
        spans.push(Span::new(format!(" [stopped at: {rung}]"), Tone::Quiet));
    }
    view.blocks.push(Block::Entry(NAME, Span::new(&system.label, Tone::Strong), spans));
    for citation in system.support.contradicted_by.iter().filter(|_| system.state == State::Working) {
        view.text(4, newer(citation, diagnosis.edition));
    }
}

/// The environments that hold something of interest; the rest in one line.
fn environments(view: &mut View, diagnosis: &Diagnosis) {
    let (with, without): (Vec<_>, Vec<_>) =
        diagnosis.environments.iter().partition(|one| !one.packages.is_empty() || one.role != "other");
    if with.iter().all(|one| one.packages.is_empty() && one.role == "active") {
        return;
    }
    view.heading(2, "Python environments");
    for environment in with {
        let role = if environment.role == "other" { String::new() } else { format!(", {}", environment.role) };
        let python = environment.python.as_ref().map(|python| format!(", Python {python}")).unwrap_or_default();
        // What a framework brings along is counted, not named.
        let (brought, named): (Vec<_>, Vec<_>) =
            environment.packages.iter().partition(|(name, _)| name.starts_with("nvidia-"));
        let mut packages: Vec<String> = named.iter().map(|(name, version)| format!("{name} {version}")).collect();
        if !brought.is_empty() {
            packages.push(format!("{} of NVIDIA's (nvidia-*)", brought.len()));
        }
        let head = Span::new(&environment.path, Tone::Strong);
        let kind = match environment.kind.as_str() {
            "none" => format!(" ({})", environment.role),
            "unknown" => environment.python.as_ref().map(|python| format!(" (Python {python})")).unwrap_or_default(),
            kind => format!(" ({kind}{role}{python})"),
        };
        let kind = Span::new(kind, Tone::Quiet);
        let packages = match (environment.kind.as_str(), packages.is_empty()) {
            ("none", _) => "no Python environment is there".to_owned(),
            (_, true) => "no package of interest".to_owned(),
            (_, false) => packages.join(", "),
        };
        view.blocks.push(Block::Text(2, vec![head, kind, Span::plain(format!(": {packages}"))]));
    }
    if !without.is_empty() {
        let many = format!("{} more without any package of interest", without.len());
        view.blocks.push(Block::Text(2, vec![Span::new(many, Tone::Quiet)]));
    }
}

fn devices(view: &mut View, diagnosis: &Diagnosis) {
    if diagnosis.devices.is_empty() {
        return;
    }
    view.heading(2, "Devices");
    for device in &diagnosis.devices {
        let name = device.name.clone().unwrap_or_else(|| device.id.clone());
        let parts = [
            device.vendor.as_deref().map(vendor_title).filter(|vendor| *vendor != "other").map(str::to_owned),
            device.kind.clone(),
            device.compute_capability.as_ref().map(|capability| format!("compute capability {capability}")),
            device.gfx.clone(),
            device.memory_bytes.map(|bytes| match device.kind.as_deref() {
                Some("integrated") => format!("{} shared with the machine", gibibytes(bytes)),
                _ => gibibytes(bytes),
            }),
            device.driver.as_ref().map(|driver| format!("driver {driver}")),
            (!device.seen_by.is_empty()).then(|| format!("seen by {}", device.seen_by.join(", "))),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let told = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
        let spans = vec![Span::new(name, Tone::Strong), Span::plain(told)];
        view.blocks.push(Block::Text(2, spans));
    }
}

fn recommendations(view: &mut View, diagnosis: &Diagnosis) {
    // What a finding already told is not told again.
    let told = |commands: &[String]| {
        diagnosis
            .findings
            .iter()
            .filter_map(|finding| finding.remedy.as_ref())
            .any(|remedy| !commands.is_empty() && remedy.commands == commands)
    };
    let recommendations: Vec<&Recommendation> =
        diagnosis.recommendations.iter().filter(|one| !told(&one.commands) || !one.unlocks.is_empty()).collect();
    if recommendations.is_empty() {
        return;
    }
    view.heading(2, "What you can set up here");
    // What every list of commands begins with is said once.
    let first = recommendations.first().and_then(|one| one.commands.first());
    let by_all = |shared: &&String| {
        recommendations.iter().all(|one| one.commands.len() > 1 && one.commands.first() == Some(*shared))
    };
    let shared = first.filter(|_| recommendations.len() > 1).filter(by_all).cloned();
    if let Some(shared) = &shared {
        view.text(2, "Once, for all of them (Debian and Ubuntu have `venv` in the package python3-venv):");
        view.command(shared);
        view.blocks.push(Block::Gap);
    }
    let alone = recommendations.len() == 1;
    let uv = recommendations.iter().find_map(|one| with_uv(one));
    for (place, recommendation) in recommendations.into_iter().enumerate() {
        if place > 0 {
            view.blocks.push(Block::Gap);
        }
        let name = diagnosis.systems.iter().find(|system| system.id == recommendation.system);
        let name = name.map_or(recommendation.system.as_str(), |system| system.label.as_str());
        let above = told(&recommendation.commands);
        let text = if above { "; the command stands above" } else { "" };
        let spans = vec![Span::plain(format!("{}{text}", recommendation.text))];
        view.blocks.push(Block::Entry(NAME, Span::new(name, Tone::Strong), spans));
        for command in recommendation.commands.iter().filter(|_| !above).skip(usize::from(shared.is_some())) {
            view.command(command);
        }
        if alone && !recommendation.uv.is_empty() && recommendation.uv != recommendation.commands {
            view.text(4, "or with uv:");
            for command in &recommendation.uv {
                view.command(command);
            }
        }
        for unlock in &recommendation.unlocks {
            view.blocks.push(Block::Text(4, vec![Span::new(unlock, Tone::Quiet)]));
        }
    }
    if let Some(instead) = uv.filter(|_| !alone) {
        view.blocks.push(Block::Gap);
        view.text(2, instead);
    }
}

/// What uv's commands have in the place of pip's, said once for all.
fn with_uv(recommendation: &Recommendation) -> Option<String> {
    let (pip, uv) = (recommendation.commands.last()?, recommendation.uv.last()?);
    let front = |command: &str| {
        let words: Vec<&str> = command.split(' ').collect();
        let verb = words.iter().position(|word| *word == "install")?;
        Some(words.get(..=verb)?.join(" "))
    };
    let (pip, uv) = (front(pip)?, front(uv)?);
    let first = match recommendation.uv.split_last() {
        Some((_, [first, ..])) => format!("`{first}`, then "),
        _ => String::new(),
    };
    (pip != uv).then(|| format!("With uv: {first}`{uv}` in the place of `{pip}`"))
}

/// A size in GiB, or in MiB where it is less than one.
fn gibibytes(bytes: u64) -> String {
    const GIB: u64 = 1 << 30;
    match bytes {
        bytes if bytes >= GIB => {
            let tenths = u128::from(bytes) * 10 / u128::from(GIB);
            format!("{}.{} GiB", tenths / 10, tenths % 10)
        }
        bytes => format!("{} MiB", bytes >> 20),
    }
}
