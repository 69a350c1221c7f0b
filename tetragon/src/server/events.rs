//! The stream of one client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tetragon_api::filter::fields::FieldFilters;
use tetragon_api::v1::GetEventsResponse;
use tokio_stream::Stream;
use tonic::Status;

use super::Subscription;

/// The events of a subscription, with the fields that the client wants. Ends when the agent does.
#[derive(Debug)]
pub struct Events {
    subscription: Subscription,
    fields: FieldFilters,
}

impl Events {
    /// Of `subscription`.
    pub fn new(subscription: Subscription, fields: FieldFilters) -> Self {
        Self { subscription, fields }
    }
}

impl Stream for Events {
    type Item = Result<GetEventsResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(event) = ready!(self.subscription.poll_next(context)) else {
            return Poll::Ready(None);
        };
        // The last one to send it need not copy it.
        let mut event = Arc::unwrap_or_clone(event);
        self.fields.apply(&mut event);
        Poll::Ready(Some(Ok(event)))
    }
}
