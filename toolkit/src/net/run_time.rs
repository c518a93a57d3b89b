//! [`AtRunTime`]: tensors of any size among those that dfdx's optimizers move.

use dfdx::prelude::{Axis, ConstShape, HasAxes, ReduceShape, ReduceShapeTo, Shape};

/// The sizes of shape `S`, not known before run time, where dfdx asks for one that is known: tensors that a module holds.
/// What dfdx does to those needs their number of elements alone, which it takes from the tensor; it cannot build one of
/// this shape, nor reduce one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtRunTime<S: Shape>(S::Concrete);

impl<S: Shape> Default for AtRunTime<S> {
    fn default() -> Self {
        Self(Default::default())
    }
}

impl<S: Shape> Shape for AtRunTime<S> {
    const NUM_DIMS: usize = S::NUM_DIMS;
    type Concrete = S::Concrete;
    type AllAxes = Axis<0>;
    type LastAxis = Axis<0>;

    fn concrete(&self) -> Self::Concrete {
        self.0
    }

    fn from_concrete(concrete: &Self::Concrete) -> Option<Self> {
        Some(Self(*concrete))
    }
}

impl<S: Shape> ConstShape for AtRunTime<S> {
    const NUMEL: usize = 0;
}

impl<S: Shape> HasAxes<Axis<0>> for AtRunTime<S> {
    fn size(&self) -> usize {
        self.0[0]
    }
}

impl<S: Shape> ReduceShapeTo<(), Axis<0>> for AtRunTime<S> {}

impl<S: Shape> ReduceShape<Axis<0>> for AtRunTime<S> {
    type Reduced = ();
}
