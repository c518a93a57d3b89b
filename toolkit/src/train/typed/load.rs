//! [`Load`]: typed models take over the numbers in a file.

use std::path::Path;

use dfdx::prelude::{Cpu, TensorCollection};

use super::super::file;
use super::tensors::{read, write};
use crate::net::Role;
use crate::{Error, Result};

/// Numbers from files, for any typed dfdx model.
pub trait Load {
    /// Takes over the numbers of the typed model in a file written by [`Run::save`](crate::train::Run::save) or a
    /// checkpoint: those of the best check, where held-out examples were watched. The model must have the same tensors, by
    /// name and shape; what a file does not hold (the share of dropout, an epsilon) stays as it is. With an error nothing
    /// changes.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged or foreign, or holds a network or a model with other tensors.
    fn load(&mut self, path: impl AsRef<Path>) -> Result<()>;
}

impl<M: TensorCollection<f32, Cpu>> Load for M {
    fn load(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let file = file::read(path)?;
        let wrong = |what: String| Error::spec(what).at(path.display().to_string());
        if file.label.spec.is_some() {
            return Err(wrong(format!(
                "expected a dfdx model, found the network {}",
                file.label.model
            ))
            .fix("read it with Network::load"));
        }
        let own = read(self)?.tensors;
        let own: Vec<_> = own
            .iter()
            .map(|tensor| {
                (
                    tensor.name.as_str(),
                    &tensor.shape[..],
                    tensor.role == Role::Running,
                )
            })
            .collect();
        let theirs: Vec<_> = file
            .tensors
            .iter()
            .map(|tensor| (tensor.name.as_str(), &tensor.shape[..], tensor.running))
            .collect();
        if own != theirs {
            let at = own
                .iter()
                .zip(&theirs)
                .take_while(|(own, theirs)| own == theirs)
                .count();
            let words = |tensors: &[(&str, &[usize], bool)]| match tensors.get(at) {
                Some((name, shape, _)) => format!("tensor {name} of {shape:?}"),
                None => format!("no more than {at} tensors"),
            };
            return Err(wrong(format!(
                "expected the numbers of {}, found those of {}: {} here, {} in the file",
                std::any::type_name::<M>(),
                file.label.model,
                words(&own),
                words(&theirs)
            ))
            .fix("load into a model of the type that was trained"));
        }
        write(self, &file.parameters, &file.buffers);
        Ok(())
    }
}
