//! Charts that need no network: the Plotly library inside a page, or inside one output of a notebook.

use super::escape;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};
use std::io::Write as _;
use std::sync::OnceLock;

/// The type of a chart's data in a bundle.
pub const MIME: &str = "application/vnd.plotly.v1+json";

/// How the place of a chart on a page begins. The class is one that no other element of a page has.
pub const PLACE: &str = "<div class=\"jook-figure\"";

/// The height in pixels of a chart that names none: JupyterLab's, so that it looks alike wherever it is drawn.
const HEIGHT: u64 = 360;

/// A chart as HTML that draws itself anywhere: with the page's Plotly when there is one, else with the
/// copy it carries. Several on one page unpack that copy once.
pub fn self_contained_html(figure: &Value) -> String {
    self_drawing(figure, packed_library(), None)
}

/// A chart that redraws the one with the same name on its page, if it is there; without `library` it needs a page
/// that has one.
pub fn live_html(figure: &Value, name: &str, library: bool) -> String {
    self_drawing(figure, if library { packed_library() } else { "" }, Some(name))
}

fn self_drawing(figure: &Value, library: &str, name: Option<&str>) -> String {
    const DRAW: &str = include_str!("draw.js");
    let id = format!("jook-{}", uuid::Uuid::new_v4().simple());
    format!(
        "<div id=\"{id}\" class=\"jook-plot\" style=\"min-height:{height}px\"></div>\n\
         <script type=\"text/javascript\">\n({draw})(\"{id}\", {figure}, \"{library}\", {name});\n</script>",
        height = height(figure),
        draw = DRAW.trim().trim_end_matches(';'),
        figure = escape::json(&drawable(figure)),
        name = escape::json(&json!(name)),
    )
}

/// Adds [`self_contained_html`] to a bundle that has a chart and no HTML yet.
pub fn add_html(bundle: &mut Map<String, Value>) {
    if !bundle.contains_key("text/html")
        && let Some(figure) = bundle.get(MIME)
    {
        let html = self_contained_html(figure);
        bundle.insert("text/html".to_string(), Value::String(html));
    }
}

/// The chart's place on a page whose script draws every figure, see `page.js`.
pub fn place(figure: &Value) -> String {
    format!(
        "{PLACE} style=\"min-height:{}px\"><script type=\"application/json\">{}</script></div>",
        height(figure),
        escape::json(&drawable(figure))
    )
}

/// The Plotly library as the content of a `<script>`, without the formula renderer that comes with it.
pub fn library() -> &'static str {
    static LIBRARY: OnceLock<String> = OnceLock::new();
    LIBRARY.get_or_init(|| escape::script(first_script(&plotly::Plot::offline_js_sources())))
}

/// The library compressed (gzip) and as text (base64); under half its size.
fn packed_library() -> &'static str {
    static PACKED: OnceLock<String> = OnceLock::new();
    PACKED.get_or_init(|| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let packed = packer
            .write_all(library().as_bytes())
            .and_then(|()| packer.finish());
        BASE64.encode(packed.expect("writing to memory does not fail"))
    })
}

/// The content of the first `<script>` of `html`, Plotly's. The second is MathJax.
fn first_script(html: &str) -> &str {
    let start = html.find('>').map_or(0, |at| at + 1);
    let rest = &html[start..];
    &rest[..rest.find("</script>").unwrap_or(rest.len())]
}

/// What `Plotly.newPlot` takes: the figure's parts, a layout that follows the width, a config without
/// links to the network.
fn drawable(figure: &Value) -> Value {
    let part = |key: &str| figure.get(key).cloned().filter(|value| !value.is_null());
    let mut layout = part("layout")
        .filter(Value::is_object)
        .unwrap_or_else(|| json!({}));
    if layout.get("width").is_none_or(Value::is_null) {
        layout["autosize"] = json!(true);
    }
    if layout.get("height").is_none_or(Value::is_null) {
        layout["height"] = json!(HEIGHT);
    }
    let mut config = part("config")
        .filter(Value::is_object)
        .unwrap_or_else(|| json!({}));
    config["responsive"] = json!(true);
    config["displaylogo"] = json!(false);
    let mut drawable = json!({
        "data": part("data").unwrap_or_else(|| json!([])),
        "layout": layout,
        "config": config,
    });
    if let Some(frames) = part("frames") {
        drawable["frames"] = frames;
    }
    drawable
}

fn height(figure: &Value) -> u64 {
    let height = figure
        .pointer("/layout/height")
        .and_then(Value::as_f64)
        .unwrap_or(HEIGHT as f64);
    height.clamp(60.0, 4000.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn the_library_is_plotly_alone() {
        let library = library();
        assert!(library.contains("plotly.js v") && library.contains("window.Plotly"));
        assert!(
            library.len() > 3_000_000 && library.len() < 6_000_000,
            "{}",
            library.len()
        );
        assert!(!library.to_ascii_lowercase().contains("</script"));
    }

    #[test]
    fn a_chart_carries_its_data_and_the_library() {
        let figure = json!({"data": [{"type": "bar", "name": "</script><b>"}], "layout": {"height": 300}, "frames": null});
        let html = self_contained_html(&figure);
        assert_eq!(html.matches("</script>").count(), 1);
        assert!(html.contains("min-height:300px") && html.contains("\\u003c/script>\\u003cb>"));
        assert!(!html.contains("src=") && !html.contains("frames\":"));

        let packed = html.rsplit('"').nth(1).unwrap();
        assert!(html.ends_with("\", null);\n</script>"));
        let bytes = BASE64.decode(packed).unwrap();
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(&bytes[..])
            .read_to_string(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, library());
        assert!(html.len() < 2_500_000, "{}", html.len());
    }

    #[test]
    fn two_copies_of_a_chart_do_not_share_an_id() {
        let figure = json!({"data": []});
        assert_ne!(self_contained_html(&figure), self_contained_html(&figure));
    }

    #[test]
    fn a_live_chart_has_its_name_and_the_library_when_asked() {
        let figure = json!({"data": []});
        let (with, without) = (
            live_html(&figure, "a</script>", true),
            live_html(&figure, "a</script>", false),
        );
        assert!(with.contains(packed_library()) && without.len() < 10_000);
        for html in [with, without] {
            assert!(
                html.contains("\"a\\u003c/script>\");"),
                "{}",
                &html[html.len() - 100..]
            );
        }
    }

    #[test]
    fn html_is_added_only_where_it_is_missing() {
        let mut chart = json!({MIME: {"data": []}}).as_object().unwrap().clone();
        add_html(&mut chart);
        assert!(chart["text/html"].as_str().unwrap().contains("jook-plot"));
        let mut own = json!({MIME: {"data": []}, "text/html": "mine"})
            .as_object()
            .unwrap()
            .clone();
        add_html(&mut own);
        assert_eq!(own["text/html"], "mine");
        let mut plain = json!({"text/plain": "x"}).as_object().unwrap().clone();
        add_html(&mut plain);
        assert_eq!(plain.len(), 1);
    }

    #[test]
    fn a_figure_follows_the_width_unless_it_has_one() {
        assert_eq!(drawable(&json!({"layout": {}}))["layout"]["autosize"], true);
        assert!(
            drawable(&json!({"layout": {"width": 300}}))["layout"]
                .get("autosize")
                .is_none()
        );
        assert_eq!(
            drawable(&json!({"config": {"scrollZoom": true}}))["config"]["scrollZoom"],
            true
        );
    }
}
