//! Where events go: the JSON file and the clients of the API.

use std::sync::Arc;

use tetragon_api::v1::GetEventsResponse;

use crate::export::Exporter;
use crate::server::Hub;
use crate::sink::Sink;

/// All outputs there are. An event is written to the file's buffer and handed to clients right here, without a queue.
pub struct Outputs {
    /// The JSON file.
    pub export: Option<Exporter>,
    /// The clients.
    pub hub: Arc<Hub>,
}

impl Sink for Outputs {
    fn emit(&mut self, event: &GetEventsResponse) {
        if let Some(export) = &mut self.export {
            export.emit(event);
        }
        self.hub.publish(event);
    }

    fn flush(&mut self) {
        if let Some(export) = &mut self.export {
            export.flush();
        }
    }
}
