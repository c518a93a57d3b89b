//! The pictures of raw HTML and of markdown: carried inside the page, or named.

use super::escape;
use super::images::{Images, Picture};

/// Raw HTML with the pictures of its `<img>` elements carried inside. Those on the network become
/// links, so that the page asks for nothing.
pub fn with_pictures(html: &str, images: &Images<'_>) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        if opens(tag, "<img")
            && let Some(end) = tag_end(tag)
        {
            out.push_str(&picture_tag(&tag[..=end], images));
            rest = &tag[end + 1..];
            continue;
        }
        out.push('<');
        rest = &tag[1..];
    }
    out.push_str(rest);
    out
}

/// Whether `html` begins with the tag that `start` opens.
fn opens(html: &str, start: &str) -> bool {
    let (html, length) = (html.as_bytes(), start.len());
    html.len() > length
        && html[..length].eq_ignore_ascii_case(start.as_bytes())
        && matches!(html[length], b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n')
}

/// Where the tag's `>` stands: the first outside quotes, which only count where a value begins.
pub fn tag_end(tag: &str) -> Option<usize> {
    let mut quote = None;
    let mut value_begins = false;
    for (at, c) in tag.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '>' => return Some(at),
            None if value_begins && matches!(c, '"' | '\'') => quote = Some(c),
            None => {}
        }
        value_begins = c == '=' || value_begins && c.is_whitespace();
    }
    None
}

fn picture_tag(tag: &str, images: &Images<'_>) -> String {
    let Some((start, end)) = attribute(tag, "src") else {
        return tag.to_string();
    };
    let address = escape::text(&tag[start..end]);
    match images.find(&address) {
        Picture::Inside(data) => format!("{}{}{}", &tag[..start], escape::html(&data), &tag[end..]),
        _ => {
            let alt = attribute(tag, "alt").map_or("", |(start, end)| &tag[start..end]);
            image(&address, "", &escape::text(alt), images)
        }
    }
}

/// Where the value of an attribute stands in a tag, quotes left out.
fn attribute(tag: &str, name: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    loop {
        let at = from + find_ignoring_case(&tag[from..], name)?;
        from = at + name.len();
        let alone = tag[..at].ends_with(|c: char| c.is_whitespace() || c == '"' || c == '\'');
        let after = tag[from..].trim_start();
        let Some(value) = after.strip_prefix('=').map(str::trim_start) else {
            continue;
        };
        if !alone {
            continue;
        }
        let start = tag.len() - value.len();
        return match value.chars().next()? {
            quote @ ('"' | '\'') => {
                let length = value[1..].find(quote)?;
                Some((start + 1, start + 1 + length))
            }
            _ => {
                let length = value.find(|c: char| c.is_whitespace() || c == '>')?;
                Some((start, start + length))
            }
        };
    }
}

fn find_ignoring_case(text: &str, what: &str) -> Option<usize> {
    text.as_bytes()
        .windows(what.len())
        .position(|window| window.eq_ignore_ascii_case(what.as_bytes()))
}

/// A picture of markdown as HTML.
pub fn image(address: &str, title: &str, alt: &str, images: &Images<'_>) -> String {
    let alt = escape::html(alt);
    match images.find(address) {
        Picture::Inside(data) => {
            let title = match title {
                "" => String::new(),
                title => format!(" title=\"{}\"", escape::html(title)),
            };
            format!("<img src=\"{}\" alt=\"{alt}\"{title}>", escape::html(&data))
        }
        Picture::Remote => {
            let address = escape::html(address);
            let words = if alt.is_empty() { &address } else { &alt };
            format!("<a class=\"absent\" href=\"{address}\">Picture on the network: {words}</a>")
        }
        Picture::Missing(why) => {
            format!(
                "<span class=\"absent\">Picture not found: {alt} ({})</span>",
                escape::html(&why)
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn tags_without_an_end_stay_as_they_are() {
        let images = Images {
            folder: Path::new("/nonexistent"),
            attachments: None,
        };
        for html in ["<b>1 < 2</b>", "<img src=x alt='open>", "<imgs src=x>"] {
            assert_eq!(with_pictures(html, &images), html);
        }
        assert!(with_pictures("<b></b><img alt=it's src=x.png>y", &images).ends_with(")</span>y"));
    }

    #[test]
    fn raw_images_are_found_whatever_their_quotes() {
        assert_eq!(attribute("<img data-src=\"x\" src=y >", "src"), Some((22, 23)));
        assert_eq!(attribute("<img src = 'a b'>", "src"), Some((12, 15)));
        assert_eq!(attribute("<img alt='src='>", "title"), None);
    }
}
