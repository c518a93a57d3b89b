//! From a network to its blocks.

use std::ops::Range;

use super::Block;
use crate::net::cpu::aligned::Aligned;
use crate::net::cpu::gemm::PADDING;
use crate::net::cpu::layers::{self, Site};
use crate::net::graph::Source;
use crate::net::{Activation, LayerKind, Network};

/// The blocks of a network that the layers `taps` need, with room for `max_rows` examples; and, for each layer, the
/// block that puts out what it puts out (none: the network's input, or a layer that no tap needs).
pub fn compile(network: &Network, max_rows: usize, taps: &[usize]) -> (Vec<Block>, Vec<Option<usize>>) {
    let spec = network.spec();
    let shapes = spec.shapes();
    // The spec of a network is valid, and a valid spec has its sources.
    let sources = spec.sources().unwrap_or_default();
    let needed = spec.needed(&sources, taps);
    let mut tensors = network.tensors().iter();
    let mut blocks: Vec<Block> = Vec::with_capacity(spec.layers.len());
    // The block that puts out what a layer puts out.
    let mut places: Vec<Option<usize>> = Vec::with_capacity(spec.layers.len());
    for (i, layer) in spec.layers.iter().enumerate() {
        let read = spec.shapes_of(&sources[i], &shapes);
        // Layers that the taps do not need are left out; their tensors are counted all the same.
        let own = tensors.by_ref().take(layer.kind.rules().tensors(read[0]).len());
        let own: Vec<Range<usize>> = own.map(|tensor| tensor.range.clone()).collect();
        if !needed[i] {
            places.push(None);
            continue;
        }
        let from: Vec<Option<usize>> = sources[i]
            .iter()
            .map(|source| match source {
                Source::Input => None,
                Source::Layer(at) => places[*at],
            })
            .collect();
        let alone = |at: usize| {
            let reads =
                |other: &(usize, &Vec<Source>)| needed[other.0] && other.1.contains(&Source::Layer(at));
            sources.iter().enumerate().filter(reads).count() == 1
        };
        if let (LayerKind::Activation(Activation::Relu), Source::Layer(at), Some(place)) =
            (&layer.kind, sources[i][0], from[0])
            && alone(at)
            // What is asked for there is what the ReLU reads.
            && !taps.contains(&at)
            // The layer itself and no flattened form of another, which others may read as well.
            && blocks[place].layer == at
            && blocks[place].op.join_relu()
        {
            places.push(Some(place));
            continue;
        }
        let site = Site {
            network,
            read: &read,
            shape: shapes[i],
            tensors: &own,
        };
        let Some(op) = layers::op(&layer.kind, &site, max_rows) else {
            // The same numbers in the same order.
            places.push(from[0]);
            continue;
        };
        for place in from.iter().flatten() {
            blocks[*place].readers += 1;
        }
        places.push(Some(blocks.len()));
        let outputs = shapes[i].width();
        blocks.push(Block {
            op,
            layer: i,
            sources: from,
            readers: 0,
            inputs: read[0].width(),
            outputs,
            y: Aligned::zeros(max_rows * outputs + PADDING),
        });
    }
    (blocks, places)
}
