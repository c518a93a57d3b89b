//! Whose machine it was, taken out of outputs and of the page: what is written is given away, and where files lie on the machine is
//! nobody else's concern.
//!
//! Only places that are known are looked for, so that other text stays what it is. What remains says as much to whoever
//! runs the notebook: `./data.csv` instead of the whole path of the notebook's folder, `~` instead of the home folder.

use super::escape;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The places of a machine that outputs do not name.
pub struct Machine {
    /// Absolute paths, as text and HTML and addresses spell them, with what stands for them; the longest first.
    places: Vec<(String, String)>,
}

impl Machine {
    /// The machine that this program runs on, for a notebook in `folder` (an absolute path).
    pub fn here(folder: &Path) -> Self {
        let mut places = vec![(folder.to_path_buf(), ".".to_string())];
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
        for (place, word) in [
            (variable("HOME"), "~"),
            (variable("CARGO_HOME"), "$CARGO_HOME"),
            (variable("RUSTUP_HOME"), "$RUSTUP_HOME"),
            (Some(std::env::temp_dir()), "$TMPDIR"),
        ] {
            places.extend(place.map(|place| (place, word.to_string())));
        }
        let mut up = "..".to_string();
        for parent in folder.ancestors().skip(1) {
            places.push((parent.to_path_buf(), up.clone()));
            up += "/..";
        }
        let program = std::env::current_exe().ok();
        let program = program.as_deref().and_then(Path::parent);
        places.extend(program.map(|program| (program.to_path_buf(), "…".to_string())));
        Self::of(places)
    }

    fn of(places: Vec<(PathBuf, String)>) -> Self {
        let mut known: Vec<(String, String)> = Vec::new();
        for (place, word) in places {
            // A whole branch of the file system, such as `/data`, may be a word of another meaning; not so the folder
            // for temporary files or a user's home, which may lie there.
            let deep = place.components().count() > 2 || !word.starts_with("..");
            let real = place.canonicalize().ok();
            for path in [Some(place), real].into_iter().flatten() {
                let path = path.to_string_lossy().trim_end_matches('/').to_string();
                if !deep || !path.starts_with('/') {
                    continue;
                }
                let address = escape::address(&path);
                let spellings = match is_shallow(&path) {
                    true => vec![path],
                    false => vec![
                        escape::html(&path),
                        escape::html(&address),
                        address.replace('/', "%2F"),
                        path.replace('/', "\\/"),
                        address,
                        path,
                    ],
                };
                for path in spellings {
                    if !known.iter().any(|(other, _)| *other == path) {
                        known.push((path, word.clone()));
                    }
                }
            }
        }
        // Of equally long ones the first that was named.
        known.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        Self { places: known }
    }

    /// Takes the places out of all text of a notebook's outputs. Pictures hold none.
    pub fn leave(&self, outputs: &mut Value) {
        match outputs {
            Value::String(text) => {
                if let Some(without) = self.without(text) {
                    *text = without;
                }
            }
            Value::Array(all) => all.iter_mut().for_each(|one| self.leave(one)),
            Value::Object(all) => {
                let is_picture = |key: &str| key.starts_with("image/") && key != "image/svg+xml";
                let text = all.iter_mut().filter(|(key, _)| !is_picture(key));
                text.for_each(|(_, value)| self.leave(value));
            }
            _ => {}
        }
    }

    /// `text` without the places, if there are some in it.
    pub fn without(&self, text: &str) -> Option<String> {
        let mut out = String::new();
        let mut kept = 0;
        let mut from = 0;
        // Where each way to begin a path is found next.
        let mut next: [Option<usize>; 3] = BEGINNINGS.map(|begin| text.find(begin));
        loop {
            for (place, begin) in next.iter_mut().zip(BEGINNINGS) {
                if place.is_some_and(|at| at < from) {
                    *place = text[from..].find(begin).map(|found| from + found);
                }
            }
            let Some(at) = next.iter().flatten().min().copied() else {
                break;
            };
            from = at + 1;
            if !begins(&text[..at]) {
                continue;
            }
            let rest = &text[at..];
            let place = |(path, _): &&(String, String)| {
                let behind = rest.strip_prefix(path.as_str());
                behind.is_some_and(|behind| ends(behind) && (!is_shallow(path) || is_there(path, behind)))
            };
            if let Some((path, word)) = self.places.iter().find(place) {
                out.push_str(&text[kept..at]);
                out.push_str(word);
                kept = at + path.len();
                from = kept;
            }
        }
        (kept > 0).then(|| out + &text[kept..])
    }
}

/// How paths begin: as they are, in the query of an address, in JSON of some programs.
const BEGINNINGS: [&str; 3] = ["/", "%2F", "\\/"];

/// Whether it is one folder below the root: `/root` and `/tmp` may be words of another meaning.
fn is_shallow(path: &str) -> bool {
    path.matches('/').count() == 1 && !path.contains("%2F")
}

/// Whether what follows such a folder in a text is in it on this machine.
fn is_there(folder: &str, behind: &str) -> bool {
    let Some(name) = behind.strip_prefix('/') else {
        return false;
    };
    let end = name.find(|c: char| c.is_whitespace() || "/\"'<>()[]{},:;&".contains(c));
    let name = name[..end.unwrap_or(name.len())].trim_end_matches('.');
    !name.is_empty() && Path::new(folder).join(name).exists()
}

/// Whether an absolute path may begin behind `before`: it does not in the middle of another path or address. Behind a
/// colon it does, as in a list of folders; an address goes on with two slashes there.
fn begins(before: &str) -> bool {
    // Within quotes of Rust's, a line's end or a tab.
    let escaped = ["\\n", "\\t", "\\r"].iter().any(|end| before.ends_with(end));
    before.ends_with("file://")
        || escaped
        || !before.ends_with(|c: char| c.is_alphanumeric() || "/._-~$\\".contains(c))
        || ends_with_a_flag(before)
}

/// Whether the last word is an option of one letter, which its value may follow at once: `-L/usr/lib`.
fn ends_with_a_flag(text: &str) -> bool {
    // No more is looked at than an option has: a picture within a page is one word of megabytes.
    let mut before = text.chars().rev();
    let is_option = before.next().is_some_and(char::is_alphabetic) && before.next() == Some('-');
    is_option
        && before
            .next()
            .is_none_or(|c| c.is_whitespace() || "\"'".contains(c))
}

/// Whether the name of a folder ends before `rest`.
fn ends(rest: &str) -> bool {
    !rest.starts_with(|c: char| c.is_alphanumeric() || "_-~".contains(c))
        && !rest
            .strip_prefix('.')
            .is_some_and(|rest| rest.starts_with(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn machine() -> Machine {
        let places = [
            ("/srv/me/books/rice", "."),
            ("/srv/me", "~"),
            ("/srv/me/books", ".."),
            ("/srv/me", "../.."),
            ("/srv", "../../.."),
        ];
        Machine::of(
            places
                .map(|(path, word)| (path.into(), word.to_string()))
                .to_vec(),
        )
    }

    #[test]
    fn known_places_become_words_and_other_text_stays() {
        let machine = machine();
        for (text, without) in [
            ("where: /srv/me/books/rice/a.csv, row 3", "where: ./a.csv, row 3"),
            ("\"/srv/me/books/rice\"", "\".\""),
            ("/srv/me/books/other/b.csv:3:1", "../other/b.csv:3:1"),
            ("at /srv/me/.cargo/x.rs, (/srv/me)", "at ~/.cargo/x.rs, (~)"),
            ("file:///srv/me/a", "file://~/a"),
            ("in /srv/me.", "in ~."),
            ("PATH=/bin:/srv/me/bin:/srv/me/books", "PATH=/bin:~/bin:.."),
            ("cc \"-L/srv/me/lib\" -I/srv/me", "cc \"-L~/lib\" -I~"),
        ] {
            assert_eq!(machine.without(text).as_deref(), Some(without));
        }
        for text in [
            "/srv/melon/a",
            "/srv/me.txt",
            "/srv/me-too",
            "/srv/other",
            "a/srv/me/b",
            "x-a/srv/me/b",
            "https://example.org/srv/me/x",
            "1/2",
        ] {
            assert_eq!(machine.without(text), None, "{text}");
        }
    }

    #[test]
    fn a_place_is_known_however_it_is_spelled() {
        let machine = Machine::of(vec![("/srv/a & b/é".into(), ".".into())]);
        for (text, without) in [
            ("/srv/a & b/é/x", "./x"),
            ("<p>/srv/a &amp; b/é/x</p>", "<p>./x</p>"),
            ("<a href=\"/srv/a%20&amp;%20b/%C3%A9/x\">", "<a href=\"./x\">"),
            ("url(/srv/a%20&%20b/%C3%A9/x)", "url(./x)"),
            ("?path=%2Fsrv%2Fa%20&%20b%2F%C3%A9%2Fx", "?path=.%2Fx"),
            (r"{\/srv\/a & b\/é\/x}", r"{.\/x}"),
            (r#""gone\n/srv/a & b/é/x""#, r#""gone\n./x""#),
        ] {
            assert_eq!(machine.without(text).as_deref(), Some(without), "{text}");
        }
    }

    #[test]
    fn a_word_that_is_a_folder_elsewhere_stays() {
        let machine = Machine::of(vec![
            ("/tmp".into(), "$TMPDIR".into()),
            ("/etc".into(), "~".into()),
        ]);
        for text in [
            "XPath /etc/item[1]",
            "/tmp/0 and \"/etc/left\"",
            "/etc",
            "in /tmp.",
        ] {
            assert_eq!(machine.without(text), None, "{text}");
        }
        assert_eq!(
            machine.without("read /etc/hosts.").as_deref(),
            Some("read ~/hosts.")
        );
    }

    #[test]
    fn all_text_of_outputs_is_looked_at_and_no_picture() {
        let mut outputs = json!([
            {"output_type": "stream", "text": ["/srv/me/a\n", "b"]},
            {"output_type": "error", "evalue": "in /srv/me/c", "traceback": ["/srv/me/d"]},
            {"data": {"text/html": "<b>/srv/me/e</b>", "image/png": "/srv/me/f", "image/svg+xml": "(/srv/me/g)"}},
        ]);
        machine().leave(&mut outputs);
        let expected = json!([
            {"output_type": "stream", "text": ["~/a\n", "b"]},
            {"output_type": "error", "evalue": "in ~/c", "traceback": ["~/d"]},
            {"data": {"text/html": "<b>~/e</b>", "image/png": "/srv/me/f", "image/svg+xml": "(~/g)"}},
        ]);
        assert_eq!(outputs, expected);
    }
}
