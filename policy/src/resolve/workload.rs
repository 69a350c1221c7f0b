//! Which workloads are meant.

use super::Context;
use crate::model::Workload;
use crate::spec::{LabelOperator, LabelSelector, Spec, Workloads};

/// The workloads of a policy. Also checks the selector on nodes.
pub(super) fn spec(spec: &Spec, cx: &mut Context<'_>) -> Workload {
    if let Some(nodes) = &spec.node_selector {
        labels(nodes, cx);
    }
    resolve(
        spec.pod_selector.as_ref(),
        spec.container_selector.as_ref(),
        spec.host_selector.as_ref(),
        cx,
    )
}

/// The workloads of a selector.
pub(super) fn selector(workloads: &Workloads, cx: &mut Context<'_>) -> Workload {
    let Workloads {
        pod_selector,
        container_selector,
        host_selector,
        ..
    } = workloads;
    resolve(
        pod_selector.as_ref(),
        container_selector.as_ref(),
        host_selector.as_ref(),
        cx,
    )
}

fn resolve(
    pods: Option<&LabelSelector>,
    containers: Option<&LabelSelector>,
    host: Option<&LabelSelector>,
    cx: &mut Context<'_>,
) -> Workload {
    if let Some(pods) = pods {
        labels(pods, cx);
    }
    if let Some(containers) = containers {
        labels(containers, cx);
        let keys = containers.match_labels.0.iter().map(|(key, _)| key);
        for key in keys.chain(containers.match_expressions.iter().map(|expression| &expression.key)) {
            if !matches!(key.as_str(), "name" | "repo") && !key.is_empty() {
                cx.error(
                    &key.place,
                    format!("`{}` is nothing that containers are known by", key.value),
                )
                .help("name or repo");
            }
        }
    }
    if let Some(host) = host
        && !host.is_empty()
    {
        cx.error(&host.place, "the host has no labels")
            .help("leave hostSelector out, or write {}");
    }
    Workload {
        pods: pods.cloned(),
        containers: containers.cloned(),
        host: host.is_some(),
    }
}

/// Checks that operators have the values that they need.
fn labels(selector: &LabelSelector, cx: &mut Context<'_>) {
    for expression in selector
        .match_expressions
        .iter()
        .filter(|expression| !expression.broken)
    {
        let operator = &expression.operator;
        let wants_values = matches!(operator.value, LabelOperator::In | LabelOperator::NotIn);
        match (wants_values, expression.values.first()) {
            (true, None) => {
                cx.error(&expression.place, format!("{} needs values", operator.value));
            }
            (false, Some(value)) => {
                cx.error(&value.place, format!("{} takes no values", operator.value));
            }
            _ => {}
        }
    }
}
