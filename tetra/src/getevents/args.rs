//! The flags of `tetra getevents`, and the request that they stand for.

use std::time::Duration;

use anyhow::bail;
use prost_types::FieldMask;
use tetragon_api::json::Json as _;
use tetragon_api::v1::{EventType, FieldFilter, FieldFilterAction, Filter, GetEventsRequest, GetEventsResponse};

use super::output::Encoder;
use crate::cli::boolean;
use crate::compact::{ColourMode, Compact, Options, Terminal};
use crate::list;

/// Long help.
pub const ABOUT: &str = "\
Print events of the agent, or of standard input when that is a pipe or a file

When standard input is not a terminal or /dev/null, events are read from there, one JSON object a line, and filtered \
here. A line that is not one is reported with its number, the rest goes on, and the exit code is 1 at the end. \
Otherwise events come from the agent, which filters them.

Values of one flag are alternatives; an event must satisfy all flags given. Lists are separated by commas.";

/// Shown after the flags.
pub const EXAMPLES: &str = "\
Examples:
  Watch programs start and stop:
      tetra getevents -o compact
  Watch curl alone, also across restarts of the agent:
      tetra getevents -o compact --process curl$ --reconnect
  Which binaries ran, out of a file that the agent wrote:
      tetra getevents -e PROCESS_EXEC -f process.binary < /var/log/tetragon/tetragon.log
  The same of a pod in Kubernetes, as it happens:
      kubectl logs -n kube-system ds/tetragon -c export-stdout -f | tetra getevents -o compact --pod cart";

/// Value of `--output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One JSON object a line
    Json,
    /// One short line an event, for reading
    Compact,
}

/// Flags of `tetra getevents`.
#[derive(Clone, Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags are independent of each other")]
#[expect(
    clippy::doc_markdown,
    reason = "what documents a flag is its help text, shown as it stands"
)]
pub struct Arguments {
    /// Form of the events
    #[arg(short, long, value_enum, default_value = "json", value_name = "FORM")]
    pub output: Format,
    /// Colours of compact output; auto heeds NO_COLOR and TERM=dumb
    #[arg(long = "color", value_enum, default_value = "auto", value_name = "WHEN")]
    pub colour: ColourMode,
    /// Print the time of events in compact output
    #[arg(long, value_parser = boolean, default_value = "false", default_missing_value = "true", num_args = 0..=1,
        require_equals = true, value_name = "BOOLEAN", hide_default_value = true)]
    pub timestamps: bool,
    /// Keep only these fields of events, as paths such as process.binary
    #[arg(short = 'f', long, value_name = "FIELDS")]
    pub include_fields: Vec<String>,
    /// Remove these fields from events
    #[arg(short = 'F', long, value_name = "FIELDS")]
    pub exclude_fields: Vec<String>,
    /// Events of these types, such as PROCESS_EXEC,PROCESS_EXIT
    #[arg(short, long, value_name = "TYPES")]
    pub event_types: Vec<String>,
    /// Events of pods in these namespaces
    #[arg(short, long, alias = "namespaces", value_name = "NAMES")]
    pub namespace: Vec<String>,
    /// Events of pods in namespaces that match
    #[arg(long, value_name = "REGEXES")]
    pub namespace_regex: Vec<String>,
    /// Events of processes whose binary matches
    #[arg(long, alias = "processes", value_name = "REGEXES")]
    pub process: Vec<String>,
    /// Events of pods whose name matches
    #[arg(long, alias = "pods", value_name = "REGEXES")]
    pub pod: Vec<String>,
    /// Events of containers whose name matches
    #[arg(long, alias = "container", value_name = "REGEXES", hide = true)]
    pub containers: Vec<String>,
    /// Events of processes outside of pods
    #[arg(long, value_parser = boolean, default_value = "false", default_missing_value = "true", num_args = 0..=1,
        require_equals = true, value_name = "BOOLEAN", hide_default_value = true)]
    pub host: bool,
    /// Events of these policies
    #[arg(long, value_name = "NAMES")]
    pub policy_names: Vec<String>,
    /// Events for which one of these CEL expressions holds
    #[arg(long, value_name = "EXPRESSIONS")]
    pub cel_expression: Vec<String>,
    /// Print nothing but what kprobe events say was written to this terminal, as it was
    #[arg(short, long, default_value = "", value_name = "PATH", hide_default_value = true)]
    pub tty_encode: String,
    /// Print stack traces after compact events
    #[arg(long, value_parser = boolean, default_value = "true", default_missing_value = "true", num_args = 0..=1,
        require_equals = true, value_name = "BOOLEAN")]
    pub stack_traces: bool,
    /// Print IMA hashes after compact LSM events
    #[arg(long, value_parser = boolean, default_value = "true", default_missing_value = "true", num_args = 0..=1,
        require_equals = true, value_name = "BOOLEAN")]
    pub ima_hash: bool,
    /// Connect again when the agent ends the stream or cannot be reached, for ever
    #[arg(long, value_parser = boolean, default_value = "false", default_missing_value = "true", num_args = 0..=1,
        require_equals = true, value_name = "BOOLEAN", hide_default_value = true)]
    pub reconnect: bool,
    /// Wait before that
    #[arg(long, default_value = "2s", value_parser = crate::duration::parse, value_name = "DURATION")]
    pub reconnect_wait: Duration,
}

impl Arguments {
    /// The request: one filter with all conditions, and the field filters.
    pub fn request(&self) -> anyhow::Result<GetEventsRequest> {
        let mut namespace = list::join(&self.namespace);
        if self.host {
            // An empty namespace stands for processes without a pod.
            namespace.push(String::new());
        }
        let filter = Filter {
            binary_regex: list::join(&self.process),
            namespace,
            event_set: event_set(&list::join(&self.event_types))?,
            pod_regex: list::join(&self.pod),
            policy_names: list::join(&self.policy_names),
            cel_expression: list::join(&self.cel_expression),
            container_name_regex: list::join(&self.containers),
            namespace_regex: list::join(&self.namespace_regex),
            ..Filter::default()
        };
        let fields = [
            (&self.include_fields, FieldFilterAction::Include),
            (&self.exclude_fields, FieldFilterAction::Exclude),
        ];
        let field_filters = fields
            .into_iter()
            .map(|(paths, action)| (list::join(paths), action))
            .filter(|(paths, _)| !paths.is_empty())
            .map(|(paths, action)| FieldFilter {
                fields: Some(FieldMask { paths }),
                action: action.into(),
                ..FieldFilter::default()
            });
        Ok(GetEventsRequest {
            // An empty filter matches every event.
            allow_list: vec![filter],
            field_filters: field_filters.collect(),
            ..GetEventsRequest::default()
        })
    }

    /// How events are to be printed on `terminal`.
    pub fn encoder(&self, terminal: &Terminal<'_>) -> Encoder {
        let &Self {
            output,
            colour,
            timestamps,
            stack_traces,
            ima_hash,
            ..
        } = self;
        if !self.tty_encode.is_empty() {
            return Encoder::Tty(self.tty_encode.clone());
        }
        match output {
            Format::Json => Encoder::Json,
            Format::Compact => {
                let colour = colour.resolve(terminal);
                Encoder::Compact(Compact::new(Options {
                    colour,
                    timestamps,
                    stack_traces,
                    ima_hash,
                }))
            }
        }
    }
}

/// Names of the event types.
fn types() -> Vec<&'static str> {
    let fields = GetEventsResponse::SCHEMA.fields.iter();
    // The members of the oneof have the numbers of the event types.
    let types = fields.filter(|field| field.oneof.is_some());
    types
        .filter_map(|field| EventType::try_from(field.number as i32).ok())
        .map(|kind| kind.as_str_name())
        .collect()
}

fn event_set(names: &[String]) -> anyhow::Result<Vec<i32>> {
    let number = |name: &String| match EventType::from_str_name(&name.to_ascii_uppercase()) {
        Some(kind) => Ok(kind.into()),
        None => bail!(
            "--event-types: no event type {name:?}: give some of {}",
            types().join(",")
        ),
    };
    names.iter().map(number).collect()
}
