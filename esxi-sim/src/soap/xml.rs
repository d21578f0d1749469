//! Values of properties as XML.

/// An element with the type that its value has.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) name: String,
    kind: String,
    content: Content,
    /// The place takes values of any type.
    any: bool,
}

#[derive(Debug, Clone)]
enum Content {
    Text(String),
    /// A managed object: its type and id.
    Object(String, String),
    Children(Vec<Node>),
    /// Items whose type in the name of the array's type is the first one.
    Array(String, Vec<Node>),
}

/// Text with what XML has another use for written out.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            letter => out.push(letter),
        }
    }
    out
}

/// Seconds since 1970 as XML has times.
pub(crate) fn time(seconds: u64) -> String {
    let (days, rest) = (seconds / 86400, seconds % 86400);
    // Days are counted from a first of March, so that leap days come last in their year.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

impl Node {
    pub(crate) fn scalar(name: &str, kind: &str, value: impl ToString) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            content: Content::Text(value.to_string()),
            any: false,
        }
    }

    pub(crate) fn text(name: &str, value: impl ToString) -> Self {
        Self::scalar(name, "xsd:string", value)
    }

    pub(crate) fn int(name: &str, value: impl ToString) -> Self {
        Self::scalar(name, "xsd:int", value)
    }

    pub(crate) fn long(name: &str, value: impl ToString) -> Self {
        Self::scalar(name, "xsd:long", value)
    }

    pub(crate) fn flag(name: &str, value: bool) -> Self {
        Self::scalar(name, "xsd:boolean", value)
    }

    pub(crate) fn time(name: &str, seconds: u64) -> Self {
        Self::scalar(name, "xsd:dateTime", time(seconds))
    }

    pub(crate) fn object(name: &str, (kind, id): (&str, &str)) -> Self {
        let content = Content::Object(kind.to_owned(), id.to_owned());
        Self { name: name.to_owned(), kind: "ManagedObjectReference".to_owned(), content, any: false }
    }

    pub(crate) fn data(name: &str, kind: &str, children: Vec<Self>) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            content: Content::Children(children),
            any: false,
        }
    }

    pub(crate) fn array(name: &str, kind: &str, items: Vec<Self>) -> Self {
        let mut letters = kind.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        let upper: String = first.into_iter().chain(letters).collect();
        let content = Content::Array(kind.to_owned(), items);
        Self { name: name.to_owned(), kind: format!("ArrayOf{upper}"), content, any: false }
    }

    pub(crate) fn objects(name: &str, ids: &[(&str, &str)]) -> Self {
        let items = ids.iter().map(|id| Self::object(name, *id)).collect();
        Self::array(name, "ManagedObjectReference", items)
    }

    /// For a place that takes values of any type: the type is written out.
    pub(crate) fn of_any_type(mut self) -> Self {
        self.any = true;
        self
    }

    /// The value at a path of names with dots.
    pub(crate) fn find(&self, path: &str) -> Option<&Self> {
        let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
        let Content::Children(children) = &self.content else { return None };
        let child = children.iter().find(|child| child.name == first)?;
        rest.map_or(Some(child), |rest| child.find(rest))
    }

    pub(crate) fn children(&self) -> &[Self] {
        match &self.content {
            Content::Children(children) => children,
            _ => &[],
        }
    }

    /// The managed objects that the value names.
    pub(crate) fn references(&self) -> Vec<(String, String)> {
        match &self.content {
            Content::Object(kind, id) => vec![(kind.clone(), id.clone())],
            Content::Array(_, items) => items.iter().flat_map(Self::references).collect(),
            _ => Vec::new(),
        }
    }

    /// The element as part of a data object.
    pub(crate) fn write(&self, out: &mut String) {
        match &self.content {
            Content::Array(_, items) => {
                for item in items {
                    item.write_as(&self.name, false, out);
                }
            }
            _ => self.write_as(&self.name, false, out),
        }
    }

    /// The element under another name, with its type for a place where anything may stand.
    pub(crate) fn write_any(&self, name: &str, out: &mut String) {
        self.write_as(name, true, out);
    }

    fn write_as(&self, name: &str, any: bool, out: &mut String) {
        out.push_str(&format!("<{name}"));
        if let Content::Object(kind, _) = &self.content {
            out.push_str(&format!(" type=\"{kind}\""));
        }
        if any || self.any || matches!(self.content, Content::Children(_)) {
            out.push_str(&format!(" xsi:type=\"{}\"", self.kind));
        }
        out.push('>');
        match &self.content {
            Content::Text(text) | Content::Object(_, text) => out.push_str(&escape(text)),
            Content::Children(children) => children.iter().for_each(|child| child.write(out)),
            Content::Array(kind, items) => items.iter().for_each(|item| item.write_as(kind, false, out)),
        }
        out.push_str(&format!("</{name}>"));
    }
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times() {
        assert_eq!(time(0), "1970-01-01T00:00:00Z");
        assert_eq!(time(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(time(1_764_060_299), "2025-11-25T08:44:59Z");
    }
}
