//! `accelprobe`: which compute APIs work on this machine, which frameworks can use them, and what to do about the rest.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use accelprobe_probes::child;

fn main() -> ExitCode {
    child::begin();
    // Before anything else: a child is started many times, and has nothing to do with the command line.
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == child::SUBCOMMAND) {
        child::main(arguments.map(|argument| argument.to_string_lossy().into_owned()));
    }
    accelprobe::run::main()
}
