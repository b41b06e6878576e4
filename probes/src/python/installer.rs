//! The command that installs packages into an environment, as a shell takes it.
//!
//! `-m pip` of its interpreter, or uv where uv made the environment and left pip out.
//! References: the manuals of pip and uv (`uv pip install --python`).

/// What installs packages into an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Installer {
    /// Whether that is uv.
    pub by_uv: bool,
    /// Whether the command is for Windows.
    pub windows: bool,
}

impl Installer {
    /// Installs packages, whose names follow.
    pub(crate) fn install(self, interpreter: &str) -> String {
        self.command(interpreter, "install", "")
    }

    /// Removes packages, whose names follow.
    pub(crate) fn uninstall(self, interpreter: &str) -> String {
        self.command(interpreter, "uninstall", " -y")
    }

    fn command(self, interpreter: &str, verb: &str, of_pip: &str) -> String {
        let path = quoted(interpreter, self.windows);
        match (self.by_uv, self.windows && path != interpreter) {
            (true, _) => format!("uv pip {verb} --python {path}"),
            // PowerShell takes a text in quotes for a text.
            (false, true) => format!("& {path} -m pip {verb}{of_pip}"),
            (false, false) => format!("{path} -m pip {verb}{of_pip}"),
        }
    }
}

/// A word in quotes where a shell would take it apart.
pub fn quoted(path: &str, windows: bool) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+~@:%,=".contains(c) || (windows && c == '\\');
    if path.chars().all(plain) {
        return path.to_owned();
    }
    if windows {
        return format!("\"{path}\"");
    }
    // The shell puts the home directory in the place of `~` outside of quotes alone.
    let (home, rest) = path.strip_prefix("~/").map_or(("", path), |rest| ("~/", rest));
    format!("{home}'{}'", rest.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_the_command_as_it_stands() {
        for (by_uv, windows, interpreter, install) in [
            (false, false, "~/e/bin/python3", "~/e/bin/python3 -m pip install"),
            (true, false, "/e/bin/python3", "uv pip install --python /e/bin/python3"),
            (false, false, "~/my e/bin/python3", "~/'my e/bin/python3' -m pip install"),
            (false, false, "/it's/bin/python3", r"'/it'\''s/bin/python3' -m pip install"),
            (false, true, r"C:\e\python.exe", r"C:\e\python.exe -m pip install"),
            (false, true, r"C:\Program Files\python.exe", r#"& "C:\Program Files\python.exe" -m pip install"#),
            (true, true, r"C:\my e\python.exe", r#"uv pip install --python "C:\my e\python.exe""#),
        ] {
            assert_eq!(Installer { by_uv, windows }.install(interpreter), install);
        }
        let uv = Installer { by_uv: true, windows: false };
        assert_eq!(uv.uninstall("/e/bin/python3"), "uv pip uninstall --python /e/bin/python3");
        assert_eq!(Installer { by_uv: false, ..uv }.uninstall("/p"), "/p -m pip uninstall -y");
    }
}
