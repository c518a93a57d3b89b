//! One layer of ours as an op on dfdx's tape.

use dfdx::prelude::{
    Cpu, CpuError, Gradients, HasShape, PutTape, ReshapeTo, Shape, SplitTape, Tape, Tensor, TensorFromVec,
};

use super::Images;
use crate::data::Shape as Example;
use crate::net::builder::Layers;
use crate::net::cpu::Passes;
use crate::net::executor::How;
use crate::net::permute::{TO_PYTORCH, inverse, permuted};
use crate::net::tape::{add, no_memory};
use crate::net::{LayerKind, NetSpec, Network};
use crate::{Error, Result, memory};

/// Whose statistics batch norm takes: means and variances, one after another.
pub(super) enum Statistics<'a> {
    /// The batch's, which move these.
    Batch(Option<&'a mut Vec<f32>>),
    /// These.
    Running(&'a [f32]),
}

/// Where the gradient of an operand goes.
type Add = Box<dyn FnOnce(&mut Gradients<f32, Cpu>, &[f32]) -> Result<(), CpuError>>;

/// A tensor in the passes's order, and how its gradient comes back.
pub(super) struct Operand {
    values: Vec<f32>,
    add: Add,
}

impl Operand {
    /// Takes a tensor with its dimensions in this order, and its tape.
    pub(super) fn new<S: Shape, T: Tape<f32, Cpu>>(
        tensor: Tensor<S, f32, Cpu, T>,
        axes: &[usize],
    ) -> Result<(Self, T)> {
        let shape: Vec<usize> = tensor.shape().concrete().into_iter().collect();
        // A broadcast tensor may say that it has more numbers than it holds.
        let numbers = shape.iter().fold(1u64, |n, &side| n.saturating_mul(side as u64));
        if let Some(lack) = memory::lacking(numbers.saturating_mul(12)) {
            return Err(
                Error::data(format!("a tensor of {shape:?} does not fit the memory: {lack}"))
                    .fix("use smaller batches"),
            );
        }
        // No copy unless the tensor is transposed or broadcast; then this is an op of its own.
        let (tensor, tape) = tensor.try_contiguous().map_err(no_memory)?.split_tape();
        let mut values = vec![0.0; numbers as usize];
        tensor.copy_into(&mut values);
        let values = permuted(&values, &shape, axes);
        let (ours, back) = (
            axes.iter().map(|&axis| shape[axis]).collect::<Vec<_>>(),
            inverse(axes),
        );
        let add: Add = Box::new(move |gradients, gradient| {
            add(
                gradients.get_or_alloc_mut(&tensor)?,
                &permuted(gradient, &ours, &back),
            );
            Ok(())
        });
        Ok((Self { values, add }, tape))
    }
}

/// One layer run forward, with what its backward pass needs.
pub(super) struct Pass {
    passes: Passes,
    network: Network,
    x: Operand,
    learned: Vec<Operand>,
    rows: usize,
}

impl Pass {
    /// Runs a layer on images of `size`, images x channels x height x width.
    pub(super) fn new(
        name: &str,
        kind: LayerKind,
        size: [usize; 4],
        x: Operand,
        learned: Vec<Operand>,
    ) -> Result<Self> {
        Self::normalizing(name, kind, size, x, learned, Statistics::Running(&[]))
    }

    /// As [`Pass::new`], batch norm by these statistics.
    pub(super) fn normalizing(
        name: &str,
        kind: LayerKind,
        size: [usize; 4],
        x: Operand,
        learned: Vec<Operand>,
        statistics: Statistics<'_>,
    ) -> Result<Self> {
        let [rows, channels, height, width] = size;
        if rows == 0 {
            return Err(Error::data("there is no image in the batch: expected 1 or more").at(name.to_owned()));
        }
        let image = Example::from((height, width, channels));
        let mut layers = Layers::default();
        layers.push(name, kind);
        let spec = NetSpec {
            input: image.width(),
            image: Some(image),
            layers: layers.into_vec(),
        };
        let mut network = Network::new(&spec, 0)?;
        let parameters: Vec<f32> = learned
            .iter()
            .flat_map(|operand| &operand.values)
            .copied()
            .collect();
        network.parameters_mut().copy_from_slice(&parameters);
        let _promised = Passes::check_rows(&network, rows)?;
        let mut passes = Passes::new(&network, rows);
        passes.input(rows).copy_from_slice(&x.values);
        match statistics {
            Statistics::Running(statistics) => {
                network.buffers_mut().copy_from_slice(statistics);
                passes.run_still(&network);
            }
            Statistics::Batch(moved) => {
                if let Some(moved) = &moved {
                    network.buffers_mut().copy_from_slice(moved);
                }
                passes.run(&mut network, How::adapt(true));
                if let Some(moved) = moved {
                    moved.copy_from_slice(network.buffers());
                }
            }
        }
        Ok(Self {
            passes,
            network,
            x,
            learned,
            rows,
        })
    }

    /// The outputs as images, on this tape.
    pub(super) fn images<T: Tape<f32, Cpu>>(self, tape: T) -> Result<Images<T>> {
        let Some(&Example::Image {
            height,
            width,
            channels,
        }) = self.network.spec().shapes().last()
        else {
            return Err(Error::spec("the layer gives no images"));
        };
        let rows = self.rows;
        let (shape, ours) = ((rows, channels, height, width), [rows, height, width, channels]);
        self.finish(shape, &ours, &TO_PYTORCH, tape)
    }

    /// The outputs, of shape `ours` with its dimensions in the order of `axes`, on this tape.
    pub(super) fn finish<D: Shape, T: Tape<f32, Cpu>>(
        self,
        shape: D,
        ours: &[usize],
        axes: &[usize],
        mut tape: T,
    ) -> Result<Tensor<D, f32, Cpu, T>> {
        let Self {
            mut passes,
            network,
            x,
            learned,
            ..
        } = self;
        let outputs: Tensor<D, f32, Cpu> = Cpu::default()
            .try_tensor_from_vec(permuted(passes.outputs(), ours, axes), shape)
            .map_err(no_memory)?;
        if T::OWNS_TAPE {
            let result = outputs.clone();
            let theirs: Vec<usize> = axes.iter().map(|&axis| ours[axis]).collect();
            let back = inverse(axes);
            tape.add_backward_op(move |gradients| {
                let above = permuted(gradients.get_or_alloc_mut(&result)?, &theirs, &back);
                passes.backward_to_input(&network, &above);
                (x.add)(gradients, passes.input_gradient())?;
                let mut rest = passes.gradients();
                for operand in learned {
                    let (gradient, others) = rest.split_at(operand.values.len());
                    (operand.add)(gradients, gradient)?;
                    rest = others;
                }
                Ok(())
            });
        }
        Ok(outputs.put_tape(tape))
    }
}
