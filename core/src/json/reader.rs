//! From texts to trees.

use super::{Fields, Json, Unreadable};

/// Deeper values are refused: each level takes room on the stack.
const DEEPEST: u32 = 128;

pub(super) fn parse(text: &str) -> Result<Json, Unreadable> {
    let mut reader = Reader {
        bytes: text.as_bytes(),
        at: 0,
    };
    let json = reader.value(DEEPEST)?;
    match reader.next() {
        None => Ok(json),
        Some(_) => Err(Unreadable),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn here(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The next byte that is no white space; it is not passed yet.
    fn next(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.here() {
            self.at += 1;
        }
        self.here()
    }

    /// Passes the byte if it is the next one.
    fn pass(&mut self, byte: u8) -> bool {
        let there = self.here() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8) -> Result<(), Unreadable> {
        self.next();
        self.pass(byte).then_some(()).ok_or(Unreadable)
    }

    fn value(&mut self, depth: u32) -> Result<Json, Unreadable> {
        let depth = depth.checked_sub(1).ok_or(Unreadable)?;
        match self.next().ok_or(Unreadable)? {
            b'n' => self.word("null", Json::Null),
            b't' => self.word("true", Json::Bool(true)),
            b'f' => self.word("false", Json::Bool(false)),
            b'"' => Ok(self.string()?.map_or(Json::Other, Json::Text)),
            b'[' => self.list(depth),
            b'{' => self.fields(depth),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, json: Json) -> Result<Json, Unreadable> {
        let there = self.bytes[self.at..].starts_with(word.as_bytes());
        self.at += word.len();
        there.then_some(json).ok_or(Unreadable)
    }

    /// Whether another item follows, in a list or an object that `end` ends.
    fn more(&mut self, first: bool, end: u8) -> Result<bool, Unreadable> {
        self.next();
        if self.pass(end) {
            return Ok(false);
        }
        if first || self.pass(b',') {
            return Ok(true);
        }
        Err(Unreadable)
    }

    fn list(&mut self, depth: u32) -> Result<Json, Unreadable> {
        self.at += 1;
        let mut list = Vec::new();
        while self.more(list.is_empty(), b']')? {
            list.push(self.value(depth)?);
        }
        Ok(Json::List(list))
    }

    fn fields(&mut self, depth: u32) -> Result<Json, Unreadable> {
        self.at += 1;
        let mut fields = Vec::new();
        while self.more(fields.is_empty(), b'}')? {
            self.next();
            let name = self.string()?.ok_or(Unreadable)?;
            self.expect(b':')?;
            fields.push((name, self.value(depth)?));
        }
        Ok(Json::Fields(Fields(fields)))
    }

    fn digits(&mut self) -> Result<(), Unreadable> {
        let from = self.at;
        while self.here().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > from {
            Ok(())
        } else {
            Err(Unreadable)
        }
    }

    fn number(&mut self) -> Result<Json, Unreadable> {
        let from = self.at;
        let mut whole = !self.pass(b'-');
        if !self.pass(b'0') {
            self.digits()?;
        }
        if self.pass(b'.') {
            whole = false;
            self.digits()?;
        }
        if self.pass(b'e') || self.pass(b'E') {
            whole = false;
            let _sign = self.pass(b'+') || self.pass(b'-');
            self.digits()?;
        }
        let number = self.bytes[from..self.at]
            .iter()
            .try_fold(0_u64, |number, digit| {
                let digit = digit.wrapping_sub(b'0').into();
                number.checked_mul(10)?.checked_add(digit)
            });
        Ok(number.filter(|_| whole).map_or(Json::Other, Json::Whole))
    }

    /// A string; `None` where surrogates in it have no partner.
    fn string(&mut self) -> Result<Option<String>, Unreadable> {
        if !self.pass(b'"') {
            return Err(Unreadable);
        }
        let mut bytes = Vec::new();
        let mut is_text = true;
        loop {
            let byte = self.here().ok_or(Unreadable)?;
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => {
                    let c = self.escape()?;
                    is_text &= c.is_some();
                    let c = c.unwrap_or_default();
                    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                0..0x20 => return Err(Unreadable),
                _ => bytes.push(byte),
            }
        }
        // Whole characters were copied, so this is UTF-8.
        Ok(String::from_utf8(bytes).ok().filter(|_| is_text))
    }

    /// What stands after a backslash; `None` for a surrogate without a partner.
    fn escape(&mut self) -> Result<Option<char>, Unreadable> {
        let byte = self.here().ok_or(Unreadable)?;
        self.at += 1;
        let c = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => return self.unicode(),
            _ => return Err(Unreadable),
        };
        Ok(Some(c.into()))
    }

    fn unicode(&mut self) -> Result<Option<char>, Unreadable> {
        let high = self.hex()?;
        if !(0xd800..0xdc00).contains(&high) {
            return Ok(char::from_u32(high));
        }
        if !self.bytes[self.at..].starts_with(b"\\u") {
            return Ok(None);
        }
        self.at += 2;
        let low = self.hex()?;
        if !(0xdc00..0xe000).contains(&low) {
            return Ok(None);
        }
        Ok(char::from_u32(
            0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00),
        ))
    }

    fn hex(&mut self) -> Result<u32, Unreadable> {
        let mut number = 0;
        for _ in 0..4 {
            let digit = self.here().and_then(|byte| char::from(byte).to_digit(16));
            number = number * 16 + digit.ok_or(Unreadable)?;
            self.at += 1;
        }
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::write;

    fn text(json: &str) -> Result<Option<String>, Unreadable> {
        parse(json).map(|json| match json {
            Json::Text(text) => Some(text),
            _ => None,
        })
    }

    #[test]
    fn strings_come_out_as_they_went_in() {
        let all: String = ('\0'..'\u{800}')
            .chain(['€', '\u{ffff}', '😀', '\u{10ffff}'])
            .collect();
        let written = write(&all);
        assert_eq!(text(&written), Ok(Some(all)));
        assert!(written.starts_with(r#""\u0000\u0001"#) && written.contains(r"\b\t\n\u000b\f\r"));
    }

    #[test]
    fn escapes_are_read() {
        let read = text(r#""\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\ude00""#);
        assert_eq!(read, Ok(Some("\"\\/\u{8}\u{c}\n\r\tAé€😀".to_owned())));
        for lone in [
            r#""\ud800""#,
            r#""\udc00x""#,
            r#""\ud800\u0041""#,
            r#""\ud800\n""#,
        ] {
            assert_eq!(parse(lone), Ok(Json::Other), "{lone}");
        }
    }

    #[test]
    fn only_whole_numbers_are_ours() {
        assert_eq!(parse("0"), Ok(Json::Whole(0)));
        assert_eq!(parse("18446744073709551615"), Ok(Json::Whole(u64::MAX)));
        for other in [
            "18446744073709551616",
            "-0",
            "-1",
            "1.0",
            "1e2",
            "1E+2",
            "0.5e-3",
        ] {
            assert_eq!(parse(other), Ok(Json::Other), "{other}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let deep = "[".repeat(129) + &"]".repeat(129);
        for bad in [
            "",
            " ",
            "nul",
            "tru",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "0x1",
            "\"",
            "\"\n\"",
            r#""\x""#,
            r#""\u12""#,
            r#""\u+123""#,
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{",
            "{1:2}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a":1 "b":2}"#,
            r"{a:1}",
            "1 2",
            "null,",
            &deep,
        ] {
            assert_eq!(parse(bad), Err(Unreadable), "{bad}");
        }
        let whole = parse(" {\n\"a\" : [ 1 , { } , [ ] ] ,\t\"b\":null}\r ").expect("JSON");
        let Json::Fields(mut fields) = whole else {
            panic!("fields")
        };
        assert_eq!(fields.take::<Option<u64>>("b"), Ok(None));
        let list = fields.take::<Vec<Json>>("a").expect("a list");
        assert_eq!(list[0], Json::Whole(1));
    }

    #[test]
    fn a_field_that_comes_twice_is_unreadable_unless_nobody_asks() {
        let fields = || {
            parse(r#"{"a":1,"b":2,"a":1}"#).map(|json| match json {
                Json::Fields(fields) => fields,
                _ => Fields::default(),
            })
        };
        assert_eq!(
            fields().and_then(|mut fields| fields.take::<u64>("a")),
            Err(Unreadable)
        );
        assert_eq!(
            fields().and_then(|mut fields| fields.take::<u64>("b")),
            Ok(2)
        );
        assert_eq!(
            fields().and_then(|mut fields| fields.take::<u64>("c")),
            Err(Unreadable)
        );
    }
}
