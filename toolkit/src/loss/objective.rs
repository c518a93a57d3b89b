//! [`Objective`]: what training makes small. The standard losses, sums of several, and losses of one's own are all one.

use std::ops::Range;

use crate::data::{Dataset, Targets};
use crate::{Error, Result};

/// What an objective sees at one step: the outputs at its taps, and of each stream of data what its examples should be.
pub struct Seen<'a> {
    /// What each tap put out, rows x width. The rows of the streams stand one after another.
    pub outputs: &'a [&'a [f32]],
    /// Numbers that come out at each tap for one example.
    pub widths: &'a [usize],
    /// The streams, in the order in which the training was given their data; a check of held-out examples has the first
    /// alone.
    pub streams: &'a [Part<'a>],
    /// The number of the update, from 1.
    pub step: u64,
}

/// The examples of one stream in a batch.
#[derive(Clone)]
pub struct Part<'a> {
    /// Which rows of the outputs are theirs.
    pub range: Range<usize>,
    /// Which rows of the stream's dataset they are.
    pub rows: &'a [u32],
    /// What their outputs should be.
    pub targets: Targets<'a>,
    /// How much each counts, 1 on average over the data; none: all alike.
    pub weights: Option<&'a [f32]>,
}

impl<'a> Seen<'a> {
    /// What a tap put out for a stream, rows x width.
    ///
    /// # Panics
    /// If there is no such tap or stream.
    pub fn output(&self, tap: usize, stream: usize) -> &'a [f32] {
        &self.outputs[tap][self.place(tap, stream)]
    }

    /// Where the numbers of a stream lie in the outputs of a tap and in their slopes.
    ///
    /// # Panics
    /// If there is no such tap or stream.
    pub fn place(&self, tap: usize, stream: usize) -> Range<usize> {
        let (width, rows) = (self.widths[tap], &self.streams[stream].range);
        rows.start * width..rows.end * width
    }

    /// Examples in all.
    pub fn rows(&self) -> usize {
        self.streams.last().map_or(0, |part| part.range.end)
    }
}

/// Numbers that an objective learns itself: centers, proxies, temperatures. They go down their slope as it is: the
/// recipe's rule, momentum, penalties and clipping are for the network's.
pub struct Learned<'a> {
    /// The numbers, one flat vector.
    pub numbers: &'a mut [f32],
    /// d value / d numbers of the last step.
    pub slopes: &'a mut [f32],
    /// The rate of their own, at which they go down the slope of the term alone, whatever its weight in a [`Sum`] (the
    /// alpha of Wen et al. 2016); none: the recipe's of that step, down the slope of the sum.
    pub rate: Option<f64>,
}

/// What training makes small: a value of the outputs at some layers, with its slopes by them.
pub trait Objective {
    /// The layers whose outputs it sees, by name; none: the outputs of the network. A typed dfdx model has no others.
    fn taps(&self) -> Vec<String> {
        Vec::new()
    }

    /// How many streams of data it looks at.
    fn streams(&self) -> usize {
        1
    }

    /// Refuses data, or widths of the taps, that it cannot work on; asked before training, which may ask again. Whether a label may be
    /// beyond the outputs is for the objective to say.
    ///
    /// # Errors
    /// When they do not fit.
    fn check(&mut self, _data: &[&Dataset], _widths: &[usize]) -> Result<()> {
        Ok(())
    }

    /// Its value on a batch, the mean over examples, and d value / d output of each tap into `slopes`, which come as
    /// zeros and are as long as the outputs.
    ///
    /// # Errors
    /// When it cannot be computed.
    fn value(&mut self, seen: &Seen<'_>, slopes: &mut [&mut [f32]]) -> Result<f64>;

    /// Whether it can judge held-out examples, of which there is the first stream alone.
    fn judges(&self) -> bool {
        self.streams() == 1
    }

    /// Its value on held-out examples; `slopes` are scratch. As [`value`](Self::value), unless said otherwise.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    fn judge(&mut self, seen: &Seen<'_>, slopes: &mut [&mut [f32]]) -> Result<f64> {
        self.value(seen, slopes)
    }

    /// The tap whose largest output names the class of an example of the first stream; none when outputs are no classes.
    fn classifies(&self) -> Option<usize> {
        Some(0)
    }

    /// What it learns itself.
    fn learned(&mut self) -> Vec<Learned<'_>> {
        Vec::new()
    }

    /// Whether code of one's own is in it, which no file can hold.
    fn is_own(&self) -> bool {
        true
    }
}

macro_rules! passed_on {
    ($(#[$words:meta] $holder:ty;)*) => {$(
#[$words]
impl<O: Objective + ?Sized> Objective for $holder {
    fn taps(&self) -> Vec<String> {
        (**self).taps()
    }

    fn streams(&self) -> usize {
        (**self).streams()
    }

    fn check(&mut self, data: &[&Dataset], widths: &[usize]) -> Result<()> {
        (**self).check(data, widths)
    }

    fn value(&mut self, seen: &Seen<'_>, slopes: &mut [&mut [f32]]) -> Result<f64> {
        (**self).value(seen, slopes)
    }

    fn judges(&self) -> bool {
        (**self).judges()
    }

    fn judge(&mut self, seen: &Seen<'_>, slopes: &mut [&mut [f32]]) -> Result<f64> {
        (**self).judge(seen, slopes)
    }

    fn classifies(&self) -> Option<usize> {
        (**self).classifies()
    }

    fn learned(&mut self) -> Vec<Learned<'_>> {
        (**self).learned()
    }

    fn is_own(&self) -> bool {
        (**self).is_own()
    }
}
    )*};
}
passed_on! {
    #[doc = "A loan of an objective, to look at it afterwards."]
    &mut O;
    #[doc = "An objective whose type cannot be written: `let mine: Box<dyn Objective> = Box::new(objective(..))`."]
    Box<O>;
}

/// A closure over plain numbers as an objective: see [`objective`].
pub struct Own<F> {
    taps: Vec<String>,
    streams: usize,
    value: F,
}

/// An objective of one's own over plain numbers: `value` is given what is [`Seen`] at the layers `taps` (none: the
/// network's outputs) and adds the slopes by them.
///
/// ```
/// use jook::loss::{Seen, objective};
/// // Half the mean square of the outputs.
/// let small = objective([] as [&str; 0], |seen: &Seen<'_>, slopes| {
///     let (x, n) = (seen.outputs[0], seen.rows() as f32);
///     slopes[0].iter_mut().zip(x).for_each(|(slope, x)| *slope = x / n);
///     Ok(x.iter().map(|x| f64::from(x * x)).sum::<f64>() / 2.0 / f64::from(n))
/// });
/// # let _ = small;
/// ```
pub fn objective<S, F>(taps: impl IntoIterator<Item = S>, value: F) -> Own<F>
where
    S: Into<String>,
    F: FnMut(&Seen<'_>, &mut [&mut [f32]]) -> Result<f64>,
{
    Own {
        taps: taps.into_iter().map(Into::into).collect(),
        streams: 1,
        value,
    }
}

impl<F> Own<F> {
    /// Looks at so many streams of data.
    pub fn of_streams(mut self, streams: usize) -> Self {
        self.streams = streams;
        self
    }
}

impl<F> Objective for Own<F>
where
    F: FnMut(&Seen<'_>, &mut [&mut [f32]]) -> Result<f64>,
{
    fn taps(&self) -> Vec<String> {
        self.taps.clone()
    }

    fn streams(&self) -> usize {
        self.streams
    }

    fn value(&mut self, seen: &Seen<'_>, slopes: &mut [&mut [f32]]) -> Result<f64> {
        (self.value)(seen, slopes)
    }

    fn classifies(&self) -> Option<usize> {
        self.taps.is_empty().then_some(0)
    }
}

/// Objectives added up, each times its weight.
///
/// ```
/// use jook::loss::{Loss, Sum};
/// // Inception's two heads (Szegedy et al. 2016).
/// let both = Sum::of(1.0, Loss::SoftmaxCrossEntropy.at("logits")).plus(0.4, Loss::SoftmaxCrossEntropy.at("aux_logits"));
/// # let _ = both;
/// ```
#[derive(Default)]
pub struct Sum<'a> {
    terms: Vec<Term<'a>>,
    taps: Vec<String>,
}

struct Term<'a> {
    weight: f64,
    objective: Box<dyn Objective + 'a>,
    /// Where its taps are among those of the sum.
    taps: Vec<usize>,
    /// Its slopes by each tap, before they are weighted.
    scratch: Vec<Vec<f32>>,
}

impl<'a> Sum<'a> {
    /// `weight` times an objective.
    pub fn of(weight: f64, objective: impl Objective + 'a) -> Self {
        Self::default().plus(weight, objective)
    }

    /// And `weight` times another.
    pub fn plus(mut self, weight: f64, objective: impl Objective + 'a) -> Self {
        let mut taps = Vec::new();
        for tap in objective.taps() {
            let known = self.taps.iter().position(|own| *own == tap);
            taps.push(known.unwrap_or_else(|| {
                self.taps.push(tap);
                self.taps.len() - 1
            }));
        }
        self.terms.push(Term {
            weight,
            objective: Box::new(objective),
            taps,
            scratch: Vec::new(),
        });
        self
    }

    fn total(&mut self, seen: &Seen<'_>, slopes: &mut [&mut [f32]], judging: bool) -> Result<f64> {
        let mut total = 0.0;
        for term in &mut self.terms {
            if judging && !term.objective.judges() {
                continue;
            }
            let taps = if term.taps.is_empty() {
                &[0][..]
            } else {
                &term.taps
            };
            let outputs: Vec<&[f32]> = taps.iter().map(|&tap| seen.outputs[tap]).collect();
            let widths: Vec<usize> = taps.iter().map(|&tap| seen.widths[tap]).collect();
            term.scratch.resize(taps.len(), Vec::new());
            for (scratch, output) in term.scratch.iter_mut().zip(&outputs) {
                scratch.clear();
                scratch.resize(output.len(), 0.0);
            }
            let own = Seen {
                outputs: &outputs,
                widths: &widths,
                ..*seen
            };
            let mut places: Vec<&mut [f32]> = term.scratch.iter_mut().map(Vec::as_mut_slice).collect();
            let value = match judging {
                true => term.objective.judge(&own, &mut places)?,
                false => term.objective.value(&own, &mut places)?,
            };
            total += term.weight * value;
            if !judging {
                for own in term.objective.learned() {
                    if own.rate.is_none() {
                        own.slopes
                            .iter_mut()
                            .for_each(|slope| *slope *= term.weight as f32);
                    }
                }
            }
            for (&tap, scratch) in taps.iter().zip(&term.scratch) {
                let weight = term.weight as f32;
                slopes[tap]
                    .iter_mut()
                    .zip(scratch)
                    .for_each(|(sum, slope)| *sum += weight * slope);
            }
        }
        Ok(total)
    }
}

impl Objective for Sum<'_> {
    fn taps(&self) -> Vec<String> {
        self.taps.clone()
    }

    fn streams(&self) -> usize {
        self.terms
            .iter()
            .map(|term| term.objective.streams())
            .max()
            .unwrap_or(1)
    }

    fn check(&mut self, data: &[&Dataset], widths: &[usize]) -> Result<()> {
        if self.terms.iter().any(|term| term.taps.is_empty()) && !self.taps.is_empty() {
            return Err(Error::spec(
                "one term of the sum is of the network's outputs, another of a layer's by name",
            )
            .at("the objective")
            .fix("name the layer of each term, as in Loss::SoftmaxCrossEntropy.at(\"logits\")"));
        }
        // Held-out examples are one stream: a term of more does not judge them.
        let looks = |term: &&mut Term<'_>| term.objective.streams() <= data.len();
        for term in self.terms.iter_mut().filter(looks) {
            let taps = if term.taps.is_empty() {
                &[0][..]
            } else {
                &term.taps
            };
            let widths: Vec<usize> = taps.iter().map(|&tap| widths[tap]).collect();
            term.objective.check(data, &widths)?;
        }
        Ok(())
    }

    fn value(&mut self, seen: &Seen<'_>, slopes: &mut [&mut [f32]]) -> Result<f64> {
        self.total(seen, slopes, false)
    }

    fn judges(&self) -> bool {
        self.terms.iter().any(|term| term.objective.judges())
    }

    fn judge(&mut self, seen: &Seen<'_>, slopes: &mut [&mut [f32]]) -> Result<f64> {
        self.total(seen, slopes, true)
    }

    fn classifies(&self) -> Option<usize> {
        self.terms.iter().find_map(|term| {
            let own = term.objective.classifies()?;
            Some(term.taps.get(own).copied().unwrap_or(0))
        })
    }

    fn learned(&mut self) -> Vec<Learned<'_>> {
        self.terms
            .iter_mut()
            .flat_map(|term| term.objective.learned())
            .collect()
    }
}
