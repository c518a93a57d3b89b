//! [`ImageFolder`] and its batches: images prepared in parallel, never all of them at once.

use std::fmt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::ImagePreparation;
use crate::data::load::{A_NUMBER, Changed, Decoded, ImageFiles, check_memory, decode_file, name_of, tell};
use crate::data::{Dataset, Shape};
use crate::hex::hex;
use crate::show::{Progress, show_by_display};
use crate::{Error, Result, cells, interrupt};

/// A folder with one folder of PNG and JPEG images a class, of any sizes: `dir/cat/1.png`, `dir/dog/2.jpg`.
///
/// Opening it reads no image, but for the first bytes of files whose names do not say that they are images; images are
/// read batch by batch, and turned upright where a camera marked them as turned. Small images of one size are easier with
/// [`Dataset::from_image_folder`].
///
/// ```no_run
/// use jook::prelude::*;
/// let flowers = ImageFolder::open("flower_photos")?.skip_damaged();
/// let preparation = ImagePreparation::inception();
/// let mut batches = flowers.batches(&preparation, 100)?;
/// for batch in &mut batches {
///     let batch = batch?; // batch.pixels: 100 x 299 x 299 x 3, batch.labels: 100
/// }
/// for damaged in batches.damaged() {
///     println!("{damaged}");
/// }
/// # Ok::<(), jook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ImageFolder {
    name: String,
    origin: String,
    images: ImageFiles,
    skip_damaged: bool,
}

impl ImageFolder {
    /// Lists the images of `dir`. Classes and files come in alphabetical order; files that are no images (notes, tables)
    /// are left out, as [`notes`](Self::notes) say, and hidden ones too.
    ///
    /// # Errors
    /// Naming the folder or file: no class folder, a class without images, images outside a class folder, folders of
    /// parts (train, test) around those of the classes, another image format.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let folder = Self {
            name: name_of(dir),
            origin: dir.display().to_string(),
            images: ImageFiles::list(dir)?,
            skip_damaged: false,
        };
        tell(&folder.name, folder.notes());
        Ok(folder)
    }

    /// What was left out, and what is doubtful, a sentence each; they are also printed when the folder is opened.
    pub fn notes(&self) -> &[String] {
        &self.images.notes
    }

    /// Passes over images that cannot be read, and keeps their names and the reasons
    /// ([`ImageBatches::damaged`]); without it the first of them is an error.
    pub fn skip_damaged(mut self) -> Self {
        self.skip_damaged = true;
        self
    }

    /// The folder's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The folder's path.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// The files at these places alone.
    pub(crate) fn part(&self, rows: &[usize]) -> Self {
        let images = ImageFiles {
            files: rows.iter().map(|&row| self.images.files[row].clone()).collect(),
            labels: rows.iter().map(|&row| self.images.labels[row]).collect(),
            class_names: self.images.class_names.clone(),
            notes: self.images.notes.clone(),
        };
        Self {
            images,
            ..self.clone()
        }
    }

    /// The files, in the order of the batches.
    pub fn files(&self) -> &[PathBuf] {
        &self.images.files
    }

    /// The class of each file, an index into [`class_names`](Self::class_names).
    pub fn labels(&self) -> &[u32] {
        &self.images.labels
    }

    /// The names of the classes: those of their folders.
    pub fn class_names(&self) -> &[String] {
        &self.images.class_names
    }

    /// Number of files.
    pub fn len(&self) -> usize {
        self.images.files.len()
    }

    /// Whether there is no file; opening such a folder is an error, so never.
    pub fn is_empty(&self) -> bool {
        self.images.files.is_empty()
    }

    /// The images in batches of `batch` files, with a progress bar. Images of a batch are prepared in parallel, and
    /// are the same for any number of threads.
    ///
    /// # Errors
    /// When `batch` is 0 or one batch does not fit the memory.
    pub fn batches(&self, preparation: &ImagePreparation, batch: usize) -> Result<ImageBatches<'_>> {
        if batch == 0 {
            return Err(Error::spec("expected batches of 1 image or more, found 0").at(self.origin.clone()));
        }
        let batch = batch.min(self.len());
        let numbers = preparation.shape().width().saturating_mul(batch);
        check_memory(numbers as u64, A_NUMBER, &self.origin)?;
        Ok(ImageBatches {
            folder: self,
            preparation: preparation.clone(),
            batch,
            next: 0,
            damaged: Vec::new(),
            changed: Changed::default(),
            scope: interrupt::scope(),
            stopped: false,
            progress: Some(Progress::new(format!("images of {}", self.name), self.len())),
        })
    }

    /// All images at once as a dataset with labels, for sets that fit the memory; damaged ones are an error, or
    /// left out after [`skip_damaged`](Self::skip_damaged).
    ///
    /// # Errors
    /// When a file cannot be read (all of them, when damaged ones are skipped), the images do not fit the memory,
    /// or it was stopped.
    pub fn dataset(&self, preparation: &ImagePreparation) -> Result<Dataset> {
        let numbers = preparation.shape().width().saturating_mul(self.len());
        check_memory(numbers as u64, A_NUMBER, &self.origin)?;
        let mut features = Vec::with_capacity(numbers);
        let mut labels = Vec::with_capacity(self.len());
        let mut batches = self.batches(preparation, 64)?;
        for batch in &mut batches {
            let batch = batch?;
            features.extend(batch.pixels);
            labels.extend(batch.labels);
        }
        if batches.stopped() {
            return Err(Error::spec(format!(
                "stopped as asked, after {} of {} images",
                labels.len(),
                self.len()
            ))
            .at(self.origin.clone()));
        }
        if labels.is_empty() {
            let first = batches
                .damaged()
                .first()
                .map(ToString::to_string)
                .unwrap_or_default();
            return Err(Error::data(format!(
                "expected images, found every one damaged; the first: {first}"
            ))
            .at(self.origin.clone()));
        }
        let found: Vec<String> = batches
            .damaged_note()
            .into_iter()
            .chain(batches.changed.notes())
            .collect();
        tell(&self.name, &found);
        let data = Dataset::new(self.name.clone(), preparation.shape(), features)?
            .with_origin(self.origin.clone(), "")
            .with_labels(labels, self.class_names().to_vec())?;
        cells::reads(|| data.digest());
        Ok(data.with_notes(self.notes().iter().cloned().chain(found)))
    }
}

/// The folder, number of images and of classes; and the notes.
impl fmt::Display for ImageFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (images, classes) = (self.len(), self.class_names().len());
        write!(f, "{}: {images} images, {classes} classes", self.origin)?;
        let mut notes = self.notes().iter();
        notes.try_for_each(|note| write!(f, "\n  \u{26a0} {note}"))
    }
}

show_by_display!(ImageFolder);

/// Prepared images that follow each other in the folder.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageBatch {
    /// The numbers of all images, one image after another, each h x w x 3 (NHWC).
    pub pixels: Vec<f32>,
    /// The shape of one image.
    pub shape: Shape,
    /// The class of each image.
    pub labels: Vec<u32>,
    /// The file of each image.
    pub files: Vec<PathBuf>,
    /// SHA-256 (hexadecimal) of each file, by which what was computed of it can be found again.
    pub sha256: Vec<String>,
}

/// A file that could not be read, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct DamagedImage {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub reason: Error,
}

impl fmt::Display for DamagedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

/// A file whose image has its place in a batch.
struct Placed {
    sha256: [u8; 32],
    changed: Changed,
}

/// The batches of an [`ImageFolder`], an iterator. It ends early when the Stop button is pressed.
#[derive(Debug)]
pub struct ImageBatches<'a> {
    folder: &'a ImageFolder,
    preparation: ImagePreparation,
    batch: usize,
    next: usize,
    damaged: Vec<DamagedImage>,
    changed: Changed,
    scope: interrupt::Scope,
    stopped: bool,
    progress: Option<Progress>,
}

impl ImageBatches<'_> {
    /// The files that were passed over so far.
    pub fn damaged(&self) -> &[DamagedImage] {
        &self.damaged
    }

    /// How many images so far were turned upright, as their EXIF or XMP marks say.
    pub fn turned(&self) -> usize {
        self.changed.turned
    }

    /// Whether it ended because it was asked to.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// Prepares the files from `next` on; none when it was asked to stop meanwhile.
    fn prepare(&mut self) -> Option<Result<ImageBatch>> {
        let folder = self.folder;
        let range = self.next..(self.next + self.batch).min(folder.len());
        let shape = self.preparation.shape();
        let width = shape.width();
        let mut pixels = vec![0.0; range.len() * width];
        let files = &folder.images.files[range.clone()];
        let scope = &self.scope;
        let results: Vec<Option<Result<Placed>>> = pixels
            .par_chunks_exact_mut(width)
            .zip(files)
            .map(|(out, file)| {
                if scope.requested() {
                    return None;
                }
                let prepared = decode_file(file).and_then(|decoded| {
                    let Decoded {
                        image,
                        changed,
                        sha256,
                    } = decoded;
                    let placed = self.preparation.apply(image, out);
                    placed.map_err(|e| e.at(file.display().to_string()))?;
                    Ok(Placed { sha256, changed })
                });
                Some(prepared)
            })
            .collect();
        self.next = range.end;
        let mut batch = ImageBatch {
            pixels: Vec::new(),
            shape,
            labels: Vec::new(),
            files: Vec::new(),
            sha256: Vec::new(),
        };
        let mut kept = 0;
        for (i, result) in results.into_iter().enumerate() {
            match result? {
                Ok(Placed { sha256, changed }) => {
                    self.changed.add(changed);
                    // Close the gaps that damaged images left.
                    pixels.copy_within(i * width..(i + 1) * width, kept * width);
                    kept += 1;
                    batch.labels.push(folder.images.labels[range.start + i]);
                    batch.files.push(files[i].clone());
                    batch.sha256.push(hex(&sha256));
                }
                Err(reason) if folder.skip_damaged => self.damaged.push(DamagedImage {
                    file: files[i].clone(),
                    reason,
                }),
                Err(reason) => return Some(Err(reason)),
            }
        }
        pixels.truncate(kept * width);
        batch.pixels = pixels;
        Some(Ok(batch))
    }

    fn finish(&mut self) {
        if let Some(progress) = self.progress.take() {
            let told = self.damaged_note().into_iter().chain(self.changed.notes());
            progress.finish(told.collect::<Vec<_>>().join("; "));
        }
    }

    fn damaged_note(&self) -> Option<String> {
        let first = self.damaged.first()?;
        Some(format!(
            "{} damaged, passed over; the first: {first}",
            self.damaged.len()
        ))
    }
}

impl Iterator for ImageBatches<'_> {
    type Item = Result<ImageBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.next < self.folder.len() && !self.stopped {
            let prepared = self.prepare();
            match prepared {
                None => self.stopped = true,
                Some(Err(error)) => {
                    // After an error there is nothing more.
                    self.next = self.folder.len();
                    self.finish();
                    return Some(Err(error));
                }
                Some(Ok(batch)) => {
                    if let Some(progress) = &self.progress {
                        progress.step(self.next, "");
                    }
                    if !batch.labels.is_empty() {
                        return Some(Ok(batch));
                    }
                }
            }
        }
        self.finish();
        None
    }
}
