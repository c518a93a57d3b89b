use super::*;
use serde_json::json;

fn page(cells: Value) -> String {
    let value = json!({
        "cells": cells, "nbformat": 4, "nbformat_minor": 5,
        "metadata": {"jook": {"versions": {"jook": "0.1.0"}, "cpu": "Some CPU", "cores": 2, "seed": 7}}
    });
    let notebook = Notebook::parse(&value.to_string()).unwrap();
    let folder = Path::new("/nonexistent");
    render(&notebook, folder, "the name", &Machine::here(folder))
}

fn markdown(source: &str) -> Value {
    json!({"cell_type": "markdown", "metadata": {}, "source": source})
}

fn code(source: &str, outputs: Value) -> Value {
    json!({"cell_type": "code", "metadata": {}, "source": source, "outputs": outputs, "execution_count": 1})
}

/// Everything but the library, whose text holds addresses it never asks for.
fn without_library(page: &str) -> String {
    page.replace(plotly::library(), "")
}

#[test]
fn the_library_is_there_once_and_only_for_charts() {
    let chart = json!({"output_type": "display_data", "metadata": {}, "data": {plotly::MIME: {"data": [{"y": [1]}]}}});
    let with = page(json!([
        code("a", json!([chart, chart])),
        code("b", json!([chart]))
    ]));
    assert_eq!(
        with.matches("plotly.js v3").count(),
        plotly::library().matches("plotly.js v3").count()
    );
    assert_eq!(with.matches("<div class=\"jook-figure\"").count(), 3);
    let without = page(json!([code("a", json!([]))]));
    assert!(without.len() < 100_000 && !without.contains("Plotly"));
    let foreign = json!({"output_type": "display_data", "data": {"text/html": "<div class=\"plot\"></div>"}});
    assert!(!page(json!([code("a", json!([foreign]))])).contains("Plotly"));
}

#[test]
fn the_page_refers_to_nothing_outside() {
    let chart = json!({"output_type": "display_data", "metadata": {}, "data": {plotly::MIME: {"data": []}}});
    let picture = "<img src=\"https://example.org/x.png\">";
    let html = json!({"output_type": "display_data", "data": {"text/html": picture}});
    let all = page(json!([
        markdown("# T\n![x](https://example.org/x.png)"),
        code("a", json!([chart, html])),
        json!({"cell_type": "raw", "metadata": {"format": "text/html"}, "source": picture})
    ]));
    let own = without_library(&all);
    for reference in [
        "src=\"http",
        "src='http",
        "url(http",
        "@import",
        "<link rel=\"stylesheet\"",
        "<script src",
    ] {
        assert!(!own.contains(reference), "{reference}");
    }
    assert!(own.contains("Content-Security-Policy") && own.contains("default-src 'none'"));
    // The default does not speak for these.
    assert!(own.contains("form-action 'none'") && own.contains("base-uri 'none'"));
}

#[test]
fn what_outputs_say_runs_nothing_and_the_pages_own_scripts_are_the_only_ones() {
    let bad = "<b onclick=\"bad()\">b</b><script>bad()</script><a href=\"java&#115;cript:bad()\">a</a>\
               <iframe srcdoc=\"<script>bad()</script>\"></iframe><meta http-equiv=refresh content=\"0;url=javascript:bad()\">";
    let output =
        |mime: &str, text: &str| json!({"output_type": "display_data", "metadata": {}, "data": {mime: text}});
    let svg = format!("<svg onload=\"bad()\"><g/>{bad}</svg>");
    let chart = output(plotly::MIME, "");
    let outputs = json!([
        output("text/html", bad),
        output("image/svg+xml", &svg),
        output("text/markdown", bad),
        output("text/latex", bad),
        output("image/png", "\" onload=\"bad()"),
    ]);
    let raw = json!({"cell_type": "raw", "metadata": {"format": "text/html"}, "source": bad});
    let all = page(json!([code("a", outputs.clone()), raw, markdown(bad)]));
    let main = &all[all.find("<main>").unwrap()..];
    for word in [
        "<script",
        "<iframe",
        "<meta",
        " onclick=\"",
        " onload=\"",
        "href=\"java",
    ] {
        assert!(!main.contains(word), "{word} in {main}");
    }
    assert!(main.contains("<b>b</b>") && main.contains("<svg><g/>"), "{main}");
    assert!(all.contains("script-src 'none'") && !all.contains("'unsafe-inline' 'unsafe-eval'"));

    // Every script that runs has its hash in the policy.
    let all = page(json!([code("a", json!([chart]))]));
    let allowed = all
        .split("script-src ")
        .nth(1)
        .unwrap()
        .split(['"', ';'])
        .next()
        .unwrap();
    let scripts: Vec<&str> = all
        .match_indices("<script>")
        .map(|(at, tag)| all[at + tag.len()..].split("</script>").next().unwrap())
        .collect();
    assert_eq!(scripts.len(), 2);
    for script in scripts {
        // A browser hashes what it has read, in which line ends are one character.
        assert!(!script.contains('\r') && !script.contains('\0'));
        assert!(
            allowed.contains(&BASE64.encode(Sha256::digest(script))),
            "{allowed}"
        );
    }
    assert_eq!(allowed.matches("sha256-").count(), 2);
}

#[test]
fn title_contents_and_foot() {
    let all = page(json!([
        markdown("# First & last"),
        markdown("## Two"),
        markdown("## Three")
    ]));
    assert!(all.contains("<title>First &amp; last</title>"));
    assert!(all.contains("<a href=\"#Two\">Two</a>"));
    assert!(all.contains("<p>Some CPU, 2 cores</p>") && all.contains("seed 7"));
    let bare = page(json!([code("1", json!([]))]));
    assert!(bare.contains("<title>the name</title>") && !bare.contains("<nav"));
    assert!(page(json!([markdown("#\n\ntext")])).contains("<title>the name</title>"));
}

#[test]
fn code_with_markup_stays_text_and_a_failed_cell_shows() {
    let error = json!({"output_type": "error", "ename": "E", "evalue": "broke", "traceback": []});
    let all = page(json!([code("let a = \"</script><img src=x>\";", json!([error]))]));
    assert!(!all.contains("<img src=x>") && all.contains("&lt;/script&gt;"));
    assert!(all.contains("code-cell failed") && all.contains("E: broke"));
}

#[test]
fn durations_read_well() {
    assert_eq!(duration(4.21), "4.2 s");
    assert_eq!(duration(59.96), "1 min 00 s");
    assert_eq!(duration(65.0), "1 min 05 s");
}
