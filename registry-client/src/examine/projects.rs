//! Examines whether the user may create projects at a Harbor.

use serde::Deserialize;

use super::{Examination, Fact, Topic};
use crate::config::Credential;
use crate::error::Error;
use crate::operation::Operation;

/// The largest description of a user to read, in bytes.
const MAX_USER: u64 = 64 * 1024;

/// Harbor's `project_creation_restriction` if everybody may create projects; otherwise it is `adminonly`.
const EVERYONE: &str = "everyone";

/// The rights in Harbor's `/users/current`. LDAP or OIDC set the second flag.
#[derive(Deserialize)]
struct CurrentUser {
    sysadmin_flag: bool,
    #[serde(default)]
    admin_role_in_auth: bool,
}

/// The kind of user.
enum Who {
    Administrator,
    Member,
    /// Harbor doesn't describe robots.
    Robot,
}

impl Examination<'_> {
    /// Notes whether the user may create projects, if the registry is a Harbor.
    pub(super) fn check_projects(&mut self) {
        if !matches!(self.core.harbor(self.registry, self.repository), Ok(Some(_))) {
            return;
        }
        let fact = match self.ask_about_projects() {
            Ok(fact) => fact,
            Err(error) => {
                let text = format!("Harbor doesn't say who may create them: {}", error.kind());
                Fact::neutral(Topic::Projects, text).value("may_create", "unknown")
            }
        };
        self.note(fact.value("product", "Harbor"));
    }

    fn ask_about_projects(&self) -> Result<Fact, Error> {
        let (call, credential) = self.core.harbor_call_of_user(
            Operation::AskWhoCreatesProjects,
            self.registry,
            self.repository,
        )?;
        let info = call.clone().to("GET", "/api/v2.0/systeminfo")?;
        let info = self.core.system_info(info, Some(&credential))?;
        let restriction = info.and_then(|info| info.project_creation_restriction);
        let Some(restriction) = restriction else {
            return Err(call.protocol("its API doesn't take these credentials"));
        };
        let call = call.to("GET", "/api/v2.0/users/current")?;
        let answer = self.core.ask_harbor(&call, Some(&credential), None)?;
        let who = match answer.status {
            200 => {
                let bytes = answer.bytes(MAX_USER, &call.place)?;
                let user: CurrentUser = serde_json::from_slice(&bytes)
                    .map_err(|_| call.protocol("the description of the user isn't the expected JSON"))?;
                match user.sysadmin_flag || user.admin_role_in_auth {
                    true => Who::Administrator,
                    false => Who::Member,
                }
            }
            412 => {
                answer.drain();
                Who::Robot
            }
            _ => return Err(answer.into_error(&call.place)),
        };
        Ok(verdict(&credential, &who, &restriction))
    }
}

/// Returns whether a user may create projects under a restriction.
fn verdict(credential: &Credential, who: &Who, restriction: &str) -> Fact {
    let name = credential.username().unwrap_or_default();
    // `robot$project+name` is a robot of one project.
    let is_of_project = name.contains('+');
    let is_open = restriction == EVERYONE;
    let (may_create, why) = match who {
        Who::Administrator => ("yes", "as an administrator"),
        Who::Member if is_open => ("yes", "as everyone may"),
        Who::Member => ("no", "administrators alone may"),
        Who::Robot if is_of_project => ("no", "a robot account of a project never may"),
        Who::Robot if is_open => ("yes", "as a system robot account"),
        Who::Robot => (
            "unknown",
            "a system robot account with the permission to create projects may, and Harbor doesn't tell whether it has it",
        ),
    };
    let fact = match may_create {
        "yes" => Fact::good(
            Topic::Projects,
            format!("{name} may create projects at this Harbor, {why}"),
        ),
        "no" => Fact::neutral(
            Topic::Projects,
            format!("{name} may not create projects at this Harbor: {why}"),
        ),
        _ => Fact::neutral(
            Topic::Projects,
            format!("whether {name} may create projects at this Harbor isn't known: {why}"),
        ),
    };
    fact.value("may_create", may_create)
        .value("creation_restriction", restriction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_robot_of_a_project_never_creates_projects() {
        for restriction in [EVERYONE, "adminonly"] {
            let fact = verdict(&Credential::new("robot$team+ci", "x"), &Who::Robot, restriction);
            assert!(fact.values.contains(&("may_create", "no".to_owned())), "{fact:?}");
            let fact = verdict(&Credential::new("anna+1", "x"), &Who::Member, EVERYONE);
            assert!(
                fact.values.contains(&("may_create", "yes".to_owned())),
                "{fact:?}"
            );
        }
    }
}
