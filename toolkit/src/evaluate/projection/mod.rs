//! An embedding in the plane: its [`View`] as a chart, and the ways there from more dimensions. [`Pca`] looks at the data
//! from where they spread most, [`Tsne`] and [`Umap`] keep neighbours near; [`trustworthiness`] says how far to believe a picture.

mod neighbors;
mod pca;
#[cfg(test)]
mod tests;
mod tsne;
mod umap;
mod view;

pub use neighbors::trustworthiness;
pub use pca::Pca;
pub use tsne::Tsne;
pub use umap::Umap;
pub use view::View;
