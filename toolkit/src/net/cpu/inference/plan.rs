//! From a network to the steps of its inference: what is computed, where it is put, and for how long.

use std::ops::Range;

use super::Step;
use crate::data::Shape;
use crate::net::cpu::layers::{self, Site, Still};
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
    work: Box<dyn Still>,
    reads: Vec<Option<usize>>,
    writes: usize,
}

/// Plans the inference of these layers of a network.
pub fn plan(network: &Network, targets: &[usize]) -> Plan {
    let (drafts, mut values, results) = draft(network, targets);
    join(&drafts, &mut values, &results);
    place(drafts, values, &results)
}

/// The steps in order. Batch norm and constant factors behind a layer that can take them along become part of its
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
    let all_read: Vec<Vec<Shape>> = sources
        .iter()
        .map(|sources| spec.shapes_of(sources, &shapes))
        .collect();
    let tensors = tensors(network, &all_read);
    let site = |at: usize| Site {
        network,
        read: &all_read[at],
        shape: shapes[at],
        tensors: &tensors[at],
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
        let Some(mut work) = layers::still(&layer.kind, &site(at)) else {
            // A target that is the input, or somebody else's value, is still that.
            value_of[at] = reads[0];
            continue;
        };
        let mut last = at;
        while let Some(next) = only_reader(last)
            && let Some((scale, shift)) = layers::factors(&spec.layers[next].kind, &site(next))
            && work.multiply(&scale, &shift)
        {
            done[next] = true;
            last = next;
        }
        if let Some(next) = only_reader(last)
            && spec.layers[next].kind == LayerKind::Activation(Activation::Relu)
            && work.join_relu()
        {
            done[next] = true;
            last = next;
        }
        work.ready();
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
        let Some(widths) = draft.work.parts() else {
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
    let input = Place {
        slot: None,
        first: 0,
        pitch: 0,
        width: 0,
    };
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
        // What joins layers need not copy those that already stand there.
        let stands = |read: &Option<usize>| {
            read.is_some_and(|value| values[value].part_of.is_some_and(|(to, _)| to == draft.writes))
        };
        steps.push(Step {
            reads: draft.reads.iter().map(of).collect(),
            writes: of(&Some(draft.writes)).unwrap_or(input),
            in_place: draft.reads.iter().map(stands).collect(),
            work: draft.work,
        });
        for holder in &mut held_by {
            if holder.is_some_and(|value| last_read[value] <= at) {
                *holder = None;
            }
        }
    }
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

/// Where the tensors of each layer lie, given what each reads.
fn tensors(network: &Network, read: &[Vec<Shape>]) -> Vec<Vec<Range<usize>>> {
    let mut all = network.tensors().iter().map(|tensor| tensor.range.clone());
    let layers = network.spec().layers.iter().zip(read);
    layers
        .map(|(layer, read)| {
            let count = layer.kind.rules().tensors(read[0]).len();
            all.by_ref().take(count).collect()
        })
        .collect()
}
