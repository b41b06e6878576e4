//! One test binary: linking is what costs on two cores.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "tests touch the machine, and panic where something is wrong"
)]

mod cli;
mod generated;
mod isolation;
mod judging;
mod live;
mod matrix;
mod python_scale;
mod real_drivers;
mod real_kernels;
mod replay;
mod schema;
mod tool;
