//! The management interface: requests in, answers and faults out.

mod collector;
mod inventory;
mod methods;
mod tasks;
pub(crate) mod xml;

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use roxmltree::{Document, Node as Element};

use crate::host::{Host, Session};
use xml::{Node, escape};

/// Most objects of clients (views, filters, pages) that are kept.
const MAX_KEPT: usize = 1000;

/// What the interface keeps between calls.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    views: HashMap<String, View>,
    filters: HashMap<String, String>,
    pages: HashMap<String, Vec<String>>,
    tasks: HashMap<String, Node>,
}

/// A container view.
#[derive(Debug, Clone)]
struct View {
    container: (String, String),
    kinds: Vec<String>,
    /// The objects in it, found when it was made.
    objects: Vec<(String, String)>,
}

impl Memory {
    /// Tasks and views, which are no part of the inventory.
    pub(crate) fn object(&self, kind: &str, id: &str) -> Option<Node> {
        if kind == "Task" {
            return self.tasks.get(id).map(|info| Node::data("object", "Task", vec![info.clone()]));
        }
        let view = self.views.get(id)?;
        let ids: Vec<(&str, &str)> =
            view.objects.iter().map(|(kind, id)| (kind.as_str(), id.as_str())).collect();
        let kinds = view.kinds.iter().map(|kind| Node::text("type", kind)).collect();
        let properties = vec![
            Node::object("container", (&view.container.0, &view.container.1)),
            Node::array("type", "string", kinds),
            Node::flag("recursive", true),
            Node::objects("view", &ids),
        ];
        Some(Node::data("object", "ContainerView", properties))
    }
}

/// A fault: the name of its type, what it says, and its fields as XML.
#[derive(Debug)]
struct Refusal {
    kind: &'static str,
    text: String,
    fields: String,
}

fn refuse(kind: &'static str, text: impl Into<String>) -> Refusal {
    Refusal { kind, text: text.into(), fields: String::new() }
}

fn invalid_argument(property: &str) -> Refusal {
    let text = format!("A specified parameter was not correct: {property}");
    let fields = format!("<invalidProperty>{}</invalidProperty>", escape(property));
    Refusal { kind: "InvalidArgument", text, fields }
}

/// An answer: the inside of its element, and a cookie to set.
#[derive(Debug, Default)]
struct Answer {
    body: String,
    cookie: Option<String>,
}

impl From<String> for Answer {
    fn from(body: String) -> Self {
        Self { body, cookie: None }
    }
}

type Outcome = Result<Answer, Refusal>;

/// A call.
struct Call<'a> {
    host: &'a Arc<Host>,
    method: &'a str,
    /// Type and id of the object that is called.
    this: (&'a str, &'a str),
    element: Element<'a, 'a>,
    cookie: &'a str,
    session: Option<Session>,
}

fn children<'a>(element: Element<'a, 'a>, name: &'static str) -> impl Iterator<Item = Element<'a, 'a>> {
    element.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

fn child<'a>(element: Element<'a, 'a>, name: &'static str) -> Option<Element<'a, 'a>> {
    children(element, name).next()
}

/// Type and id of a reference to a managed object.
fn reference<'a>(element: Element<'a, 'a>) -> (&'a str, &'a str) {
    (element.attribute("type").unwrap_or_default(), element.text().unwrap_or_default().trim())
}

impl<'a> Call<'a> {
    fn child(&self, name: &'static str) -> Option<Element<'a, 'a>> {
        child(self.element, name)
    }

    fn text(&self, name: &'static str) -> Option<&'a str> {
        self.child(name).map(|child| child.text().unwrap_or_default())
    }

    fn memory(&self) -> MutexGuard<'a, Memory> {
        let host: &'a Host = self.host;
        host.soap.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of the machine that a parameter, or the call itself, is about.
    fn machine(&self, (kind, id): (&str, &str)) -> Result<usize, Refusal> {
        let place = self.host.vms.iter().position(|vm| vm.id == id);
        place.filter(|_| kind.is_empty() || kind == "VirtualMachine").ok_or_else(|| not_found(kind, id))
    }
}

fn not_found(kind: &str, id: &str) -> Refusal {
    let text =
        format!("The object 'vim.{kind}:{id}' has already been deleted or has not been completely created");
    let fields = format!("<obj type=\"{}\">{}</obj>", escape(kind), escape(id));
    Refusal { kind: "ManagedObjectNotFound", text, fields }
}

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <soapenv:Envelope xmlns:soapenc=\"http://schemas.xmlsoap.org/soap/encoding/\" \
    xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
    xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
    xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n<soapenv:Body>\n";
const TAIL: &str = "\n</soapenv:Body>\n</soapenv:Envelope>";

/// What is sent back for a body of SOAP.
pub(crate) struct Reply {
    /// Whether the body is a fault.
    pub(crate) fault: bool,
    pub(crate) body: String,
    pub(crate) cookie: Option<String>,
}

fn fault_reply(refusal: &Refusal) -> Reply {
    let Refusal { kind, text, fields } = refusal;
    let code = if matches!(*kind, "InvalidRequest") { "ClientFaultCode" } else { "ServerFaultCode" };
    let body = format!(
        "{HEAD}<soapenv:Fault><faultcode>{code}</faultcode><faultstring>{}</faultstring><detail>\
         <{kind}Fault xmlns=\"urn:vim25\" xsi:type=\"{kind}\">{fields}</{kind}Fault></detail></soapenv:Fault>{TAIL}",
        escape(text)
    );
    Reply { fault: true, body, cookie: None }
}

/// Answers one body.
pub(crate) fn answer(host: &Arc<Host>, body: &str, cookie: &str) -> Reply {
    let Ok(document) = Document::parse(body) else {
        return fault_reply(&refuse("InvalidRequest", "The request is no XML"));
    };
    let root = document.root_element();
    let method = child(root, "Body").and_then(|body| body.first_element_child());
    let Some(element) = method else {
        return fault_reply(&refuse("InvalidRequest", "The request has no method"));
    };
    let this = child(element, "_this").map(reference).unwrap_or_default();
    let name = element.tag_name().name();
    let session = host.session(cookie);
    let call = Call { host, method: name, this, element, cookie, session };
    match methods::answer(&call) {
        Ok(answer) => {
            let space = element.tag_name().namespace().unwrap_or("urn:vim25");
            let body = format!(
                "{HEAD}<{name}Response xmlns=\"{}\">{}</{name}Response>{TAIL}",
                escape(space),
                answer.body
            );
            Reply { fault: false, body, cookie: answer.cookie }
        }
        Err(refusal) => fault_reply(&refusal),
    }
}
