//! YAML as a tree whose every value knows where it was written. Nothing outside this file knows the YAML library.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use serde::de::{self, DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess as _, Visitor};
use serde_json::Number;
use serde_yaml::{Deserializer, Error};
use transload_template::{Scalar, Value};

/// How many values a text may stand for. Aliases multiply: a few lines can stand for billions.
pub(crate) const MAX_VALUES: usize = 500_000;
/// How many bytes of text those may hold together.
const MAX_TEXT: usize = 64 << 20;

/// Which value of a text this is, counted in reading order: what [`position`] finds it by.
pub(crate) type Id = usize;

/// A value and where it is.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub id: Id,
    /// Whether its texts are data that a template gave, which is not looked through for templates again.
    pub literal: bool,
    pub value: Yaml,
}

#[derive(Debug, Clone)]
pub(crate) enum Yaml {
    Null,
    Bool(Scalar<bool>),
    Number(Scalar<Number>),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A mapping's key and where it is.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub id: Id,
    pub name: String,
}

/// What a text holds, with the mistakes that don't hinder reading on.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub documents: Vec<Node>,
    pub mistakes: Vec<(Id, String)>,
}

/// Why a text can't be read. Line and column count from 1.
#[derive(Debug)]
pub(crate) struct Syntax {
    pub message: String,
    pub place: Option<(usize, usize)>,
}

impl Node {
    /// A value that a template gave where `id` is.
    pub(crate) fn literal(id: Id, value: &Value) -> Node {
        let value = match value {
            Value::Null => Yaml::Null,
            Value::Bool(value) => Yaml::Bool(value.clone()),
            Value::Number(value) => Yaml::Number(value.clone()),
            Value::String(value) => Yaml::Text(value.clone()),
            Value::Array(values) => Yaml::List(values.iter().map(|value| Node::literal(id, value)).collect()),
            Value::Object(values) => {
                let entry = |(name, value): (&String, &Value)| {
                    (
                        Key {
                            id,
                            name: name.clone(),
                        },
                        Node::literal(id, value),
                    )
                };
                Yaml::Map(values.iter().map(entry).collect())
            }
        };
        Node {
            id,
            literal: true,
            value,
        }
    }

    /// The value without its places.
    pub(crate) fn to_value(&self) -> Value {
        match &self.value {
            Yaml::Null => Value::Null,
            Yaml::Bool(value) => Value::Bool(value.clone()),
            Yaml::Number(value) => Value::Number(value.clone()),
            Yaml::Text(value) => Value::String(value.clone()),
            Yaml::List(values) => Value::Array(values.iter().map(Node::to_value).collect()),
            Yaml::Map(entries) => {
                let entry = |(key, value): &(Key, Node)| (key.name.clone(), value.to_value());
                Value::Object(entries.iter().map(entry).collect::<BTreeMap<_, _>>())
            }
        }
    }
}

/// As JSON, with a mapping's keys in the order of the text.
impl From<&Node> for serde_json::Value {
    fn from(node: &Node) -> serde_json::Value {
        match &node.value {
            Yaml::Null => serde_json::Value::Null,
            Yaml::Bool(value) => value.value.into(),
            Yaml::Number(value) => value.value.clone().into(),
            Yaml::Text(value) => value.as_str().into(),
            Yaml::List(values) => values.iter().map(serde_json::Value::from).collect(),
            Yaml::Map(entries) => {
                let entry = |(key, value): &(Key, Node)| (key.name.clone(), serde_json::Value::from(value));
                entries.iter().map(entry).collect()
            }
        }
    }
}

/// Reads all documents of a text.
///
/// The library gives a number's value or its text, not both. So the first reading finds the values, and the second their texts.
pub(crate) fn parse(text: &str) -> Result<Parsed, Syntax> {
    parse_with(text, Tags::Refused)
}

/// Reads all documents of a text that another program's users wrote: tags (`!name`) are passed over.
pub(crate) fn parse_foreign(text: &str) -> Result<Parsed, Syntax> {
    parse_with(text, Tags::Ignored)
}

fn parse_with(text: &str, tags: Tags) -> Result<Parsed, Syntax> {
    let mut first = Reading {
        tags,
        ..Reading::default()
    };
    let documents = read(text, &mut first)?;
    if first.typed.is_empty() {
        return Ok(Parsed {
            documents,
            mistakes: first.mistakes,
        });
    }
    let mut second = Reading {
        typed: first.typed,
        is_second: true,
        tags,
        ..Reading::default()
    };
    Ok(Parsed {
        documents: read(text, &mut second)?,
        mistakes: second.mistakes,
    })
}

fn read(text: &str, reading: &mut Reading) -> Result<Vec<Node>, Syntax> {
    let mut documents = Vec::new();
    for document in Deserializer::from_str(text) {
        match Seed(reading).deserialize(document) {
            Ok(node) => documents.push(node),
            Err(error) => return Err(Syntax::new(&error, reading.refusal.take())),
        }
    }
    Ok(documents)
}

/// Reads a short text that holds one value, such as a list that a template gave.
pub(crate) fn parse_value(text: &str) -> Result<Value, String> {
    Ok(parse_one(text)?.map_or(Value::Null, |node| node.to_value()))
}

/// Reads a text that holds one value, or none.
pub(crate) fn parse_one(text: &str) -> Result<Option<Node>, String> {
    let mut parsed = parse(text).map_err(|error| error.message)?;
    if let Some((_, mistake)) = parsed.mistakes.into_iter().next() {
        return Err(mistake);
    }
    match parsed.documents.len() {
        0 | 1 => Ok(parsed.documents.pop()),
        _ => Err("it holds several YAML documents".to_owned()),
    }
}

/// Where a value is: line and column, from 1. A value that an alias stands for is where its anchor is.
///
/// The library tells places in its errors alone, so the text is read again up to the value, and that fails there.
pub(crate) fn position(text: &str, id: Id) -> Option<(usize, usize)> {
    let mut reading = Reading {
        stop_at: Some(id),
        ..Reading::default()
    };
    for document in Deserializer::from_str(text) {
        if let Err(error) = Seed(&mut reading).deserialize(document) {
            return error.location().map(|at| (at.line(), at.column()));
        }
    }
    None
}

/// Where scalars of a text are that [`parse_foreign`] read: line and column, from 1.
///
/// The library tells places in its errors alone: reading each of these scalars fails, and the next value is read.
pub(crate) fn positions(text: &str, wanted: BTreeSet<Id>) -> BTreeMap<Id, (usize, usize)> {
    let mut reading = Reading {
        tags: Tags::Ignored,
        wanted,
        ..Reading::default()
    };
    for document in Deserializer::from_str(text) {
        if Seed(&mut reading).deserialize(document).is_err() {
            break;
        }
    }
    reading.places
}

impl Syntax {
    fn new(error: &Error, refusal: Option<String>) -> Syntax {
        let place = error.location().map(|at| (at.line(), at.column()));
        let mut cause = error.to_string();
        if let Some((line, column)) = place {
            cause = cause.replacen(&format!(" at line {line} column {column}"), "", 1);
        }
        let message = match refusal {
            Some(refusal) => refusal,
            None if cause.contains("repetition limit exceeded") => too_large(),
            None if cause.contains("recursion limit exceeded") => {
                "this is nested too deeply, or an alias is within its own anchor".to_owned()
            }
            None => format!("this isn't valid YAML: {cause}"),
        };
        Syntax { message, place }
    }
}

fn too_large() -> String {
    format!(
        "this stands for more than {MAX_VALUES} values or {} MiB, by its aliases or by itself",
        MAX_TEXT >> 20
    )
}

/// What is kept while a text is read.
#[derive(Default)]
struct Reading {
    tags: Tags,
    /// Scalars whose places are wanted, and the places that were found.
    wanted: BTreeSet<Id>,
    places: BTreeMap<Id, (usize, usize)>,
    values: usize,
    text: usize,
    stop_at: Option<Id>,
    /// Why this program, not the library, reads no further.
    refusal: Option<String>,
    mistakes: Vec<(Id, String)>,
    /// The booleans and numbers of the first reading.
    typed: HashMap<Id, Yaml>,
    /// Whether those are read again, as texts.
    is_second: bool,
}

impl Reading {
    fn next_id<E: de::Error>(&mut self) -> Result<Id, E> {
        let id = self.values;
        if self.stop_at == Some(id) {
            return Err(E::custom("the value that was looked for"));
        }
        if self.values >= MAX_VALUES || self.text > MAX_TEXT {
            return Err(self.refuse(too_large()));
        }
        self.values += 1;
        Ok(id)
    }

    fn refuse<E: de::Error>(&mut self, why: String) -> E {
        self.refusal = Some(why.clone());
        E::custom(why)
    }
}

/// What happens where a value has a tag (`!name`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Tags {
    #[default]
    Refused,
    Ignored,
}

/// Fails at a scalar, so that the library tells its place.
struct Mark;

impl<'de> Visitor<'de> for Mark {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its place")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        let (_, contents) = tagged.variant::<de::IgnoredAny>()?;
        contents.newtype_variant::<de::IgnoredAny>()?;
        Err(de::Error::custom("a place"))
    }
}

/// The place that an error's text ends with.
fn place_in(error: &str) -> Option<(usize, usize)> {
    let (_, place) = error.rsplit_once(" at line ")?;
    let (line, column) = place.split_once(" column ")?;
    Some((line.parse().ok()?, column.parse().ok()?))
}

struct Seed<'r>(&'r mut Reading);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        if self.0.wanted.contains(&self.0.values) {
            let id = self.0.next_id()?;
            let place = deserializer.deserialize_any(Mark).err();
            let place = place.and_then(|error| place_in(&error.to_string()));
            self.0.places.extend(place.map(|place| (id, place)));
            return Ok(Node {
                id,
                literal: true,
                value: Yaml::Null,
            });
        }
        if self.0.is_second && self.0.typed.contains_key(&self.0.values) {
            deserializer.deserialize_str(self)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl Seed<'_> {
    fn scalar<E: de::Error>(self, value: Yaml) -> Result<Node, E> {
        let id = self.0.next_id()?;
        self.0.text += match &value {
            Yaml::Text(text) => text.len(),
            Yaml::Number(number) => number.text().map_or(0, str::len),
            _ => 0,
        };
        Ok(Node {
            id,
            literal: false,
            value,
        })
    }

    /// A boolean or a number, whose text the second reading finds.
    fn typed<E: de::Error>(self, value: Yaml) -> Result<Node, E> {
        self.0.typed.insert(self.0.values, value.clone());
        self.scalar(value)
    }

    fn number<E: de::Error>(self, number: Option<Number>) -> Result<Node, E> {
        self.typed(match number {
            Some(number) => Yaml::Number(Scalar::new(number)),
            // Infinities and the like: no number in JSON, so a text.
            None => Yaml::Text(String::new()),
        })
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        self.scalar(Yaml::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        self.scalar(Yaml::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node, E> {
        self.typed(Yaml::Bool(Scalar::new(value)))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node, E> {
        self.number(Some(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node, E> {
        self.number(Some(value.into()))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Node, E> {
        self.number(Number::from_i128(value))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Node, E> {
        self.number(Number::from_u128(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        self.number(Number::from_f64(value))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Node, E> {
        let typed = self.0.typed.remove(&self.0.values);
        self.scalar(match typed {
            Some(Yaml::Bool(known)) => Yaml::Bool(Scalar::written(known.value, text)),
            Some(Yaml::Number(known)) => Yaml::Number(Scalar::written(known.value, text)),
            _ => Yaml::Text(text.to_owned()),
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let id = self.0.next_id()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Seed(self.0))? {
            list.push(item);
        }
        Ok(Node {
            id,
            literal: false,
            value: Yaml::List(list),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let id = self.0.next_id()?;
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut names = std::collections::HashSet::new();
        let mut merged = Vec::new();
        while let Some(key) = map.next_key_seed(Seed(self.0))? {
            let value = map.next_value_seed(Seed(self.0))?;
            let name = match key.value {
                Yaml::Text(name) => name,
                Yaml::Number(number) => number.to_string(),
                Yaml::Bool(value) => value.to_string(),
                Yaml::Null => "null".to_owned(),
                Yaml::List(_) | Yaml::Map(_) => {
                    self.0.mistakes.push((id, STRANGE_KEY.to_owned()));
                    continue;
                }
            };
            if name == "<<" {
                merged.push((key.id, value));
            } else if names.insert(name.clone()) {
                entries.push((Key { id: key.id, name }, value));
            } else {
                self.0
                    .mistakes
                    .push((key.id, format!("the key `{name}` is repeated")));
            }
        }
        for (at, value) in merged {
            if !merge(&mut entries, &mut names, value) {
                self.0
                    .mistakes
                    .push((at, "`<<` takes a mapping or a list of mappings".to_owned()));
            }
        }
        Ok(Node {
            id,
            literal: false,
            value: Yaml::Map(entries),
        })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Node, A::Error> {
        if self.0.tags == Tags::Ignored {
            let (_, contents) = tagged.variant::<de::IgnoredAny>()?;
            return contents.newtype_variant_seed(self);
        }
        // The place must be the value's own, also while another value is looked for.
        self.0.next_id::<A::Error>()?;
        Err(self
            .0
            .refuse("YAML tags (`!name`) have no meaning here".to_owned()))
    }
}

const STRANGE_KEY: &str =
    "a list or a mapping can't be a key (a text that begins with {{ needs quotes around it)";

/// Adds what `<<` names. Keys that are there already win, then the first of several mappings.
fn merge(entries: &mut Vec<(Key, Node)>, names: &mut std::collections::HashSet<String>, value: Node) -> bool {
    match value.value {
        Yaml::Map(more) => {
            entries.extend(more.into_iter().filter(|(key, _)| names.insert(key.name.clone())));
            true
        }
        // A list within the list is no mapping.
        Yaml::List(maps) => maps
            .into_iter()
            .all(|map| matches!(map.value, Yaml::Map(_)) && merge(entries, names, map)),
        _ => false,
    }
}
