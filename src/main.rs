//! `accelprobe`: which compute APIs work on this machine, which frameworks can use them, and what to do about the rest.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use accelprobe_probes::child;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    // Before anything else: a child is started many times, and has nothing to do with the command line.
    if arguments.next().as_deref() == Some(child::SUBCOMMAND) {
        child::main(arguments);
    }
    accelprobe::run::main()
}
