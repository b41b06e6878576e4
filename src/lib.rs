//! Judges what the probes found and shows it. Asks the machine nothing: that is the package `accelprobe-probes`.
//!
//! See docs/ARCHITECTURE.md for the way through the files.

#![forbid(unsafe_code)]

pub mod cli;
pub mod diagnosis;
pub mod input;
pub mod judge;
pub mod matrix;
pub mod project;
pub mod render;
pub mod run;
pub mod sides;
pub mod spec;
