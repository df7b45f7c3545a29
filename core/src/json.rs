//! JSON texts: the one codec of everything that is stored.
//!
//! A text is read into a [`Json`] tree, and types are made of the tree; types write themselves as
//! text directly. The derived implementations of serde read every type through every format by
//! code of its own; they were a quarter of the wasm. Here a type costs a line for each of
//! its fields, and the reader is there once.
//!
//! What is read and what is refused is that of strict JSON ([RFC 8259]). Types are strict, too: a
//! field of the wrong type, a missing field and a field that comes twice make a value unreadable;
//! fields that nobody asks for are passed over.
//!
//! [RFC 8259]: https://www.rfc-editor.org/rfc/rfc8259

mod reader;
mod writer;

pub use writer::{Object, ToJson};

/// A value as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that is not negative and below 2^64: no other is ever stored.
    Whole(u64),
    /// Any other number, or a string that is no Unicode text: well-formed, but of no type of ours.
    Other,
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object, its fields in their order.
    Fields(Fields),
}

/// The value is not of the type that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

impl Json {
    /// Reads a text that is one JSON value.
    ///
    /// # Errors
    /// [`Unreadable`] where it is none, or nested more than 128 levels deep.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        reader::parse(text)
    }
}

/// Reads a value of a type from a text.
///
/// # Errors
/// [`Unreadable`] where the text is no JSON, or no value of the type.
pub fn read<T: FromJson>(text: &str) -> Result<T, Unreadable> {
    T::from_json(Json::parse(text)?)
}

/// The text of a value, on one line.
#[must_use]
pub fn write(value: &dyn ToJson) -> String {
    let mut text = String::new();
    value.write(&mut text);
    text
}

/// A type that can be made of a JSON value.
pub trait FromJson: Sized {
    /// Makes it.
    ///
    /// # Errors
    /// [`Unreadable`] where the value is of another type.
    fn from_json(json: Json) -> Result<Self, Unreadable>;

    /// What a field that is not there stands for.
    ///
    /// # Errors
    /// [`Unreadable`], except for what is optional.
    fn absent() -> Result<Self, Unreadable> {
        Err(Unreadable)
    }
}

/// A type whose values are single words.
pub trait Word: Copy + 'static {
    /// Every value.
    const ALL: &'static [Self];
    /// The word of a value.
    fn word(self) -> &'static str;
}

/// The fields of an object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields(Vec<(String, Json)>);

impl Fields {
    /// Takes a field out and makes a value of it.
    ///
    /// # Errors
    /// [`Unreadable`] where it is of another type, missing but not optional, or there twice.
    pub fn take<T: FromJson>(&mut self, name: &str) -> Result<T, Unreadable> {
        match self.find(name)? {
            Some(json) => T::from_json(json),
            None => T::absent(),
        }
    }

    /// Takes a field out that may be missing, but is never `null`.
    ///
    /// # Errors
    /// [`Unreadable`] where it is of another type, or there twice.
    pub fn take_or_default<T: FromJson + Default>(&mut self, name: &str) -> Result<T, Unreadable> {
        self.find(name)?
            .map_or_else(|| Ok(T::default()), T::from_json)
    }

    fn find(&mut self, name: &str) -> Result<Option<Json>, Unreadable> {
        let mut named = self
            .0
            .iter()
            .enumerate()
            .filter(|(_, (key, _))| key == name);
        let Some((first, _)) = named.next() else {
            return Ok(None);
        };
        if named.next().is_some() {
            return Err(Unreadable);
        }
        Ok(Some(self.0.swap_remove(first).1))
    }

    /// The only field, with its name.
    ///
    /// # Errors
    /// [`Unreadable`] where there are none or several.
    pub fn only(mut self) -> Result<(String, Json), Unreadable> {
        match (self.0.pop(), self.0.is_empty()) {
            (Some(field), true) => Ok(field),
            _ => Err(Unreadable),
        }
    }
}

impl FromJson for Json {
    fn from_json(json: Json) -> Result<Self, Unreadable> {
        Ok(json)
    }
}

impl FromJson for Fields {
    fn from_json(json: Json) -> Result<Self, Unreadable> {
        match json {
            Json::Fields(fields) => Ok(fields),
            _ => Err(Unreadable),
        }
    }
}

impl FromJson for String {
    fn from_json(json: Json) -> Result<Self, Unreadable> {
        match json {
            Json::Text(text) => Ok(text),
            _ => Err(Unreadable),
        }
    }
}

impl FromJson for bool {
    fn from_json(json: Json) -> Result<Self, Unreadable> {
        match json {
            Json::Bool(value) => Ok(value),
            _ => Err(Unreadable),
        }
    }
}

impl FromJson for u64 {
    fn from_json(json: Json) -> Result<Self, Unreadable> {
        match json {
            Json::Whole(number) => Ok(number),
            _ => Err(Unreadable),
        }
    }
}

impl FromJson for u32 {
    fn from_json(json: Json) -> Result<Self, Unreadable> {
        u64::from_json(json)?.try_into().map_err(|_| Unreadable)
    }
}

impl<T: FromJson> FromJson for Option<T> {
    fn from_json(json: Json) -> Result<Self, Unreadable> {
        match json {
            Json::Null => Ok(None),
            json => T::from_json(json).map(Some),
        }
    }

    fn absent() -> Result<Self, Unreadable> {
        Ok(None)
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json(json: Json) -> Result<Self, Unreadable> {
        match json {
            Json::List(list) => {
                // A loop, because this function is there once for each type of ours, and a chain
                // of iterators is ten functions more.
                let mut values = Self::with_capacity(list.len());
                for json in list {
                    values.push(T::from_json(json)?);
                }
                Ok(values)
            }
            _ => Err(Unreadable),
        }
    }
}

impl<T: Word> FromJson for T {
    fn from_json(json: Json) -> Result<Self, Unreadable> {
        let word = String::from_json(json)?;
        let found = T::ALL.iter().find(|value| value.word() == word);
        found.copied().ok_or(Unreadable)
    }
}
