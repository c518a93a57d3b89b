//! Raw HTML of prose and of outputs, made harmless: what remains formats text, links and shows pictures. It runs
//! nothing, sends nothing and leads the page nowhere by itself.
//!
//! Only what is known to be harmless stays, and every tag is written anew, so that no browser reads another tag than
//! was looked at here.

use super::links::is_harmless;
use super::pictures::tag_end;
use std::fmt::Write as _;

/// Elements that stay. Of others the tags are left out, and the text in them stays.
const ELEMENTS: &str = "a abbr address article aside audio b bdi bdo big blockquote br caption center cite code col \
    colgroup data dd del details dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 \
    header hgroup hr i img ins kbd li main mark menu meter nav ol p picture pre progress q rp rt ruby \
    s samp section small source span strike strong sub summary sup table tbody td tfoot th thead time \
    tr track tt u ul var video";

/// Elements of a drawing that stay. None refers to anything outside the drawing or changes an attribute later.
const DRAWING: &str = "svg circle clippath defs desc ellipse fegaussianblur feoffset feblend feflood fecomposite femerge \
    femergenode fecolormatrix filter g line lineargradient marker mask metadata path pattern polygon polyline \
    radialgradient rect stop switch symbol text textpath tspan use view";

/// Elements that go with all that is in them: it is no text for a reader.
const WITH_CONTENT: &str = "script style iframe object noscript noembed noframes xmp template title textarea math select \
    frameset plaintext foreignobject";

/// Attributes that stay; those whose names begin with `data-` or `aria-` do as well.
const ATTRIBUTES: &str = "abbr align alt bgcolor border cellpadding cellspacing cite class color colspan controls datetime \
    dir download face headers height hidden high href id label lang loop low max min muted name open \
    optimum poster rel reversed role rowspan scope size span src start style summary tabindex target \
    title type valign width";

/// Attributes of a drawing that stay, beside those.
const DRAWN: &str = "alignment-baseline baseline-shift clip-path clip-rule clippathunits cx cy d display \
    dominant-baseline dx dy fill fill-opacity fill-rule filter filterunits flood-color flood-opacity \
    font-family font-size font-style font-weight fr fx fy gradienttransform gradientunits in in2 k1 k2 k3 k4 \
    letter-spacing markerheight markerunits markerwidth marker-end marker-mid marker-start mask \
    maskcontentunits maskunits mode offset opacity operator orient overflow paint-order patterncontentunits \
    patterntransform patternunits points preserveaspectratio r refx refy result role rotate rx ry \
    shape-rendering spreadmethod startoffset stddeviation stop-color stop-opacity stroke stroke-dasharray \
    stroke-dashoffset stroke-linecap stroke-linejoin stroke-miterlimit stroke-opacity stroke-width \
    text-anchor text-decoration text-rendering textlength transform transform-origin values vector-effect \
    version viewbox visibility word-spacing x x1 x2 xmlns xlink:href y y1 y2";

fn is_one_of(words: &str, word: &str) -> bool {
    words.split_ascii_whitespace().any(|known| known == word)
}

/// `html` with nothing in it that could do harm.
pub fn harmless(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some(length) = markup(rest) else {
            // A tag that does not end here would go on in what follows.
            out.push_str("&lt;");
            rest = &rest[1..];
            continue;
        };
        let (tag, after) = rest.split_at(length);
        rest = after;
        // What is no tag is a comment, or read as one.
        let Some(tag) = Tag::read(tag) else { continue };
        if is_one_of(ELEMENTS, &tag.name) || is_one_of(DRAWING, &tag.name) {
            tag.write(&mut out);
        } else if tag.name == "style"
            && !tag.closes
            && let Some((rules, after)) = style(rest)
        {
            let _ = write!(out, "<style>{rules}</style>");
            rest = after;
        } else if is_one_of(WITH_CONTENT, &tag.name) && !tag.closes {
            rest = behind(rest, &tag.name);
        }
    }
    out.push_str(rest);
    out
}

/// Bytes of the tag or comment that `html` begins with; `None` where its end is not there, or it is text.
fn markup(html: &str) -> Option<usize> {
    if let Some(comment) = html.strip_prefix("<!--") {
        return Some("<!--".len() + comment.find("-->")? + "-->".len());
    }
    if html.starts_with("<!") || html.starts_with("<?") {
        return Some(html.find('>')? + 1);
    }
    let name = html[1..].strip_prefix('/').unwrap_or(&html[1..]);
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    Some(tag_end(html)? + 1)
}

/// What follows the end tag of `name`; nothing, if there is none.
fn behind<'a>(html: &'a str, name: &str) -> &'a str {
    let mut rest = html;
    while let Some(at) = rest.find("</") {
        rest = &rest[at..];
        let found = rest.get(2..2 + name.len());
        if found.is_some_and(|found| found.eq_ignore_ascii_case(name))
            && let Some(end) = markup(rest)
        {
            return &rest[end..];
        }
        rest = &rest[2..];
    }
    ""
}

/// The rules of a style sheet that begins here, and what follows it. None with a tag in it: within a drawing that is one.
fn style(html: &str) -> Option<(&str, &str)> {
    let (rules, _) = html.split_once("</")?;
    let after = behind(html, "style");
    let whole = &html[..html.len() - after.len()];
    let ends = whole.strip_prefix(rules)?.to_ascii_lowercase();
    (ends.starts_with("</style") && !rules.contains('<')).then_some((rules, after))
}

struct Tag {
    name: String,
    closes: bool,
    /// Written with a slash at its end: in a drawing such an element has no content.
    is_empty: bool,
    /// Names in small letters, and values as they are written.
    attributes: Vec<(String, Option<String>)>,
}

impl Tag {
    /// Reads a whole tag, from `<` to `>`.
    fn read(tag: &str) -> Option<Tag> {
        let inner = tag.strip_prefix('<')?.strip_suffix('>')?;
        let closes = inner.starts_with('/');
        let is_empty = inner.ends_with('/');
        let inner = inner.trim_start_matches('/');
        if !inner.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let ends = |c: char| c.is_whitespace() || c == '/';
        let (name, mut rest) = inner.split_at(inner.find(ends).unwrap_or(inner.len()));
        let mut attributes = Vec::new();
        loop {
            rest = rest.trim_start_matches(ends);
            if rest.is_empty() {
                break;
            }
            let end = rest.find(|c: char| ends(c) || c == '=').unwrap_or(rest.len());
            // A name may begin with the sign that ends others.
            let end = if end == 0 {
                rest.chars().next().map_or(0, char::len_utf8)
            } else {
                end
            };
            let (name, after) = rest.split_at(end);
            rest = after;
            let value = after
                .trim_start()
                .strip_prefix('=')
                .map(str::trim_start)
                .map(|value| {
                    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
                    let (value, after) = match quote {
                        Some(quote) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
                        None => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
                    };
                    rest = after;
                    value.to_string()
                });
            attributes.push((name.to_ascii_lowercase(), value));
        }
        Some(Tag {
            name: name.to_ascii_lowercase(),
            closes,
            is_empty,
            attributes,
        })
    }

    fn write(&self, out: &mut String) {
        if self.closes {
            let _ = write!(out, "</{}>", self.name);
            return;
        }
        let _ = write!(out, "<{}", self.name);
        let drawing = is_one_of(DRAWING, &self.name);
        for (name, value) in &self.attributes {
            let drawn = drawing && is_one_of(DRAWN, name);
            let known =
                is_one_of(ATTRIBUTES, name) || drawn || is_plain(name, "data-") || is_plain(name, "aria-");
            let value = value.as_deref().unwrap_or("");
            let leads = matches!(name.as_str(), "href" | "src" | "cite" | "poster" | "xlink:href");
            // A drawing refers to its own parts only: another file would be asked for.
            let leads_out = drawing && leads && !value.starts_with('#');
            // A picture is looked at again where it is carried into the page.
            let is_picture =
                self.name == "img" && name == "src" && value.trim_start().starts_with("data:image/");
            let is_file = self.name == "img" && name == "src" && value.starts_with("file:");
            if known && !leads_out && (!leads || is_harmless(value) || is_picture || is_file) {
                let value = match name.as_str() {
                    "style" => in_its_place(value),
                    _ => value.to_owned(),
                };
                let value = value
                    .replace('"', "&quot;")
                    .replace('<', "&lt;")
                    .replace('>', "&gt;");
                let _ = write!(out, " {name}=\"{value}\"");
            }
        }
        out.push_str(if drawing && self.is_empty { "/>" } else { ">" });
    }
}

/// The declarations of a style that neither ask for another file nor take an element out of its place in the text, where it
/// could lie over others.
fn in_its_place(style: &str) -> String {
    let is_harmless = |declaration: &&str| {
        let text = declaration.to_ascii_lowercase();
        let (property, value) = text.split_once(':').unwrap_or((&text, ""));
        let moves = property.trim() == "position" && !["static", "relative"].contains(&value.trim());
        // What is written by escapes could be any of these.
        !moves
            && !["url(", "image-set(", "\\", "&#"]
                .iter()
                .any(|word| text.contains(word))
    };
    style.split(';').filter(is_harmless).collect::<Vec<_>>().join(";")
}

fn is_plain(name: &str, begin: &str) -> bool {
    let rest = name.strip_prefix(begin);
    rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_style_neither_asks_for_a_file_nor_lies_over_others() {
        for (style, left) in [
            ("color: red; background: url(https://x/y.png)", "color: red"),
            ("list-style-image:URL( javascript:alert(1))", ""),
            ("position:fixed;inset:0;color:blue", "inset:0;color:blue"),
            ("position: relative; top: 2px", "position: relative; top: 2px"),
            ("background: u\\72l(x); width: 3em", " width: 3em"),
        ] {
            let html = format!("<p style=\"{style}\">a</p>");
            assert_eq!(harmless(&html), format!("<p style=\"{left}\">a</p>"));
        }
    }

    #[test]
    fn what_formats_text_stays() {
        for html in [
            "<b>bold</b> 1 &lt; 2 &amp; <span style=\"color: red\" class=\"x\">red</span>",
            "<details open=\"\"><summary>more</summary><table><tr><td colspan=\"2\">é</td></tr></table></details>",
            "<a href=\"https://example.org/?a=1&amp;b=2#c\" title=\"it's\">there</a> <a href=\"next.html#part:2\">x</a>",
            "<img src=\"data:image/png;base64,AA==\" alt=\"a\" width=\"3\">",
            "<div data-a-1=\"x\" aria-label=\"y\"></div>",
            "<style>td > b { color: red }</style>",
            "<svg viewbox=\"0 0 9 9\"><defs><path id=\"p\" d=\"M0 0\"/></defs><g fill=\"none\"><use href=\"#p\"/></g></svg>",
        ] {
            assert_eq!(harmless(html), html);
        }
        assert_eq!(
            harmless("<IMG Alt=cat SRC='cat.png'/>"),
            "<img alt=\"cat\" src=\"cat.png\">"
        );
        assert_eq!(
            harmless("1 < 2 <3 <- a<!-- not seen <b> -->b"),
            "1 &lt; 2 &lt;3 &lt;- ab"
        );
    }

    #[test]
    fn what_runs_sends_or_leads_away_goes() {
        for (html, left) in [
            ("a<script>alert('<b>')</script >b", "ab"),
            ("a<SCRIPT src=x>", "a"),
            ("<script>1</scriptx></script>b", "b"),
            (
                "<base href=\"https://example.org/\"><meta http-equiv=refresh content=\"0;url=https://example.org\">x",
                "x",
            ),
            (
                "<form action=\"https://example.org\"><input name=a><button formaction=x>go</button></form>",
                "go",
            ),
            ("<link rel=stylesheet href=x><embed src=x><frame src=x>x", "x"),
            ("<iframe srcdoc=\"<script>1</script>\"></iframe>x", "x"),
            (
                "<svg onload=alert(1)><a xlink:href=\"javascript:1\">y</a></svg>x",
                "<svg><a>y</a></svg>x",
            ),
            (
                "<style><img title=\"</style><script>1</script>\">x</style>y",
                "\">xy",
            ),
            (
                "<svg><style><img src=x onerror=1></style><foreignObject><p onclick=1>f</p></foreignObject></svg>x",
                "<svg></svg>x",
            ),
            (
                "<svg><set attributeName=href to=javascript:1 /><animate values=javascript:1 /><use href=\"data:image/svg+xml,x#y\"/>\
                 <image href=https://example.org/x.png /></svg>x",
                "<svg><use/></svg>x",
            ),
            (
                "<object data=x.swf>o</object><applet code=x>a</applet><embed src=\"data:text/html,x\">x",
                "ax",
            ),
            (
                "<a href=\"data:text/html,<script>1</script>\">a</a><a href=vbscript:1>b</a><a href=\"java\nscript:1\">c</a>",
                "<a>a</a><a>b</a><a>c</a>",
            ),
            (
                "<a href='java&#115;cript:1' ping=https://example.org>a</a>",
                "<a>a</a>",
            ),
            (
                "<body onload=alert(1)><details ontoggle=1 open>d</details>",
                "<details open=\"\">d</details>",
            ),
            (
                "<noscript><p title=\"</noscript><img src=x onerror=1>\">",
                "<img src=\"x\">\"&gt;",
            ),
        ] {
            let clean = harmless(html);
            assert!(
                clean == left || clean == left.replace("&gt;", ">"),
                "{html}: {clean}"
            );
        }
        assert_eq!(
            harmless("<img src=x onerror=\"alert(1)\" / onload=1><p ONCLICK=1 style=\"a\">"),
            "<img src=\"x\"><p style=\"a\">"
        );
    }

    #[test]
    fn a_value_cannot_become_a_tag() {
        assert_eq!(
            harmless("<b title=\"<script>1</script>\">x</b>"),
            "<b title=\"&lt;script&gt;1&lt;/script&gt;\">x</b>"
        );
        assert_eq!(
            harmless("<b title='\"><script>'>"),
            "<b title=\"&quot;&gt;&lt;script&gt;\">"
        );
        // Without an end here, it would end in what follows.
        assert_eq!(harmless("<b title=\"open"), "&lt;b title=\"open");
        assert_eq!(harmless("<!-- open"), "&lt;!-- open");
    }
}
