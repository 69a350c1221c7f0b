//! Filters and field filters as a client or the configuration gives them, applied to an event of every field.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tetragon_api::filter::Filters;
use tetragon_api::filter::fields::FieldFilters;
use tetragon_api::json::{Unknown, parse, parse_event};
use tetragon_api::v1::{GetEventsRequest, GetEventsResponse};

static EVENT: LazyLock<GetEventsResponse> = LazyLock::new(|| {
    let line = r#"{"process_exec":{"process":{"exec_id":"YTox","pid":4,"binary":"/bin/a","arguments":"b c","docker":"0a1b",
        "cap":{"effective":["CAP_BPF"]},"pod":{"namespace":"n","name":"p","container":{"name":"c"},
        "pod_labels":{"k":"v"}}},"parent":{"pid":1},"ancestors":[{"binary":"/i"}]}}"#;
    parse_event(line).expect("an event")
});

fuzz_target!(|text: &str| {
    let Ok(request) = parse::<GetEventsRequest>(text, Unknown::Reject) else {
        return;
    };
    if let Ok(filters) = Filters::compile(&request.allow_list, &request.deny_list) {
        let _ = filters.matches(&EVENT);
    }
    if let Ok(fields) = FieldFilters::compile(&request.field_filters) {
        let mut event = EVENT.clone();
        fields.apply(&mut event);
        assert!(event.event.is_some(), "an event stays an event");
    }
});
