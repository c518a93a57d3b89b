//! What one example of a typed model is, and batches of them as dfdx's tensors.

use dfdx::prelude::{Const, Cpu, OwnedTape, Tensor, TensorFromVec, Trace};

use crate::data::{Dataset, Shape};
use crate::net::permute::{TO_PYTORCH, permuted};
use crate::net::tape::no_memory;
use crate::{Error, Result};

type Taped<S> = Tensor<S, f32, Cpu, OwnedTape<f32, Cpu>>;

/// The shape of one example, as dfdx writes it: `Rank1<I>`, numbers; `Rank3<C, H, W>`, an image of C channels; or
/// `(Rank1<A>, Rank1<B>)`, two inputs, of which the first A columns of the data go to the first, the next B to the second.
pub trait Example {
    /// Numbers in one.
    const WIDTH: usize;
    /// A batch without a tape.
    type Batch;
    /// A batch on a tape; of several tensors each is.
    type Taped;

    /// A batch of `numbers`, as a dataset has them (images as height x width x channels).
    ///
    /// # Errors
    /// When dfdx finds no memory.
    fn batch(device: &Cpu, numbers: &[f32]) -> Result<Self::Batch>;

    /// The batch with a tape.
    fn taped(batch: Self::Batch) -> Self::Taped;

    /// Refuses data whose examples are of another shape.
    ///
    /// # Errors
    /// When they are.
    fn check(data: &Dataset) -> Result<()>;
}

impl<const I: usize> Example for (Const<I>,) {
    const WIDTH: usize = I;
    type Batch = Tensor<(usize, Const<I>), f32, Cpu>;
    type Taped = Taped<(usize, Const<I>)>;

    fn batch(device: &Cpu, numbers: &[f32]) -> Result<Self::Batch> {
        let shape = (numbers.len() / I.max(1), Const::<I>);
        device
            .try_tensor_from_vec(numbers.to_vec(), shape)
            .map_err(no_memory)
    }

    fn taped(batch: Self::Batch) -> Self::Taped {
        batch.leaky_traced()
    }

    fn check(data: &Dataset) -> Result<()> {
        check_width(data, I, "the model takes")
    }
}

impl<const C: usize, const H: usize, const W: usize> Example for (Const<C>, Const<H>, Const<W>) {
    const WIDTH: usize = C * H * W;
    type Batch = Tensor<(usize, Const<C>, Const<H>, Const<W>), f32, Cpu>;
    type Taped = Taped<(usize, Const<C>, Const<H>, Const<W>)>;

    fn batch(device: &Cpu, numbers: &[f32]) -> Result<Self::Batch> {
        let rows = numbers.len() / Self::WIDTH.max(1);
        let theirs = permuted(numbers, &[rows, H, W, C], &TO_PYTORCH);
        device
            .try_tensor_from_vec(theirs, (rows, Const, Const, Const))
            .map_err(no_memory)
    }

    fn taped(batch: Self::Batch) -> Self::Taped {
        batch.leaky_traced()
    }

    fn check(data: &Dataset) -> Result<()> {
        check_width(data, Self::WIDTH, "the model takes")?;
        let image = Shape::from((H, W, C));
        if data.shape() == image {
            return Ok(());
        }
        Err(Error::data(format!(
            "expected {image}, as the model takes, found {}",
            data.shape()
        ))
        .at(format!("dataset {}", data.name()))
        .fix("if the numbers are such images, row by row, say so with Dataset::with_shape((height, width, channels))"))
    }
}

impl<const A: usize, const B: usize> Example for ((Const<A>,), (Const<B>,)) {
    const WIDTH: usize = A + B;
    type Batch = (
        Tensor<(usize, Const<A>), f32, Cpu>,
        Tensor<(usize, Const<B>), f32, Cpu>,
    );
    type Taped = (Taped<(usize, Const<A>)>, Taped<(usize, Const<B>)>);

    fn batch(device: &Cpu, numbers: &[f32]) -> Result<Self::Batch> {
        let rows = numbers.chunks_exact(Self::WIDTH.max(1));
        let (first, second): (Vec<&[f32]>, Vec<&[f32]>) = rows.map(|row| row.split_at(A)).unzip();
        Ok((
            <(Const<A>,)>::batch(device, &first.concat())?,
            <(Const<B>,)>::batch(device, &second.concat())?,
        ))
    }

    fn taped((first, second): Self::Batch) -> Self::Taped {
        (first.leaky_traced(), second.leaky_traced())
    }

    fn check(data: &Dataset) -> Result<()> {
        check_width(data, Self::WIDTH, &format!("the model takes as {A} and {B}"))
    }
}

fn check_width(data: &Dataset, width: usize, taken: &str) -> Result<()> {
    if data.width() == width && width > 0 {
        return Ok(());
    }
    Err(Error::data(format!(
        "expected {width} numbers an example, which {taken}, found {}",
        data.width()
    ))
    .at(format!("dataset {}", data.name()))
    .fix("give the model an input of the width of the examples"))
}
