//! A TOML document that says where things stand, and what was expected where something else stands.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Fault;

/// A document and its text.
pub(super) struct Document<'a> {
    text: &'a str,
    root: DeTable<'a>,
}

/// A value and where it stands.
pub(super) type At<'d, 'a> = &'d Spanned<DeValue<'a>>;

impl<'a> Document<'a> {
    /// Reads one.
    pub(super) fn parse(text: &'a str) -> Result<Document<'a>, Fault> {
        let root = DeTable::parse(text).map_err(|error| Fault {
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        Ok(Document { text, root: root.into_inner() })
    }

    /// The value at a path of keys.
    pub(super) fn get(&self, path: &[&str]) -> Option<At<'_, 'a>> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.root.get(*first)?, |value, key| value.get_ref().as_table()?.get(*key))
    }

    /// The entries of the table at a path, each with its key; none where there is no such table.
    pub(super) fn entries(&self, path: &[&str]) -> Result<Vec<(String, At<'_, 'a>)>, Fault> {
        let Some(value) = self.get(path) else { return Ok(Vec::new()) };
        let table = value.get_ref().as_table().ok_or_else(|| self.expected(value, "a table"))?;
        // In the order of the file: a table keeps its keys sorted.
        let mut entries: Vec<_> =
            table.iter().map(|(key, value)| (key.span().start, key.get_ref().to_string(), value)).collect();
        entries.sort_by_key(|(place, ..)| *place);
        Ok(entries.into_iter().map(|(_, key, value)| (key, value)).collect())
    }

    /// The items of the list at a path; none where there is no such list.
    pub(super) fn items(&self, path: &[&str]) -> Result<Vec<At<'_, 'a>>, Fault> {
        self.get(path).map_or(Ok(Vec::new()), |value| self.list(value))
    }

    /// The items of a list.
    pub(super) fn list<'d>(&self, value: At<'d, 'a>) -> Result<Vec<At<'d, 'a>>, Fault> {
        let list = value.get_ref().as_array().ok_or_else(|| self.expected(value, "a list"))?;
        Ok(list.iter().collect())
    }

    /// A text.
    pub(super) fn text<'d>(&self, value: At<'d, 'a>) -> Result<&'d str, Fault> {
        value.get_ref().as_str().ok_or_else(|| self.expected(value, "a text"))
    }

    /// The line of a value.
    pub(super) fn line(&self, value: At<'_, 'a>) -> usize {
        line_of(self.text, value.span().start)
    }

    /// A mistake at a value.
    pub(super) fn fault(&self, value: At<'_, 'a>, message: impl Into<String>) -> Fault {
        Fault { line: self.line(value), message: message.into() }
    }

    /// A value of another kind than was expected.
    pub(super) fn expected(&self, value: At<'_, 'a>, what: &str) -> Fault {
        self.fault(value, format!("expected {what} here, found a value of kind {}", value.get_ref().type_str()))
    }
}

/// The text under a key of a table.
pub(super) fn field<'d>(value: At<'d, '_>, key: &str) -> Option<&'d str> {
    value.get_ref().as_table()?.get(key)?.get_ref().as_str()
}

fn line_of(text: &str, offset: usize) -> usize {
    text.get(..offset).unwrap_or(text).matches('\n').count() + 1
}
