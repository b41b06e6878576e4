//! Manifests of Vulkan's drivers and implicit layers: where the loader looks for them, in its order.

use super::VULKAN_LAYERS;
use crate::bus::DISPLAY_CLASS;
use crate::fact::{Fact, Value};
use crate::host::{Host, Missing, Question};
use crate::manifest::Driver;

/// The drivers in the order in which the loader reads them.
pub(super) fn drivers(host: &dyn Host) -> Vec<Driver> {
    let listed = host.env("VK_DRIVER_FILES").or_else(|| host.env("VK_ICD_FILENAMES"));
    let mut manifests = match listed.filter(|listed| !listed.is_empty()) {
        Some(listed) => named_files(host, &listed),
        None => {
            let mut manifests = named_files(host, &host.env("VK_ADD_DRIVER_FILES").unwrap_or_default());
            manifests.extend(match host.is_windows() {
                true => registered(host),
                false => files_below(host, "icd.d"),
            });
            manifests
        }
    };
    let mut seen = Vec::new();
    manifests.retain(|manifest| {
        let new = !seen.contains(manifest);
        seen.push(manifest.clone());
        new
    });
    manifests
        .into_iter()
        .map(|manifest| {
            let library = host.read(&manifest).and_then(|text| library_path(&text));
            Driver { manifest, library }
        })
        .collect()
}

/// Files named one by one, or all manifests of a folder that is named.
fn named_files(host: &dyn Host, listed: &str) -> Vec<String> {
    let separator = if host.is_windows() { ';' } else { ':' };
    let named = listed.split(separator).filter(|path| !path.is_empty());
    named
        .flat_map(|path| match host.node(path) {
            Ok(node) if node.starts_with("directory") => manifests_in(host, path),
            _ => vec![path.to_owned()],
        })
        .collect()
}

fn manifests_in(host: &dyn Host, folder: &str) -> Vec<String> {
    let names = host.list(folder).into_iter().filter(|name| name.to_lowercase().ends_with(".json"));
    names.map(|name| format!("{folder}/{name}")).collect()
}

/// Manifests in the loader's folders: configuration before data, the user's before the system's.
fn files_below(host: &dyn Host, kind: &str) -> Vec<String> {
    let paths = |name: &str, otherwise: &str| {
        let value = host.env(name).filter(|value| !value.is_empty()).unwrap_or_else(|| otherwise.to_owned());
        value.split(':').map(str::to_owned).collect::<Vec<_>>()
    };
    let mut roots = paths("XDG_CONFIG_HOME", "~/.config");
    roots.extend(paths("XDG_CONFIG_DIRS", "/etc/xdg"));
    roots.extend(["/usr/local/etc".to_owned(), "/etc".to_owned()]);
    roots.extend(paths("XDG_DATA_HOME", "~/.local/share"));
    roots.extend(paths("XDG_DATA_DIRS", "/usr/local/share:/usr/share"));
    if host.system() == "macos" {
        roots.extend(["/opt/homebrew/share".to_owned(), "/usr/local/share".to_owned()]);
    }
    roots.iter().flat_map(|root| manifests_in(host, &format!("{}/vulkan/{kind}", root.trim_end_matches('/')))).collect()
}

/// Manifests in the registry of Windows: the old key, where a value of 0 means "on", and the adapters of the display class.
fn registered(host: &dyn Host) -> Vec<String> {
    let old = host.registry(r"HKLM\SOFTWARE\Khronos\Vulkan\Drivers", "*").unwrap_or_default();
    let mut manifests: Vec<String> =
        old.lines().filter_map(|line| line.strip_suffix("=0")).map(str::to_owned).collect();
    let adapters = host.ask(&Question::Registry(DISPLAY_CLASS.to_owned())).unwrap_or_default();
    for adapter in adapters.lines() {
        let listed = host.registry(&format!(r"{DISPLAY_CLASS}\{adapter}"), "VulkanDriverName").unwrap_or_default();
        manifests.extend(listed.split(';').filter(|path| !path.is_empty()).map(str::to_owned));
    }
    manifests
}

/// `library_path` of a driver's manifest.
pub(super) fn library_path(text: &str) -> Result<String, Missing> {
    let json: serde_json::Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| Missing::Garbled(format!("its manifest is not JSON: {error}")))?;
    let path = json.get("ICD").and_then(|icd| icd.get("library_path")).and_then(serde_json::Value::as_str);
    match path {
        Some(path) if !path.is_empty() => Ok(path.to_owned()),
        _ => Err(Missing::Garbled("its manifest names no library".to_owned())),
    }
}

/// The implicit layers, by their names.
pub(super) fn layers(host: &dyn Host) -> Fact {
    let mut layers: Vec<String> = match host.is_windows() {
        true => {
            let keys = host.registry(r"HKLM\SOFTWARE\Khronos\Vulkan\ImplicitLayers", "*").unwrap_or_default();
            keys.lines().filter_map(|line| line.strip_suffix("=0")).map(str::to_owned).collect()
        }
        false => files_below(host, "implicit_layer.d"),
    };
    for layer in &mut layers {
        let name = host.read(layer).ok().and_then(|text| layer_name(&text));
        *layer = name.unwrap_or_else(|| layer.clone());
    }
    layers.sort();
    layers.dedup();
    let origin = match host.is_windows() {
        true => Question::Registry(r"HKLM\SOFTWARE\Khronos\Vulkan\ImplicitLayers@*".to_owned()),
        false => Question::List("/usr/share/vulkan/implicit_layer.d".to_owned()),
    };
    let value = match host.ask(&origin) {
        Err(Missing::NotRecorded) if layers.is_empty() => Err(Missing::NotRecorded),
        _ => Ok(Value::Set(layers)),
    };
    VULKAN_LAYERS.host(value, &origin)
}

fn layer_name(text: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    let layer = json.get("layer").or_else(|| json.get("layers")?.get(0))?;
    layer.get("name")?.as_str().map(str::to_owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_manifest_and_says_what_is_wrong_with_one() {
        assert_eq!(library_path(r#"{"ICD": {"library_path": "libx.so", "api_version": "1.3.0"}}"#).unwrap(), "libx.so");
        for text in ["", "{", "[]", r#"{"ICD": {}}"#, r#"{"ICD": {"library_path": 5}}"#, &"[".repeat(100_000)] {
            assert!(matches!(library_path(text), Err(Missing::Garbled(_))));
        }
        assert_eq!(
            layer_name(r#"{"layer": {"name": "VK_LAYER_MESA_device_select"}}"#).unwrap(),
            "VK_LAYER_MESA_device_select"
        );
    }
}
