//! What a distribution in WSL2 is set to, by `/etc/wsl.conf`.
//!
//! The live host shows of that file only the sections that are named here: the others hold people's names and commands.
//! Whoever has no such file has everything as it comes.
//! References: MicrosoftDocs/WSL, wsl-config; microsoft/WSL, `WslDistributionConfig`.

use crate::host::{Answer, Host, Missing, Question};

/// The file, and the sections of it that are read.
pub(crate) const FILE: &str = "/etc/wsl.conf";
pub(crate) const SECTIONS: &[&str] = &["automount", "gpu", "interop"];

/// What `/etc/wsl.conf` says, or why nobody knows.
pub(super) struct Settings(Answer);

impl Settings {
    /// Those of a distribution.
    pub(super) fn of(host: &dyn Host) -> Settings {
        Settings(host.ask(&Self::origin()))
    }

    /// The question that they answer.
    pub(super) fn origin() -> Question {
        Question::Read(FILE.to_owned())
    }

    /// A value without its quotes. Names of sections and settings are taken in any case.
    fn value(&self, section: &str, name: &str) -> Option<&str> {
        let mut here = false;
        let mut found = None;
        for line in self.0.as_deref().unwrap_or_default().lines().map(str::trim) {
            if let Some(title) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                here = title.0.trim().eq_ignore_ascii_case(section);
            } else if let Some((key, value)) = line.split_once('=')
                && here
                && key.trim().eq_ignore_ascii_case(name)
            {
                found = value.split('#').next().map(|value| value.trim().trim_matches(['"', '\'']));
            }
        }
        found
    }

    /// Whether the GPU is turned off for the distribution.
    pub(super) fn gpu_off(&self) -> Result<bool, Missing> {
        match &self.0 {
            Ok(_) | Err(Missing::NotFound) => Ok(self.is_off("gpu", "enabled")),
            Err(missing) => Err(missing.clone()),
        }
    }

    /// Whether somebody turned a setting off that is on by itself.
    pub(super) fn is_off(&self, section: &str, name: &str) -> bool {
        self.value(section, name).is_some_and(|value| value.eq_ignore_ascii_case("false") || value == "0")
    }

    /// Where the drives of Windows are mounted, with the separator at its end.
    pub(super) fn drives(&self) -> String {
        let root = self.value("automount", "root").filter(|root| root.starts_with('/')).unwrap_or("/mnt");
        format!("{}/", root.trim_end_matches('/'))
    }
}
