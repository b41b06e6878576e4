//! Native Windows beside WSL2 on one machine: what works on either side, what would, and what it takes to get to the other one.
//!
//! The side that was looked at is told as it is. The other one is supposed: the same GPUs and the same driver, which both
//! share, in the other environment, judged by the same rules as every machine that somebody describes. Where both were looked
//! at, nothing is supposed.

mod cell;
mod supposed;
mod way;

use schemars::JsonSchema;
use serde::Serialize;

use crate::diagnosis::Diagnosis;
use crate::judge::{Asked, judge};
use crate::matrix::{Matrix, Remedy, System};

pub use cell::{Cell, Standing};

/// Native Windows beside WSL2.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Sides {
    /// Whether native Windows was looked at; what is told of it is supposed otherwise.
    pub windows_seen: bool,
    /// Whether WSL2 was looked at.
    pub wsl2_seen: bool,
    /// Every system of the matrix.
    pub rows: Vec<Row>,
    /// What it takes to get to the side that was not looked at.
    pub way: Option<Remedy>,
    /// All that was found on the other side, where both were looked at.
    pub other: Option<Box<Diagnosis>>,
}

/// One system on both sides.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Row {
    /// Its id.
    pub system: String,
    /// Its name where there is little room.
    pub label: String,
    /// On native Windows.
    pub windows: Cell,
    /// In WSL2.
    pub wsl2: Cell,
}

/// A side of the fence.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Windows,
    Wsl2,
}

impl Side {
    /// The side that a machine is on. A container has no other side.
    fn of(diagnosis: &Diagnosis) -> Option<Side> {
        match diagnosis.host.environment.as_deref() {
            _ if diagnosis.host.container == Some(true) => None,
            Some("windows") => Some(Side::Windows),
            Some("wsl2") => Some(Side::Wsl2),
            _ => None,
        }
    }

    fn other(self) -> Side {
        match self {
            Side::Windows => Side::Wsl2,
            Side::Wsl2 => Side::Windows,
        }
    }

    /// The name of its environment.
    fn id(self) -> &'static str {
        match self {
            Side::Windows => "windows",
            Side::Wsl2 => "wsl2",
        }
    }
}

/// The side that was looked at beside the other one; nothing where a machine has no other side.
pub fn of_one(diagnosis: &Diagnosis, matrix: &Matrix) -> Option<Sides> {
    let here = Side::of(diagnosis)?;
    let there = supposed::report(diagnosis, here.other())?;
    let there = judge(there, matrix, &plain(diagnosis)).ok()?;
    let own = without_wants(diagnosis, matrix);
    let own = own.as_ref().unwrap_or(diagnosis);
    let rows = match here {
        Side::Windows => rows(own, &there, matrix),
        Side::Wsl2 => rows(&there, own, matrix),
    };
    let way = way::to_other_side(diagnosis, &there, matrix);
    Some(Sides { windows_seen: here == Side::Windows, wsl2_seen: here == Side::Wsl2, rows, way, other: None })
}

/// Two diagnoses, one of native Windows and one of WSL2, beside each other.
///
/// # Errors
///
/// Where they are not one of each.
pub fn of_two(one: &Diagnosis, other: Diagnosis, matrix: &Matrix) -> Result<Sides, String> {
    let (windows, wsl2) = match (Side::of(one), Side::of(&other)) {
        (Some(Side::Windows), Some(Side::Wsl2)) => (one, &other),
        (Some(Side::Wsl2), Some(Side::Windows)) => (&other, one),
        _ => {
            let named = |diagnosis: &Diagnosis| {
                let inside = if diagnosis.host.container == Some(true) { " in a container" } else { "" };
                format!("{}{inside}", diagnosis.host.environment.as_deref().unwrap_or("an unknown environment"))
            };
            return Err(format!(
                "two inputs are compared where one is of native Windows and the other of WSL2; these are of {} and of {}",
                named(one),
                named(&other)
            ));
        }
    };
    let (own, others) = (without_wants(windows, matrix), without_wants(wsl2, matrix));
    let rows = rows(own.as_ref().unwrap_or(windows), others.as_ref().unwrap_or(wsl2), matrix);
    Ok(Sides { windows_seen: true, wsl2_seen: true, rows, way: None, other: Some(Box::new(other)) })
}

/// What is asked of a side: how everything stands, and nothing wanted.
fn plain(diagnosis: &Diagnosis) -> Asked {
    Asked { edition: diagnosis.edition, ..Asked::default() }
}

/// The same machine where nobody wants anything: then every framework is told. Nothing where that is so already.
fn without_wants(diagnosis: &Diagnosis, matrix: &Matrix) -> Option<Diagnosis> {
    let wanted = !diagnosis.wants.is_empty() || !diagnosis.projects.is_empty();
    wanted.then(|| judge(diagnosis.report.clone(), matrix, &plain(diagnosis)).ok()).flatten()
}

fn rows(windows: &Diagnosis, wsl2: &Diagnosis, matrix: &Matrix) -> Vec<Row> {
    let row = |system: &System| Row {
        system: system.id.clone(),
        label: system.short_name().to_owned(),
        windows: cell::cell(windows, system, matrix),
        wsl2: cell::cell(wsl2, system, matrix),
    };
    matrix.systems.iter().map(row).collect()
}
