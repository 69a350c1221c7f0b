//! A request applied here, to events from elsewhere than the agent.

use anyhow::bail;
use tetragon_api::filter::Filters;
use tetragon_api::filter::fields::FieldFilters;
use tetragon_api::v1::{GetEventsRequest, GetEventsResponse};

/// A compiled request.
#[derive(Debug)]
pub struct Local {
    filters: Filters,
    fields: FieldFilters,
}

impl Local {
    /// Compiles the filters of `request`.
    pub fn compile(request: &GetEventsRequest) -> anyhow::Result<Self> {
        let GetEventsRequest {
            allow_list,
            deny_list,
            field_filters,
            ..
        } = request;
        if allow_list.iter().any(|filter| !filter.cel_expression.is_empty()) {
            bail!("--cel-expression works only on events of the agent, not on standard input: use the other filters");
        }
        Ok(Self {
            filters: Filters::compile(allow_list, deny_list)?,
            fields: FieldFilters::compile(field_filters)?,
        })
    }

    /// Whether `event` passes; if so, only the fields asked for are left.
    pub fn apply(&self, event: &mut GetEventsResponse) -> bool {
        let Self { filters, fields } = self;
        let passes = filters.matches(event);
        if passes && !fields.is_empty() {
            fields.apply(event);
        }
        passes
    }
}
