//! Markdown cells as HTML, the way Jupyter reads them: tables, code, raw HTML and formulas included.

use super::images::Images;
use super::links::is_harmless;
use super::machine::Machine;
use super::pictures::{image, with_pictures};
use super::sanitize::harmless;
use super::{code, escape, math};
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};
use std::collections::HashSet;

/// One line of a page's table of contents.
#[derive(Debug, PartialEq)]
pub struct Heading {
    /// 1 to 6.
    pub level: u8,
    /// The text without markup.
    pub text: String,
    /// The id of its element, unique on the page.
    pub id: String,
}

/// The headings of a page, in order; hands out their ids.
#[derive(Default)]
pub struct Outline<'m> {
    pub headings: Vec<Heading>,
    taken: HashSet<String>,
    /// Whose places headings do not name.
    machine: Option<&'m Machine>,
}

impl<'m> Outline<'m> {
    /// The headings of a page that names no place of `machine`.
    pub fn without(machine: &'m Machine) -> Self {
        Self {
            machine: Some(machine),
            ..Self::default()
        }
    }

    /// Adds a heading. Its id is its text with hyphens for spaces, as Jupyter's links expect.
    fn add(&mut self, level: u8, text: &str) -> &Heading {
        let without = self.machine.and_then(|machine| machine.without(text));
        let text = without.as_deref().unwrap_or(text);
        let wanted = text.split_whitespace().collect::<Vec<_>>().join("-");
        let wanted = if wanted.is_empty() {
            "section".to_string()
        } else {
            wanted
        };
        let mut id = wanted.clone();
        let mut n = 2;
        while !self.taken.insert(id.clone()) {
            id = format!("{wanted}-{n}");
            n += 1;
        }
        self.headings.push(Heading {
            level,
            text: text.to_string(),
            id,
        });
        self.headings.last().expect("one was just added")
    }
}

/// `source` as HTML. Its headings go to `outline`, its pictures come from `images`.
pub fn render(source: &str, images: &Images<'_>, outline: &mut Outline<'_>) -> String {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_MATH;
    let mut events = Parser::new_ext(source, options);
    let mut out = Vec::new();
    while let Some(event) = events.next() {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                heading(level, &mut events, images, outline, &mut out)
            }
            Event::Start(Tag::CodeBlock(kind)) => out.push(code_block(&kind, &mut events)),
            Event::Start(Tag::HtmlBlock) => out.push(html_block(&mut events, images)),
            other => out.push(inline(other, &mut events, images)),
        }
    }
    let mut page = String::with_capacity(source.len() * 2);
    html::push_html(&mut page, out.into_iter());
    page.replace("<table>", "<div class=\"wide\"><table>")
        .replace("</table>", "</table></div>")
}

/// An event as it is, unless the page has its own form for it.
fn inline<'a>(event: Event<'a>, events: &mut Parser<'a>, images: &Images<'_>) -> Event<'a> {
    match event {
        Event::Start(Tag::Image { dest_url, title, .. }) => {
            let alt = text_until(events, |end| matches!(end, TagEnd::Image));
            Event::InlineHtml(image(&dest_url, &title, &alt, images).into())
        }
        Event::InlineMath(tex) => Event::InlineHtml(formula(&tex, false).into()),
        Event::DisplayMath(tex) => Event::InlineHtml(formula(&tex, true).into()),
        Event::InlineHtml(html) => Event::InlineHtml(with_pictures(&harmless(&html), images).into()),
        // The text of a link that would run something stays, without an address.
        Event::Start(Tag::Link { dest_url, .. }) if !is_harmless(&dest_url) => {
            Event::InlineHtml("<a>".into())
        }
        other => other,
    }
}

fn heading<'a>(
    level: HeadingLevel,
    events: &mut Parser<'a>,
    images: &Images<'_>,
    outline: &mut Outline<'_>,
    out: &mut Vec<Event<'a>>,
) {
    let mut inner = Vec::new();
    let mut text = String::new();
    while let Some(event) = events.next() {
        match &event {
            Event::End(TagEnd::Heading(_)) => break,
            Event::Text(words) | Event::Code(words) => text.push_str(words),
            Event::InlineMath(tex) => text.push_str(tex),
            Event::SoftBreak | Event::HardBreak => text.push(' '),
            _ => {}
        }
        inner.push(inline(event, events, images));
    }
    let id = &outline.add(level as u8, text.trim()).id;
    out.push(Event::Html(
        format!("<{level} id=\"{}\">", escape::html(id)).into(),
    ));
    out.append(&mut inner);
    out.push(Event::Html(format!("</{level}>\n").into()));
}

fn code_block<'a>(kind: &CodeBlockKind<'_>, events: &mut Parser<'a>) -> Event<'a> {
    let language = match kind {
        CodeBlockKind::Fenced(language) => language.to_string(),
        CodeBlockKind::Indented => String::new(),
    };
    let source = text_until(events, |end| matches!(end, TagEnd::CodeBlock));
    Event::Html(
        format!(
            "<pre class=\"code\">{}</pre>\n",
            code::highlight(&source, &language)
        )
        .into(),
    )
}

/// A block of raw HTML as one event: its lines come one by one, and a tag may begin on one and end on another.
fn html_block<'a>(events: &mut Parser<'a>, images: &Images<'_>) -> Event<'a> {
    let mut html = String::new();
    for event in events {
        match event {
            Event::End(TagEnd::HtmlBlock) => break,
            Event::Html(line) | Event::Text(line) => html.push_str(&line),
            _ => {}
        }
    }
    Event::Html(with_pictures(&harmless(&html), images).into())
}

/// The text up to the end of the element that has just begun.
fn text_until(events: &mut Parser<'_>, ends: impl Fn(&TagEnd) -> bool) -> String {
    let mut text = String::new();
    for event in events {
        match event {
            Event::End(end) if ends(&end) => break,
            Event::Text(words) | Event::Code(words) | Event::InlineMath(words) => text.push_str(&words),
            Event::SoftBreak | Event::HardBreak => text.push(' '),
            _ => {}
        }
    }
    text
}

/// A formula, drawn where it can be; else in its TeX form, which reads without a renderer.
pub fn formula(tex: &str, display: bool) -> String {
    math::mathml(tex, display).unwrap_or_else(|| match display {
        true => format!("<div class=\"math\">$${}$$</div>", escape::html(tex)),
        false => format!("<span class=\"math\">${}$</span>", escape::html(tex)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn page(source: &str) -> (String, Outline<'static>) {
        let mut outline = Outline::default();
        let images = Images {
            folder: Path::new("/nonexistent"),
            attachments: None,
        };
        let html = render(source, &images, &mut outline);
        (html, outline)
    }

    #[test]
    fn headings_get_unique_ids_and_an_outline() {
        let (html, outline) = page("# The `first` bowl\n\ntext\n\n## Train it\n\n## Train it\n");
        assert!(html.contains("<h1 id=\"The-first-bowl\">The <code>first</code> bowl</h1>"));
        assert!(html.contains("id=\"Train-it\"") && html.contains("id=\"Train-it-2\""));
        let texts: Vec<_> = outline
            .headings
            .iter()
            .map(|h| (h.level, h.text.as_str()))
            .collect();
        assert_eq!(texts, [(1, "The first bowl"), (2, "Train it"), (2, "Train it")]);
    }

    #[test]
    fn tables_code_links_formulas_and_raw_html() {
        let source = "|a|b|\n|-|-|\n|1|2|\n\n```rust\nlet a: Vec<u8>;\n```\n\n[x](y.html) costs $5 and $x_1 * y_1$ \
                      <b>bold</b>\n\n$$\\sum_i x_i < 1$$\n";
        let (html, _) = page(source);
        assert!(html.contains("<div class=\"wide\"><table>"));
        assert!(html.contains("s-storage") && html.contains("&lt;"));
        assert!(html.contains("<a href=\"y.html\">x</a>"));
        assert!(html.contains("costs $5 and <math alttext=\"x_1 * y_1\"><mrow><msub>"));
        assert!(html.contains("<b>bold</b>"));
        assert!(html.contains("<math display=\"block\"") && html.contains("<mo>&lt;</mo>"));
        let (html, _) = page("$\\unknown < 1$ and $$\\unknown$$");
        assert!(html.contains("<span class=\"math\">$\\unknown &lt; 1$</span>"));
        assert!(html.contains("<div class=\"math\">$$\\unknown$$</div>"));
    }

    #[test]
    fn pictures_never_reach_out() {
        let (html, _) = page(
            "![a \"dog\"](https://example.org/d.png) <IMG alt=cat SRC='http://example.org/c.png'>\n\n\
             ![k](data:image/png;base64,AA==)",
        );
        assert_eq!(html.matches("<img").count(), 1);
        assert!(!html.contains("<IMG"));
        assert!(
            html.contains("href=\"https://example.org/d.png\">Picture on the network: a &quot;dog&quot;")
        );
        assert!(html.contains("href=\"http://example.org/c.png\">Picture on the network: cat"));
        assert!(html.contains("src=\"data:image/png;base64,AA==\""));
    }

    #[test]
    fn a_tag_of_raw_html_may_run_over_lines_and_have_brackets_in_its_values() {
        let (html, _) = page(
            "<div>\n<img alt=\"a > b &amp; c\"\n  src=\"https://example.org/x.png\"\n  width=3>\nafter\n</div>\n\n\
             - <p>\n  <IMG\n  src='data:image/png;base64,AA=='>\n  </p>\n",
        );
        assert!(html.contains(
            "<a class=\"absent\" href=\"https://example.org/x.png\">Picture on the network: a &gt; b &amp; c</a>\nafter"
        ));
        assert!(html.contains("src=\"data:image/png;base64,AA==\">") && !html.contains("width="));
    }

    #[test]
    fn prose_runs_nothing_sends_nothing_and_leads_nowhere_by_itself() {
        let (html, _) = page(
            "[a](javascript:alert(1)) [b](<java\tscript:alert(1)>) <javascript:alert(1)> [c][r] ![d](javascript:alert(1))\n\n\
             [r]: JAVASCRIPT:alert(1)\n\n\
             in <b onclick=\"alert(1)\">line</b> <script>alert(1)</script> <base href=x> text\n\n\
             <script>\nalert(1)\n\nalert(2)\n</script>\n\n\
             <form action=\"https://example.org\">\n<input name=a>\n</form>\n\n\
             <meta http-equiv=refresh content=\"0;url=https://example.org\">\n<base href=\"https://example.org\">\n\n\
             | a |\n|-|\n| <a href=\"javascript:alert(1)\">x</a> |\n\n# <a href=javascript:alert(1)>t</a>\n",
        );
        let small = html.to_lowercase();
        for word in [
            "href=\"java",
            "href=java",
            "onclick",
            "<script",
            "<form",
            "<input",
            "<meta",
            "<base",
            "src=\"java",
        ] {
            assert!(!small.contains(word), "{word} in {html}");
        }
        assert!(html.contains("<a>a</a>") && html.contains("<b>line</b>") && html.contains("<a>x</a>"));
    }
}
