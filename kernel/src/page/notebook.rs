//! A notebook file, kept as it was read: what Jook does not know stays in it.

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Serialize as _;
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::io::Write as _;
use std::path::Path;

/// A notebook of format 4.5 or later, as JSON.
#[derive(Clone, Debug)]
pub struct Notebook {
    value: Value,
}

/// The three kinds of cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Code,
    Markdown,
    Raw,
}

impl Notebook {
    /// Reads a notebook file; older formats are brought to 4.5.
    pub fn read(path: &Path) -> Result<Self> {
        if path.is_dir() {
            bail!("{} is a folder; name one notebook in it", path.display());
        }
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = String::from_utf8(bytes)
            .map_err(|error| anyhow!("not UTF-8 text (byte {})", error.utf8_error().valid_up_to()))
            .and_then(|text| Self::parse(&text));
        text.with_context(|| format!("{} is not a notebook Jook can run", path.display()))
    }

    /// Reads a notebook's text, see [`Notebook::read`].
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim_start_matches('\u{feff}');
        if text.trim().is_empty() {
            bail!("the file is empty");
        }
        let value: Value = serde_json::from_str(text).map_err(|error| match text.contains("\n<<<<<<<") {
            true => anyhow!("not JSON: {error}; it has conflict markers of an unfinished merge"),
            false => anyhow!("not JSON: {error}"),
        })?;
        let version = |key: &str| value.get(key).and_then(Value::as_i64);
        let mut value = match (version("nbformat"), version("nbformat_minor")) {
            (None, _) => bail!("it is JSON, but has no number `nbformat`, which every notebook has"),
            (Some(4), minor) => {
                let mut value = value;
                value["nbformat_minor"] = json!(minor.unwrap_or(0).max(5));
                value
            }
            (Some(3), _) => upgrade(text)?,
            (Some(major), minor) => bail!(
                "it has notebook format {major}.{}; Jook reads formats 3 and 4",
                minor.unwrap_or(0)
            ),
        };
        complete(&mut value)?;
        check(&value)?;
        Ok(Self { value })
    }

    /// The cells, each as its JSON object.
    pub fn cells(&self) -> &[Value] {
        self.value["cells"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The cell at `index`, to change it.
    pub fn cell_mut(&mut self, index: usize) -> &mut Value {
        &mut self.value["cells"][index]
    }

    /// The notebook's metadata.
    pub fn metadata(&self) -> &Value {
        &self.value["metadata"]
    }

    /// The notebook's metadata, to change it.
    pub fn metadata_mut(&mut self) -> &mut Map<String, Value> {
        self.value["metadata"].as_object_mut().expect("checked when read")
    }

    /// The language the notebook says it is written in, in lower case.
    pub fn language(&self) -> Option<String> {
        let metadata = self.metadata();
        [
            &metadata["language_info"]["name"],
            &metadata["kernelspec"]["language"],
        ]
        .into_iter()
        .find_map(Value::as_str)
        .map(str::to_lowercase)
    }

    /// The file's text as Jupyter writes it: keys sorted, one space of indent, a line end at the end.
    pub fn text(&self) -> String {
        let mut bytes = Vec::new();
        let format = serde_json::ser::PrettyFormatter::with_indent(b" ");
        let mut writer = serde_json::Serializer::with_formatter(&mut bytes, format);
        sorted(&self.value)
            .serialize(&mut writer)
            .expect("JSON values always serialize");
        bytes.push(b'\n');
        String::from_utf8(bytes).expect("JSON is UTF-8")
    }
}

/// What kind of cell it is.
pub fn kind(cell: &Value) -> Kind {
    match cell["cell_type"].as_str() {
        Some("code") => Kind::Code,
        Some("markdown") => Kind::Markdown,
        _ => Kind::Raw,
    }
}

/// A cell's source as one string.
pub fn source(cell: &Value) -> String {
    joined(&cell["source"])
}

/// Whether the cell carries `tag`.
pub fn has_tag(cell: &Value, tag: &str) -> bool {
    cell["metadata"]["tags"]
        .as_array()
        .is_some_and(|tags| tags.iter().any(|t| t.as_str() == Some(tag)))
}

/// Text that a notebook may hold as one string or as a list of lines.
pub fn joined(text: &Value) -> String {
    match text {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}

/// Text as a list of lines, the form notebooks keep it in.
pub fn lines(text: &str) -> Value {
    text.split_inclusive('\n').collect()
}

/// Replaces `path` by `text` in one step: a reader finds the old file or the new one, never a part.
pub fn write_whole(path: &Path, text: &str) -> Result<()> {
    let name = path
        .file_name()
        .ok_or_else(|| anyhow!("{} names no file", path.display()))?;
    let draft = path.with_file_name(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let written = std::fs::File::create(&draft).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&draft, path)
    });
    written.map_err(|error| {
        let _ = std::fs::remove_file(&draft);
        anyhow!("cannot write {}: {error}", path.display())
    })
}

/// A format 3 notebook as format 4.5.
fn upgrade(text: &str) -> Result<Value> {
    let notebook = match nbformat::parse_notebook(text)? {
        nbformat::Notebook::V3(old) => nbformat::upgrade_v3_notebook(old)?,
        _ => bail!("the notebook's format changed while it was read"),
    };
    let text = nbformat::serialize_notebook(&nbformat::Notebook::V4(notebook))?;
    Ok(serde_json::from_str(&text)?)
}

/// Adds what format 4.5 asks for and writers leave out: cell ids, metadata, empty outputs.
fn complete(value: &mut Value) -> Result<()> {
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
        cell.entry("metadata").or_insert_with(|| json!({}));
        let id = cell.get("id").and_then(Value::as_str).unwrap_or_default();
        let valid = nbformat::v4::CellId::new(id).is_ok() && !taken.contains(id);
        let id = if valid { id.to_string() } else { fresh_id() };
        cell.insert("id".to_string(), json!(id));
        taken.insert(id);
    }
    Ok(())
}

/// Lets the format's own reader look at it, without the old outputs, which a run replaces.
fn check(value: &Value) -> Result<()> {
    let mut bare = value.clone();
    bare["nbformat_minor"] = json!(5);
    for cell in bare["cells"].as_array_mut().into_iter().flatten() {
        if kind(cell) == Kind::Code {
            cell["outputs"] = json!([]);
        }
    }
    nbformat::parse_notebook(&bare.to_string())
        .map(drop)
        .map_err(|error| anyhow!("{error}"))
}

fn fresh_id() -> String {
    let mut id = uuid::Uuid::new_v4().simple().to_string();
    id.truncate(8);
    id
}

/// The same value with every object's keys in order, whatever order the map type keeps.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            Value::Object(
                entries
                    .into_iter()
                    .map(|(key, value)| (key.clone(), sorted(value)))
                    .collect(),
            )
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        format!("{:#}", Notebook::parse(text).unwrap_err())
    }

    #[test]
    fn unknown_fields_and_sources_survive_a_round_trip() {
        let value = json!({
            "cells": [
                {"cell_type": "code", "id": "a", "execution_count": 3, "metadata": {"tags": ["x"], "mine": {"k": 1.5}},
                 "outputs": [{"output_type": "strange", "v": 1}], "source": ["1\n", "+ 1"], "future": [1, {"z": null}]},
                {"cell_type": "markdown", "id": "b", "metadata": {}, "source": "# t", "attachments": {"p.png": {"image/png": "AA"}}},
                {"cell_type": "raw", "id": "c", "metadata": {"format": "text/latex"}, "source": ""}
            ],
            "metadata": {"kernelspec": {"name": "jook", "display_name": "Jook", "extra": true}, "vendor": {"deep": [1]}},
            "nbformat": 4, "nbformat_minor": 5, "top": "kept"
        });
        let notebook = Notebook::parse(&value.to_string()).unwrap();
        let again: Value = serde_json::from_str(&notebook.text()).unwrap();
        assert_eq!(again, value);
        assert!(notebook.text().starts_with("{\n \"cells\"") && notebook.text().ends_with("}\n"));
    }

    #[test]
    fn older_formats_get_ids() {
        let text = r#"{"cells": [{"cell_type": "code", "metadata": {}, "source": "1", "outputs": [], "execution_count": null},
            {"cell_type": "markdown", "metadata": {}, "source": "x"}], "metadata": {}, "nbformat": 4, "nbformat_minor": 2}"#;
        let notebook = Notebook::parse(text).unwrap();
        let ids: Vec<_> = notebook
            .cells()
            .iter()
            .map(|cell| cell["id"].as_str().unwrap())
            .collect();
        assert!(ids.iter().all(|id| id.len() == 8) && ids[0] != ids[1]);
        assert_eq!(notebook.value["nbformat_minor"], 5);

        let old = r#"{"metadata": {}, "nbformat": 3, "nbformat_minor": 0, "worksheets": [{"cells": [
            {"cell_type": "heading", "level": 2, "metadata": {}, "source": ["Old"]},
            {"cell_type": "code", "collapsed": false, "input": ["1 + 1"], "language": "rust", "metadata": {}, "outputs": []}]}]}"#;
        let notebook = Notebook::parse(old).unwrap();
        assert_eq!(source(&notebook.cells()[0]), "## Old");
        assert_eq!(
            (kind(&notebook.cells()[1]), source(&notebook.cells()[1])),
            (Kind::Code, "1 + 1".to_string())
        );
    }

    #[test]
    fn doubled_and_unusable_ids_are_replaced() {
        let cell = |id: &str| json!({"cell_type": "markdown", "id": id, "metadata": {}, "source": ""});
        let value = json!({"cells": [cell("a"), cell("a"), cell("no spaces")], "metadata": {}, "nbformat": 4, "nbformat_minor": 5});
        let notebook = Notebook::parse(&value.to_string()).unwrap();
        assert_eq!(notebook.cells()[0]["id"], "a");
        assert_ne!(notebook.cells()[1]["id"], "a");
        assert_ne!(notebook.cells()[2]["id"], "no spaces");
    }

    #[test]
    fn broken_files_say_what_is_wrong() {
        assert!(wrong("").contains("empty"));
        assert!(wrong("{\n \"cells\": [\n").contains("line 3"));
        assert!(wrong("{\n<<<<<<< ours\n}").contains("merge"));
        assert!(wrong("[1, 2]").contains("nbformat"));
        assert!(wrong(r#"{"a": 1}"#).contains("nbformat"));
        assert!(wrong(r#"{"nbformat": 9, "nbformat_minor": 1}"#).contains("9.1"));
        assert!(wrong(r#"{"nbformat": 4, "nbformat_minor": 5}"#).contains("cells"));
        assert!(wrong(r#"{"nbformat": 4, "cells": [3]}"#).contains("cell 1 is not"));
        assert!(
            wrong(r#"{"nbformat": 4, "cells": [{"cell_type": "magic", "source": ""}]}"#).contains("magic")
        );
        assert!(
            wrong(r#"{"nbformat": 4, "cells": [{"cell_type": "code", "source": 7}]}"#).contains("cell 1")
        );
        assert!(wrong(r#"{"nbformat": 4, "metadata": 1, "cells": []}"#).contains("metadata"));
        let missing = format!(
            "{:#}",
            Notebook::read(Path::new("/nonexistent/a.ipynb")).unwrap_err()
        );
        assert!(missing.contains("/nonexistent/a.ipynb"));
        assert!(format!("{:#}", Notebook::read(Path::new("/")).unwrap_err()).contains("folder"));
    }

    #[test]
    fn writing_replaces_the_whole_file_and_leaves_no_draft() {
        let folder = std::env::temp_dir().join(format!("jook-write-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("a.ipynb");
        write_whole(&path, "old, and longer").unwrap();
        write_whole(&path, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        assert!(write_whole(&folder.join("none/a.ipynb"), "x").is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
