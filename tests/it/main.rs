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

mod cases;
mod cli;
mod conditions;
mod descriptions;
mod devices;
mod explain;
mod faults;
mod fuzz;
mod generated;
mod golden;
mod golden_live;
mod isolation;
mod judging;
mod limits;
mod lint;
mod live;
mod matrix;
mod mutation;
mod nvidia_edges;
mod pasted;
mod project;
mod python;
mod python_scale;
mod real_accelerators;
mod real_compute;
mod real_cuda;
mod real_cudnn;
mod real_directml;
mod real_drivers;
mod real_kernels;
mod real_onnx;
mod real_rocm;
mod real_webgpu;
mod replay;
mod schema;
mod sides;
mod supply;
mod systems;
mod tool;
mod torch_backends;
mod transcripts;
mod trust;
mod what_if;
mod windows;
mod worlds;
