//! Properties of objects, by RetrievePropertiesEx.

use roxmltree::Node;

use super::session::{Content, Session};
use super::soap::{self, Moref, Request, Returned};
use crate::error::Result;

/// Most further parts of an answer.
const MAX_PARTS: usize = 100;

/// The request for properties of one object.
pub(super) fn request(content: &Content, object: &Moref, paths: &[&str]) -> Request {
    Request::new("RetrievePropertiesEx", &content.property_collector)
        .element("specSet", |request| {
            request
                .element("propSet", |request| {
                    let request = request.text("type", &object.kind);
                    paths.iter().fold(request, |request, path| request.text("pathSet", path))
                })
                .element("objectSet", |request| request.moref("obj", object))
        })
        .element("options", |request| request)
}

/// An object of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object<'a, 'input>(Node<'a, 'input>);

impl<'a, 'input> Object<'a, 'input> {
    /// The value of a property that was asked for.
    pub(super) fn value(self, path: &str) -> Option<Node<'a, 'input>> {
        soap::children(self.0, "propSet")
            .find(|property| soap::text(*property, "name") == Some(path))
            .and_then(|property| soap::child(property, "val"))
    }
}

/// The objects of an answer to RetrievePropertiesEx or to ContinueRetrievePropertiesEx.
pub(super) fn objects<'a, 'input>(
    returned: Returned<'a, 'input>,
) -> impl Iterator<Item = Object<'a, 'input>> {
    returned.values().flat_map(|value| soap::children(value, "objects")).map(Object)
}

/// Reads properties of one object: `read` sees each part of the answer, which usually is one.
///
/// # Errors
/// As for [`Session::call`], those of `read`.
pub(super) fn retrieve(
    session: &Session,
    what: &str,
    object: &Moref,
    paths: &[&str],
    read: &mut dyn FnMut(Object<'_, '_>) -> Result<()>,
) -> Result<()> {
    let read = std::cell::RefCell::new(read);
    let part = |returned: Returned<'_, '_>| {
        for object in objects(returned) {
            (read.borrow_mut())(object)?;
        }
        let token = returned.values().next().and_then(|value| soap::text(value, "token"));
        Ok(token.map(str::to_owned))
    };
    let mut token = session.call(what, |content| Ok(request(content, object, paths)), part)?;
    for _ in 0..MAX_PARTS {
        let Some(more) = token else { return Ok(()) };
        let request = |content: &Content| {
            let request = Request::new("ContinueRetrievePropertiesEx", &content.property_collector);
            Ok(request.text("token", &more))
        };
        token = session.call(what, request, part)?;
    }
    Err(soap::senseless("it has no end").context(what))
}
