//! The style and the script, compiled in.
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;

/// Browsers ask again after five minutes, so that a new version is soon seen.
const CACHED: (axum::http::HeaderName, &str) = (CACHE_CONTROL, "public, max-age=300");

pub(crate) async fn css() -> impl IntoResponse {
    let kind = (CONTENT_TYPE, "text/css; charset=utf-8");
    ([kind, CACHED], include_str!("../assets/console.css"))
}

pub(crate) async fn js() -> impl IntoResponse {
    let kind = (CONTENT_TYPE, "text/javascript; charset=utf-8");
    ([kind, CACHED], include_str!("../assets/console.js"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    const CSS: &str = include_str!("../assets/console.css");

    /// The colours of a theme: the first block is the light one, the second says what differs in the dark.
    fn colours(block: usize) -> HashMap<&'static str, [f64; 3]> {
        let block = CSS.split(":root {").nth(block).unwrap();
        let block = block.split('}').next().unwrap();
        let pairs = block.split(';').filter_map(|pair| pair.split_once(':'));
        pairs
            .filter_map(|(name, value)| Some((name.trim().strip_prefix("--")?, rgb(value.trim())?)))
            .collect()
    }

    fn rgb(text: &str) -> Option<[f64; 3]> {
        let hex = text.strip_prefix('#')?;
        let wide = hex.len() == 6;
        let part = |index: usize| {
            let part = if wide {
                &hex[2 * index..2 * index + 2]
            } else {
                &hex[index..=index]
            };
            let value = f64::from(u8::from_str_radix(part, 16).ok()?);
            Some(if wide { value } else { value * 17.0 } / 255.0)
        };
        Some([part(0)?, part(1)?, part(2)?])
    }

    /// By WCAG 2.2, 1.4.3.
    fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
        let luminance = |colour: [f64; 3]| {
            let linear = colour.map(|part| match part <= 0.04045 {
                true => part / 12.92,
                false => ((part + 0.055) / 1.055).powf(2.4),
            });
            0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn colours_are_told_apart_in_both_themes() {
        assert!((contrast([0.0; 3], [1.0; 3]) - 21.0).abs() < 1e-9);
        for (theme, block) in [("light", 1), ("dark", 2)] {
            let colours = colours(block);
            let of = |name: &str| {
                *colours
                    .get(name)
                    .unwrap_or_else(|| panic!("{theme}: {name}"))
            };
            let grounds = ["page", "card", "tint"];
            // What is read: 4.5 to 1.
            for text in ["text", "quiet", "link", "good", "warn", "bad", "busy"] {
                for ground in grounds {
                    let found = contrast(of(text), of(ground));
                    assert!(found >= 4.5, "{theme}: {text} on {ground} is {found:.2}");
                }
            }
            for ground in ["link", "bad"] {
                let found = contrast(of("card"), of(ground));
                assert!(
                    found >= 4.5,
                    "{theme}: a button's words on {ground} are {found:.2}"
                );
            }
            // What shows where something is: 3 to 1.
            for (mark, ground) in [
                ("edge", "card"),
                ("edge", "page"),
                ("used", "rest"),
                ("used", "idle"),
            ] {
                let found = contrast(of(mark), of(ground));
                assert!(found >= 3.0, "{theme}: {mark} on {ground} is {found:.2}");
            }
        }
    }

    #[test]
    fn what_moves_can_be_stilled_and_focus_is_seen() {
        assert!(CSS.contains("prefers-reduced-motion: reduce"));
        assert!(CSS.contains(":focus-visible { outline: 3px solid"));
        for hidden in ["outline: 0", "outline:none", "outline: none;"] {
            // But for the target of the skip link, which is no control.
            let elsewhere = CSS.replace("main:focus { outline: none; }", "");
            assert!(!elsewhere.contains(hidden), "{hidden}");
        }
    }
}
