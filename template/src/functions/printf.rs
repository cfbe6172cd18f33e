//! `printf` with the verbs that names need.

use std::iter::Peekable;
use std::str::Chars;

use super::Arguments;
use crate::error::{ErrorKind, Fault};
use crate::evaluate::MAX_TEXT;
use crate::value::{Value, described, quoted, whole};
use crate::words::{counted, printable};

const VERBS: &str = "`%s`, `%d`, `%v`, `%q`, `%t` and `%%`";
/// The widest field.
const MAX_WIDTH: usize = 1000;

/// What is between `%` and the verb.
#[derive(Default)]
struct Spec {
    left: bool,
    zeros: bool,
    plus: bool,
    width: usize,
    precision: Option<usize>,
}

pub(super) fn printf(args: &Arguments<'_>) -> Result<Value, Fault> {
    let mut letters = args.text(0)?.chars().peekable();
    let mut text = String::new();
    let mut used = 0;
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        if letters.next_if_eq(&'%').is_some() {
            text.push('%');
            continue;
        }
        let spec = Spec::read(&mut letters).ok_or_else(|| too_wide(args))?;
        let Some(verb) = letters.next() else {
            return Err(args.refused(0, format!("the format ends within a verb: there are {VERBS}")));
        };
        if !"sdvqt".contains(verb) {
            let message = format!("`printf` has no verb `%{}`: there are {VERBS}", printable(verb));
            return Err(args.refused(0, message));
        }
        used += 1;
        if used >= args.values.len() {
            continue;
        }
        let value = formatted(args, used, verb, &spec)?;
        spec.pad(&value, verb, &mut text);
        if text.len() > MAX_TEXT {
            break;
        }
    }
    let given = args.values.len() - 1;
    if used != given && text.len() <= MAX_TEXT {
        let given = match given {
            0 => "none is".to_owned(),
            1 => "1 is".to_owned(),
            _ => format!("{given} are"),
        };
        let wanted = counted(used, "value");
        let message = format!("the format of `printf` takes {wanted}, and {given} given");
        return Err(Fault::new(ErrorKind::Function, &args.exprs[0].span, message));
    }
    Ok(text.into())
}

fn too_wide(args: &Arguments<'_>) -> Fault {
    args.refused(
        0,
        format!("a width in the format of `printf` is more than {MAX_WIDTH}"),
    )
}

fn formatted(args: &Arguments<'_>, at: usize, verb: char, spec: &Spec) -> Result<String, Fault> {
    match (verb, &*args.values[at]) {
        ('v' | 's', Value::String(text)) => Ok(spec.cut(text)),
        ('q', Value::String(text)) => Ok(quoted(&spec.cut(text))),
        _ if spec.precision.is_some() => Err(args.refused(
            0,
            "in the format of `printf` a precision cuts text, and nothing else",
        )),
        ('v', _) => args.printed(at),
        ('t', Value::Bool(value)) => Ok(value.value.to_string()),
        ('d', value) => {
            let number = match value {
                Value::Number(number) => whole(&number.value),
                _ => None,
            };
            let number = number.ok_or_else(|| mismatch(args, at, verb))?;
            let sign = if spec.plus && number >= 0 { "+" } else { "" };
            Ok(format!("{sign}{number}"))
        }
        _ => Err(mismatch(args, at, verb)),
    }
}

fn mismatch(args: &Arguments<'_>, at: usize, verb: char) -> Fault {
    let wanted = match verb {
        'd' => "a whole number",
        't' => "a boolean",
        _ => "text",
    };
    let found = match &*args.values[at] {
        Value::Number(_) if verb == 'd' => "a number with a fraction",
        other => described(other),
    };
    let message = format!("`%{verb}` of `printf` needs {wanted}, and this is {found}");
    Fault::new(ErrorKind::Type, &args.exprs[at].span, message).hint("`%v` takes text, numbers and booleans")
}

impl Spec {
    /// Nothing, where a number is too large.
    fn read(letters: &mut Peekable<Chars<'_>>) -> Option<Spec> {
        let mut spec = Spec::default();
        while let Some(flag) = letters.next_if(|letter| "-0+".contains(*letter)) {
            match flag {
                '-' => spec.left = true,
                '0' => spec.zeros = true,
                _ => spec.plus = true,
            }
        }
        spec.width = number(letters)?;
        if letters.next_if_eq(&'.').is_some() {
            spec.precision = Some(number(letters)?);
        }
        Some(spec)
    }

    fn cut(&self, text: &str) -> String {
        text.chars().take(self.precision.unwrap_or(usize::MAX)).collect()
    }

    fn pad(&self, value: &str, verb: char, text: &mut String) {
        let missing = self.width.saturating_sub(value.chars().count());
        match (self.left, self.zeros && verb == 'd') {
            (true, _) => text.extend([value, &" ".repeat(missing)]),
            (false, false) => text.extend([&" ".repeat(missing), value]),
            (false, true) => {
                let (sign, digits) = value.split_at(value.len() - value.trim_start_matches(['-', '+']).len());
                text.extend([sign, &"0".repeat(missing), digits]);
            }
        }
    }
}

fn number(letters: &mut Peekable<Chars<'_>>) -> Option<usize> {
    let mut number = 0;
    while let Some(digit) = letters.peek().and_then(|letter| letter.to_digit(10)) {
        letters.next();
        number = number * 10 + digit as usize;
        if number > MAX_WIDTH {
            return None;
        }
    }
    Some(number)
}
