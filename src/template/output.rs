//! What templates give: the values that they print, and values as nodes again.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Output, State, Template, Value};

use super::context::{Context, Engine};
use super::fault::undefined;
use super::lazy::{Date, Omit, Root, root};
use super::{Scope, is_template, needs_rendering, python};
use crate::problem::Problem;
use crate::yaml::{self, Node, Style};

/// The most bytes that one template may give.
pub(super) const MAX_TEXT: usize = 16 * 1024 * 1024;
/// The most values that one template may give, those in lists and maps included.
const MAX_VALUES: usize = 1_000_000;
/// How deep lists and maps may hold each other.
pub(super) const MAX_DEPTH: usize = 64;

/// What a run of a template printed: text, and the values of `{{ }}` outside of macros and the like.
pub(super) struct Printed {
    text: String,
    /// The values printed that are not nothing; only the first is kept.
    values: usize,
    first: Option<Value>,
    /// Bytes of them within the text.
    bytes: usize,
}

/// Noted while a template runs.
#[derive(Default)]
struct Noted {
    values: usize,
    first: Option<Value>,
    bytes: usize,
}

/// Takes the output, and counts it where [`print`] can see it: what goes into a macro's text does not come here.
struct Writer {
    bytes: Vec<u8>,
    root: Arc<Root>,
}

impl io::Write for &mut Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MAX_TEXT {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.bytes.extend_from_slice(bytes);
        self.root.written.store(self.bytes.len(), Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Prints a value as Ansible does: as Python's text, nothing for none, an error for what is undefined.
pub(super) fn print(output: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    if value.is_none() {
        return Ok(());
    }
    let root = root(state);
    let written = || root.as_ref().map_or(0, |root| root.written.load(Ordering::Relaxed));
    let before = written();
    let text = python::text(value)?;
    output.write_str(&text)?;
    let reached = written().saturating_sub(before);
    if reached == text.len() {
        let noted = state.get_or_insert_extension(Noted::default());
        noted.values += 1;
        noted.bytes += reached;
        noted.first.get_or_insert_with(|| value.clone());
    }
    Ok(())
}

impl Printed {
    pub fn of(template: &Template<'_, '_>, root: Arc<Root>) -> Result<Self, Error> {
        let mut writer = Writer {
            bytes: Vec::new(),
            root: Arc::clone(&root),
        };
        let mut run = template.render_captured_to(Value::from_dyn_object(root), &mut writer)?;
        let noted = run.with_state_mut(|state| std::mem::take(state.get_or_insert_extension(Noted::default())));
        Ok(Self {
            text: String::from_utf8_lossy(&writer.bytes).into_owned(),
            values: noted.values,
            first: noted.first,
            bytes: noted.bytes,
        })
    }

    /// The one value printed, with its type; text where there is more; nothing where nothing was printed. Line ends
    /// at the end of the template stay.
    pub fn value(self, template: &str) -> Value {
        let raw = self.text.len() - self.bytes.min(self.text.len());
        let value = match self.first {
            Some(value) if self.values == 1 && raw == 0 => value,
            None if self.text.is_empty() => Value::from(()),
            _ => Value::from(self.text),
        };
        match value.as_str().and_then(|text| with_line_ends(text, template)) {
            Some(text) => Value::from(text),
            None => value,
        }
    }
}

/// The text with as many line ends as the template has; none if it has them.
fn with_line_ends(text: &str, template: &str) -> Option<String> {
    let count = |text: &str| text.len() - text.trim_end_matches('\n').len();
    let missing = count(template).saturating_sub(count(text));
    (missing > 0).then(|| format!("{text}{}", "\n".repeat(missing)))
}

/// The rendering of one value of a file.
pub(super) struct Rendering {
    context: Context,
    problems: Vec<Problem>,
    values: Rc<Cell<usize>>,
}

impl Drop for Rendering {
    fn drop(&mut self) {
        self.context.clear();
    }
}

impl Rendering {
    pub fn new(engine: &Arc<Engine>, scope: &Arc<dyn Scope>) -> Self {
        Self {
            context: Context::new(engine, scope),
            problems: Vec::new(),
            values: Rc::default(),
        }
    }

    pub fn top(mut self, node: &Node) -> Result<Node, Vec<Problem>> {
        let rendered = self.node(node);
        if self.problems.is_empty() {
            let omitted = || {
                let problem = Problem::at(&node.at, "this is `omit`, and there is nothing here to leave out");
                vec![problem.hint("`omit` leaves an entry out of a list or map")]
            };
            let rendered = rendered.ok_or_else(omitted)?;
            Ok(if self.context.has_secrets() {
                self.hidden(rendered)
            } else {
                rendered
            })
        } else {
            Err(std::mem::take(&mut self.problems))
        }
    }

    /// The node at a place that no message quotes: something in it was encrypted.
    fn hidden(&self, mut node: Node) -> Node {
        node.value = match node.value {
            yaml::Value::List(items) => yaml::Value::List(items.iter().map(|item| self.hidden(item.clone())).collect()),
            yaml::Value::Map(entries) => {
                let hide = |(key, value): &(Node, Node)| (self.hidden(key.clone()), self.hidden(value.clone()));
                yaml::Value::Map(entries.iter().map(hide).collect())
            }
            other => other,
        };
        node.at.source = self.context.hidden(&node.at.source);
        node
    }

    /// The node rendered; none where it is `omit`, or a problem.
    fn node(&mut self, node: &Node) -> Option<Node> {
        if !needs_rendering(node) {
            return Some(node.clone());
        }
        let value = match &node.value {
            yaml::Value::List(items) => yaml::Value::List(items.iter().filter_map(|item| self.node(item)).collect()),
            yaml::Value::Map(entries) => {
                let rendered = entries
                    .iter()
                    .filter_map(|(key, value)| Some((key.clone(), self.node(value)?)));
                yaml::Value::Map(rendered.collect())
            }
            _ => return self.scalar(node),
        };
        Some(Node { value, ..node.clone() })
    }

    fn scalar(&mut self, node: &Node) -> Option<Node> {
        let known = self.context.value(node, &Arc::from(""));
        let rendered = match known.reason {
            Some(reason) => Err(Problem::clone(&reason)),
            None => self.finished(&known.value, node, 0),
        };
        let fatal = self.context.take_fatal();
        match (rendered, fatal) {
            (_, Some(problem)) | (Err(problem), None) => {
                self.problems.push(problem);
                None
            }
            (Ok(rendered), None) => rendered,
        }
    }

    /// A value as a node, all of it looked at; none where it is `omit`.
    fn finished(&self, value: &Value, at: &Node, depth: usize) -> Result<Option<Node>, Problem> {
        self.count(at, depth)?;
        let finished = match value.kind() {
            ValueKind::Undefined => return Err(undefined(at, None, &self.context)),
            ValueKind::None => yaml::Value::Null,
            ValueKind::Bool => yaml::Value::Bool(value.is_true()),
            ValueKind::Number => number(value),
            ValueKind::String => yaml::Value::String(value.as_str().unwrap_or_default().to_owned()),
            ValueKind::Bytes => yaml::Value::String(value.to_string()),
            ValueKind::Seq | ValueKind::Iterable => self.list(value, at, depth)?,
            ValueKind::Map => self.map(value, at, depth)?,
            _ if value.downcast_object_ref::<Omit>().is_some() => return Ok(None),
            _ => self.object(value, at)?,
        };
        let style = match &finished {
            yaml::Value::List(_) | yaml::Value::Map(_) => Style::Collection,
            yaml::Value::String(text) if is_template(text) => Style::Unsafe,
            _ => Style::Quoted,
        };
        Ok(Some(Node {
            value: finished,
            at: at.at.clone(),
            style,
        }))
    }

    fn count(&self, at: &Node, depth: usize) -> Result<(), Problem> {
        let fault = |message: String| Err(Problem::at(&at.at, message));
        self.values.set(self.values.get() + 1);
        if self.values.get() > MAX_VALUES {
            return fault(format!("this gives more than {MAX_VALUES} values"));
        }
        if depth > MAX_DEPTH {
            return fault(format!("this gives values nested more than {MAX_DEPTH} deep"));
        }
        Ok(())
    }

    fn list(&self, value: &Value, at: &Node, depth: usize) -> Result<yaml::Value, Problem> {
        let mut items = Vec::new();
        for item in value.try_iter().map_err(|error| self.fault(at, &error))? {
            items.extend(self.finished(&item, at, depth + 1)?);
        }
        Ok(yaml::Value::List(items.into()))
    }

    fn map(&self, value: &Value, at: &Node, depth: usize) -> Result<yaml::Value, Problem> {
        let mut entries = Vec::new();
        for key in value.try_iter().map_err(|error| self.fault(at, &error))? {
            let item = value.get_item(&key).map_err(|error| self.fault(at, &error))?;
            if let (Some(key), Some(item)) = (
                self.finished(&key, at, depth + 1)?,
                self.finished(&item, at, depth + 1)?,
            ) {
                entries.push((key, item));
            }
        }
        Ok(yaml::Value::Map(entries.into()))
    }

    fn object(&self, value: &Value, at: &Node) -> Result<yaml::Value, Problem> {
        match value.downcast_object_ref::<Date>() {
            Some(date) => Ok(yaml::Value::Timestamp(date.0.clone())),
            None if value.kind() == ValueKind::Invalid => {
                let problem = Problem::at(&at.at, "a value that is needed cannot be rendered");
                Err(self.context.fatal().unwrap_or(problem))
            }
            None => Err(Problem::at(&at.at, "this gives a function, and no value").hint("call it: add `()`")),
        }
    }

    fn fault(&self, at: &Node, error: &Error) -> Problem {
        super::fault::Fault::of(error, at, &self.context).problem()
    }
}

fn number(value: &Value) -> yaml::Value {
    if value.is_integer() {
        let number = i128::try_from(value.clone()).map(yaml::Value::Int);
        return number.unwrap_or_else(|_| yaml::Value::String(value.to_string()));
    }
    f64::try_from(value.clone()).map_or(yaml::Value::Null, yaml::Value::Float)
}
