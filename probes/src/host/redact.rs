//! Keeps names of people and machines out of every answer.
//!
//! It works at the door: what a probe is told holds no home directory, user name, host name, UUID or serial number of a
//! GPU, so no output can.
//! The home directory becomes `~`, which a question may name in turn; other people's home directories and UUIDs become
//! stand-ins that stay the same within a run, and that a question may name as well.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What must not leave the machine, and what stands for it.
#[derive(Default)]
pub struct Redactor {
    home: Option<String>,
    /// Whether the machine takes `A` and `a` for the same in names and paths, as Windows does.
    any_case: bool,
    names: Vec<(String, &'static str)>,
    /// Whose home directories were seen, and what stands for them.
    others: Mutex<Vec<(String, String)>>,
    uuids: Mutex<HashMap<String, usize>>,
}

/// The shortest user or host name that is looked for in running text: shorter ones are parts of ordinary words.
const SHORTEST_NAME: usize = 4;
/// Names so common in what drivers and systems print that hiding them would destroy facts and protect nobody.
const ORDINARY_NAMES: &[&str] = &[
    "root",
    "user",
    "admin",
    "administrator",
    "localhost",
    "ubuntu",
    "debian",
    "nvidia",
    "intel",
    "runner",
    "docker",
    "nobody",
    "linux",
    "windows",
    "default",
    "public",
    "guest",
    "home",
];

impl Redactor {
    /// A redactor for a machine's home directory, user names and host name; what is unknown is left out.
    pub fn new(home: Option<String>, users: Vec<String>, host: Option<String>) -> Redactor {
        let home = home.map(|home| home.trim_end_matches(['/', '\\']).to_owned()).filter(|home| home.len() > 1);
        // A full host name is known by its first part, too.
        let short = host.as_deref().and_then(|host| Some(host.split_once('.')?.0.to_owned()));
        let users = users.into_iter().map(|user| (user, "user"));
        let mut names: Vec<(String, &str)> = users
            .chain([host, short].into_iter().flatten().map(|host| (host, "host")))
            .filter(|(name, _)| name.len() >= SHORTEST_NAME)
            .filter(|(name, _)| !ORDINARY_NAMES.contains(&name.to_lowercase().as_str()))
            .collect();
        // The longest first: one name may begin with another.
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        names.dedup();
        let any_case = home.as_ref().is_some_and(|home| home.contains('\\'));
        Redactor { home, any_case, names, others: Mutex::default(), uuids: Mutex::default() }
    }

    /// The text without names.
    pub fn hide(&self, text: &str) -> String {
        let mut text = match &self.home {
            Some(home) => self.replace_whole(text, home, "~", |c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')),
            None => text.to_owned(),
        };
        for parent in ["/home/", "/Users/"] {
            text = self.hide_below(&text, parent, false);
        }
        // To compare in any case takes its time, and most texts have no such path. The last one is how JSON writes it.
        if text.contains('\\') {
            for parent in [r":\Users\", r":\\Users\\"] {
                text = self.hide_below(&text, parent, true);
            }
        }
        for (name, stand_in) in &self.names {
            text = self.replace_whole(&text, name, stand_in, char::is_alphanumeric);
        }
        self.hide_uuids(hide_serials(hide_logins(hide_builder(text))))
    }

    /// The path that a question means: `~` spelled out.
    pub fn reveal(&self, path: &str) -> String {
        match (path.strip_prefix('~'), &self.home) {
            (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with(['/', '\\']) => format!("{home}{rest}"),
            _ => path.to_owned(),
        }
    }

    /// The names that a part of a path may mean, where it holds what stands for a name.
    pub fn meant(&self, part: &str) -> Vec<String> {
        let others = self.others();
        let names = self.names.iter().map(|(name, stand_in)| (name, *stand_in));
        names
            .chain(others.iter().map(|(name, stand_in)| (name, stand_in.as_str())))
            .filter(|(_, stand_in)| part.contains(stand_in))
            .map(|(name, stand_in)| self.replace_whole(part, stand_in, name, char::is_alphanumeric))
            .filter(|meant| meant != part)
            .collect()
    }

    fn others(&self) -> MutexGuard<'_, Vec<(String, String)>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What stands for somebody whose home directory has this name.
    fn stand_in(&self, name: &str) -> String {
        let same = |known: &str| known == name || (self.any_case && known.eq_ignore_ascii_case(name));
        if let Some((_, stand_in)) = self.names.iter().find(|(known, stand_in)| same(known) || *stand_in == name) {
            return (*stand_in).to_owned();
        }
        let mut others = self.others();
        if let Some((_, stand_in)) = others.iter().find(|(known, stand_in)| same(known) || stand_in == name) {
            return stand_in.clone();
        }
        let taken = |word: &String| others.iter().any(|(known, stand_in)| known == word || stand_in == word);
        let numbers = others.len().max(1) + 1..;
        let mut words = std::iter::once("user".to_owned()).chain(numbers.map(|number| format!("user{number}")));
        let stand_in = words.find(|word| word != name && !taken(word)).unwrap_or_default();
        others.push((name.to_owned(), stand_in.clone()));
        stand_in
    }

    /// Replaces the folder name that follows a parent of home directories. A name with spaces in it ends at the next
    /// separator; in running text, where none follows, at the first space.
    fn hide_below(&self, text: &str, parent: &str, any_case: bool) -> String {
        let mut hidden = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = find(rest, parent, any_case) {
            let end = at + parent.len();
            hidden.push_str(rest.get(..end).unwrap_or_default());
            rest = rest.get(end..).unwrap_or_default();
            let stop = rest.find(['/', '\\', ':', ';', '"', '\'', '\n', ',']).unwrap_or(rest.len());
            let name = match rest.get(stop..).is_some_and(|behind| behind.starts_with(['/', '\\'])) {
                true => stop,
                false => rest.get(..stop).and_then(|name| name.find(' ')).unwrap_or(stop),
            };
            if let Some(name) = rest.get(..name).filter(|name| !name.is_empty()) {
                hidden.push_str(&self.stand_in(name));
            }
            rest = rest.get(name..).unwrap_or_default();
        }
        hidden + rest
    }

    /// Replaces a name where it does not continue on either side.
    fn replace_whole(&self, text: &str, name: &str, stand_in: &str, continues: impl Fn(char) -> bool) -> String {
        let mut replaced = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = find(rest, name, self.any_case) {
            let (before, behind) =
                (rest.get(..at).unwrap_or_default(), rest.get(at + name.len()..).unwrap_or_default());
            let found = rest.get(at..at + name.len()).unwrap_or_default();
            let whole = !behind.chars().next().is_some_and(&continues)
                && !before.chars().next_back().or(replaced.chars().next_back()).is_some_and(&continues);
            replaced.push_str(before);
            replaced.push_str(if whole { stand_in } else { found });
            rest = behind;
        }
        replaced + rest
    }

    fn hide_uuids(&self, text: String) -> String {
        let bytes = text.as_bytes();
        let mut hidden = String::new();
        let mut copied = 0;
        let mut from = FIRST_DASH;
        // Texts are long and dashes are few, so those are looked for.
        let next = |from: usize| Some(from + bytes.get(from..)?.iter().position(|byte| *byte == b'-')?);
        while let Some(dash) = next(from) {
            let at = dash - FIRST_DASH;
            let here = bytes.get(at..at + UUID_LENGTH).unwrap_or_default();
            let before = at.checked_sub(1).and_then(|place| bytes.get(place));
            let after = bytes.get(at + UUID_LENGTH);
            if is_uuid(here) && ![before, after].into_iter().flatten().any(u8::is_ascii_hexdigit) {
                let mut known = self.uuids.lock().unwrap_or_else(PoisonError::into_inner);
                let next = known.len() + 1;
                let number = *known.entry(String::from_utf8_lossy(here).to_lowercase()).or_insert(next);
                hidden.push_str(text.get(copied..at).unwrap_or_default());
                hidden.push_str(&format!("00000000-0000-0000-0000-{number:012}"));
                copied = at + UUID_LENGTH;
                from = copied + FIRST_DASH;
            } else {
                from = dash + 1;
            }
        }
        match copied {
            0 => text,
            _ => hidden + text.get(copied..).unwrap_or_default(),
        }
    }
}

/// The sections of a file of settings that have these titles, without comments: what else stands there, such as a person's
/// name or a command, is nobody's business.
pub(crate) fn sections(text: &str, titles: &[&str]) -> String {
    let mut kept = String::new();
    let mut here = false;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some((title, _)) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            here = titles.iter().any(|one| one.eq_ignore_ascii_case(title.trim()));
        }
        if here {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

const UUID_LENGTH: usize = 36;
/// The place of the first dash in a UUID.
const FIRST_DASH: usize = 8;

/// Whether these bytes are a UUID that says something; the nil UUID and our own stand-ins do not.
fn is_uuid(bytes: &[u8]) -> bool {
    let shaped = bytes.len() == UUID_LENGTH
        && bytes.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    shaped && !bytes.starts_with(b"00000000-0000-0000-0000-")
}

/// Replaces the numbers by which AMD tells one card from all others: in lines of a file of sysfs, and in lists of devices
/// as `GPU-` and 16 hexadecimal digits.
fn hide_serials(text: String) -> String {
    const LINES: [&str; 2] = ["unique_id ", "hive_id "];
    const DEVICE: &str = "GPU-";
    const DIGITS: usize = 16;
    let mut text = text;
    if LINES.iter().any(|name| text.contains(name)) {
        let line = |line: &str| match LINES.iter().find(|name| line.starts_with(**name)) {
            Some(name) => format!("{name}0{}", if line.ends_with('\n') { "\n" } else { "" }),
            None => line.to_owned(),
        };
        text = text.split_inclusive('\n').map(line).collect();
    }
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(DEVICE)) {
        from += at + DEVICE.len();
        let digits = text.get(from..).unwrap_or_default().bytes().take_while(u8::is_ascii_hexdigit).count();
        if digits == DIGITS {
            text.replace_range(from..from + DIGITS, &"0".repeat(DIGITS));
        }
    }
    text
}

/// Replaces who logs in, and with which password or token, in addresses as `https://token@host/`.
fn hide_logins(text: String) -> String {
    const BEHIND: &str = "://";
    let mut text = text;
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(BEHIND)) {
        from += at + BEHIND.len();
        let rest = text.get(from..).unwrap_or_default();
        let end =
            rest.find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '<' | '>')).unwrap_or(rest.len());
        if let Some(login) = rest.get(..end).and_then(|place| place.rfind('@')) {
            text.replace_range(from..from + login, "login");
        }
    }
    text
}

/// Replaces who built the kernel, and where, in what it tells of its version: people build their own.
fn hide_builder(text: String) -> String {
    let builder = || {
        let (version, rest) = text.strip_prefix("Linux version ")?.split_once(" (")?;
        let (builder, rest) = rest.split_once(')')?;
        let is_builder = builder.contains('@') && !builder.contains(' ');
        is_builder.then(|| format!("Linux version {version} (user@host){rest}"))
    };
    builder().unwrap_or(text)
}

fn find(text: &str, wanted: &str, any_case: bool) -> Option<usize> {
    if !any_case {
        return text.find(wanted);
    }
    let (text, wanted) = (text.as_bytes(), wanted.as_bytes());
    let first = wanted.first()?;
    let mut begins = text.iter().enumerate().filter(|(_, byte)| byte.eq_ignore_ascii_case(first)).map(|(at, _)| at);
    let is_here = |at: &usize| text.get(*at..*at + wanted.len()).is_some_and(|part| part.eq_ignore_ascii_case(wanted));
    begins.find(is_here)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        Redactor::new(Some("/home/miriam".into()), vec!["miriam".into()], Some("workstation7".into()))
    }

    #[test]
    fn hides_home_user_host_and_uuids() {
        for (text, hidden) in [
            ("/home/miriam/.venv:/usr/bin", "~/.venv:/usr/bin"),
            ("/home/miriam", "~"),
            ("/home/miriamne/x", "/home/user/x"),
            ("/mnt/c/Users/Jane Doe/x", "/mnt/c/Users/user/x"),
            ("see /home/jane or ask", "see /home/user or ask"),
            (r"C:\Users\jane\AppData", r"C:\Users\user\AppData"),
            (r#"{"path": "C:\\Users\\jane\\x"}"#, r#"{"path": "C:\\Users\\user\\x"}"#),
            ("miriam@workstation7 says", "user@host says"),
            ("miriamic acid", "miriamic acid"),
            ("GPU-8f6b6f9e-1111-2222-3333-444455556666", "GPU-00000000-0000-0000-0000-000000000001"),
            ("0,GPU-b3dd4d4a3cf21ad7", "0,GPU-0000000000000000"),
            ("GPU-abc", "GPU-abc"),
            ("domain 0\nunique_id 9004149066219862957\nhive_id 7\nx 1\n", "domain 0\nunique_id 0\nhive_id 0\nx 1\n"),
            (
                "é-8f6b6f9e-1111-2222-3333-444455556666éééééééé\n1-2-3-8F6B6F9E-1111-2222-3333-444455556666-",
                "é-00000000-0000-0000-0000-000000000001éééééééé\n1-2-3-00000000-0000-0000-0000-000000000001-",
            ),
            ("a8f6b6f9e-1111-2222-3333-444455556666", "a8f6b6f9e-1111-2222-3333-444455556666"),
            ("8f6b6f9e-1111-2222-3333-44445555666", "8f6b6f9e-1111-2222-3333-44445555666"),
            ("Linux version 6.1.0 (jane@buildbox) (gcc) #1", "Linux version 6.1.0 (user@host) (gcc) #1"),
            ("Linux version 6.1.0 (gcc 12) #1", "Linux version 6.1.0 (gcc 12) #1"),
            ("plain", "plain"),
            (
                "from https://jane:hunter2@host.org/x and https://a.org/@b",
                "from https://login@host.org/x and https://a.org/@b",
            ),
            ("/home/jane/x:/home/john/x:/home/jane/y", "/home/user/x:/home/user2/x:/home/user/y"),
        ] {
            assert_eq!(redactor().hide(text), hidden);
        }
    }

    #[test]
    fn windows_spells_names_in_any_case() {
        let redactor =
            Redactor::new(Some(r"C:\Users\Miriam".into()), vec!["Miriam".into()], Some("WORKSTATION7".into()));
        for (text, hidden) in [
            (r"c:\users\miriam\venv;C:\Users\Miriam", r"~\venv;~"),
            (r"D:\USERS\jane\x", r"D:\USERS\user\x"),
            (r#"{"path":"C:\\Users\\jane\\x"}"#, r#"{"path":"C:\\Users\\user\\x"}"#),
            ("MIRIAM on Workstation7", "user on host"),
        ] {
            assert_eq!(redactor.hide(text), hidden);
        }
    }

    #[test]
    fn a_full_host_name_is_hidden_in_both_forms() {
        let redactor = Redactor::new(None, Vec::new(), Some("node0042.cluster.example.org".into()));
        assert_eq!(redactor.hide("/scratch/node0042/x of node0042.cluster.example.org"), "/scratch/host/x of host");
    }

    #[test]
    fn of_settings_only_the_sections_stay_that_are_asked_for() {
        let text = "stray = x\n[user]\ndefault = jane\n[ Automount ]\n# jane's drives\nroot = /w\n\n[boot]\ncommand = sh -c 'token=1'\n[gpu]\nenabled=false";
        assert_eq!(sections(text, &["automount", "gpu"]), "[ Automount ]\nroot = /w\n[gpu]\nenabled=false\n");
    }

    #[test]
    fn hiding_twice_changes_nothing_more() {
        let redactor = redactor();
        let text = "a /home/miriam/x b 8f6b6f9e-1111-2222-3333-444455556666 /home/other miriam";
        let once = redactor.hide(text);
        assert_eq!(redactor.hide(&once), once);
    }

    #[test]
    fn a_question_may_name_the_home_directory() {
        assert_eq!(redactor().reveal("~/.local/share"), "/home/miriam/.local/share");
        assert_eq!(redactor().reveal("~other/x"), "~other/x");
        assert_eq!(Redactor::default().reveal("~/x"), "~/x");
    }

    #[test]
    fn a_question_may_name_what_stands_for_a_name() {
        let redactor = redactor();
        assert_eq!(
            redactor.hide("/data/miriam/x /home/jane/y /home/john/z"),
            "/data/user/x /home/user/y /home/user2/z"
        );
        assert_eq!(redactor.meant("user"), ["miriam", "jane"]);
        assert_eq!(redactor.meant("of-user2"), ["of-john"]);
        assert_eq!(redactor.meant("users"), [""; 0]);
    }

    #[test]
    fn ordinary_names_are_left_alone() {
        let redactor = Redactor::new(Some("/".into()), vec!["nvidia".into()], Some("box".into()));
        assert_eq!(redactor.hide("nvidia box /etc"), "nvidia box /etc");
    }
}
