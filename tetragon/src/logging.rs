//! What the agent says about itself: lines on standard output, in the form of Go's `slog`, because scripts read them.
//!
//! ```text
//! level=info msg="Listening for events..."
//! time=2031-02-03T04:05:06.789Z level=warn msg="…" error="…"
//! {"time":"2031-02-03T04:05:06.789Z","level":"info","msg":"…","clients":2}
//! ```
//!
//! Only this project's own modules are heard, not those of libraries. A line that cannot be written is lost: an agent
//! without standard output goes on.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::metadata::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber, span};

/// How to log.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is said.
    pub level: LevelFilter,
    /// In which form.
    pub format: Format,
    /// A file that gets every line as well, emptied first.
    pub file: Option<PathBuf>,
}

/// Form of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Format {
    /// JSON objects instead of `key=value`.
    pub json: bool,
    /// With the time.
    pub time: bool,
}

impl Format {
    /// The value of `--log-format`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (form, time) = match text.strip_suffix("-ts") {
            Some(form) => (form, true),
            None => (text, false),
        };
        match form {
            "text" => Ok(Self { json: false, time }),
            "json" => Ok(Self { json: true, time }),
            _ => Err("give text, text-ts, json or json-ts"),
        }
    }
}

/// The value of `--log-level`.
pub fn parse_level(text: &str) -> Result<LevelFilter, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "trace" => Ok(LevelFilter::TRACE),
        "debug" => Ok(LevelFilter::DEBUG),
        "info" => Ok(LevelFilter::INFO),
        "warn" | "warning" => Ok(LevelFilter::WARN),
        // The last two are for what ends the agent, which is an error line as well.
        "error" | "fatal" | "panic" => Ok(LevelFilter::ERROR),
        _ => Err("give trace, debug, info, warn, error, fatal or panic"),
    }
}

/// Logs from here on. Can be called once in a process.
pub fn start(options: &Options) -> anyhow::Result<()> {
    let Options { level, format, file } = options;
    let file = file.as_deref().map(create).transpose()?;
    let logger = Logger {
        level: *level,
        format: *format,
        output: Mutex::new(Box::new(Output { file })),
    };
    Ok(tracing::subscriber::set_global_default(logger)?)
}

fn create(path: &Path) -> anyhow::Result<File> {
    File::create(path).map_err(|error| {
        anyhow::anyhow!(
            "--log-file: create {}: {error}; give a file that can be written",
            path.display()
        )
    })
}

/// Standard output and perhaps a file.
struct Output {
    file: Option<File>,
}

impl io::Write for Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = io::stdout().lock().write_all(line);
        if let Some(file) = &mut self.file {
            file.write_all(line)?;
        }
        written.map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().lock().flush()
    }
}

struct Logger {
    level: LevelFilter,
    format: Format,
    output: Mutex<Box<dyn io::Write + Send>>,
}

impl Subscriber for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        const OURS: [&str; 3] = ["tetragon", "ebpf_loader", "btf"];
        let root = metadata.target().split("::").next().unwrap_or_default();
        *metadata.level() <= self.level && metadata.is_event() && OURS.contains(&root)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        let now = self.format.time.then(SystemTime::now);
        let line = line(self.format, now, event);
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let _lost = output.write_all(line.as_bytes()).and_then(|()| output.flush());
    }

    // There are no spans: `enabled` says so.
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

fn line(format: Format, now: Option<SystemTime>, event: &Event<'_>) -> String {
    let metadata = event.metadata();
    let mut line = Line {
        json: format.json,
        message: String::new(),
        rest: String::new(),
    };
    event.record(&mut line);
    let mut out = String::new();
    let mut head = Line {
        json: format.json,
        message: String::new(),
        rest: String::new(),
    };
    if let Some(now) = now {
        head.text("time", &time(now));
    }
    head.text("level", level_name(*metadata.level()));
    if *metadata.level() >= Level::DEBUG
        && let (Some(file), Some(number)) = (metadata.file(), metadata.line())
    {
        head.text("source", &format!("{file}:{number}"));
    }
    head.text("msg", &line.message);
    let (open, close) = if format.json { ("{", "}") } else { ("", "") };
    let _infallible = writeln!(out, "{open}{}{}{close}", &head.rest[1..], line.rest);
    out
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        // How `slog` prints a level four below debug.
        Level::TRACE => "debug-4",
    }
}

/// RFC 3339 in UTC with milliseconds.
fn time(now: SystemTime) -> String {
    let mut time = prost_types::Timestamp::from(now);
    time.nanos -= time.nanos % 1_000_000;
    time.to_string()
}

/// Keys with values as they are collected, each with a separator before it.
struct Line {
    json: bool,
    message: String,
    rest: String,
}

impl Line {
    fn key(&mut self, key: &str) {
        let _infallible = if self.json {
            write!(self.rest, ",{}:", json(key))
        } else {
            write!(self.rest, " {key}=")
        };
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        self.rest.push_str(&if self.json { json(value) } else { quoted(value) });
    }

    fn bare(&mut self, key: &str, value: impl fmt::Display) {
        self.key(key);
        let _infallible = write!(self.rest, "{value}");
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            name => self.text(name, value),
        }
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.text(field.name(), &value.to_string());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field.name(), value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field.name(), value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field.name(), value);
    }
}

fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// `text`, in quotes when readers could not tell where it ends. Never holds a control character.
fn quoted(text: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '"' && c != '=';
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        let _infallible = match c {
            '"' | '\\' => write!(out, "\\{c}"),
            '\n' => write!(out, "\\n"),
            '\r' => write!(out, "\\r"),
            '\t' => write!(out, "\\t"),
            c if c.is_control() => write!(out, "\\u{:04x}", u32::from(c)),
            c => write!(out, "{c}"),
        };
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use expect_test::{Expect, expect};

    use super::*;

    /// What the events of `log` look like in each form, with a fixed time.
    fn check(log: impl Fn(), expected: &Expect) {
        #[derive(Clone, Default)]
        struct Collect(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Collect {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let collected = Collect::default();
        for json in [false, true] {
            let logger = Logger {
                level: LevelFilter::INFO,
                format: Format { json, time: false },
                output: Mutex::new(Box::new(collected.clone())),
            };
            tracing::subscriber::with_default(logger, &log);
        }
        expected.assert_eq(str::from_utf8(&collected.0.lock().unwrap()).unwrap());
    }

    #[test]
    fn lines() {
        check(
            || {
                tracing::info!("Listening for events...");
                tracing::warn!(
                    clients = 2,
                    dropped = true,
                    path = "/a b",
                    plain = "x",
                    "Slow \"client\"\n"
                );
                tracing::error!(error = %io::Error::other("a=b"), empty = "", "Failed to execute tetragon");
                tracing::debug!("not heard");
                tracing::error!(target: "h2", "not ours");
            },
            &expect![[r#"
                level=info msg="Listening for events..."
                level=warn msg="Slow \"client\"\n" clients=2 dropped=true path="/a b" plain=x
                level=error msg="Failed to execute tetragon" error="a=b" empty=""
                {"level":"info","msg":"Listening for events..."}
                {"level":"warn","msg":"Slow \"client\"\n","clients":2,"dropped":true,"path":"/a b","plain":"x"}
                {"level":"error","msg":"Failed to execute tetragon","error":"a=b","empty":""}
            "#]],
        );
    }

    #[test]
    fn times_have_milliseconds() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_927_857_906_789_123_456);
        assert_eq!(time(now), "2031-02-03T04:05:06.789Z");
    }

    #[test]
    fn forms_and_levels() {
        assert_eq!(Format::parse("json-ts"), Ok(Format { json: true, time: true }));
        assert_eq!(Format::parse("text"), Ok(Format::default()));
        assert!(Format::parse("xml").is_err());
        assert_eq!(parse_level("WARNING"), Ok(LevelFilter::WARN));
        assert!(parse_level("loud").is_err());
    }
}
