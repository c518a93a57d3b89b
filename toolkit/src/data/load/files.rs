//! [`ImageFiles`]: which files of a folder are images, and of which class.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::data::names::{alike, listed};
use crate::{Error, Result};

/// Names of folders that hold parts of the data, not classes.
const PARTS: [&str; 11] = [
    "train",
    "training",
    "val",
    "valid",
    "validation",
    "dev",
    "test",
    "testing",
    "eval",
    "evaluation",
    "holdout",
];

/// The images of a folder with one folder a class, in alphabetical order of classes and files.
#[derive(Clone, Debug)]
pub(in crate::data) struct ImageFiles {
    pub files: Vec<PathBuf>,
    /// An index into `class_names` for each file.
    pub labels: Vec<u32>,
    pub class_names: Vec<String>,
    /// What was left out, and what is doubtful.
    pub notes: Vec<String>,
}

impl ImageFiles {
    /// Looks at names, and at the first bytes of files whose names do not say that they are images.
    pub fn list(dir: &Path) -> Result<Self> {
        let mut files = Vec::new();
        let mut labels = Vec::new();
        let mut class_names = Vec::new();
        let mut others = Vec::new();
        let mut hidden = images_among(dir, is_hidden);
        let mut copies = images_among(dir, is_copy);
        let mut beside = images_among(dir, is_beside);
        let mut places: Vec<(PathBuf, PathBuf)> = Vec::new();
        let entries = listing(dir)?;
        check_parts(dir, &entries)?;
        for entry in entries {
            if !entry.is_dir() {
                if let Kind::Image | Kind::Foreign = kind(&entry)? {
                    return Err(
                        Error::data("expected images in class folders, found one beside them")
                            .at(entry.display().to_string())
                            .fix("move it into a folder named after its class"),
                    );
                }
                others.push(entry);
                continue;
            }
            // A folder that has gone since is told when it is read.
            let place = entry.canonicalize().unwrap_or_else(|_| entry.clone());
            if let Some((other, _)) = places.iter().find(|(_, known)| *known == place) {
                return Err(Error::data(format!(
                    "expected a folder of its own for each class, found one that is the folder {} by a link",
                    file_name(other)
                ))
                .at(entry.display().to_string())
                .fix("remove the link: the same images would be of two classes"));
            }
            places.push((entry.clone(), place));
            hidden.extend(images_among(&entry, is_hidden));
            copies.extend(images_among(&entry, is_copy));
            beside.extend(images_among(&entry, is_beside));
            let images = images_in(&entry, &mut others)?;
            labels.extend(std::iter::repeat_n(class_names.len() as u32, images.len()));
            class_names.push(file_name(&entry));
            files.extend(images);
        }
        if files.is_empty() {
            return Err(Error::data("expected a folder for each class, found none")
                .at(dir.display().to_string())
                .fix("put the images into folders named after their classes"));
        }
        let name = |path: &PathBuf| path.strip_prefix(dir).unwrap_or(path).display().to_string();
        let mut notes = Vec::new();
        let left_out = [
            (others, "file is no image", "files are no images"),
            (
                hidden,
                "image is hidden by its name",
                "images are hidden by their names",
            ),
            (
                copies,
                "image is a backup or unfinished copy by its name",
                "images are backup or unfinished copies by their names",
            ),
            (
                beside,
                "image is in a folder that a system keeps beside the files",
                "images are in folders that a system keeps beside the files",
            ),
        ];
        for (paths, one, many) in left_out {
            match paths.iter().map(name).collect::<Vec<_>>().as_slice() {
                [] => {}
                [name] => notes.push(format!("1 {one} and was left out: {name}")),
                names => notes.push(format!(
                    "{} {many} and were left out: {}",
                    names.len(),
                    listed(names)
                )),
            }
        }
        notes.extend(
            of_two_classes(&files, &labels).map(|(one, other)| {
                format!("{} and {} are one file, in two classes", name(one), name(other))
            }),
        );
        notes.extend(alike(&class_names).map(|told| format!("the folders {told}")));
        if class_names.iter().all(|name| is_part(name)) {
            notes.push(format!(
                "the folders {} are taken for classes: if they are parts of the data, put the images in each of them \
                 into folders named after their classes, and load each part",
                listed(&class_names)
            ));
        }
        Ok(Self {
            files,
            labels,
            class_names,
            notes,
        })
    }
}

/// Pairs of files of different classes that are one file by a link of either kind.
fn of_two_classes<'a>(
    files: &'a [PathBuf],
    labels: &'a [u32],
) -> impl Iterator<Item = (&'a PathBuf, &'a PathBuf)> {
    let mut known: HashMap<(u64, u64), (&PathBuf, u32)> = HashMap::new();
    files.iter().zip(labels).filter_map(move |(file, &label)| {
        // What cannot be looked at is told when it is read.
        let found = std::fs::metadata(file).ok()?;
        let (first, class) = *known.entry((found.dev(), found.ino())).or_insert((file, label));
        (class != label).then_some((first, file))
    })
}

fn is_part(name: &str) -> bool {
    PARTS.contains(&name.to_lowercase().as_str())
}

/// Refuses a folder whose folders are parts, each with folders of classes.
fn check_parts(dir: &Path, entries: &[PathBuf]) -> Result<()> {
    let mut parts = Vec::new();
    for entry in entries.iter().filter(|entry| entry.is_dir()) {
        let name = file_name(entry);
        if is_part(&name) && listing(entry)?.iter().any(|path| path.is_dir()) {
            parts.push(name);
        }
    }
    let Some(first) = parts.first() else {
        return Ok(());
    };
    Err(Error::data(format!(
        "expected a folder for each class, found parts of the data with such folders in them: {}",
        listed(&parts)
    ))
    .at(dir.display().to_string())
    .fix(format!(
        "load each, such as {}, and bring them together with Split::new",
        dir.join(first).display()
    )))
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.')
}

/// What editors leave beside a file that they have changed, and downloads that are not done.
fn is_copy(name: &str) -> bool {
    let ends = [
        "~",
        ".bak",
        ".orig",
        ".old",
        ".tmp",
        ".part",
        ".partial",
        ".crdownload",
    ];
    let at_work = name.len() > 1 && name.starts_with('#') && name.ends_with('#');
    !is_hidden(name) && (at_work || ends.iter().any(|end| name.to_lowercase().ends_with(end)))
}

/// Folders that a system keeps beside the files: of macOS's archives, and of network drives' thumbnails.
fn is_beside(name: &str) -> bool {
    ["__MACOSX", "@eaDir"].contains(&name)
}

/// What is in `dir`, sorted by name, without hidden entries, backup copies and what systems keep beside the files.
fn listing(dir: &Path) -> Result<Vec<PathBuf>> {
    let io = |e: std::io::Error| Error::io(dir, &e);
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name = file_name(&path);
        if is_hidden(&name) || is_copy(&name) || is_beside(&name) {
            continue;
        }
        if path.is_symlink()
            && let Err(e) = std::fs::metadata(&path)
        {
            return Err(Error::data(format!(
                "expected a link to an image or a folder, found one that leads nowhere ({e})"
            ))
            .at(path.display().to_string())
            .fix("mend or remove the link"));
        }
        entries.push(path);
    }
    entries.sort();
    Ok(entries)
}

/// The images among the files of `dir`, and in its folders, whose names are passed over, by their contents: what macOS
/// writes beside a file has its name, and is none. What cannot be looked at hides nothing that could be told.
fn images_among(dir: &Path, passed_over: fn(&str) -> bool) -> Vec<PathBuf> {
    let named = inside(dir).filter(|path| passed_over(&file_name(path)));
    let mut images: Vec<PathBuf> = named
        .flat_map(|path| files_below(path, 3))
        .filter(|path| {
            path.is_file() && beginning(path).is_ok_and(|bytes| !matches!(of_contents(&bytes), Kind::Other))
        })
        .collect();
    images.sort();
    images
}

fn inside(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

/// `path`, or what is in that folder and in those in it, down to `levels`: a link may lead round.
fn files_below(path: PathBuf, levels: usize) -> Vec<PathBuf> {
    match path.is_dir() {
        true if levels > 0 => inside(&path)
            .flat_map(|path| files_below(path, levels - 1))
            .collect(),
        _ => vec![path],
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

enum Kind {
    Image,
    /// An image in a format that is not read: passing it over would lose data without a word.
    Foreign,
    Other,
}

/// A name that says PNG or JPEG is believed until the file is read; of others the contents decide.
fn kind(path: &Path) -> Result<Kind> {
    let extension = path
        .extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let foreign = match extension.as_str() {
        "png" | "jpg" | "jpeg" | "jpe" | "jfif" | "pjpeg" | "pjp" => return Ok(Kind::Image),
        "gif" | "bmp" | "webp" | "tif" | "tiff" | "ppm" | "pgm" | "pbm" | "pnm" | "heic" | "heif"
        | "avif" | "jp2" | "jxl" | "tga" | "svg" => true,
        _ => false,
    };
    // To open a pipe would wait for its writer.
    let found = match std::fs::metadata(path) {
        Ok(found) if found.is_file() => beginning(path).map_err(|e| Error::io(path, &e))?,
        _ => Vec::new(),
    };
    Ok(match of_contents(&found) {
        Kind::Other if foreign => Kind::Foreign,
        kind => kind,
    })
}

fn beginning(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(32).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn of_contents(bytes: &[u8]) -> Kind {
    const IMAGES: [&[u8]; 2] = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"];
    const FOREIGN: [&[u8]; 7] = [
        b"GIF87a",
        b"GIF89a",
        b"II*\0",
        b"MM\0*",
        b"\0\0\0\x0cjP  ",
        b"\0\0\0\x0cJXL ",
        b"\xff\x0a\xfa",
    ];
    let begins = |with: &[&[u8]]| with.iter().any(|magic| bytes.starts_with(magic));
    let at = |place: usize, word: &[u8]| bytes.get(place..).is_some_and(|rest| rest.starts_with(word));
    if begins(&IMAGES) {
        return Kind::Image;
    }
    let webp = at(0, b"RIFF") && at(8, b"WEBP");
    let heif = at(4, b"ftyp")
        && [&b"heic"[..], b"heix", b"mif1", b"avif"]
            .iter()
            .any(|brand| at(8, brand));
    // The two letters alone could begin a text: four zeros follow the size in every such file.
    let bitmap = at(0, b"BM") && at(6, b"\0\0\0\0");
    match begins(&FOREIGN) || webp || heif || bitmap {
        true => Kind::Foreign,
        false => Kind::Other,
    }
}

/// The images of a class; the files that are none come to `others`.
fn images_in(class: &Path, others: &mut Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    let mut images = Vec::new();
    for path in listing(class)? {
        let place = || path.display().to_string();
        if path.is_dir() {
            return Err(Error::data("expected images in a class folder, found a folder")
                .at(place())
                .fix(format!(
                    "if {} holds the class folders, load that one; else move the images out of the inner folder",
                    class.display()
                )));
        }
        match kind(&path)? {
            Kind::Image => images.push(path),
            Kind::Foreign => {
                return Err(Error::data("expected PNG or JPEG, found another image format")
                    .at(place())
                    .fix("convert the image to PNG"));
            }
            Kind::Other => others.push(path),
        }
    }
    if images.is_empty() {
        return Err(
            Error::data("expected PNG or JPEG images in the class folder, found none")
                .at(class.display().to_string())
                .fix("put the images of the class there, or remove the folder"),
        );
    }
    Ok(images)
}
