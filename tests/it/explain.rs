//! `accelprobe explain`: rules as tables, products with their releases and builds, codes, and GPUs by name.

use accelprobe::render::explain;

use crate::tool::run;

/// What is explained, with every run of blanks as one.
fn explained(name: &str) -> String {
    let ran = run(&["explain", name]);
    assert_eq!(ran.code, 0, "{name}: {}", ran.err);
    ran.out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_page_fits_80_columns() {
    let matrix = accelprobe::matrix::embedded().unwrap();
    let gpus = ["RTX 4090", "gfx1100", "sm_75", "RTX", "Arc A770"];
    for name in explain::names(&matrix).into_iter().chain(gpus) {
        let page = explain::view(&matrix, name).unwrap_or_else(|| panic!("{name}")).terminal(80, false);
        // Commands are not broken, nor is a word, however long.
        let wide = page.lines().filter(|line| !line.trim_start().starts_with('$'));
        let mut wide = wide.filter(|line| line.chars().count() > 80 && line.split_whitespace().count() > 1);
        assert_eq!(wide.next(), None, "{name}");
    }
}

#[test]
fn a_rule_is_a_table_with_its_sources() {
    let page = explained("driver-knows-the-gpu");
    for said in [
        "In every row: device-vendor is nvidia",
        "row where must",
        "compute-capability >=8.9,<9.0 nvidia-driver >=520",
        "Rule driver-knows-the-gpu gives error driver-too-old.",
        "source: NVIDIA: CUDA toolkit release notes, 2026",
    ] {
        assert!(page.contains(said), "{said}\n{page}");
    }
    let markdown = run(&["explain", "driver-knows-the-gpu", "--format", "markdown"]).out;
    assert!(markdown.contains("| row | where | must |"), "{markdown}");
}

#[test]
fn a_product_is_its_releases_and_builds() {
    let torch = explained("torch");
    for said in
        ["2.6.0 2025-01-29 >=3.9,<3.14", "cu118", "code for", "pip install torch", "What is newer is not judged"]
    {
        assert!(torch.contains(said), "{said}\n{torch}");
    }
    assert!(explained("cuda").contains("12.8"));
    assert!(explained("nvidia-driver").contains("newest CUDA"));
}

#[test]
fn a_code_says_what_it_means_and_what_gives_it() {
    let page = explained("driver-too-old");
    for said in ["The NVIDIA driver is older than", "cuda-needs-driver error", "driver-knows-the-gpu error"] {
        assert!(page.contains(said), "{said}\n{page}");
    }
    // What one rule alone gives is followed by that rule.
    assert!(explained("nouveau-in-use").contains("Rule nouveau-leaves-the-card gives"));
    assert!(explained("tf-windows-gt-2.10").contains("tensorflow-windows-gpu-from-2-11"));
    assert!(explained("cuda-broken").contains("CUDA is wanted, and on this machine it is broken"));
}

#[test]
fn a_gpu_says_what_serves_it_and_what_holds_code_for_it() {
    let ada = explained("GeForce RTX 4090");
    for said in ["compute capability 8.9", "NVIDIA driver 520 or newer", "CUDA 11.8 or newer", "PyTorch cu126"] {
        assert!(ada.contains(said), "{said}\n{ada}");
    }
    for other in ["rtx 4090", "NVIDIA GeForce RTX 4090"] {
        assert_eq!(explained(other), ada, "{other}");
    }
    assert!(explained("sm_89").contains(&ada), "the instruction set names all that have it");
    assert!(explained("gfx1100").contains("Radeon RX 7900 XTX"));
    let pascal = explained("GTX 1080 Ti");
    assert!(pascal.contains("NVIDIA driver up to 58") && !pascal.contains("cu130"), "{pascal}");
    assert!(explained("RTX").contains("GPUS WITH \"RTX\" IN THEIR NAME"));
    assert_eq!(run(&["explain", "RTX 12345"]).code, 2);
}
