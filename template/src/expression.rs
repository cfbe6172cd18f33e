//! Pipelines, calls and operands. A piped value becomes its function's last argument here, so that nothing later knows pipes.

use std::ops::Range;

use crate::ast::{Base, Expr, ExprKind, Key};
use crate::error::{ErrorKind, Fault};
use crate::functions::{self, Function};
use crate::lexer::{Lexeme, Token};
use crate::parser::{MAX_DEPTH, Parser, is_keyword};
use crate::value::Value;
use crate::words::{counted, guess, shown};

enum Operand {
    Value(Expr),
    /// A function's name, which takes the operands behind it where it comes first.
    Function(&'static Function, Range<usize>),
}

impl<'s> Parser<'s> {
    /// A pipeline up to `}}` or `)`, which isn't read. `what` needs it, for the message where it is missing.
    pub(super) fn pipeline(&mut self, what: &str) -> Result<Expr, Fault> {
        let next = self.peek()?;
        if matches!(next.token, Token::Close | Token::RightParen) {
            let of = if what.contains(' ') {
                what.to_owned()
            } else {
                format!("`{what}`")
            };
            return Err(Fault::syntax(
                &next.span,
                format!("{of} is empty: a value or a function is missing"),
            ));
        }
        let mut value = self.command(None)?;
        while self.peek()?.token == Token::Pipe {
            self.next()?;
            value = self.command(Some(value))?;
        }
        Ok(value)
    }

    /// A function with its arguments, or one value.
    fn command(&mut self, piped: Option<Expr>) -> Result<Expr, Fault> {
        let first = self.operand(true, piped.is_some())?;
        let mut args = Vec::new();
        loop {
            let next = self.peek()?;
            match next.token {
                Token::Close | Token::RightParen | Token::Pipe => break,
                _ if !next.spaced => {
                    let lexeme = self.next()?;
                    return Err(self.unexpected(&lexeme));
                }
                _ => {}
            }
            // What isn't a function has no arguments, and the hint needs only the next word.
            let operand = self.operand(false, false)?;
            if let Operand::Value(value) = &first {
                return Err(misplaced(value, &operand));
            }
            args.push(match operand {
                Operand::Value(value) => value,
                Operand::Function(function, span) => call(function, span, Vec::new())?,
            });
        }
        match first {
            Operand::Function(function, span) => {
                args.extend(piped);
                call(function, span, args)
            }
            Operand::Value(value) if piped.is_some() => Err(Fault::syntax(
                &value.span,
                "only a function takes a piped value, and this isn't one",
            )),
            Operand::Value(value) if matches!(value.kind, ExprKind::Literal(Value::Null)) => {
                Err(Fault::syntax(&value.span, "`nil` alone isn't a value"))
            }
            Operand::Value(value) => Ok(value),
        }
    }

    /// `is_first` of its command, which has a piped value: what then isn't known is meant as a function.
    fn operand(&mut self, is_first: bool, is_piped: bool) -> Result<Operand, Fault> {
        let lexeme = self.next()?;
        let span = lexeme.span.clone();
        let (base, keys) = match lexeme.token {
            Token::Word(word) if !is_keyword(word) => {
                let Some(function) = functions::find(word) else {
                    let next = self.peek()?.token;
                    let is_alone =
                        !is_piped && matches!(next, Token::Close | Token::RightParen | Token::Pipe);
                    return Err(unknown_function(word, &span, is_alone || !is_first));
                };
                self.refuse_field("a function's name")?;
                return Ok(Operand::Function(function, span));
            }
            Token::Literal(value) => {
                self.refuse_field("a literal")?;
                let kind = ExprKind::Literal(value);
                return Ok(Operand::Value(Expr { kind, span, depth: 1 }));
            }
            Token::Dot => {
                self.refuse_field("`.`")?;
                (Base::Dot, Vec::new())
            }
            Token::Field(name) => (Base::Dot, vec![key(name, &span)]),
            Token::Variable("") => (Base::Root, Vec::new()),
            Token::Variable(name) => {
                if !self.variables.iter().any(|(known, _)| known == name) {
                    return Err(self.unknown_variable(name, &span));
                }
                (Base::Variable(name.to_owned()), Vec::new())
            }
            Token::LeftParen => (Base::Inner(Box::new(self.parenthesised(&span)?)), Vec::new()),
            _ => return Err(self.unexpected(&lexeme)),
        };
        self.path(base, keys, span).map(Operand::Value)
    }

    fn parenthesised(&mut self, open: &Range<usize>) -> Result<Expr, Fault> {
        self.parens += 1;
        if self.parens > MAX_DEPTH {
            return Err(too_deep(open));
        }
        let inner = self.pipeline("this pair of parentheses")?;
        let close = self.next()?;
        match close.token {
            Token::RightParen => {}
            Token::Close => {
                return Err(Fault::syntax(
                    open,
                    "this parenthesis isn't closed: `)` is missing",
                ));
            }
            _ => return Err(self.unexpected(&close)),
        }
        self.parens -= 1;
        let span = open.start..close.span.end;
        Ok(Expr { span, ..inner })
    }

    /// The fields that follow without a blank, and the whole path's name noted.
    fn path(&mut self, base: Base, mut keys: Vec<Key>, mut span: Range<usize>) -> Result<Expr, Fault> {
        let mut depth = 1;
        if let Base::Inner(inner) = &base {
            span = inner.span.clone();
            depth = inner.depth + 1;
        }
        loop {
            let next = self.peek()?;
            if next.spaced {
                break;
            }
            let Token::Field(name) = next.token else { break };
            keys.push(key(name, &next.span));
            span.end = next.span.end;
            self.next()?;
        }
        let (base, keys) = match base {
            Base::Inner(inner) if keys.is_empty() => return Ok(*inner),
            // (.a).b is .a.b
            Base::Inner(inner) => match *inner {
                Expr {
                    kind:
                        ExprKind::Path {
                            base,
                            keys: mut first,
                        },
                    ..
                } => {
                    first.append(&mut keys);
                    (base, first)
                }
                inner => (Base::Inner(Box::new(inner)), keys),
            },
            base => (base, keys),
        };
        if depth > MAX_DEPTH {
            return Err(too_deep(&span));
        }
        let kind = ExprKind::Path { base, keys };
        let expr = Expr { kind, span, depth };
        if let Some(path) = self.path_of(&expr) {
            let path = if path.is_empty() { ".".to_owned() } else { path };
            self.paths.entry(path).or_insert_with(|| expr.span.clone());
        }
        Ok(expr)
    }

    /// The dotted path from the root that an expression is, if it is one: empty for the root.
    pub(super) fn path_of(&self, expr: &Expr) -> Option<String> {
        let ExprKind::Path { base, keys } = &expr.kind else {
            return None;
        };
        let mut path = match base {
            Base::Dot => self.dot.clone()?,
            Base::Root => String::new(),
            Base::Variable(name) => {
                let (_, path) = self.variables.iter().rev().find(|(known, _)| known == name)?;
                path.clone()?
            }
            Base::Inner(_) => return None,
        };
        for key in keys {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&key.name);
        }
        Some(path)
    }

    fn refuse_field(&mut self, what: &str) -> Result<(), Fault> {
        let next = self.peek()?;
        if !next.spaced && matches!(next.token, Token::Field(_) | Token::Dot) {
            return Err(Fault::syntax(&next.span, format!("{what} has no fields")));
        }
        Ok(())
    }

    pub(super) fn unexpected(&self, lexeme: &Lexeme<'_>) -> Fault {
        let what = match &lexeme.token {
            Token::Close => "`}}`".to_owned(),
            Token::Field(name) => format!("`.{}`", shown(name)),
            Token::Variable(name) => format!("`${}`", shown(name)),
            Token::Word(word) => format!("`{}`", shown(word)),
            Token::Dot => "`.`".to_owned(),
            Token::Literal(Value::String(_)) => "text".to_owned(),
            Token::Literal(Value::Number(_)) => "number".to_owned(),
            Token::Literal(_) => "literal".to_owned(),
            Token::LeftParen => "`(`".to_owned(),
            Token::RightParen => "`)`".to_owned(),
            Token::Pipe => "`|`".to_owned(),
            Token::Declare => "`:=`".to_owned(),
            Token::Assign => "`=`".to_owned(),
            Token::Comma => "`,`".to_owned(),
            Token::Text | Token::Open | Token::End => "end".to_owned(),
        };
        let fault = Fault::syntax(&lexeme.span, format!("unexpected {what}"));
        match &lexeme.token {
            Token::Comma => fault.hint("arguments are separated by blanks"),
            Token::Assign => fault.hint("`eq A B` compares"),
            Token::LeftParen => fault.hint("a call is `function A B`, or `(function A B)` inside another"),
            Token::RightParen => fault.hint("no parenthesis is open here"),
            Token::Word(word) if is_keyword(word) => fault.hint("this word must come first in its action"),
            Token::Dot => fault.hint("a name must follow the dot, without a blank"),
            Token::Close => fault.hint("a value or a function is missing before it"),
            _ if !lexeme.spaced => fault.hint("a blank may be missing before it"),
            _ => fault,
        }
    }
}

fn key(name: &str, span: &Range<usize>) -> Key {
    Key {
        name: name.to_owned(),
        span: span.clone(),
    }
}

fn call(function: &'static Function, name: Range<usize>, args: Vec<Expr>) -> Result<Expr, Fault> {
    if args.len() < function.min || args.len() > function.max {
        let takes = match (function.min, function.max) {
            (min, usize::MAX) => format!("at least {}", counted(min, "argument")),
            (min, max) if min == max => counted(min, "argument"),
            (min, max) => format!("{min} to {}", counted(max, "argument")),
        };
        let given = match args.len() {
            0 => "none is given".to_owned(),
            1 => "1 is given".to_owned(),
            count => format!("{count} are given"),
        };
        let message = format!("`{}` takes {takes}, and {given}", function.name);
        let usage = format!(
            "it is written `{}`; a piped value is the last argument",
            function.usage
        );
        return Err(Fault::new(ErrorKind::Function, &name, message).hint(usage));
    }
    let depth = 1 + args.iter().map(|arg| arg.depth).max().unwrap_or(0);
    let start = args.iter().map(|arg| arg.span.start).fold(name.start, usize::min);
    let end = args.iter().map(|arg| arg.span.end).fold(name.end, usize::max);
    if depth > MAX_DEPTH {
        return Err(too_deep(&name));
    }
    Ok(Expr {
        kind: ExprKind::Call { function, args },
        span: start..end,
        depth,
    })
}

fn too_deep(span: &Range<usize>) -> Fault {
    let message = format!("this expression is nested too deep: more than {MAX_DEPTH} calls or parentheses");
    Fault::new(ErrorKind::Limit, span, message)
}

fn unknown_function(word: &str, span: &Range<usize>, may_be_variable: bool) -> Fault {
    if let Some(why) = functions::why_not(word) {
        let message = format!("the function `{word}` isn't available: {why}");
        return Fault::new(ErrorKind::Unsupported, span, message);
    }
    // `mustAppend` is `append`: the errors are the same.
    let is_alias = |name: &str| name.starts_with("must") || name == "trimall";
    let names = || {
        let names = functions::all().map(|function| function.name);
        names.filter(|name| !is_alias(name))
    };
    let mut message = format!("there is no function `{}`", shown(word));
    let near = guess(word, names(), "");
    if near.is_none() {
        let known: Vec<String> = names().map(|name| format!("`{name}`")).collect();
        message = format!("{message}: there are {}", known.join(", "));
    }
    let variable = may_be_variable.then(|| format!("a variable begins with a dot: `.{}`", shown(word)));
    Fault::new(ErrorKind::Function, span, message).maybe_hint(near.or(variable))
}

/// `.a eq "b"`, `.a "b"`: a value with something behind it.
fn misplaced(value: &Expr, operand: &Operand) -> Fault {
    let message = "this isn't a function and takes no arguments";
    let fault = Fault::syntax(&value.span, message);
    match operand {
        Operand::Function(function, _) => {
            fault.hint(format!("the function comes first: `{}`", function.usage))
        }
        Operand::Value(_) => {
            fault.hint("one action gives one value; a pipe `|` or a function's name may be missing")
        }
    }
}
