//! What an event passes on its way to the file.

use std::sync::Arc;

use prost_types::Timestamp;
use tetragon_api::filter::Filters;
use tetragon_api::filter::fields::FieldFilters;
use tetragon_api::json;
use tetragon_api::v1::get_events_response::Event;
use tetragon_api::v1::{GetEventsResponse, RateLimitInfo};

use super::clock::{Clock, SystemClock};
use super::limit::RateLimit;
use super::writer::Writer;
use super::{Counters, OpenError, Options, add};

/// Filters, the rate limit and the file.
pub struct Exporter {
    filters: Filters,
    fields: FieldFilters,
    limit: Option<RateLimit>,
    node_name: String,
    cluster_name: String,
    counters: Arc<Counters>,
    writer: Writer,
}

impl Exporter {
    /// Opens the file.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        Self::open_with(options, Box::new(SystemClock))
    }

    pub(super) fn open_with(options: Options, clock: Box<dyn Clock>) -> Result<Self, OpenError> {
        let Options {
            file,
            rate_limit,
            filters,
            fields,
            node_name,
            cluster_name,
        } = options;
        let counters = Arc::<Counters>::default();
        Ok(Self {
            filters,
            fields,
            limit: rate_limit.map(|per_minute| RateLimit::new(per_minute, clock.now())),
            node_name,
            cluster_name,
            counters: Arc::clone(&counters),
            writer: Writer::open(file, clock, counters)?,
        })
    }

    /// What became of events so far.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Takes an event.
    pub fn emit(&mut self, event: &GetEventsResponse) {
        if !self.filters.is_empty() && !self.filters.matches(event) {
            return;
        }
        if let Some(limit) = &mut self.limit {
            let now = self.writer.clock().now();
            let admitted = limit.admit(now);
            self.report_dropped();
            if !admitted {
                add(&self.counters.rate_limited, 1);
                return;
            }
        }
        if self.fields.is_empty() {
            self.writer.line(|out| json::write_event(event, out));
        } else {
            let mut event = event.clone();
            self.fields.apply(&mut event);
            self.writer.line(|out| json::write_event(&event, out));
        }
    }

    /// Makes visible what was taken.
    pub fn flush(&mut self) {
        self.report_dropped();
        self.writer.flush();
    }

    /// Writes an event about those that the rate limit kept out, when it is time to.
    fn report_dropped(&mut self) {
        let Some(limit) = &mut self.limit else { return };
        let clock = self.writer.clock();
        let Some(dropped) = limit.report(clock.now()) else {
            return;
        };
        let event = GetEventsResponse {
            event: Some(Event::RateLimitInfo(RateLimitInfo {
                number_of_dropped_process_events: dropped,
            })),
            node_name: self.node_name.clone(),
            time: Some(Timestamp::from(clock.wall())),
            cluster_name: self.cluster_name.clone(),
            ..GetEventsResponse::default()
        };
        self.writer.line(|out| json::write_event(&event, out));
    }
}
