//! What somebody wants of a product, and where it is to be installed.

use accelprobe_probes::fact::{Subject, Value};
use accelprobe_probes::version::{Range, Version};

use super::commands;
use crate::judge::known::Known;
use crate::matrix::{Build, Product};
use crate::spec::Spec;

/// What somebody wants of a product.
#[derive(Clone, Copy, Default)]
pub(in crate::judge) struct Wish<'s> {
    /// The releases; all where none are named.
    pub range: Option<&'s Range>,
    /// Extras such as `cuda12`, by which some packages name their builds.
    pub extras: &'s [String],
    /// The package that is named, where several are builds of one product.
    pub package: Option<&'s str>,
    /// The label of the build that is named, as an index of a project may name it.
    pub build: Option<&'s str>,
}

/// What a want wishes of a product.
pub(in crate::judge) fn wish(spec: &Spec) -> Wish<'_> {
    Wish { range: spec.range.as_ref(), extras: &spec.extras, package: Some(&spec.name), build: spec.build.as_deref() }
}

impl Wish<'_> {
    /// Whether everything will do.
    pub(in crate::judge) fn is_open(&self, product: &Product) -> bool {
        self.range.is_none() && product.build.iter().all(|build| self.takes(product, build))
    }

    /// Whether a build of a product is what is wished.
    pub(super) fn takes(&self, product: &Product, build: &Build) -> bool {
        let name = product.package_of(build);
        // A name such as `onnxruntime` is that of the product; `onnxruntime-gpu` is that of some of its builds.
        let named = self.package.is_none_or(|package| {
            package == name
                || product.packages.first().is_some_and(|first| first == package)
                || !product.build.iter().any(|one| product.package_of(one) == package)
        });
        // Of the extras those count by which a build of the product is named.
        let own = commands::extras(&build.install);
        let counts =
            |extra: &&String| product.build.iter().any(|one| commands::extras(&one.install).contains(&extra.as_str()));
        let extras = self.extras.iter().filter(counts).all(|extra| own.contains(&extra.as_str()));
        // `==2.6.0+cu124` names a build, too.
        let mut bounds = self.range.into_iter().flat_map(Range::bounds);
        let label = bounds.find_map(|bound| bound.text().find('+').and_then(|at| bound.text().get(at..)));
        // An index that is none of the product's says nothing of it.
        let of_index = self.build.map(|label| format!("+{label}"));
        let of_index = of_index.filter(|label| product.build.iter().any(|one| one.has_label(label)));
        named
            && extras
            && label.is_none_or(|label| build.has_label(label))
            && of_index.is_none_or(|label| build.has_label(&label))
    }
}

/// Where a package is to be installed.
#[derive(Clone)]
pub(in crate::judge) struct Place {
    /// The folder of the Python environment; empty where none is known.
    pub environment: String,
    /// Its Python.
    pub python: Option<Version>,
}

impl Place {
    /// The environment that is active, else wherever the machine's Python is.
    pub(in crate::judge) fn active(report: &Known) -> Place {
        let active = report.all("environment-role").find(|fact| fact.value == Ok(Value::from("active")));
        match active.map(|fact| &fact.subject) {
            Some(Subject::Environment(folder)) => Place::in_environment(report, folder),
            _ => Place { environment: String::new(), python: report.version("python").cloned() },
        }
    }

    /// An environment by its folder.
    pub(in crate::judge) fn in_environment(report: &Known, folder: &str) -> Place {
        let python = report.about(&Subject::Environment(folder.to_owned()), "environment-python");
        let python = match python {
            Some(Value::Version(python)) => Some(python.clone()),
            _ => None,
        };
        Place { environment: folder.to_owned(), python }
    }
}
