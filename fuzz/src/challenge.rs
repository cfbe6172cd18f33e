//! `WWW-Authenticate`: the input is the values of such headers, one a line.

use transload_registry_client::fuzzing::challenge;

/// The challenge that is answered doesn't depend on how it is written, nor on others that are no better.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let values: Vec<&str> = text.lines().collect();
    let chosen = challenge(&values);
    let before: Vec<&str> = [r#"Basic realm="x, Bearer realm=y""#]
        .into_iter()
        .chain(values.iter().copied())
        .collect();
    assert_eq!(
        challenge(&before),
        chosen.clone().or(Some(None)),
        "Bearer before Basic"
    );
    if let Some(Some((realm, service, scope, error))) = chosen.clone() {
        assert!(realm.len() <= text.len());
        let parameters = [("service", service), ("scope", scope), ("error", error)];
        let mut written = format!("Bearer realm={}", quoted(&realm));
        for (name, value) in parameters {
            if let Some(value) = value {
                written = format!("{written} , {name} = {}", quoted(&value));
            }
        }
        assert_eq!(challenge(&[&written]), chosen, "{written}");
    }
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', r"\\").replace('"', "\\\""))
}
