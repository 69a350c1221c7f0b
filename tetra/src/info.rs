//! `tetra info`: what the agent tells about itself, as a line of JSON.

use anyhow::Context as _;
use prost::Message as _;
use prost_types::{Any, ListValue, value::Kind};
use serde_json::{Map, Value, json};
use tetragon_api::v1::{GetInfoRequest, GetInfoResponse};

use crate::connection::Connection;
use crate::getevents::output;

/// Prints what the agent tells.
pub fn run(connection: &Connection) -> anyhow::Result<()> {
    let call = connection.call("get information about the agent", async |mut client| {
        client.get_info(GetInfoRequest {}).await
    });
    let answer = output::runtime()?.block_on(call)?;
    output::print(format!("{}\n", json(&answer)?).as_bytes())?;
    Ok(())
}

/// In the names that Tetragon's tetra gives them.
fn json(answer: &GetInfoResponse) -> anyhow::Result<Value> {
    let GetInfoResponse {
        version,
        name,
        probes,
        conf,
        build,
    } = answer;
    let probes = probes
        .iter()
        .map(|probe| (probe.name.clone(), json!(probe.enabled.unwrap_or_default())));
    let conf = conf.iter().map(|setting| {
        let value = setting.value.as_ref().map_or(Ok(Value::Null), unwrap);
        let value = value.with_context(|| format!("the agent's setting {}", setting.key))?;
        Ok((setting.key.clone(), value))
    });
    let build = build.as_ref().map(|build| {
        json!({
            "GoVersion": build.go_version,
            "Commit": build.commit,
            "Time": build.time,
            "Modified": build.modified,
        })
    });
    Ok(json!({
        "Name": name,
        "Version": version,
        "Probes": probes.collect::<Map<_, _>>(),
        "Conf": conf.collect::<anyhow::Result<Map<_, _>>>()?,
        "Build": build.unwrap_or_else(|| json!({})),
    }))
}

/// The value in a wrapper.
fn unwrap(any: &Any) -> anyhow::Result<Value> {
    let bytes = any.value.as_slice();
    let name = any.type_url.rsplit('/').next().unwrap_or_default();
    Ok(match name {
        "google.protobuf.BoolValue" => json!(bool::decode(bytes)?),
        "google.protobuf.Int64Value" => json!(i64::decode(bytes)?),
        "google.protobuf.StringValue" => json!(String::decode(bytes)?),
        "google.protobuf.ListValue" => {
            let values = ListValue::decode(bytes)?.values;
            let text = |value: prost_types::Value| match value.kind {
                Some(Kind::StringValue(text)) => json!(text),
                Some(Kind::NumberValue(number)) => json!(number),
                Some(Kind::BoolValue(value)) => json!(value),
                _ => Value::Null,
            };
            values.into_iter().map(text).collect()
        }
        other => anyhow::bail!("is of the unknown type {other:?}"),
    })
}

#[cfg(test)]
mod tests {
    use tetragon_api::v1::get_info_response::{ConfVal, Probe};

    use super::*;

    #[test]
    fn values_lose_their_wrappers() {
        let setting = |key: &str, kind: &str, value: Vec<u8>| ConfVal {
            key: key.into(),
            value: Some(Any {
                type_url: format!("type.googleapis.com/google.protobuf.{kind}"),
                value,
            }),
        };
        let list = ListValue {
            values: vec![prost_types::Value {
                kind: Some(Kind::StringValue("base".into())),
            }],
        };
        let mut answer = GetInfoResponse {
            name: "tetragon".into(),
            version: "v1".into(),
            probes: vec![Probe {
                name: "lsm".into(),
                enabled: Some(true),
            }],
            conf: vec![
                setting("debug", "BoolValue", true.encode_to_vec()),
                setting("rb-size", "Int64Value", 7_i64.encode_to_vec()),
                setting("btf", "StringValue", "/x".to_owned().encode_to_vec()),
                setting("enable-ancestors", "ListValue", list.encode_to_vec()),
            ],
            build: None,
        };
        let expected = json!({
            "Name": "tetragon",
            "Version": "v1",
            "Probes": {"lsm": true},
            "Conf": {"debug": true, "rb-size": 7, "btf": "/x", "enable-ancestors": ["base"]},
            "Build": {},
        });
        assert_eq!(json(&answer).unwrap(), expected);
        answer.conf.push(setting("odd", "Odd", vec![]));
        assert!(format!("{:#}", json(&answer).unwrap_err()).contains("setting odd: is of the unknown type"));
    }
}
