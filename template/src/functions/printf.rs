//! `printf`, as Go's `fmt` formats text, numbers, booleans and lists of them.

use std::iter::Peekable;
use std::str::Chars;

use super::{Arguments, format, kinds};
use crate::error::{ErrorKind, Fault};
use crate::evaluate::is_null;
use crate::value::{Value, described, quoted, whole};
use crate::words::{counted, printable};

const VERBS: &str =
    "`%s`, `%d`, `%v`, `%q`, `%t`, `%f`, `%e`, `%g`, `%x`, `%X`, `%o`, `%b`, `%c`, `%U`, `%T` and `%%`";
/// The widest field, and the most digits.
const MAX_WIDTH: usize = 1000;

/// What is between `%` and the verb.
#[derive(Default)]
struct Spec {
    left: bool,
    zeros: bool,
    plus: bool,
    space: bool,
    sharp: bool,
    width: usize,
    precision: Option<usize>,
}

/// The format while it is read, and the arguments that it takes.
struct Format<'a> {
    args: &'a Arguments<'a>,
    letters: Peekable<Chars<'a>>,
    /// The last argument that was taken; the format is the first of them.
    used: usize,
    /// Whether arguments were taken by number, such as `%[1]s`: then some may stay unused.
    by_number: bool,
}

pub(super) fn printf(args: &Arguments<'_>) -> Result<Value, Fault> {
    let mut format = Format {
        args,
        letters: args.text(0)?.chars().peekable(),
        used: 0,
        by_number: false,
    };
    let mut text = String::new();
    while let Some(letter) = format.letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        if format.letters.next_if_eq(&'%').is_some() {
            text.push('%');
            continue;
        }
        let spec = format.spec()?;
        let Some(verb) = format.letters.next() else {
            return Err(args.refused(0, format!("the format ends within a verb: there are {VERBS}")));
        };
        if !"sdvqtfFeEgGxXobcUT".contains(verb) {
            let message = format!("`printf` has no verb `%{}`: there are {VERBS}", printable(verb));
            return Err(args.refused(0, message));
        }
        format.used += 1;
        // What is missing is counted to the end, for the message.
        if format.used >= args.values.len() {
            continue;
        }
        if args.values[format.used].is_null() && verb != 'T' {
            return Err(is_null(&args.exprs[format.used]));
        }
        text.push_str(&formatted(
            args,
            format.used,
            &args.values[format.used],
            verb,
            &spec,
        )?);
        args.check_length(text.len())?;
    }
    let (used, given) = (format.used, args.values.len() - 1);
    if used > given || (used < given && !format.by_number) {
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

impl Format<'_> {
    fn spec(&mut self) -> Result<Spec, Fault> {
        let mut spec = Spec::default();
        while let Some(flag) = self.letters.next_if(|letter| "-0+ #".contains(*letter)) {
            match flag {
                '-' => spec.left = true,
                '0' => spec.zeros = true,
                '+' => spec.plus = true,
                ' ' => spec.space = true,
                _ => spec.sharp = true,
            }
        }
        self.number_of_argument()?;
        if self.letters.next_if_eq(&'*').is_some() {
            let width = self.argument()?;
            spec.left |= width < 0;
            spec.width = self.checked(width.unsigned_abs())?;
            self.number_of_argument()?;
        } else {
            spec.width = self.digits()?;
        }
        if self.letters.next_if_eq(&'.').is_some() {
            self.number_of_argument()?;
            spec.precision = Some(if self.letters.next_if_eq(&'*').is_some() {
                let precision = self.argument()?;
                self.checked(precision.max(0).unsigned_abs())?
            } else {
                self.digits()?
            });
            self.number_of_argument()?;
        }
        Ok(spec)
    }

    /// `[2]`: the argument that comes next.
    fn number_of_argument(&mut self) -> Result<(), Fault> {
        if self.letters.next_if_eq(&'[').is_none() {
            return Ok(());
        }
        let number = self.digits()?;
        if self.letters.next_if_eq(&']').is_none() || number == 0 || number >= self.args.values.len() {
            return Err(self.args.refused(
                0,
                "the format of `printf` names an argument by a number that it hasn't",
            ));
        }
        self.by_number = true;
        self.used = number - 1;
        Ok(())
    }

    /// The argument that `*` takes.
    fn argument(&mut self) -> Result<i64, Fault> {
        self.used += 1;
        if self.used >= self.args.values.len() {
            return Err(self
                .args
                .refused(0, "the format of `printf` has a `*` without a value"));
        }
        self.args.whole(self.used)
    }

    fn digits(&mut self) -> Result<usize, Fault> {
        let mut number = 0;
        while let Some(digit) = self.letters.peek().and_then(|letter| letter.to_digit(10)) {
            self.letters.next();
            number = self.checked((number as u64) * 10 + u64::from(digit))?;
        }
        Ok(number)
    }

    fn checked(&self, width: u64) -> Result<usize, Fault> {
        let width = usize::try_from(width).ok().filter(|width| *width <= MAX_WIDTH);
        width.ok_or_else(|| {
            let message = format!("a width in the format of `printf` is more than {MAX_WIDTH}");
            self.args.refused(0, message)
        })
    }
}

fn formatted(
    args: &Arguments<'_>,
    at: usize,
    value: &Value,
    verb: char,
    spec: &Spec,
) -> Result<String, Fault> {
    let text = match (verb, value) {
        ('T', value) => kinds::type_name(value).to_owned(),
        ('v', Value::Null) => "<nil>".to_owned(),
        (_, Value::Array(list)) => {
            let mut items = Vec::with_capacity(list.len());
            for item in list {
                items.push(formatted(args, at, item, verb, spec)?);
            }
            return Ok(format!("[{}]", items.join(" ")));
        }
        (_, Value::Object(object)) => {
            let mut items = Vec::with_capacity(object.len());
            for (key, item) in object {
                let key = formatted(args, at, &Value::from(key.as_str()), verb, spec)?;
                items.push(format!("{key}:{}", formatted(args, at, item, verb, spec)?));
            }
            return Ok(format!("map[{}]", items.join(" ")));
        }
        ('v' | 's', Value::String(text)) => spec.cut(text),
        ('q', Value::String(text)) => {
            let text = spec.cut(text);
            match spec.sharp
                && !text.contains(['`', '\u{feff}'])
                && !text.contains(|c: char| c.is_control() && c != '\t')
            {
                true => format!("`{text}`"),
                false => quoted(&text),
            }
        }
        ('x' | 'X', Value::String(text)) => {
            let bytes = text.bytes().take(spec.precision.unwrap_or(usize::MAX));
            let digits: String = bytes.map(|byte| format!("{byte:02x}")).collect();
            args.check_length(digits.len())?;
            in_case(verb, digits)
        }
        ('t' | 'v', Value::Bool(value)) => match verb {
            'v' => value.to_string(),
            _ => value.value.to_string(),
        },
        ('v', Value::Number(number)) if spec.precision.is_none() && !spec.plus && !spec.space => {
            crate::value::printed(value).unwrap_or_else(|| number.to_string())
        }
        ('v' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G', Value::Number(number)) if number.value.is_f64() => {
            let value = number.value.as_f64().unwrap_or_default();
            let verb = if verb == 'v' { 'g' } else { verb };
            in_case(
                verb,
                spec.signed(
                    value.is_sign_negative(),
                    &format::float(value.abs(), verb.to_ascii_lowercase(), spec.precision),
                ),
            )
        }
        ('d' | 'v' | 'x' | 'X' | 'o' | 'b', Value::Number(number)) => {
            let number = whole(&number.value).ok_or_else(|| mismatch(args, at, value, verb))?;
            let size = number.unsigned_abs();
            let (prefix, digits) = match verb {
                'x' | 'X' => ("0x", format!("{size:x}")),
                'o' => ("0", format!("{size:o}")),
                'b' => ("0b", format!("{size:b}")),
                _ => ("", size.to_string()),
            };
            let prefix = if spec.sharp { prefix } else { "" };
            let digits = format!("{digits:0>width$}", width = spec.precision.unwrap_or(0));
            in_case(verb, spec.signed(number < 0, &format!("{prefix}{digits}")))
        }
        ('c' | 'U', Value::Number(number)) => {
            let code = whole(&number.value).and_then(|code| u32::try_from(code).ok());
            let letter = code
                .and_then(char::from_u32)
                .ok_or_else(|| mismatch(args, at, value, verb))?;
            match verb {
                'c' => letter.to_string(),
                _ => format!("U+{:04X}", u32::from(letter)),
            }
        }
        _ => return Err(mismatch(args, at, value, verb)),
    };
    Ok(spec.padded(&text, verb))
}

fn in_case(verb: char, text: String) -> String {
    if verb.is_uppercase() {
        text.to_uppercase()
    } else {
        text
    }
}

fn mismatch(args: &Arguments<'_>, at: usize, value: &Value, verb: char) -> Fault {
    let wanted = match verb {
        'd' | 'o' | 'b' | 'c' | 'U' => "a whole number",
        'x' | 'X' => "text or a whole number",
        'f' | 'F' | 'e' | 'E' | 'g' | 'G' => "a number with a fraction",
        't' => "a boolean",
        _ => "text",
    };
    let found = match value {
        Value::Number(number) if number.value.is_f64() && wanted.ends_with("whole number") => {
            "a number with a fraction"
        }
        Value::Number(_) if wanted == "a number with a fraction" => "a whole number",
        other => described(other),
    };
    let message = format!("`%{verb}` of `printf` needs {wanted}, and this is {found}");
    let hint = match wanted {
        "a number with a fraction" => "`(float64 …)` makes a whole number one with a fraction",
        _ => "`%v` takes text, numbers and booleans",
    };
    Fault::new(ErrorKind::Type, &args.exprs[at].span, message).hint(hint)
}

impl Spec {
    fn cut(&self, text: &str) -> String {
        text.chars().take(self.precision.unwrap_or(usize::MAX)).collect()
    }

    fn signed(&self, is_negative: bool, digits: &str) -> String {
        let sign = match (is_negative, self.plus, self.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        };
        format!("{sign}{digits}")
    }

    fn padded(&self, value: &str, verb: char) -> String {
        let missing = self.width.saturating_sub(value.chars().count());
        let is_number = "deEfFgGxXob".contains(verb);
        // A precision says how many digits a whole number has; then blanks fill the rest.
        let zeros = self.zeros && is_number && !("dxXob".contains(verb) && self.precision.is_some());
        match (self.left, zeros) {
            (true, _) => format!("{value}{}", " ".repeat(missing)),
            (false, false) => format!("{}{value}", " ".repeat(missing)),
            (false, true) => {
                let digits = value.trim_start_matches(['-', '+', ' ']);
                let sign = &value[..value.len() - digits.len()];
                format!("{sign}{}{digits}", "0".repeat(missing))
            }
        }
    }
}
