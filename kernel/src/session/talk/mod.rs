//! What the cells' process says, and to whom it goes.
//!
//! [`pipes`] are the kernel's ends, [`merge`] puts text and messages in order, [`pump`] hands them on; [`protocol`] says
//! what a message means, and [`teller`] what is told of it. [`charts`] keeps charts that change from flickering, [`dbg`](self::dbg) puts the cell's lines
//! into what `dbg!` prints, [`comms`] carries what widgets say, [`asking`] what a cell asks its user.

pub mod asking;
pub mod charts;
pub mod comms;
pub mod dbg;
pub mod merge;
pub mod pipes;
pub mod protocol;
pub mod pump;
pub mod teller;
