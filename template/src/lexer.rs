//! Text and actions, and the tokens of actions, as Go's `text/template` reads them.

use std::ops::Range;

use crate::error::Fault;
use crate::literal;
use crate::value::Value;
use crate::words::{printable, shown};

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token<'s> {
    /// Text between actions, already trimmed where markers ask for it: the span.
    Text,
    /// `{{`
    Open,
    /// `}}`
    Close,
    /// `.name`
    Field(&'s str),
    /// `$name`, or `$` with an empty name.
    Variable(&'s str),
    /// The name of a function or a keyword.
    Word(&'s str),
    Dot,
    Literal(Value),
    LeftParen,
    RightParen,
    Pipe,
    Declare,
    Assign,
    Comma,
    /// The template's end.
    End,
}

/// A token, where it is, and whether blanks are before it.
#[derive(Debug, Clone)]
pub(crate) struct Lexeme<'s> {
    pub token: Token<'s>,
    pub span: Range<usize>,
    pub spaced: bool,
}

pub(crate) struct Lexer<'s> {
    source: &'s str,
    at: usize,
    /// Where the action that is being read began.
    action: Option<usize>,
    /// Whether the last action trims the text behind it.
    trims: bool,
}

impl<'s> Lexer<'s> {
    pub fn new(source: &'s str) -> Lexer<'s> {
        Lexer {
            source,
            at: 0,
            action: None,
            trims: false,
        }
    }

    pub fn next(&mut self) -> Result<Lexeme<'s>, Fault> {
        match self.action {
            Some(open) => self.inside(open),
            None => self.outside(),
        }
    }

    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    fn lexeme(&mut self, token: Token<'s>, length: usize, spaced: bool) -> Lexeme<'s> {
        let start = self.at;
        self.at += length;
        Lexeme {
            token,
            span: start..self.at,
            spaced,
        }
    }

    fn outside(&mut self) -> Result<Lexeme<'s>, Fault> {
        loop {
            if std::mem::take(&mut self.trims) {
                self.at += self.rest().len() - self.rest().trim_start_matches(SPACES).len();
            }
            let Some(before) = self.rest().find("{{") else {
                let length = self.rest().len();
                let token = if length == 0 { Token::End } else { Token::Text };
                return Ok(self.lexeme(token, length, false));
            };
            let open = self.at + before;
            let body = &self.source[open + 2..];
            // A minus sign is a marker only with a blank behind it: {{-3}} is a number.
            let has_marker = body.starts_with('-') && body[1..].starts_with(SPACES);
            if before > 0 {
                let text = &self.rest()[..before];
                let kept = if has_marker {
                    text.trim_end_matches(SPACES).len()
                } else {
                    before
                };
                if kept > 0 {
                    let lexeme = self.lexeme(Token::Text, kept, false);
                    self.at = open;
                    return Ok(lexeme);
                }
            }
            let marker = if has_marker { 2 } else { 0 };
            if body[marker..].starts_with("/*") {
                self.at = open + 2 + marker;
                self.comment(open)?;
                continue;
            }
            self.at = open;
            self.action = Some(open);
            let lexeme = self.lexeme(Token::Open, 2, false);
            // The blank behind the marker stays: it may begin ` -}}`.
            self.at += usize::from(has_marker);
            return Ok(lexeme);
        }
    }

    fn comment(&mut self, open: usize) -> Result<(), Fault> {
        let Some(length) = self.rest().find("*/") else {
            return Err(Fault::syntax(
                &(open..open + 2),
                "this comment isn't closed: `*/}}` is missing",
            ));
        };
        self.at += length + 2;
        match self.close_length() {
            Some((length, trims)) => {
                self.at += length;
                self.trims = trims;
                Ok(())
            }
            None => Err(Fault::syntax(
                &(self.at - 2..self.at),
                "a comment must be an action of its own: `}}` or ` -}}` must follow `*/`",
            )),
        }
    }

    /// The length of the `}}` or ` -}}` that comes next, and whether it trims.
    fn close_length(&self) -> Option<(usize, bool)> {
        let rest = self.rest();
        if rest.starts_with("}}") {
            return Some((2, false));
        }
        let marked = rest.starts_with(SPACES) && rest[1..].starts_with("-}}");
        marked.then_some((4, true))
    }

    fn inside(&mut self, open: usize) -> Result<Lexeme<'s>, Fault> {
        let mut spaced = false;
        let next = loop {
            if let Some((length, trims)) = self.close_length() {
                self.action = None;
                self.trims = trims;
                return Ok(self.lexeme(Token::Close, length, spaced));
            }
            match self.rest().chars().next() {
                Some(letter) if SPACES.contains(&letter) => {
                    self.at += 1;
                    spaced = true;
                }
                Some(letter) => break letter,
                None => return Err(unclosed(open)),
            }
        };
        let rest = self.rest();
        let second = rest[next.len_utf8()..].chars().next().unwrap_or(' ');
        match next {
            '(' => Ok(self.lexeme(Token::LeftParen, 1, spaced)),
            ')' => Ok(self.lexeme(Token::RightParen, 1, spaced)),
            '|' => Ok(self.lexeme(Token::Pipe, 1, spaced)),
            ',' => Ok(self.lexeme(Token::Comma, 1, spaced)),
            ':' if second == '=' => Ok(self.lexeme(Token::Declare, 2, spaced)),
            '=' => Ok(self.lexeme(Token::Assign, 1, spaced)),
            '"' => self.quoted(spaced),
            '`' => self.raw(spaced),
            '.' if second.is_ascii_digit() => self.number(spaced),
            '.' if is_name(second) => {
                let name = name_at(&rest[1..]);
                self.named(Token::Field(name), name.len() + 1, spaced)
            }
            '.' => Ok(self.lexeme(Token::Dot, 1, spaced)),
            '$' => {
                let name = name_at(&rest[1..]);
                self.named(Token::Variable(name), name.len() + 1, spaced)
            }
            '+' | '-' | '0'..='9' => self.number(spaced),
            letter if is_name(letter) => {
                let name = name_at(rest);
                let token = match name {
                    "true" => Token::Literal(Value::from(true)),
                    "false" => Token::Literal(Value::from(false)),
                    "nil" => Token::Literal(Value::Null),
                    _ => Token::Word(name),
                };
                self.named(token, name.len(), spaced)
            }
            _ => Err(self.stray(open, next)),
        }
    }

    /// A name, which nothing but blanks and punctuation may follow.
    fn named(&mut self, token: Token<'s>, length: usize, spaced: bool) -> Result<Lexeme<'s>, Fault> {
        let lexeme = self.lexeme(token, length, spaced);
        let next = self.rest().chars().next().unwrap_or(' ');
        if SPACES.contains(&next) || ".,|:()=".contains(next) || self.close_length().is_some() {
            return Ok(lexeme);
        }
        let open = self.action.unwrap_or(lexeme.span.start);
        Err(self.stray(open, next))
    }

    fn number(&mut self, spaced: bool) -> Result<Lexeme<'s>, Fault> {
        let rest = self.rest();
        let digits = rest.strip_prefix(['+', '-']).unwrap_or(rest);
        let is_hexadecimal = digits
            .get(..2)
            .is_some_and(|start| start.eq_ignore_ascii_case("0x"));
        let mut previous = ' ';
        let end = digits.find(|letter: char| {
            let is_sign = "+-".contains(letter) && "eE".contains(previous) && !is_hexadecimal;
            previous = letter;
            !(is_name(letter) || letter == '.' || is_sign)
        });
        let length = rest.len() - digits.len() + end.unwrap_or(digits.len());
        let text = &rest[..length];
        match literal::number(text) {
            Ok(value) => Ok(self.lexeme(Token::Literal(value), length, spaced)),
            Err(problem) => {
                let span = self.at..self.at + length;
                let fault = Fault::syntax(&span, format!("`{}` {problem}", shown(text)));
                Err(if text == "-" && self.source[self.at..].starts_with("-}}") {
                    fault.hint("a blank must be before the trim marker `-}}`")
                } else {
                    fault
                })
            }
        }
    }

    fn quoted(&mut self, spaced: bool) -> Result<Lexeme<'s>, Fault> {
        let inner = &self.rest()[1..];
        let mut escaped = false;
        let end = inner.find(|letter: char| {
            let ends = letter == '\n' || (letter == '"' && !escaped);
            escaped = letter == '\\' && !escaped;
            ends
        });
        let Some(length) = end.filter(|end| inner[*end..].starts_with('"')) else {
            let span = self.at..self.at + 1;
            return Err(Fault::syntax(
                &span,
                "this text isn't closed: `\"` is missing on its line",
            ));
        };
        match literal::unquote(&inner[..length]) {
            Ok(text) => Ok(self.lexeme(Token::Literal(Value::String(text)), length + 2, spaced)),
            Err((offset, message)) => {
                let start = self.at + 1 + offset;
                let width = if inner[offset..].starts_with('\\') {
                    2
                } else {
                    length
                };
                let fault = Fault::syntax(&(start..start + width), message);
                Err(fault.hint("in backquotes every letter stands for itself"))
            }
        }
    }

    fn raw(&mut self, spaced: bool) -> Result<Lexeme<'s>, Fault> {
        let inner = &self.rest()[1..];
        let Some(length) = inner.find('`') else {
            let span = self.at..self.at + 1;
            return Err(Fault::syntax(
                &span,
                "this text isn't closed: a backquote is missing",
            ));
        };
        let text = inner[..length].replace('\r', "");
        Ok(self.lexeme(Token::Literal(Value::String(text)), length + 2, spaced))
    }

    fn stray(&self, open: usize, letter: char) -> Fault {
        let rest = self.rest();
        let span = self.at..self.at + letter.len_utf8();
        if rest.starts_with("{{") {
            return unclosed(open);
        }
        if letter == '\'' {
            return Fault::syntax(&span, "single quotes don't enclose text")
                .hint("put text in double quotes or in backquotes");
        }
        let fault = Fault::syntax(&span, format!("unexpected `{}`", printable(letter)));
        match letter {
            '-' if rest.starts_with("-}}") => fault.hint("a blank must be before the trim marker `-}}`"),
            '-' => fault.hint("names have no hyphen: `index . \"a-b\"` takes the value of such a key"),
            '/' if rest.starts_with("/*") => fault.hint("a comment must begin right behind `{{` or `{{- `"),
            '{' => fault.hint("names stand without braces of their own: `{{ .name }}`"),
            '}' => fault.hint("an action ends with `}}`"),
            '[' => fault.hint("`index .list 0` takes an element of a list"),
            '&' | '!' | '<' | '>' | '*' | '+' | '?' => {
                fault.hint("there are no operators: write `and A B`, `not A`, `eq A B`, `ternary A B CONDITION` and so on")
            }
            _ => fault,
        }
    }
}

fn unclosed(open: usize) -> Fault {
    Fault::syntax(&(open..open + 2), "this action isn't closed: `}}` is missing")
}

fn is_name(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

fn name_at(text: &str) -> &str {
    &text[..text.find(|letter| !is_name(letter)).unwrap_or(text.len())]
}
