//! The claims of a token that is a JWT ([RFC 7519]). The registry judges tokens; the claims only tell what to ask for next.
//!
//! [RFC 7519]: https://www.rfc-editor.org/rfc/rfc7519

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::scope::Scopes;

/// The claims of a token. All are `None` for a token that isn't a JWT of the distribution specification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Claims {
    /// The user; `Some("")` is anonymous
    /// ([specification](https://distribution.github.io/distribution/spec/auth/jwt/)).
    pub subject: Option<String>,
    /// The access that it grants.
    pub access: Option<Scopes>,
}

impl Claims {
    pub fn read(token: &str) -> Claims {
        let mut parts = token.split('.');
        let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Claims::default();
        };
        let bytes = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('='));
        let claims: Option<Value> = bytes.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let claims = claims.unwrap_or_default();
        Claims {
            subject: claims["sub"].as_str().map(str::to_owned),
            access: claims["access"].as_array().map(|access| read_access(access)),
        }
    }
}

fn read_access(access: &[Value]) -> Scopes {
    let mut scopes = Scopes::default();
    for entry in access {
        if let (Some(kind), Some(name)) = (entry["type"].as_str(), entry["name"].as_str()) {
            let actions = entry["actions"].as_array().map(Vec::as_slice).unwrap_or_default();
            let actions = actions.iter().filter_map(Value::as_str).map(str::to_owned);
            scopes.allow(format!("{kind}:{name}"), actions);
        }
    }
    scopes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn a_token_that_is_no_jwt_says_nothing() {
        for text in [
            "",
            "token-1",
            "a.b",
            "a.b.c",
            "e30.e30",
            "e30.e30.x.y",
            "..",
            "e30.W10.x",
        ] {
            assert_eq!(Claims::read(text), Claims::default(), "{text}");
        }
        assert_eq!(
            Claims::read(&token(r#"{"sub":7,"access":"all"}"#)),
            Claims::default()
        );
    }

    #[test]
    fn harbors_tokens_tell_the_user_and_what_each_repository_allows() {
        let claims = Claims::read(&token(
            r#"{"sub":"anna","access":[{"type":"repository","name":"a/b","actions":["pull","push"]},
            {"type":"repository","name":"no/such","actions":null},{"name":"broken"},7]}"#,
        ));
        assert_eq!(claims.subject.as_deref(), Some("anna"));
        assert_eq!(
            claims.access.unwrap().to_string(),
            "repository:a/b:pull,push repository:no/such:"
        );
        assert_eq!(Claims::read(&token(r#"{"sub":""}"#)).subject.as_deref(), Some(""));
    }
}
