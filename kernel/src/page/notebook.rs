//! A notebook file, kept as it was read: what Jook does not know stays in it.

mod complete;

use anyhow::{Context as _, Result, anyhow, bail};
use complete::{complete, fresh_id, upgrade};
use serde::Serialize as _;
use serde_json::{Map, Value, json};
use std::path::Path;

/// A notebook of format 4.5 or later, as JSON.
#[derive(Clone, Debug)]
pub struct Notebook {
    value: Value,
}

/// The tag of the cell with the parameters of a run, as papermill has it.
pub const INJECTED: &str = "injected-parameters";

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
            (Some(3), _) => upgrade(value)?,
            (Some(major), minor) => bail!(
                "it has notebook format {major}.{}; Jook reads formats 3 and 4",
                minor.unwrap_or(0)
            ),
        };
        complete(&mut value)?;
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

    /// Puts a code cell with this source and tag before the one at `index`.
    pub fn insert(&mut self, index: usize, source: &str, tag: &str) {
        let cell = json!({
            "cell_type": "code", "id": fresh_id(), "metadata": {"tags": [tag]}, "source": lines(source),
            "outputs": [], "execution_count": null,
        });
        if let Some(cells) = self.value["cells"].as_array_mut() {
            cells.insert(index, cell);
        }
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

    fn old(metadata: Value, cells: Value) -> Result<Notebook> {
        let sheets = json!([{"cells": cells}]);
        let value = json!({"metadata": metadata, "nbformat": 3, "nbformat_minor": 0, "worksheets": sheets});
        Notebook::parse(&value.to_string())
    }

    #[test]
    fn format_3_is_read_whatever_its_cells_leave_out_or_overdo() {
        let heading = |level: Value| json!({"cell_type": "heading", "level": level, "source": "Old\nwords"});
        let levels = [json!(-3), json!(1e9), json!(2), json!(null)];
        let mut cells = levels.map(heading).to_vec();
        cells.push(json!({
            "cell_type": "code", "input": ["a\n", "b"], "language": "python", "metadata": null,
            "outputs": [{"output_type": "pyout", "strange": 1}], "prompt_number": 7
        }));
        let notebook = old(json!({"name": ""}), json!(cells)).unwrap();
        let sources: Vec<_> = notebook.cells().iter().map(source).collect();
        assert_eq!(
            sources,
            [
                "# Old words",
                "###### Old words",
                "## Old words",
                "# Old words",
                "a\nb"
            ]
        );
        assert_eq!(notebook.language(), Some("python".to_string()));
        let code = &notebook.cells()[4];
        assert_eq!((&code["outputs"], &code["metadata"]), (&json!([]), &json!({})));
        let named = json!({"kernel_info": {"name": "jook", "language": "Rust"}});
        let named = old(named, json!([])).unwrap();
        assert_eq!(named.language(), Some("rust".to_string()));
        assert!(wrong(r#"{"nbformat": 3}"#).contains("worksheets"));
        assert!(old(Value::Null, json!([{"cell_type": "code", "input": 7}])).is_err());
    }

    #[test]
    fn what_a_run_does_not_use_is_not_looked_at() {
        let cells = json!([
            {"cell_type": "code", "metadata": {"scrolled": "auto", "collapsed": 1, "tags": "x"}, "source": "1"},
            {"cell_type": "code", "metadata": null, "source": "2", "execution_count": "7", "outputs": 3},
            {"cell_type": "markdown", "source": "3"}
        ]);
        let metadata = json!({"kernelspec": {"name": "jook"}, "language_info": {}, "authors": "me"});
        let value = json!({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5});
        let notebook = Notebook::parse(&value.to_string()).unwrap();
        assert_eq!(notebook.metadata(), &metadata);
        assert_eq!(notebook.cells()[0]["metadata"]["scrolled"], "auto");
        assert_eq!(notebook.cells()[1]["metadata"], json!({}));
        assert_eq!(notebook.language(), None);
        let odd = r#"{"nbformat": 4, "cells": [{"cell_type": "code", "source": "", "metadata": [1]}]}"#;
        assert!(wrong(odd).contains("`metadata` of cell 1"));
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
}
