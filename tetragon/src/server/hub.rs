//! From the one thread that makes events to the streams of all clients.
//!
//! An event is copied once, when the first client wants it, and then shared. Without clients it costs one load. A
//! client that does not keep up loses events once its queue is full: that is counted, and said when it begins and ends.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tetragon_api::filter::Filters;
use tetragon_api::v1::GetEventsResponse;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// The clients that get events.
#[derive(Debug, Default)]
pub struct Hub {
    /// As many as `clients`, to know without the lock that there are none.
    count: AtomicUsize,
    clients: Mutex<Clients>,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Clients {
    list: Vec<Client>,
    next_id: u64,
    closed: bool,
}

#[derive(Debug)]
struct Client {
    id: u64,
    filters: Filters,
    sender: Sender<Arc<GetEventsResponse>>,
    /// Events that found its queue full since it last kept up.
    dropping: u64,
}

/// The end of a client: events for it, in order. Dropping it unsubscribes.
#[derive(Debug)]
pub struct Subscription {
    id: u64,
    hub: Arc<Hub>,
    receiver: Receiver<Arc<GetEventsResponse>>,
}

impl Hub {
    /// Events from now on that pass `filters`, at most `queue` of them waiting. After [`close`](Self::close) there are
    /// none.
    pub fn subscribe(self: &Arc<Self>, filters: Filters, queue: usize) -> Subscription {
        let (sender, receiver) = channel(queue);
        let mut clients = self.lock();
        let id = clients.next_id;
        clients.next_id += 1;
        if !clients.closed {
            clients.list.push(Client {
                id,
                filters,
                sender,
                dropping: 0,
            });
        }
        self.count.store(clients.list.len(), Ordering::Release);
        drop(clients);
        Subscription {
            id,
            hub: Arc::clone(self),
            receiver,
        }
    }

    /// Gives `event` to the clients that want it. Never waits.
    #[inline]
    pub fn publish(&self, event: &GetEventsResponse) {
        if self.count.load(Ordering::Acquire) > 0 {
            self.publish_to_clients(event);
        }
    }

    fn publish_to_clients(&self, event: &GetEventsResponse) {
        let mut shared: Option<Arc<GetEventsResponse>> = None;
        for client in &mut self.lock().list {
            if !client.filters.is_empty() && !client.filters.matches(event) {
                continue;
            }
            let event = shared.get_or_insert_with(|| Arc::new(event.clone()));
            match client.sender.try_send(Arc::clone(event)) {
                // Not before half of its queue is empty: a client on the edge would fill the log.
                Ok(()) if client.dropping > 0 && client.sender.capacity() * 2 >= client.sender.max_capacity() => {
                    tracing::info!(
                        client = client.id,
                        dropped = client.dropping,
                        "A gRPC client keeps up again"
                    );
                    client.dropping = 0;
                }
                // A client that has gone is removed by its subscription.
                Ok(()) | Err(TrySendError::Closed(_)) => {}
                Err(TrySendError::Full(_)) => {
                    if client.dropping == 0 {
                        tracing::warn!(client = client.id, "A gRPC client is too slow, it loses events");
                    }
                    client.dropping += 1;
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Ends all streams once what waits for them has been sent.
    pub fn close(&self) {
        let mut clients = self.lock();
        clients.closed = true;
        clients.list.clear();
        self.count.store(0, Ordering::Release);
    }

    /// Events that some client lost because its queue was full.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Clients that get events now.
    pub fn clients(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// The next event; `None` when there will be none.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Arc<GetEventsResponse>>> {
        self.receiver.poll_recv(context)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut clients = self.hub.lock();
        clients.list.retain(|client| client.id != self.id);
        self.hub.count.store(clients.list.len(), Ordering::Release);
    }
}
