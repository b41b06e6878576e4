//! Asking several things at once: in threads where answers take their time and there is room, else in turn.

use std::thread;

use crate::fact::Fact;
use crate::host::Host;

/// The answers for all items, in their order. One whose thread panics has none.
pub(crate) fn each<T: Sync, R: Send>(host: &dyn Host, items: &[T], ask: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if host.asks_in_turn() {
        return items.iter().map(ask).collect();
    }
    thread::scope(|scope| {
        let ask = &ask;
        let start = |item| thread::Builder::new().spawn_scoped(scope, move || ask(item)).map_err(|_| item);
        let started: Vec<_> = items.iter().map(start).collect();
        // Where no more threads may be started, one waits for the other.
        let answers = started.into_iter().filter_map(|started| match started {
            Ok(thread) => thread.join().ok(),
            Err(item) => Some(ask(item)),
        });
        answers.collect()
    })
}

/// Both answers, the first asked in a thread beside the second.
pub(crate) fn both<A, B>(host: &dyn Host, beside: impl Fn() -> A + Sync, here: impl FnOnce() -> B) -> (A, B)
where
    A: Default + Send,
{
    if host.asks_in_turn() {
        return (beside(), here());
    }
    thread::scope(|scope| {
        let started = thread::Builder::new().spawn_scoped(scope, &beside);
        let here = here();
        // Where no more threads may be started, one waits for the other.
        (started.map_or_else(|_| beside(), |thread| thread.join().unwrap_or_default()), here)
    })
}

/// The facts about all items, in their order.
pub(crate) fn facts<T: Sync>(host: &dyn Host, items: &[T], ask: impl Fn(&T) -> Vec<Fact> + Sync) -> Vec<Fact> {
    each(host, items, ask).into_iter().flatten().collect()
}
