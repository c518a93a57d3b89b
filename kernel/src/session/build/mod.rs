//! Compiling cells: quick, because what a cell can name is built once and for all.
//!
//! [`toolkit`] builds and links what cells are compiled against, [`skeleton`] and [`graph`] cut down what
//! rust-analyzer has to read of it. [`home`] makes the private folder in which evcxr finds this program in the place of
//! cargo, rustup and the linker; [`stand_in`] is this program in those roles. It reads what evcxr has written
//! ([`manifest`], [`source`]), runs it with a runtime at hand ([`asynchronous`]), gives its statics one memory ([`statics`]), makes it small ([`lean`], with what [`types`] knows of the variables' types, and [`spelling`] and [`preferred`] find out, both [`known`] to the next cell), says where values show themselves ([`displays`]), has rustc compile it ([`compile`]) and links it
//! ([`linker`]); [`deps`] builds, and [`dylib`] puts in one library, what a notebook adds beyond what is [`carried`], [`metadata`] and [`answers`] tell evcxr what cargo would.
//! [`syntax`] asks rustc whether a cell can be read at all. [`warnings`] are those that are told. [`lines`] finds a cell's line behind a panic in a library. [`folder`] makes the folders of kernels; [`private`], [`files`] and [`mask`] are what all of them stand on.

pub mod answers;
pub mod asynchronous;
pub mod beginnings;
pub mod carried;
pub mod compile;
pub mod deps;
pub mod displays;
pub mod dylib;
pub mod early_return;
pub mod files;
pub mod folder;
pub mod graph;
pub mod home;
pub mod known;
pub mod lean;
pub mod lines;
pub mod linker;
pub mod macros;
pub mod manifest;
pub mod mask;
pub mod metadata;
pub mod preferred;
pub mod private;
pub mod reached;
pub mod said;
pub mod skeleton;
pub mod source;
pub mod spelling;
pub mod stand_in;
pub mod statics;
pub mod syntax;
pub mod toolkit;
pub mod types;
pub mod warnings;
