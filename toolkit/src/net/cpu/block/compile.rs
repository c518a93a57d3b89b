//! From a network to its blocks.

use super::{Block, Kind};
use crate::data::Shape;
use crate::net::cpu::activation;
use crate::net::cpu::batch_norm::{Constants, Saved};
use crate::net::cpu::conv::Conv;
use crate::net::cpu::gemm::PADDING;
use crate::net::cpu::pool::{Pool, PoolKind};
use crate::net::graph::{Source, channels_of};
use crate::net::{Activation, LayerKind, NetSpec, Network, TensorInfo, Window};

/// The blocks of a network that the layers `taps` need, with room for `max_rows` examples; and, for each layer, the
/// block that puts out what it puts out (none: the network's input, or a layer that no tap needs).
pub fn compile(network: &Network, max_rows: usize, taps: &[usize]) -> (Vec<Block>, Vec<Option<usize>>) {
    let spec = network.spec();
    let shapes = spec.shapes();
    // The spec of a network is valid, and a valid spec has its sources.
    let sources = spec.sources().unwrap_or_default();
    let needed = spec.needed(&sources, taps);
    let mut tensors = network.tensors().iter();
    let mut next = || {
        tensors
            .next()
            .map(|tensor: &TensorInfo| tensor.range.clone())
            .unwrap_or_default()
    };
    let mut blocks: Vec<Block> = Vec::with_capacity(spec.layers.len());
    // The block that puts out what a layer puts out.
    let mut places: Vec<Option<usize>> = Vec::with_capacity(spec.layers.len());
    for (i, layer) in spec.layers.iter().enumerate() {
        let read = spec.shapes_of(&sources[i], &shapes);
        let shape = shapes[i];
        let (outputs, channels) = (shape.width(), channels_of(shape));
        let from: Vec<Option<usize>> = sources[i]
            .iter()
            .map(|source| match source {
                Source::Input => None,
                Source::Layer(at) => places[*at],
            })
            .collect();
        // Layers that the last one does not need get no room; their tensors are counted all the same.
        let rows = if needed[i] { max_rows } else { 0 };
        let alone = |at: usize| {
            let reads =
                |other: &(usize, &Vec<Source>)| needed[other.0] && other.1.contains(&Source::Layer(at));
            sources.iter().enumerate().filter(reads).count() == 1
        };
        let kind = match &layer.kind {
            LayerKind::Dense { bias, .. } => Kind::Dense {
                weight: next(),
                bias: bias.then(&mut next),
                relu: false,
            },
            LayerKind::Conv2d {
                window, groups, bias, ..
            } => {
                let conv = conv(*window, *groups, read[0], shape);
                Kind::Conv {
                    padded: vec![0.0; rows * conv.room()],
                    conv,
                    weight: next(),
                    bias: bias.then(&mut next),
                    relu: false,
                }
            }
            LayerKind::Activation(activation) => {
                if let (Activation::Relu, Source::Layer(at), Some(place)) =
                    (activation, sources[i][0], from[0])
                    && needed[i]
                    && alone(at)
                    // What is asked for there is what the ReLU reads.
                    && !taps.contains(&at)
                    // The layer itself and no flattened form of another, which others may read as well.
                    && blocks[place].layer == at
                    && let Kind::Dense {
                        relu: relu @ false, ..
                    }
                    | Kind::Conv {
                        relu: relu @ false, ..
                    } = &mut blocks[place].kind
                {
                    *relu = true;
                    places.push(Some(place));
                    continue;
                }
                let saved = vec![0.0; activation::saved(*activation, rows * outputs)];
                Kind::Activation {
                    activation: *activation,
                    saved,
                }
            }
            LayerKind::ReverseGradient(strength) => Kind::Turned(-strength),
            LayerKind::Dropout(p) => Kind::Dropout {
                p: *p,
                mask: vec![0.0; rows * outputs],
                dropped: false,
            },
            LayerKind::BatchNorm { momentum, epsilon } => {
                let (scale, shift, mean, variance) = (next(), next(), next(), next());
                Kind::BatchNorm {
                    scale,
                    shift,
                    running: mean.start..variance.end,
                    constants: Constants {
                        momentum: *momentum,
                        epsilon: *epsilon,
                    },
                    saved: Saved::new(rows * outputs / channels, channels),
                }
            }
            LayerKind::MaxPool2d { .. } | LayerKind::AvgPool2d { .. } => {
                let pool = pool(&layer.kind, read[0], shape);
                Kind::Pool {
                    chosen: vec![0; rows * pool.saved()],
                    pool,
                }
            }
            LayerKind::GlobalAvgPool => Kind::GlobalAvgPool {
                pixels: read[0].width() / channels,
            },
            // The same numbers in the same order.
            LayerKind::Flatten => {
                places.push(from[0]);
                continue;
            }
            LayerKind::Concat => Kind::Concat(read.iter().map(|&shape| channels_of(shape)).collect()),
            LayerKind::Add => Kind::Add,
            LayerKind::Affine { scale, shift } => Kind::Affine {
                scale: scale.clone(),
                shift: shift.clone(),
            },
        };
        if !needed[i] {
            places.push(None);
            continue;
        }
        for place in from.iter().flatten() {
            blocks[*place].readers += 1;
        }
        places.push(Some(blocks.len()));
        blocks.push(Block {
            kind,
            layer: i,
            sources: from,
            readers: 0,
            inputs: read[0].width(),
            outputs,
            channels,
            y: vec![0.0; rows * outputs + PADDING],
        });
    }
    (blocks, places)
}

/// Rows and columns of an image.
fn size_of(shape: Shape) -> [usize; 2] {
    match shape {
        Shape::Image { height, width, .. } => [height, width],
        Shape::Flat(_) => [1, 1],
    }
}

/// The convolution between these shapes.
pub fn conv(window: Window, groups: usize, read: Shape, shape: Shape) -> Conv {
    Conv {
        window,
        groups,
        source: size_of(read),
        grid: size_of(shape),
        inputs: channels_of(read),
        outputs: channels_of(shape),
    }
}

/// The pooling of this kind between these shapes.
pub fn pool(kind: &LayerKind, read: Shape, shape: Shape) -> Pool {
    let (window, kind) = match kind {
        LayerKind::AvgPool2d {
            window,
            count_include_pad,
            ..
        } => (
            *window,
            PoolKind::Average {
                count_include_pad: *count_include_pad,
            },
        ),
        LayerKind::MaxPool2d { window, .. } => (*window, PoolKind::Max),
        other => unreachable!("{other} is no pooling"),
    };
    Pool {
        window,
        source: size_of(read),
        grid: size_of(shape),
        channels: channels_of(shape),
        kind,
    }
}

/// Numbers that the blocks of a network hold for each example: outputs, and what backward passes need.
pub fn floats_per_row(spec: &NetSpec) -> usize {
    let shapes = spec.shapes();
    let sources = spec.sources().unwrap_or_default();
    let mut floats = 0usize;
    for (i, layer) in spec.layers.iter().enumerate() {
        let width = shapes[i].width();
        let behind_weights = layer.from.is_empty()
            && i.checked_sub(1).is_some_and(|before| {
                matches!(
                    spec.layers[before].kind,
                    LayerKind::Dense { .. } | LayerKind::Conv2d { .. }
                )
            });
        floats += match &layer.kind {
            // It is part of the block before.
            LayerKind::Activation(Activation::Relu) if behind_weights => 0,
            LayerKind::Activation(activation) => width + activation::saved(*activation, width),
            LayerKind::Dropout(_) | LayerKind::BatchNorm { .. } | LayerKind::MaxPool2d { .. } => 2 * width,
            LayerKind::Conv2d { window, groups, .. } => {
                let read = spec.shapes_of(&sources[i], &shapes)[0];
                let conv = conv(*window, *groups, read, shapes[i]);
                width + conv.room()
            }
            LayerKind::Flatten => 0,
            _ => width,
        };
    }
    floats
}
