//! One output of a cell as HTML: the richest of its forms that a page can show.

use super::images::Images;
use super::markdown::{self, Outline};
use super::notebook::joined;
use super::sanitize::harmless;
use super::{ansi, escape, pictures, plotly};
use serde_json::{Map, Value};

/// Forms that a page can show, richest first.
const FORMS: [&str; 11] = [
    plotly::MIME,
    "text/html",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "image/webp",
    "image/gif",
    "text/markdown",
    "text/latex",
    "application/json",
    "text/plain",
];

/// An output of a notebook as HTML; empty when there is nothing to see. Pictures that it names come from
/// `images`.
pub fn render(output: &Value, images: &Images<'_>) -> String {
    match output["output_type"].as_str() {
        Some("stream") => {
            let class = if output["name"] == "stderr" {
                "stream stderr"
            } else {
                "stream"
            };
            pre(class, &ansi::to_html(&joined(&output["text"])))
        }
        Some("error") => pre("failure", &failure(output)),
        _ => match output["data"].as_object() {
            Some(data) => bundle(data, output["metadata"].as_object(), images),
            None => String::new(),
        },
    }
}

fn bundle(data: &Map<String, Value>, metadata: Option<&Map<String, Value>>, images: &Images<'_>) -> String {
    let Some((form, value)) = FORMS.iter().find_map(|form| Some((*form, data.get(*form)?))) else {
        let forms: Vec<_> = data.keys().map(String::as_str).collect();
        let note = format!("This output has no form a page can show ({}).", forms.join(", "));
        return format!("<p class=\"absent\">{}</p>\n", escape::html(&note));
    };
    let text = joined(value);
    match form {
        plotly::MIME => plotly::place(value),
        "text/html" => {
            let html = pictures::with_pictures(&harmless(&text), images);
            format!("<div class=\"html\">{html}</div>\n")
        }
        "image/svg+xml" => format!(
            "<div class=\"picture\">{}</div>\n",
            harmless(without_prolog(&text))
        ),
        "text/markdown" => {
            // Headings of an output are no part of the page's contents.
            format!(
                "<div class=\"prose\">{}</div>\n",
                markdown::render(&text, images, &mut Outline::default())
            )
        }
        "text/latex" => latex(&text),
        "application/json" => pre(
            "result",
            &escape::html(&serde_json::to_string_pretty(value).unwrap_or_default()),
        ),
        "text/plain" => pre("result", &ansi::to_html(&text)),
        image => picture(image, &text, metadata, data),
    }
}

/// A formula between its delimiters; other LaTeX as it was written.
fn latex(text: &str) -> String {
    let between = |(open, close, display): (&str, &str, bool)| {
        let tex = text.trim().strip_prefix(open)?.strip_suffix(close)?.trim();
        (!tex.contains(close)).then_some((tex, display))
    };
    let delimiters = [
        ("$$", "$$", true),
        ("\\[", "\\]", true),
        ("$", "$", false),
        ("\\(", "\\)", false),
    ];
    match delimiters.into_iter().find_map(between) {
        Some((tex, display)) => {
            // How Python's sympy asks for the form of a line of its own.
            let styled = tex.strip_prefix("\\displaystyle");
            let formula = markdown::formula(styled.unwrap_or(tex), display || styled.is_some());
            format!("<div>{formula}</div>\n")
        }
        None => format!("<div class=\"math\">{}</div>\n", escape::html(text)),
    }
}

fn picture(
    mime: &str,
    base64: &str,
    metadata: Option<&Map<String, Value>>,
    data: &Map<String, Value>,
) -> String {
    let size = |key: &str| {
        let pixels = metadata
            .and_then(|all| all.get(mime))
            .and_then(|size| size.get(key));
        pixels
            .and_then(Value::as_u64)
            .map_or(String::new(), |pixels| format!(" {key}=\"{pixels}\""))
    };
    let alt = data.get("text/plain").map(joined).unwrap_or_default();
    let base64: String = base64.split_whitespace().collect();
    format!(
        "<div class=\"picture\"><img src=\"data:{mime};base64,{}\" alt=\"{}\"{}{}></div>\n",
        escape::html(&base64),
        escape::html(alt.trim()),
        size("width"),
        size("height")
    )
}

/// An error as text: its traceback, which begins or ends with what it is.
fn failure(output: &Value) -> String {
    let lines: Vec<_> = output["traceback"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let traceback = lines.join("\n");
    let (name, value) = (joined(&output["ename"]), joined(&output["evalue"]));
    if ansi::strip(&traceback).contains(value.trim()) && !traceback.trim().is_empty() {
        return ansi::to_html(traceback.trim_end());
    }
    let head = format!(
        "<span class=\"a-bold\">{}: {}</span>",
        escape::html(&name),
        escape::html(&value)
    );
    format!("{head}\n{}", ansi::to_html(&traceback))
        .trim_end()
        .to_string()
}

fn pre(class: &str, html: &str) -> String {
    let html = html.strip_suffix('\n').unwrap_or(html);
    if html.is_empty() {
        return String::new();
    }
    // A line end right after <pre> would be swallowed by the reader's browser.
    format!("<pre class=\"{class}\">\n{html}</pre>\n")
}

/// An SVG without what may stand before it in a file but not in a page.
fn without_prolog(svg: &str) -> &str {
    svg.find("<svg").map_or(svg, |at| &svg[at..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::path::Path;

    fn nowhere() -> Images<'static> {
        Images {
            folder: Path::new("/nonexistent"),
            attachments: None,
        }
    }

    fn shown(data: Value) -> String {
        let metadata = json!({"image/png": {"width": 80}});
        render(
            &json!({"output_type": "display_data", "data": data, "metadata": metadata}),
            &nowhere(),
        )
    }

    #[test]
    fn the_richest_form_is_shown() {
        let chart = json!({plotly::MIME: {"data": []}, "text/html": "big", "text/plain": "chart"});
        assert!(shown(chart).starts_with("<div class=\"jook-figure\""));
        assert!(shown(json!({"text/html": ["<b>", "x</b>"], "text/plain": "x"})).contains("<b>x</b>"));
        assert!(
            shown(json!({"image/png": "QUJD\n", "text/plain": "a \"b\""}))
                .contains("<img src=\"data:image/png;base64,QUJD\" alt=\"a &quot;b&quot;\" width=\"80\">")
        );
        assert!(shown(json!({"image/svg+xml": "<?xml version='1.0'?><svg></svg>"})).contains("\"><svg>"));
        assert!(shown(json!({"text/markdown": "*x*", "text/plain": "x"})).contains("<em>x</em>"));
        assert!(shown(json!({"application/json": {"a": 1}})).contains("&quot;a&quot;: 1"));
        assert!(shown(json!({"application/x-odd": "?"})).contains("application/x-odd"));
    }

    #[test]
    fn pictures_of_an_output_come_from_the_notebooks_folder() {
        let folder = std::env::temp_dir().join(format!("jook-output-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("a.png"), [1, 2, 3]).unwrap();
        let images = Images {
            folder: &folder,
            attachments: None,
        };
        for data in [
            json!({"text/html": "<img src=\"a.png\">"}),
            json!({"text/markdown": "![a](a.png)"}),
        ] {
            let html = render(&json!({"output_type": "display_data", "data": data}), &images);
            assert!(html.contains("<img src=\"data:image/png;base64,AQID\""), "{html}");
        }
        std::fs::remove_dir_all(folder).unwrap();
        let far = shown(json!({"text/html": "<img src=\"https://example.org/x.png\">"}));
        assert!(!far.contains("<img") && far.contains("Picture on the network"));
    }

    #[test]
    fn latex_is_drawn_where_it_is_a_formula() {
        let latex = |tex: &str| shown(json!({"text/latex": tex}));
        assert!(latex("$x_1$").contains("<div><math alttext=\"x_1\">"));
        for display in ["$$x_1$$", "\\[x_1\\]", "$\\displaystyle x_1$\n"] {
            assert!(latex(display).contains("<math display=\"block\" alttext=\"x_1\">"));
        }
        assert!(latex("$\\unknown < 1$").contains("$\\unknown &lt; 1$"));
        assert_eq!(latex("$a$ and $b$"), "<div class=\"math\">$a$ and $b$</div>\n");
    }

    #[test]
    fn what_a_program_prints_is_text() {
        let out = json!({"output_type": "stream", "name": "stdout", "text": ["<script>alert(1)</script>\n", "1\r2\n"]});
        assert_eq!(
            render(&out, &nowhere()),
            "<pre class=\"stream\">\n&lt;script&gt;alert(1)&lt;/script&gt;\n2</pre>\n"
        );
        let plain = shown(json!({"text/plain": "<img src=x>"}));
        assert!(plain.contains("&lt;img") && !plain.contains("<img"));
        let nothing = json!({"output_type": "stream", "name": "stderr", "text": ""});
        assert_eq!(render(&nothing, &nowhere()), "");
    }

    #[test]
    fn an_error_shows_its_traceback_and_its_message_once() {
        let error = |value: &str, traceback: &[&str]| {
            render(
                &json!({"output_type": "error", "ename": "Error", "evalue": value, "traceback": traceback}),
                &nowhere(),
            )
        };
        let html = error("<bad>", &["\u{1b}[31mError\u{1b}[0m", "  <bad>"]);
        assert_eq!(html.matches("&lt;bad&gt;").count(), 1);
        assert!(html.contains("a-red"));
        assert!(error("worse", &[]).contains("Error: worse"));
    }
}
