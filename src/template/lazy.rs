//! Values that are made when they are looked at: the variables of a host, lists and maps with templates in them, and
//! `hostvars`.

use std::fmt;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};

use minijinja::value::{Enumerator, Object, ObjectRepr};
use minijinja::{State, Value};

use super::context::{Context, Known};
use crate::yaml::Node;

/// The name under which the root gives itself, for filters and functions that need the context. No template can say
/// it.
pub(super) const ROOT: &str = " root";

/// The variables of the host that a template is rendered for.
pub(super) struct Root {
    pub context: Context,
    /// How many bytes of the output have come to its end.
    pub written: AtomicUsize,
}

/// The root of the template that is running.
pub(super) fn root(state: &State) -> Option<Arc<Root>> {
    state.lookup(ROOT)?.downcast_object()
}

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if key == ROOT {
            return Some(Value::from_dyn_object(Arc::clone(self)));
        }
        let value = self.context.variable(key)?;
        (!value.is_undefined()).then_some(value)
    }
}

/// One `debug` for all: what they hold is long, and may be secret.
macro_rules! hide {
    ($($name:ident),*) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!("<", stringify!($name), ">"))
            }
        })*
    };
}

hide!(Root, LazyList, LazyMap, HostVars, HostVarsOf, Vars);

/// A list of a file.
pub(super) struct LazyList {
    context: Context,
    items: Arc<[Node]>,
    label: Arc<str>,
    known: Vec<OnceLock<Known>>,
}

impl LazyList {
    pub fn new(context: &Context, items: &Arc<[Node]>, label: &Arc<str>) -> Self {
        Self {
            context: context.clone(),
            items: Arc::clone(items),
            label: Arc::clone(label),
            known: items.iter().map(|_| OnceLock::new()).collect(),
        }
    }
}

/// The value of a place in a list or map, made at its first use.
fn element(context: &Context, slot: &OnceLock<Known>, node: &Node, label: impl Fn() -> String) -> Value {
    // Made outside of the slot: what needs itself comes here again meanwhile.
    let made = match slot.get() {
        Some(made) => made.clone(),
        None => context.value(node, &Arc::from(label())),
    };
    if made.reason.is_some() {
        context.note_reason(&label(), &made);
    }
    slot.get_or_init(|| made).value.clone()
}

impl Object for LazyList {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let index = key.as_usize()?;
        let (slot, node) = (self.known.get(index)?, self.items.get(index)?);
        let label = || format!("{}[{index}]", self.label);
        Some(element(&self.context, slot, node, label))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.items.len())
    }
}

/// A map of a file.
pub(super) struct LazyMap {
    context: Context,
    entries: Arc<[(Node, Node)]>,
    label: Arc<str>,
    keys: Vec<Value>,
    known: Vec<OnceLock<Known>>,
}

impl LazyMap {
    pub fn new(context: &Context, entries: &Arc<[(Node, Node)]>, label: &Arc<str>) -> Self {
        Self {
            context: context.clone(),
            entries: Arc::clone(entries),
            label: Arc::clone(label),
            keys: entries.iter().map(|(key, _)| context.key(key)).collect(),
            known: entries.iter().map(|_| OnceLock::new()).collect(),
        }
    }
}

impl Object for LazyMap {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let index = self.keys.iter().position(|known| known == key)?;
        let (slot, (_, node)) = (self.known.get(index)?, self.entries.get(index)?);
        let label = || format!("{}.{key}", self.label);
        Some(element(&self.context, slot, node, label))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.keys.clone())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.keys.len())
    }
}

/// `hostvars`: all hosts.
pub(super) struct HostVars(pub Context);

impl Object for HostVars {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let context = self.0.on(key.as_str()?)?;
        Some(Value::from_object(HostVarsOf(context)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.host.scope.hosts().into_iter().map(Value::from).collect())
    }
}

/// `hostvars[name]`: the variables of one host.
pub(super) struct HostVarsOf(pub Context);

/// `vars`: the variables of the host at hand.
pub(super) struct Vars(pub Context);

macro_rules! variables_of {
    ($name:ident) => {
        impl Object for $name {
            fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
                self.0.variable(key.as_str()?)
            }

            fn enumerate(self: &Arc<Self>) -> Enumerator {
                Enumerator::Values(self.0.host.scope.names().into_iter().map(Value::from).collect())
            }
        }
    };
}

variables_of!(HostVarsOf);
variables_of!(Vars);

/// Whether a list or map makes its values when they are looked at.
pub(super) fn is_lazy(value: &Value) -> bool {
    value.downcast_object_ref::<LazyList>().is_some()
        || value.downcast_object_ref::<LazyMap>().is_some()
        || value.downcast_object_ref::<HostVars>().is_some()
        || value.downcast_object_ref::<HostVarsOf>().is_some()
        || value.downcast_object_ref::<Vars>().is_some()
}

/// `omit`: stands for nothing at all where a list or map is made.
#[derive(Debug)]
pub(super) struct Omit;

impl Object for Omit {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// What a step of a chain that leads nowhere gives: whatever is looked up in it is undefined.
#[derive(Debug)]
pub(super) struct Nowhere;

impl Object for Nowhere {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// A date of a file, in ISO form.
#[derive(Debug)]
pub(super) struct Date(pub String);

impl Object for Date {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    /// As Python writes it as text.
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.replacen('T', " ", 1))
    }
}
