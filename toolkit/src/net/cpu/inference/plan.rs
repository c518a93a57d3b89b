//! From a network to the steps of its inference: what is computed, where it is put, and for how long.

use super::{Step, Work};
use crate::data::Shape;
use crate::net::cpu::block;
use crate::net::cpu::conv::Conv;
use crate::net::graph::{Source, channels_of};
use crate::net::{Activation, LayerKind, Network};

/// Steps, and the buffers they work on.
pub struct Plan {
    pub steps: Vec<Step>,
    /// Numbers for one example in each slot. The input is no slot.
    pub slots: Vec<usize>,
    /// Where each target's numbers are at the end.
    pub targets: Vec<Place>,
}

/// Where an output lies: the channels from `first` on of each pixel of a slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// None is the network's input.
    pub slot: Option<usize>,
    pub first: usize,
    /// Numbers of a pixel in the slot.
    pub pitch: usize,
    /// Numbers of one example in the slot.
    pub width: usize,
}

/// An output on its way to a place.
struct Value {
    shape: Shape,
    /// Steps that read it; a target is also read at the end.
    readers: usize,
    /// The value whose channels it is a part of, and from which channel on.
    part_of: Option<(usize, usize)>,
    place: Option<Place>,
}

/// A step before its values have places.
struct Draft {
    work: Work,
    reads: Vec<Option<usize>>,
    writes: usize,
}

/// Plans the inference of these layers of a network.
pub fn plan(network: &Network, targets: &[usize]) -> Plan {
    let (drafts, mut values, results) = draft(network, targets);
    join(&drafts, &mut values, &results);
    place(drafts, values, &results)
}

/// The steps in order. Batch norm and constant factors behind a convolution or dense layer become part of its
/// weights, a ReLU part of what it writes; what changes nothing is left out.
fn draft(network: &Network, targets: &[usize]) -> (Vec<Draft>, Vec<Value>, Vec<Option<usize>>) {
    let spec = network.spec();
    let shapes = spec.shapes();
    // The spec of a network is valid, and a valid spec has its sources.
    let sources = spec.sources().unwrap_or_default();
    let needed = spec.needed(&sources, targets);
    // The only layer that reads this one, if nobody else wants it.
    let only_reader = |at: usize| -> Option<usize> {
        let mut readers = (at + 1..spec.layers.len())
            .filter(|&other| needed[other] && sources[other].contains(&Source::Layer(at)));
        match (readers.next(), readers.next()) {
            (Some(reader), None) if !targets.contains(&at) => Some(reader),
            _ => None,
        }
    };
    let mut drafts: Vec<Draft> = Vec::new();
    let mut values: Vec<Value> = Vec::new();
    let mut value_of: Vec<Option<usize>> = vec![None; spec.layers.len()];
    let mut done = vec![false; spec.layers.len()];
    for (at, layer) in spec.layers.iter().enumerate() {
        if !needed[at] || done[at] {
            continue;
        }
        let reads: Vec<Option<usize>> = sources[at]
            .iter()
            .map(|source| match source {
                Source::Input => None,
                Source::Layer(before) => value_of[*before],
            })
            .collect();
        let read = spec.shapes_of(&sources[at], &shapes);
        let channels = channels_of(shapes[at]);
        let mut last = at;
        let work = match &layer.kind {
            LayerKind::Conv2d { .. } | LayerKind::Dense { .. } => {
                let mut weights = Weights::of(network, at);
                while let Some(next) = only_reader(last) {
                    let Some((scale, shift)) = factors(network, next) else {
                        break;
                    };
                    weights.multiply(&scale, &shift);
                    done[next] = true;
                    last = next;
                }
                let mut relu = false;
                if let Some(next) = only_reader(last)
                    && spec.layers[next].kind == LayerKind::Activation(Activation::Relu)
                {
                    relu = true;
                    done[next] = true;
                    last = next;
                }
                let conv = match &layer.kind {
                    LayerKind::Conv2d { window, groups, .. } => {
                        block::conv(*window, *groups, read[0], shapes[at])
                    }
                    _ => Conv::dense(read[0].width(), shapes[at].width()),
                };
                let packed = conv.pack(&weights.numbers, Some(&weights.bias));
                Work::Conv { conv, packed, relu }
            }
            LayerKind::Dropout(_)
            | LayerKind::ReverseGradient(_)
            | LayerKind::Flatten
            | LayerKind::Activation(Activation::Identity) => {
                // A target that is the input, or somebody else's value, is still that.
                value_of[at] = reads[0];
                continue;
            }
            LayerKind::Activation(activation) => Work::Activation(*activation),
            LayerKind::BatchNorm { .. } | LayerKind::Affine { .. } => {
                let (scale, shift) = factors(network, at).unwrap_or_default();
                Work::Affine { scale, shift }
            }
            LayerKind::MaxPool2d { .. } | LayerKind::AvgPool2d { .. } => {
                Work::Pool(block::pool(&layer.kind, read[0], shapes[at]))
            }
            LayerKind::GlobalAvgPool => Work::GlobalAvgPool {
                pixels: read[0].width() / channels,
            },
            LayerKind::Concat => Work::Concat(read.iter().map(|&shape| channels_of(shape)).collect()),
            LayerKind::Add => {
                let relu = only_reader(at)
                    .filter(|&next| spec.layers[next].kind == LayerKind::Activation(Activation::Relu));
                if let Some(next) = relu {
                    done[next] = true;
                    last = next;
                }
                Work::Add { relu: relu.is_some() }
            }
        };
        for value in reads.iter().flatten() {
            values[*value].readers += 1;
        }
        drafts.push(Draft {
            work,
            reads,
            writes: values.len(),
        });
        value_of[last] = Some(values.len());
        values.push(Value {
            shape: shapes[last],
            readers: 0,
            part_of: None,
            place: None,
        });
    }
    let results: Vec<Option<usize>> = targets.iter().map(|&target| value_of[target]).collect();
    for value in results.iter().flatten() {
        values[*value].readers += 1;
    }
    (drafts, values, results)
}

/// Lets what only a concat reads be written in its place in the first place. Outer concats first, so that
/// inner ones already know theirs.
fn join(drafts: &[Draft], values: &mut [Value], results: &[Option<usize>]) {
    for draft in drafts.iter().rev() {
        let Work::Concat(widths) = &draft.work else {
            continue;
        };
        let mut first = 0;
        for (read, width) in draft.reads.iter().zip(widths) {
            // A flattened image has its pixels one after another, which channels side by side cannot be.
            if let Some(value) = *read
                && values[value].readers == 1
                && channels_of(values[value].shape) == *width
                && !results.contains(read)
            {
                values[value].part_of = Some((draft.writes, first));
            }
            first += width;
        }
    }
}

/// Gives every value its place; a slot is used again once nobody reads what it holds.
fn place(drafts: Vec<Draft>, mut values: Vec<Value>, results: &[Option<usize>]) -> Plan {
    let root = |values: &[Value], mut value: usize| {
        let mut first = 0;
        while let Some((whole, from)) = values[value].part_of {
            first += from;
            value = whole;
        }
        (value, first)
    };
    // When each root is read for the last time; targets never.
    let mut last_read = vec![0; values.len()];
    for (at, draft) in drafts.iter().enumerate() {
        for value in draft.reads.iter().flatten().chain([&draft.writes]) {
            last_read[root(&values, *value).0] = at;
        }
    }
    for value in results.iter().flatten() {
        last_read[root(&values, *value).0] = usize::MAX;
    }
    let mut slots: Vec<usize> = Vec::new();
    let mut held_by: Vec<Option<usize>> = Vec::new();
    let mut steps = Vec::with_capacity(drafts.len());
    for (at, draft) in drafts.into_iter().enumerate() {
        let (whole, first) = root(&values, draft.writes);
        let width = values[whole].shape.width();
        if values[whole].place.is_none() {
            let slot = free_slot(&mut slots, &mut held_by, width);
            held_by[slot] = Some(whole);
            values[whole].place = Some(Place {
                slot: Some(slot),
                first: 0,
                pitch: channels_of(values[whole].shape),
                width,
            });
        }
        let base = values[whole].place;
        values[draft.writes].place = base.map(|base| Place { first, ..base });
        let of = |value: &Option<usize>| value.and_then(|value| values[value].place);
        // A concat need not copy what already stands there.
        let copies = match &draft.work {
            Work::Concat(_) => {
                let moved = |read: &Option<usize>| {
                    read.is_none_or(|value| values[value].part_of.is_none_or(|(to, _)| to != draft.writes))
                };
                draft.reads.iter().map(moved).collect()
            }
            _ => Vec::new(),
        };
        steps.push(Step {
            work: draft.work,
            reads: draft.reads.iter().map(of).collect(),
            writes: of(&Some(draft.writes)),
            copies,
        });
        for holder in &mut held_by {
            if holder.is_some_and(|value| last_read[value] <= at) {
                *holder = None;
            }
        }
    }
    let input = Place {
        slot: None,
        first: 0,
        pitch: 0,
        width: 0,
    };
    let targets = results
        .iter()
        .map(|result| result.and_then(|value| values[value].place).unwrap_or(input))
        .collect();
    Plan {
        steps,
        slots,
        targets,
    }
}

/// The free slot that fits best, or a new one.
fn free_slot(slots: &mut Vec<usize>, held_by: &mut Vec<Option<usize>>, width: usize) -> usize {
    let free = (0..slots.len()).filter(|&slot| held_by[slot].is_none());
    // The smallest that is large enough, else the largest, which grows.
    let best = free.min_by_key(|&slot| match slots[slot] >= width {
        true => (0, slots[slot]),
        false => (1, usize::MAX - slots[slot]),
    });
    let slot = best.unwrap_or_else(|| {
        slots.push(0);
        held_by.push(None);
        slots.len() - 1
    });
    slots[slot] = slots[slot].max(width);
    slot
}

/// Weights and biases of a convolution or dense layer, to change.
struct Weights {
    numbers: Vec<f32>,
    bias: Vec<f32>,
}

impl Weights {
    fn of(network: &Network, at: usize) -> Self {
        let name = &network.spec().layers[at].name;
        let tensor = |what: &str| network.tensor(&format!("{name}.{what}")).map(<[f32]>::to_vec);
        let numbers = tensor("weight").unwrap_or_default();
        let channels = network.spec().shapes()[at];
        Self {
            bias: tensor("bias").unwrap_or_else(|| vec![0.0; channels_of(channels)]),
            numbers,
        }
    }

    /// What comes out is multiplied and shifted, channel by channel.
    fn multiply(&mut self, scale: &[f32], shift: &[f32]) {
        for row in self.numbers.chunks_exact_mut(scale.len()) {
            row.iter_mut()
                .zip(scale)
                .for_each(|(weight, scale)| *weight *= scale);
        }
        for ((bias, scale), shift) in self.bias.iter_mut().zip(scale).zip(shift) {
            *bias = *bias * scale + shift;
        }
    }
}

/// What a layer multiplies each channel by and adds to it, if that is all it does.
fn factors(network: &Network, at: usize) -> Option<(Vec<f32>, Vec<f32>)> {
    let layer = &network.spec().layers[at];
    match &layer.kind {
        LayerKind::Affine { scale, shift } => Some((scale.clone(), shift.clone())),
        LayerKind::BatchNorm { epsilon, .. } => {
            let tensor = |what: &str| network.tensor(&format!("{}.{what}", layer.name));
            let (mean, variance) = (tensor("running_mean")?, tensor("running_var")?);
            let factor: Vec<f32> = tensor("scale")?
                .iter()
                .zip(variance)
                .map(|(scale, variance)| scale / (variance + epsilon).sqrt())
                .collect();
            let summand = tensor("shift")?
                .iter()
                .zip(mean)
                .zip(&factor)
                .map(|((shift, mean), factor)| shift - mean * factor)
                .collect();
            Some((factor, summand))
        }
        _ => None,
    }
}
