//! The bill of materials: CycloneDX 1.5 in JSON.

use serde_json::{Value, json};

use super::Release;
use super::image::time;
use super::notices::{GLIBC, RUST};
use super::tree::sha256;
use crate::shipped::{Crate, purl};

/// The bill of the program's crates.
///
/// Crates that only build it or expand its macros are in it as "excluded": no code of theirs is in the program.
pub fn bill(release: &Release, crates: &[Crate]) -> String {
    let own = purl("transload", &release.version);
    let mut components: Vec<Value> = crates
        .iter()
        .filter(|part| part.purl() != own)
        .map(component)
        .collect();
    let mut dependencies: Vec<Value> = crates
        .iter()
        .map(|part| {
            let needs: Vec<String> = part
                .needs
                .iter()
                .map(|(name, version)| purl(name, version))
                .collect();
            json!({"ref": part.purl(), "dependsOn": needs})
        })
        .collect();
    // What is linked into every program of the compiler's.
    let mut libraries = vec![("rust-std", "The standard library of Rust", RUST)];
    if release.target.is_gnu() {
        libraries.push(("glibc", "The GNU C library, linked statically", GLIBC));
    }
    for (name, description, license) in libraries {
        components.push(json!({
            "type": "library",
            "bom-ref": name,
            "name": name,
            "description": description,
            "scope": "required",
            "licenses": [{"expression": license}],
        }));
        dependencies.push(json!({"ref": name, "dependsOn": []}));
    }
    let mut bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": time(release.epoch),
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": "transload",
                "version": release.version,
                "description": super::SUMMARY,
                "purl": own,
                "licenses": [{"expression": "MIT OR Apache-2.0"}],
                "properties": [{"name": "transload:target", "value": release.target.triple}],
                "externalReferences": [{"type": "vcs", "url": super::HOMEPAGE}],
            },
        },
        "components": components,
        "dependencies": dependencies,
    });
    // Each bill has a number of its own; the same bill has the same.
    bill["serialNumber"] = json!(serial(&sha256(bill.to_string().as_bytes())));
    format!("{bill:#}\n")
}

fn component(part: &Crate) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": part.purl(),
        "name": part.name,
        "version": part.version,
        "purl": part.purl(),
        "scope": if part.is_build_time { "excluded" } else { "required" },
        "licenses": [{"expression": part.license}],
    });
    if let Some(description) = &part.description {
        component["description"] = json!(description);
    }
    if let Some(checksum) = &part.checksum {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    if let Some(repository) = &part.repository {
        component["externalReferences"] = json!([{"type": "vcs", "url": repository}]);
    }
    component
}

/// A UUID (version 8: of one's own making) of hexadecimal digits.
fn serial(digits: &str) -> String {
    format!(
        "urn:uuid:{}-{}-8{}-8{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[13..16],
        &digits[17..20],
        &digits[20..32]
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::dist::tests::release;

    fn part(name: &str, needs: &[&str], is_build_time: bool) -> Crate {
        Crate {
            name: name.to_owned(),
            version: "0.1.0-rc1".to_owned(),
            license: "MIT OR Apache-2.0".to_owned(),
            repository: Some("https://example.com/x".to_owned()),
            description: None,
            folder: Path::new("/x").to_owned(),
            checksum: (name != "transload").then(|| "ab".repeat(32)),
            is_build_time,
            needs: needs
                .iter()
                .map(|name| ((*name).to_owned(), "0.1.0-rc1".to_owned()))
                .collect(),
        }
    }

    /// What the format's schema asks for, as far as this bill uses it.
    #[test]
    fn the_bill_has_the_shape_of_its_format() {
        let crates = [
            part("a", &[], false),
            part("macros", &[], true),
            part("transload", &["a", "macros"], false),
        ];
        let bill: Value = serde_json::from_str(&bill(&release(), &crates)).unwrap();
        assert_eq!(
            (&bill["bomFormat"], &bill["specVersion"]),
            (&json!("CycloneDX"), &json!("1.5"))
        );
        assert_eq!(bill["version"], json!(1));
        let serial = bill["serialNumber"]
            .as_str()
            .unwrap()
            .strip_prefix("urn:uuid:")
            .unwrap();
        let groups: Vec<usize> = serial.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12], "{serial}");
        assert!(
            serial.chars().all(|c| c == '-' || c.is_ascii_hexdigit()),
            "{serial}"
        );
        let own = &bill["metadata"]["component"];
        assert_eq!(own["purl"], json!("pkg:cargo/transload@0.1.0-rc1"));
        let components = bill["components"].as_array().unwrap();
        let mut refs = BTreeSet::from([own["bom-ref"].as_str().unwrap()]);
        for component in components {
            assert_eq!(component["type"], json!("library"));
            assert!(
                component["licenses"][0]["expression"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty())
            );
            assert!(
                refs.insert(component["bom-ref"].as_str().unwrap()),
                "twice: {component}"
            );
            let scope = if component["name"] == json!("macros") {
                "excluded"
            } else {
                "required"
            };
            assert_eq!(component["scope"], json!(scope), "{component}");
        }
        let names: Vec<_> = components
            .iter()
            .map(|component| component["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["a", "macros", "rust-std", "glibc"]);
        assert_eq!(components[0]["hashes"][0]["alg"], json!("SHA-256"));
        let edges = bill["dependencies"].as_array().unwrap();
        let from: BTreeSet<&str> = edges.iter().map(|edge| edge["ref"].as_str().unwrap()).collect();
        assert_eq!(from, refs);
        let to = edges
            .iter()
            .flat_map(|edge| edge["dependsOn"].as_array().unwrap());
        assert!(to.map(|to| to.as_str().unwrap()).all(|to| refs.contains(to)));
    }

    #[test]
    fn the_same_crates_give_the_same_bill() {
        let crates = [part("transload", &[], false)];
        assert_eq!(bill(&release(), &crates), bill(&release(), &crates));
    }
}
