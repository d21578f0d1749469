//! SOAP: requests as text, answers as trees, faults as errors.
//!
//! Answers come from a server and are not trusted: they are bounded in bytes, nodes, the length of a tag and the
//! number of namespaces before and while the tree is built, and whoever reads one takes what is missing for an error.

use std::collections::BTreeSet;
use std::fmt;

use roxmltree::{Document, Node, ParsingOptions};
use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};

/// The namespace of the interface.
pub(super) const NAMESPACE: &str = "urn:vim25";

/// Most nodes of an answer. A virtual machine with 60 disks has some thousand.
const MAX_NODES: u32 = 400_000;

/// Longest tag of an answer, in bytes: its attributes are compared with each other.
const MAX_TAG: usize = 8 << 10;

/// Most prefixes of namespaces in an answer: each element may have a list of all of them.
const MAX_PREFIXES: usize = 32;

/// Longest text of a fault that is passed on, in characters.
const MAX_FAULT_TEXT: usize = 300;

/// A reference to an object of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moref {
    /// Its type, as `VirtualMachine`.
    pub kind: String,
    /// Its id, as `vm-42`.
    pub id: String,
}

impl Moref {
    /// A reference.
    pub fn new(kind: &str, id: &str) -> Self {
        Self { kind: kind.to_owned(), id: id.to_owned() }
    }

    /// Reads one; the type is taken from the element where the server leaves it out.
    fn read(node: Node<'_, '_>) -> Option<Self> {
        let kind = node.attributes().find(|attribute| attribute.name() == "type");
        let id = node.text().map(str::trim).filter(|id| !id.is_empty())?;
        Some(Self::new(kind.map_or(node.tag_name().name(), |kind| kind.value()), id))
    }
}

impl fmt::Display for Moref {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.id)
    }
}

/// A call of a method.
pub(super) struct Request {
    method: &'static str,
    /// It may hold a password.
    xml: Zeroizing<String>,
    /// What cannot be said in XML.
    unspeakable: Option<&'static str>,
}

impl Request {
    pub(super) fn new(method: &'static str, this: &Moref) -> Self {
        // Passwords are short: the text does not move once one is in it.
        let mut xml = Zeroizing::new(String::with_capacity(4096));
        xml.push_str(concat!(
            r#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope "#,
            r#"xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" "#,
            r#"xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>"#
        ));
        xml.push_str(&format!(r#"<{method} xmlns="{NAMESPACE}">"#));
        Self { method, xml, unspeakable: None }.moref("_this", this)
    }

    pub(super) fn method(&self) -> &'static str {
        self.method
    }

    /// Adds an element with a text.
    pub(super) fn text(mut self, name: &'static str, value: &str) -> Self {
        self.xml.push_str(&format!("<{name}>"));
        self.escaped(name, value);
        self.xml.push_str(&format!("</{name}>"));
        self
    }

    /// Adds an element with a text that should be UTF-8.
    pub(super) fn bytes(mut self, name: &'static str, value: &[u8]) -> Self {
        match std::str::from_utf8(value) {
            Ok(value) => self.text(name, value),
            Err(_) => {
                self.unspeakable = Some(name);
                self
            }
        }
    }

    /// Adds a reference.
    pub(super) fn moref(mut self, name: &'static str, moref: &Moref) -> Self {
        self.xml.push_str(&format!(r#"<{name} type=""#));
        self.escaped(name, &moref.kind);
        self.xml.push_str("\">");
        self.escaped(name, &moref.id);
        self.xml.push_str(&format!("</{name}>"));
        self
    }

    /// Adds an element with what `inside` adds.
    pub(super) fn element(mut self, name: &'static str, inside: impl FnOnce(Self) -> Self) -> Self {
        self.xml.push_str(&format!("<{name}>"));
        let mut request = inside(self);
        request.xml.push_str(&format!("</{name}>"));
        request
    }

    fn escaped(&mut self, name: &'static str, value: &str) {
        for character in value.chars() {
            match character {
                '&' => self.xml.push_str("&amp;"),
                '<' => self.xml.push_str("&lt;"),
                '>' => self.xml.push_str("&gt;"),
                '"' => self.xml.push_str("&quot;"),
                '\'' => self.xml.push_str("&apos;"),
                '\r' => self.xml.push_str("&#13;"),
                '\t' | '\n' => self.xml.push(character),
                '\0'..' ' | '\u{fffe}' | '\u{ffff}' => self.unspeakable = Some(name),
                _ => self.xml.push(character),
            }
        }
    }

    /// The whole text.
    ///
    /// # Errors
    /// `InvalidArgument` for a value that XML cannot hold.
    pub(super) fn finish(mut self) -> Result<Zeroizing<String>> {
        if let Some(name) = self.unspeakable {
            let text =
                format!("{name} of {} has characters that cannot be sent, or is no UTF-8", self.method);
            return Err(Error::new(Kind::InvalidArgument, text));
        }
        self.xml.push_str(&format!("</{}></soapenv:Body></soapenv:Envelope>", self.method));
        Ok(self.xml)
    }
}

/// What a method returned: the element `MethodResponse`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Returned<'a, 'input>(Node<'a, 'input>);

impl<'a, 'input> Returned<'a, 'input> {
    /// Each value.
    pub(super) fn values(self) -> impl Iterator<Item = Node<'a, 'input>> {
        children(self.0, "returnval")
    }

    /// The only value.
    ///
    /// # Errors
    /// `ServerFault` when there is none.
    pub(super) fn value(self) -> Result<Node<'a, 'input>> {
        self.values().next().ok_or_else(|| senseless("it returns nothing"))
    }
}

/// The children of an element that have a name.
pub(super) fn children<'a, 'input>(
    node: Node<'a, 'input>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

/// The first child that has a name.
pub(super) fn child<'a, 'input>(node: Node<'a, 'input>, name: &'static str) -> Option<Node<'a, 'input>> {
    children(node, name).next()
}

/// The text of a child; `None` when there is no such child, or when it is empty.
pub(super) fn text<'a>(node: Node<'a, '_>, name: &'static str) -> Option<&'a str> {
    child(node, name).and_then(|child| child.text()).map(str::trim).filter(|text| !text.is_empty())
}

/// The reference in a child.
pub(super) fn reference(node: Node<'_, '_>, name: &'static str) -> Option<Moref> {
    child(node, name).and_then(Moref::read)
}

/// The reference that an element is.
///
/// # Errors
/// `ServerFault` when it is none.
pub(super) fn as_reference(node: Node<'_, '_>) -> Result<Moref> {
    Moref::read(node).ok_or_else(|| senseless("a reference in it is empty"))
}

/// The type that an element says it has (`xsi:type`), without a prefix.
pub(super) fn type_of<'a>(node: Node<'a, '_>) -> Option<&'a str> {
    let value = node.attributes().find(|attribute| attribute.name() == "type")?.value();
    Some(value.rsplit(':').next().unwrap_or(value))
}

/// Reads an answer to a method.
///
/// # Errors
/// That of the fault; `ServerFault` for what is no answer; those of `read`.
pub(super) fn read<R>(
    body: &[u8],
    method: &str,
    read: impl FnOnce(Returned<'_, '_>) -> Result<R>,
) -> Result<R> {
    let body = std::str::from_utf8(body).map_err(|_| senseless("it is no UTF-8"))?;
    check_bounds(body)?;
    let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document =
        Document::parse_with_options(body, options).map_err(|error| senseless(&error.to_string()))?;
    let envelope = document.root_element();
    let body = child(envelope, "Body").filter(|_| envelope.tag_name().name() == "Envelope");
    let inside = body.and_then(|body| body.first_element_child());
    let inside = inside.ok_or_else(|| senseless("it is no envelope with something in it"))?;
    let name = inside.tag_name().name();
    if name == "Fault" {
        return Err(Fault::read(inside).into_error());
    }
    if name.strip_suffix("Response") != Some(method) {
        return Err(senseless(&format!("it answers with '{}'", printable(name))));
    }
    read(Returned(inside))
}

/// Refuses what would take long or much memory to read.
fn check_bounds(body: &str) -> Result<()> {
    for part in body.split('<').filter(|part| !part.starts_with(['!', '?'])) {
        if tag_length(part) > MAX_TAG {
            return Err(senseless(&format!("a tag has more than {MAX_TAG} bytes")));
        }
    }
    let mut prefixes = BTreeSet::new();
    for declared in body.split("xmlns:").skip(1) {
        prefixes.insert(declared.split(['=', ' ']).next());
        if prefixes.len() > MAX_PREFIXES {
            return Err(senseless(&format!("it has more than {MAX_PREFIXES} namespaces")));
        }
    }
    Ok(())
}

/// The length of the tag that a text begins with, up to a `>` that is not in quotes.
fn tag_length(text: &str) -> usize {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    text.len()
}

/// An answer that cannot be used.
pub(super) fn senseless(why: &str) -> Error {
    Error::new(Kind::ServerFault, format!("the answer makes no sense: {}", printable(why)))
}

/// What a server says, fit for one line of a log.
pub(crate) fn printable(text: &str) -> String {
    let clean = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut shown: String = clean.take(MAX_FAULT_TEXT).collect();
    if text.trim().chars().nth(MAX_FAULT_TEXT).is_some() {
        shown.push_str("...");
    }
    shown
}

/// Why a server did not do what it was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Its type, as `InvalidLogin`; "" when it has none.
    name: String,
    /// What it says.
    text: String,
    /// The object or the argument that it is about.
    about: Option<Moref>,
}

impl Fault {
    fn read(fault: Node<'_, '_>) -> Self {
        let detail = child(fault, "detail").and_then(|detail| detail.first_element_child());
        let mut text = printable(text(fault, "faultstring").unwrap_or_default());
        if let Some(what) = detail.and_then(|detail| self::text(detail, "invalidProperty")) {
            text.push_str(&format!(" ({})", printable(what)));
        }
        let about =
            detail.and_then(|detail| reference(detail, "obj").or_else(|| reference(detail, "object")));
        Self { name: printable(detail.map(fault_name).unwrap_or_default()), text, about }
    }

    fn kind(&self) -> Kind {
        match self.name.as_str() {
            "InvalidLogin" | "NoPermission" | "PasswordExpired" | "RestrictedVersion" => Kind::NoPermission,
            "NotAuthenticated" => Kind::NotLoggedIn,
            "ManagedObjectNotFound" => match self.about.as_ref().map(|about| about.kind.as_str()) {
                Some("VirtualMachineSnapshot") => Kind::SnapshotNotFound,
                Some("VirtualMachine") | None => Kind::VmNotFound,
                Some(_) => Kind::ServerFault,
            },
            "InvalidArgument" | "InvalidName" | "InvalidProperty" => Kind::InvalidArgument,
            "InvalidRequest" | "MethodNotFound" | "NotSupported" | "NotImplemented" => Kind::NotSupported,
            "FileNotFound" => Kind::FileNotFound,
            "FileLocked" => Kind::Locked,
            "InvalidDatastorePath" | "InvalidDatastore" => Kind::BadName,
            "InvalidState" | "InvalidPowerState" | "TaskInProgress" | "ResourceInUse" => Kind::Busy,
            "HostNotConnected" | "HostNotReachable" | "HostCommunication" | "InvalidHostState"
            | "HostConnectFault" => Kind::HostUnavailable,
            _ => Kind::ServerFault,
        }
    }

    /// The error that it is.
    pub(super) fn into_error(self) -> Error {
        let about =
            self.about.as_ref().map(|about| format!(" '{}'", printable(&about.id))).unwrap_or_default();
        let name = if self.name.is_empty() { "a fault" } else { &self.name };
        Error::new(self.kind(), format!("the server answered with {name}{about}: {}", self.text))
    }
}

/// The type of a fault, from what it says or else from the name of its element.
fn fault_name<'a>(node: Node<'a, '_>) -> &'a str {
    let name = node.tag_name().name();
    type_of(node).unwrap_or_else(|| name.strip_suffix("Fault").unwrap_or(name))
}

#[cfg(test)]
#[path = "soap_tests.rs"]
mod tests;
