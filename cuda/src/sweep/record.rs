//! Sweeps written down with what came of them, so that another machine's card can be held against this one.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::sync::Arc;

use super::job::{Activation, Batches, Check, Data, Done, Ending, Job, Layer, Loss, Pace, Watch};
use super::plan::{Dense, Rule, Shape};
use crate::memory::Plain;

/// A sweep and what came of each of its jobs.
pub struct Record {
    /// What the jobs have in common.
    pub shape: Shape,
    /// The jobs, with all that they draw.
    pub jobs: Vec<Job>,
    /// What came of them.
    pub done: Vec<Done>,
}

/// What a job draws, drawn.
struct Drawn {
    rows: Vec<u32>,
    begins: Vec<u32>,
    keys: Vec<u32>,
    /// Words of keys at a step.
    words: usize,
}

impl Batches for Drawn {
    fn rows(&self, step: u32, rows: &mut Vec<u32>) {
        let step = step as usize;
        rows.extend_from_slice(&self.rows[self.begins[step] as usize..self.begins[step + 1] as usize]);
    }

    fn keys(&self, step: u32) -> Vec<[u32; 2]> {
        let own = &self.keys[step as usize * self.words..][..self.words];
        own.chunks_exact(2).map(|key| [key[0], key[1]]).collect()
    }
}

fn put<T: Plain>(to: &mut impl Write, values: &[T]) -> Result<()> {
    to.write_all(&(values.len() as u64).to_le_bytes())?;
    // SAFETY: plain values are bytes.
    to.write_all(unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) })
}

fn take<T: Plain>(from: &mut impl Read) -> Result<Vec<T>> {
    let mut len = [0; 8];
    from.read_exact(&mut len)?;
    let len = u64::from_le_bytes(len) as usize;
    if len > 1 << 32 {
        return Err(Error::new(ErrorKind::InvalidData, "an array of an absurd length"));
    }
    let mut values: Vec<T> = Vec::with_capacity(len);
    // SAFETY: room for so many bytes, all written before the length is set; any bytes are a plain value.
    unsafe {
        from.read_exact(std::slice::from_raw_parts_mut(
            values.as_mut_ptr().cast::<u8>(),
            len * size_of::<T>(),
        ))?;
        values.set_len(len);
    }
    Ok(values)
}

fn put_data(to: &mut impl Write, data: &Data) -> Result<()> {
    put(to, &data.features)?;
    put(to, &data.labels)?;
    put(to, &data.targets)
}

fn take_data(from: &mut impl Read) -> Result<Arc<Data>> {
    Ok(Arc::new(Data {
        features: take(from)?,
        labels: take(from)?,
        targets: take(from)?,
    }))
}

const RULES: [Rule; 4] = [Rule::Sgd, Rule::Momentum, Rule::Nesterov, Rule::Adam];
const LOSSES: [Loss; 4] = [Loss::Classes, Loss::Shares, Loss::Values, Loss::ValuesOfClasses];
impl Record {
    /// Writes it down.
    ///
    /// # Errors
    /// When that fails.
    pub fn write(&self, to: &mut impl Write) -> Result<()> {
        let Shape {
            inputs,
            layers,
            batch,
            rule,
            penalized,
        } = &self.shape;
        let mut head = vec![
            *inputs as u32,
            *batch as u32,
            *rule as u32,
            self.jobs.len() as u32,
            u32::from(*penalized),
        ];
        for layer in layers {
            head.extend([
                layer.columns as u32,
                layer.pieces as u32,
                u32::from(layer.bias),
                u32::from(layer.norm),
            ]);
        }
        put(to, &head)?;
        for (job, done) in self.jobs.iter().zip(&self.done) {
            write_job(to, job)?;
            write_done(to, done)?;
        }
        Ok(())
    }

    /// Reads one; none at the end.
    ///
    /// # Errors
    /// When it is cut off.
    pub fn read(from: &mut impl Read) -> Result<Option<Self>> {
        let head: Vec<u32> = match take(from) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            head => head?,
        };
        let dense = |one: &[u32]| Dense {
            columns: one[0] as usize,
            pieces: one[1] as usize,
            bias: one[2] != 0,
            norm: one[3] != 0,
        };
        let shape = Shape {
            inputs: head[0] as usize,
            batch: head[1] as usize,
            rule: RULES[head[2] as usize % 4],
            penalized: head[4] != 0,
            layers: head[5..].chunks_exact(4).map(dense).collect(),
        };
        let (mut jobs, mut done) = (Vec::new(), Vec::new());
        for _ in 0..head[3] {
            jobs.push(read_job(from)?);
            done.push(read_done(from)?);
        }
        Ok(Some(Self { shape, jobs, done }))
    }
}

fn write_job(to: &mut impl Write, job: &Job) -> Result<()> {
    let watch = job.watch.as_ref();
    put(
        to,
        &[
            job.loss as u32,
            job.total,
            job.check_every,
            u32::from(job.weights.is_some()),
            u32::from(watch.is_some()),
            watch.map_or(0, |watch| watch.patience),
            u32::from(watch.is_some_and(|watch| watch.weights.is_some())),
        ],
    )?;
    put(to, &[job.max_norm.unwrap_or(0.0).to_bits()])?;
    put(to, &[&job.constants[..], &[job.l1, job.l2]].concat())?;
    put(to, &job.parameters)?;
    put(to, &job.buffers)?;
    let mut layers = Vec::new();
    for layer in &job.layers {
        let (activation, slope) = layer.activation.numbered();
        layers.extend([
            activation,
            f32::to_bits(slope),
            layer.dropout.map_or(u32::MAX, f32::to_bits),
        ]);
        layers.extend([u32::from(layer.frozen), u32::from(layer.norm_frozen)]);
        layers.extend([layer.momentum.to_bits(), layer.epsilon.to_bits()]);
    }
    put(to, &layers)?;
    put_data(to, &job.data)?;
    put(to, job.weights.as_ref().map_or(&[], |weights| &weights[..]))?;
    if let Some(watch) = watch {
        put_data(to, &watch.data)?;
        put(to, &watch.rows)?;
        put(to, watch.weights.as_deref().unwrap_or(&[]))?;
    }
    let (mut rows, mut begins, mut keys, mut paces) = (Vec::new(), vec![0u32], Vec::new(), Vec::new());
    for step in 0..job.total {
        job.batches.rows(step, &mut rows);
        begins.push(rows.len() as u32);
        keys.extend(job.batches.keys(step).into_iter().flatten());
        paces.push((job.pace)(step));
    }
    put(to, &rows)?;
    put(to, &begins)?;
    put(to, &keys)?;
    put(to, &paces)
}

fn read_job(from: &mut impl Read) -> Result<Job> {
    let head: Vec<u32> = take(from)?;
    let max_norm = f64::from_bits(take::<u64>(from)?[0]);
    let numbers: Vec<f32> = take(from)?;
    let (parameters, buffers) = (take(from)?, take(from)?);
    let layer = |one: &[u32]| Layer {
        activation: match one[0] {
            0 => Activation::Identity,
            1 => Activation::Relu,
            2 => Activation::LeakyRelu(f32::from_bits(one[1])),
            3 => Activation::Tanh,
            4 => Activation::Sigmoid,
            5 => Activation::Gelu,
            _ => Activation::Maxout,
        },
        dropout: (one[2] != u32::MAX).then(|| f32::from_bits(one[2])),
        frozen: one[3] != 0,
        norm_frozen: one[4] != 0,
        momentum: f32::from_bits(one[5]),
        epsilon: f32::from_bits(one[6]),
    };
    let layers: Vec<Layer> = take::<u32>(from)?.chunks_exact(7).map(layer).collect();
    let data = take_data(from)?;
    let weights: Vec<f32> = take(from)?;
    let watch = match head[4] {
        0 => None,
        _ => {
            let (data, rows) = (take_data(from)?, Arc::new(take(from)?));
            let weights: Vec<f32> = take(from)?;
            Some(Watch {
                data,
                rows,
                weights: (head[6] != 0).then_some(weights),
                patience: head[5],
            })
        }
    };
    let (rows, begins, keys): (_, _, Vec<u32>) = (take(from)?, take(from)?, take(from)?);
    let paces: Vec<Pace> = take(from)?;
    let words = keys.len() / (head[1] as usize).max(1);
    Ok(Job {
        parameters,
        buffers,
        layers,
        constants: [numbers[0], numbers[1], numbers[2], numbers[3]],
        l1: numbers[4],
        l2: numbers[5],
        max_norm: (max_norm > 0.0).then_some(max_norm),
        loss: LOSSES[head[0] as usize % 4],
        total: head[1],
        check_every: head[2],
        data,
        weights: (head[3] != 0).then(|| Arc::new(weights)),
        watch,
        batches: Arc::new(Drawn {
            rows,
            begins,
            keys,
            words,
        }),
        pace: Arc::new(move |step| paces[step as usize]),
    })
}

fn write_done(to: &mut impl Write, done: &Done) -> Result<()> {
    put(
        to,
        &[
            done.ending as u32,
            done.steps,
            done.kept_at.0,
            done.stale,
            u32::from(done.outputs_finite),
        ],
    )?;
    put(to, &[done.kept_at.1.to_bits()])?;
    put(to, &done.parameters)?;
    put(to, &done.buffers)?;
    put(to, &done.states.concat())?;
    put(to, &done.kept.0)?;
    put(to, &done.kept.1)?;
    put(to, &done.losses)?;
    put(to, &done.checks)
}

fn read_done(from: &mut impl Read) -> Result<Done> {
    let head: Vec<u32> = take(from)?;
    let kept_loss = f64::from_bits(take::<u64>(from)?[0]);
    let parameters: Vec<f32> = take(from)?;
    let buffers = take(from)?;
    let states: Vec<f32> = take(from)?;
    let size = parameters.len().max(1);
    Ok(Done {
        states: states.chunks_exact(size).map(<[f32]>::to_vec).collect(),
        parameters,
        buffers,
        kept: (take(from)?, take(from)?),
        losses: take(from)?,
        checks: take::<Check>(from)?,
        ending: Ending::numbered(head[0]),
        steps: head[1],
        kept_at: (head[2], kept_loss),
        stale: head[3],
        outputs_finite: head[4] != 0,
    })
}

impl Done {
    /// Where two differ first, in any bit, in words. What is not a number has no bits worth comparing: a processor and a
    /// card write it differently.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let arrays = |done: &Self| -> Vec<(&'static str, Vec<f32>)> {
            vec![
                ("losses", done.losses.clone()),
                ("parameters", done.parameters.clone()),
                ("buffers", done.buffers.clone()),
                ("kept parameters", done.kept.0.clone()),
                ("kept buffers", done.kept.1.clone()),
                ("states", done.states.concat()),
            ]
        };
        for ((name, a), (_, b)) in arrays(self).into_iter().zip(arrays(other)) {
            if a.len() != b.len() {
                return Some(format!("{name}: {} and {} numbers", a.len(), b.len()));
            }
            let differ = |(a, b): (&f32, &f32)| a.to_bits() != b.to_bits() && !(a.is_nan() && b.is_nan());
            if let Some(at) = a.iter().zip(&b).position(differ) {
                let count = a.iter().zip(&b).filter(|&pair| differ(pair)).count();
                return Some(format!(
                    "{name} {at}: {} and {}, {count} of {} differ",
                    a[at],
                    b[at],
                    a.len()
                ));
            }
        }
        let rest = |done: &Self| {
            let checks = done.checks.iter().map(|check| {
                let loss = if check.loss.is_nan() { f64::NAN } else { check.loss };
                (
                    loss.to_bits(),
                    check.step,
                    check.correct,
                    check.broken,
                    check.outputs_finite,
                )
            });
            let at = (done.kept_at.0, done.kept_at.1.to_bits());
            format!(
                "{:?} {} {at:?} {} {:?}",
                done.ending,
                done.steps,
                done.stale,
                checks.collect::<Vec<_>>()
            )
        };
        (rest(self) != rest(other)).then(|| format!("{}\nand\n{}", rest(self), rest(other)))
    }
}
