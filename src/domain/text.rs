//! How names are compared: after NFKC and without case, so that full-width and upper-case spellings are one name.
//! Codes that only look alike (`1210`, `0001210`) stay different: nothing here touches digits or zeros.

use unicode_normalization::UnicodeNormalization;

/// A name in the form in which names are compared.  Not for display.
pub fn comparable_name(name: &str) -> String {
    if name.is_ascii() {
        return name.trim().to_ascii_lowercase();
    }
    // Lower case after upper case folds letters such as the sharp s, which plain lower case leaves apart.
    let folded: String = name
        .nfkc()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect();
    folded.nfkc().collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::comparable_name;

    #[test]
    fn width_and_case_do_not_matter() {
        for (left, right) in [
            ("ＳＡＬＥＳ", "sales"),
            ("Straße", "STRASSE"),
            (" Alice.Kuroda ", "alice.kuroda"),
            ("ﾃﾞｰﾀ", "データ"),
        ] {
            assert_eq!(comparable_name(left), comparable_name(right));
        }
        assert_ne!(comparable_name("0001210"), comparable_name("1210"));
    }
}
