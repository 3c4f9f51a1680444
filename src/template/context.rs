//! One rendering: which variables are known, which are being rendered, and what it cost so far.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::Value;

use super::fault::{Fault, Miss};
use super::lazy::{Date, HostVars, LazyList, LazyMap, Root, Vars};
use super::output::Printed;
use super::{Decrypt, Scope, Variable, functions, is_template_node};
use crate::problem::{Problem, Source};
use crate::world::World;
use crate::yaml::{self, Node};

/// Templates that are rendered for one value, variables that it uses included.
const MAX_RENDERINGS: usize = 100_000;
/// Variables that use each other, in a chain.
const MAX_CHAIN: usize = 40;

/// What all renderings share.
pub(super) struct Engine {
    pub environment: minijinja::Environment<'static>,
    pub world: Arc<dyn World>,
    pub decrypt: Box<Decrypt>,
    /// Texts, each with the same text as one that is shown nowhere.
    hidden: Mutex<Vec<(Arc<Source>, Arc<Source>)>>,
}

impl Engine {
    pub fn new(world: Arc<dyn World>, decrypt: Box<Decrypt>) -> Self {
        Self {
            environment: functions::environment(),
            world,
            decrypt,
            hidden: Mutex::default(),
        }
    }

    fn hidden(&self, source: &Arc<Source>) -> Arc<Source> {
        if source.is_secret {
            return Arc::clone(source);
        }
        let mut known = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, hidden)) = known.iter().find(|(open, _)| Arc::ptr_eq(open, source)) {
            return Arc::clone(hidden);
        }
        let hidden = Source::secret(source.name.clone(), source.text.clone());
        known.push((Arc::clone(source), Arc::clone(&hidden)));
        hidden
    }
}

/// What one rendering shares among the hosts that it looks at.
pub(super) struct Shared {
    pub engine: Arc<Engine>,
    /// What is being rendered, the outermost first.
    active: Mutex<Vec<Active>>,
    /// The last thing that was looked for and not found.
    miss: Mutex<Option<Miss>>,
    /// The first fault that no filter can mend; it is the answer, whatever comes of the template.
    fatal: Mutex<Option<Problem>>,
    renderings: AtomicUsize,
    /// Whether an encrypted value was opened: from then on no message may quote the engine, which quotes values.
    secret: AtomicBool,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
}

/// A template that is being rendered.
struct Active {
    label: Arc<str>,
    host: usize,
    node: Node,
}

/// One host as a rendering sees it.
pub(super) struct Host {
    pub scope: Arc<dyn Scope>,
    known: Mutex<HashMap<String, Known>>,
}

/// What came of a variable: its value, or why it is undefined.
#[derive(Clone)]
pub(super) struct Known {
    pub value: Value,
    pub reason: Option<Arc<Problem>>,
}

impl From<Value> for Known {
    fn from(value: Value) -> Self {
        Self { value, reason: None }
    }
}

/// A host's variables within one rendering.
#[derive(Clone)]
pub(super) struct Context {
    pub shared: Arc<Shared>,
    pub host: Arc<Host>,
}

/// What a lock holds; what panicked with it in hand has not left it half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Host {
    fn new(scope: Arc<dyn Scope>) -> Arc<Self> {
        Arc::new(Self {
            scope,
            known: Mutex::default(),
        })
    }
}

impl Context {
    pub fn new(engine: &Arc<Engine>, scope: &Arc<dyn Scope>) -> Self {
        let shared = Shared {
            engine: Arc::clone(engine),
            active: Mutex::default(),
            miss: Mutex::default(),
            fatal: Mutex::default(),
            renderings: AtomicUsize::new(0),
            secret: AtomicBool::new(false),
            hosts: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
            host: Host::new(Arc::clone(scope)),
        }
    }

    /// Lets go of all values: they hold this context, and it holds them.
    pub fn clear(&self) {
        lock(&self.host.known).clear();
        let hosts = std::mem::take(&mut *lock(&self.shared.hosts));
        for host in hosts.values() {
            lock(&host.known).clear();
        }
    }

    /// The same rendering, seen from another host.
    pub fn on(&self, name: &str) -> Option<Self> {
        let known = lock(&self.shared.hosts).get(name).cloned();
        let host = if let Some(host) = known {
            host
        } else {
            let host = Host::new(self.host.scope.host(name)?);
            lock(&self.shared.hosts).insert(name.to_owned(), Arc::clone(&host));
            host
        };
        Some(Self {
            shared: Arc::clone(&self.shared),
            host,
        })
    }

    /// A variable of this host; none if there is none, undefined if it uses something undefined.
    pub fn variable(&self, name: &str) -> Option<Value> {
        let found = lock(&self.host.known).get(name).cloned();
        let known = if let Some(known) = found {
            known
        } else {
            let known = self.make(name)?;
            lock(&self.host.known).insert(name.to_owned(), known.clone());
            known
        };
        self.note_reason(name, &known);
        Some(known.value)
    }

    fn make(&self, name: &str) -> Option<Known> {
        match name {
            "hostvars" => return Some(Value::from_object(HostVars(self.clone())).into()),
            "vars" => return Some(Value::from_object(Vars(self.clone())).into()),
            _ => {}
        }
        match self.host.scope.variable(name) {
            Some(Variable::Node(node)) => Some(self.value(&node, &Arc::from(name))),
            Some(Variable::Computed(value)) => Some(value.into()),
            None if functions::is_global(name) => None,
            None => {
                self.miss(Miss::name(name));
                None
            }
        }
    }

    /// Says that something is undefined because of what it uses.
    pub fn note_reason(&self, label: &str, known: &Known) {
        if let Some(reason) = &known.reason {
            self.miss(Miss::name(label).because(reason));
        }
    }

    /// A value of a file as templates see it: scalars rendered, lists and maps when they are looked into.
    pub fn value(&self, node: &Node, label: &Arc<str>) -> Known {
        if node.at.source.is_secret {
            self.shared.secret.store(true, Ordering::Relaxed);
        }
        match &node.value {
            yaml::Value::Null => Value::from(()),
            yaml::Value::Bool(truth) => Value::from(*truth),
            yaml::Value::Int(number) => i64::try_from(*number).map_or_else(|_| Value::from(*number), Value::from),
            yaml::Value::Float(number) => Value::from(*number),
            yaml::Value::Timestamp(text) => Value::from_object(Date(text.clone())),
            yaml::Value::String(_) if is_template_node(node) => return self.template(node, label),
            yaml::Value::String(text) => Value::from(text.as_str()),
            yaml::Value::Vault(text) => self.decrypted(node, text),
            yaml::Value::List(items) => Value::from_object(LazyList::new(self, items, label)),
            yaml::Value::Map(entries) => Value::from_object(LazyMap::new(self, entries, label)),
        }
        .into()
    }

    /// A key of a map: never a template.
    pub fn key(&self, node: &Node) -> Value {
        match node.as_str() {
            Some(text) => Value::from(text),
            None => self.value(node, &Arc::from("")).value,
        }
    }

    fn decrypted(&self, node: &Node, text: &str) -> Value {
        self.shared.secret.store(true, Ordering::Relaxed);
        match (self.shared.engine.decrypt)(text) {
            Ok(text) => Value::from(text),
            Err(why) => self.fail(Problem::at(&node.at, format!("cannot decrypt this value: {why}"))),
        }
    }

    /// What a template gives. Undefined, with the reason, where it uses something undefined; other faults are for
    /// the whole rendering.
    pub fn template(&self, node: &Node, label: &Arc<str>) -> Known {
        match self.rendered(node, label) {
            Ok(value) => value.into(),
            Err(Fault::Undefined(reason)) => Known {
                value: Value::UNDEFINED,
                reason: Some(Arc::new(reason)),
            },
            Err(Fault::Fatal(problem)) => self.fail(problem).into(),
        }
    }

    fn rendered(&self, node: &Node, label: &Arc<str>) -> Result<Value, Fault> {
        self.enter(node, label).map_err(Fault::Fatal)?;
        let result = self.run(node);
        lock(&self.shared.active).pop();
        result
    }

    fn run(&self, node: &Node) -> Result<Value, Fault> {
        let text = node.as_str().unwrap_or_default();
        let environment = &self.shared.engine.environment;
        let root = Arc::new(Root {
            context: self.clone(),
            written: AtomicUsize::new(0),
        });
        let template = environment
            .get_template(text)
            .map_err(|error| Fault::of(&error, node, self))?;
        Printed::of(&template, root)
            .map(|printed| printed.value(text))
            .map_err(|error| Fault::of(&error, node, self))
    }

    /// Notes that a template is being rendered; it must not be already.
    fn enter(&self, node: &Node, label: &Arc<str>) -> Result<(), Problem> {
        let host = Arc::as_ptr(&self.host).addr();
        let again =
            |active: &Active| active.host == host && active.node.at == node.at && active.node.value == node.value;
        let mut active = lock(&self.shared.active);
        if let Some(first) = active.iter().position(again) {
            // What is rendered first has no name then; here it has.
            let between = active.iter().skip(first + 1).map(|active| active.label.as_ref());
            let chain: Vec<String> = std::iter::once(label.as_ref())
                .chain(between)
                .chain([label.as_ref()])
                .map(quoted)
                .collect();
            let message = format!("{} needs its own value: {}", quoted(label), chain.join(" needs "));
            return Err(Problem::at(&node.at, message));
        }
        if active.len() >= MAX_CHAIN {
            let message = format!("more than {MAX_CHAIN} variables need each other in a chain");
            return Err(Problem::at(&node.at, message));
        }
        if self.shared.renderings.fetch_add(1, Ordering::Relaxed) >= MAX_RENDERINGS {
            let message = format!("more than {MAX_RENDERINGS} templates are needed for one value");
            return Err(Problem::at(&node.at, message));
        }
        active.push(Active {
            label: Arc::clone(label),
            host,
            node: node.clone(),
        });
        Ok(())
    }

    /// Ends the whole rendering: the value stops every expression that it gets into.
    pub fn fail(&self, problem: Problem) -> Value {
        lock(&self.shared.fatal).get_or_insert(problem);
        Value::from(minijinja::Error::new(
            minijinja::ErrorKind::InvalidOperation,
            "a value that is needed cannot be rendered",
        ))
    }

    pub fn fatal(&self) -> Option<Problem> {
        lock(&self.shared.fatal).clone()
    }

    pub fn take_fatal(&self) -> Option<Problem> {
        lock(&self.shared.fatal).take()
    }

    /// The same text as one that is shown nowhere, for values that hold something that was encrypted.
    pub fn hidden(&self, source: &Arc<Source>) -> Arc<Source> {
        self.shared.engine.hidden(source)
    }

    pub fn has_secrets(&self) -> bool {
        self.shared.secret.load(Ordering::Relaxed)
    }

    pub fn miss(&self, miss: Miss) {
        *lock(&self.shared.miss) = Some(miss);
    }

    pub fn last_miss(&self) -> Option<Miss> {
        lock(&self.shared.miss).clone()
    }

    /// A problem of the template that is being rendered, with what needs it.
    pub fn problem(&self, node: &Node, range: Option<Range<usize>>, message: impl std::fmt::Display) -> Problem {
        let at = range.map_or_else(|| node.at.clone(), |range| node.part(range));
        let active = lock(&self.shared.active);
        let Some((innermost, outer)) = active.split_last() else {
            return Problem::at(&at, message.to_string());
        };
        let mut message = message.to_string();
        if !outer.is_empty() {
            message += ", while rendering ";
            message += &quoted(&innermost.label);
        }
        for user in outer.iter().rev() {
            let place = user.node.at.to_string();
            message += ", needed by ";
            let user = match user.label.as_ref() {
                "" => place,
                label => format!("{} ({place})", quoted(label)),
            };
            message += &user;
        }
        Problem::at(&at, message)
    }
}

/// The name of what is rendered, for a message.
fn quoted(label: &str) -> String {
    if label.is_empty() {
        "this template".to_owned()
    } else {
        format!("`{label}`")
    }
}
