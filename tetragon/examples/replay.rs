//! Replays a file of records (`TETRAGON_RECORD_RAW`) a number of times, for profilers:
//! `valgrind --tool=callgrind target/release/examples/replay FILE 100`.

use std::{fs, io::Write as _};

use anyhow::{Context as _, bail};
use tetragon::{
    observer::{Options, Replay},
    record::{RawReader, Record, decode},
    sink::Sink,
};
use tetragon_api::{json, v1::GetEventsResponse};

/// Writes events as the JSON export does, to nowhere.
struct Json {
    line: Vec<u8>,
    out: fs::File,
    events: u64,
}

impl Sink for Json {
    fn emit(&mut self, event: &GetEventsResponse) {
        json::write_event(event, &mut self.line);
        self.events += 1;
    }

    fn flush(&mut self) {
        let _nowhere = self.out.write_all(&self.line);
        self.line.clear();
    }
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, path, times] = arguments.as_slice() else {
        bail!("usage: replay FILE TIMES");
    };
    let bytes = fs::read(path).with_context(|| format!("read {path}"))?;
    let mut sink = Json {
        line: Vec::new(),
        out: fs::File::create("/dev/null")?,
        events: 0,
    };
    let mut exits = 0_u64;
    let mut replay = Replay::new(Options {
        node_name: "node".to_owned(),
        ..Options::default()
    });
    for _ in 0..times.parse()? {
        for record in RawReader(&bytes) {
            exits += u64::from(matches!(decode(record), Ok(Record::Exit(_))));
            replay.handle(record, &mut sink);
            sink.flush();
        }
    }
    replay.finish(&mut sink);
    println!("{exits} exits, {} events", sink.events);
    Ok(())
}
