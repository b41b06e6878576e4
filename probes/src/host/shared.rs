//! A host for several probes, with what they all work out of its answers, worked out once.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use super::{Answer, Host, Question};
use crate::python::environments::Environment;

/// What probes work out of a host's answers and share.
#[derive(Default)]
pub struct Notes {
    /// The Python environments and their packages: ten probes look into them.
    pub(crate) environments: OnceLock<Vec<Arc<Environment>>>,
}

/// A host with room for notes.
pub(crate) struct Shared<H> {
    host: H,
    notes: Notes,
}

impl<H> Shared<H> {
    /// A host that nobody has asked yet.
    pub(crate) fn new(host: H) -> Shared<H> {
        Shared { host, notes: Notes::default() }
    }
}

impl<'a, H: Deref<Target = dyn Host + 'a> + Send + Sync> Host for Shared<H> {
    fn ask(&self, question: &Question) -> Answer {
        self.host.ask(question)
    }

    fn asks_in_turn(&self) -> bool {
        self.host.asks_in_turn()
    }

    fn notes(&self) -> Option<&Notes> {
        Some(&self.notes)
    }
}
