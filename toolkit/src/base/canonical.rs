//! Specs as text that can grow: what is as by default is not written, so that a field that is added later changes
//! neither the digest of what does not use it nor the reading of files written before.

use serde::Serialize;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::hex::hex;

/// The fields of `whole` that differ from those of `default`.
pub fn without_defaults(whole: Json, default: &Json) -> Json {
    match whole {
        Json::Object(mut fields) => {
            fields.retain(|name, value| default.get(name) != Some(value));
            Json::Object(fields)
        }
        other => other,
    }
}

/// For fields whose default is `false`.
pub fn is_false(flag: &bool) -> bool {
    !flag
}

/// The SHA-256, in hex, of `value` as canonical JSON: equal for equal values, on every machine.
pub fn digest(value: &impl Serialize) -> String {
    let mut out = String::new();
    if let Ok(value) = serde_json::to_value(value) {
        write(&value, &mut out);
    }
    hex(&Sha256::digest(out.as_bytes()))
}

/// JSON without spaces and with the keys of every object in order, whatever serde_json's features are.
fn write(value: &Json, out: &mut String) {
    match value {
        Json::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            out.push('{');
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Json::from(key.as_str()).to_string());
                out.push(':');
                write(&map[key], out);
            }
            out.push('}');
        }
        Json::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        leaf => out.push_str(&leaf.to_string()),
    }
}
