//! What the agent tells about itself: version, configuration, features of the kernel.

use std::sync::OnceLock;

use btf::Btf;
use prost::Message as _;
use prost_types::{Any, ListValue, Value, value::Kind};
use tetragon_api::v1::{
    GetInfoResponse,
    get_info_response::{ConfVal, Probe},
};

use crate::config::Setting;
use crate::observer::kernel_types;
use crate::sensor::Source;

/// What there is to tell.
#[derive(Debug, Default)]
pub struct Info {
    /// Every flag with its value.
    pub settings: Vec<(String, Setting)>,
    /// Where the kernel's types come from.
    pub source: Source,
    /// Features, once somebody has asked.
    pub features: OnceLock<Vec<(&'static str, bool)>>,
}

impl Info {
    /// Everything. The first time, the kernel is probed, which takes a moment.
    pub fn answer(&self) -> GetInfoResponse {
        let features = self.features.get_or_init(|| probe(&self.source));
        let probe = |&(name, enabled): &(&str, bool)| Probe {
            name: name.to_owned(),
            enabled: Some(enabled),
        };
        let value = |(key, setting): &(String, Setting)| ConfVal {
            key: key.clone(),
            value: Some(any(setting)),
        };
        GetInfoResponse {
            version: crate::VERSION.to_owned(),
            name: "tetragon".to_owned(),
            probes: features.iter().map(probe).collect(),
            conf: self.settings.iter().map(value).collect(),
            build: None,
        }
    }
}

fn probe(source: &Source) -> Vec<(&'static str, bool)> {
    let bytes = kernel_types(source.btf.as_deref(), source.bpf_lib.as_deref()).unwrap_or_default();
    ebpf_loader::features(Btf::parse(&bytes).ok().as_ref())
}

/// A value in the wrapper for its type.
fn any(setting: &Setting) -> Any {
    let wrap = |name: &str, value: Vec<u8>| Any {
        type_url: format!("type.googleapis.com/google.protobuf.{name}"),
        value,
    };
    match setting {
        Setting::Switch(value) => wrap("BoolValue", value.encode_to_vec()),
        Setting::Number(value) => wrap("Int64Value", value.encode_to_vec()),
        Setting::Text(value) => wrap("StringValue", value.encode_to_vec()),
        Setting::List(texts) => {
            let text = |text: &String| Value {
                kind: Some(Kind::StringValue(text.clone())),
            };
            let list = ListValue {
                values: texts.iter().map(text).collect(),
            };
            wrap("ListValue", list.encode_to_vec())
        }
    }
}
