//! What clients leave out. jupyter-protocol's types are strict: a request without an optional field does not parse.
//! Clients do leave fields out (`unique` in a history search, `stop` in a range, all of a header but the id), so defaults
//! are filled in before the parse.

use serde_json::{Value, json};

/// Puts a default wherever a header has no value or one of the wrong kind.
pub fn fill_header(header: &mut Value, version: &str) {
    let Some(header) = header.as_object_mut() else {
        return;
    };
    for (field, default) in [("username", ""), ("session", ""), ("version", version)] {
        if !header.get(field).is_some_and(Value::is_string) {
            header.insert(field.to_string(), default.into());
        }
    }
    let date = header.get("date").and_then(Value::as_str);
    if date.is_none_or(|date| chrono::DateTime::parse_from_rfc3339(date).is_err()) {
        header.insert("date".to_string(), chrono::Utc::now().to_rfc3339().into());
    }
}

/// Puts the protocol's default wherever a request has no value or `null`.
pub fn fill_content(msg_type: &str, content: &mut Value) {
    let defaults = match msg_type {
        "execute_request" => json!({
            "code": "", "silent": false, "store_history": true, "user_expressions": {},
            "allow_stdin": false, "stop_on_error": true,
        }),
        "complete_request" | "inspect_request" => {
            let length = content["code"].as_str().map_or(0, |code| code.chars().count());
            json!({ "code": "", "cursor_pos": length })
        }
        "is_complete_request" => json!({ "code": "" }),
        "history_request" => json!({
            "hist_access_type": "tail", "output": false, "raw": true, "session": 0, "start": 0,
            "stop": i32::MAX, "n": i32::MAX, "pattern": "*", "unique": false,
        }),
        "shutdown_request" => json!({ "restart": false }),
        "comm_open" => json!({ "comm_id": "", "target_name": "", "data": {} }),
        "comm_msg" | "comm_close" => json!({ "comm_id": "", "data": {} }),
        _ => return,
    };
    if !content.is_object() {
        *content = json!({});
    }
    if let (Some(content), Value::Object(defaults)) = (content.as_object_mut(), defaults) {
        for (key, default) in defaults {
            let slot = content.entry(key).or_insert(Value::Null);
            if slot.is_null() {
                *slot = default;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jupyter_protocol::JupyterMessageContent;

    #[test]
    fn a_search_without_optional_fields_parses() {
        let mut content = json!({ "hist_access_type": "search", "pattern": "let*", "n": null });
        fill_content("history_request", &mut content);
        let parsed = JupyterMessageContent::from_type_and_content("history_request", content).unwrap();
        let JupyterMessageContent::HistoryRequest(jupyter_protocol::HistoryRequest::Search {
            pattern,
            unique,
            ..
        }) = parsed
        else {
            panic!("not a search")
        };
        assert_eq!((pattern.as_str(), unique), ("let*", false));
    }

    #[test]
    fn a_header_needs_an_id_and_a_type_only() {
        let mut header =
            json!({ "msg_id": "1", "msg_type": "kernel_info_request", "date": "yesterday", "version": 5 });
        fill_header(&mut header, "5.5");
        let header: jupyter_protocol::Header = serde_json::from_value(header).unwrap();
        assert_eq!(
            (
                header.msg_id.as_str(),
                header.username.as_str(),
                header.version.as_str()
            ),
            ("1", "", "5.5")
        );
        let mut nothing = json!([]);
        fill_header(&mut nothing, "5.5");
        assert_eq!(nothing, json!([]));
    }
}
