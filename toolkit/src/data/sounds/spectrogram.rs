//! [`Spectrogram`]: how strong each frequency is in each stretch of a sound.

use std::f64::consts::TAU;
use std::fmt;
use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Samples of a window, and bands, up to which memory is not wasted.
const LONGEST: usize = 1 << 16;

/// What a spectrogram is made by: stretches of `window` samples, `hop` samples apart, under a Hann window, and the power
/// of each frequency in them; perhaps added up in mel bands. A number is the base-10 logarithm of 1 + power / `floor`: 0
/// is silence, 1 is ten times the floor. The power is PyTorch's, as of `torch.stft(center=False)`: of the sum, not the mean.
///
/// Bands are triangles that overlap by half, even on the mel scale, 2595 log10(1 + f / 700), from 0 to half the rate.
#[doc(alias = "MelSpectrogram")]
#[doc(alias = "stft")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spectrogram {
    /// Samples in a stretch, 2 or more.
    pub window: usize,
    /// Samples from one to the next, 1 or more.
    pub hop: usize,
    /// Mel bands; none for each frequency by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mel: Option<usize>,
    /// The power that is told from nothing.
    pub floor: f64,
}

impl Spectrogram {
    /// Each frequency by itself, with a floor of 0.001.
    pub fn new(window: usize, hop: usize) -> Self {
        Self {
            window,
            hop,
            mel: None,
            floor: 1e-3,
        }
    }

    /// Added up in so many mel bands.
    pub fn mel(self, bands: usize) -> Self {
        Self {
            mel: Some(bands),
            ..self
        }
    }

    /// With another floor.
    pub fn floor(self, power: f64) -> Self {
        Self { floor: power, ..self }
    }
}

impl fmt::Display for Spectrogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            window, hop, floor, ..
        } = self;
        match self.mel {
            Some(bands) => write!(
                f,
                "spectrogram of {bands} mel bands, window {window} hop {hop} floor {floor}"
            ),
            None => write!(f, "spectrogram, window {window} hop {hop} floor {floor}"),
        }
    }
}

/// A [`Spectrogram`] made ready for sounds of one length.
pub(in crate::data) struct Transform {
    spec: Spectrogram,
    frames: usize,
    bell: Vec<f64>,
    /// For each band its first frequency and the weights from there on.
    bands: Vec<(usize, Vec<f64>)>,
    fourier: Arc<dyn RealToComplex<f64>>,
}

impl Transform {
    pub fn new(spec: &Spectrogram, samples: usize, rate: f64) -> Result<Self> {
        let (window, hop) = (spec.window, spec.hop);
        if !(2..=LONGEST).contains(&window) || hop == 0 {
            return Err(Error::spec(format!(
                "expected a window of 2 to {LONGEST} samples and a hop of 1 or more, found {window} and {hop}"
            )));
        }
        if !(spec.floor > 0.0 && spec.floor.is_finite()) {
            return Err(Error::spec(format!(
                "expected a floor above 0, found {}",
                spec.floor
            )));
        }
        if samples < window {
            return Err(Error::spec(format!(
                "expected sounds of {window} samples or more, a window, found {samples}"
            ))
            .fix("take a shorter window"));
        }
        let count = window / 2 + 1;
        let bands = match spec.mel {
            None => (0..count).map(|i| (i, vec![1.0])).collect(),
            Some(0) => return Err(Error::spec("expected 1 mel band or more, found 0")),
            Some(bands) if bands > count => {
                return Err(Error::spec(format!(
                    "expected up to {count} mel bands, as a window of {window} samples has frequencies, found {bands}"
                )));
            }
            Some(bands) => mel(bands, window, rate)?,
        };
        Ok(Self {
            spec: spec.clone(),
            frames: 1 + (samples - window) / hop,
            bell: (0..window)
                .map(|i| 0.5 - 0.5 * (TAU * i as f64 / window as f64).cos())
                .collect(),
            bands,
            fourier: RealFftPlanner::new().plan_fft_forward(window),
        })
    }

    pub fn spec(&self) -> &Spectrogram {
        &self.spec
    }

    pub fn bands(&self) -> usize {
        self.bands.len()
    }

    pub fn frames(&self) -> usize {
        self.frames
    }

    /// The picture of a sound: bands x frames, the lowest band last.
    pub fn run(&self, wave: &[f32], picture: &mut [f32]) {
        let mut stretch = self.fourier.make_input_vec();
        let mut spectrum = self.fourier.make_output_vec();
        let mut scratch = self.fourier.make_scratch_vec();
        for frame in 0..self.frames {
            let from = &wave[frame * self.spec.hop..][..self.spec.window];
            for ((x, &sample), weight) in stretch.iter_mut().zip(from).zip(&self.bell) {
                *x = f64::from(sample) * weight;
            }
            // The lengths are the plan's own.
            let done = self
                .fourier
                .process_with_scratch(&mut stretch, &mut spectrum, &mut scratch);
            debug_assert!(done.is_ok());
            for (band, (first, weights)) in self.bands.iter().enumerate() {
                let power: f64 = weights
                    .iter()
                    .zip(&spectrum[*first..])
                    .map(|(weight, z)| weight * z.norm_sqr())
                    .sum();
                let line = self.bands.len() - 1 - band;
                picture[line * self.frames + frame] =
                    (power / self.spec.floor).ln_1p() as f32 / std::f32::consts::LN_10;
            }
        }
    }
}

/// Triangles even on the mel scale.
fn mel(bands: usize, window: usize, rate: f64) -> Result<Vec<(usize, Vec<f64>)>> {
    let to_mel = |f: f64| 2595.0 * (1.0 + f / 700.0).log10();
    let from_mel = |m: f64| 700.0 * (10f64.powf(m / 2595.0) - 1.0);
    let step = to_mel(rate / 2.0) / (bands + 1) as f64;
    let frequency = |i: usize| i as f64 * rate / window as f64;
    (0..bands)
        .map(|band| {
            let [low, middle, high] = [0, 1, 2].map(|i| from_mel((band + i) as f64 * step));
            let weight = |f: f64| {
                ((f - low) / (middle - low))
                    .min((high - f) / (high - middle))
                    .max(0.0)
            };
            let weights: Vec<f64> = (0..=window / 2).map(|i| weight(frequency(i))).collect();
            let first = weights.iter().position(|&w| w > 0.0).ok_or_else(|| {
                Error::spec(format!(
                    "mel band {band} of {bands}, {low:.0} to {high:.0} Hz, has no frequency in it"
                ))
                .fix("take fewer bands, or a longer window")
            })?;
            let last = weights.iter().rposition(|&w| w > 0.0).unwrap_or(first);
            Ok((first, weights[first..=last].to_vec()))
        })
        .collect()
}
