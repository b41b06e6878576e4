//! A host that asks each question once and remembers the answer: what `--trace` prints and what a recording holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::{Answer, Host, Question};

/// Another host, asked each question once, however many probes want to know.
pub struct Memo<H> {
    inner: H,
    answers: Mutex<HashMap<Question, Arc<OnceLock<Heard>>>>,
}

/// A question's answer and how long it took.
#[derive(Clone, Debug)]
pub struct Heard {
    /// What was answered.
    pub answer: Answer,
    /// From question to answer.
    pub time: Duration,
}

impl<H: Host> Memo<H> {
    /// A memory in front of a host.
    pub fn new(inner: H) -> Memo<H> {
        Memo { inner, answers: Mutex::default() }
    }

    /// All questions answered so far, in their natural order.
    pub fn heard(&self) -> Vec<(Question, Heard)> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut heard: Vec<_> =
            answers.iter().filter_map(|(question, slot)| Some((question.clone(), slot.get()?.clone()))).collect();
        heard.sort_by(|left, right| left.0.cmp(&right.0));
        heard
    }

    /// The host behind the memory.
    pub fn inner(&self) -> &H {
        &self.inner
    }
}

impl<H: Host> Host for Memo<H> {
    fn ask(&self, question: &Question) -> Answer {
        let slot = {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(answers.entry(question.clone()).or_default())
        };
        // Outside the lock: a question that takes its time holds up only those who ask the same.
        let heard = slot.get_or_init(|| {
            let start = Instant::now();
            let answer = self.inner.ask(question);
            Heard { answer, time: start.elapsed() }
        });
        heard.answer.clone()
    }

    fn asks_in_turn(&self) -> bool {
        self.inner.asks_in_turn()
    }
}
