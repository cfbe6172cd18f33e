//! The projects in Harbor's API (v2.0), and the answer for a missing one.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::api::Call;
use super::auth::is_user;
use super::fault::Reply;
use crate::http::basic;

/// The rights to create projects at a scripted Harbor, and its one user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HarborProjects {
    /// Whether administrators alone create projects.
    pub admin_only: bool,
    /// The kind of user.
    pub user: HarborUser,
}

/// The kind of a scripted Harbor's user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HarborUser {
    /// Somebody without rights of their own.
    #[default]
    Member,
    /// An administrator.
    Administrator,
    /// A robot account of the system, without the permission to create projects.
    SystemRobot,
    /// A robot account of a project.
    ProjectRobot,
}

/// The projects that a scripted Harbor has, and whether each is public.
#[derive(Debug, Default)]
pub(super) struct Projects(Mutex<BTreeMap<String, bool>>);

impl Projects {
    pub(super) fn all(&self) -> MutexGuard<'_, BTreeMap<String, bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns Harbor's answer about a repository without a project: 401 without a challenge.
    pub(super) fn missing(&self, repository: &str) -> Option<Reply> {
        let project = repository.split('/').next().unwrap_or_default();
        if self.all().contains_key(project) {
            return None;
        }
        let message = format!("project {project} not found");
        Some(
            Reply::status(401)
                .header("Www-Authenticate", "")
                .error("UNAUTHORIZED", &message),
        )
    }

    /// Answers a request below `/api/v2.0`.
    pub(super) fn answer(&self, harbor: HarborProjects, call: &Call<'_>) -> Reply {
        // Without a login, the user is anonymous.
        let is_known = call
            .header("authorization")
            .and_then(basic)
            .is_some_and(|(user, password)| is_user(&user, &password));
        match (call.method, call.path) {
            ("GET", "/api/v2.0/systeminfo") => system_info(harbor, is_known),
            (_, "/api/v2.0/users/current" | "/api/v2.0/projects") if !is_known => {
                Reply::status(401).error("UNAUTHORIZED", "unauthorized")
            }
            ("GET", "/api/v2.0/users/current") => current_user(harbor.user),
            ("HEAD", "/api/v2.0/projects") => {
                let name = call.parameter("project_name").unwrap_or_default();
                match self.all().contains_key(&name) {
                    true => Reply::status(200),
                    false => Reply::status(404).error("NOT_FOUND", &format!("project {name} not found")),
                }
            }
            ("POST", "/api/v2.0/projects") => self.create(harbor, call.body),
            _ => Reply::status(404).error("NOT_FOUND", "The path does not exist"),
        }
    }

    fn create(&self, harbor: HarborProjects, body: &[u8]) -> Reply {
        let refuse = |message| Reply::status(403).error("FORBIDDEN", message);
        if harbor.user == HarborUser::ProjectRobot {
            return refuse("Only system level robot can create project");
        }
        if harbor.admin_only && harbor.user != HarborUser::Administrator {
            return refuse("Only system admin can create project");
        }
        let wanted: Value = serde_json::from_slice(body).unwrap_or_default();
        let name = wanted["project_name"].as_str().unwrap_or_default();
        let is_name = !name.is_empty() && !name.contains("__") && !name.contains("--");
        let is_public = match (&wanted["metadata"]["public"], is_name) {
            (Value::String(public), true) if public == "true" => true,
            (Value::String(public), true) if public == "false" => false,
            _ => {
                let message = format!("bad request: invalid project: {wanted}");
                return Reply::status(400).error("BAD_REQUEST", &message);
            }
        };
        let mut projects = self.all();
        if projects.contains_key(name) {
            let message = format!("The project named {name} already exists");
            return Reply::status(409).error("CONFLICT", &message);
        }
        projects.insert(name.to_owned(), is_public);
        Reply::status(201).header("Location", &format!("/api/v2.0/projects/{}", projects.len()))
    }
}

fn json_reply(value: &Value) -> Reply {
    Reply::status(200)
        .header("Content-Type", "application/json")
        .body(value.to_string())
}

fn system_info(harbor: HarborProjects, is_known: bool) -> Reply {
    let mut info = json!({"auth_mode": "db_auth", "primary_auth_mode": false, "self_registration": false});
    if is_known {
        info["harbor_version"] = "v2.16.0-scripted".into();
        info["read_only"] = false.into();
        info["project_creation_restriction"] = if harbor.admin_only {
            "adminonly"
        } else {
            "everyone"
        }
        .into();
    }
    json_reply(&info)
}

fn current_user(user: HarborUser) -> Reply {
    match user {
        HarborUser::SystemRobot | HarborUser::ProjectRobot => {
            let message = "get current user not available for security context: robot";
            Reply::status(412).error("PRECONDITION", message)
        }
        HarborUser::Member | HarborUser::Administrator => json_reply(&json!({
            "user_id": 3,
            "username": crate::real::USER,
            "sysadmin_flag": user == HarborUser::Administrator,
            "admin_role_in_auth": false,
        })),
    }
}
