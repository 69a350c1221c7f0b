//! Text to nodes, within a budget.

use std::collections::HashMap;
use std::rc::Rc;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use super::node::{Key, Node, NodeKind};
use crate::diagnostic::Diagnostics;
use crate::place::{Path, Place};

/// How much a file may hold.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Bytes of text.
    pub bytes: usize,
    /// Nodes of all documents, aliases expanded.
    pub nodes: usize,
    /// Lists and mappings inside each other.
    pub depth: usize,
}

impl Default for Budget {
    /// 4 MiB and 400,000 nodes: a policy that lists 100,000 paths fits. A policy is 12 levels deep.
    fn default() -> Self {
        Self {
            bytes: 4 << 20,
            nodes: 400_000,
            depth: 64,
        }
    }
}

/// The documents of a file that could be read. Documents that hold nothing are left out.
pub fn documents(text: &str, budget: Budget, diagnostics: &mut Diagnostics) -> Vec<Rc<Node>> {
    if text.len() > budget.bytes {
        diagnostics
            .error(&Place::default(), format!("the file has {} bytes", text.len()))
            .help(format!("at most {} are read", budget.bytes));
        return Vec::new();
    }
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: budget.depth,
        block_nesting_limit: budget.depth,
    };
    let mut loader = Loader {
        parser: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        nodes: budget.nodes,
        depth: budget.depth,
        documents: Vec::new(),
    };
    loop {
        match loader.run(diagnostics) {
            Ok(()) => break,
            Err(Problem { place, message }) => {
                diagnostics.error(&place, message);
                // A broken document says nothing of the ones behind it.
                if loader.nodes == 0 || !matches!(loader.parser.proceed_next_document(), Ok(true)) {
                    break;
                }
            }
        }
    }
    loader.documents
}

struct Loader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Rc<Node>>,
    /// Nodes that may still be made.
    nodes: usize,
    depth: usize,
    documents: Vec<Rc<Node>>,
}

struct Problem {
    place: Place,
    message: String,
}

/// A list or mapping that is being read.
struct Open {
    anchor: usize,
    line: usize,
    column: usize,
    size: usize,
    inner: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Rc<Node>>),
    Mapping {
        entries: Vec<(Key, Rc<Node>)>,
        merges: Vec<Rc<Node>>,
        key: Option<Key>,
    },
}

impl Loader<'_> {
    fn run(&mut self, diagnostics: &mut Diagnostics) -> Result<(), Problem> {
        let mut open: Vec<Open> = Vec::new();
        while let Some(event) = self.parser.next_event() {
            let (event, span) = event.map_err(|error| Problem {
                place: place(error.marker().line(), error.marker().col() + 1),
                message: format!("not YAML: {}", error.info()),
            })?;
            let (line, column) = (span.start.line(), span.start.col() + 1);
            let done = match event {
                Event::DocumentStart(..) => {
                    self.anchors.clear();
                    open.clear();
                    continue;
                }
                Event::Scalar(text, style, anchor, _) => {
                    self.spend(1, &span)?;
                    let kind = NodeKind::Scalar {
                        text: text.into_owned(),
                        plain: style == ScalarStyle::Plain,
                    };
                    self.finish(
                        anchor,
                        Node {
                            kind,
                            line,
                            column,
                            size: 1,
                            depth: 0,
                        },
                    )
                }
                Event::Alias(anchor) => {
                    let Some(node) = self.anchors.get(&anchor).cloned() else {
                        return Err(Problem {
                            place: place(line, column),
                            message: "an alias inside its own anchor".into(),
                        });
                    };
                    self.spend(node.size, &span)?;
                    if open.len() + node.depth > self.depth {
                        return Err(Problem {
                            place: place(line, column),
                            message: "nested too deeply".into(),
                        });
                    }
                    node
                }
                Event::SequenceStart(_, anchor, _) => {
                    self.enter(&mut open, anchor, Content::Sequence(Vec::new()), &span)?;
                    continue;
                }
                Event::MappingStart(_, anchor, _) => {
                    let content = Content::Mapping {
                        entries: Vec::new(),
                        merges: Vec::new(),
                        key: None,
                    };
                    self.enter(&mut open, anchor, content, &span)?;
                    continue;
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    let Some(Open {
                        anchor,
                        line,
                        column,
                        size,
                        inner,
                        content,
                    }) = open.pop()
                    else {
                        continue;
                    };
                    let kind = match content {
                        Content::Sequence(items) => NodeKind::Sequence(items),
                        Content::Mapping { entries, merges, .. } => merge(entries, &merges, diagnostics),
                    };
                    self.finish(
                        anchor,
                        Node {
                            kind,
                            line,
                            column,
                            size,
                            depth: inner + 1,
                        },
                    )
                }
                // Begin and end of the file, ends of documents, comments.
                _ => continue,
            };
            self.put(&mut open, done, diagnostics);
        }
        Ok(())
    }

    fn spend(&mut self, nodes: usize, span: &Span) -> Result<(), Problem> {
        if let Some(left) = self.nodes.checked_sub(nodes) {
            self.nodes = left;
            return Ok(());
        }
        self.nodes = 0;
        Err(Problem {
            place: place(span.start.line(), span.start.col() + 1),
            message: "the file holds too many values (aliases count as what they stand for)".into(),
        })
    }

    fn enter(&mut self, open: &mut Vec<Open>, anchor: usize, content: Content, span: &Span) -> Result<(), Problem> {
        self.spend(1, span)?;
        let (line, column) = (span.start.line(), span.start.col() + 1);
        if open.len() >= self.depth {
            return Err(Problem {
                place: place(line, column),
                message: "nested too deeply".into(),
            });
        }
        open.push(Open {
            anchor,
            line,
            column,
            size: 1,
            inner: 0,
            content,
        });
        Ok(())
    }

    fn finish(&mut self, anchor: usize, node: Node) -> Rc<Node> {
        let node = Rc::new(node);
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        node
    }

    /// Hands a finished node to the list, mapping or file it belongs to.
    fn put(&mut self, open: &mut [Open], node: Rc<Node>, diagnostics: &mut Diagnostics) {
        let Some(parent) = open.last_mut() else {
            if !node.is_null() {
                self.documents.push(node);
            }
            return;
        };
        parent.size = parent.size.saturating_add(node.size);
        parent.inner = parent.inner.max(node.depth);
        match &mut parent.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping { entries, merges, key } => match key.take() {
                None => {
                    let text = match &node.kind {
                        NodeKind::Scalar { text, .. } => text.clone(),
                        NodeKind::Sequence(_) | NodeKind::Mapping { .. } => {
                            diagnostics.error(&place(node.line, node.column), "a key must be text");
                            String::new()
                        }
                    };
                    *key = Some(Key {
                        text,
                        line: node.line,
                        column: node.column,
                    });
                }
                Some(key) if key.text == "<<" => merges.push(node),
                Some(key) => entries.push((key, node)),
            },
        }
    }
}

/// Sorts out keys that stand twice, and adds what `<<` refers to: its entries are there unless the mapping has its own.
fn merge(written: Vec<(Key, Rc<Node>)>, merges: &[Rc<Node>], diagnostics: &mut Diagnostics) -> NodeKind {
    let mut seen: HashMap<String, usize> = HashMap::with_capacity(written.len());
    let mut entries = Vec::with_capacity(written.len());
    let mut duplicates = Vec::new();
    for (key, node) in written {
        if let Some(line) = seen.get(&key.text) {
            duplicates.push((key, *line));
        } else {
            seen.insert(key.text.clone(), key.line);
            entries.push((key, node));
        }
    }
    let sources = merges.iter().flat_map(|node| match &node.kind {
        NodeKind::Sequence(items) => items.as_slice(),
        NodeKind::Mapping { .. } | NodeKind::Scalar { .. } => std::slice::from_ref(node),
    });
    for source in sources {
        if !matches!(source.kind, NodeKind::Mapping { .. }) {
            diagnostics.error(
                &place(source.line, source.column),
                "`<<` takes a mapping or a list of mappings",
            );
        }
        for (key, node) in source.entries() {
            if !seen.contains_key(&key.text) {
                seen.insert(key.text.clone(), key.line);
                entries.push((key.clone(), Rc::clone(node)));
            }
        }
    }
    NodeKind::Mapping { entries, duplicates }
}

fn place(line: usize, column: usize) -> Place {
    Place {
        line,
        column,
        path: Path::ROOT,
    }
}
