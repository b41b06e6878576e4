//! Sentences and commands with facts in them: `{key}` stands for a fact, `{subject}` for what a finding is about, `{package}` for a
//! package's bare name. A brace behind
//! `$` is the shell's.

/// The text with every name in braces replaced.
pub(crate) fn fill(text: &str, mut value_of: impl FnMut(&str) -> String) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        filled.push_str(before);
        match behind.split_once('}') {
            Some((name, behind)) if !before.ends_with('$') => {
                filled.push_str(&value_of(name));
                rest = behind;
            }
            _ => {
                filled.push('{');
                rest = behind;
            }
        }
    }
    filled + rest
}

/// The names in braces.
pub(crate) fn names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    fill(text, |name| {
        names.push(name.to_owned());
        String::new()
    });
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_hold_facts_and_the_shell_keeps_its_own() {
        assert_eq!(fill("{a} is {b}", str::to_uppercase), "A is B");
        assert_eq!(fill("dpkg -f '${Package}' {a", str::to_uppercase), "dpkg -f '${Package}' {a");
        assert_eq!(names("{a} ${b} {c}"), ["a", "c"]);
    }
}
