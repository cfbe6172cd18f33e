//! A template, read.

use std::ops::Range;

use crate::functions::Function;
use crate::value::Value;

#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// This part of the source.
    Text(Range<usize>),
    /// An action whose value is text of the result.
    Value(Expr),
    Set {
        binding: Binding,
        value: Expr,
    },
    /// `if` and `with`: the first arm whose condition holds.
    Choice {
        arms: Vec<Arm>,
        otherwise: Vec<Node>,
    },
    Range(Box<Loop>),
    Leave(Leave),
}

/// How a loop's round ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// The loop ends.
    Break,
    /// The next round comes.
    Continue,
}

#[derive(Debug, Clone)]
pub(crate) struct Arm {
    pub binding: Option<Binding>,
    pub condition: Expr,
    /// `with`: the condition's value is the dot in the body.
    pub moves_dot: bool,
    pub body: Vec<Node>,
}

#[derive(Debug, Clone)]
pub(crate) struct Loop {
    /// The variables of the index and of the element.
    pub index: Option<String>,
    pub element: Option<String>,
    pub over: Expr,
    pub body: Vec<Node>,
    pub otherwise: Vec<Node>,
}

/// A variable that gets a value.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    pub name: String,
    /// `:=`, not `=`.
    pub is_new: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Expr {
    pub kind: ExprKind,
    pub span: Range<usize>,
    /// How many expressions are inside one another here.
    pub depth: usize,
}

#[derive(Debug, Clone)]
pub(crate) enum ExprKind {
    Literal(Value),
    Path {
        base: Base,
        keys: Vec<Key>,
    },
    Call {
        function: &'static Function,
        args: Vec<Expr>,
    },
}

#[derive(Debug, Clone)]
pub(crate) enum Base {
    Dot,
    /// `$`
    Root,
    Variable(String),
    /// An expression in parentheses.
    Inner(Box<Expr>),
}

#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub name: String,
    pub span: Range<usize>,
}
