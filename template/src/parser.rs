//! Blocks: text, actions, and what `if`, `with` and `range` enclose. Expressions are read in `expression`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::ast::{Arm, Binding, Expr, Leave, Loop, Node};
use crate::error::{ErrorKind, Fault};
use crate::lexer::{Lexeme, Lexer, Token};
use crate::words::{guess, shown, there_are};

/// Blocks, and expressions, inside one another: more are refused, so that no template exhausts the stack.
pub(crate) const MAX_DEPTH: usize = 50;

const KEYWORDS: [&str; 10] = [
    "block", "break", "continue", "define", "else", "end", "if", "range", "template", "with",
];

pub(crate) fn is_keyword(word: &str) -> bool {
    KEYWORDS.contains(&word)
}

/// A template's nodes, and the paths of variables that it names with their first places.
pub(crate) struct Parsed {
    pub nodes: Vec<Node>,
    pub paths: BTreeMap<String, Range<usize>>,
}

pub(crate) fn parse(source: &str) -> Result<Parsed, Fault> {
    let mut parser = Parser {
        lexer: Lexer::new(source),
        ahead: Vec::new(),
        blocks: 0,
        loops: 0,
        parens: 0,
        variables: Vec::new(),
        dot: Some(String::new()),
        paths: BTreeMap::new(),
    };
    let (nodes, stop) = parser.nodes()?;
    match stop {
        Stop::End => Ok(Parsed {
            nodes,
            paths: parser.paths,
        }),
        Stop::Word(word, span) => Err(Fault::syntax(
            &span,
            format!("`{word}` has nothing to belong to: no `if`, `with` or `range` is open"),
        )),
    }
}

pub(super) struct Parser<'s> {
    lexer: Lexer<'s>,
    /// Tokens that were looked at and not used; the last comes next.
    ahead: Vec<Lexeme<'s>>,
    blocks: usize,
    loops: usize,
    pub(super) parens: usize,
    /// The variables in scope, and for those that are nothing but a path that path.
    pub(super) variables: Vec<(String, Option<String>)>,
    /// The path that the dot stands for, where it is one.
    pub(super) dot: Option<String>,
    pub(super) paths: BTreeMap<String, Range<usize>>,
}

/// What ended a list of nodes.
enum Stop {
    End,
    /// `else` or `end`; their action's rest is still to be read.
    Word(&'static str, Range<usize>),
}

#[derive(Clone, Copy, PartialEq)]
enum Block {
    If,
    With,
    Range,
}

impl Block {
    fn word(self) -> &'static str {
        match self {
            Block::If => "if",
            Block::With => "with",
            Block::Range => "range",
        }
    }
}

impl<'s> Parser<'s> {
    pub(super) fn next(&mut self) -> Result<Lexeme<'s>, Fault> {
        match self.ahead.pop() {
            Some(lexeme) => Ok(lexeme),
            None => self.lexer.next(),
        }
    }

    pub(super) fn peek(&mut self) -> Result<Lexeme<'s>, Fault> {
        let lexeme = self.next()?;
        self.ahead.push(lexeme.clone());
        Ok(lexeme)
    }

    fn nodes(&mut self) -> Result<(Vec<Node>, Stop), Fault> {
        let mut nodes = Vec::new();
        loop {
            let lexeme = self.next()?;
            match lexeme.token {
                Token::Text => nodes.push(Node::Text(lexeme.span)),
                Token::End => return Ok((nodes, Stop::End)),
                _ => {}
            }
            if lexeme.token != Token::Open {
                continue;
            }
            let Lexeme { token, span, .. } = self.peek()?;
            let word = match token {
                Token::Word(word) if is_keyword(word) => {
                    self.next()?;
                    word
                }
                _ => {
                    let node = self.action()?;
                    nodes.push(node);
                    continue;
                }
            };
            match word {
                "if" => nodes.push(self.choice(Block::If, &span)?),
                "with" => nodes.push(self.choice(Block::With, &span)?),
                "range" => nodes.push(self.range(&span)?),
                "else" => return Ok((nodes, Stop::Word("else", span))),
                "end" => return Ok((nodes, Stop::Word("end", span))),
                "break" => nodes.push(self.leave(Leave::Break, word, &span)?),
                "continue" => nodes.push(self.leave(Leave::Continue, word, &span)?),
                _ => {
                    let message = format!("`{word}` is not supported here");
                    return Err(Fault::new(ErrorKind::Unsupported, &span, message)
                        .hint("of Go's actions there are `if`, `else`, `with`, `range`, `break`, `continue`, `end`, variables and pipelines"));
                }
            }
        }
    }

    fn leave(&mut self, leave: Leave, word: &str, span: &Range<usize>) -> Result<Node, Fault> {
        if self.loops == 0 {
            let message = format!("`{word}` has no loop to leave: no `range` is open");
            return Err(Fault::syntax(span, message));
        }
        self.close()?;
        Ok(Node::Leave(leave))
    }

    /// An action that isn't a block, up to its end.
    fn action(&mut self) -> Result<Node, Fault> {
        let binding = self.binding()?;
        let value = self.pipeline("this action")?;
        self.close()?;
        Ok(match binding {
            Some((binding, span)) => {
                self.bind(&binding, &span, &value)?;
                Node::Set { binding, value }
            }
            None => Node::Value(value),
        })
    }

    /// `$x :=` or `$x =`, if that comes next.
    fn binding(&mut self) -> Result<Option<(Binding, Range<usize>)>, Fault> {
        let Token::Variable(name) = self.peek()?.token else {
            return Ok(None);
        };
        let variable = self.next()?;
        let next = self.peek()?.token;
        let is_new = match next {
            Token::Declare => true,
            Token::Assign => false,
            Token::Comma => {
                let fault = Fault::syntax(&variable.span, "only `range` gives values to two variables");
                return Err(fault);
            }
            _ => {
                self.ahead.push(variable);
                return Ok(None);
            }
        };
        if name.is_empty() {
            return Err(
                Fault::syntax(&variable.span, "`$` is all variables together and can't be set")
                    .hint("name the variable: `$name`"),
            );
        }
        self.next()?;
        let name = name.to_owned();
        Ok(Some((Binding { name, is_new }, variable.span)))
    }

    /// Notes the variable: names are checked when the template is read.
    fn bind(&mut self, binding: &Binding, span: &Range<usize>, value: &Expr) -> Result<(), Fault> {
        if binding.is_new {
            let path = self.path_of(value);
            self.variables.push((binding.name.clone(), path));
            return Ok(());
        }
        match self
            .variables
            .iter_mut()
            .rev()
            .find(|(name, _)| *name == binding.name)
        {
            Some((_, path)) => {
                *path = None;
                Ok(())
            }
            None => Err(self
                .unknown_variable(&binding.name, span)
                .hint(format!("`${} := …` makes it", shown(&binding.name)))),
        }
    }

    pub(super) fn unknown_variable(&self, name: &str, span: &Range<usize>) -> Fault {
        let names: BTreeSet<&str> = self.variables.iter().map(|(name, _)| name.as_str()).collect();
        let there = if names.is_empty() {
            "no variable is set in the template".to_owned()
        } else {
            there_are(names.iter().copied(), "$")
        };
        let message = format!("nothing sets `${}`: {there}", shown(name));
        let from_outside = format!("variables from outside begin with a dot: `.{}`", shown(name));
        let hint = guess(name, names.iter().copied(), "$").unwrap_or(from_outside);
        Fault::new(ErrorKind::Missing, span, message).hint(hint)
    }

    /// `}}`
    fn close(&mut self) -> Result<(), Fault> {
        let lexeme = self.next()?;
        match lexeme.token {
            Token::Close => Ok(()),
            _ => Err(self.unexpected(&lexeme)),
        }
    }

    fn open_block(&mut self, block: Block, span: &Range<usize>) -> Result<(), Fault> {
        self.blocks += 1;
        if self.blocks > MAX_DEPTH {
            let message = format!(
                "`{}` is nested too deep: more than {MAX_DEPTH} blocks",
                block.word()
            );
            return Err(Fault::new(ErrorKind::Limit, span, message));
        }
        Ok(())
    }

    fn body(&mut self) -> Result<(Vec<Node>, Stop), Fault> {
        let in_scope = self.variables.len();
        let result = self.nodes();
        self.variables.truncate(in_scope);
        result
    }

    fn choice(&mut self, block: Block, opened: &Range<usize>) -> Result<Node, Fault> {
        self.open_block(block, opened)?;
        let in_scope = self.variables.len();
        let mut arms = Vec::new();
        let mut otherwise = Vec::new();
        loop {
            let binding = self.binding()?;
            let condition = self.pipeline(block.word())?;
            self.close()?;
            if let Some((binding, span)) = &binding {
                self.bind(binding, span, &condition)?;
            }
            let path = self.path_of(&condition);
            let around = self.dot.clone();
            if block == Block::With {
                self.dot = path;
            }
            let (body, stop) = self.body()?;
            self.dot = around;
            arms.push(Arm {
                binding: binding.map(|(binding, _)| binding),
                condition,
                moves_dot: block == Block::With,
                body,
            });
            if self.ends(stop, block, opened)? {
                break;
            }
            let next = self.peek()?;
            if next.token == Token::Word(block.word()) {
                self.next()?;
                continue;
            }
            otherwise = self.last_body(block, opened)?;
            break;
        }
        self.variables.truncate(in_scope);
        self.blocks -= 1;
        Ok(Node::Choice { arms, otherwise })
    }

    /// Reads the rest of `{{ end }}` and is true, or is false behind `else`.
    fn ends(&mut self, stop: Stop, block: Block, opened: &Range<usize>) -> Result<bool, Fault> {
        match stop {
            Stop::Word("end", _) => self.close().map(|()| true),
            Stop::Word(..) => Ok(false),
            Stop::End => {
                let message = format!("`{}` isn't closed: `{{{{ end }}}}` is missing", block.word());
                Err(Fault::syntax(opened, message))
            }
        }
    }

    /// What follows `else`, up to the end of the block.
    fn last_body(&mut self, block: Block, opened: &Range<usize>) -> Result<Vec<Node>, Fault> {
        let next = self.peek()?;
        if let Token::Word(word @ ("if" | "with" | "range")) = next.token {
            let message = format!("`else {word}` doesn't go with `{}`", block.word());
            return Err(Fault::syntax(&next.span, message).hint(format!(
                "write `{{{{ else }}}}{{{{ {word} … }}}}`, and one `{{{{ end }}}}` more"
            )));
        }
        self.close()?;
        let (body, stop) = self.body()?;
        if let Stop::Word("else", span) = &stop {
            let message = format!(
                "this `{}` has its `else` already: `end` must follow",
                block.word()
            );
            return Err(Fault::syntax(span, message));
        }
        self.ends(stop, block, opened)?;
        Ok(body)
    }

    fn range(&mut self, opened: &Range<usize>) -> Result<Node, Fault> {
        self.open_block(Block::Range, opened)?;
        let in_scope = self.variables.len();
        let names = self.range_names()?;
        let over = self.pipeline("range")?;
        self.close()?;
        let (index, element) = match <[String; 2]>::try_from(names) {
            Ok([index, element]) => (Some(index), Some(element)),
            Err(names) => (None, names.into_iter().next()),
        };
        for name in index.iter().chain(&element) {
            self.variables.push((name.clone(), None));
        }
        let around = self.dot.take();
        self.loops += 1;
        let (body, stop) = self.body()?;
        self.loops -= 1;
        self.dot = around;
        self.variables.truncate(in_scope);
        let otherwise = if self.ends(stop, Block::Range, opened)? {
            Vec::new()
        } else {
            self.last_body(Block::Range, opened)?
        };
        self.blocks -= 1;
        Ok(Node::Range(Box::new(Loop {
            index,
            element,
            over,
            body,
            otherwise,
        })))
    }

    /// The names of `$i, $x :=` or `$x :=`, if that comes next.
    fn range_names(&mut self) -> Result<Vec<String>, Fault> {
        let Token::Variable(first) = self.peek()?.token else {
            return Ok(Vec::new());
        };
        let variable = self.next()?;
        let mut names = vec![(first, variable.span.clone())];
        match self.peek()?.token {
            Token::Comma => {
                self.next()?;
                let second = self.next()?;
                let Token::Variable(name) = second.token else {
                    return Err(self.unexpected(&second));
                };
                names.push((name, second.span));
            }
            Token::Declare | Token::Assign => {}
            _ => {
                self.ahead.push(variable);
                return Ok(Vec::new());
            }
        }
        let sign = self.next()?;
        if sign.token != Token::Declare {
            let message = "`range` makes new variables: `:=` must follow them";
            return Err(Fault::syntax(&sign.span, message));
        }
        if let Some((_, span)) = names.iter().find(|(name, _)| name.is_empty()) {
            return Err(
                Fault::syntax(span, "`$` is all variables together and can't be set")
                    .hint("name the variable: `$name`"),
            );
        }
        Ok(names.into_iter().map(|(name, _)| name.to_owned()).collect())
    }
}
