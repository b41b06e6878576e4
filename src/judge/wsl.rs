//! Commands that set something up in WSL2, on a Windows that has it already: nobody installs it twice, and each machine has its
//! own name for its distribution.

use super::known::Known;
use crate::diagnosis::{Finding, Recommendation};

/// The distribution that the data's commands install, and work in.
const NEW: &str = "Ubuntu-24.04";
/// Beginnings of the names of those whose packages the commands know how to install.
const ALIKE: &[&str] = &["Debian", "Ubuntu"];

/// Puts the default distribution of a machine in the place of the one that would be installed.
pub(super) fn name_distribution(known: &Known, findings: &mut [Finding], recommendations: &mut [Recommendation]) {
    let (default, generation) = (known.text("wsl-default"), known.text("wsl-default-generation"));
    if generation != "2" || !ALIKE.iter().any(|alike| default.starts_with(alike)) {
        return;
    }
    let (install, start) = (format!("wsl --install -d {NEW}"), format!("wsl -d {NEW}"));
    let remedies = findings.iter_mut().filter_map(|finding| finding.remedy.as_mut());
    let lists = remedies.map(|remedy| &mut remedy.commands).chain(
        recommendations.iter_mut().flat_map(|recommendation| [&mut recommendation.commands, &mut recommendation.uv]),
    );
    for command in lists.flatten() {
        if *command == install {
            *command = format!("wsl -d {default}");
        } else if let Some(rest) = command.strip_prefix(&start).filter(|rest| rest.starts_with(' ')) {
            *command = format!("wsl -d {default}{rest}");
        }
    }
}
