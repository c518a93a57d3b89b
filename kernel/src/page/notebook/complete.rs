//! Brings what writers of notebooks leave out, or wrote in an older format, to format 4.5.

use super::joined;
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::collections::HashSet;

/// A format 3 notebook in the shape of format 4; [`complete`] does the rest. Old outputs are left out, since a
/// run replaces them.
pub fn upgrade(mut old: Value) -> Result<Value> {
    let Some(sheets) = old["worksheets"].as_array_mut() else {
        bail!("it has no list `worksheets`, which every notebook of format 3 has");
    };
    let mut cells = Vec::new();
    for sheet in sheets {
        if let Some(own) = sheet.get_mut("cells").and_then(Value::as_array_mut) {
            cells.append(own);
        }
    }
    let mut metadata = old["metadata"].take();
    if metadata.is_null() {
        metadata = json!({});
    }
    // Format 3 names the language in every cell, and only sometimes in the notebook.
    let language = metadata
        .pointer("/kernel_info/language")
        .or_else(|| cells.iter().find_map(|cell| cell.get("language")))
        .cloned();
    if metadata.pointer("/language_info/name").is_none()
        && let (Some(language), Some(metadata)) = (language, metadata.as_object_mut())
    {
        metadata.insert("language_info".to_string(), json!({"name": language}));
    }
    for cell in cells.iter_mut().filter_map(Value::as_object_mut) {
        match cell.get("cell_type").and_then(Value::as_str) {
            Some("code") => {
                let source = cell.remove("input").filter(|input| !input.is_null());
                for key in ["language", "outputs", "prompt_number", "collapsed"] {
                    cell.remove(key);
                }
                cell.insert("source".to_string(), source.unwrap_or_else(|| json!("")));
            }
            Some("heading") => {
                let level = cell.remove("level").as_ref().and_then(Value::as_f64);
                let marks = "#".repeat(level.unwrap_or(1.0).clamp(1.0, 6.0) as usize);
                let words = joined(cell.get("source").unwrap_or(&Value::Null));
                let words: Vec<_> = words.split_whitespace().collect();
                let source = format!("{marks} {}", words.join(" "));
                cell.insert("cell_type".to_string(), json!("markdown"));
                cell.insert("source".to_string(), json!(source));
            }
            Some("html") => {
                cell.insert("cell_type".to_string(), json!("markdown"));
            }
            _ => {}
        }
    }
    Ok(json!({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
}

/// Adds what format 4.5 asks for and writers leave out: cell ids, metadata, empty outputs. Refuses what a run
/// could not work with, and only that: much in a notebook is of no concern to it.
pub fn complete(value: &mut Value) -> Result<()> {
    if value.get("metadata").is_none_or(Value::is_null) {
        value["metadata"] = json!({});
    }
    if !value["metadata"].is_object() {
        bail!("its `metadata` is not an object");
    }
    let Some(cells) = value.get_mut("cells").and_then(Value::as_array_mut) else {
        bail!("it has no list `cells`, which every notebook has");
    };
    let mut taken = HashSet::new();
    for (index, cell) in cells.iter_mut().enumerate() {
        let place = index + 1;
        let Some(cell) = cell.as_object_mut() else {
            bail!("cell {place} is not an object");
        };
        let Some(kind) = cell.get("cell_type").and_then(Value::as_str) else {
            bail!("cell {place} has no `cell_type`");
        };
        match kind {
            "code" => {
                cell.entry("outputs").or_insert_with(|| json!([]));
                cell.entry("execution_count").or_insert(Value::Null);
            }
            "markdown" | "raw" => {}
            other => bail!("cell {place} is of the unknown type {other:?}; code, markdown and raw are known"),
        }
        let whole = match cell.get("source") {
            Some(Value::String(_)) => true,
            Some(Value::Array(lines)) => lines.iter().all(Value::is_string),
            _ => false,
        };
        if !whole {
            bail!("the `source` of cell {place} is neither text nor a list of lines");
        }
        let metadata = cell.entry("metadata").or_insert(Value::Null);
        if metadata.is_null() {
            *metadata = json!({});
        }
        if !metadata.is_object() {
            bail!("the `metadata` of cell {place} is not an object");
        }
        let id = cell.get("id").and_then(Value::as_str).unwrap_or_default();
        let valid = nbformat::v4::CellId::new(id).is_ok() && !taken.contains(id);
        let id = if valid { id.to_string() } else { fresh_id() };
        cell.insert("id".to_string(), json!(id));
        taken.insert(id);
    }
    Ok(())
}

pub fn fresh_id() -> String {
    let mut id = uuid::Uuid::new_v4().simple().to_string();
    id.truncate(8);
    id
}
