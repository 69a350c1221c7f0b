//! The stream of one client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tetragon_api::filter::fields::FieldFilters;
use tetragon_api::v1::GetEventsResponse;
use tokio_stream::Stream;
use tonic::Status;

use super::Subscription;

/// The events of a subscription, with the fields that the client wants. When the agent ends, so does the stream, with a
/// status that tells clients to try again.
#[derive(Debug)]
pub struct Events {
    subscription: Option<Subscription>,
    fields: FieldFilters,
}

impl Events {
    /// Of `subscription`.
    pub fn new(subscription: Subscription, fields: FieldFilters) -> Self {
        Self {
            subscription: Some(subscription),
            fields,
        }
    }
}

impl Stream for Events {
    type Item = Result<GetEventsResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(subscription) = &mut self.subscription else {
            return Poll::Ready(None);
        };
        let Some(event) = ready!(subscription.poll_next(context)) else {
            self.subscription = None;
            return Poll::Ready(Some(Err(Status::unavailable("the agent is stopping"))));
        };
        // The last one to send it need not copy it.
        let mut event = Arc::unwrap_or_clone(event);
        self.fields.apply(&mut event);
        Poll::Ready(Some(Ok(event)))
    }
}
