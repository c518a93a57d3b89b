//! One pass over images: features from the cache where they are there, computed otherwise.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::cache::{Cache, Key};
use super::images::{Images, key_of_file};
use crate::data::{DamagedImage, ImageFolder, ImagePreparation};
use crate::net::{Network, Prepared};
use crate::show::{Progress, quiet};
use crate::{Error, Result, interrupt};

/// Time that images which go through the network together should take: how long a stop may have to wait.
const TOGETHER: Duration = Duration::from_millis(150);
/// The most images that go through the network together.
const MOST: usize = 256;
/// Files that are decoded together.
const FILES: usize = 16;

pub(super) struct Pass<'a> {
    layer: &'a str,
    prepared: Prepared,
    inputs: usize,
    width: usize,
    cache: Option<Cache>,
    keys: Vec<Option<Key>>,
    scope: &'a interrupt::Scope,
    progress: Progress,
    began: Instant,
    /// Images that go through the network together next.
    together: usize,
    values: Vec<f32>,
    there: Vec<bool>,
    cached: usize,
    computed: usize,
    turned: usize,
    problems: Vec<Error>,
}

/// What a pass leaves.
pub(super) struct Made {
    /// The features of the images at `rows`, one after another.
    pub values: Vec<f32>,
    pub rows: Vec<usize>,
    pub cached: usize,
    pub computed: usize,
    pub turned: usize,
    pub stopped: bool,
    pub problems: Vec<Error>,
    pub seconds: f64,
}

impl<'a> Pass<'a> {
    pub fn new(
        network: &Network,
        layer: &'a str,
        width: usize,
        images: &Images<'_>,
        cache: Option<Cache>,
        scope: &'a interrupt::Scope,
        problems: Vec<Error>,
    ) -> Result<Self> {
        let (name, ..) = images.origin();
        Ok(Self {
            layer,
            prepared: network.prepare(&[layer])?,
            inputs: network.inputs(),
            width,
            keys: Vec::new(),
            cache,
            scope,
            progress: Progress::new(format!("{layer} of {name}"), images.len()),
            began: Instant::now(),
            together: 1,
            values: vec![0.0; images.len() * width],
            there: vec![false; images.len()],
            cached: 0,
            computed: 0,
            turned: 0,
            problems,
        })
    }

    /// All images, until it is asked to stop; gives the damaged ones.
    pub fn all(&mut self, images: &Images<'_>) -> Result<Vec<DamagedImage>> {
        match &self.cache {
            None => self.keys = vec![None; images.len()],
            Some(_) => {
                self.keys = images.keys(self.scope);
                self.read();
            }
        }
        let missing: Vec<usize> = (0..self.there.len()).filter(|&row| !self.there[row]).collect();
        match images {
            Images::Dataset(data) => {
                let mut pixels = Vec::new();
                let mut left = missing.as_slice();
                while !left.is_empty() && !self.scope.requested() {
                    let (rows, rest) = left.split_at(self.together.min(left.len()));
                    pixels.clear();
                    rows.iter()
                        .for_each(|&row| pixels.extend_from_slice(data.row(row)));
                    self.compute(rows, &pixels)?;
                    left = rest;
                }
                Ok(Vec::new())
            }
            Images::Folder(folder, preparation) => self.files(folder, preparation, &missing),
        }
    }

    fn read(&mut self) {
        let mut wanted: HashMap<Key, Vec<usize>> = HashMap::new();
        for (row, key) in self.keys.iter().enumerate() {
            if let Some(key) = key {
                wanted.entry(*key).or_default().push(row);
            }
        }
        let Some(cache) = &self.cache else { return };
        let (values, there, width) = (&mut self.values, &mut self.there, self.width);
        let problems = cache.read(&wanted, |rows, bytes| {
            for &row in rows {
                let (numbers, _) = bytes.as_chunks::<4>();
                for (value, number) in values[row * width..][..width].iter_mut().zip(numbers) {
                    *value = f32::from_le_bytes(*number);
                }
                there[row] = true;
            }
        });
        self.problems.extend(problems);
        self.cached = self.there.iter().filter(|&&there| there).count();
        self.progress.step(self.cached, "from the cache");
    }

    fn files(
        &mut self,
        folder: &ImageFolder,
        preparation: &ImagePreparation,
        missing: &[usize],
    ) -> Result<Vec<DamagedImage>> {
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let part = folder.part(missing);
        let mut batches = quiet(|| part.batches(preparation, FILES))?;
        // Damaged files are left out of the batches; the others come in this order.
        let mut rows = missing.iter().copied();
        for batch in batches.by_ref() {
            let batch = batch?;
            let of_batch: Vec<usize> = batch
                .files
                .iter()
                .filter_map(|file| rows.find(|&row| folder.files()[row] == *file))
                .collect();
            for (&row, sha256) in of_batch.iter().zip(&batch.sha256) {
                // The file may have changed since it was hashed: its features belong to what was decoded.
                self.keys[row] = bytes_of(sha256).map(|sha256| key_of_file(&sha256, preparation));
            }
            let (mut left, mut pixels) = (of_batch.as_slice(), batch.pixels.as_slice());
            while !left.is_empty() && !self.scope.requested() {
                let count = self.together.min(left.len());
                let (now, later) = pixels.split_at(count * self.inputs);
                self.compute(&left[..count], now)?;
                (left, pixels) = (&left[count..], later);
            }
        }
        self.turned = batches.turned();
        Ok(batches.damaged().to_vec())
    }

    /// The features of these images, into their rows and the cache.
    fn compute(&mut self, rows: &[usize], pixels: &[f32]) -> Result<()> {
        let start = Instant::now();
        let outputs = self.prepared.run(pixels)?[0];
        for (&row, features) in rows.iter().zip(outputs.chunks_exact(self.width)) {
            if let Some(found) = features.iter().find(|x| !x.is_finite()) {
                return Err(Error::data(format!(
                    "expected finite features, found {found} for image {}",
                    row + 1
                ))
                .at(format!("layer {}", self.layer))
                .fix("look at the network's weights, and at the scale of the images"));
            }
            self.values[row * self.width..][..self.width].copy_from_slice(features);
            self.there[row] = true;
            self.computed += 1;
            let Some((cache, key)) = self.cache.as_mut().zip(self.keys[row].as_ref()) else {
                continue;
            };
            if let Err(problem) = cache.keep(key, features) {
                // Computing goes on: that is what was asked for.
                self.problems.push(problem);
                self.cache = None;
            }
        }
        let each = start.elapsed().as_secs_f64() / rows.len().max(1) as f64;
        self.together = ((TOGETHER.as_secs_f64() / each.max(1e-9)) as usize).clamp(1, MOST);
        let rate = self.computed as f64 / self.began.elapsed().as_secs_f64().max(1e-9);
        self.progress
            .step(self.cached + self.computed, format_args!("{rate:.0} images/s"));
        Ok(())
    }

    /// Writes what is not on disk yet, and gives what is there.
    pub fn finish(mut self) -> Made {
        if let Some(Err(problem)) = self.cache.as_mut().map(Cache::write) {
            self.problems.push(problem);
        }
        let rows: Vec<usize> = (0..self.there.len()).filter(|&row| self.there[row]).collect();
        let stopped = self.scope.requested() && rows.len() < self.there.len();
        // Close the gaps.
        for (to, &from) in rows.iter().enumerate().filter(|(to, from)| to != *from) {
            self.values
                .copy_within(from * self.width..(from + 1) * self.width, to * self.width);
        }
        self.values.truncate(rows.len() * self.width);
        self.progress.finish(format_args!(
            "{} from the cache, {} computed",
            self.cached, self.computed
        ));
        Made {
            values: self.values,
            rows,
            cached: self.cached,
            computed: self.computed,
            turned: self.turned,
            stopped,
            problems: self.problems,
            seconds: self.began.elapsed().as_secs_f64(),
        }
    }
}

/// The bytes of a SHA-256 in hexadecimal.
fn bytes_of(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}
