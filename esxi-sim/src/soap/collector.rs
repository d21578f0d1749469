//! The property collector: which objects, which properties, in pages.

use std::collections::HashSet;

use roxmltree::Node as Element;

use super::inventory;
use super::xml::{Node, escape};
use super::{
    Answer, Call, MAX_KEPT, Outcome, Refusal, child, children, invalid_argument, not_found, reference,
};

/// Objects of a page when the client names no number.
const PAGE: usize = 100;

/// Most objects that a walk visits.
const MAX_OBJECTS: usize = 10000;

/// Whether an object of type `kind` counts as one of type `wanted`.
fn is_a(kind: &str, wanted: &str) -> bool {
    let entity = matches!(
        kind,
        "Folder"
            | "Datacenter"
            | "ComputeResource"
            | "ResourcePool"
            | "HostSystem"
            | "Datastore"
            | "VirtualMachine"
    );
    kind == wanted
        || wanted == "ManagedObject"
        || entity && matches!(wanted, "ManagedEntity" | "ExtensibleManagedObject")
        || kind == "ContainerView" && matches!(wanted, "View" | "ManagedObjectView")
        || kind == "Task" && wanted == "ExtensibleManagedObject"
}

/// A managed object as the session sees it.
fn managed(call: &Call<'_>, kind: &str, id: &str) -> Option<Node> {
    match &call.session {
        Some(session) if kind == "SessionManager" => {
            let session = super::methods::user_session("currentSession", &call.host.config.user, session);
            Some(Node::data("object", "SessionManager", vec![session]))
        }
        _ => inventory::object(call.host, kind, id),
    }
}

/// One property of one object, as pyVmomi asks for it.
pub(super) fn fetch(call: &Call<'_>) -> Outcome {
    let (kind, id) = call.this;
    let object = managed(call, kind, id).ok_or_else(|| not_found(kind, id))?;
    let name = call.text("prop").unwrap_or_default();
    let mut body = String::new();
    if let Some(value) = object.find(name) {
        value.write_any("returnval", &mut body);
    }
    Ok(body.into())
}

/// The objects that a filter selects, with how to go on from them.
fn select(call: &Call<'_>, filter: Element<'_, '_>) -> Result<Vec<(String, String)>, Refusal> {
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    for set in children_of(filter, "objectSet") {
        let start = child_of(set, "obj").map(reference_of).unwrap_or_default();
        if managed(call, &start.0, &start.1).is_none() {
            return Err(not_found(&start.0, &start.1));
        }
        let all: Vec<Element<'_, '_>> =
            set.descendants().filter(|element| element.tag_name().name() == "selectSet").collect();
        let skip = flag(set, "skip");
        let mut queue: Vec<((String, String), Vec<Element<'_, '_>>, bool)> =
            vec![(start, children_of(set, "selectSet").collect(), skip)];
        let mut visited = HashSet::new();
        while let Some((at, specs, skip)) = queue.pop() {
            if !skip && seen.insert(at.clone()) {
                found.push(at.clone());
            }
            if found.len() > MAX_OBJECTS {
                break;
            }
            let Some(value) = managed(call, &at.0, &at.1) else { continue };
            for spec in specs {
                let spec = resolve(spec, &all);
                let wanted = child_of(spec, "type").and_then(|kind| kind.text()).unwrap_or_default();
                let path = child_of(spec, "path").and_then(|path| path.text()).unwrap_or_default();
                if !is_a(&at.0, wanted) || !visited.insert((at.clone(), spec.id())) {
                    continue;
                }
                for next in value.find(path).map(Node::references).unwrap_or_default() {
                    queue.push((next, children_of(spec, "selectSet").collect(), flag(spec, "skip")));
                }
            }
        }
    }
    Ok(found)
}

fn children_of<'a, 'i>(
    element: Element<'a, 'i>,
    name: &'static str,
) -> impl Iterator<Item = Element<'a, 'i>> {
    element.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

fn child_of<'a, 'i>(element: Element<'a, 'i>, name: &'static str) -> Option<Element<'a, 'i>> {
    children_of(element, name).next()
}

fn reference_of(element: Element<'_, '_>) -> (String, String) {
    let kind = element.attribute("type").unwrap_or_default();
    (kind.to_owned(), element.text().unwrap_or_default().trim().to_owned())
}

fn flag(element: Element<'_, '_>, name: &'static str) -> bool {
    matches!(child_of(element, name).and_then(|flag| flag.text()), Some("true" | "1"))
}

/// A selection by name stands for the traversal of that name.
fn resolve<'a, 'i>(spec: Element<'a, 'i>, all: &[Element<'a, 'i>]) -> Element<'a, 'i> {
    let name = |spec: Element<'a, 'i>| child_of(spec, "name").and_then(|name| name.text());
    if child_of(spec, "path").is_some() {
        return spec;
    }
    let named = all.iter().find(|other| child_of(**other, "path").is_some() && name(**other) == name(spec));
    named.copied().unwrap_or(spec)
}

/// The content of one object, with an element for each property that was asked for.
fn content(
    call: &Call<'_>,
    (kind, id): &(String, String),
    filter: Element<'_, '_>,
    element: (&str, &str, &str),
) -> Option<String> {
    let object = managed(call, kind, id)?;
    let mut properties = String::new();
    let mut wanted = false;
    for set in children_of(filter, "propSet") {
        if !child_of(set, "type").and_then(|kind| kind.text()).is_some_and(|wanted| is_a(kind, wanted)) {
            continue;
        }
        wanted = true;
        let mut put = |name: &str, value: &Node| {
            let (_, item, extra) = element;
            properties.push_str(&format!("<{item}><name>{}</name>{extra}", escape(name)));
            value.write_any("val", &mut properties);
            properties.push_str(&format!("</{item}>"));
        };
        if flag(set, "all") {
            object.children().iter().for_each(|child| put(&child.name, child));
        }
        for path in children_of(set, "pathSet").filter_map(|path| path.text()) {
            if let Some(value) = object.find(path) {
                put(path, value);
            }
        }
    }
    let (outer, _, _) = element;
    wanted.then(|| format!("<{outer}><obj type=\"{kind}\">{}</obj>{properties}</{outer}>", escape(id)))
}

fn contents(call: &Call<'_>, name: &'static str) -> Result<Vec<String>, Refusal> {
    let mut all = Vec::new();
    for filter in children(call.element, name) {
        for object in select(call, filter)? {
            all.extend(content(call, &object, filter, ("objects", "propSet", "")));
        }
    }
    Ok(all)
}

/// A page of objects, and the token of the rest.
fn page(call: &Call<'_>, mut objects: Vec<String>, size: usize) -> Answer {
    if objects.is_empty() {
        return Answer::default();
    }
    let rest = objects.split_off(size.clamp(1, objects.len()));
    let mut body = String::from("<returnval>");
    if !rest.is_empty() {
        let token = call.host.next().to_string();
        body.push_str(&format!("<token>{token}</token>"));
        let mut memory = call.memory();
        if memory.pages.len() < MAX_KEPT {
            memory.pages.insert(token, rest);
        }
    }
    body.push_str(&objects.concat());
    body.push_str("</returnval>");
    body.into()
}

pub(super) fn retrieve(call: &Call<'_>) -> Outcome {
    let objects = contents(call, "specSet")?;
    let options = call.child("options").and_then(|options| child(options, "maxObjects"));
    let size = options.and_then(|size| size.text()?.trim().parse().ok()).unwrap_or(PAGE);
    Ok(page(call, objects, size))
}

pub(super) fn resume(call: &Call<'_>) -> Outcome {
    let token = call.text("token").unwrap_or_default();
    let rest = call.memory().pages.remove(token);
    Ok(page(call, rest.ok_or_else(|| invalid_argument("token"))?, PAGE))
}

/// The old call, without pages.
pub(super) fn retrieve_all(call: &Call<'_>) -> Outcome {
    let objects = contents(call, "specSet")?;
    let rename = |object: String| {
        let inner = object.strip_prefix("<objects>").and_then(|rest| rest.strip_suffix("</objects>"));
        format!("<returnval>{}</returnval>", inner.unwrap_or_default())
    };
    Ok(objects.into_iter().map(rename).collect::<String>().into())
}

pub(super) fn create_filter(call: &Call<'_>) -> Outcome {
    let Some(spec) = call.child("spec") else { return Err(invalid_argument("spec")) };
    select(call, spec)?;
    let id = format!("session[{}]filter", call.host.next());
    let text = call.element.document().input_text().get(spec.range()).unwrap_or_default();
    // A part of a document stands on its own with the names of spaces that it uses.
    let text = format!(
        "<filter xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:vim25=\"urn:vim25\" xmlns:ns1=\"urn:vim25\">{text}</filter>"
    );
    let mut memory = call.memory();
    if memory.filters.len() >= MAX_KEPT {
        return Err(invalid_argument("spec"));
    }
    memory.filters.insert(id.clone(), text);
    Ok(format!("<returnval type=\"PropertyFilter\">{id}</returnval>").into())
}

pub(super) fn destroy_filter(call: &Call<'_>) -> Outcome {
    call.memory().filters.remove(call.this.1);
    Ok(Answer::default())
}

/// What the filters see. Nothing changes on its own here: the first question gets everything, later ones wait for a
/// moment and hear nothing, or of everything again where an answer is owed.
pub(super) fn wait(call: &Call<'_>) -> Outcome {
    let version = call.text("version").unwrap_or_default();
    if !version.is_empty() {
        let options = call.child("options").and_then(|options| child(options, "maxWaitSeconds"));
        let seconds: u64 = options.and_then(|wait| wait.text()?.trim().parse().ok()).unwrap_or(1);
        std::thread::sleep(std::time::Duration::from_secs(seconds.min(1)));
        if call.method != "WaitForUpdates" {
            return Ok(Answer::default());
        }
    }
    let filters: Vec<(String, String)> =
        call.memory().filters.iter().map(|(id, text)| (id.clone(), text.clone())).collect();
    let number = version.parse::<u64>().unwrap_or(0) + 1;
    let mut body = format!("<returnval><version>{number}</version>");
    for (id, text) in filters {
        let Ok(document) = roxmltree::Document::parse(&text) else { continue };
        let Some(filter) = document.root_element().first_element_child() else { continue };
        body.push_str(&format!("<filterSet><filter type=\"PropertyFilter\">{id}</filter>"));
        for object in select(call, filter)? {
            let text = content(call, &object, filter, ("objectSet", "changeSet", "<op>assign</op>"));
            let text = text.unwrap_or_default();
            body.push_str(&text.replacen("<objectSet>", "<objectSet><kind>enter</kind>", 1));
        }
        body.push_str("</filterSet>");
    }
    body.push_str("</returnval>");
    Ok(body.into())
}

/// Makes a view of everything below a container.
pub(super) fn create_view(call: &Call<'_>) -> Outcome {
    let container = call.child("container").map(reference).unwrap_or_default();
    let container = (container.0.to_owned(), container.1.to_owned());
    let kinds: Vec<String> =
        children(call.element, "type").filter_map(|kind| kind.text().map(str::to_owned)).collect();
    let recursive = matches!(call.text("recursive"), Some("true" | "1"));
    let (mut queue, mut objects, mut seen) = (vec![container.clone()], Vec::new(), HashSet::new());
    while let Some(next) = queue.pop() {
        let Some(object) = managed(call, &next.0, &next.1) else { continue };
        if next != container && (kinds.is_empty() || kinds.iter().any(|kind| is_a(&next.0, kind))) {
            objects.push(next.clone());
        }
        if next != container && !recursive {
            continue;
        }
        let below = [
            "childEntity",
            "vmFolder",
            "hostFolder",
            "datastoreFolder",
            "networkFolder",
            "host",
            "resourcePool",
        ];
        let names = if next.0 == "VirtualMachine" { &[][..] } else { &below[..] };
        for child in names.iter().filter_map(|name| object.find(name)).flat_map(Node::references) {
            if seen.insert(child.clone()) {
                queue.push(child);
            }
        }
    }
    let id = format!("session[{}]view", call.host.next());
    let mut memory = call.memory();
    if memory.views.len() >= MAX_KEPT {
        return Err(invalid_argument("container"));
    }
    memory.views.insert(id.clone(), super::View { container, kinds, objects });
    Ok(format!("<returnval type=\"ContainerView\">{id}</returnval>").into())
}

pub(super) fn destroy_view(call: &Call<'_>) -> Outcome {
    call.memory().views.remove(call.this.1);
    Ok(Answer::default())
}
