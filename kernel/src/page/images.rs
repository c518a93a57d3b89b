//! Pictures that a page carries inside: attachments and files in the notebook's folder become data addresses. A page is
//! given away: it carries no other file of the machine, and names none by more than the notebook itself says.

use super::links::is_harmless;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use std::path::{Component, Path};

/// Larger files are named on the page, not carried.
const MAX_BYTES: u64 = 32 << 20;

/// Where the pictures of one markdown cell come from.
pub struct Images<'a> {
    /// The notebook's folder, which relative addresses start from.
    pub folder: &'a Path,
    /// The cell's `attachments`, if it has any.
    pub attachments: Option<&'a Value>,
}

/// What an address of a picture leads to.
#[derive(Debug, PartialEq)]
pub enum Picture {
    /// A `data:` address that carries the picture.
    Inside(String),
    /// On the network: a page that must open offline can only link to it.
    Remote,
    /// Nowhere, and why.
    Missing(String),
}

impl Images<'_> {
    /// Finds the picture behind `address`.
    pub fn find(&self, address: &str) -> Picture {
        if address.starts_with("data:image/") {
            return Picture::Inside(address.to_string());
        }
        if let Some(name) = address.strip_prefix("attachment:") {
            return self.attachment(name);
        }
        let scheme = address
            .split(['/', '?', '#'])
            .next()
            .is_some_and(|start| start.contains(':'));
        if scheme && !address.starts_with("file:") || address.starts_with("//") {
            return match is_harmless(address) {
                true => Picture::Remote,
                false => Picture::Missing("its address is that of no picture".to_string()),
            };
        }
        let path = address.strip_prefix("file:").unwrap_or(address);
        let path = match path.strip_prefix("//") {
            // Between the slashes a host may be named.
            Some(host) => host.find('/').map_or(host, |at| &host[at..]),
            None => path,
        };
        let path = path.split(['?', '#']).next().unwrap_or(path);
        self.file(Path::new(&unescape(path)))
    }

    /// A file that the notebook names by `path`.
    fn file(&self, path: &Path) -> Picture {
        // Where a whole path is given, its folders are nobody's business.
        let name = match path.is_absolute() {
            true => path.file_name().unwrap_or_default().to_string_lossy(),
            false => path.to_string_lossy(),
        };
        let outside = || Picture::Missing(format!("{name} is not in the notebook's folder, and left out"));
        let (Ok(folder), real) = (self.folder.canonicalize(), self.folder.join(path).canonicalize()) else {
            return Picture::Missing(format!("{name}: the notebook's folder is gone"));
        };
        match real {
            Ok(real) if real.starts_with(&folder) => file(&real, &name),
            Ok(_) => outside(),
            // Not even whether there is such a file.
            Err(_) if path.is_absolute() || path.components().any(|part| part == Component::ParentDir) => {
                outside()
            }
            Err(_) => Picture::Missing(format!("there is no file {name}")),
        }
    }

    fn attachment(&self, name: &str) -> Picture {
        let bundles = self.attachments.and_then(|all| all.get(unescape(name)));
        let found = bundles.and_then(Value::as_object).and_then(|bundle| {
            bundle.iter().find_map(|(mime, data)| {
                let data = data.as_str()?;
                mime.starts_with("image/").then(|| match mime.as_str() {
                    "image/svg+xml" => data_address(mime, data.as_bytes()),
                    _ => format!(
                        "data:{mime};base64,{}",
                        data.split_whitespace().collect::<String>()
                    ),
                })
            })
        });
        match found {
            Some(address) => Picture::Inside(address),
            None => Picture::Missing(format!("no attachment {name}")),
        }
    }
}

/// A `data:` address that carries `bytes`.
pub fn data_address(mime: &str, bytes: &[u8]) -> String {
    format!("data:{mime};base64,{}", BASE64.encode(bytes))
}

fn file(path: &Path, name: &str) -> Picture {
    let ending = path
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default();
    let mime = match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "bmp" => "image/bmp",
        _ => return Picture::Missing(format!("{name} is no picture a browser shows")),
    };
    let length = std::fs::metadata(path).map(|data| data.len());
    match length {
        Ok(bytes) if bytes > MAX_BYTES => Picture::Missing(format!("{name} is over 32 MB")),
        _ => match std::fs::read(path) {
            Ok(bytes) => Picture::Inside(data_address(mime, &bytes)),
            Err(error) => Picture::Missing(format!("{name}: {error}")),
        },
    }
}

/// Resolves `%20` and the like in an address.
fn unescape(address: &str) -> String {
    let bytes = address.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_kind_of_address() {
        let folder = std::env::temp_dir().join(format!("jook-images-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("a b.png"), [1, 2, 3]).unwrap();
        let attachments = json!({"x.png": {"image/png": "QUJD\n"}});
        let images = Images {
            folder: &folder,
            attachments: Some(&attachments),
        };
        assert_eq!(
            images.find("a%20b.png"),
            Picture::Inside("data:image/png;base64,AQID".into())
        );
        assert_eq!(
            images.find("attachment:x.png"),
            Picture::Inside("data:image/png;base64,QUJD".into())
        );
        assert_eq!(images.find("https://example.org/x.png"), Picture::Remote);
        assert_eq!(images.find("//example.org/x.png"), Picture::Remote);
        assert!(matches!(images.find("none.png"), Picture::Missing(_)));
        assert!(matches!(images.find("attachment:y.png"), Picture::Missing(_)));
        assert!(matches!(images.find("secret.txt"), Picture::Missing(_)));
        for address in [
            "javascript:alert(1)",
            "data:text/html,<b>",
            "data:,x",
            "vbscript:x",
        ] {
            assert!(matches!(images.find(address), Picture::Missing(_)), "{address}");
        }
        let own = "data:image/svg+xml,<svg></svg>";
        assert_eq!(images.find(own), Picture::Inside(own.into()));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn files_outside_the_notebooks_folder_are_named_and_left_out() {
        let around = std::env::temp_dir().join(format!("jook-outside-{}", std::process::id()));
        let folder = around.join("book");
        std::fs::create_dir_all(folder.join("inside")).unwrap();
        for name in ["secret.png", "book/inside/own.png"] {
            std::fs::write(around.join(name), [1, 2, 3]).unwrap();
        }
        std::os::unix::fs::symlink(around.join("secret.png"), folder.join("link.png")).unwrap();
        std::os::unix::fs::symlink("inside/own.png", folder.join("alias.png")).unwrap();
        let images = Images {
            folder: &folder,
            attachments: None,
        };
        let whole = around.join("secret.png").display().to_string();
        for address in [
            "../secret.png",
            "inside/../../secret.png",
            "%2e%2e/secret.png",
            "../none.png",
            "link.png",
            &whole,
            &format!("file://{whole}"),
            &format!("file://localhost{whole}"),
            &format!("file:{whole}"),
            "file:///etc/none.png",
        ] {
            let Picture::Missing(why) = images.find(address) else {
                panic!("{address} is carried")
            };
            assert!(
                why.contains("is not in the notebook's folder") && why.contains(".png"),
                "{why}"
            );
            assert!(
                !why.contains(&*around.to_string_lossy()) && !why.contains("/etc"),
                "{why}"
            );
        }
        let own = format!("file://{}", folder.join("inside/own.png").display());
        for address in ["inside/own.png", "alias.png", "inside/../alias.png", &own] {
            assert!(matches!(images.find(address), Picture::Inside(_)), "{address}");
        }
        std::fs::remove_dir_all(around).unwrap();
    }
}
