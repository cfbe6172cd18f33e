#![doc = include_str!("../README.md")]
//! # How it works
//!
//! [`Template::parse`] reads a template into nodes that know their position. Rendering evaluates them in their order, each branch only
//! if it is taken, and tinytemplate puts the pieces of text together. Nothing is escaped for HTML.
//!
//! ```
//! use serde_json::json;
//! use transload_template::Template;
//!
//! let dest = Template::parse(
//!     r#"{{- if .module.image.reference.repository | contains "/" | not -}}
//!     hub.kubekey/library/{{ .module.image.reference.repository }}
//!     {{- else -}}
//!     hub.kubekey/{{ .module.image.reference.repository }}
//!     {{- end -}}
//!     :{{ .module.image.reference.reference | default "latest" }}"#,
//! )?;
//! let image = json!({"module": {"image": {"reference": {"repository": "calico/node", "reference": "v3.28.2"}}}}).into();
//! assert_eq!(dest.render(&image)?, "hub.kubekey/calico/node:v3.28.2");
//!
//! // What isn't there is an error that says what there is.
//! let error = Template::parse("{{ .module.image.refrence }}")?.render(&image).unwrap_err();
//! assert_eq!((error.line(), error.column()), (1, 17));
//! assert_eq!(error.message(), "`.module.image` has no `refrence`: it has `reference`");
//! assert_eq!(error.hint(), Some("did you mean `reference`?"));
//! # Ok::<(), transload_template::Error>(())
//! ```
//!
//! # Language
//!
//! As in [Go](https://pkg.go.dev/text/template): paths (`.a.b`, `.`, `$`, `$.a`), pipelines whose piped value is the last argument,
//! parentheses, literals, trim markers, comments, variables, `if`, `with` and `range` with `else`, `break` and `continue`. `define`,
//! `template` and `block` are refused by name. Functions have Go's and [Sprig](https://masterminds.github.io/sprig/)'s order of
//! arguments:
//!
//! - choosing: `and` `or` `not` `default` `coalesce` `ternary` `empty` `all` `any` `required` `fail` `tpl`
//! - comparing: `eq` `ne` `lt` `le` `gt` `ge` `deepEqual` `kindIs` `kindOf` `typeIs` `typeIsLike` `typeOf`
//! - text: `print` `printf` `println` `quote` `squote` `unquote` `cat` `contains` `hasPrefix` `hasSuffix` `replace` `trim` `trimAll` `trimPrefix` `trimSuffix` `trunc` `substr` `repeat` `nospace` `lower` `upper` `title` `untitle` `indent` `nindent` `plural` `toString` `splitList` `join`
//! - patterns and versions: `regexMatch` `regexFind` `regexFindAll` `regexReplaceAll` `regexReplaceAllLiteral` `regexSplit` `regexQuoteMeta` `semver` `semverCompare`
//! - lists: `list` `tuple` `index` `len` `first` `last` `rest` `initial` `append` `push` `prepend` `concat` `slice` `chunk` `reverse` `sortAlpha` `uniq` `compact` `without` `subtractList` `has` `toStrings` `until` `untilStep` `seq`
//! - dictionaries: `dict` `get` `set` `unset` `hasKey` `keys` `values` `pick` `omit` `pluck` `dig` `merge` `mergeOverwrite` `deepCopy`
//! - numbers: `int` `int64` `float64` `atoi` `toBool` `add` `add1` `sub` `mul` `div` `mod` `max` `biggest` `min` `maxf` `minf` `pow` `floor` `ceil` `round`
//! - encodings and paths: `toJson` `toPrettyJson` `toRawJson` `fromJson` `toYaml` `fromYaml` `b64enc` `b64dec` `base` `dir` `clean` `ext` `isAbs`
//!
//! `must…` means the same where Sprig has it. Functions of Sprig's and KubeKey's that depend on the machine, the time or chance are
//! refused by name, with the reason.
//!
//! Variables may be templates themselves: [`Template::resolve`].
//!
//! # What differs from Go
//!
//! `tests/go.rs` compares thousands of templates with Go's own. These differences are meant:
//!
//! - A missing or null value never becomes an empty text or `<no value>`: it is an error. Missing paths are allowed where they are a
//!   condition themselves or in `and`, `or` (but its last argument) and `not` there, in the argument that `default`, `coalesce`,
//!   `empty`, `has`, `kindIs` and `required` look at, and beside a literal `nil` in `eq` and `ne`.
//! - Values are JSON's: whole numbers and floats compare with each other, `%d` takes 3.0, and whole numbers have one kind, `int`.
//! - A boolean or a number prints as it was written: `1.10` is never `1.1`, and `0x1F` never `31`.
//! - Lists and objects have no text in an action, `print` or `join`: `toJson` gives it, or `printf` and `toString` as Go writes it.
//! - `int`, `float64`, `atoi`, `fromJson` and `printf` fail where Go and Sprig give 0, nothing, or `%!d(string=x)`; so does arithmetic that
//!   goes beyond 64 bits.
//! - `default`, `coalesce` and `ternary` evaluate only the arguments that they need.
//! - `keys` and `values` are in the order of the keys. An empty list is `[]` in JSON, where Sprig's is sometimes `null`.
//! - `set`, `unset` and `merge` change a variable that is their first argument (`$d`), as Go's maps change; variables from outside stay as
//!   they are.
//! - `trunc` and `substr` count bytes and cut no letter in two.
//! - Blocks and expressions nest at most 50 deep, a function gives at most 1 MiB of text, a template 16 MiB beside its own text. Loops, and
//!   the values that functions look at, are bounded, too.

mod ast;
mod budget;
mod error;
mod evaluate;
mod expression;
mod functions;
mod lexer;
mod literal;
mod nested;
mod parser;
mod render;
mod suggest;
mod value;
mod words;
mod yaml;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use budget::Budget;

use evaluate::{Missing, Scope};

pub use error::{Error, ErrorKind, Snippet};
pub use suggest::suggest;
pub use value::{Scalar, Value};

/// A template that was read and can be rendered again and again. Clones share it.
#[derive(Debug, Clone)]
pub struct Template(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: String,
    nodes: Vec<ast::Node>,
    variables: Vec<String>,
    /// The same with their first places.
    paths: BTreeMap<String, Range<usize>>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Where it isn't one, or uses functions or actions that don't exist here.
    pub fn parse(source: &str) -> Result<Template, Error> {
        let parsed = parser::parse(source).map_err(|fault| fault.of(source))?;
        Ok(Template(Arc::new(Inner {
            source: source.to_owned(),
            nodes: parsed.nodes,
            variables: parsed.paths.keys().cloned().collect(),
            paths: parsed.paths,
        })))
    }

    /// Renders the template over an object of variables.
    ///
    /// # Errors
    /// Where it names what isn't there, or gives a function what it can't use.
    pub fn render(&self, variables: &Value) -> Result<String, Error> {
        self.render_within(variables, &Rc::default())
    }

    fn render_within(&self, variables: &Value, budget: &Rc<Budget>) -> Result<String, Error> {
        let Inner { source, nodes, .. } = &*self.0;
        render::render(nodes, source, variables, budget).map_err(|fault| fault.of(source))
    }

    /// Returns the value of a template that is one action between blanks, such as `{{ .images }}`, and the rendered text of any other.
    ///
    /// # Errors
    /// See [`Template::render`].
    ///
    /// ```
    /// # use transload_template::{Template, Value};
    /// let variables = Value::from(serde_json::json!({"images": ["alpine:3.19", "busybox"]}));
    /// let images = Template::parse("{{ .images }}")?.evaluate(&variables)?;
    /// assert_eq!(Some(&images), variables.get("images"));
    /// # Ok::<(), transload_template::Error>(())
    /// ```
    pub fn evaluate(&self, variables: &Value) -> Result<Value, Error> {
        self.evaluate_within(variables, &Rc::default())
    }

    fn evaluate_within(&self, variables: &Value, budget: &Rc<Budget>) -> Result<Value, Error> {
        match render::only_action(&self.0.nodes, &self.0.source) {
            Some(expr) => {
                let value = Scope::new(variables, Rc::clone(budget)).evaluate(expr, Missing::Refused);
                let value = value.map_err(|fault| fault.of(&self.0.source))?;
                Ok(value.into_owned())
            }
            None => self.render_within(variables, budget).map(Value::String),
        }
    }

    /// Returns the variables, with those rendered that the template names and that are templates themselves.
    ///
    /// Of such a variable that is one action, the action's value is taken, as by [`Template::evaluate`]. What a variable gives is rendered
    /// again until no template is left.
    ///
    /// # Errors
    /// Where such a variable can't be rendered, or refers to itself. The error names the variable, and its place is where this template names it.
    ///
    /// ```
    /// # use serde_json::json;
    /// # use transload_template::{Template, Value};
    /// let variables = Value::from(json!({"host": "hub.{{ .domain }}", "domain": "kubekey"}));
    /// let template = Template::parse("{{ .host }}/library")?;
    /// assert_eq!(template.render(&*template.resolve(&variables)?)?, "hub.kubekey/library");
    ///
    /// let variables = Value::from(json!({"a": "{{ .b }}", "b": "{{ .a }}"}));
    /// let error = Template::parse("{{ .a }}")?.resolve(&variables).unwrap_err();
    /// assert_eq!(error.message(), "the variable `.a` refers to itself: `.a` → `.b` → `.a`");
    /// # Ok::<(), transload_template::Error>(())
    /// ```
    pub fn resolve<'v>(&'v self, variables: &'v Value) -> Result<Cow<'v, Value>, Error> {
        let resolved = nested::resolved(self.0.paths.iter(), variables, &Rc::default());
        resolved.map_err(|fault| fault.of(&self.0.source))
    }

    /// Returns the paths that the template names, and those that the variables name which [`Template::resolve`] would render; sorted.
    ///
    /// ```
    /// # use serde_json::json;
    /// # use transload_template::{Template, Value};
    /// let variables = Value::from(json!({"host": "hub.{{ .domain }}"}));
    /// assert_eq!(Template::parse("{{ .host }}")?.all_variables(&variables), ["domain", "host"]);
    /// # Ok::<(), transload_template::Error>(())
    /// ```
    pub fn all_variables(&self, variables: &Value) -> Vec<String> {
        nested::all_paths(self.0.variables.iter(), variables)
            .into_iter()
            .collect()
    }

    /// The paths from the root that the template names, such as `module.image.reference.registry`, sorted, each once; the root
    /// itself (`.` or `$` alone) is `.`. Paths from a loop's element have no such name: the list that the loop runs over has.
    ///
    /// ```
    /// # use transload_template::Template;
    /// let template = Template::parse("{{ with .a.b }}{{ .c }}{{ $.d }}{{ end }}")?;
    /// assert_eq!(template.variables(), ["a.b", "a.b.c", "d"]);
    /// # Ok::<(), transload_template::Error>(())
    /// ```
    pub fn variables(&self) -> &[String] {
        &self.0.variables
    }

    /// The text that was read.
    pub fn source(&self) -> &str {
        &self.0.source
    }
}

/// Whether a text has `{{` in it: one that hasn't renders to itself.
///
/// ```
/// # use transload_template::has_actions;
/// assert!(has_actions("hub.kubekey/{{ .name }}"));
/// assert!(!has_actions("local:///tmp/{images}"));
/// ```
pub fn has_actions(text: &str) -> bool {
    text.contains("{{")
}
