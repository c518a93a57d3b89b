//! Raw HTML in prose, made harmless: what remains formats text, links and shows pictures. It runs nothing, sends nothing
//! and leads the page nowhere by itself.
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

/// Elements that go with all that is in them: it is no text for a reader.
const WITH_CONTENT: &str = "script style iframe object noscript noembed noframes xmp template title textarea svg math select \
    frameset plaintext";

/// Attributes that stay; those whose names begin with `data-` or `aria-` do as well.
const ATTRIBUTES: &str = "abbr align alt bgcolor border cellpadding cellspacing cite class color colspan controls datetime \
    dir download face headers height hidden high href id label lang loop low max min muted name open \
    optimum poster rel reversed role rowspan scope size span src start style summary tabindex target \
    title type valign width";

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
        if is_one_of(ELEMENTS, &tag.name) {
            tag.write(&mut out);
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

struct Tag {
    name: String,
    closes: bool,
    /// Names in small letters, and values as they are written.
    attributes: Vec<(String, Option<String>)>,
}

impl Tag {
    /// Reads a whole tag, from `<` to `>`.
    fn read(tag: &str) -> Option<Tag> {
        let inner = tag.strip_prefix('<')?.strip_suffix('>')?;
        let closes = inner.starts_with('/');
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
            attributes,
        })
    }

    fn write(&self, out: &mut String) {
        if self.closes {
            let _ = write!(out, "</{}>", self.name);
            return;
        }
        let _ = write!(out, "<{}", self.name);
        for (name, value) in &self.attributes {
            let known = is_one_of(ATTRIBUTES, name) || is_plain(name, "data-") || is_plain(name, "aria-");
            let value = value.as_deref().unwrap_or("");
            let leads = matches!(name.as_str(), "href" | "src" | "cite" | "poster");
            // A picture is looked at again where it is carried into the page.
            let is_picture =
                self.name == "img" && name == "src" && value.trim_start().starts_with("data:image/");
            let is_file = self.name == "img" && name == "src" && value.starts_with("file:");
            if known && (!leads || is_harmless(value) || is_picture || is_file) {
                let value = value
                    .replace('"', "&quot;")
                    .replace('<', "&lt;")
                    .replace('>', "&gt;");
                let _ = write!(out, " {name}=\"{value}\"");
            }
        }
        out.push('>');
    }
}

fn is_plain(name: &str, begin: &str) -> bool {
    let rest = name.strip_prefix(begin);
    rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_formats_text_stays() {
        for html in [
            "<b>bold</b> 1 &lt; 2 &amp; <span style=\"color: red\" class=\"x\">red</span>",
            "<details open=\"\"><summary>more</summary><table><tr><td colspan=\"2\">é</td></tr></table></details>",
            "<a href=\"https://example.org/?a=1&amp;b=2#c\" title=\"it's\">there</a> <a href=\"next.html#part:2\">x</a>",
            "<img src=\"data:image/png;base64,AA==\" alt=\"a\" width=\"3\">",
            "<div data-a-1=\"x\" aria-label=\"y\"></div>",
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
                "x",
            ),
            (
                "<style><img title=\"</style><script>1</script>\">x</style>y",
                "\">xy",
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
