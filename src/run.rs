//! From arguments to an exit code: 0 fine, 1 findings or an unmet requirement, 2 the tool could not do its work, 3 nothing
//! wrong was found and a required answer is unknown. A sick machine is never 2; a closed pipe is 0.

#![expect(clippy::disallowed_methods, reason = "the live host is told which program this is, and what the user named")]

mod wsl;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use accelprobe_probes::PROBES;
use accelprobe_probes::fact::{Fact, Origin, Report};
use accelprobe_probes::host::live::Live;
use accelprobe_probes::host::memo::{Heard, Memo};
use accelprobe_probes::host::recording::Recording;
use accelprobe_probes::host::{Host, Question};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::cli::{Cli, Command, Doctor, Explain, Look, Probe, Record, ShowMatrix, Source};
use crate::diagnosis::{self, Diagnosis, Outcome};
use crate::input::{self, Input};
use crate::judge::{self, Asked};
use crate::project;
use crate::render::matrix::Tables;
use crate::render::{self, Format, View};
use crate::sides;
use crate::spec::Spec;

/// Everything together must be over by then, where no other time is given.
const DEADLINE: Duration = Duration::from_secs(45);
/// The same where devices also compute.
const DEEP_DEADLINE: Duration = Duration::from_secs(75);
/// What is asked whatever `--only` says: without it nothing can be judged.
const ALWAYS: &[&str] = &["environment", "windows", "wsl", "wsl2", "machine", "bus", "python"];
/// The width of output that goes to no terminal, and the greatest one that is pleasant to read.
const WIDTH: usize = 80;
const WIDEST: usize = 110;

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output, mistakes to standard error; a closed pipe concerns neither.
            _ = error.print();
            let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return ExitCode::from(if asked_for { 0 } else { 2 });
        }
    };
    let done = match cli.command {
        None => doctor(&cli.doctor),
        Some(Command::Doctor(options)) => doctor(&options),
        Some(Command::Probe(options)) => probe(options),
        Some(Command::Matrix(options)) => show_matrix(&options),
        Some(Command::Explain(options)) => explain(&options),
        Some(Command::Record(options)) => record(&options),
        Some(Command::Schema { of }) => print(&(of.schema() + "\n")),
        Some(Command::Completions { shell }) => {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "accelprobe", &mut out);
            print(&String::from_utf8_lossy(&out))
        }
        Some(Command::Man) => manual().and_then(|manual| print(&manual)),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            // Messages quote files and arguments. Where standard error is closed, there is nobody left to tell.
            let lines: Vec<String> = message.lines().map(render::printable).collect();
            _ = writeln!(anstream::stderr(), "error: {}", lines.join("\n"));
            ExitCode::from(2)
        }
    }
}

fn doctor(options: &Doctor) -> Result<u8, String> {
    let specs = |texts: &[String], flag: &str| {
        let parse = |text: &String| Spec::parse(text).map_err(|mistake| format!("{flag}: {mistake}"));
        texts.iter().map(parse).collect::<Result<Vec<_>, _>>()
    };
    let mut asked = Asked {
        edition: options.edition,
        wants: specs(&options.want, "--want")?,
        project: project::read(&options.requirements, &input::text_of)?,
        requirements: specs(&options.require, "--require")?,
    };
    let (subject, other) = Subject::all(&options.source)?;
    let mut reading = None;
    if let Subject::Read(Input::Description(description)) = &subject {
        asked.wants.splice(0..0, description.wants.iter().cloned());
        reading.clone_from(&description.reading);
    }
    // The matrix is read while the drivers are asked.
    let folder = options.matrix.clone();
    let in_background = thread::Builder::new().spawn(move || input::matrix(folder.as_deref()));
    let report = gather(subject, &options.source)?;
    let other = match (other, &options.wsl) {
        (Some(other), _) => Some(gather(other, &options.source)?),
        (None, Some(distribution)) => Some(in_wsl(&options.source.look, distribution)?),
        (None, None) => None,
    };
    let matrix = match in_background.map(thread::JoinHandle::join) {
        Ok(Ok(matrix)) => matrix?,
        _ => input::matrix(options.matrix.as_deref())?,
    };
    let judge = |report| judge::judge(report, &matrix, &asked).map_err(|mistake| mistake.to_string());
    let mut diagnosis = judge(report)?;
    diagnosis.reading = reading;
    diagnosis.sides = match other.map(judge).transpose()? {
        Some(other) => Some(sides::of_two(&diagnosis, other, &matrix)?),
        None => sides::of_one(&diagnosis, &matrix),
    };
    let shown = match options.output.format() {
        Format::Json => write(&json(&diagnosis))?,
        format => write(&text(&render::doctor::view(&diagnosis), format))?,
    };
    // Who closed the pipe does not look at the exit code of what is behind it.
    Ok(if shown == Shown::Whole { exit_code(&diagnosis, options) } else { 0 })
}

fn exit_code(diagnosis: &Diagnosis, options: &Doctor) -> u8 {
    let other = diagnosis.sides.as_ref().and_then(|sides| sides.other.as_deref());
    let both = || std::iter::once(diagnosis).chain(other);
    let found = both().flat_map(|one| &one.findings).any(|finding| options.fail_on.counts(finding.severity));
    let turned_out =
        |wanted: &[Outcome]| both().flat_map(|one| &one.requirements).any(|one| wanted.contains(&one.verdict));
    match () {
        () if found || turned_out(&[Outcome::Broken, Outcome::NotApplicable]) => 1,
        () if turned_out(&[Outcome::Unknown]) => 3,
        () => 0,
    }
}

fn probe(mut options: Probe) -> Result<u8, String> {
    options.source.only.append(&mut options.systems);
    let report = gather(Subject::new(&options.source)?, &options.source)?;
    match options.output.format() {
        Format::Json => {
            let value = serde_json::json!({ "format": diagnosis::FORMAT, "report": report });
            print(&json(&value))
        }
        format => show(&render::probe::view(&report), format),
    }
}

fn show_matrix(options: &ShowMatrix) -> Result<u8, String> {
    let matrix = input::matrix(options.matrix.as_deref())?;
    let tables = Tables::new(&matrix, options.edition, options.table.tables());
    match options.output.format() {
        Format::Json => print(&json(&tables)),
        format => show(&tables.view(), format),
    }
}

fn explain(options: &Explain) -> Result<u8, String> {
    let matrix = input::matrix(options.matrix.as_deref())?;
    let names = render::explain::names(&matrix);
    let Some(name) = &options.name else { return print(&(names.join("\n") + "\n")) };
    let view = render::explain::view(&matrix, name).or_else(|| render::explain::view(&matrix, &name.to_lowercase()));
    match view {
        Some(view) if options.format == Format::Json => {
            let page = serde_json::json!({ "format": diagnosis::FORMAT, "name": name, "markdown": view.markdown() });
            print(&json(&page))
        }
        Some(view) => show(&view, options.format),
        None => {
            let message = accelprobe_probes::unknown("name", name, names.iter().copied());
            Err(format!("{message}\n`accelprobe explain` lists all names"))
        }
    }
}

fn record(options: &Record) -> Result<u8, String> {
    let host = live(&options.look)?;
    gather_live(&host, &Source::default());
    let heard = host.heard().into_iter().map(|(question, heard)| (question, heard.answer));
    let name = if options.host.is_empty() { "a machine" } else { &options.host };
    let recording = Recording::of(name.to_owned(), "live", heard).to_toml();
    match &options.output {
        // A file keeps every letter; a terminal may be steered by some.
        None if io::stdout().is_terminal() => {
            let lines: Vec<String> = recording.lines().map(render::printable).collect();
            print(&(lines.join("\n") + "\n"))
        }
        None => print(&recording),
        Some(path) => input::write_new(path, &recording).map(|()| 0),
    }
}

/// What is looked at: this machine, or what `--from` names.
enum Subject {
    Live(Arc<Memo<Live>>),
    Read(Input),
}

impl Subject {
    /// Before any other thread is started: only then does an interrupt reach the one that cleans up.
    fn new(source: &Source) -> Result<Subject, String> {
        match source.from.len() {
            0 | 1 => Subject::all(source).map(|(subject, _)| subject),
            _ => Err("--from is given more than once: only `doctor` puts two beside each other".to_owned()),
        }
    }

    /// The one, and what stands beside it where two inputs are named.
    fn all(source: &Source) -> Result<(Subject, Option<Subject>), String> {
        let known = |name: &&String| !PROBES.iter().any(|probe| probe.name == name.as_str());
        if let Some(unknown) = source.only.iter().chain(&source.skip).find(known) {
            return Err(accelprobe_probes::unknown("system", unknown, PROBES.iter().map(|probe| probe.name)));
        }
        if !source.from.is_empty() && (source.look.deep || !source.look.python.is_empty()) {
            return Err("--deep and --python look at this machine: they do not go with --from".to_owned());
        }
        let read = |path: &PathBuf| input::read(path).map(Subject::Read);
        match source.from.as_slice() {
            [] => live(&source.look).map(|host| (Subject::Live(host), None)),
            [one] => read(one).map(|one| (one, None)),
            [one, other] => Ok((read(one)?, Some(read(other)?))),
            _ => Err("--from is given more than twice: two machines are put beside each other, no more".to_owned()),
        }
    }
}

/// The facts, then with what `--set` says instead.
fn gather(subject: Subject, source: &Source) -> Result<Report, String> {
    let mut complete = None;
    let mut report = match subject {
        Subject::Live(host) => gather_live(&host, source),
        Subject::Read(Input::Report(report)) => report,
        Subject::Read(Input::Description(description)) => {
            let (facts, whole) = description.into_facts();
            complete = whole;
            Report { probes: Vec::new(), facts }
        }
        Subject::Read(Input::Recording(recording)) => {
            accelprobe_probes::replay(&*recording, |name| wanted(source, name))
        }
    };
    input::what_if(&mut report, &source.set, complete.as_deref())?;
    // What is read tells of everything, whatever is asked for.
    report.probes.retain(|asked| wanted(source, &asked.name));
    let of = |fact: &Fact| PROBES.iter().find(|probe| probe.keys.contains(&fact.key)).map(|probe| probe.name);
    let is_set = |fact: &Fact| matches!(&fact.origin, Origin::Given(how) if how == input::SET);
    report.facts.retain(|fact| is_set(fact) || of(fact).is_none_or(|probe| wanted(source, probe)));
    Ok(report)
}

/// The probes on whose facts a system stands: how a framework stands is how the API stands that it was built for.
fn below(system: &str) -> &'static [&'static str] {
    match system {
        "cuda" => &["nvidia-driver"],
        "pytorch" | "tensorflow" | "jax" => {
            &["nvidia-driver", "cuda", "rocm", "directml", "intel-extensions", "apple-coreml-mps"]
        }
        "onnxruntime" => {
            &["nvidia-driver", "cuda", "rocm", "directml", "vulkan", "webgpu", "openvino", "apple-coreml-mps"]
        }
        "tflite" => &["directml", "vulkan", "webgpu", "opencl", "apple-coreml-mps"],
        _ => &[],
    }
}

fn wanted(source: &Source, name: &str) -> bool {
    let listed = |list: &[String]| list.iter().any(|listed| listed == name);
    let chosen = source.only.is_empty() || listed(&source.only) || ALWAYS.contains(&name);
    let needed = source.only.iter().any(|only| below(only).contains(&name));
    (chosen || needed) && !listed(&source.skip)
}

/// What the Linux build of this program finds in a distribution of WSL2.
fn in_wsl(look: &Look, distribution: &str) -> Result<Report, String> {
    let host = live(look)?;
    let program = this_program();
    let found = wsl::report(host.inner(), program.parent(), distribution);
    host.inner().finish();
    found.map_err(|message| format!("--wsl: {message}"))
}

fn gather_live(host: &Arc<Memo<Live>>, source: &Source) -> Report {
    let shared: Arc<dyn Host> = host.clone();
    let report = accelprobe_probes::collect(&shared, host.inner().time_left(), |name| wanted(source, name));
    host.inner().finish();
    if source.trace {
        trace(&host.heard());
    }
    report
}

fn live(look: &Look) -> Result<Arc<Memo<Live>>, String> {
    let program = this_program();
    let mut told = Vec::new();
    if look.deep {
        told.push(("deep", "yes".to_owned()));
    }
    if !look.python.is_empty() {
        // What is not there is a slip of the pen; a path that is no text could not be asked about.
        let text = |path: &PathBuf| {
            let shown = path.display();
            let absolute = std::path::absolute(path).and_then(|path| path.metadata().map(|_| path));
            let absolute = absolute.map_err(|error| format!("--python {shown}: {error}"))?;
            absolute.to_str().map(str::to_owned).ok_or_else(|| format!("--python {shown}: not a path in UTF-8"))
        };
        let paths = look.python.iter().map(text).collect::<Result<Vec<_>, String>>()?;
        told.push(("python", paths.join("\n")));
    }
    let each = look.timeout.map(Duration::from_secs_f64);
    // Two questions may follow one another in a probe, three where devices compute; the rest is for everything that is
    // not a child.
    let (in_turn, whole) = if look.deep { (3, DEEP_DEADLINE) } else { (2, DEADLINE) };
    let deadline = each.map_or(whole, |each| (each * in_turn + Duration::from_secs(2)).max(whole.min(each * 3)));
    let host = Arc::new(Memo::new(Live::new(program, deadline, each, told)));
    Live::finish_on_interrupt(&host);
    Ok(host)
}

/// The path of this program: by the system, or where that does not tell (Linux without /proc), as it was called, unless by a
/// bare name or below the working directory. Without one no child can be started, and what children answer is unknown.
fn this_program() -> PathBuf {
    let called = || std::env::args_os().next().map(PathBuf::from).filter(|path| path.is_absolute());
    std::env::current_exe().ok().or_else(called).unwrap_or_default()
}

fn trace(heard: &[(Question, Heard)]) {
    let mut err = anstream::stderr().lock();
    for (question, Heard { answer, time }) in heard {
        let answer = match answer {
            Ok(text) => render::printable(text.trim()),
            Err(missing) => format!("! {}", render::printable(&missing.to_string())),
        };
        let short: String = answer.chars().take(200).collect();
        let more = if short.len() < answer.len() { " ..." } else { "" };
        // The trace is for a person who watches; where nobody does, nothing is lost.
        let question = render::printable(&question.to_string());
        _ = writeln!(err, "{:>8.1} ms  {question}\n             {short}{more}", time.as_secs_f64() * 1e3);
    }
}

fn json<T: serde::Serialize>(value: &T) -> String {
    render::spelled_out(serde_json::to_string_pretty(value).unwrap_or_default()) + "\n"
}

fn show(view: &View, format: Format) -> Result<u8, String> {
    print(&text(view, format))
}

fn text(view: &View, format: Format) -> String {
    if format == Format::Markdown {
        return view.markdown();
    }
    let width = match terminal_size::terminal_size() {
        Some((width, _)) if io::stdout().is_terminal() => usize::from(width.0).min(WIDEST),
        _ => WIDTH,
    };
    // The stream takes colour out where it is not wanted.
    view.terminal(width, true)
}

fn print(text: &str) -> Result<u8, String> {
    write(text).map(|_| 0)
}

/// How much of a result somebody read.
#[derive(PartialEq, Eq)]
enum Shown {
    /// All of it.
    Whole,
    /// As much as the reader wanted, who then went away.
    InPart,
}

/// Writes to standard output.
fn write(text: &str) -> Result<Shown, String> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(Shown::Whole),
        Err(error) if nobody_reads(&error) => Ok(Shown::InPart),
        Err(error) => Err(format!("standard output: {error}")),
    }
}

fn nobody_reads(error: &io::Error) -> bool {
    // Windows has a second number for it, which `ErrorKind` does not know.
    const ERROR_PIPE_NOT_CONNECTED: i32 = 233;
    let not_connected = cfg!(windows) && error.raw_os_error() == Some(ERROR_PIPE_NOT_CONNECTED);
    error.kind() == io::ErrorKind::BrokenPipe || not_connected
}

fn manual() -> Result<String, String> {
    let mut out = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut out).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}
