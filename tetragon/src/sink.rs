//! Where events go: the seam between what observes and what exports.

use tetragon_api::v1::GetEventsResponse;

/// Receives every event in order, on the one thread that reads the ring buffer.
pub trait Sink {
    /// Takes an event. Must not block on a slow reader: what cannot be delivered is dropped and counted by the sink.
    fn emit(&mut self, event: &GetEventsResponse);

    /// The ring buffer is empty: nothing more comes for a moment, so what is buffered should become visible now. Called
    /// now and then also when nothing comes at all, so that what is due after some time is done then, too.
    fn flush(&mut self);
}
