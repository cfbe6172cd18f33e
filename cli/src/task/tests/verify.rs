//! `verify`: what images must fulfil before they move.

use std::fs;

use serde_json::json;
use tempfile::TempDir;
use transload_test_support::sign::{Signer, pem};

use super::*;
use transload_transfer::TrustProgram;

fn load(verify: &str, variables: serde_json::Value) -> Result<Vec<Job>, Vec<String>> {
    let text = format!("- image:\n    dest: hub.kubekey\n    manifests: alpine:1\n    verify: {verify}\n");
    load_str("t.yaml", &text, &options(variables))
        .map(|loaded| loaded.jobs)
        .map_err(|errors| {
            errors
                .problems()
                .iter()
                .map(|problem| problem.to_string())
                .collect()
        })
}

#[test]
fn rules_have_patterns_keys_and_programs() {
    let folder = TempDir::new().unwrap();
    let (one, two) = (folder.path().join("one.pub"), folder.path().join("two.pub"));
    fs::write(&one, Signer::p256().pem()).unwrap();
    fs::write(&two, Signer::ed25519().pem()).unwrap();
    let (one, two) = (one.display(), two.display());
    let jobs = load(
        &format!("[{{pattern: ^docker.io/, keys: ['{{{{ .key }}}}', {two}]}}, {{with: [admit, --strict]}}]"),
        json!({"key": one.to_string()}),
    );
    let [policy] = jobs.unwrap().remove(0).trust.try_into().unwrap();
    let [first, second] = policy.rules.as_slice() else {
        panic!("{policy:?}")
    };
    assert!(first.pattern.is_some() && first.program.is_none());
    assert_eq!(first.keys.as_ref().unwrap().iter().count(), 2);
    assert!(second.pattern.is_none() && second.keys.is_none());
    assert!(second.program == Some(TrustProgram::new("admit", vec!["--strict".into()])));
    let rendered = load("'{{ .rules }}'", json!({"rules": [{"keys": two.to_string()}]}));
    assert_eq!(rendered.unwrap()[0].trust[0].rules.len(), 1);
    assert!(
        load_str(
            "t.yaml",
            "- image: {dest: hub.kubekey, manifests: alpine:1}",
            &options(json!({}))
        )
        .unwrap()
        .jobs[0]
            .trust
            .is_empty()
    );
}

/// A mistake is never "unsigned, so fine".
#[test]
fn what_would_check_nothing_is_a_mistake() {
    let folder = TempDir::new().unwrap();
    let private = folder.path().join("private.key");
    fs::write(&private, pem("PRIVATE KEY", b"x")).unwrap();
    let private = format!("[{{keys: {}}}]", private.display());
    let table = [
        ("", "must be a list of mappings, not nothing"),
        ("''", "must be a list of mappings"),
        ("false", "must be a list of mappings, not false"),
        ("[]", "`verify` is empty"),
        ("cosign.pub", "must be a list of mappings"),
        ("[cosign.pub]", "an entry of `verify` must be a mapping"),
        ("[{}]", "neither `keys` nor `with`"),
        ("[{pattern: x}]", "neither `keys` nor `with`"),
        ("[{keys: []}]", "`keys`: it is empty"),
        ("[{keys: '{{ .none }}'}]", "`keys`: it is empty"),
        ("[{with: ''}]", "`with`: it is empty"),
        ("[{with: x, pattern: '{{ .none }}'}]", "`pattern`: it is empty"),
        (
            "[{with: x, pattern: '('}]",
            "`pattern` isn't a regular expression",
        ),
        ("[{key: cosign.pub}]", "has no key `key`"),
        (
            "[{keys: /nowhere/cosign.pub}]",
            "`keys`: /nowhere/cosign.pub: there is no such file",
        ),
        (private.as_str(), "this is a private key"),
    ];
    for (verify, said) in table {
        let errors = load(verify, json!({"none": ""})).expect_err(verify);
        assert!(
            errors.iter().any(|error| error.contains(said)),
            "{verify}: {errors:?}"
        );
    }
}
