//! Notebooks as files: reading them, recording what their cells put out, and the page that shows both.
//!
//! The page is one HTML file. It opens offline: styles, pictures, charts and the library that draws them
//! are inside, and its content policy forbids every request, every form, another base for its links and every script but
//! the page's own. What the notebook says in prose and what its cells put out is made harmless ([`sanitize`]): a page is
//! given to people who did not let the notebook run. Charts stay alive: their data is all that is taken from an output.

pub mod ansi;
mod code;
mod escape;
pub mod file;
mod images;
mod links;
pub mod machine;
mod markdown;
mod math;
pub mod notebook;
mod output;
mod pictures;
pub mod plotly;
pub mod provenance;
pub mod record;
mod sanitize;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use images::Images;
use machine::Machine;
use markdown::{Heading, Outline};
use notebook::{Kind, Notebook};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::path::Path;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("page.js");

/// Nothing but what is in the page itself, and of scripts nothing but what is added here. (Plotly compiles what some
/// charts are drawn by.)
const POLICY: &str = "default-src 'none'; img-src data: blob:; media-src data: blob:; font-src data:; \
    style-src 'unsafe-inline'; worker-src blob:; connect-src data: blob:; form-action 'none'; base-uri 'none'";

/// The policy of a page whose own scripts are these.
fn policy(scripts: &[&str]) -> String {
    let hash = |script: &&str| format!("'sha256-{}'", BASE64.encode(Sha256::digest(script)));
    match scripts {
        [] => format!("{POLICY}; script-src 'none'"),
        own => {
            let hashes: Vec<String> = own.iter().map(hash).collect();
            format!("{POLICY}; script-src {} 'unsafe-eval'", hashes.join(" "))
        }
    }
}

/// A notebook with its outputs as one self-contained HTML page, which does not name places of `machine`. `folder` is the
/// notebook's, where its pictures are; `name` titles a page without a heading.
pub fn render(notebook: &Notebook, folder: &Path, name: &str, machine: &Machine) -> String {
    let mut outline = Outline::without(machine);
    let mut body = String::new();
    for (index, cell) in notebook.cells().iter().enumerate() {
        match notebook::kind(cell) {
            Kind::Markdown => {
                let images = Images {
                    folder,
                    attachments: cell.get("attachments"),
                };
                let html = markdown::render(&notebook::source(cell), &images, &mut outline);
                let _ = writeln!(body, "<section class=\"cell prose\">\n{html}</section>");
            }
            Kind::Code => code_cell(cell, index, folder, &mut body),
            Kind::Raw => raw_cell(cell, folder, &mut body),
        }
    }
    let mut titles = outline.headings.iter().map(|heading| heading.text.as_str());
    let title = titles.find(|text| !text.is_empty()).unwrap_or(name);
    let charts = body.contains(plotly::PLACE);
    let drawing = format!("\n{SCRIPT}");
    let policy = match charts {
        true => policy(&[plotly::library(), &drawing]),
        false => policy(&[]),
    };
    let mut page =
        String::with_capacity(body.len() + 64 * 1024 + if charts { plotly::library().len() } else { 0 });
    let _ = writeln!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"jook {}\">\n\
         <title>{}</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>\n{STYLE}</style>",
        env!("CARGO_PKG_VERSION"),
        escape::html(title),
    );
    if charts {
        // Before the body, so that outputs which look for Plotly find it.
        let _ = writeln!(page, "<script>{}</script>", plotly::library());
    }
    let shown = format!(
        "<body>\n{}<main>\n{body}</main>\n{}",
        contents(&outline.headings),
        foot(notebook)
    );
    let _ = write!(
        page,
        "</head>\n{}",
        machine.without(&shown).as_ref().unwrap_or(&shown)
    );
    if charts {
        let _ = writeln!(page, "<script>{drawing}</script>");
    }
    page.push_str("</body>\n</html>\n");
    page
}

fn code_cell(cell: &Value, index: usize, folder: &Path, body: &mut String) {
    let source = notebook::source(cell);
    let images = Images {
        folder,
        attachments: None,
    };
    let outputs: String = cell["outputs"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|output| output::render(output, &images))
        .collect();
    if source.trim().is_empty() && outputs.is_empty() {
        return;
    }
    let failed = cell["outputs"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|output| output["output_type"] == "error");
    let _ = writeln!(
        body,
        "<section class=\"cell code-cell{}\" id=\"cell-{}\">",
        if failed { " failed" } else { "" },
        index + 1
    );
    let hidden = cell.pointer("/metadata/jupyter/source_hidden") == Some(&Value::Bool(true))
        || notebook::has_tag(cell, "hide-input");
    let count = match cell["execution_count"].as_u64() {
        Some(count) => format!("<span class=\"count\">{count}</span>"),
        None => "<span class=\"count\" title=\"not run\">–</span>".to_string(),
    };
    let time = seconds(cell).map_or(String::new(), |time| {
        format!("<span class=\"time\">{time}</span>")
    });
    let input = format!(
        "<pre class=\"code\">{}</pre>",
        code::highlight(source.trim_end(), "rust")
    );
    if hidden {
        let _ = writeln!(
            body,
            "<details class=\"input\"><summary>{count}Code{time}</summary>{input}</details>"
        );
    } else {
        let _ = writeln!(body, "<div class=\"input\">{count}{input}{time}</div>");
    }
    if !outputs.is_empty() {
        let folded = cell.pointer("/metadata/jupyter/outputs_hidden") == Some(&Value::Bool(true));
        match folded {
            true => {
                let _ = writeln!(
                    body,
                    "<details class=\"outputs\"><summary>Output</summary>{outputs}</details>"
                );
            }
            false => {
                let _ = writeln!(body, "<div class=\"outputs\">\n{outputs}</div>");
            }
        }
    }
    body.push_str("</section>\n");
}

/// A raw cell is for the format it names: HTML is part of a page, anything else is shown as text.
fn raw_cell(cell: &Value, folder: &Path, body: &mut String) {
    let source = notebook::source(cell);
    let format = ["format", "raw_mimetype"]
        .iter()
        .find_map(|key| cell["metadata"][*key].as_str());
    match format {
        Some("text/html") => {
            let images = Images {
                folder,
                attachments: cell.get("attachments"),
            };
            let html = pictures::with_pictures(&sanitize::harmless(&source), &images);
            let _ = writeln!(body, "<section class=\"cell html\">{html}</section>");
        }
        Some(_) => {}
        None => {
            let _ = writeln!(
                body,
                "<section class=\"cell\"><pre class=\"stream\">\n{}</pre></section>",
                escape::html(&source)
            );
        }
    }
}

/// How long a cell took, where that is known and worth a reader's eye.
fn seconds(cell: &Value) -> Option<String> {
    let time = |key: &str| {
        let text = cell["metadata"]["execution"][key].as_str()?;
        chrono::DateTime::parse_from_rfc3339(text).ok()
    };
    let taken = time("shell.execute_reply")? - time("iopub.execute_input")?;
    let seconds = taken.num_milliseconds() as f64 / 1000.0;
    (seconds >= 0.1).then(|| duration(seconds))
}

/// A duration as people say it: `4.2 s`, `1 min 05 s`.
pub fn duration(seconds: f64) -> String {
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    format!("{} min {:02} s", whole / 60, whole % 60)
}

/// The table of contents: headings of the first three levels, when there is something to choose from.
fn contents(headings: &[Heading]) -> String {
    let shown: Vec<_> = headings
        .iter()
        .filter(|heading| heading.level <= 3 && !heading.text.is_empty())
        .collect();
    if shown.len() < 3 {
        return String::new();
    }
    let mut list = String::from("<nav aria-label=\"Contents\">\n<ul>\n");
    for heading in shown {
        let (id, text) = (escape::html(&heading.id), escape::html(&heading.text));
        let _ = writeln!(
            list,
            "<li class=\"level-{}\"><a href=\"#{id}\">{text}</a></li>",
            heading.level
        );
    }
    list.push_str("</ul>\n</nav>\n");
    list
}

fn foot(notebook: &Notebook) -> String {
    let lines = provenance::foot(&notebook.metadata()["jook"]);
    let lines: Vec<_> = lines
        .iter()
        .map(|line| format!("<p>{}</p>\n", escape::html(line)))
        .collect();
    format!("<footer>\n{}</footer>\n", lines.concat())
}

#[cfg(test)]
mod tests;
