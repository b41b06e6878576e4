//! JAX: in which Python environments it is, and which plugin gives it an accelerator.
//!
//! JAX itself is Python, `jaxlib` holds the compiler, and a plugin holds what computes on CUDA, ROCm or Metal. Their names and
//! versions tell; nothing is imported. It cannot tell whether a plugin would find the libraries that it opens while it runs.
//! References: JAX's installation page; its plugins `jax-cuda12-plugin`, `jax-cuda13-plugin`, `jax-rocm7-plugin`, `jax-metal`.

use crate::Probe;
use crate::fact::{Fact, Value, version};
use crate::framework::{self, Installed, ask_libraries, installed};
use crate::host::{Host, Question};
use crate::python::{PACKAGE_BUILD, PACKAGE_CUDA, PACKAGE_ROCM};

/// See the module.
pub static PROBE: Probe = Probe {
    name: "jax",
    keys: &[],
    ask,
    climb: Some(|report| framework::climb(report, NAMES)),
    native: None,
    seconds: 5,
};

const NAMES: &[&str] = &["jax"];

fn ask(host: &dyn Host) -> Vec<Fact> {
    installed(host, NAMES).iter().flat_map(|copy| ask_copy(host, copy)).collect()
}

fn ask_copy(host: &dyn Host, copy: &Installed) -> Vec<Fact> {
    let origin = Question::List(copy.package.site.clone());
    // `12` of `jax-cuda12-plugin`.
    let plugin = |api: &str| {
        copy.environment
            .packages
            .keys()
            .find_map(|name| Some(name.strip_prefix(api)?.strip_suffix("-plugin")?.to_owned()))
    };
    // Before there were plugins, the label of jaxlib told.
    let label =
        copy.environment.packages.get("jaxlib").and_then(|jaxlib| jaxlib.version.as_deref()?.split_once("+cuda"));
    let (cuda, rocm) = (plugin("jax-cuda"), plugin("jax-rocm"));
    let kind = match () {
        () if cuda.is_some() || label.is_some() => "cuda",
        () if rocm.is_some() => "rocm",
        () if copy.environment.packages.contains_key("jax-metal") => "metal",
        () => "cpu",
    };
    let mut facts = vec![PACKAGE_BUILD.of(copy.subject(), Value::from(kind), &origin)];
    facts.extend(cuda.as_deref().map(|major| PACKAGE_CUDA.of(copy.subject(), version(major), &origin)));
    facts.extend(rocm.as_deref().map(|major| PACKAGE_ROCM.of(copy.subject(), version(major), &origin)));
    if let Some(major) = &cuda {
        let folder = format!("jax_plugins/xla_cuda{major}");
        facts.extend(ask_libraries(host, copy, &folder, &["xla_cuda_plugin.so"], &[]));
    }
    facts
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fact::{Report, Subject};
    use crate::host::recording::Recording;

    #[test]
    fn a_plugin_says_what_jax_computes_on() {
        for (listing, kind, cuda) in [
            ("jax-0.5.0.dist-info\njaxlib-0.5.0.dist-info", "cpu", None),
            (
                "jax-0.5.0.dist-info\njax_cuda12_plugin-0.5.0.dist-info\njax_cuda12_pjrt-0.5.0.dist-info",
                "cuda",
                Some("12"),
            ),
            ("jax-0.4.13.dist-info\njaxlib-0.4.13+cuda12.cudnn89.dist-info", "cuda", None),
            ("jax-0.8.0.dist-info\njax_rocm7_plugin-0.8.0.dist-info", "rocm", None),
        ] {
            let mut host = Recording::of(
                String::new(),
                "test",
                [
                    (Question::System, Ok("linux x86_64".to_owned())),
                    (Question::Env("VIRTUAL_ENV".into()), Ok("/e".into())),
                    (Question::List("/e/lib".into()), Ok("python3.12".into())),
                    (Question::List("/e/lib/python3.12/site-packages".into()), Ok(listing.into())),
                ],
            );
            host.complete = true;
            let report = Report { probes: Vec::new(), facts: ask(&host) };
            let jax = Subject::Package { environment: "/e".into(), name: "jax".into() };
            assert_eq!(report.about(&jax, "package-build").unwrap().to_string(), kind);
            assert_eq!(report.about(&jax, "package-cuda").map(Value::to_string).as_deref(), cuda);
        }
    }
}
