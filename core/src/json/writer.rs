//! From values to texts: no white space, fields in the order of their declaration.

use super::Word;

/// A type that can be written as JSON.
///
/// Values are passed as `dyn`: one function writes the fields of all types.
pub trait ToJson {
    /// Appends the value's text.
    fn write(&self, text: &mut String);
}

/// An object that is being written.
pub struct Object<'a> {
    text: &'a mut String,
    empty: bool,
}

impl<'a> Object<'a> {
    /// Begins an object.
    pub fn new(text: &'a mut String) -> Self {
        text.push('{');
        Self { text, empty: true }
    }

    /// Writes a field.
    pub fn field(&mut self, name: &str, value: &dyn ToJson) -> &mut Self {
        if !self.empty {
            self.text.push(',');
        }
        self.empty = false;
        string(name, self.text);
        self.text.push(':');
        value.write(self.text);
        self
    }

    /// Writes a field, unless its value is what its absence stands for.
    pub fn unless(&mut self, default: bool, name: &str, value: &dyn ToJson) -> &mut Self {
        if !default {
            self.field(name, value);
        }
        self
    }

    /// Writes a field where there is a value.
    pub fn some<T: ToJson>(&mut self, name: &str, value: Option<&T>) -> &mut Self {
        if let Some(value) = value {
            self.field(name, value);
        }
        self
    }

    /// Ends the object.
    pub fn end(&mut self) {
        self.text.push('}');
    }
}

impl ToJson for &str {
    fn write(&self, text: &mut String) {
        string(self, text);
    }
}

impl ToJson for String {
    fn write(&self, text: &mut String) {
        string(self, text);
    }
}

impl ToJson for bool {
    fn write(&self, text: &mut String) {
        text.push_str(if *self { "true" } else { "false" });
    }
}

impl ToJson for u32 {
    fn write(&self, text: &mut String) {
        u64::from(*self).write(text);
    }
}

impl ToJson for u64 {
    fn write(&self, text: &mut String) {
        text.push_str(&self.to_string());
    }
}

impl<T: Word> ToJson for T {
    fn write(&self, text: &mut String) {
        string(self.word(), text);
    }
}

impl<T: ToJson> ToJson for Vec<T> {
    fn write(&self, text: &mut String) {
        text.push('[');
        for (n, value) in self.iter().enumerate() {
            if n > 0 {
                text.push(',');
            }
            value.write(text);
        }
        text.push(']');
    }
}

fn string(value: &str, text: &mut String) {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    text.push('"');
    for c in value.chars() {
        let short = match c {
            '"' | '\\' => c,
            '\u{8}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{c}' => 'f',
            '\r' => 'r',
            '\0'..='\u{1f}' => {
                text.push_str("\\u00");
                text.push(DIGITS[c as usize / 16]);
                text.push(DIGITS[c as usize % 16]);
                continue;
            }
            _ => {
                text.push(c);
                continue;
            }
        };
        text.push('\\');
        text.push(short);
    }
    text.push('"');
}
